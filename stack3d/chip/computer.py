"""What a workload adds to a stack: network, crossbar matrices, their tiles and what each does per inference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import mvm
from stack3d.chip.design import Design
from stack3d.chip.reused import Loaded
from stack3d.devices import DeviceModel
from stack3d.layout import Floats
from stack3d.tiles import Tile
from stack3d.workload import Counted, LabelledData, Network, Site, Task, TileActivity, each, layer_latencies, tile_energies

IN_PIECES = 1.08
"""Memory that a process grows by, over what lives at one time in it: arrays come and go. Without it the network `deep256` of
`benchmarks/memory.py` takes 1.02 times what is told of its case. [-]"""
READ_MEMORY = 256e6
"""Working memory of inference. [byte]"""


class Targets(Mapping[str, Floats]):
    """What programming aims at, by matrix, made whenever it is asked for: all together take more than a chip. [S]"""

    def __init__(self, matrices: Mapping[str, mvm.AnalogMatrix]) -> None:
        self._matrices = matrices

    def __getitem__(self, name: str) -> Floats:
        return self._matrices[name].target_conductances()

    def __iter__(self) -> Iterator[str]:
        return iter(self._matrices)

    def __len__(self) -> int:
        return len(self._matrices)


@dataclass(frozen=True, eq=False)
class Computer:
    """What a workload adds to a stack.

    Parameters
    ----------
    design : Design
        What it is made to.
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
    task : Task
        What the outputs are judged as.
    origin : Loaded
        Network and data as they were read, with the float pass.
    activation_macs : float
        Multiply-accumulates per inference of products of two activations.
    memory : float
        Working memory of one inference between layers. [byte]
    calibrating : float
        Memory of the runs that calibrated the converters. [byte]
    places : tuple of (layer, Rectangle)
        Site of each tile.
    hops : tuple of int
        Tier boundaries between each tile and the logic that sums and buffers.
    """

    design: Design
    network: Network
    data: LabelledData
    devices: Mapping[str, DeviceModel]
    matrices: Mapping[str, mvm.AnalogMatrix]
    tiles: tuple[Tile, ...]
    mean_square_voltages: Mapping[str, Floats]
    products: Mapping[str, float]
    digital_products: Mapping[str, float]
    task: Task
    origin: Loaded
    places: tuple[Site, ...] = ()
    hops: tuple[int, ...] = ()
    activation_macs: float = 0.0
    memory: float = 0.0
    calibrating: float = 0.0

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Mechanisms of the devices that can be switched off."""
        names = [name for device in self.devices.values() for name in device.mechanisms if name != "truncation"]
        return tuple(dict.fromkeys(names))

    def without(self, mechanism: str) -> Computer:
        """The same computer with one mechanism switched off in every device."""
        return replace(self, devices={name: device.without(mechanism) for name, device in self.devices.items()})

    @property
    def float_logits(self) -> Floats:
        """Outputs in float arithmetic, shape (n_test, outputs)."""
        return self.origin.float_logits

    @cached_property
    def float_accuracy(self) -> float:
        """Accuracy in float arithmetic, as the task counts it."""
        return float(np.mean(self.task.score(self.float_logits, np.asarray(self.data.labels))))

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
        return {part.name: layer for layer in self.network.copies for part in self.network.matrices(layer)}

    @property
    def macs(self) -> float:
        """Multiply-accumulates of one inference, digital layers included."""
        return sum(self.weights_of[name] * count for name, count in self.products.items()) + self.digital_macs

    @cached_property
    def weights_of(self) -> dict[str, int]:
        """Weights of the model on each matrix, without the zeros between blocks."""
        return {
            part.name: layer.blocks[part.start : part.stop].size
            for layer in self.network.layers
            for part in self.network.matrices(layer.name)
        }

    @property
    def digital_macs(self) -> float:
        """Multiply-accumulates of one inference in layers that stay digital and in products of two activations."""
        return self.activation_macs + sum(layer.macs * self.digital_products[layer.name] for layer in self.network.digital)

    @property
    def weights(self) -> int:
        """Weights of the network's layers, copies not counted."""
        return sum(layer.macs for layer in (*self.network.layers, *self.network.digital))

    @property
    def targets(self) -> Mapping[str, Floats]:
        """What programming aims at, by matrix. [S]"""
        return Targets(self.matrices)

    def activities(self, conductances: Mapping[str, Any]) -> list[TileActivity]:
        """What each tile does per inference, with the chips' mean conductances [S]."""
        rows, name, out = np.empty((0, 0)), None, []
        for i, tile in enumerate(self.tiles):
            if tile.layer != name:  # tiles lie matrix after matrix
                g, name = np.asarray(conductances[tile.layer]), tile.layer
                rows = g.reshape(-1, *g.shape[-3:]).mean(axis=0, dtype=np.float64).sum(axis=0)
            columns = self.columns_of(tile)
            span = slice(tile.row_start, tile.row_stop)
            matrix = self.matrices[tile.layer]
            out.append(
                TileActivity(
                    tile,
                    products=self.products[tile.layer],
                    voltage_squared=self.mean_square_voltages[tile.layer][span],
                    row_conductance=rows[span][:, columns].sum(axis=1),
                    pulse=self.devices[tile.layer].device.read.pulse,
                    conversions=(tile.col_stop - tile.col_start) * matrix.readouts,
                    reads=matrix.reads,
                    layer=self.layer_of[tile.layer],
                    hops=self.hops[i] if self.hops else 0,
                )
            )
        return out

    def energies(self, activities: Sequence[TileActivity]) -> dict[str, Floats]:
        """Energy per inference of each tile by component, shape (tiles,). [J]"""
        return tile_energies(activities, self.design.periphery, **self.design.priced_bits)

    def mapping_table(self) -> dict[str, Any]:
        """One row per analog layer: its matrix, where it went and what it does per inference."""
        busy = layer_latencies(self.activities(self.targets), self.design.periphery)
        rows = []
        for layer in self.network.layers:
            names = self.network.copies[layer.name]
            share = {part.name: 1 / (part.stop - part.start) for part in self.network.matrices(layer.name)}
            mine = [t for t in self.tiles if t.layer in share]
            used = float(np.mean([t.utilisation * share[t.layer] for t in mine]))
            products = sum(self.products[part.name] for name in names for part in self.network.parts(layer.name, name)[:1])
            rows.append((layer.n_inputs, layer.n_outputs, len(names), len(mine), products, used, busy[layer.name]))
        columns = ("rows", "columns", "copies", "tiles", "products", "utilisation", "latency")
        return {name: np.array(column) for name, column in zip(columns, zip(*rows))}

    @property
    def memory_before(self) -> float:
        """What network and crossbars take until converters are calibrated, beyond what stays. [byte]"""
        return IN_PIECES * max(self.network.memory_of_trial(self.origin.counted), self.calibrating)

    @property
    def memory_while_read(self) -> float:
        """What they take later, in float arithmetic and read from chips, beyond what stays. [byte]"""
        counted, inputs = self.origin.counted, len(self.data.inputs)
        alone = self.network.memory_in_float(counted, min(inputs, self.origin.at_once))
        chips = self.design.chips.samples
        group, batch = mvm.blocks_of(self.matrices, chips, inputs, self.read_memory, self.memory)

        def own(matrix: mvm.AnalogMatrix, vectors: float) -> float:
            return mvm.product_memory(matrix, vectors, READ_MEMORY, noisy=True)

        return IN_PIECES * max(alone, run_memory(self.network, self.matrices, counted, group * batch, own))

    @property
    def read_memory(self) -> float:
        """Working memory to ask for; inference counts one vector per input where convolutions make many. [byte]"""
        cells = 24.0 * sum(math.prod(m.state_shape) for m in self.matrices.values())
        return cells + READ_MEMORY / max(1.0, *self.products.values())


def run_memory(
    network: Network,
    matrices: Mapping[str, mvm.AnalogMatrix],
    counted: Counted,
    n_inputs: int,
    own: Callable[[mvm.AnalogMatrix, float], float],
) -> float:
    """Memory of a run of the network on chips, at its worst moment. [byte]

    Parameters
    ----------
    network : Network
        With its copies and packing.
    matrices : mapping of str to AnalogMatrix
        By matrix.
    counted : Counted
    n_inputs : int
        Of all chips.
    own : callable
        (matrix, vectors) → what a product takes beyond its inputs and outputs. [byte]
    """
    worst = n_inputs * counted.most
    for layer in network.layers:
        live, vectors = counted.beside[layer.name]
        names, outputs = network.copies[layer.name], 4.0 * n_inputs * vectors * layer.n_outputs
        taken = max(own(matrices[p.name], n_inputs * vectors / len(names)) for p in network.parts(layer.name, names[0]))
        worst = max(worst, n_inputs * live + outputs + max(outputs, taken))  # handed on when the rest has gone
    return worst


def products_on(network: Network, matmul: Any, leading: tuple[int, ...]) -> Callable[[str, Floats], Floats]:
    """Products of layers as the crossbars of chips compute them: (layer, x) → x @ W without the layer's own scale.

    Parameters
    ----------
    network : Network
        Copies of a layer take its products in turn.
    matmul : callable
        (matrix, x) → product, x of shape (*leading, vectors, inputs).
    leading : tuple of int
        Shape of the chips, which are folded into the first axis of x.
    """
    chips = math.prod(leading)

    def packed(name: str, copy: str, x: Floats) -> Floats:
        parts = network.parts(name, copy)
        if len(parts) == 1:
            return np.asarray(matmul(copy, x))
        return np.concatenate([np.asarray(matmul(part.name, x[..., part.rows])) for part in parts], axis=-1)

    def product(name: str, x: Floats) -> Floats:
        before = network.strides.get(name, 1)
        if before > 1:  # chips first
            x = np.moveaxis(x.reshape(before, chips, -1, x.shape[-1]), 0, 1)
        x = x.reshape(*leading, -1, x.shape[-1])
        names = network.copies.get(name, (name,))
        parts = [packed(name, one, x[..., i :: len(names), :]) for i, one in enumerate(names) if i < x.shape[-2]]
        y = parts[0] if len(names) == 1 else np.empty((*x.shape[:-1], parts[0].shape[-1]), parts[0].dtype)
        for i, part in enumerate(parts if len(names) > 1 else ()):
            y[..., i :: len(names), :] = part
        if before > 1:
            y = np.moveaxis(y.reshape(chips, before, -1, y.shape[-1]), 1, 0)
        return y.reshape(-1, y.shape[-1])

    return product


MOST_RUNS = 64
"""Runs side by side of a network that takes single inputs, where chips are no more."""


def forward_of(network: Network) -> Callable[[Any, Floats], Floats]:
    """The network as the crossbar engine calls it: chips are folded into the batch between analog layers."""

    def forward(matmul: Any, inputs: Floats) -> Floats:
        states = getattr(matmul, "states", None)
        leading = next(iter(states.values())).mean.shape[:-3] if states else ()
        chips = math.prod(leading)
        step = max(1, MOST_RUNS // chips) if network.is_single else len(inputs)
        parts = []
        for i in range(0, len(inputs), step):
            some = inputs[i : i + step]
            folded = each(lambda v: np.broadcast_to(v, (chips, *v.shape)).reshape(-1, *v.shape[1:]), some)
            parts.append(network.run(folded, products_on(network, matmul, leading)).reshape(*leading, len(some), -1))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)

    return forward
