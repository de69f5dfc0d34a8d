"""Places and sources as weights on the lines of a grid; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.fe.lines import LineRecovery, hat_integrals
from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.thermal.places import Place, height_in_layer


@dataclass(frozen=True, eq=False)
class PlaceGroup:
    """Places of one layer at one height, on the nodes of a grid.

    Parameters
    ----------
    members : ndarray of int, shape (n,)
        Their positions among all places.
    nodes : slice
        Planes of nodes that belong to the layer.
    z : ndarray, shape (n_planes,)
    y, x : ndarray, shapes (n, ny+1), (n, nx+1)
        Weights; the temperature of a place is their product summed over the nodes.
    """

    members: NDArray[np.intp]
    nodes: slice
    z: Floats
    y: Floats
    x: Floats


def place_groups(stack: Stack, grid: Grid, places: Sequence[Place]) -> list[PlaceGroup]:
    """Weights of all places, grouped by layer and height; those of `GridField`, curvature recovered at points."""
    grouped: dict[tuple[str, float | None], list[int]] = {}
    for i, place in enumerate(places):
        grouped.setdefault((place.layer, height_in_layer(stack, place)), []).append(i)
    out = []
    for (name, height), members in grouped.items():
        slab, nodes = stack.layer(name), _nodes_of(stack, grid, name)
        along_z = LineRecovery(grid.z[nodes])
        if height is None:
            boxes = [places[i].extent for i in members]  # type: ignore[union-attr]
            wz = hat_integrals(grid.z[nodes], slab.z0, slab.z1) / slab.thickness
            wy = np.array([hat_integrals(grid.y, b.y0, b.y1) / (b.y1 - b.y0) for b in boxes])
            wx = np.array([hat_integrals(grid.x, b.x0, b.x1) / (b.x1 - b.x0) for b in boxes])
        else:
            edges = stack.edges(name)
            along_y = LineRecovery(grid.y, np.array([v for e in edges for v in (e.y0, e.y1)]))
            along_x = LineRecovery(grid.x, np.array([v for e in edges for v in (e.x0, e.x1)]))
            wz = along_z.value(slab.z0 + height)
            wy = np.array([along_y.value(places[i].y) for i in members])  # type: ignore[union-attr]
            wx = np.array([along_x.value(places[i].x) for i in members])  # type: ignore[union-attr]
        out.append(PlaceGroup(np.array(members), nodes, wz, wy, wx))
    return out


def source_groups(stack: Stack, grid: Grid, sources: Sequence[HeatSource]) -> list[PlaceGroup]:
    """Exact loads per watt of all sources, grouped by layer; the product of the weights is the load vector."""
    grouped: dict[str, list[int]] = {}
    for i, source in enumerate(sources):
        grouped.setdefault(source.layer, []).append(i)
    out = []
    for name, members in grouped.items():
        slab, nodes = stack.layer(name), _nodes_of(stack, grid, name)
        boxes = [sources[i].extent for i in members]
        wz = hat_integrals(grid.z[nodes], slab.z0, slab.z1) / slab.thickness
        wy = np.array([hat_integrals(grid.y, b.y0, b.y1) / (b.y1 - b.y0) for b in boxes])
        wx = np.array([hat_integrals(grid.x, b.x0, b.x1) / (b.x1 - b.x0) for b in boxes])
        out.append(PlaceGroup(np.array(members), nodes, wz, wy, wx))
    return out


def _nodes_of(stack: Stack, grid: Grid, layer: str) -> slice:
    cells = grid.cells_of(stack.slabs[layer])
    return slice(int(cells[0]), int(cells[-1]) + 2)


def observe(groups: Sequence[PlaceGroup], values: Floats) -> Floats:
    """Values of a nodal field at the places, shape (n_places,)."""
    out = np.empty(sum(g.members.size for g in groups))
    for group in groups:
        planes = values[group.nodes]
        plane = (group.z @ planes.reshape(group.z.size, -1)).reshape(planes.shape[1:])
        out[group.members] = np.einsum("pi,pi->p", group.y @ plane, group.x)
    return out
