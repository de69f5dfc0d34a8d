"""Hexahedra on the lines of a grid, with named regions and faces, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stack3d.grids import Grid, Plane, planes_of
from stack3d.layout import Floats, Layer, Material, Stack, Surface
from stack3d.meshes import VOID, CellMesh, Ints

CONTACT_THICKNESS = 0.1
"""Thickness of a contact element over the smallest real element height.

A contact conducts only through its thickness, with k_z = thickness / resistance, so its stiffness does not depend on the
thickness; only positions above it shift, and the solver takes positions from the grid. Thinner elements would lose digits as
differences of heights a million times their own."""
CORNERS = ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0))
"""Steps (z, y, x) from the first corner of a hexahedron to each, in the order of VTK."""
BOTTOM, TOP = (0, 3, 2, 1), (4, 5, 6, 7)
SIDES: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((0, 1, 5, 4), np.s_[:, 0]),
    ((3, 7, 6, 2), np.s_[:, -1]),
    ((0, 4, 7, 3), np.s_[:, :, 0]),
    ((1, 2, 6, 5), np.s_[:, :, -1]),
)


def opened(grid: Grid) -> Floats:
    """Heights of the grid with each contact cell given a small thickness. [m]"""
    steps = np.diff(grid.z)
    steps = np.where(steps > 0, steps, CONTACT_THICKNESS * steps[steps > 0].min())
    return np.concatenate([[grid.z[0]], grid.z[0] + np.cumsum(steps)])


@dataclass(frozen=True, eq=False)
class CellRegions:
    """What fills each cell of a grid.

    Parameters
    ----------
    names : tuple of str
        Layers, blocks as ``layer.block``, contacts as ``contact_layer``.
    materials : tuple of Material
    number : ndarray of int, shape (nz, ny, nx)
        Index into the names; `VOID` outside every layer.
    """

    names: tuple[str, ...]
    materials: tuple[Material, ...]
    number: Ints

    @classmethod
    def of(cls, stack: Stack, grid: Grid) -> CellRegions:
        """Regions of a stack whose edges are lines of the grid; a contact is where both sides are solid."""
        heights = np.diff(opened(grid))
        names: list[str] = []
        materials: list[Material] = []
        number = np.full(grid.shape, VOID, dtype=np.intp)
        below = np.ones(grid.shape[1:], dtype=bool)
        for index, layer in enumerate(stack.layers):
            plane = _painted(layer, grid, len(names))
            names += [layer.name, *(f"{layer.name}.{block.name}" for block in layer.blocks)]
            materials += [layer.material, *(block.material for block in layer.blocks)]
            for cell in np.flatnonzero(grid.layer == index):
                if grid.z[cell] < grid.z[cell + 1]:
                    number[cell] = plane
                    continue
                number[cell][(plane != VOID) & below] = len(names)
                names.append(f"contact_{layer.name}")
                materials.append(Material(names[-1], (0.0, 0.0, heights[cell] / layer.contact_resistance), 0.0))
            below = plane != VOID
        return cls(tuple(names), tuple(materials), number)


def _painted(layer: Layer, grid: Grid, first: int) -> Ints:
    """Number of what fills each cell of a layer, shape (ny, nx): `first` for the layer itself, then its blocks, or `VOID`."""
    x, y = 0.5 * (grid.x[1:] + grid.x[:-1]), 0.5 * (grid.y[1:] + grid.y[:-1])
    plane = np.full(grid.shape[1:], VOID, dtype=np.intp)
    parts = [(layer.extent, layer.material), *((block.extent, block.material) for block in layer.blocks)]
    for number, (extent, material) in enumerate(parts, first):
        inside = np.ix_((extent.y0 < y) & (y < extent.y1), (extent.x0 < x) & (x < extent.x1))
        plane[inside] = number if material.conductivity[2] > 0 else VOID
    return plane


def n_nodes(stack: Stack, grid: Grid) -> int:
    """How many nodes of the grid a solid cell touches; plane by plane, for a grid of many cells.

    A contact lies between solid cells, whose nodes it shares.
    """
    solid = [_painted(layer, grid, 0) != VOID for layer in stack.layers]
    layers = [int(layer) if z1 > z0 else None for layer, z0, z1 in zip(grid.layer, grid.z, grid.z[1:])]
    found: dict[tuple[int | None, int | None], int] = {}
    total = 0
    for pair in zip([None, *layers], [*layers, None]):
        if pair not in found:
            touched = np.zeros([n + 2 for n in grid.shape[1:]], dtype=bool)
            for layer in pair:
                if layer is not None:
                    touched[1:-1, 1:-1] |= solid[layer]
            along = touched[1:] | touched[:-1]
            found[pair] = int(np.count_nonzero(along[:, 1:] | along[:, :-1]))
        total += found[pair]
    return total


def layered_cells(stack: Stack, grid: Grid, surfaces: Sequence[Surface] = ()) -> tuple[CellMesh, Ints]:
    """Hexahedra of the solid cells of a grid.

    ``bottom`` and ``top`` are the faces at the least and largest z outside the `surfaces`, ``sides`` those on the lateral
    bounds of the grid; edges of surfaces are lines of the grid.

    Returns
    -------
    CellMesh
        Cells and points in the order of the grid, x fastest.
    nodes : ndarray of int, shape (n_points,)
        Flat index of each point in the (z, y, x) nodes of the grid.
    """
    regions = CellRegions.of(stack, grid)
    solid = regions.number != VOID
    shape = tuple(n + 1 for n in grid.shape)
    number = np.arange(int(np.prod(shape))).reshape(shape)
    first = number[:-1, :-1, :-1]
    step = np.array([np.ravel_multi_index(corner, shape) for corner in CORNERS])
    used = np.zeros(number.size, dtype=bool)
    for to_corner in step:
        used[first[solid] + to_corner] = True
    nodes = np.flatnonzero(used)
    renumbered = np.cumsum(used) - 1

    def points_of(cells: Ints, corners: Sequence[int]) -> Ints:
        return np.asarray(renumbered[cells[:, None] + step[list(corners)]])

    k, j, i = np.unravel_index(nodes, shape)
    points = np.column_stack([grid.x[i], grid.y[j], opened(grid)[k]])
    outer = solid.copy()
    outer[np.diff(grid.z) == 0] = False  # contacts have no outer face
    faces = {
        name: np.concatenate([points_of(first[where][outer[where]], corners) for corners, where in parts])
        for name, parts in (("bottom", ((BOTTOM, np.s_[0]),)), ("top", ((TOP, np.s_[-1]),)), ("sides", SIDES))
    }
    for surface in (s for s in surfaces if s.pins is None):  # a cavity with pins has cells, and no outer face
        mine = np.concatenate([renumbered[_quads(number, plane)] for plane in planes_of(surface, stack, grid)])
        for name in ("top", "bottom"):
            faces[name] = _without(faces[name], mine)
        faces[surface.name] = mine
    mesh = CellMesh(
        "hexahedron",
        points,
        points_of(first[solid], range(8)),
        regions.number[solid],
        regions.names,
        regions.materials,
        np.concatenate(list(faces.values())),
        np.repeat(np.arange(len(faces)), [len(quads) for quads in faces.values()]),
        tuple(faces),
    )
    return mesh, nodes


def _quads(number: Ints, plane: Plane) -> Ints:
    """Nodes of the cells of a plane that lie inside its area, shape (faces, 4)."""
    nodes = number[plane.where]
    for axis, at in enumerate(plane.where):
        if isinstance(at, np.ndarray):
            nodes = np.moveaxis(nodes, axis, 0)
    around = [nodes[..., :-1, :-1], nodes[..., :-1, 1:], nodes[..., 1:, 1:], nodes[..., 1:, :-1]]
    return np.stack(around, axis=-1)[plane.area > 0]


def _without(quads: Ints, others: Ints) -> Ints:
    """Quadrilaterals that are not among the others."""
    taken = {tuple(q) for q in np.sort(others, axis=1).tolist()}
    return quads[[tuple(q) not in taken for q in np.sort(quads, axis=1).tolist()]] if taken else quads
