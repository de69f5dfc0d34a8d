"""A graded tensor grid: its lines, the layer of each of its cells, and planes of its nodes; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Fins, Floats, Layer, Pins, Rectangle, Stack, Surface


@dataclass(frozen=True, eq=False)
class Grid:
    """Lines of a graded tensor grid and the layer of each of its z cells.

    Parameters
    ----------
    x, y, z : ndarray, shapes (nx+1,), (ny+1,), (nz+1,)
        Node lines, ascending. A repeated z is a contact: a cell of no thickness that carries the
        `contact_resistance` of the layer above it. [m]
    layer : ndarray of int, shape (nz,)
        Index into ``Stack.layers``, per z cell.
    """

    x: Floats
    y: Floats
    z: Floats
    layer: NDArray[np.intp] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells (nz, ny, nx)."""
        return self.z.size - 1, self.y.size - 1, self.x.size - 1

    @property
    def n_nodes(self) -> int:
        """Number of nodes, which is the number of unknowns of trilinear elements."""
        return self.z.size * self.y.size * self.x.size

    def cells_of(self, layers: range) -> NDArray[np.intp]:
        """Z cells of layers that lie one over the other, without their contact cells."""
        return np.flatnonzero((self.layer >= layers.start) & (self.layer < layers.stop) & (np.diff(self.z) > 0))

    @cached_property
    def reads(self) -> dict[tuple[Any, ...], Any]:
        """What temperatures on these lines are read by, by what is read: sought once for all of them; see `GridField`."""
        return {}

    @cached_property
    def _nodes(self) -> dict[tuple[range, Rectangle], tuple[slice, slice, slice]]:
        return {}

    def nodes_of(self, layers: range, box: Rectangle) -> tuple[slice, slice, slice]:
        """Nodes of layers inside a rectangle or on its edges, along z, y and x; sought once."""
        if (layers, box) not in self._nodes:
            cells = self.cells_of(layers)
            self._nodes[layers, box] = (
                slice(int(cells[0]), int(cells[-1]) + 2),
                _between_ends(self.y, box.y0, box.y1),
                _between_ends(self.x, box.x0, box.x1),
            )
        return self._nodes[layers, box]


def _between_ends(lines: Floats, low: float, high: float) -> slice:
    inside = np.flatnonzero((lines >= low - 1e-12) & (lines <= high + 1e-12))
    return slice(int(inside[0]), int(inside[-1]) + 1)


Where = tuple[slice | int | NDArray[np.intp], ...]
"""Index (z, y, x) of a plane of grid nodes, or of several parallel ones where one of the three is an array."""


class Plane(NamedTuple):
    """Part of a plane of grid nodes, or of several parallel ones, and the area inside of each of its cells.

    The area has shape (a, b), or (planes, a, b). [m²]
    """

    where: Where
    area: Floats


def solid_cells(stack: Stack, grid: Grid, layers: Sequence[Layer] | None = None) -> list[NDArray[np.bool_]]:
    """Which cells of each layer, or of some, conduct, shape (ny, nx); edges of layers and blocks are lines of the grid."""
    x, y = 0.5 * (grid.x[1:] + grid.x[:-1]), 0.5 * (grid.y[1:] + grid.y[:-1])
    out = []
    for layer in stack.layers if layers is None else layers:
        solid = np.zeros(grid.shape[1:], dtype=bool)
        for extent, material in ((layer.extent, layer.material), *((b.extent, b.material) for b in layer.blocks)):
            inside = np.ix_((extent.y0 < y) & (y < extent.y1), (extent.x0 < x) & (x < extent.x1))
            solid[inside] = material.conductivity[2] > 0
        out.append(solid)
    return out


def heated_cells(stack: Stack, grid: Grid, layer: Layer) -> NDArray[np.bool_] | None:
    """Which cells of a layer heat of its sources goes into, shape (ny, nx): none beside its solid; None where all of it is."""
    if all(block.material.conductivity[2] > 0 for block in layer.blocks):
        return None
    return solid_cells(stack, grid, [layer])[0]


def solid_share(stack: Stack, grid: Grid, layer: Layer) -> Floats:
    """Share of each cell of a layer that is solid, shape (ny, nx): of homogenised channels that of their walls."""
    out = solid_cells(stack, grid, [layer])[0].astype(float)
    if layer.channels is not None and isinstance(fins := layer.channels.pins, Fins):
        whole = layer.channels.outlines[0]
        out[np.outer(_overlap(grid.y, whole.y0, whole.y1) > 0, _overlap(grid.x, whole.x0, whole.x1) > 0)] *= fins.share
    return out


def planes_of(surface: Surface, stack: Stack, grid: Grid) -> list[Plane]:
    """The exposed planes of a surface on a grid."""
    slabs, every = stack.slabs[surface.layer], slice(None)

    def solid(at: int) -> NDArray[np.bool_]:
        layers = stack.layers[max(at, 0) : at + 1]
        return solid_cells(stack, grid, layers)[0] if layers else np.zeros(grid.shape[1:], dtype=bool)

    cells = grid.cells_of(slabs)
    low, high = int(cells[0]), int(cells[-1]) + 1
    area = np.sum([np.outer(_overlap(grid.y, e.y0, e.y1), _overlap(grid.x, e.x0, e.x1)) for e in surface.extents], axis=0)
    if surface.side != "channels":
        level, own, other = (high, slabs.stop - 1, slabs.stop) if surface.side == "top" else (low, slabs.start, slabs.start - 1)
        return [Plane((level, every, every), area * (solid(own) & ~solid(other)))]
    bare = 1.0 if surface.pins is None else 1.0 - surface.pins.share
    planes = {
        "floor": [Plane((low, every, every), bare * area * solid(slabs.start - 1))],
        "ceiling": [Plane((high, every, every), bare * area * solid(slabs.stop))],
        "walls": [_walls(surface, grid, low, high)] if surface.pins is None else _sides(surface.pins, grid, low, high, area),
    }
    return [plane for part in surface.parts for plane in planes[part]]


def _overlap(lines: Floats, low: float, high: float) -> Floats:
    """Length of each cell between lines that lies in a range. [m]"""
    inside: Floats = np.clip(np.minimum(lines[1:], high) - np.maximum(lines[:-1], low), 0.0, None)
    return inside


def _sides(pins: Pins | Fins, grid: Grid, low: int, high: int, area: Floats) -> list[Plane]:
    """Sides of pins between two z lines, given to the nodes of each height: of second order in the height of an element."""
    every, step = slice(None), np.diff(grid.z)[low:high]
    height = 0.5 * (np.append(step, 0.0) + np.append(0.0, step))
    return [Plane((k, every, every), pins.surface * h * area) for k, h in zip(range(low, high + 1), height)]


def _walls(surface: Surface, grid: Grid, low: int, high: int) -> Plane:
    """Both side walls of every channel, between two z lines."""
    every, upward = slice(None), slice(low, high + 1)
    along_y = surface.direction == "y"
    across, along = (grid.x, grid.y) if along_y else (grid.y, grid.x)
    spans = [((e.x0, e.x1), (e.y0, e.y1)) if along_y else ((e.y0, e.y1), (e.x0, e.x1)) for e in surface.extents]
    at = np.abs(across[:, None] - np.ravel([width for width, _ in spans])).argmin(axis=0)
    lengths = [_overlap(along, *length) for _, length in spans for _ in (0, 1)]
    walls = np.array([np.outer(np.diff(grid.z)[low:high], length) for length in lengths])
    return Plane((upward, every, at) if along_y else (upward, at, every), walls)
