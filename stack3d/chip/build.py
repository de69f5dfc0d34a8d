"""A scenario made concrete: stack, crossbar matrices, device models; all but the places of the tiles."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stack3d import mvm
from stack3d.chip import kept
from stack3d.chip.chip import Chip
from stack3d.chip.computer import Computer, forward_of
from stack3d.chip.crossbars import build_matrix, packed, with_mismatch
from stack3d.devices.build import build_device, check_device
from stack3d.errors import DeckError, Problem, ValidityWarning, did_you_mean
from stack3d.geometry.stack import build_stack, check_places, explicit_sources, tile_sites
from stack3d.layout import HeatSource, Stack
from stack3d.schema import workload as schema
from stack3d.schema.device import Device
from stack3d.schema.scenario import Scenario
from stack3d.workload import data as labelled
from stack3d.workload import network as networks
from stack3d.workload import power, trace
from stack3d.workload.placement import place
from stack3d.workload.tasks import tasks

PROFILE_MEMORY = 1e9
"""Of the run that calibrates converters, between layers. [byte]"""
MOST_PROFILED = 32768
"""Products per layer that calibrate its converters, at most; more inputs are left out."""


def _problems_of(step: Callable[[], Any], problems: list[Problem], key: str = "") -> Any:
    """Outcome of a step; None, and its mistakes told, those that name no key under `key`, where it has some."""
    try:
        return step()
    except DeckError as error:
        problems += [p if p.key or not key else replace(p, key=key) for p in error.problems]
        return None


def _device_decks(scenario: Scenario, network: networks.Network, stack: Stack, problems: list[Problem]) -> dict[str, Device]:
    """Device deck of each network layer."""
    assert scenario.device is not None
    names = [layer.name for layer in network.layers]
    decks = dict.fromkeys(names, scenario.device)
    taken: set[int] = set()
    n_tiers = len(stack.with_role("rram"))
    for i, part in enumerate(scenario.hybrid):
        for layer in part.layers:
            if layer not in names:
                message = f"no analog layer {layer!r}{did_you_mean(layer, names)}; layers: {', '.join(names)}"
                problems.append(Problem(f"hybrid[{i}].layers", message))
            decks[layer] = part.device
        wrong = [t for t in part.tiers if t >= n_tiers or t in taken]
        if wrong:
            message = f"tiers {wrong} are above the top ({n_tiers} tiers, from 0) or named twice"
            problems.append(Problem(f"hybrid[{i}].tiers", message))
        taken |= set(part.tiers)
    return decks


def _copies(
    scenario: Scenario,
    single: Mapping[str, Sequence[mvm.AnalogMatrix]],
    products: Mapping[str, float],
    pulses: Mapping[str, float],
) -> dict[str, tuple[str, ...]]:
    """Names of the matrices of each layer; raises DeckError for layers unknown or without products to share."""
    work = scenario.workload
    assert work is not None
    none = np.zeros(0)
    idle = [
        power.TileActivity(t, products[n], none, none, pulses[n], (t.col_stop - t.col_start) * m.readouts, m.reads, n)
        for n, matrices in single.items()
        for m in matrices
        for t in m.tiles
    ]
    counts = power.copies_for_rate(idle, work.periphery, work.rate) if work.replicate == "rate" else dict(work.replicate)
    problems = []
    for name, count in counts.items():
        key = f"workload.replicate.{name}"
        if name not in single:
            known = f"{did_you_mean(name, single)}; layers: {', '.join(single)}"
            problems.append(Problem(key, f"no analog layer {name!r}{known}"))
        elif count > max(1, round(products[name])):
            problems.append(Problem(key, f"asks for {count} copies; an inference has {products[name]:g} products to share"))
    if problems:
        raise DeckError(problems)
    return {name: (name, *(f"{name}#{i}" for i in range(2, counts.get(name, 1) + 1))) for name in single}


def _single(
    scenario: Scenario, layers: Sequence[networks.WeightMatrix], decks: Mapping[str, Device]
) -> dict[str, tuple[mvm.AnalogMatrix, ...]]:
    """Matrices of one copy of each layer; raises DeckError."""
    out = {}
    for layer in layers:
        deck, ranges = decks[layer.name], packed(layer, scenario, decks[layer.name])
        most = float(np.abs(layer.blocks).max()) if len(ranges) > 1 else None
        out[layer.name] = tuple(build_matrix(scenario, layer.name, layer.part(a, b), deck, most) for a, b in ranges)
    return out


def _named(matrix: mvm.AnalogMatrix, name: str) -> mvm.AnalogMatrix:
    return replace(matrix, name=name, tiles=tuple(replace(t, layer=name) for t in matrix.tiles))


def _loaded(scenario: Scenario, problems: list[Problem]) -> tuple[networks.Network | None, labelled.LabelledData | None]:
    """Network and data of a scenario."""
    work = scenario.workload
    assert work is not None
    by_column = scenario.mvm.weight_scaling == "column"
    network = _problems_of(
        lambda: networks.load_network(work.network, output=work.output, digital=work.digital, by_column=by_column), problems
    )
    key, deck = _data_of(work)
    if deck is None:
        problems.append(Problem("workload.data", "is missing: the network comes without labelled inputs to judge it by"))
    if network is None or deck is None:
        return network, None
    return network, _problems_of(lambda: _judged(deck, network, work, key), problems, "workload.network.file")


def _data_of(work: schema.Workload) -> tuple[str, schema.Data | None]:
    """Deck of the data and its key."""
    return ("workload.data", work.data) if work.data else ("workload.network.data", work.network.data)


def _contents(scenario: Scenario) -> tuple[Any, ...]:
    """All that decides what `_loaded` gives."""
    work = scenario.workload
    assert work is not None
    data = _data_of(work)[1]
    files = kept.contents(work.network.file, *((data.file, data.inputs, data.labels) if data else ()))
    asked = (work.network, data, work.output, work.digital, work.task, work.threshold, work.test_samples)
    return (*files, *(repr(part) for part in asked), scenario.mvm.weight_scaling)


def _judged(deck: schema.Data, network: networks.Network, work: schema.Workload, key: str) -> labelled.LabelledData:
    """The data with what the outputs are judged as; raises DeckError."""
    if work.task not in tasks:
        message = f"no task {work.task!r}{did_you_mean(work.task, tasks)}; tasks: {', '.join(tasks)}"
        raise DeckError(Problem("workload.task", message))
    kind = tasks[work.task]
    return labelled.load_data(deck, network, work.test_samples, key=key, task=lambda shape: kind(shape, work.threshold))


def _profiled(scenario: Scenario, network: networks.Network, built: Mapping[str, mvm.AnalogMatrix], inputs: Any) -> kept.Ranges:
    """Converter ranges from one run of ideal chips, and what a second one counts."""
    statistics: dict[str, mvm.LayerStatistics] = {}
    ideal = {name: m.prepare(m.target_conductances()) for name, m in built.items()}
    forward, choice = forward_of(network), scenario.mvm
    profiles = mvm.profile(mvm.CrossbarNetwork(built, ideal), forward, inputs)
    matrices = {n: m.calibrated(profiles[n], choice.percentile, per=choice.converter_range) for n, m in built.items()}
    forward(mvm.CrossbarNetwork(matrices, ideal, statistics=statistics), inputs)
    voltages = {name: s.mean_square_voltages for name, s in statistics.items()}
    return kept.Ranges(matrices, voltages, {name: s.vectors / len(inputs) for name, s in statistics.items()})


def _computer(scenario: Scenario, stack: Stack, problems: list[Problem]) -> Computer | None:
    """Everything but the places of the tiles."""
    work = scenario.workload
    assert work is not None and scenario.device is not None
    mvm.library(work.array)  # says at once what is not installed
    keyed = {"device": scenario.device, **{f"hybrid[{i}].device": part.device for i, part in enumerate(scenario.hybrid)}}
    for key, deck in keyed.items():
        problems += [replace(p, key=f"{key}.{p.key}".rstrip(".")) for p in check_device(deck)]
    contents = _contents(scenario)
    origin = kept.loaded.find(contents)
    network, data = (origin.network, origin.data) if origin is not None else _loaded(scenario, problems)
    if network is None:
        return None
    decks, layers = _device_decks(scenario, network, stack, problems), network.layers
    single = _problems_of(lambda: _single(scenario, layers, decks), problems)
    if single is None or data is None or problems:
        return None
    if origin is None:
        sample = data.profile[:2]
        counted = network.counted(sample)
        ordered: networks.Network | None = _problems_of(partial(network.ordered, sample), problems)
        if ordered is None:
            return None
        origin = kept.loaded.keep(contents, kept.Loaded(ordered, data, counted))
    counted, products = origin.counted, origin.counted.products
    few = int(np.clip(MOST_PROFILED / max(products.values()), 16, len(data.profile)))
    few = min(few, max(2, int(PROFILE_MEMORY // counted.memory)))
    data = replace(data, profile=data.profile[:few], profile_labels=data.profile_labels[:few])
    pulses = {name: deck.read.pulse for name, deck in decks.items()}
    copies = _problems_of(lambda: _copies(scenario, single, products, pulses), problems)
    if copies is None:
        return None
    packing = {layer.name: packed(layer, scenario, decks[layer.name]) for layer in layers if len(layer.blocks) > 1}
    network = replace(origin.network, copies=copies, packing=packing)
    built = {
        part.name: _named(matrix, part.name)
        for name, names in copies.items()
        for one in names
        for part, matrix in zip(network.parts(name, one), single[name], strict=True)
    }
    tiles = tuple(t for m in built.values() for t in m.tiles)
    sites = tile_sites(scenario.geometry, stack)
    if len(tiles) > len(sites):  # says what is missing before anything is computed
        _problems_of(lambda: place("spread", tiles, sites), problems)
        return None
    choice = scenario.mvm
    wanted = (contents, few, choice.percentile, choice.converter_range, copies, packing, kept.settings_of(built))
    ranges = kept.ranges.find(wanted) or kept.ranges.keep(wanted, _profiled(scenario, network, built, data.profile))
    matrices = ranges.matrices
    devices = {name: build_device(deck, scenario.device_band) for name, deck in decks.items()}
    computer = Computer(
        network,
        data,
        {part.name: devices[name] for name in copies for part in network.matrices(name)},
        with_mismatch(scenario, matrices),
        tiles,
        ranges.mean_square_voltages,
        ranges.products,
        {layer.name: products[layer.name] for layer in network.digital},
        data.task,
        origin,
        activation_macs=counted.digital_macs,
        memory=counted.memory,
    )
    targets = {name: m.target_conductances() for name, m in matrices.items()}
    _problems_of(
        lambda: power.pipeline(computer.activities(targets), work.periphery, work.rate, computer.activation_macs), problems
    )
    return computer


def _traced(scenario: Scenario, sources: tuple[HeatSource, ...]) -> tuple[tuple[HeatSource, ...], trace.PowerTrace | None]:
    """Explicit sources at their mean power, and their trace; raises DeckError for blocks that are no sources."""
    deck = scenario.power.trace if scenario.power else None
    if deck is None:
        return sources, None
    found = trace.read_trace(deck, "power.trace")
    names = [s.name for s in sources]
    problems = [
        Problem("power.trace.file", f"column {block!r} is no source{did_you_mean(block, names)}; sources: {', '.join(names)}")
        for block in found.blocks
        if block not in names
    ]
    if problems:
        raise DeckError(problems)
    mean = dict(zip(found.blocks, found.mean))
    return tuple(replace(s, power=float(mean.get(s.name, s.power))) for s in sources), found


def build_chip(scenario: Scenario, found: list[Problem] | None = None) -> Chip:
    """Make a scenario concrete, all but the places of its tiles.

    Parameters
    ----------
    scenario : Scenario
    found : list of Problem, optional
        Takes the mistakes, where the caller looks for more before it raises.

    Raises
    ------
    DeckError
        With every mistake that only shows when the parts meet: geometry, places, network, device, rate.
    """
    problems: list[Problem] = [] if found is None else found
    stack = build_stack(scenario.geometry)
    sources = _problems_of(lambda: explicit_sources(scenario, stack), problems) or ()
    for source in sources:
        if source.power < 0:
            text = f"power.sources: {source.name!r} takes {-source.power:g} W out of {source.layer!r}; is the sign meant?"
            warnings.warn(ValidityWarning(text), stacklevel=2)
    traced = _problems_of(lambda: _traced(scenario, sources), problems)
    sources, source_trace = traced if traced is not None else (sources, None)
    problems += check_places(scenario, stack)
    deck = scenario.workload.trace if scenario.workload is not None else None
    activity = _problems_of(lambda: trace.read_activity(deck), problems) or trace.read_activity(None)
    computer = None
    if scenario.workload is not None:
        computer = _problems_of(lambda: _computer(scenario, stack, problems), problems, "workload.network.file")
    if problems and found is None:
        raise DeckError(problems)
    return Chip(scenario, stack, sources, computer, activity, source_trace)
