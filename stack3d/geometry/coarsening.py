"""Grids beside a grid: wider, narrower and flatter elements, and elements as many as each interval asks for; SI units."""

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
    """Lines along x and y that lie on an edge of a layer, block, channel, patch or source, or on a point that is read.

    Parameters
    ----------
    grid : Grid
    stack : Stack
    sources : sequence of HeatSource
    patches : iterable of Rectangle
        Of cooled surfaces.
    points : sequence of (x, y)
        That are read. [m]
    """
    boxes = [*patches, *(source.extent for source in sources)]
    for layer in stack.layers:
        boxes += [layer.extent, *(b.extent for b in layer.blocks), *(layer.channels.outlines if layer.channels else ())]

    def on_edges(lines: Floats, edges: Sequence[float]) -> Floats:
        ends = np.unique(edges)
        after = np.searchsorted(ends, lines)
        apart = np.minimum(*(np.abs(lines - ends[np.clip(at, 0, ends.size - 1)]) for at in (after, after - 1)))
        near = apart <= ROUNDING * (lines[-1] - lines[0])
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


def _more(n: int, *, centred: bool = False) -> int:
    """A third more elements than `n`, one more at least; an even number of those of which there is an even number."""
    many = -(-4 * n // 3)
    return many + (many % 2 if centred and n % 2 == 0 and n > 2 else 0)


def _crowded(part: Floats, many: int) -> Floats:
    """An interval in `many` elements, graded as before."""
    n = part.size - 1
    return np.interp(np.linspace(0, n, many + 1), np.arange(n + 1), part)


def are_divided(grid: Grid, firm: tuple[Floats, Floats]) -> bool:
    """Whether two elements or more lie between any two neighbours of the lines along x and y that stay."""
    intervals = (part for lines, kept in zip((grid.x, grid.y), firm) for part in _intervals(lines, kept))
    return all(part.size > 2 for part in intervals)


def wider(grid: Grid, firm: tuple[Floats, Floats]) -> Grid:
    """A grid of elements twice as wide between the lines along x and y that stay."""
    x, y = (
        np.concatenate([lines[:1], *(_thinned(part)[1:] for part in _intervals(lines, kept))])
        for lines, kept in zip((grid.x, grid.y), firm)
    )
    return Grid(x, y, grid.z, grid.layer)


def narrower(grid: Grid, firm: tuple[Floats, Floats]) -> tuple[Grid, float]:
    """A grid of narrower elements between the lines along x and y that stay, and how many of them come for one, at least.

    The middle of a source stays a node, where its temperature peaks.
    """
    lines, least = list[Floats](), np.inf
    for old, kept in zip((grid.x, grid.y), firm):
        new = [old[:1]]
        for part in _intervals(old, kept):
            n = part.size - 1
            many = _more(n, centred=True)
            new.append(_crowded(part, many)[1:])
            least = min(least, many / n)
        lines.append(np.concatenate(new))
    return Grid(lines[0], lines[1], grid.z, grid.layer), least


def _slabs(grid: Grid, levels: Sequence[float]) -> list[tuple[int, int]]:
    """First element of each layer, contact, or part of a layer between levels that stay, and the one after its last."""
    thick = np.diff(grid.z) > 0
    ends = (np.diff(grid.layer, append=-1) != 0) | (np.diff(thick, append=False) != 0) | np.isin(grid.z[1:], levels)
    after = np.flatnonzero(ends) + 1
    return list(zip([0, *after.tolist()[:-1]], after.tolist()))


def flatter(grid: Grid, levels: Sequence[float] = ()) -> tuple[Grid, float]:
    """A grid of flatter elements, and how many of them come for one, at least; a contact stays without thickness.

    Parameters
    ----------
    grid : Grid
    levels : sequence of float
        Heights of lines that stay, beside the faces of layers. [m]
    """
    z, owner, least = [grid.z[:1]], list[int](), np.inf
    for start, end in _slabs(grid, levels):
        part, n = grid.z[start : end + 1], end - start
        is_thick = part[-1] > part[0]
        many = _more(n) if is_thick else n
        z.append(_crowded(part, many)[1:])
        owner += [int(grid.layer[start])] * many
        least = min(least, many / n) if is_thick else least
    return Grid(grid.x, grid.y, np.concatenate(z), np.array(owner, dtype=np.intp)), least


def redrawn(grid: Grid, firm: tuple[Floats, Floats], wanted: Sequence[Floats], levels: Sequence[float] = ()) -> Grid:
    """A grid with as many elements for each old one as wanted, one at least between lines that stay; contacts stay.

    Parameters
    ----------
    grid : Grid
    firm : (ndarray, ndarray)
        Lines along x and y that stay. [m]
    wanted : sequence of ndarray, shapes (nz,), (ny,), (nx,)
        Elements for each one along z, y and x. [-]
    levels : sequence of float
        Heights of lines that stay, beside the faces of layers. [m]
    """
    along_z, *plane = wanted
    z, owner = [grid.z[:1]], list[int]()
    for start, end in _slabs(grid, levels):
        part = grid.z[start : end + 1]
        new = _filled(part, along_z[start:end], centred=False) if part[-1] > part[0] else part
        z.append(new[1:])
        owner += [int(grid.layer[start])] * (new.size - 1)
    lines = []
    for old, kept, many in zip((grid.y, grid.x), firm[::-1], plane):
        at = np.searchsorted(old, kept)
        parts = (_filled(old[a : b + 1], many[a:b], centred=True)[1:] for a, b in zip(at[:-1], at[1:]))
        lines.append(np.concatenate([old[:1], *parts]))
    return Grid(lines[1], lines[0], np.concatenate(z), np.array(owner, dtype=np.intp))


def _filled(part: Floats, many: Floats, *, centred: bool) -> Floats:
    """An interval with so many elements for each of its own; an even number of those of which there is an even number."""
    upto = np.concatenate([[0.0], np.cumsum(many)])
    n = max(1, int(np.ceil(upto[-1] - 0.25)))
    n += n % 2 if centred and many.size % 2 == 0 and many.size > 2 else 0
    lines = np.interp(np.linspace(0.0, upto[-1], n + 1), upto, part)
    lines[0], lines[-1] = part[0], part[-1]
    return np.asarray(lines)
