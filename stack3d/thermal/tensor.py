"""Steady heat on a tensor grid without a mesh: direct for laterally uniform layers, preconditioned otherwise; SI units."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.conjugate_gradient import conjugate_gradient
from stack3d.thermal.diagonalisation import FastDiagonalisation, SeparableLayers
from stack3d.thermal.grid_operator import FACES, CellProperties, GridOperator, boundary_load, fixed_nodes
from stack3d.thermal.problem import GridField, ThermalProblem, ThermalSolution, source_loads


class TensorSolver:
    """Backend ``tensor``: trilinear elements on the problem's grid by fast diagonalisation.

    Made once per stack, grid and cooling; then every power costs one solve.

    Parameters
    ----------
    problem : ThermalProblem
    rtol : float
        Relative residual asked where the stack is not separable. [-]
    most_iterations : int
    """

    def __init__(self, problem: ThermalProblem, *, rtol: float = 1e-10, most_iterations: int = 1000) -> None:
        started = time.perf_counter()
        self.problem, self.rtol, self.most_iterations = problem, rtol, most_iterations
        self.cells = CellProperties.of(problem.stack, problem.grid)
        if not self.cells.is_linear:
            raise DeckError("backend tensor: a conductivity that depends on temperature is not solved here; use backend fem")
        self.operator = GridOperator(problem, self.cells)
        self.is_direct = is_separable(problem, self.cells)
        self.inverse = FastDiagonalisation(problem.grid, averaged_layers(problem, self.cells))
        self._fixed = fixed_nodes(problem)
        self._free = self._free_nodes()
        self._seconds_setup = time.perf_counter() - started

    def _free_nodes(self) -> NDArray[np.bool_] | None:
        free = None if self.cells.is_uniform else self.operator.solid_nodes()
        for nodes in self._fixed.values():
            free = ~nodes if free is None else free & ~nodes
        return free

    def _restrict(self, values: Floats) -> Floats:
        return values if self._free is None else values * self._free

    def solve_loads(self, loads: Floats) -> Floats:
        """Rise of nodal temperature per load vector with every reference and flux at zero.

        Parameters
        ----------
        loads : ndarray, shape (…, nz+1, ny+1, nx+1)
            [W]

        Returns
        -------
        ndarray, same shape
            [K]
        """
        if self.is_direct:
            return self.inverse.solve(self._restrict(loads))
        many = loads.reshape(-1, *loads.shape[-3:])
        return np.stack([self._iterate(load)[0] for load in many]).reshape(loads.shape)

    def _iterate(self, load: Floats) -> tuple[Floats, int]:
        result = conjugate_gradient(
            lambda v: self._restrict(self.operator.apply(v)),
            lambda v: self._restrict(self.inverse.solve(v)),
            self._restrict(load),
            rtol=self.rtol,
            most=self.most_iterations,
        )
        return result.solution, result.count

    def solve(self, sources: Sequence[HeatSource]) -> ThermalSolution:
        """Steady temperature for these sources; raises SolverError when not converged."""
        started = time.perf_counter()
        problem, operator = self.problem, self.operator
        base = next(f.reference for f in (problem.top, problem.bottom, problem.sides) if f.film_coefficient > 0)
        load = source_loads(problem.grid, problem.stack, sources)
        load += boundary_load(operator, base)
        lift = np.zeros_like(load)
        for name, nodes in self._fixed.items():
            lift[nodes] = getattr(problem, name).reference - base
        right = self._restrict(load - operator.apply(lift) if lift.any() else load)
        if self.is_direct:
            rise, iterations = self.inverse.solve(right), 0
        else:
            rise, iterations = self._iterate(right)
        solved = time.perf_counter()
        rise += lift
        imbalance = operator.apply(rise)
        imbalance -= load
        residual = float(np.linalg.norm(self._restrict(imbalance))) / (float(np.linalg.norm(right)) or 1.0)
        heat = {name: self._face_heat(name, rise, imbalance, base) for name in FACES}
        statistics = {
            "backend": "tensor",
            "method": "fast diagonalisation" if self.is_direct else "conjugate gradients, fast diagonalisation",
            "unknowns": int(load.size if self._free is None else self._free.sum()),
            "iterations": iterations,
            "residual": residual,
            "seconds": {
                "setup": self._seconds_setup,
                "solve": solved - started,
                "check": time.perf_counter() - solved,
            },
        }
        return ThermalSolution(
            GridField(problem.stack, problem.grid, rise + base),
            sum(source.power for source in sources),
            sum(heat.values()),
            heat,
            statistics,
        )

    def _face_heat(self, name: str, rise: Floats, imbalance: Floats, base: float) -> float:
        """Heat leaving through a face: film minus flux, or the reaction of the fixed nodes. [W]"""
        face = getattr(self.problem, name)
        if face.is_fixed:
            return -float(imbalance[self._fixed[name]].sum())
        if not (face.film_coefficient or face.flux):
            return 0.0
        excess = face.film_coefficient * (rise - (face.reference - base)) - face.flux
        return float(self.operator.face_integral(name, excess).sum())


def is_separable(problem: ThermalProblem, cells: CellProperties) -> bool:
    """Whether the layers are laterally uniform and the sides adiabatic, fixed, or beside one kx and one ky only."""
    if not (cells.is_uniform and cells.is_linear):
        return False
    sides = problem.sides
    lateral = np.array([k[:2, 0, 0] for k in cells.conductivity])
    return sides.is_fixed or sides.film_coefficient == 0 or bool(np.all(lateral == lateral[0]))


def averaged_layers(problem: ThermalProblem, cells: CellProperties) -> SeparableLayers:
    """Area means of every layer's cells, void included."""
    area = np.outer(np.diff(problem.grid.y), np.diff(problem.grid.x))
    area /= area.sum()

    def mean(values: Floats) -> float:
        return float(values[0, 0]) if values.shape == (1, 1) else float((values * area).sum())

    return SeparableLayers.of(
        problem,
        np.array([[mean(k) for k in triple] for triple in cells.conductivity]),
        np.array([mean(c) for c in cells.capacity]),
        np.array([mean(c) for c in cells.contact]),
    )
