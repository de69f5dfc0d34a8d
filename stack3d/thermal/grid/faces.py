"""Conditions on the faces of a tensor grid: films, their loads, fixed nodes; SI units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.grids import Where
from stack3d.layout import Floats
from stack3d.thermal.grid.cell_properties import CellProperties
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
    """Node planes of a face and the weights of their four products, zero beside void cells."""
    grid = problem.grid
    every = slice(None)
    hx, hy, hz = np.diff(grid.x), np.diff(grid.y), np.diff(grid.z)
    if name in ("top", "bottom"):
        at = -1 if name == "top" else 0
        solid = cells.conductivity[grid.layer[at]][2] > 0
        area = np.outer(hy, hx) * solid
        if problem.patches:
            area *= 1.0 - problem.covered(name)
        return [((at, every, every), np.multiply.outer(SHARES, area))]
    out: list[tuple[Where, Floats]] = []
    solid_of = [np.broadcast_to(k[2] > 0, grid.shape[1:]) for k in cells.conductivity]
    for at in (0, -1):
        beside_y = np.array([solid_of[layer][at, :] for layer in grid.layer])
        beside_x = np.array([solid_of[layer][:, at] for layer in grid.layer])
        out.append(((every, at, every), np.multiply.outer(SHARES, np.outer(hz, hx)) * beside_y))
        out.append(((every, every, at), np.multiply.outer(SHARES, np.outer(hz, hy)) * beside_x))
    return out


def face_mass(terms: Floats, plane: Floats) -> Floats:
    """Mass matrix of planes of cells, weights of shape (4, …, a, b), times nodal values of shape (…, a+1, b+1)."""
    shapes = ((2, *plane.shape[:-1], plane.shape[-1] - 1), terms.shape, plane.shape)
    work, parts, out = (np.empty(shape, plane.dtype) for shape in shapes)
    products(plane, parts, work)
    parts *= terms
    gather(parts, out, work)
    return out


def products(planes: Floats, out: Floats, work: Floats) -> None:
    """Sums and differences over the corners of each cell of planes of nodes, into shape (4, …, ny, nx)."""
    np.add(planes[..., 1:], planes[..., :-1], out=work[0])
    np.subtract(planes[..., 1:], planes[..., :-1], out=work[1])
    np.add(work[..., 1:, :], work[..., :-1, :], out=out[:2])
    np.subtract(work[..., 1:, :], work[..., :-1, :], out=out[2:])


def gather(products: Floats, out: Floats, work: Floats, passed_on: Floats | None = None) -> None:
    """Transpose of `products`, into shape (…, ny+1, nx+1).

    Parameters
    ----------
    products : ndarray, shape (4, …, ny, nx)
    out : ndarray, shape (…, ny+1, nx+1)
    work : ndarray, shape (2, …, ny+1, nx)
    passed_on : ndarray, shape (2, …, nx), optional
        What rows before give to the first row of nodes; then what these give to the last.
    """
    np.add(products[:2], products[2:], out=work[..., 1:, :])
    work[..., 0, :] = 0.0 if passed_on is None else passed_on
    work[..., :-1, :] += products[:2]
    work[..., :-1, :] -= products[2:]
    if passed_on is not None:
        passed_on[...] = work[..., -1, :]
    out[..., 1:] = work[0]
    out[..., 1:] += work[1]
    out[..., 0] = 0.0
    out[..., :-1] += work[0]
    out[..., :-1] -= work[1]


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
