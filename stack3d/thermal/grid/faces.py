"""Conditions on the faces of a tensor grid: films, their loads, fixed nodes; SI units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.grids import Where
from stack3d.layout import Floats
from stack3d.thermal.grid.cell_properties import CellProperties
from stack3d.thermal.grid.corner_sums import gather, products
from stack3d.thermal.problem import ThermalProblem

FACES = ("top", "bottom", "sides")
SHARES = np.array([1 / 16, 1 / 48, 1 / 48, 1 / 144])
"""Of a cell's area in its four products of sums and differences: those of the bilinear mass matrix."""


def axis_of_planes(where: Where) -> int | None:
    """Axis along which several parallel planes are counted, None for one plane."""
    return next((axis for axis, at in enumerate(where) if isinstance(at, np.ndarray)), None)


def take(field: NDArray[Any], where: Where) -> NDArray[Any]:
    """Nodal values of a plane, or of several with the planes first."""
    axis = axis_of_planes(where)
    return field[where] if axis is None else np.moveaxis(field[where], axis, 0)


def add_to(out: Floats, where: Where, values: Floats) -> None:
    """Add the values of planes in place."""
    axis = axis_of_planes(where)
    out[where] += values if axis is None else np.moveaxis(values, 0, axis)


def face_terms(problem: ThermalProblem, cells: CellProperties, name: str) -> list[tuple[Where, Floats]]:
    """Node planes of a face and the weights of their four products (`on_cells`), zero beside void cells."""
    grid = problem.grid
    every = slice(None)
    hx, hy, hz = np.diff(grid.x), np.diff(grid.y), np.diff(grid.z)
    if name in ("top", "bottom"):
        at = -1 if name == "top" else 0
        solid = cells.conductivity[grid.layer[at]][2] > 0
        area = np.outer(hy, hx) * solid
        if problem.patches:
            area *= 1.0 - problem.covered(name)
        return [((at, every, every), on_cells(SHARES, area))]
    out: list[tuple[Where, Floats]] = []
    solid_of = [np.broadcast_to(k[2] > 0, grid.shape[1:]) for k in cells.conductivity]
    for at in (0, -1):
        beside_y = np.array([solid_of[layer][at, :] for layer in grid.layer])
        beside_x = np.array([solid_of[layer][:, at] for layer in grid.layer])
        out.append(((every, at, every), on_cells(SHARES, np.outer(hz, hx) * beside_y)))
        out.append(((every, every, at), on_cells(SHARES, np.outer(hz, hy) * beside_x)))
    return out


def on_cells(shares: Floats, area: Floats) -> Floats:
    """Shares of values of cells, shapes (4,) and (…, ny, nx), in the layout of the nodes (`corner_sums`)."""
    out = np.zeros((shares.size, *area.shape[:-2], area.shape[-2] + 1, area.shape[-1] + 1))
    np.multiply.outer(shares, area, out=out[..., :-1, :-1])
    return out


def face_mass(terms: Floats, plane: Floats) -> Floats:
    """Mass matrix of planes of cells, weights of `on_cells`, times nodal values of shape (…, a+1, b+1)."""
    nodes, row = np.ascontiguousarray(plane).reshape(-1), plane.shape[-1]
    work, parts = np.empty((2, nodes.size), plane.dtype), np.empty((4, nodes.size - row), plane.dtype)
    out = np.empty_like(nodes)
    products(nodes, row, parts, work)
    parts *= terms.reshape(4, -1)[:, :-row]
    gather(parts, row, out, work)
    return out.reshape(plane.shape)


def fixed_nodes(problem: ThermalProblem) -> dict[str, np.ndarray]:
    """Nodes of each face of fixed temperature; where faces meet, top goes before bottom before sides."""
    grid = problem.grid
    taken = np.zeros((grid.z.size, grid.y.size, grid.x.size), dtype=bool)
    out = {}
    for name in FACES:
        if not getattr(problem, name).is_fixed:
            continue
        mine = np.zeros_like(taken)
        if name == "sides":
            mine[:, [0, -1]] = mine[:, :, [0, -1]] = True
        else:
            mine[-1 if name == "top" else 0] = True
        mine &= ~taken
        taken |= mine
        out[name] = mine
    return out
