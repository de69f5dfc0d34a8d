"""Temperature on a tensor grid, its values and means; SI units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from stack3d.fe.elements import hottest_node
from stack3d.fe.lines import LineRecovery, cell_integrals, hat_integrals
from stack3d.grids import Grid, solid_cells, solid_share
from stack3d.layout import Floats, Layer, Rectangle, Stack


@dataclass(frozen=True, eq=False)
class GridField:
    """Nodal temperature on a grid, its values and means.

    Means are the elements' own integrals over what is solid, the adjoint of the load of a source: they keep the heat balance
    over time. Of a steady state the bow inside heated elements is added (`bend`). At points the curvature is recovered
    (`LineRecovery`).

    Parameters
    ----------
    stack, grid : Stack, Grid
    values : ndarray, shape (nz+1, ny+1, nx+1)
        Nodal temperature. [K]
    bend : mapping of str to ndarray, shape (ny, nx)
        What straight elements lack in the mean of heated layers, by layer (`thermal.grid.bends`). [K]
    """

    stack: Stack
    grid: Grid
    values: Floats
    bend: Mapping[str, Floats] = field(default_factory=dict)

    @cached_property
    def _found(self) -> dict[str, tuple[int, int, int]]:
        return {}

    def _once[T](self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What the grid keeps under a key, made if it is not there."""
        if key not in self.grid.reads:
            self.grid.reads[key] = make()
        return cast(T, self.grid.reads[key])

    def _recovery(self, layer: str) -> tuple[NDArray[np.intp], LineRecovery, LineRecovery, LineRecovery]:
        """Nodes along z of a layer, and recovery along z, y, x; gradients may jump at edges of the layer and its blocks."""

        def make() -> tuple[NDArray[np.intp], LineRecovery, LineRecovery, LineRecovery]:
            index, edges = self._levels(layer)[0], self.stack.edges(layer)
            y, x = (np.array(at) for at in zip(*((v, w) for e in edges for v, w in ((e.y0, e.x0), (e.y1, e.x1)))))
            lines = self.grid
            return index, LineRecovery(lines.z[index]), LineRecovery(lines.y, y), LineRecovery(lines.x, x)

        return self._once(("recovery", layer), make)

    def _levels(self, layer: str) -> tuple[NDArray[np.intp], Floats]:
        """Nodes along z of a layer, and their weights in its mean."""

        def make() -> tuple[NDArray[np.intp], Floats]:
            cells = self.grid.cells_of(self.stack.slabs[layer])
            lines = self.grid.z[index := np.arange(cells[0], cells[-1] + 2)]
            return index, hat_integrals(lines, lines[0], lines[-1]) / self.stack.layer(layer).thickness

        return self._once(("levels", layer), make)

    def with_values(self, values: Floats) -> Self:
        """The same field with other nodal values of its shape. [K]"""
        return replace(self, values=values)

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y) and height `z`, by default the mid-plane of `layer`. [K]"""
        slab = self.stack.layer(layer)
        height = 0.5 * (slab.z0 + slab.z1) if z is None else z
        index, along_z, along_y, along_x = self._recovery(layer)
        weights = along_z.value(height), along_y.value(y), along_x.value(x)
        k, j, i = (np.flatnonzero(w) for w in weights)
        part = self.values[np.ix_(index[k], j, i)]
        return float(np.einsum("kji,k,j,i", part, weights[0][k], weights[1][j], weights[2][i]))

    def plane_mean(self, layer: str) -> Floats:
        """Mean through the thickness of `layer` at each lateral node, shape (ny+1, nx+1). [K]"""
        index, weights = self._levels(layer)
        return np.tensordot(weights, self.values[index], axes=1)

    def map(self, layer: str, nx: int, ny: int, extent: Rectangle | None = None) -> Floats:
        """Volume means over ny by nx equal boxes of a layer, NaN where it is void; shape (ny, nx). [K]"""
        box = extent or self.stack.layer(layer).extent
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        wx, wy = (
            np.swapaxes(cell_integrals(lines, at[:-1, None], at[1:, None]), 0, 1)
            for lines, at in ((self.grid.x, xs), (self.grid.y, ys))
        )
        corners, area = self._corners(layer)
        ys, xs = wy.sum(axis=1), wx.sum(axis=1)
        with np.errstate(invalid="ignore"):
            heat = sum(wy[:, b] @ corners[b][a] @ wx[:, a].T for b in (0, 1) for a in (0, 1))
            return np.asarray((heat + ys @ (area * self._bend(layer)) @ xs.T) / (ys @ area @ xs.T))

    def _bend(self, layer: str) -> Floats:
        return self.bend.get(layer, np.zeros(self.grid.shape[1:]))

    def _corners(self, layer: str) -> tuple[list[list[Floats]], Floats]:
        """Mean through the thickness at the four corners of each cell, times the share of it that is solid; that; (ny, nx)."""
        share = partial(solid_share, self.stack, self.grid, self.stack.layer(layer))
        plane, solid = self.plane_mean(layer), self._once(("solid", layer), share)
        ny, nx = solid.shape
        return [[solid * plane[b : b + ny, a : a + nx] for a in (0, 1)] for b in (0, 1)], solid

    def box_means(self, layer: str, boxes: Sequence[Rectangle]) -> Floats:
        """Volume means over boxes through the full thickness of a layer, where it is solid; shape (len(boxes),). [K]"""
        corners, area = self._corners(layer)
        bent = area * self._bend(layer)
        out = np.empty(len(boxes))
        for i, box in enumerate(boxes):
            (rows, wy), (columns, wx) = self._once(("box", box), partial(_cells_within, self.grid, box))
            there = rows, columns
            heat, y, x = (
                sum(wy[b] @ corners[b][a][there] @ wx[a] for b in (0, 1) for a in (0, 1)),
                wy.sum(axis=0),
                wx.sum(axis=0),
            )
            with np.errstate(invalid="ignore"):
                out[i] = (heat + y @ bent[there] @ x) / (y @ area[there] @ x)
        return out

    def layer_mean(self, layer: str) -> float:
        """Volume mean over the solid part of a layer. [K]"""
        return float(self.box_means(layer, [self.stack.layer(layer).extent])[0])

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of a layer and its (x, y, z). [K], [m]"""
        k, j, i = self._hottest(layer)
        return self.layer_max(layer), (float(self.grid.x[i]), float(self.grid.y[j]), float(self.grid.z[k]))

    def layer_max(self, layer: str) -> float:
        """Largest nodal temperature of a layer. [K]"""
        return float(self.values[self._nodes(layer)].max())

    def overshoot(self, layer: str) -> float:
        """What the hottest node of a layer has over its neighbours where the values zigzag, 0 where they do not. [K]

        Elements much wider than the length over which a film or a step in time lets heat spread swing beside a jump of power:
        the peak swings with them, and no coarser mesh shows it.
        """
        return sum(_swing(values, at) for _, values, at in self._lines_through_hottest(layer))

    def between_nodes(self, layer: str) -> float:
        """How far the peak of a layer stands over the hottest node across the plane, as of a smooth field. [K]"""
        lines = self._lines_through_hottest(layer)[:2]
        if any(_swing(values, at) for _, values, at in lines):
            return 0.0
        return sum(_over_node(*line) for line in lines)

    def between_levels(self, layer: str) -> float:
        """How far the peak of a layer stands over the hottest node through the height, by how the temperature bends there. [K]

        A layer of one element shows no bend: there it is that of its heat, less what flows aside. What `overshoot` tells of the
        height is not told twice.
        """
        heights, column, at = self._lines_through_hottest(layer)[2]
        tall = np.diff(heights)
        if tall.size == 0:
            return 0.0
        if tall.size == 1:
            bends = np.array([12.0 * self._bow_at_hottest(layer) / tall[0] ** 2])
        else:
            inner = [_bent(heights, column, k) for k in range(1, tall.size)]
            bends = np.maximum([inner[0], *inner], [*inner, inner[-1]])
        return max(0.0, _over_elements(column, bends * tall**2 / 8.0) - float(column[at]) - _swing(column, at))

    def _bow_at_hottest(self, layer: str) -> float:
        """What the straight element of a heated layer lacks in the mean at its hottest node, less what flows aside. [K]"""
        _, j, i = self._hottest(layer)
        bow = float(self._bend(layer)[max(0, j - 1) : j + 1, max(0, i - 1) : i + 1].mean())
        if bow <= 0.0:
            return 0.0
        kx, ky, kz = self.stack.layer(layer).material.conductivity
        *lines, (heights, _, _) = self._lines_through_hottest(layer)
        aside = sum(k * _bent(*line) for k, line in zip((kx, ky), lines))
        return max(0.0, bow - aside * float(np.ptp(heights)) ** 2 / (12.0 * kz))

    def _nodes(self, layer: str) -> tuple[slice, slice, slice]:
        """Of a layer, along z, y and x."""
        return self._once(("nodes", layer), lambda: self.grid.nodes_of(self.stack.slabs[layer], self.stack.layer(layer).extent))

    def _hottest(self, layer: str) -> tuple[int, int, int]:
        """The hottest node of a layer, along z, y and x."""
        if layer not in self._found:
            k, j, i = self._nodes(layer)
            part = self.values[k, j, i]
            a, b, c = np.unravel_index(hottest_node(part, self.grid.x[i], self.grid.y[j, None]), part.shape)
            self._found[layer] = int(k.start + a), int(j.start + b), int(i.start + c)
        return self._found[layer]

    def _lines_through_hottest(self, layer: str) -> list[tuple[Floats, Floats, int]]:
        """Along x, y and z, as far as a layer is solid: places [m] and temperatures [K] of nodes, and which is the hottest."""
        (k, j, i), (c, b, a) = self._hottest(layer), self._nodes(layer)[::-1]
        if self.stack.layer(layer).blocks:
            cells = solid_cells(self.stack, self.grid, [self.stack.layer(layer)])[0]
            rows, columns = slice(max(0, j - 1), j + 1), slice(max(0, i - 1), i + 1)
            a = a if cells[rows, columns].any() else slice(k, k + 1)
            for beside in solid_cells(
                self.stack, self.grid, self._sharing(layer, k)
            ):  # a floor or ceiling goes on over the void
                cells = cells | beside
            b, c = _about(cells[:, columns].any(axis=1), j, b), _about(cells[rows].any(axis=0), i, c)
        return [
            (self.grid.x[c], self.values[k, j, c], i - c.start),
            (self.grid.y[b], self.values[k, b, i], j - b.start),
            (self.grid.z[a], self.values[a, j, i], k - a.start),
        ]

    def _sharing(self, layer: str, level: int) -> list[Layer]:
        """Layers over or under a layer that share the nodes of a level with it: none within it, or beyond a contact."""
        slabs, levels = self.stack.slabs[layer], self._nodes(layer)[0]
        below, above = self.stack.layers[max(0, slabs.start - 1) : slabs.start], self.stack.layers[slabs.stop : slabs.stop + 1]
        found = list(below) if level == levels.start and not self.stack.layers[slabs.start].contact_resistance else []
        return found + [other for other in above if level == levels.stop - 1 and not other.contact_resistance]

    def on_lines(self, grid: Grid) -> Floats | None:
        """Nodal temperature on another grid of the same stack, linear between nodes, shape (nz+1, ny+1, nx+1). [K]"""
        out = self.values
        for axis, (lines, others) in enumerate(zip((self.grid.z, self.grid.y, self.grid.x), (grid.z, grid.y, grid.x))):
            if not np.array_equal(lines, others):
                after, share = _between(lines, others)
                shape = [-1 if axis == n else 1 for n in range(3)]
                low, high = np.take(out, after - 1, axis=axis), np.take(out, after, axis=axis)
                high -= low
                high *= share.reshape(shape)
                out = np.add(low, high, out=low)
        return out

    def face_peak(self, face: str) -> float | None:
        """Largest nodal temperature of ``top`` or ``bottom``. [K]"""
        level = {"top": -1, "bottom": 0}.get(face)
        return None if level is None else float(self.values[level].max())


def _cells_within(grid: Grid, box: Rectangle) -> tuple[tuple[slice, Floats], tuple[slice, Floats]]:
    """As `_cells_in`, along y and x."""
    return _cells_in(grid.y, box.y0, box.y1), _cells_in(grid.x, box.x0, box.x1)


def _cells_in(lines: Floats, lower: float, upper: float) -> tuple[slice, Floats]:
    """Which intervals reach into [lower, upper], and the integrals of the hat functions of their ends over it, shape (2, n)."""
    first = max(0, int(np.searchsorted(lines, lower, side="right")) - 1)
    last = max(first + 1, int(np.searchsorted(lines, upper, side="left")))
    return slice(first, last), cell_integrals(lines[first : last + 1], lower, upper)


def _about(solid: NDArray[np.bool_], at: int, within: slice) -> slice:
    """Of some nodes those about one of them without a gap between, by which intervals are solid."""
    gaps = np.flatnonzero(~solid)
    after = int(np.searchsorted(gaps, at))
    first = int(gaps[after - 1]) + 1 if after else 0
    last = int(gaps[after]) if after < gaps.size else solid.size
    return slice(max(within.start, first), min(within.stop, last + 1))


def _swing(line: Floats, at: int) -> float:
    """How far the value at an index stands out of a line that falls beside it and rises again. [K]"""
    found = 0.0
    for side in (line[at:], line[at::-1]):
        if side.size > 2 and side[0] > side[1] < side[2]:
            found = max(found, float(side[0] - side[1] + side[2] - side[1]))
    return found


def _between(lines: Floats, others: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Which line comes after each of the others, and how far they are on the way to it; twins at a contact keep their order."""
    slack = 1e-9 * (lines[-1] - lines[0])
    own, new = (at + slack * np.cumsum(np.diff(at, prepend=-np.inf) == 0.0) for at in (lines, others))
    after = np.clip(np.searchsorted(own, new), 1, own.size - 1)
    return after, np.clip((new - own[after - 1]) / (own[after] - own[after - 1]), 0.0, 1.0)


def _bent(places: Floats, values: Floats, at: int) -> float:
    """How much a line bends down at a node, whose mirror image stands beyond the end of the line. [K m⁻²]"""
    if values.size < 2:
        return 0.0
    left, right = (at - 1, at + 1) if 0 < at < values.size - 1 else (1, 1) if at == 0 else (at - 1, at - 1)
    before, after = abs(places[at] - places[left]), abs(places[right] - places[at])
    return float(2.0 * ((values[at] - values[left]) / before + (values[at] - values[right]) / after) / (before + after))


def _over_elements(column: Floats, tops: Floats) -> float:
    """Highest temperature along a column of elements, each of which stands out in its middle by so much. [K]"""
    low, high = column[:-1], column[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = 0.5 * (low + high) + tops + (high - low) ** 2 / (16.0 * tops)
    return float(np.max(np.where(np.abs(high - low) < 4.0 * tops, inside, np.maximum(low, high))))


def _over_node(places: Floats, values: Floats, at: int) -> float:
    """Height of the parabola through a hottest node and its neighbours over it, no more bent than beside it. [K]"""
    if not 0 < at < values.size - 1:
        return 0.0
    steps = np.diff(places)
    slopes = np.diff(values) / steps
    bends = -np.diff(slopes) / (0.5 * (steps[1:] + steps[:-1]))
    left, right = steps[at - 1 : at + 1]
    slope = (right * slopes[at - 1] + left * slopes[at]) / (left + right)
    bend, around = bends[at - 1], bends[max(0, at - 2) : at + 1].min()
    if bend <= 0 or around <= 0:
        return 0.0
    shift = min(abs(slope) / bend, 0.5 * (right if slope > 0 else left))
    return float(0.5 * around * shift**2)
