"""Stiffness and mass of the DOLFINx backend for steps in time, on bricks and on unstructured meshes; SI units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import SolverError
from stack3d.fe.linear_solver import LinearSolver
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.fem.discretised import gathered
from stack3d.thermal.fem.steady import FemSolver
from stack3d.thermal.fem.stored_heat import HeatStore
from stack3d.thermal.fields.field import Field
from stack3d.thermal.kept import PER_UNKNOWN, KeptByRate, alike
from stack3d.thermal.places import Place
from stack3d.thermal.problem import HeatProblem

FILLED = 8
"""Unknowns of a grid preconditioner that an unknown of incomplete or whole factors takes the memory of."""


class FemBody:
    """Conduction assembled in DOLFINx as a `Body` of `NodalSystem`.

    Fields live on the nodes of the whole mesh on every process; products and solves run on the matrix as it is distributed.
    The preconditioner is that of the solver, made for the sum of stiffness and mass and kept per rate.

    Parameters
    ----------
    solver : FemSolver
        Its matrix follows k(T) and films from here on; give it other films by `recooled` before the next steady solve.
    """

    def __init__(self, solver: FemSolver) -> None:
        self._solver, self._heat, self._at, space = solver, solver.conduction, solver.conduction.at, solver.conduction.space
        self._assembly = self._heat.assembly
        self.base, self.most_iterations = solver.problem.reference, solver.method.max_iterations
        self._own = self._at.nodes[: space.own]
        free = np.ones(space.own)
        for rows, _ in self._assembly.fixed_values().values():
            free[rows] = 0.0
        self._free, self._lift = self._gathered(free), self._gathered(self._heat.lifted(np.zeros(space.own)))
        self._store = HeatStore(self._heat)
        self.is_linear = self._store.is_linear and not self._at.follows_temperature
        self._sum = self._assembly.matrix.duplicate(copy=True)
        self._filled: float | None = None
        each = PER_UNKNOWN * FILLED * space.size
        self._kept: KeptByRate[LinearSolver] = KeptByRate(lambda solver: each)
        self._on_faces: dict[str, tuple[Any, Any]] = {}

    def _gathered(self, own: Floats) -> Floats:
        return gathered(self._at, own)

    @property
    def problem(self) -> HeatProblem:
        """Of the solver."""
        return self._solver.problem

    @property
    def statistics(self) -> dict[str, Any]:
        """Sizes and counts."""
        return {"backend": "fem", "unknowns": self._heat.space.size, "factorisations": self._kept.made}

    def rise(self, temperature: float | Floats) -> Floats:
        """Rise at the nodes of a temperature."""
        return self._gathered(self._at.at_unknowns(np.asarray(temperature))[: self._own.size] - self.base)

    def field(self, rise: Floats) -> Field:
        """Temperature of a rise."""
        return self._at.field(self._of_here(rise) + self.base)

    def observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        """Rise at the places for that at the nodes."""
        return self._at.observer(places)

    def load(self, sources: Sequence[HeatSource]) -> Floats:
        """Load of sources."""
        return self._gathered(self._at.load(sources))

    def face_integral(self, name: str, values: Floats | float = 1.0, out: Floats | None = None) -> Floats:
        """Integrals over a face of shape functions times a nodal field."""
        space = self._heat.space
        if name not in self._on_faces:
            function = space.function()
            self._on_faces[name] = function, space.form(function * space.v * space.ds(name))
        function, form = self._on_faces[name]
        function.x.array[: self._own.size] = self._of_here(np.broadcast_to(values, self._free.shape))
        function.x.scatter_forward()
        found = self._gathered(space.vector(form))
        return found if out is None else np.add(out, found, out=out)

    def restrict(self, values: Floats) -> Floats:
        """Zero at void and fixed nodes."""
        return np.asarray(values * self._free)

    def lift(self) -> Floats:
        """Rise of the fixed nodes."""
        return self._lift

    def properties_at(self, rise: Floats) -> None:
        """Fill K and M anew, where they depend on temperature."""
        if self.is_linear:
            return
        own = self._of_here(rise) + self.base
        if self._at.follows_temperature:
            self._at.update_conductivity(own)
            self._assembly.refill()
        if not self._store.is_linear:
            self._store.update(own)
        self._filled = None

    def films(self, films: Mapping[str, float]) -> None:
        """Fill K with other films."""
        self._solver.recooled(self.problem.with_films(films))
        self._filled = None

    def stiffness(self, rise: Floats) -> Floats:
        """K u; with fixed faces, of the matrix without their conditions."""
        return self._product(self._assembly.free_matrix, rise)

    def stored(self, rise: Floats) -> Floats:
        """Heat over that at the base."""
        if self._store.is_linear:
            return self.mass(rise)
        return self.restrict(self._gathered(self._store.stored(self._of_here(rise) + self.base)))

    def mass(self, change: Floats) -> Floats:
        """M times a change."""
        return self._product(self._store.matrix, change)

    def _product(self, matrix: Any, rise: Floats) -> Floats:
        return self._gathered(self._assembly.times(matrix, self._of_here(rise)))

    def _of_here(self, values: Floats) -> Floats:
        """The part of this process."""
        return values.reshape(-1)[self._own]

    def _solver_at(self, rate: float) -> LinearSolver:
        """Of K + rate M."""
        if rate != self._filled:
            self._assembly.plus(rate, self._store.matrix, self._sum)
            self._filled = rate
        return self._kept.at(alike(rate), lambda: self._solver.in_time(self._sum, rate))

    def precondition(self, rate: float, load: Floats) -> Floats:
        """One application of the preconditioner."""
        return self._gathered(self._solver_at(rate).precondition(self._of_here(load)))

    def solve(self, rate: float, load: Floats, rtol: float) -> tuple[Floats, int]:
        """Conjugate gradients of PETSc."""
        solver = self._solver_at(rate)
        solution = solver.solve(self._of_here(load), rtol)
        if solver.reason < 0:
            raise SolverError(
                f"step of a transient: conjugate gradients stopped after {solver.iterations} iterations (PETSc"
                f" reason {solver.reason}); allow more solver.linear.max_iterations"
            )
        return self._gathered(solution), solver.iterations
