"""Stiffness and mass of the DOLFINx backend for steps in time; SI units."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats
from stack3d.thermal.fem.hexahedra import FemSolver
from stack3d.thermal.grid_operator import CellProperties, GridOperator, fixed_nodes
from stack3d.thermal.nodal_system import forget
from stack3d.thermal.preconditioner import GridPreconditioner
from stack3d.thermal.problem import ThermalProblem


class FemBody:
    """The matrices of a `FemSolver` as a `Body` of `NodalSystem`.

    Fields live on the nodes of the whole grid on every rank; products and solves run on the matrix as it is distributed. In
    one process the tensor solve on the same grid preconditions, kept per rate; in several GAMG, built anew for another rate.

    Parameters
    ----------
    solver : FemSolver
        Its matrix follows k(T) and films from here on; give it other films by `recooled` before the next steady solve.
    """

    def __init__(self, solver: FemSolver) -> None:
        from petsc4py import PETSc  # its stubs take enumerations for plain classes

        self._petsc: Any = PETSc
        self._solver = solver
        self.base, self.most_iterations = solver.problem.reference, solver.max_iterations
        cells = CellProperties.of(self.problem.stack, self.problem.grid)
        self._free = GridOperator(self.problem, cells).solid_nodes()
        self._lift = np.zeros(self._free.shape)
        for name, nodes in fixed_nodes(self.problem).items():
            self._free &= ~nodes
            self._lift[nodes] = self.problem.faces[name].reference - self.base
        self._own = solver._nodes[: solver._space.dofmap.index_map.size_local]
        self._mass = self._mass_matrix()
        self._sum = solver._matrix.duplicate(copy=True)
        self._sum.setOption(self._petsc.Mat.Option.SPD, True)
        self._filled: float | None = None
        self._kept: OrderedDict[float, GridPreconditioner] = OrderedDict()
        self._made = 0
        self._krylov = self._make_krylov()

    @property
    def problem(self) -> ThermalProblem:
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

    def _make_krylov(self) -> Any:
        krylov = self._petsc.KSP().create(self._solver._mesh.comm)
        krylov.setOptionsPrefix("stack3d_time_")
        krylov.setOperators(self._sum)
        krylov.setType("cg")
        krylov.setNormType(self._petsc.KSP.NormType.UNPRECONDITIONED)
        if self._solver._mesh.comm.size == 1:
            made = self._solver._solver.getPC()
            is_grid = made.getType() == "python"
            context = made.getPythonContext() if is_grid else GridPreconditioner(self.problem, self._own)
            krylov.getPC().setType("python")
            krylov.getPC().setPythonContext(context)
        else:
            krylov.getPC().setType("gamg")
        krylov.setFromOptions()
        return krylov

    def restrict(self, values: Floats) -> Floats:
        """Zero at void and fixed nodes."""
        return np.asarray(values * self._free)

    def lift(self) -> Floats:
        """Rise of the fixed nodes."""
        return self._lift

    def conductivity_at(self, rise: Floats) -> None:
        """Fill K anew, where a conductivity depends on temperature."""
        if self._solver._is_nonlinear:
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
        field, out = matrix.createVecRight(), matrix.createVecRight()
        field.array[:] = rise.reshape(-1)[self._own]
        matrix.mult(field, out)
        return self._gathered(out)

    def _gathered(self, vector: Any) -> Floats:
        """Values of all ranks on the grid."""
        out = np.zeros(self._free.size)
        out[self._own] = vector.array_r
        if self._solver._mesh.comm.size > 1:
            from mpi4py import MPI

            self._solver._mesh.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out.reshape(self._free.shape)

    def _set_rate(self, rate: float) -> None:
        """Fill K + rate M, and take the preconditioner of that rate."""
        if rate == self._filled:
            return
        self._solver._matrix.copy(self._sum, self._petsc.Mat.Structure.SAME_NONZERO_PATTERN)
        self._sum.axpy(rate, self._mass, self._petsc.Mat.Structure.SAME_NONZERO_PATTERN)
        pc = self._krylov.getPC()
        if self._solver._mesh.comm.size == 1:
            if rate not in self._kept:
                self._kept[rate] = pc.getPythonContext().shifted(rate)
                self._made += 1
                forget(self._kept, self.problem.grid.n_nodes)
            self._kept.move_to_end(rate)
            pc.setPythonContext(self._kept[rate])
        else:
            self._made += 1
        self._krylov.setUp()
        self._filled = rate

    def precondition(self, rate: float, load: Floats) -> Floats:
        """One application of the preconditioner."""
        self._set_rate(rate)
        right = self._sum.createVecRight()
        right.array[:] = load.reshape(-1)[self._own]
        out = right.duplicate()
        self._krylov.getPC().apply(right, out)
        return self._gathered(out)

    def solve(self, rate: float, load: Floats, rtol: float) -> tuple[Floats, int]:
        """Conjugate gradients of PETSc."""
        self._set_rate(rate)
        right = self._sum.createVecRight()
        right.array[:] = load.reshape(-1)[self._own]
        out = right.duplicate()
        self._krylov.setTolerances(rtol=rtol, atol=0.0, max_it=self.most_iterations)
        self._krylov.solve(right, out)
        if self._krylov.getConvergedReason() < 0:
            raise SolverError(
                f"step of a transient: conjugate gradients stopped after {self._krylov.getIterationNumber()} iterations (PETSc"
                f" reason {self._krylov.getConvergedReason()}); allow more solver.linear.max_iterations"
            )
        return self._gathered(out), int(self._krylov.getIterationNumber())
