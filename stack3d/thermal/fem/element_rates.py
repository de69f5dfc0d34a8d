"""What a temperature owes to each residual, on the elements of DOLFINx: one solve with the transposed Jacobian; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.fem.discretised import Discretised, gathered, on_all_nodes
from stack3d.thermal.places import Box, Place

MOST_PASSES = 60
"""Solves of an adjoint where conductivities follow the temperature."""


class ElementRates:
    """A stack with its sources on elements of DOLFINx; see `SteadyRates`.

    Parameters
    ----------
    solver : SolidBackend
        A `FemSolver`, in one process.
    sources : sequence of HeatSource
    """

    def __init__(self, solver: Any, sources: Sequence[HeatSource]) -> None:
        self.solver, self.sources = solver, sources
        self._at: Discretised = solver.conduction.at

    @property
    def base(self) -> float:
        """Temperature that rises count from. [K]"""
        return float(self.solver.conduction.reference)

    def _own(self, values: Floats) -> Floats:
        """Values at the unknowns of those at all nodes."""
        return np.asarray(values.reshape(-1)[self._at.nodes[: self._at.space.own]])

    def _free(self, values: Floats) -> Floats:
        """Values at the unknowns without those of fixed faces."""
        free = values.copy()
        for rows, _ in self.solver.conduction.assembly.fixed_values().values():
            free[rows] = 0.0
        return free

    def solved(self) -> Floats:
        """Nodal temperatures of the steady state. [K]"""
        values = self._at.at_unknowns(self.solver.solve(self.sources).field.values)
        return on_all_nodes(self._at, values[: self._at.space.own])

    def solid(self, values: Floats) -> Floats:
        """The same, -inf at nodes of nothing solid."""
        out = np.full(values.shape, -np.inf)
        out.reshape(-1)[self._at.nodes] = values.reshape(-1)[self._at.nodes]
        return out

    def weights(self, place: Place, values: Floats) -> Floats:
        """Of a place, which is straight in all nodes. [-]"""
        return self._at.weights(place)

    def at(self, place: Place, values: Floats) -> float:
        """Temperature of a place. [K]"""
        field = self._at.steady(self._own(values), self.sources)
        if isinstance(place, Box):
            return float(field.box_means(place.layer, [place.extent])[0])
        return field.at(place.layer, place.x, place.y, place.z)

    def adjoint(self, values: Floats, weights: Floats) -> Floats:
        """By the solver of the steady state, whose matrix is symmetric: one more solve. [K W⁻¹]

        Where conductivities follow the temperature the Jacobian is not: what their slope adds to it, transposed, is small and
        goes to the right-hand side, as on a grid. Raises SolverError when that does not settle.
        """
        assembly, right = self.solver.conduction.assembly, self._own(weights)
        if not self._at.follows_temperature:
            return gathered(self._at, self.solver.transposed(self._free(right), self.solver.method.tolerance))
        self._at.update_conductivity(self._own(values))
        assembly.refill()
        lacking = self._slope(self._own(values) - self.base)
        found = self.solver.transposed(self._free(right), self.solver.method.tolerance)
        for _ in range(MOST_PASSES):
            before, found = found, self.solver.transposed(self._free(right - lacking(found)), self.solver.method.tolerance)
            if np.abs(found - before).max() <= self.solver.method.tolerance * np.abs(found).max():
                return gathered(self._at, found)
        raise SolverError("the adjoint of k(T) has not settled: the stack is close to a runaway")

    def _slope(self, rise: Floats) -> Any:
        """Gives, for an adjoint, what the slope of k(T) adds to the transposed Jacobian times it, shape (own,)."""
        space, assembly = self._at.space, self.solver.conduction.assembly
        ufl, state, found = space.ufl, space.function(), space.function()
        state.x.array[: space.own] = rise
        energy = ufl.action(ufl.action(assembly.whole, state), found)
        form = space.form(ufl.derivative(energy, self._at.temperature, space.v))

        def lacking(values: Floats) -> Floats:
            found.x.array[: space.own] = values
            return space.vector(form)

        return lacking

    def held(self, values: Floats) -> Floats:
        """Nodal temperatures of another stack, those of fixed faces its own. [K]"""
        rise = self.solver.conduction.lifted(self._own(values) - self.base)
        return on_all_nodes(self._at, rise + self.base)

    def lacking(self, found: Floats, values: Floats) -> float:
        """An adjoint times what nodes lack at these temperatures. [K]"""
        heat = self.solver.conduction
        own = self._own(values)
        if self._at.follows_temperature:
            self._at.update_conductivity(own)
        load = self._at.load(self.sources) + sum(heat.flux_loads.values())
        for name, film in heat.film_loads.items():
            load = load + film * (heat.problem.faces[name].reference - heat.reference)
        left = load - heat.assembly.applied(own - heat.reference)
        return self._at.space.sum(self._own(found) * self._free(left))
