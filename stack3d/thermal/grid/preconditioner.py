"""Preconditioner of the mesh solver: the tensor solve on the grid that the mesh stands on, in the shape PETSc calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.grid.solver import InverseKind, TensorSolver
from stack3d.thermal.problem import ThermalProblem


class GridPreconditioner:
    """Python context of a PETSc preconditioner (``pc.setType("python")``, ``pc.setPythonContext(...)``).

    Exact, so that conjugate gradients take one or two iterations, where `is_exact`; multigrid or laterally averaged layers
    otherwise. Built once per stack, grid and cooling; neither powers nor k(T) updates need another. The solver inside has the
    same elements as the matrix, so that its own solution is where iterations on k(T) end.

    Parameters
    ----------
    problem : ThermalProblem
    nodes : ndarray of int, shape (n_unknowns,)
        Flat index in the (z, y, x) nodes of the grid of every unknown of the matrix; one process only.
    rtol : float
        Relative residual of `rise`. [-]
    kind : {"auto", "diagonalisation", "multigrid"}
        As `TensorSolver` takes it.

    Raises
    ------
    ArrayError
        Where two unknowns share a node or one lies outside the grid.
    """

    def __init__(
        self,
        problem: ThermalProblem,
        nodes: NDArray[np.integer[Any]],
        *,
        rtol: float = 1e-10,
        kind: InverseKind = "auto",
    ) -> None:
        n = problem.grid.n_nodes
        count = np.bincount(nodes, minlength=n) if nodes.size and nodes.min() >= 0 else np.full(n + 1, 2)
        if count.size > n or count.max() > 1:
            raise ArrayError(f"nodes: want {nodes.size} different indices from 0 to {n - 1}, one per unknown of the matrix")
        self._nodes = nodes
        self._load = np.zeros((problem.grid.z.size, problem.grid.y.size, problem.grid.x.size))
        self._use(TensorSolver(problem, rtol=rtol, preconditioner=kind))

    def _use(self, solver: TensorSolver) -> None:
        self._solver, self._inverse = solver, solver.inverse
        self._fixed = np.flatnonzero(solver.fixed().reshape(-1)[self._nodes])

    def recool(self, problem: ThermalProblem) -> None:
        """Go on with other films and references."""
        self._use(self._solver.recooled(problem))

    def shifted(self, rate: float) -> GridPreconditioner:
        """The same for the matrix plus `rate` times that of the heat capacity. [s⁻¹]"""
        out = copy(self)
        out._inverse = self._solver.shifted(rate)
        return out

    def rise(self, sources: Sequence[HeatSource], guess: Floats | None, references: Mapping[str, Floats]) -> Floats:
        """Steady rise of the unknowns over the reference of the problem, k(T) included; see `TensorSolver.rise`. [K]"""
        return np.asarray(self._solver.rise(sources, guess, references).reshape(-1)[self._nodes])

    def with_coolant(self, runs: Sequence[ChannelRun]) -> TensorSolver:
        """The solver inside with the coolant of channels in its equations."""
        return self._solver.with_coolant(runs)

    @property
    def is_exact(self) -> bool:
        """Whether it inverts the matrix to rounding."""
        return self._solver.is_direct

    @property
    def name(self) -> str:
        """For the record of a run."""
        return "fast diagonalisation" if self.is_exact else self._solver.preconditioner

    def solve(self, load: Floats) -> Floats:
        """Approximate solution for a load per unknown; unknowns of fixed temperature are passed on."""
        self._load.reshape(-1)[self._nodes] = load
        rise = self._inverse.solve(self._solver.restrict(self._load))
        out = rise.reshape(-1)[self._nodes]
        out[self._fixed] = load[self._fixed]
        return np.asarray(out)

    def apply(self, pc: Any, x: Any, y: Any) -> None:
        """Called by PETSc: y = M⁻¹ x."""
        y.array[:] = self.solve(x.array_r)
