"""Sources, places and operators of a separable stack in its lateral modes, where nothing is ever transformed back; SI units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.thermal.grid.diagonalisation import FastDiagonalisation, SeparableLayers
from stack3d.thermal.grid.place_weights import PlaceGroup, place_groups, source_groups
from stack3d.thermal.places import Place


def modal_groups(groups: Sequence[PlaceGroup], inverse: FastDiagonalisation) -> list[PlaceGroup]:
    """Weights on modes and free planes instead of nodes."""
    modes_y, modes_x = inverse.modes
    out = []
    for g in groups:
        low, high = max(g.nodes.start, inverse.first), min(g.nodes.stop, inverse.last)
        z = g.z[low - g.nodes.start : high - g.nodes.start]
        nodes = slice(low - inverse.first, high - inverse.first)
        out.append(PlaceGroup(g.members, nodes, z, g.y @ modes_y.vectors, g.x @ modes_x.vectors))
    return out


def modal_load(groups: Sequence[PlaceGroup], powers: Floats, shape: tuple[int, int, int]) -> Floats:
    """Load of all sources at their powers, shape (n_planes, my, mx). [W m⁻¹]"""
    out = np.zeros(shape)
    for g in groups:
        plane = (g.y * powers[g.members, None]).T @ g.x
        out[g.nodes] += g.z[:, None, None] * plane
    return out


def response_matrix(
    stack: Stack, grid: Grid, inverse: FastDiagonalisation, sources: Sequence[HeatSource], places: Sequence[Place]
) -> Floats:
    """Rise of every place per watt of every source, shape (n_places, n_sources); one solve per source layer. [K W⁻¹]

    Parameters
    ----------
    stack : Stack
    grid : Grid
    inverse : FastDiagonalisation
    sources : sequence of HeatSource
    places : sequence of Place
    """
    out = np.empty((len(places), len(sources)))
    observed = modal_groups(place_groups(stack, grid, places), inverse)
    n = inverse.last - inverse.first
    my, mx = (m.values.size for m in inverse.modes)
    for heated in modal_groups(source_groups(stack, grid, sources), inverse):
        column = np.zeros((n, my, mx))
        column[heated.nodes] = heated.z[:, None, None]
        inverse.solve_modal(column, start=heated.nodes.start)
        for seen in observed:
            green = np.tensordot(seen.z, column[seen.nodes], axes=1)
            for j, source in enumerate(heated.members):
                along_x = green @ (seen.x * heated.x[j]).T
                out[seen.members, source] = np.einsum("pa,a,ap->p", seen.y, heated.y[j], along_x)
    return out


def modal_stiffness(layers: SeparableLayers, inverse: FastDiagonalisation, rate: float = 0.0) -> tuple[Floats, Floats]:
    """Diagonal and off-diagonal of each pair of modes along the free planes, shapes (n, my, mx) and (n-1, my, mx)."""
    values_y, values_x = inverse.modes[0].values[:, None], inverse.modes[1].values
    n = layers.thickness.size + 1
    diagonal, off = np.zeros((n, values_y.size, values_x.size)), np.zeros((n - 1, values_y.size, values_x.size))
    for c, height in enumerate(layers.thickness):
        sink = layers.conductivity_x[c] * values_x + (layers.conductivity_y[c] * values_y + rate * layers.capacity[c])
        sink *= height / 6
        diagonal[c : c + 2] += 2 * sink + layers.conductance[c]
        off[c] = sink - layers.conductance[c]
    for at, film in ((0, layers.bottom), (-1, layers.top)):
        if np.isfinite(film):
            diagonal[at] += film
    return diagonal[inverse.first : inverse.last], off[inverse.first : inverse.last - 1]
