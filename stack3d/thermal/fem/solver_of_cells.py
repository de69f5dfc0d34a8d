"""Heat conduction in DOLFINx on an unstructured mesh: tetrahedra of order 1 or 2, or hexahedra, of a user's own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import DeckError, SolverError
from stack3d.fe.linear_solver import LinearMethod
from stack3d.fe.space import Space
from stack3d.layout import Floats, HeatSource
from stack3d.materials import REFERENCE, LawMap
from stack3d.meshes import CellMesh, Ints
from stack3d.thermal.fem.conduction import Conduction
from stack3d.thermal.fem.discretised import on_all_nodes
from stack3d.thermal.fem.steady import FemSolver
from stack3d.thermal.fem.stored_heat import by_law
from stack3d.thermal.fields.field import Field
from stack3d.thermal.mesh_problem import MeshProblem
from stack3d.thermal.places import Place

DIRECT = 30_000
"""Unknowns up to which ``auto`` factorises."""
FILL = 1
"""Levels of fill of the incomplete factors; with none, order 2 does not converge in layers much thinner than wide."""


def solver_of_cells(
    problem: MeshProblem,
    *,
    order: int = 1,
    method: str = "cg",
    preconditioner: str = "auto",
    tolerance: float = 1e-10,
    max_iterations: int = 500,
    counts: Counter[str] | None = None,
) -> FemSolver:
    """DOLFINx solver of a problem on an unstructured mesh.

    Parameters
    ----------
    problem : MeshProblem
    order : {1, 2}
        Of the elements.
    method : {"cg", "direct"}
    preconditioner : str
        Of ``cg``: ``icc``, ``gamg`` or ``jacobi``; ``auto`` is ``icc``, or a factorisation of small problems.
    tolerance : float
        Relative residual. [-]
    max_iterations : int
    counts : Counter, optional
        Where meshes, assemblies and preconditioners are counted.

    Raises
    ------
    DeckError
        For order 2 on hexahedra, or the preconditioner ``grid``.
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """
    if preconditioner == "grid":
        raise DeckError("solver.linear.preconditioner: 'grid' wants the lines of layered hexahedra; take gamg, icc or jacobi")
    again = partial(
        solver_of_cells,
        order=order,
        method=method,
        preconditioner=preconditioner,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    counts = Counter() if counts is None else counts
    started = time.perf_counter()
    space = Space(problem.mesh, order, faces=problem.faces, counts=counts)
    seconds = {"hand_over": time.perf_counter() - started}
    started = time.perf_counter()
    conduction = Conduction(OnCells(problem, space, again), counts)
    seconds["assembly"] = time.perf_counter() - started
    if preconditioner == "auto":
        method, preconditioner = "direct" if space.size <= DIRECT else method, "icc"
    asked = LinearMethod(method, preconditioner, tolerance, max_iterations, fill=FILL)
    return FemSolver(conduction, asked, counts=counts, seconds=seconds)


class OnCells:
    """A heat problem on an unstructured mesh; see `Discretised`.

    Parameters
    ----------
    problem : MeshProblem
    space : Space
        On its mesh.
    again : callable
        Makes a solver in the same way of another problem.
    """

    def __init__(self, problem: MeshProblem, space: Space, again: Callable[[MeshProblem], FemSolver]) -> None:
        self.problem, self.space, self._again = problem, space, again
        self.heat_capacity = np.array([m.heat_capacity for m in space.mesh.materials])[space.mesh.region]
        self.temperature = space.function(REFERENCE)
        self.conductivity = self._region_conductivity(space.mesh)

    @property
    def nodes(self) -> Ints:
        """Nodes of the mesh."""
        return self.space.nodes

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the nodes of the mesh."""
        return (self.space.mesh.node_count(self.space.order),)

    def _region_conductivity(self, mesh: CellMesh) -> Any:
        """Diagonal of K: constants of the regions times their laws at the temperature of the last update."""
        at_reference = [self.space.by_region([m.conductivity[axis] for m in mesh.materials]) for axis in range(3)]
        laws = LawMap.of([m.conducts for m in mesh.materials], mesh.region)
        self.follows_temperature = bool(laws)
        if not laws:
            return at_reference
        factor = by_law(self.space, laws, self.temperature)
        return [k * factor for k in at_reference]

    def update_conductivity(self, own: Floats) -> None:
        """K of the temperature at each point of quadrature."""
        lowest = self.space.least(own)
        if lowest <= 0:
            coldest = lowest - ZERO_CELSIUS
            raise SolverError(f"the temperature falls to {coldest:.0f} degC: is a power negative, or in the wrong unit?")
        self.temperature.x.array[: self.space.own] = own
        self.temperature.x.scatter_forward()

    def load(self, sources: Sequence[HeatSource]) -> Floats:
        """Load of the sources, spread over the cells they touch. [W]"""
        return self.space.load_of_cells(self.problem.cell_powers(sources))

    def at_unknowns(self, values: Floats) -> Floats:
        """Values of a field at all local unknowns."""
        return np.asarray(self.problem.at_nodes(values, self.space.order)[self.nodes])

    def field(self, own: Floats) -> Field:
        """Field of the temperatures at the unknowns. [K]"""
        return self.problem.field(on_all_nodes(self, own), self.space.order)

    def steady(self, own: Floats, sources: Sequence[HeatSource]) -> Field:
        """The same."""
        return self.field(own)

    def observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        """Gives the values of places for those at all nodes."""
        weights = self.problem.place_weights(places, self.space.order)
        return lambda values: np.asarray(weights @ values)

    def weights(self, place: Place) -> Floats:
        """Of all nodes in the temperature of a place."""
        return np.asarray(self.problem.place_weights([place], self.space.order).toarray()[0])

    def held_at(self, means: Mapping[str, float], tolerance: float) -> FemSolver:
        """A solver of its own with every conductivity held at the mean of its layer. [K]"""
        return self._again(self.problem.held_at(means))
