"""A scenario made concrete: stack, tiles on sites, crossbar matrices, device model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import mvm
from stack3d.devices.build import build_device, check_device
from stack3d.devices.model import DeviceModel
from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.geometry import stack as geometry
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.lifetime.crossbars import build_matrix, with_mismatch
from stack3d.lifetime.placing import site_heat
from stack3d.schema.device import Device
from stack3d.schema.scenario import Scenario
from stack3d.tiles import Tile
from stack3d.workload import data as labelled
from stack3d.workload import network as networks
from stack3d.workload import power, trace
from stack3d.workload.placement import Site, SiteHeat, place

MOST_PROFILED = 32768
"""Products per layer that calibrate its converters, at most; more inputs are left out."""
READ_MEMORY = 256e6
"""Working memory of inference. [byte]"""
EXACT_PRICED_AS = 8
"""Bits whose energy exact converters (null) are charged: they exist in no hardware."""


@dataclass(frozen=True, eq=False)
class Computer:
    """What a workload adds to a stack.

    Parameters
    ----------
    network : Network
    data : LabelledData
    devices : mapping of str to DeviceModel
        By matrix.
    matrices : mapping of str to AnalogMatrix
        Crossbar matrices by name, converters calibrated; a copied layer has one per copy, ``layer``, ``layer#2``, …
    tiles : tuple of Tile
        All tiles, matrix after matrix.
    mean_square_voltages : mapping of str to ndarray
        Per matrix, shape (n_inputs,). [V²]
    products : mapping of str to float
        Analog products per inference, per matrix.
    digital_products : mapping of str to float
        Products per inference of the layers that stay digital.
    places : tuple of (layer, Rectangle)
        Site of each tile.
    hops : tuple of int
        Tier boundaries between each tile and the logic that sums and buffers.
    """

    network: networks.Network
    data: labelled.LabelledData
    devices: Mapping[str, DeviceModel]
    matrices: Mapping[str, mvm.AnalogMatrix]
    tiles: tuple[Tile, ...]
    mean_square_voltages: Mapping[str, Floats]
    products: Mapping[str, float]
    digital_products: Mapping[str, float]
    places: tuple[Site, ...] = ()
    hops: tuple[int, ...] = ()

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Mechanisms of the devices that can be switched off."""
        names = [name for device in self.devices.values() for name in device.mechanisms if name != "truncation"]
        return tuple(dict.fromkeys(names))

    def without(self, mechanism: str) -> Computer:
        """The same computer with one mechanism switched off in every device."""
        return replace(self, devices={name: device.without(mechanism) for name, device in self.devices.items()})

    @cached_property
    def float_logits(self) -> Floats:
        """Logits in float arithmetic, shape (n_test, n_classes)."""
        return self.network.run(self.data.inputs)

    @cached_property
    def float_accuracy(self) -> float:
        """Accuracy in float arithmetic."""
        return float(np.mean(mvm.accuracy(self.float_logits, self.data.labels)))

    def tiles_of(self, layer: str) -> list[tuple[int, Tile]]:
        """(index, tile) of the tiles of one layer."""
        return [(i, t) for i, t in enumerate(self.tiles) if t.layer == layer]

    def columns_of(self, tile: Tile) -> NDArray[np.intp]:
        """Columns of the state array that lie on a tile."""
        matrix = self.matrices[tile.layer]
        block = [start for start, _ in matrix.column_blocks].index(tile.col_start)
        return matrix.block_columns(block)

    def per_cell(self, layer: str, field: Floats) -> Floats:
        """Spread temperatures within tiles to the cells of a layer.

        Parameters
        ----------
        layer : str
        field : ndarray, shape (tiles, ny, nx)
            Over equal boxes of each tile: rows lie along y, columns along x.

        Returns
        -------
        ndarray, shape (n_inputs, n_columns)
        """
        matrix = self.matrices[layer]
        ny, nx = field.shape[1:]
        out = np.empty((matrix.n_inputs, matrix.n_columns))
        for i, tile in self.tiles_of(layer):
            columns = self.columns_of(tile)
            rows = (np.arange(tile.rows_used) + 0.5) / tile.n_rows * ny
            across = (np.arange(columns.size) + 0.5) * tile.columns_per_weight / tile.n_cols * nx
            part = field[i][np.ix_(rows.astype(int), np.minimum(across.astype(int), nx - 1))]
            out[tile.row_start : tile.row_stop, columns] = part
        return out

    @cached_property
    def layer_of(self) -> dict[str, str]:
        """Layer by the name of a matrix."""
        return {name: layer for layer, names in self.network.copies.items() for name in names}

    @property
    def macs(self) -> float:
        """Multiply-accumulates of one inference, digital layers included."""
        analog = {layer.name: layer.macs for layer in self.network.layers}
        return sum(analog[self.layer_of[name]] * count for name, count in self.products.items()) + self.digital_macs

    @property
    def digital_macs(self) -> float:
        """Multiply-accumulates of one inference in layers that stay digital."""
        return sum(layer.macs * self.digital_products[layer.name] for layer in self.network.digital)

    @property
    def weights(self) -> int:
        """Weights of the network's layers, copies not counted."""
        return sum(layer.macs for layer in (*self.network.layers, *self.network.digital))

    def activities(self, conductances: Mapping[str, Any]) -> list[power.TileActivity]:
        """What each tile does per inference, with the chips' mean conductances [S]."""
        rows = {}
        out = []
        for i, tile in enumerate(self.tiles):
            if tile.layer not in rows:
                g = np.asarray(conductances[tile.layer])
                rows[tile.layer] = g.reshape(-1, *g.shape[-3:]).mean(axis=0, dtype=np.float64).sum(axis=0)
            columns = self.columns_of(tile)
            span = slice(tile.row_start, tile.row_stop)
            matrix = self.matrices[tile.layer]
            out.append(
                power.TileActivity(
                    tile,
                    products=self.products[tile.layer],
                    voltage_squared=self.mean_square_voltages[tile.layer][span],
                    row_conductance=rows[tile.layer][span][:, columns].sum(axis=1),
                    pulse=self.devices[tile.layer].device.read.pulse,
                    conversions=(tile.col_stop - tile.col_start) * matrix.readouts,
                    reads=reads_of(matrix),
                    layer=self.layer_of[tile.layer],
                    hops=self.hops[i] if self.hops else 0,
                )
            )
        return out

    @property
    def read_memory(self) -> float:
        """Working memory to allow inference, which counts one vector per input where convolutions make many. [byte]"""
        cells = 24.0 * sum(math.prod(m.state_shape) for m in self.matrices.values())
        return cells + READ_MEMORY / max(1.0, *self.products.values())


def reads_of(matrix: mvm.AnalogMatrix) -> int:
    """Reads per product: one per digit of the inputs."""
    return -(-(matrix.dac.bits or 1) // matrix.input_slice_bits) if matrix.input_slice_bits else 1


def forward_of(network: networks.Network) -> Callable[[Any, Floats], Floats]:
    """The network as the crossbar engine calls it: chips are folded into the batch between analog layers.

    Copies of a layer take its products in turn.
    """

    def forward(matmul: Any, inputs: Floats) -> Floats:
        states = getattr(matmul, "states", None)
        leading = next(iter(states.values())).mean.shape[:-3] if states else ()
        chips = math.prod(leading)

        def product(name: str, x: Floats) -> Floats:
            x = x.reshape(*leading, -1, x.shape[-1])
            names = network.copies.get(name, (name,))
            parts = [np.asarray(matmul(one, x[..., i :: len(names), :])) for i, one in enumerate(names) if i < x.shape[-2]]
            y = parts[0] if len(names) == 1 else np.empty((*x.shape[:-1], parts[0].shape[-1]), parts[0].dtype)
            for i, part in enumerate(parts if len(names) > 1 else ()):
                y[..., i :: len(names), :] = part
            return y.reshape(-1, y.shape[-1])

        folded = np.broadcast_to(inputs, (chips, *inputs.shape)).reshape(-1, *inputs.shape[1:])
        return network.run(folded, product).reshape(*leading, len(inputs), -1)

    return forward


@dataclass(frozen=True, eq=False)
class Chip:
    """Stack, explicit heat and, with a workload, the computer on it.

    Parameters
    ----------
    scenario : Scenario
    stack : Stack
    sources : tuple of HeatSource
        Explicit heat, its mean where a trace is given.
    computer : Computer or None
    activity : PowerTrace
        Activity of the workload, a share of its rate.
    source_trace : PowerTrace or None
        Power of explicit sources over time. [W]
    """

    scenario: Scenario
    stack: Stack
    sources: tuple[HeatSource, ...]
    computer: Computer | None
    activity: trace.PowerTrace = field(default_factory=lambda: trace.read_activity(None))
    source_trace: trace.PowerTrace | None = None

    @property
    def mean_rate(self) -> float:
        """Inferences per second, mean over the activity. [1/s]"""
        work = self.scenario.workload
        return work.rate * float(self.activity.mean[0]) if work is not None else 0.0


def _problems_of(step: Callable[[], Any], problems: list[Problem]) -> Any:
    try:
        return step()
    except DeckError as error:
        problems += error.problems
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
    scenario: Scenario, single: Mapping[str, mvm.AnalogMatrix], products: Mapping[str, float], pulses: Mapping[str, float]
) -> dict[str, tuple[str, ...]]:
    """Names of the matrices of each layer; raises DeckError for layers unknown or without products to share."""
    work = scenario.workload
    assert work is not None
    none = np.zeros(0)
    idle = [
        power.TileActivity(t, products[n], none, none, pulses[n], (t.col_stop - t.col_start) * m.readouts, reads_of(m))
        for n, m in single.items()
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


def _named(matrix: mvm.AnalogMatrix, name: str) -> mvm.AnalogMatrix:
    return replace(matrix, name=name, tiles=tuple(replace(t, layer=name) for t in matrix.tiles))


def _loaded(scenario: Scenario, problems: list[Problem]) -> tuple[networks.Network | None, labelled.LabelledData | None]:
    """Network and data of a scenario."""
    work = scenario.workload
    assert work is not None
    by_column = scenario.mvm.weight_scaling == "column"
    network = _problems_of(lambda: networks.load_network(work.network, digital=work.digital, by_column=by_column), problems)
    key, deck = ("workload.data", work.data) if work.data else ("workload.network.data", work.network.data)
    if deck is None:
        problems.append(Problem("workload.data", "is missing: the network comes without labelled inputs to judge it by"))
    if network is None or deck is None:
        return network, None
    return network, _problems_of(lambda: labelled.load_data(deck, network, work.test_samples, key=key), problems)


def _computer(
    scenario: Scenario, stack: Stack, sources: tuple[HeatSource, ...], activity: trace.PowerTrace, problems: list[Problem]
) -> Computer | None:
    work = scenario.workload
    assert work is not None and scenario.device is not None
    keyed = {"device": scenario.device, **{f"hybrid[{i}].device": part.device for i, part in enumerate(scenario.hybrid)}}
    for key, deck in keyed.items():
        problems += [replace(p, key=f"{key}.{p.key}".rstrip(".")) for p in check_device(deck)]
    network, data = _loaded(scenario, problems)
    if network is None:
        return None
    decks, layers = _device_decks(scenario, network, stack, problems), network.layers
    single = _problems_of(
        lambda: {layer.name: build_matrix(scenario, layer.name, layer.weights, decks[layer.name]) for layer in layers},
        problems,
    )
    if single is None or data is None or problems:
        return None
    products = network.products(data.profile[:2])
    few = int(np.clip(MOST_PROFILED / max(products.values()), 16, len(data.profile)))
    data = replace(data, profile=data.profile[:few], profile_labels=data.profile_labels[:few])
    pulses = {name: deck.read.pulse for name, deck in decks.items()}
    copies = _problems_of(lambda: _copies(scenario, single, products, pulses), problems)
    if copies is None:
        return None
    network = replace(network, copies=copies)
    built = {one: _named(single[name], one) for name, names in copies.items() for one in names}
    tiles = tuple(t for m in built.values() for t in m.tiles)
    sites = geometry.tile_sites(scenario.geometry, stack)
    if len(tiles) > len(sites):  # says what is missing before anything is computed
        _problems_of(lambda: place("spread", tiles, sites), problems)
        return None
    statistics: dict[str, mvm.LayerStatistics] = {}
    ideal = {name: m.prepare(m.target_conductances()) for name, m in built.items()}
    forward = forward_of(network)
    profiles = mvm.profile(mvm.CrossbarNetwork(built, ideal), forward, data.profile)
    choice = scenario.mvm
    matrices = {n: m.calibrated(profiles[n], choice.percentile, per=choice.converter_range) for n, m in built.items()}
    forward(mvm.CrossbarNetwork(matrices, ideal, statistics=statistics), data.profile)
    devices = {name: build_device(deck, scenario.device_band) for name, deck in decks.items()}
    computer = Computer(
        network,
        data,
        {one: devices[name] for name, names in copies.items() for one in names},
        with_mismatch(scenario, matrices),
        tiles,
        {name: s.mean_square_voltages for name, s in statistics.items()},
        {name: s.vectors / len(data.profile) for name, s in statistics.items()},
        {layer.name: products[layer.name] for layer in network.digital},
    )
    targets = {name: m.target_conductances() for name, m in matrices.items()}
    _problems_of(lambda: power.pipeline(computer.activities(targets), work.periphery, work.rate), problems)
    rate = work.rate * float(activity.mean[0])
    placed = _problems_of(lambda: with_places(computer, scenario, stack, sources, rate, work.placement), problems)
    return placed if isinstance(placed, Computer) else None


def with_places(
    computer: Computer, scenario: Scenario, stack: Stack, sources: tuple[HeatSource, ...], rate: float, wanted: Any
) -> Computer:
    """The computer with its tiles placed as `wanted`: a strategy or sites, at a mean rate [1/s]; raises DeckError.

    Layers of a hybrid part go to its tiers, the others to the tiers that are left.
    """
    work = scenario.workload
    assert work is not None
    sites = geometry.tile_sites(scenario.geometry, stack)
    targets = {name: m.target_conductances() for name, m in computer.matrices.items()}
    special = {t for part in scenario.hybrid for t in part.tiers}
    elsewhere = {layer for part in scenario.hybrid for layer in part.layers}
    groups = [(set(part.layers), set(part.tiers)) for part in scenario.hybrid]
    tier_of = {layer.name: i for i, layer in enumerate(stack.with_role("rram"))}
    groups.append(({layer.name for layer in computer.network.layers} - elsewhere, set(tier_of.values()) - special))
    chosen: dict[int, Site] = {}
    for layers, tiers in groups:
        mine = [i for i, tile in enumerate(computer.tiles) if computer.layer_of[tile.layer] in layers]
        free = [site for site in sites if tier_of[site[0]] in tiers]

        def heat(mine: list[int] = mine, free: list[Site] = free) -> SiteHeat:
            energies = energies_of(replace(computer, hops=(1,) * len(computer.tiles)), scenario, targets)
            return site_heat(scenario, stack, sources, free, {name: rate * e[mine] for name, e in energies.items()})

        for i, site in zip(mine, place(wanted, [computer.tiles[i] for i in mine], free, heat)):
            chosen[i] = free[site]
    places = tuple(chosen[i] for i in range(len(computer.tiles)))
    hubs = [power.heated_place(stack, site, "link", work.periphery)[0] for site in places]
    return replace(
        computer,
        places=places,
        hops=tuple(power.tier_boundaries(stack, site[0], hub) for site, hub in zip(places, hubs)),
    )


def energies_of(computer: Computer, scenario: Scenario, conductances: Mapping[str, Any]) -> dict[str, Floats]:
    """Energy per inference of each tile by component, shape (tiles,). [J]"""
    work = scenario.workload
    assert work is not None
    return power.tile_energies(
        computer.activities(conductances),
        work.periphery,
        dac_bits=scenario.mvm.dac_bits or EXACT_PRICED_AS,
        adc_bits=scenario.mvm.adc_bits or EXACT_PRICED_AS,
    )


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


def build_chip(scenario: Scenario) -> Chip:
    """Make a scenario concrete.

    Raises
    ------
    DeckError
        With every mistake that only shows when the parts meet: geometry, places, network, device, tiles, rate.
    """
    problems: list[Problem] = []
    stack = geometry.build_stack(scenario.geometry)
    sources = _problems_of(lambda: geometry.explicit_sources(scenario, stack), problems) or ()
    traced = _problems_of(lambda: _traced(scenario, sources), problems)
    sources, source_trace = traced if traced is not None else (sources, None)
    problems += geometry.check_places(scenario, stack)
    deck = scenario.workload.trace if scenario.workload is not None else None
    activity = _problems_of(lambda: trace.read_activity(deck), problems) or trace.read_activity(None)
    computer = _computer(scenario, stack, sources, activity, problems) if scenario.workload is not None else None
    if problems:
        raise DeckError(problems)
    return Chip(scenario, stack, sources, computer, activity, source_trace)
