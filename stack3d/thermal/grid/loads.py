"""Loads on the nodes of a tensor grid; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stack3d.fe.lines import cell_integrals, hat_integrals
from stack3d.grids import Grid, heated_cells
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.thermal.grid.operator import GridOperator


def source_loads(grid: Grid, stack: Stack, sources: Sequence[HeatSource]) -> Floats:
    """Exact load vector of box sources for trilinear elements, shape (nz+1, ny+1, nx+1). [W]

    The entries of one source sum to its power: hat functions are a partition of unity. In a layer with channels all of it goes
    into the walls.
    """
    load = np.zeros((grid.z.size, grid.y.size, grid.x.size))
    by_layer: dict[str, Floats] = {}
    solid = {name: heated_cells(stack, grid, stack.layer(name)) for name in {source.layer for source in sources}}
    for source in sources:
        plane = by_layer.setdefault(source.layer, np.zeros(load.shape[1:]))
        if (walls := solid[source.layer]) is not None:
            plane += source.power * _in_walls(grid, walls, source.extent)
            continue
        wy = hat_integrals(grid.y, source.extent.y0, source.extent.y1)
        wx = hat_integrals(grid.x, source.extent.x0, source.extent.x1)
        j, i = np.flatnonzero(wy), np.flatnonzero(wx)
        plane[np.ix_(j, i)] += source.power * np.outer(wy[j] / wy.sum(), wx[i] / wx.sum())
    for name, plane in by_layer.items():
        cells = grid.cells_of(stack.slabs[name])
        index = np.arange(cells[0], cells[-1] + 2)
        slab = stack.layer(name)
        wz = hat_integrals(grid.z[index], slab.z0, slab.z1)
        load[index] += (wz / wz.sum())[:, None, None] * plane
    return load


def _in_walls(grid: Grid, solid: NDArray[np.bool_], box: Rectangle) -> Floats:
    """Shares of the nodes of a plane in what a source gives to the cells of a box that are solid; they sum to 1."""
    ny, nx = solid.shape
    out = np.zeros((ny + 1, nx + 1))
    along_y, along_x = cell_integrals(grid.y, box.y0, box.y1), cell_integrals(grid.x, box.x0, box.x1)
    for b, wy in enumerate(along_y):
        for a, wx in enumerate(along_x):
            out[b : ny + b, a : nx + a] += np.outer(wy, wx) * solid
    return np.asarray(out / out.sum())


def boundary_load(operator: GridOperator, base: float, references: Mapping[str, Floats] | None = None) -> Floats:
    """Load of film references and fluxes for the rise over `base`, shape (nz+1, ny+1, nx+1). [W]

    `references` replace those of faces by nodal values that broadcast to that shape. [K]
    """
    grid = operator.problem.grid
    out = np.zeros((grid.z.size, grid.y.size, grid.x.size))
    for name, face in operator.problem.faces.items():
        reference = (references or {}).get(name, face.reference)
        density = 0.0 if face.is_fixed else face.film_coefficient * (reference - base) + face.flux
        if np.any(density):
            out += operator.face_integral(name, density)
    return out
