"""Grids beside a grid that an error is estimated on: twice the elements, and single ones cut in two; SI units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from stack3d.geometry.edges import ROUNDING
from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource, Rectangle, Stack


def firm_lines(grid: Grid, stack: Stack, sources: Sequence[HeatSource], patches: Iterable[Rectangle]) -> tuple[Floats, Floats]:
    """Lines along x and y that lie on an edge of a layer, block, channel, patch or source."""
    boxes = [*patches, *(source.extent for source in sources)]
    for layer in stack.layers:
        boxes += [layer.extent, *(b.extent for b in layer.blocks), *(layer.channels.outlines if layer.channels else ())]

    def on_edges(lines: Floats, edges: Sequence[float]) -> Floats:
        near = np.abs(lines[:, None] - np.array(edges)).min(axis=1) <= ROUNDING * (lines[-1] - lines[0])
        near[[0, -1]] = True
        return np.asarray(lines[near])

    return (
        on_edges(grid.x, [v for b in boxes for v in (b.x0, b.x1)]),
        on_edges(grid.y, [v for b in boxes for v in (b.y0, b.y1)]),
    )


def _intervals(lines: Floats, firm: Floats) -> list[Floats]:
    at = np.searchsorted(lines, firm)
    return [lines[a : b + 1] for a, b in zip(at[:-1], at[1:])]


def _thinned(part: Floats) -> Floats:
    """Every second line of an interval, one element at least."""
    n = part.size - 1
    return np.asarray(part[np.round(np.linspace(0, n, (n + 1) // 2 + 1)).astype(int)])


def _cut(part: Floats) -> Floats:
    """The interval in two where it is a single element."""
    return part if part.size > 2 else np.array([part[0], 0.5 * (part[0] + part[1]), part[1]])


def _along(lines: Floats, firm: Floats, thin: bool, cut: Floats | None) -> Floats:
    """Thinned lines; intervals with one element on the lines `cut` are cut in two."""
    out = [lines[:1]]
    for part in _intervals(lines, firm):
        new = _thinned(part) if thin else part
        if cut is not None and np.count_nonzero((cut >= part[0]) & (cut <= part[-1])) == 2:
            new = _cut(new)
        out.append(new[1:])
    return np.concatenate(out)


def beside(grid: Grid, firm: tuple[Floats, Floats], *, height: bool, single: bool = False) -> Grid:
    """A grid of twice the size in the plane.

    Parameters
    ----------
    grid : Grid
    firm : tuple of ndarray
        Lines along x and y that stay.
    height : bool
        Twice the size through the height too.
    single : bool
        Intervals that have one element in `grid`, in the plane or through the height, are cut in two: nothing coarser shows
        their error.
    """
    x, y = (_along(lines, kept, True, lines if single else None) for lines, kept in zip((grid.x, grid.y), firm))
    z, owner = [grid.z[:1]], []
    for layer in np.unique(grid.layer):
        cells = grid.cells_of(int(layer))
        part = grid.z[cells[0] : cells[-1] + 2]
        new = _thinned(part) if height else part
        if single and part.size == 2:
            new = _cut(new)
        if grid.layer[cells[0] - 1] == layer and cells[0] > 0:  # the contact under it
            z.append(part[:1])
            owner.append(layer)
        z.append(new[1:])
        owner += [layer] * (new.size - 1)
    return Grid(x, y, np.concatenate(z), np.array(owner, dtype=np.intp))
