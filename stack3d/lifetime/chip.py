"""A scenario made concrete: stack, tiles on sites, crossbar matrices, device model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import mvm
from stack3d.devices.build import build_device, check_device
from stack3d.devices.model import DeviceModel
from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.geometry import stack as geometry
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.lifetime.crossbars import build_matrix, with_mismatch
from stack3d.schema.device import Device
from stack3d.schema.scenario import Scenario
from stack3d.tiles import Tile
from stack3d.workload import network as networks
from stack3d.workload import power
from stack3d.workload.placement import place


@dataclass(frozen=True, eq=False)
class Computer:
    """What a workload adds to a stack.

    Parameters
    ----------
    network : Network
    data : LabelledData
    devices : mapping of str to DeviceModel
        By network layer.
    matrices : mapping of str to AnalogMatrix
        Crossbar matrices by layer, converters calibrated.
    tiles : tuple of Tile
        All tiles, layer after layer.
    places : tuple of (layer, Rectangle)
        Site of each tile.
    mean_square_voltages : mapping of str to ndarray
        Per layer, shape (n_inputs,). [V²]
    products : mapping of str to float
        Analog products per inference, per layer.
    """

    network: networks.Network
    data: networks.LabelledData
    devices: Mapping[str, DeviceModel]
    matrices: Mapping[str, mvm.AnalogMatrix]
    tiles: tuple[Tile, ...]
    places: tuple[tuple[str, Rectangle], ...]
    mean_square_voltages: Mapping[str, Floats]
    products: Mapping[str, float]

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

    def activities(self, conductances: Mapping[str, Any]) -> list[power.TileActivity]:
        """What each tile does per inference, with the chips' mean conductances [S]."""
        rows = {}
        out = []
        for tile in self.tiles:
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
                )
            )
        return out

    def logits(
        self, conductances: Mapping[str, Any], noise: Mapping[str, Any], rng: np.random.Generator
    ) -> NDArray[np.floating[Any]]:
        """Logits of every chip on the test inputs, shape (chips, n_test, n_classes)."""
        return np.asarray(
            mvm.infer(self.matrices, conductances, forward_of(self.network), self.data.inputs, rng, read_noise=noise)
        )


def forward_of(network: networks.Network) -> Callable[[Any, Floats], Floats]:
    """The network as the crossbar engine calls it: chips are folded into the batch between analog layers."""

    def forward(matmul: Any, inputs: Floats) -> Floats:
        states = getattr(matmul, "states", None)
        leading = next(iter(states.values())).mean.shape[:-3] if states else ()
        chips = math.prod(leading)

        def product(name: str, x: Floats) -> Floats:
            y = np.asarray(matmul(name, x.reshape(*leading, -1, x.shape[-1])))
            return y.reshape(-1, y.shape[-1])

        folded = np.broadcast_to(inputs, (chips, *inputs.shape)).reshape(-1, *inputs.shape[1:])
        return network.run(folded, product).reshape(*leading, len(inputs), -1)

    return forward


@dataclass(frozen=True, eq=False)
class Chip:
    """Stack, explicit heat and, with a workload, the computer on it."""

    scenario: Scenario
    stack: Stack
    sources: tuple[HeatSource, ...]
    computer: Computer | None


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


def _places(scenario: Scenario, stack: Stack, tiles: tuple[Tile, ...]) -> tuple[tuple[str, Rectangle], ...]:
    """Site of each tile; layers of a hybrid part go to its tiers, the others to the tiers that are left."""
    work = scenario.workload
    assert work is not None
    sites = geometry.tile_sites(scenario.geometry, stack)
    chosen: dict[int, tuple[str, Rectangle]] = {}
    special = {t for part in scenario.hybrid for t in part.tiers}
    elsewhere = {layer for part in scenario.hybrid for layer in part.layers}
    groups = [(set(part.layers), set(part.tiers)) for part in scenario.hybrid]
    tier_of = {layer.name: i for i, layer in enumerate(stack.with_role("rram"))}
    groups.append(({t.layer for t in tiles} - elsewhere, set(tier_of.values()) - special))
    for layers, tiers in groups:
        mine = [i for i, tile in enumerate(tiles) if tile.layer in layers]
        free = [site for site in sites if tier_of[site[0]] in tiers]
        for i, site in zip(mine, place(work.placement, [tiles[i] for i in mine], free)):
            chosen[i] = free[site]
    return tuple(chosen[i] for i in range(len(tiles)))


def _computer(scenario: Scenario, stack: Stack, problems: list[Problem]) -> Computer | None:
    work = scenario.workload
    assert work is not None and scenario.device is not None
    keyed = {"device": scenario.device, **{f"hybrid[{i}].device": part.device for i, part in enumerate(scenario.hybrid)}}
    for key, deck in keyed.items():
        problems += [replace(p, key=f"{key}.{p.key}".rstrip(".")) for p in check_device(deck)]
    network = _problems_of(lambda: networks.load_network(work.network), problems)
    if network is None:
        return None
    data = _problems_of(lambda: networks.load_data(work.network.data, network, work.test_samples), problems)
    decks = _device_decks(scenario, network, stack, problems)
    built = _problems_of(
        lambda: {layer.name: build_matrix(scenario, layer.name, layer.weights, decks[layer.name]) for layer in network.layers},
        problems,
    )
    if built is None or problems:
        return None
    tiles = tuple(t for m in built.values() for t in m.tiles)
    places = _problems_of(lambda: _places(scenario, stack, tiles), problems)
    if problems or data is None:
        return None
    statistics: dict[str, mvm.LayerStatistics] = {}
    ideal = {name: m.prepare(m.target_conductances()) for name, m in built.items()}
    forward = forward_of(network)
    profiles = mvm.profile(mvm.CrossbarNetwork(built, ideal), forward, data.profile)
    choice = scenario.mvm
    matrices = {n: m.calibrated(profiles[n], choice.percentile, per=choice.converter_range) for n, m in built.items()}
    forward(mvm.CrossbarNetwork(matrices, ideal, statistics=statistics), data.profile)
    computer = Computer(
        network,
        data,
        {name: build_device(deck, scenario.device_band) for name, deck in decks.items()},
        with_mismatch(scenario, matrices),
        tiles,
        places,
        {name: s.mean_square_voltages for name, s in statistics.items()},
        {name: s.vectors / len(data.profile) for name, s in statistics.items()},
    )
    targets = {name: m.target_conductances() for name, m in matrices.items()}
    _problems_of(lambda: power.pipeline(computer.activities(targets), work.periphery, work.rate), problems)
    return computer


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
    problems += geometry.check_places(scenario, stack)
    computer = _computer(scenario, stack, problems) if scenario.workload is not None else None
    if problems:
        raise DeckError(problems)
    return Chip(scenario, stack, sources, computer)
