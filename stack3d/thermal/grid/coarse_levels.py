"""Coarser levels of a tensor grid for multigrid: which lines stay, and the operator on them; SI units."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stack3d.grids import Grid, Plane
from stack3d.layout import Floats
from stack3d.thermal.grid.cell_properties import CellProperties
from stack3d.thermal.grid.corner_sums import with_room
from stack3d.thermal.grid.operator import GridOperator

FLAT = 1.5
"""Height over width up to which elements of a coarser level are taken together: on packages 3 costs a fifth more cycles."""
LEFT = 0.6
"""Share of the lateral nodes that a coarser level has, at most: levels of half skip sizes of elements that no sweep smooths."""
ROUNDING = 1e-9
"""Relative difference of conductivities that is none: averages of equal ones differ by less."""

Which = NDArray[np.intp]
"""Numbers of lines, ascending, the first and the last among them."""


def coarsened(operator: GridOperator, keep_z: Which, keep_y: Which, keep_x: Which) -> GridOperator:
    """The operator on some of its lines, cells averaged over their area; along z they are of one layer.

    Parameters
    ----------
    operator : GridOperator
    keep_z, keep_y, keep_x : ndarray of int, shapes (kept z lines,), (kept y lines,), (kept x lines,)
        Lines that stay, by `coarse_lines`.
    """
    problem, cells = operator.problem, operator.cells
    grid = problem.grid
    rough = Grid(grid.x[keep_x], grid.y[keep_y], grid.z[keep_z], grid.layer[keep_z[:-1]])

    def mean(values: Floats) -> Floats:
        if values.shape[-2:] == (1, 1):
            return values
        weighted = values * np.outer(np.diff(grid.y), np.diff(grid.x))
        total = np.add.reduceat(np.add.reduceat(weighted, keep_y[:-1], axis=-2), keep_x[:-1], axis=-1)
        return np.divide(total, np.outer(np.diff(rough.y), np.diff(rough.x)), out=with_room(total.shape))

    factor = None
    if operator.factor is not None:
        kz = [k[2] for k in cells.conductivity]
        parts = [mean(np.broadcast_to(kz[a], grid.shape[1:]) * f) for a, f in zip(grid.layer, operator.factor)]
        whole = [np.maximum(mean(k), np.finfo(float).tiny) for k in kz]
        factor = np.array([part / whole[a] for a, part in zip(grid.layer, parts)])
        height = np.where(np.diff(grid.z) > 0, np.diff(grid.z), 1.0)  # a contact stays as it is
        factor = np.add.reduceat(factor * height[:, None, None], keep_z[:-1], axis=0)
        factor /= np.add.reduceat(height, keep_z[:-1])[:, None, None]
    averaged = CellProperties(
        tuple(mean(k) for k in cells.conductivity),
        tuple(mean(c) for c in cells.capacity),
        cells.conducts,
        cells.stores,
        tuple(mean(c) for c in cells.contact),
    )
    patches = {name: [_rough_plane(p, grid, rough, keep_y, keep_x) for p in ps] for name, ps in operator.patches.items()}
    coarse = replace(problem, grid=rough)
    return GridOperator(coarse, averaged, rate=operator.rate, factor=factor, patches=patches, films=operator.films)


def coarse_lines(operator: GridOperator, *, few: int) -> tuple[Which, Which, Which] | None:
    """Which lines along z, y and x a coarser level has, at about one distance; None if none of a plane can go.

    A crack that a level does not have costs many cycles, so few lines between materials all stay, and all between layers.
    """
    grid = operator.problem.grid
    hard_y, hard_x = _material_lines(operator.cells, grid)
    all_stay = bool(hard_y.sum() * hard_x.sum() <= few)
    target, widest = 2.0 * min(np.diff(grid.x).min(), np.diff(grid.y).min()), max(np.ptp(grid.x), np.ptp(grid.y))
    while True:
        keep_y, keep_x = (_kept_lines(at, hard, target, all_stay) for at, hard in ((grid.y, hard_y), (grid.x, hard_x)))
        if keep_y.size * keep_x.size <= LEFT * grid.y.size * grid.x.size or target > widest:
            break
        target *= 1.5
    if keep_y.size * keep_x.size == grid.y.size * grid.x.size:
        return None
    narrowest = min(np.diff(grid.y[keep_y]).min(), np.diff(grid.x[keep_x]).min())
    keep_z = np.arange(grid.z.size) if operator.patches else _kept_heights(operator.cells, grid, FLAT * narrowest)
    return keep_z, keep_y, keep_x


def _kept_heights(cells: CellProperties, grid: Grid, target: float) -> Which:
    """Lines along z about `target` apart where heat goes up as fast as across; all between layers stay.

    A layer that conducts less upright than across counts as taller, by the root of that ratio: only what the lines of `smooth`
    tie together may go.
    """
    height, kept = np.diff(grid.z), np.ones(grid.z.size, dtype=bool)
    ratios = [np.divide(np.maximum(kx, ky), kz, out=np.ones_like(kz), where=kz > 0).max() for kx, ky, kz in cells.conductivity]
    kept[1:-1] = (np.diff(grid.layer) != 0) | (height[1:] == 0) | (height[:-1] == 0)
    return _kept_lines(np.append(0.0, np.cumsum(height * np.sqrt(ratios)[grid.layer])), kept, target, all_stay=True)


def _rough_plane(plane: Plane, grid: Grid, rough: Grid, keep_y: Which, keep_x: Which) -> Plane:
    """The plane on fewer lines, areas added up; planes that stand on lines that are gone move to the nearest."""
    at_z, at_y, at_x = plane.where
    if isinstance(at_x, np.ndarray):
        at, lines, rough_lines, keep = at_x, grid.x, rough.x, keep_y
    elif isinstance(at_y, np.ndarray):
        at, lines, rough_lines, keep = at_y, grid.y, rough.y, keep_x
    else:
        area = np.add.reduceat(np.add.reduceat(plane.area, keep_x[:-1], axis=1), keep_y[:-1], axis=0)
        return Plane(plane.where, area)
    nearest = np.abs(rough_lines[:, None] - lines[at]).argmin(axis=0)
    merged, which = np.unique(nearest, return_inverse=True)
    area = np.zeros((merged.size, *plane.area.shape[1:]))
    np.add.at(area, which, plane.area)
    where = (at_z, at_y, merged) if isinstance(at_x, np.ndarray) else (at_z, merged, at_x)
    return Plane(where, np.add.reduceat(area, keep[:-1], axis=2))


def _material_lines(cells: CellProperties, grid: Grid) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which lines in y and x separate different cells."""
    hard_y, hard_x = np.zeros(grid.y.size, dtype=bool), np.zeros(grid.x.size, dtype=bool)
    hard_y[[0, -1]] = hard_x[[0, -1]] = True
    for k in cells.conductivity:
        if k.shape[1:] != (1, 1):
            slack = ROUNDING * np.abs(k).max()
            hard_y[1:-1] |= (np.abs(np.diff(k, axis=1)) > slack).any(axis=(0, 2))
            hard_x[1:-1] |= (np.abs(np.diff(k, axis=2)) > slack).any(axis=(0, 1))
    return hard_y, hard_x


def _kept_lines(lines: Floats, hard: NDArray[np.bool_], target: float, all_stay: bool) -> Which:
    """Lines about `target` apart, on hard ones where that leaves no sliver, or on all of these."""
    kept, at, firm = [0], lines.tolist(), np.flatnonzero(hard).tolist()  # short searches, for which arrays are slow
    while (start := kept[-1]) < len(at) - 1:
        near = firm[bisect_right(firm, bisect_right(at, at[start] + 1.5 * target) - 1) - 1]
        is_near = near > start and at[near] >= at[start] + 0.5 * target
        after = near if is_near else max(start + 1, bisect_right(at, at[start] + 1.01 * target) - 1)
        ahead = firm[min(bisect_right(firm, start), len(firm) - 1)]
        kept.append(ahead if all_stay and start < ahead < after else after)
    return np.array(kept)
