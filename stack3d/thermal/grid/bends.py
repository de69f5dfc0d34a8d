"""What straight elements lack in the means of layers that are heated all through; SI units.

Linear elements are exact at the nodes of one-dimensional problems and follow a chord in between. Of a steady state the bow
over that chord is q h² / 12 k in the mean, known from the heat alone. Added to the plain mean it keeps resistances
reciprocal, which a curvature recovered from neighbouring nodes does not. Over time it is added by the share of the heat that
leaves already: the plain means alone hold the energy put in, and a stack that has settled has its steady means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stack3d.fe.lines import cell_integrals
from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.thermal.grid.cell_properties import CellProperties, to_corners
from stack3d.thermal.places import Box, Place
from stack3d.thermal.problem import ThermalProblem


def shares(grid: Grid, boxes: Sequence[Rectangle]) -> tuple[Floats, Floats]:
    """Share of each row and column of cells inside each box, shapes (boxes, ny) and (boxes, nx). [-]"""
    y = np.array([cell_integrals(grid.y, b.y0, b.y1).sum(axis=0) for b in boxes]) / np.diff(grid.y)
    x = np.array([cell_integrals(grid.x, b.x0, b.x1).sum(axis=0) for b in boxes]) / np.diff(grid.x)
    return y, x


def bows(grid: Grid, cells: CellProperties, layers: range, temperature: Floats | None = None) -> Floats:
    """Bow in the mean of layers that are heated as one, per heat density, shape (ny, nx) or (1, 1), 0 where void. [K m³ W⁻¹]

    Parameters
    ----------
    grid : Grid
    cells : CellProperties
    layers : range
    temperature : ndarray, shape (nz+1, ny+1, nx+1), optional
        Where conductivities follow it. [K]
    """
    whole = np.diff(grid.z)[grid.cells_of(layers)].sum()
    out: Floats | float = 0.0
    factors = None if temperature is None else cells.conductivity_factor(grid, temperature)
    for layer in layers:
        index = grid.cells_of(range(layer, layer + 1))
        cubes, kz = np.diff(grid.z)[index] ** 3, cells.conductivity[layer][2]
        each = np.where(kz > 0, 1.0 / np.where(kz > 0, kz, 1.0), 0.0) / (12.0 * whole)
        if factors is None or not cells.conducts[layer]:
            out = out + each * cubes.sum()
        else:
            out = out + each * np.tensordot(cubes, 1.0 / factors[index], axes=1)
    return np.asarray(out)


def bends(
    stack: Stack, grid: Grid, cells: CellProperties, sources: Sequence[HeatSource], temperature: Floats | None = None
) -> dict[str, Floats]:
    """Bow in the mean of each heated layer, shape (ny, nx). [K]

    Parameters
    ----------
    stack : Stack
    grid : Grid
    cells : CellProperties
    sources : sequence of HeatSource
    temperature : ndarray, shape (nz, ny, nx), optional
        Of nodes, that k(T) is taken at; absent = k at 300 K. [K]
    """
    out: dict[str, Floats] = {}
    for name in dict.fromkeys(source.layer for source in sources):
        mine = [source for source in sources if source.layer == name]
        y, x = shares(grid, [source.extent for source in mine])
        density = np.array([source.power / source.extent.area for source in mine]) / stack.layer(name).thickness
        out[name] = (y.T @ (density[:, None] * x)) * bows(grid, cells, stack.slabs[name], temperature)
    return out


def mean_bow_slope(
    problem: ThermalProblem, cells: CellProperties, sources: Sequence[HeatSource], box: Box, temperature: Floats
) -> Floats:
    """Change of the bow in the mean of a box with each nodal temperature, shape (nz+1, ny+1, nx+1). [-]

    Parameters
    ----------
    problem : ThermalProblem
    cells : CellProperties
    sources : sequence of HeatSource
    box : Box
    temperature : ndarray, shape (nz+1, ny+1, nx+1)
        [K]
    """
    stack, grid, layers = problem.stack, problem.grid, problem.stack.slabs[box.layer]
    out = np.zeros(grid.shape)
    heated = bends(stack, grid, cells, sources).get(box.layer)
    if heated is None or not any(cells.conducts[layer] for layer in layers):
        return to_corners(out)
    index = grid.cells_of(layers)
    cubes = np.diff(grid.z)[index] ** 3
    rows, columns = shares(grid, [box.extent])
    solid = cells.conductivity[layers.start][2] > 0
    weight = np.outer(rows[0] * np.diff(grid.y), columns[0] * np.diff(grid.x)) * solid
    factor, slope = (values[index] for values in cells.conductivity_slope(grid, temperature))
    out[index] = -weight / weight.sum() * heated * (cubes / cubes.sum())[:, None, None] * slope / factor**2
    return to_corners(out)


def settled(
    problem: ThermalProblem, cells: CellProperties, temperature: Floats, power: float, heat: Mapping[str, float]
) -> float:
    """Share of the power that leaves through the faces, 0 to 1; heat of fixed faces from the gradient beside them. [-]

    Parameters
    ----------
    problem : ThermalProblem
    cells : CellProperties
    temperature : ndarray, shape (nz+1, ny+1, nx+1)
        [K]
    power : float
        [W]
    heat : mapping of str to float
        Leaving through each face, NaN where its temperature is fixed. [W]
    """
    if power <= 0 or problem.sides.is_fixed:
        return 0.0
    grid = problem.grid
    left = sum(value for value in heat.values() if np.isfinite(value))
    area = np.outer(np.diff(grid.y), np.diff(grid.x))
    for face, at, beside in ((problem.top, -1, -2), (problem.bottom, 0, 1)):
        if face.is_fixed:
            step = temperature[beside] - temperature[at]
            means = 0.25 * (step[1:, 1:] + step[1:, :-1] + step[:-1, 1:] + step[:-1, :-1])
            kz = cells.conductivity[grid.layer[at]][2]
            left += float((area * kz * means).sum()) / abs(float(grid.z[beside] - grid.z[at]))
    return float(np.clip(left / power, 0.0, 1.0))


def bend_matrix(
    stack: Stack,
    grid: Grid,
    cells: CellProperties,
    sources: Sequence[HeatSource],
    places: Sequence[Place],
    temperature: Floats | None = None,
) -> Floats:
    """Bow in the mean of each box per watt of each source, shape (places, sources); zero at points. [K W⁻¹]

    Parameters
    ----------
    stack : Stack
    grid : Grid
    cells : CellProperties
    sources : sequence of HeatSource
    places : sequence of Place
    temperature : ndarray, shape (nz, ny, nx), optional
        Of nodes, that k(T) is taken at; absent = k at 300 K. [K]
    """
    out = np.zeros((len(places), len(sources)))
    area = np.outer(np.diff(grid.y), np.diff(grid.x))
    for name in dict.fromkeys(source.layer for source in sources):
        seen = [i for i, p in enumerate(places) if isinstance(p, Box) and p.layer == name]
        if not seen:
            continue
        boxes = [places[i].extent for i in seen]  # type: ignore[union-attr]
        size = np.array([box.area for box in boxes])
        rows, columns = shares(grid, boxes)
        weight = area * bows(grid, cells, stack.slabs[name], temperature) / stack.layer(name).thickness
        for s in (s for s, source in enumerate(sources) if source.layer == name):
            y, x = shares(grid, [sources[s].extent])
            out[seen, s] = np.einsum("pj,ji,pi->p", rows * y, weight, columns * x, optimize=True) / (
                size * sources[s].extent.area
            )
    return out
