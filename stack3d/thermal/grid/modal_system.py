"""The semi-discrete heat equation of a separable stack in its lateral modes; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.fe.krylov import inner
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.fields.field import Field
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.averages import at_rate, averaged_layers
from stack3d.thermal.grid.diagonalisation import FastDiagonalisation
from stack3d.thermal.grid.loads import source_loads
from stack3d.thermal.grid.modes import modal_groups, modal_load, modal_stiffness
from stack3d.thermal.grid.place_weights import observe, place_groups, source_groups
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.kept import PER_UNKNOWN, KeptByRate
from stack3d.thermal.places import Place
from stack3d.thermal.time.body import Boundary, boundary_of
from stack3d.thermal.time.portions import Portion, blended
from stack3d.thermal.time.system import Exact


class ModalSystem:
    """A separable stack in its lateral modes: every operation is tridiagonal, nothing is transformed while marching.

    The state is the rise over the temperature without power, so that films, fluxes and fixed faces drop out.

    Parameters
    ----------
    solver : TensorSolver
        With ``is_direct``.
    sources : sequence of HeatSource
    places : sequence of Place
    """

    def __init__(self, solver: TensorSolver, sources: Sequence[HeatSource], places: Sequence[Place]) -> None:
        if solver.exact is None:
            raise ArrayError("lateral modes want a separable stack: uniform layers of one extent")
        problem = solver.problem
        self.problem, self.inverse, self._integral = problem, solver.exact, solver.operator.face_integral
        self.layers = averaged_layers(problem, solver.cells)
        self.unpowered = solver.unchecked().solve([]).field.values
        groups = place_groups(problem.stack, problem.grid, places)
        self.observed = modal_groups(groups, self.inverse)
        self.heated = modal_groups(source_groups(problem.stack, problem.grid, sources), self.inverse)
        self.unpowered_places = observe(groups, self.unpowered)
        my, mx = (m.values.size for m in self.inverse.modes)
        self.shape = (self.inverse.last - self.inverse.first, my, mx)
        grid = problem.grid
        area = (grid.x[-1] - grid.x[0]) * (grid.y[-1] - grid.y[0])
        self.capacity = float(self.layers.capacity @ self.layers.thickness * area)
        self._matrix = modal_stiffness(self.layers, self.inverse)
        each = PER_UNKNOWN * float(np.prod(self.shape))
        self._factors: KeptByRate[FastDiagonalisation] = KeptByRate(lambda made: each)
        self._counts = {"solves": 0, "factorisations": 0, "iterations": 0}
        # M along z: the lateral mass is the identity in modes.
        weight = self.layers.capacity * self.layers.thickness / 6
        diagonal = np.zeros(weight.size + 1)
        diagonal[:-1] += 2 * weight
        diagonal[1:] += 2 * weight
        diagonal[0] += problem.bottom.capacity
        diagonal[-1] += problem.top.capacity
        self._diagonal = diagonal[self.inverse.first : self.inverse.last, None, None]
        self._off = weight[self.inverse.first : self.inverse.last - 1, None, None]

    @cached_property
    def exact(self) -> Exact:
        """All eigenmodes; raises DeckError where they do not fit."""
        from stack3d.thermal.grid.exact_transient import ExactTransient

        return ExactTransient(self)

    @property
    def statistics(self) -> dict[str, Any]:
        """Counts."""
        return {"backend": "tensor", "form": "modes", "unknowns": int(np.prod(self.shape)), **self._counts}

    def start(self, initial: float | Field) -> Floats:
        """State of a temperature."""
        values = initial if isinstance(initial, int | float) else initial.values
        rise = np.asarray(values - self.unpowered)[self.inverse.first : self.inverse.last]
        if not rise.any():
            return np.zeros(self.shape)
        out = rise
        for lines, modes, axis in (
            (self.problem.grid.y, self.inverse.modes[0], 1),
            (self.problem.grid.x, self.inverse.modes[1], 2),
        ):
            free = np.flatnonzero(modes.vectors.any(axis=1))
            width = np.diff(lines)
            mass = np.diag(np.append(width, 0) / 3 + np.append(0, width) / 3) + np.diag(width / 6, 1) + np.diag(width / 6, -1)
            project = modes.vectors[free].T @ mass[np.ix_(free, free)]
            out = np.moveaxis(np.tensordot(project, np.take(out, free, axis=axis), axes=(1, axis)), 0, axis)
        return np.ascontiguousarray(out)

    def begun(self, portions: Sequence[Portion]) -> Floats:
        """State of parts at temperatures of their own."""
        stack, grid = self.problem.stack, self.problem.grid
        values, _ = blended(lambda sources: source_loads(grid, stack, sources), portions, self.problem.reference)
        return self.start(GridField(stack, grid, values))

    def load(self, powers: Floats) -> Floats:
        """Load of the sources."""
        return modal_load(self.heated, np.asarray(powers, dtype=float), self.shape)

    def stored(self, state: Floats) -> Floats:
        """As `mass`: no heat capacity follows the temperature."""
        return self.mass(state)

    def mass(self, state: Floats) -> Floats:
        """M u."""
        out = self._diagonal * state
        out[:-1] += self._off * state[1:]
        out[1:] += self._off * state[:-1]
        return np.asarray(out)

    def stiffness(self, state: Floats) -> Floats:
        """K u."""
        diagonal, off = self._matrix
        out = diagonal * state
        out[:-1] += off * state[1:]
        out[1:] += off * state[:-1]
        return np.asarray(out)

    def solve(self, rate: float, right: Floats, guess: Floats) -> Floats:
        """Direct; `guess` is not needed."""
        return self.correct(rate, right)

    def correct(self, rate: float, right: Floats) -> Floats:
        """Direct."""
        self._counts["solves"] += 1
        return self._factors.at(rate, lambda: self._factored(rate)).solve_modal(right.copy())

    def _factored(self, rate: float) -> FastDiagonalisation:
        self._counts["factorisations"] += 1
        return FastDiagonalisation(
            self.problem.grid, at_rate(self.problem, self.layers, rate), rate=rate, modes=self.inverse.modes
        )

    def observe(self, state: Floats) -> Floats:
        """Temperature of the places."""
        return self.unpowered_places + observe(self.observed, state)

    def size(self, change: Floats) -> float:
        """Largest change over the places or root mean square."""
        seen = float(np.abs(observe(self.observed, change)).max(initial=0.0))
        energy = max(0.0, inner(change, self.mass(change)))
        return max(seen, float(np.sqrt(energy / self.capacity)))

    def field(self, state: Floats) -> GridField:
        """Nodal temperature."""
        out = np.zeros_like(self.unpowered)
        self.inverse.to_nodes(state, out[self.inverse.first : self.inverse.last])
        out += self.unpowered
        return GridField(self.problem.stack, self.problem.grid, out)

    def boundary(self, state: Floats) -> Boundary:
        """Heat of a state; no film follows the temperature and no coolant flows."""
        return boundary_of(self.problem.faces, self._integral, self.field(state).values, {}, {}, {})
