"""Thermal response: temperature of places per watt of each source, by superposition; SI units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stack3d.errors import ArrayError
from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.grid.bends import bend_matrix
from stack3d.thermal.grid.modes import response_matrix
from stack3d.thermal.grid.place_weights import PlaceGroup, observe, place_groups, source_groups
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Box, Place


@dataclass(frozen=True, eq=False)
class ThermalResponse:
    """Temperature of places as a linear function of the powers of sources.

    Parameters
    ----------
    sources : tuple of HeatSource
        Their powers do not matter here.
    places : tuple of Place
    matrix : ndarray, shape (n_places, n_sources)
        [K W⁻¹]
    unpowered : ndarray, shape (n_places,)
        Temperature without any power. [K]
    """

    sources: tuple[HeatSource, ...]
    places: tuple[Place, ...]
    matrix: Floats
    unpowered: Floats

    def temperature(self, powers: Floats) -> Floats:
        """Temperature of the places for powers of shape (…, n_sources), in watts; shape (…, n_places). [K]"""
        powers = np.asarray(powers, dtype=float)
        if powers.shape[-1:] != (len(self.sources),):
            raise ArrayError(f"powers: shape {powers.shape} does not end in the number of sources, {len(self.sources)}")
        return np.asarray(self.unpowered + powers @ self.matrix.T)

    def error(self, solver: TensorSolver, powers: Floats) -> float:
        """Largest difference from the full solve by `solver` at these powers, over all places. [K]

        Rounding where the stack is linear; the price of superposition where k depends on T.
        """
        powered = [replace(s, power=float(p)) for s, p in zip(self.sources, powers, strict=True)]
        field = solver.solve(powered).field
        full = np.array(
            [
                field.box_means(p.layer, [p.extent])[0] if isinstance(p, Box) else field.at(p.layer, p.x, p.y, p.z)
                for p in self.places
            ]
        )
        return float(np.abs(self.temperature(powers) - full).max(initial=0.0))


def thermal_response(solver: TensorSolver, sources: Sequence[HeatSource], places: Sequence[Place]) -> ThermalResponse:
    """Response of places to sources.

    Parameters
    ----------
    solver : TensorSolver
        Of a linear stack, or with k(T) frozen by its `at`.
    sources : sequence of HeatSource
    places : sequence of Place

    Returns
    -------
    ThermalResponse

    Notes
    -----
    Laterally uniform layers take one solve per layer that holds sources, whatever the number of sources, because sources and
    places are products along x, y and z. Other stacks take one preconditioned solve per source or, by the symmetry of the
    operator, per place: whichever are fewer.
    """
    stack, grid = solver.problem.stack, solver.problem.grid
    groups = place_groups(stack, grid, places)
    unpowered = observe(groups, solver.solve([]).field.values)
    if solver.exact is not None:
        matrix = response_matrix(stack, grid, solver.exact, sources, places)
    else:
        heated = source_groups(stack, grid, sources)
        by_place = len(places) < len(sources)
        driven, seen = (groups, heated) if by_place else (heated, groups)
        rows = [observe(seen, solver.solve_loads(load)) for load in unit_loads(driven, grid)]
        matrix = np.array(rows) if by_place else np.array(rows).T
    matrix = matrix + bend_matrix(stack, grid, solver.cells, sources, places, solver.frozen_at)
    return ThermalResponse(tuple(sources), tuple(places), matrix, unpowered)


def unit_loads(groups: Sequence[PlaceGroup], grid: Grid) -> Iterator[Floats]:
    """Nodal weights of each place, in the order of the places, one at a time; shape (nz+1, ny+1, nx+1)."""
    at = {int(member): (group, i) for group in groups for i, member in enumerate(group.members)}
    for member in range(len(at)):
        group, i = at[member]
        load = np.zeros((grid.z.size, grid.y.size, grid.x.size))
        load[group.nodes] = np.einsum("k,j,i->kji", group.z, group.y[i], group.x[i])
        yield load
