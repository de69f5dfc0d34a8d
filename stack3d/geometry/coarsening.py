"""Grids beside a grid that an error is estimated on: coarser in the plane, finer through the height; SI units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from stack3d.geometry.edges import ROUNDING
from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource, Rectangle, Stack


def firm_lines(
    grid: Grid,
    stack: Stack,
    sources: Sequence[HeatSource],
    patches: Iterable[Rectangle],
    points: Sequence[tuple[float, float]] = (),
) -> tuple[Floats, Floats]:
    """Lines along x and y that lie on an edge of a layer, block, channel, patch or source, or on a point that is read."""
    boxes = [*patches, *(source.extent for source in sources)]
    for layer in stack.layers:
        boxes += [layer.extent, *(b.extent for b in layer.blocks), *(layer.channels.outlines if layer.channels else ())]

    def on_edges(lines: Floats, edges: Sequence[float]) -> Floats:
        near = np.abs(lines[:, None] - np.array(edges)).min(axis=1) <= ROUNDING * (lines[-1] - lines[0])
        near[[0, -1]] = True
        return np.asarray(lines[near])

    return (
        on_edges(grid.x, [v for b in boxes for v in (b.x0, b.x1)] + [x for x, _ in points]),
        on_edges(grid.y, [v for b in boxes for v in (b.y0, b.y1)] + [y for _, y in points]),
    )


def _intervals(lines: Floats, firm: Floats) -> list[Floats]:
    at = np.searchsorted(lines, firm)
    return [lines[a : b + 1] for a, b in zip(at[:-1], at[1:])]


def _thinned(part: Floats) -> Floats:
    """Every second line of an interval, one element at least."""
    n = part.size - 1
    return np.asarray(part[np.round(np.linspace(0, n, (n + 1) // 2 + 1)).astype(int)])


def _cut(part: Floats) -> Floats:
    """Every element in three."""
    inner = part[:-1, None] + np.diff(part)[:, None] * np.arange(3) / 3.0
    return np.append(inner.ravel(), part[-1])


def _along(lines: Floats, firm: Floats, single: bool) -> Floats:
    """Every second line; intervals of one element are left, or cut in three."""
    out = [lines[:1]]
    for part in _intervals(lines, firm):
        out.append((_cut(part) if single and part.size == 2 else _thinned(part))[1:])
    return np.concatenate(out)


def beside(grid: Grid, firm: tuple[Floats, Floats], *, finer: bool) -> Grid:
    """A grid of twice the size in the plane.

    Parameters
    ----------
    grid : Grid
    firm : tuple of ndarray
        Lines along x and y that stay.
    finer : bool
        Elements are a third as tall, and intervals of one element in the plane are cut in three: nothing coarser shows their
        error.
    """
    x, y = (_along(lines, kept, finer) for lines, kept in zip((grid.x, grid.y), firm))
    if not finer:
        return Grid(x, y, grid.z, grid.layer)
    z, owner = [grid.z[:1]], []
    for cell, layer in enumerate(grid.layer):
        part = grid.z[cell : cell + 2]
        new = _cut(part) if part[1] > part[0] else part  # a contact has no thickness
        z.append(new[1:])
        owner += [layer] * (new.size - 1)
    return Grid(x, y, np.concatenate(z), np.array(owner, dtype=np.intp))
