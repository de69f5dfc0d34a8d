"""Stiffness and mass of the DOLFINx backend for steps in time, on bricks and on unstructured meshes; SI units."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import SolverError
from stack3d.fe.library import import_petsc
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.fem.conduction import ConductionSolver
from stack3d.thermal.fields.field import Field
from stack3d.thermal.kept import alike, forget
from stack3d.thermal.places import Place
from stack3d.thermal.problem import HeatProblem

FILLED = 8
"""Unknowns of a grid preconditioner that an unknown of incomplete or whole factors takes the memory of."""


class FemBody:
    """The matrices of a `ConductionSolver` as a `Body` of `NodalSystem`.

    Fields live on the nodes of the whole mesh on every process; products and solves run on the matrix as it is distributed.
    The preconditioner is that of the solver, made for the sum of stiffness and mass and kept per rate.

    Parameters
    ----------
    solver : ConductionSolver
        Its matrix follows k(T) and films from here on; give it other films by `recooled` before the next steady solve.
    """

    def __init__(self, solver: ConductionSolver) -> None:
        self._solver = solver
        self.base, self.most_iterations = solver.problem.reference, solver.max_iterations
        self.is_linear = not solver._is_nonlinear
        self._own = solver._nodes[: solver._n_own]
        free, lift = np.ones(solver._n_own), np.zeros(solver._n_own)
        for _, condition in solver._conditions:
            rows = solver._fixed_rows(condition)
            free[rows], lift[rows] = 0.0, condition.g.value
        self._free, self._lift = solver._gathered(free), solver._gathered(lift)
        self._mass = self._mass_matrix()
        self._sum = solver._matrix.duplicate(copy=True)
        self._filled: float | None = None
        self._kept: OrderedDict[float, Any] = OrderedDict()
        self._made = 0
        self._on_faces: dict[str, tuple[Any, Any]] = {}

    @property
    def problem(self) -> HeatProblem:
        """Of the solver."""
        return self._solver.problem

    @property
    def statistics(self) -> dict[str, Any]:
        """Sizes and counts."""
        return {"backend": "fem", "unknowns": self._solver.unknowns, "factorisations": self._made}

    def _mass_matrix(self) -> Any:
        """Heat capacity of cells and of faces; zero on fixed unknowns, whose temperature does not move."""
        solver, ufl = self._solver, self._solver._ufl
        fem = solver._dolfinx.fem
        space = fem.functionspace(solver._mesh, ("DG", 0))
        capacity = fem.Function(space, name="heat_capacity")
        capacity.x.array[space.dofmap.list.reshape(-1)] = solver.heat_capacity
        u, v = ufl.TrialFunction(solver._space), ufl.TestFunction(solver._space)
        form = capacity * u * v * ufl.dx(metadata=solver._quadrature)
        for name, face in self.problem.faces.items():
            if face.capacity > 0 and not face.is_fixed:
                form += fem.Constant(solver._mesh, float(face.capacity)) * u * v * solver._measure(name)
        conditions = [condition for _, condition in solver._conditions]
        matrix = fem.petsc.assemble_matrix(fem.form(form), bcs=conditions, diag=0.0)
        matrix.assemble()
        return matrix

    def rise(self, temperature: float | Floats) -> Floats:
        """Rise at the nodes of a temperature."""
        return self._solver._gathered(self._solver._at_unknowns(np.asarray(temperature))[: self._own.size] - self.base)

    def field(self, rise: Floats) -> Field:
        """Temperature of a rise."""
        return self._solver._field(rise.reshape(-1)[self._own] + self.base)

    def observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        """Rise at the places for that at the nodes."""
        return self._solver._observer(places)

    def load(self, sources: Sequence[HeatSource]) -> Floats:
        """Load of sources."""
        return self._solver._gathered(self._solver._load(sources))

    def face_integral(self, name: str, values: Floats | float = 1.0) -> Floats:
        """Integrals over a face of shape functions times a nodal field."""
        solver, fem = self._solver, self._solver._dolfinx.fem
        if name not in self._on_faces:
            function = fem.Function(solver._space)
            form = fem.form(function * solver._ufl.TestFunction(solver._space) * solver._measure(name))
            self._on_faces[name] = function, form
        function, form = self._on_faces[name]
        function.x.array[: self._own.size] = np.broadcast_to(values, self._free.shape).reshape(-1)[self._own]
        function.x.scatter_forward()
        return solver._gathered(solver._vector(form))

    def restrict(self, values: Floats) -> Floats:
        """Zero at void and fixed nodes."""
        return np.asarray(values * self._free)

    def lift(self) -> Floats:
        """Rise of the fixed nodes."""
        return self._lift

    def conductivity_at(self, rise: Floats) -> None:
        """Fill K anew, where a conductivity depends on temperature."""
        if not self.is_linear:
            self._solver._update_conductivity(rise.reshape(-1)[self._own] + self.base)
            self._solver._refill()
            self._filled = None

    def films(self, films: Mapping[str, float]) -> None:
        """Fill K with other films."""
        self._solver.recooled(self.problem.with_films(films))
        self._filled = None

    def stiffness(self, rise: Floats) -> Floats:
        """K u; with fixed faces, of the matrix without their conditions."""
        solver = self._solver
        return self._product(solver._matrix if solver._free_matrix is None else solver._free_matrix, rise)

    def mass(self, rise: Floats) -> Floats:
        """M u."""
        return self._product(self._mass, rise)

    def _product(self, matrix: Any, rise: Floats) -> Floats:
        field, out = self._vector(rise), matrix.createVecRight()
        matrix.mult(field, out)
        return self._solver._gathered(out.array_r)

    def _vector(self, values: Floats) -> Any:
        """The part of this process as PETSc holds it."""
        out = self._mass.createVecRight()
        out.array[:] = values.reshape(-1)[self._own]
        return out

    def _at(self, rate: float) -> Any:
        """Conjugate gradients on K + rate M."""
        if rate != self._filled:
            structure = import_petsc().Mat.Structure.SAME_NONZERO_PATTERN
            self._solver._matrix.copy(self._sum, structure)
            self._sum.axpy(rate, self._mass, structure)
            self._filled = rate
        key = alike(rate)
        if key not in self._kept:
            self._kept[key] = self._solver.krylov(self._sum, "stack3d_time_", rate)
            self._made += 1
            forget(self._kept, FILLED * self._solver.unknowns)
        self._kept.move_to_end(key)
        return self._kept[key]

    def precondition(self, rate: float, load: Floats) -> Floats:
        """One application of the preconditioner."""
        right = self._vector(load)
        out = right.duplicate()
        self._at(rate).getPC().apply(right, out)
        return self._solver._gathered(out.array_r)

    def solve(self, rate: float, load: Floats, rtol: float) -> tuple[Floats, int]:
        """Conjugate gradients of PETSc."""
        krylov, right = self._at(rate), self._vector(load)
        out = right.duplicate()
        krylov.setTolerances(rtol=rtol, atol=0.0, max_it=self.most_iterations)
        krylov.solve(right, out)
        if krylov.getConvergedReason() < 0:
            raise SolverError(
                f"step of a transient: conjugate gradients stopped after {krylov.getIterationNumber()} iterations (PETSc"
                f" reason {krylov.getConvergedReason()}); allow more solver.linear.max_iterations"
            )
        return self._solver._gathered(out.array_r), int(krylov.getIterationNumber())
