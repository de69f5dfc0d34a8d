"""Krylov solvers of PETSc on assembled matrices, and the solution of a linear weak form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from stack3d.errors import SolverError
from stack3d.fe.assembly import Assembly
from stack3d.fe.library import import_petsc
from stack3d.layout import Floats

LEAST_TOLERANCE = 1e-14
"""Of the residual over the right side; less is below rounding."""
ADVICE = "try solver.linear.method=direct, a higher solver.linear.max_iterations or a coarser mesh"


class OwnPreconditioner(Protocol):
    """A preconditioner that PETSc does not know."""

    @property
    def name(self) -> str:
        """For the record of a run."""

    def apply(self, pc: Any, x: Any, y: Any) -> None:
        """Called by PETSc: y is about A⁻¹ x."""


@dataclass(frozen=True)
class LinearMethod:
    """How a linear system is solved.

    Parameters
    ----------
    method : {"cg", "direct"}
    preconditioner : str
        Of ``cg``, a name of PETSc; ``icc`` with `fill` is that of the part of each process.
    tolerance : float
        Residual over the load. [-]
    max_iterations : int
    fill : int
        Levels of fill of incomplete factors.
    """

    method: str = "cg"
    preconditioner: str = "icc"
    tolerance: float = 1e-10
    max_iterations: int = 500
    fill: int = 0

    @property
    def is_direct(self) -> bool:
        """Whether the matrix is factorised."""
        return self.method == "direct"


class LinearSolver:
    """Conjugate gradients of PETSc on a symmetric matrix, or its factors.

    The preconditioner is made for the matrix as it is, and goes on preconditioning what the matrix becomes: coefficients that
    follow the solution and films move it little.

    Parameters
    ----------
    matrix : PETSc matrix
    method : LinearMethod
    own : OwnPreconditioner, optional
        In place of one of PETSc's.
    prefix : str
        Of options in the environment of PETSc.
    """

    def __init__(
        self, matrix: Any, method: LinearMethod, own: OwnPreconditioner | None = None, *, prefix: str = "stack3d_"
    ) -> None:
        petsc = import_petsc()
        self.method, self.name = method, f"cg + {method.preconditioner}"
        matrix.setOption(petsc.Mat.Option.SPD, True)
        self._matrix, self._solver = matrix, petsc.KSP().create(matrix.comm)
        self._solver.setOptionsPrefix(prefix)
        self._solver.setOperators(matrix)
        self._solver.setType("cg")
        self._solver.setNormType(petsc.KSP.NormType.UNPRECONDITIONED)
        pc = self._solver.getPC()
        if method.is_direct:
            self.name = "direct (MUMPS, Cholesky)"
            pc.setType("cholesky")
            pc.setFactorSolverType("mumps")
        elif own is not None:
            self.name = f"cg + {own.name} on the grid"
            pc.setType("python")
            pc.setPythonContext(own)
        elif method.preconditioner == "icc" and method.fill:
            pc.setType("bjacobi")
            pc.setUp()
            for part in pc.getBJacobiSubKSP():
                part.getPC().setType("icc")
                part.getPC().setFactorLevels(method.fill)
        else:
            pc.setType(method.preconditioner)
        pc.setReusePreconditioner(True)
        self._solver.setFromOptions()
        self._solver.setUp()

    @property
    def iterations(self) -> int:
        """Of the last solve."""
        return int(self._solver.getIterationNumber())

    @property
    def reason(self) -> int:
        """Why the last solve ended, in the numbers of PETSc; negative where it did not converge."""
        return int(self._solver.getConvergedReason())

    def solve(self, right: Floats, rtol: float, start: Floats | None = None) -> Floats:
        """Solution for a right side to a residual relative to it, begun at `start`; look at `reason`. Shapes (own,)."""
        given, out = self._vector(right), self._vector(0.0 if start is None else start)
        self._solver.setTolerances(rtol=rtol, atol=0.0, max_it=self.method.max_iterations)
        self._solver.setInitialGuessNonzero(start is not None)
        self._solver.solve(given, out)
        return np.array(out.array_r)

    def precondition(self, right: Floats) -> Floats:
        """One application of the preconditioner, shape (own,)."""
        given = self._vector(right)
        out = given.duplicate()
        self._solver.getPC().apply(given, out)
        return np.array(out.array_r)

    def _vector(self, values: Floats | float) -> Any:
        out = self._matrix.createVecRight()
        out.array[:] = values
        return out


class Solved(NamedTuple):
    """Solution of a weak form.

    Parameters
    ----------
    values : ndarray, shape (own,)
    residual : ndarray, shape (own,)
        Load less A times the solution, without fixed values: zero but at fixed unknowns, see `Assembly.reactions`.
    iterations : int
    updates : int
        Corrections after the coefficients had followed the solution.
    defect, rounding : float
        Residual at free unknowns, and what rounding may leave of it, over the scale. [-]
    """

    values: Floats
    residual: Floats
    iterations: int
    updates: int
    defect: float
    rounding: float


def solved(
    assembly: Assembly,
    load: Floats | float = 0.0,
    solver: LinearSolver | None = None,
    *,
    start: Floats | None = None,
    scale: float | None = None,
) -> Solved:
    """Solution of A u = load, where A does not follow the solution.

    Parameters
    ----------
    assembly : Assembly
    load : ndarray, shape (own,)
    solver : LinearSolver, optional
        On the matrix of the assembly; the direct one by default.
    start : ndarray, shape (own,), optional
        Near the solution.
    scale : float, optional
        What the residual is relative to, by default the norm of the right side. [unit of the right side]

    Raises
    ------
    SolverError
        With iterations, last residual and reason when it does not converge.
    """
    solver = LinearSolver(assembly.matrix, LinearMethod("direct")) if solver is None else solver
    tolerance, given = solver.method.tolerance, np.broadcast_to(load, (assembly.space.own,))
    right = assembly.right_side(given)
    size = assembly.norm(right) or 1.0
    scale = size if scale is None else scale
    relative = min(max(LEAST_TOLERANCE, tolerance * scale / size), tolerance)
    values = solver.solve(right, relative, np.zeros_like(right) if start is None else start)
    residual = right - assembly.times(assembly.matrix, values)
    defect = assembly.norm(residual) / scale
    rounding = assembly.rounding(values) / scale
    if not (np.isfinite(defect) and defect <= tolerance + rounding):
        raise SolverError(
            f"linear solver {solver.name} stopped after {solver.iterations} iterations at relative residual {defect:.2e}"
            f" (wanted {tolerance:.0e}, PETSc reason {solver.reason}); {ADVICE}"
        )
    if assembly.is_fixed:
        residual = given - assembly.times(assembly.free_matrix, values)
    return Solved(values, residual, solver.iterations, 0, defect, rounding)
