"""A network on crossbars: which cells each layer gets, its copies, its matrices and their converter ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d import mvm
from stack3d.chip import loading, reused
from stack3d.chip.computer import Computer
from stack3d.chip.converter_ranges import checked_memory, memory_of, profiled, profiling
from stack3d.chip.crossbars import build_matrix, packed, with_mismatch
from stack3d.chip.design import Design
from stack3d.devices import build_device, check_device
from stack3d.errors import ArrayError, DeckError, Problem, UntriedError, collected, did_you_mean
from stack3d.schema import DeviceDeck
from stack3d.workload import Network, Site, TileActivity, copies_for_rate, pipeline, place


@dataclass(frozen=True, eq=False)
class Mapped:
    """One copy of every layer as matrices on cells of a device.

    Parameters
    ----------
    decks : mapping of str to DeviceDeck
        By layer.
    single : mapping of str to tuple of AnalogMatrix
        By layer, converters not yet calibrated.
    packing : mapping of str to tuple of (start, stop)
        Ranges of blocks that share arrays, of the layers that have several.
    """

    decks: Mapping[str, DeviceDeck]
    single: Mapping[str, tuple[mvm.AnalogMatrix, ...]]
    packing: Mapping[str, tuple[tuple[int, int], ...]]


def device_problems(design: Design) -> list[Problem]:
    """Mistakes of the device decks."""
    decks = {"device": design.device, **{f"hybrid[{i}].device": part.device for i, part in enumerate(design.hybrid)}}
    return [replace(p, key=f"{key}.{p.key}".rstrip(".")) for key, deck in decks.items() for p in check_device(deck)]


def _decks(design: Design, network: Network, n_tiers: int, problems: list[Problem]) -> dict[str, DeviceDeck]:
    """Device deck of each network layer."""
    names = [layer.name for layer in network.layers]
    decks = dict.fromkeys(names, design.device)
    taken: set[int] = set()
    for i, part in enumerate(design.hybrid):
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


def mapped(design: Design, network: Network, n_tiers: int, problems: list[Problem]) -> Mapped | None:
    """Matrices of one copy of each layer; None, and the mistakes told, where a layer fits no array.

    Parameters
    ----------
    design : Design
    network : Network
    n_tiers : int
        Layers of crossbars in the stack.
    problems : list of Problem
        Takes the mistakes.
    """
    decks = _decks(design, network, n_tiers, problems)

    def made() -> Mapped:
        single, packing = {}, {}
        for layer in network.layers:
            deck, name = decks[layer.name], layer.name
            ranges = packed(layer, design, deck)
            most = float(np.abs(layer.blocks).max()) if len(ranges) > 1 else None
            single[name] = tuple(build_matrix(design, name, layer.part(a, b), deck, most) for a, b in ranges)
            if len(layer.blocks) > 1:
                packing[name] = ranges
        return Mapped(decks, single, packing)

    return collected(made, problems)


def _copies(design: Design, one: Mapped, products: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """Names of the matrices of each layer; raises DeckError for layers unknown or without products to share."""
    work, none = design.work, np.zeros(0)
    idle = [
        TileActivity(t, products[n], none, none, one.decks[n].read.pulse, (t.col_stop - t.col_start) * m.readouts, m.reads, n)
        for n, matrices in one.single.items()
        for m in matrices
        for t in m.tiles
    ]
    counts = copies_for_rate(idle, work.periphery, work.rate) if work.replicate == "rate" else dict(work.replicate)
    problems = []
    for name, count in counts.items():
        key = f"workload.replicate.{name}"
        if name not in one.single:
            known = f"{did_you_mean(name, one.single)}; layers: {', '.join(one.single)}"
            problems.append(Problem(key, f"no analog layer {name!r}{known}"))
        elif count > max(1, round(products[name])):
            problems.append(Problem(key, f"asks for {count} copies; an inference has {products[name]:g} products to share"))
    if problems:
        raise DeckError(problems)
    return {name: (name, *(f"{name}#{i}" for i in range(2, counts.get(name, 1) + 1))) for name in one.single}


def _named(matrix: mvm.AnalogMatrix, name: str) -> mvm.AnalogMatrix:
    return replace(matrix, name=name, tiles=tuple(replace(t, layer=name) for t in matrix.tiles))


def build_computer(design: Design, n_tiers: int, sites: Sequence[Site], problems: list[Problem]) -> Computer | None:
    """Everything but the places of the tiles; None, and every mistake told, where it cannot be built.

    Parameters
    ----------
    design : Design
    n_tiers : int
        Layers of crossbars in the stack.
    sites : sequence of (layer, Rectangle)
        Where tiles may lie.
    problems : list of Problem
        Takes the mistakes.
    """
    mvm.library(design.work.array)  # says at once what is not installed
    problems += device_problems(design)
    contents = loading.contents_of(design)
    origin = reused.loaded.find(contents)
    try:
        network, data = (origin.network, origin.data) if origin is not None else loading.loaded(design, problems)
    except UntriedError:
        if not problems:
            raise
        return None
    one = mapped(design, network, n_tiers, problems) if network is not None else None
    if network is None or data is None or one is None or problems:
        return None
    origin = origin or loading.counted(design, contents, network, data, problems)
    if origin is None:
        return None
    products = origin.counted.products
    copies = collected(lambda: _copies(design, one, products), problems)
    if copies is None:
        return None
    network = replace(origin.network, copies=copies, packing=one.packing)
    built = _copied(one, network)
    tiles = [t for m in built.values() for t in m.tiles]
    if len(tiles) > len(sites):  # says what is missing before anything is computed
        collected(lambda: place("spread", tiles, sites), problems)
        return None
    computer = _calibrated(design, one, network, built, origin)
    problems += _too_slow(computer)
    return computer


def with_weights(computer: Computer, network: Network, *, calibrate: bool = False) -> Computer:
    """The same chip with other weights of its network in its cells, and mismatch of converters drawn by its design.

    Parameters
    ----------
    computer : Computer
    network : Network
        The computer's own with other constants: the same layers, copies and packing.
    calibrate : bool
        Find the converter ranges anew; they stay otherwise.
    """
    matrices = {}
    for layer in network.layers:
        ranges = network.packing.get(layer.name, ((0, len(layer.blocks)),))
        largest = float(np.abs(layer.blocks).max()) if len(ranges) > 1 else None
        for part in network.matrices(layer.name):
            m, weights = computer.matrices[part.name], layer.part(part.start, part.stop)
            adc = replace(m.adc, gain_error=0.0, offset=0.0)
            matrices[part.name] = replace(m, weights=weights, largest=largest, adc=adc)
    if calibrate:
        matrices = dict(_ranges(computer.design, network, matrices, computer.data.profile).matrices)
    return replace(computer, network=network, matrices=with_mismatch(computer.design, matrices))


def _copied(one: Mapped, network: Network) -> dict[str, mvm.AnalogMatrix]:
    """Matrices of all copies of all layers, by name."""
    return {
        part.name: _named(matrix, part.name)
        for name, copies in network.copies.items()
        for copy in copies
        for part, matrix in zip(network.parts(name, copy), one.single[name], strict=True)
    }


def _too_slow(computer: Computer) -> list[Problem]:
    """The mistake of a rate that the pipeline cannot keep."""
    problems: list[Problem] = []
    activities, work = computer.activities(computer.targets), computer.design.work
    collected(lambda: pipeline(activities, work.periphery, work.rate, computer.activation_macs), problems)
    return problems


def _ranges(design: Design, network: Network, built: Mapping[str, mvm.AnalogMatrix], inputs: Any) -> reused.Ranges:
    """Converter ranges as the design wants them; raises DeckError where the inputs give none."""
    try:
        return profiled(network, built, inputs, design.mvm.percentile, design.mvm.converter_range)
    except ArrayError as error:
        raise DeckError(Problem(loading.data_of(design.work)[0], str(error))) from None


def _calibrated(
    design: Design, one: Mapped, network: Network, built: Mapping[str, mvm.AnalogMatrix], origin: reused.Loaded
) -> Computer:
    """The computer of matrices whose converters are not yet calibrated."""
    choice, counted = design.mvm, origin.counted
    data = profiling(origin.data, counted)
    loading.check_tried(design, checked_memory(network, built, counted, len(data.profile)))
    settings = choice.percentile, choice.converter_range, network.copies, one.packing, reused.settings_of(built)
    wanted = (origin.contents, len(data.profile), *settings)
    ranges = reused.ranges.find(wanted) or reused.ranges.keep(wanted, _ranges(design, network, built, data.profile))
    devices = {name: build_device(deck, design.band) for name, deck in one.decks.items()}
    return Computer(
        design,
        network,
        data,
        {part.name: devices[name] for name in network.copies for part in network.matrices(name)},
        with_mismatch(design, ranges.matrices),
        tuple(t for m in built.values() for t in m.tiles),
        ranges.mean_square_voltages,
        ranges.products,
        {layer.name: counted.products[layer.name] for layer in network.digital},
        data.task,
        origin,
        activation_macs=counted.digital_macs,
        memory=counted.memory,
        calibrating=memory_of(network, built, counted, len(data.profile)),
    )
