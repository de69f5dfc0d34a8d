"""Rates of temperatures on the lines of a grid, by the tensor solver; SI units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stack3d.layout import Floats, HeatSource
from stack3d.thermal.grid.adjoint import adjoint
from stack3d.thermal.grid.bends import mean_bow_slope
from stack3d.thermal.grid.operator import GridOperator
from stack3d.thermal.grid.place_weights import place_groups
from stack3d.thermal.grid.response import unit_loads
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Box, Place
from stack3d.thermal.problem import ThermalProblem


class GridRates:
    """A stack with its sources on the lines of a grid; see `SteadyRates`.

    Parameters
    ----------
    problem : ThermalProblem
    sources : sequence of HeatSource
    rtol : float
        Relative residual of the solves. [-]
    """

    def __init__(self, problem: ThermalProblem, sources: Sequence[HeatSource], rtol: float) -> None:
        self.problem, self.sources = problem, sources
        self.solver = TensorSolver(problem, rtol=rtol)

    @property
    def base(self) -> float:
        """Temperature that rises count from. [K]"""
        return self.solver.base

    def solved(self) -> Floats:
        """Nodal temperatures of the steady state. [K]"""
        return np.asarray(self.solver.solve(self.sources).field.values)

    def solid(self, values: Floats) -> Floats:
        """The same, -inf at nodes of nothing solid."""
        return np.where(True if self.solver.cells.is_uniform else self.solver.operator.solid_nodes(), values, -np.inf)

    def weights(self, place: Place, values: Floats) -> Floats:
        """Of a place, the bow in a mean included where it follows the temperature. [-]"""
        problem = self.problem
        [weights] = unit_loads(place_groups(problem.stack, problem.grid, [place]), problem.grid)
        if isinstance(place, Box) and not self.solver.is_linear:
            weights += mean_bow_slope(problem, self.solver.cells, self.sources, place, values)
        return np.asarray(weights)

    def adjoint(self, values: Floats, weights: Floats) -> Floats:
        """One more solve, and some where conductivities follow the temperature. [K W⁻¹]"""
        return adjoint(self.solver, values, weights)

    def held(self, values: Floats) -> Floats:
        """Nodal temperatures of another stack, those of fixed faces its own. [K]"""
        solver = self.solver
        return np.where(solver.fixed(), solver.lift() + solver.base, values)

    def at(self, place: Place, values: Floats) -> float:
        """Temperature of a place. [K]"""
        field = self.solver.field(self.sources, values)
        if isinstance(place, Box):
            return float(field.box_means(place.layer, [place.extent])[0])
        return field.at(place.layer, place.x, place.y, place.z)

    def lacking(self, found: Floats, values: Floats) -> float:
        """An adjoint times what nodes lack at these temperatures. [K]"""
        solver, problem = self.solver, self.problem
        factor = None if solver.is_linear else solver.cells.conductivity_factor(problem.grid, values)
        operator = GridOperator(problem, solver.cells, factor=factor)
        return float(np.sum(found * solver.restrict(solver.load(self.sources) - operator.apply(values - solver.base))))
