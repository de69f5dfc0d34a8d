"""The two forms of the semi-discrete heat equation that `transient` marches: lateral modes and grid nodes; SI units."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.conjugate_gradient import conjugate_gradient
from stack3d.thermal.diagonalisation import FastDiagonalisation
from stack3d.thermal.grid_operator import GridOperator, boundary_load
from stack3d.thermal.modal import modal_groups, modal_load, modal_stiffness
from stack3d.thermal.multigrid import LateralMultigrid
from stack3d.thermal.places import Place, observe, place_groups, source_groups
from stack3d.thermal.problem import GridField, source_loads
from stack3d.thermal.tensor import MOST_UPDATES, UPDATE_GAIN, TensorSolver, averaged_layers

KEPT = 12
"""Factorisations kept, one per step size."""


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
        assert isinstance(solver.inverse, FastDiagonalisation)
        problem = solver.problem
        self.problem, self.inverse = problem, solver.inverse
        self.layers = averaged_layers(problem, solver.cells)
        self.unpowered = solver.solve([]).field.values
        groups = place_groups(problem.stack, problem.grid, places)
        self.observed = modal_groups(groups, self.inverse)
        self.heated = modal_groups(source_groups(problem.stack, problem.grid, sources), self.inverse)
        self.unpowered_places = observe(groups, self.unpowered)
        my, mx = (m.values.size for m in self.inverse.modes)
        self.shape = (self.inverse.last - self.inverse.first, my, mx)
        self.capacity = _total_capacity(solver)
        self._matrix = modal_stiffness(self.layers, self.inverse)
        self._factors: OrderedDict[float, FastDiagonalisation] = OrderedDict()
        self._counts = {"solves": 0, "factorisations": 0, "iterations": 0}
        # M along z: the lateral mass is the identity in modes.
        weight = self.layers.capacity * self.layers.thickness / 6
        diagonal = np.zeros(weight.size + 1)
        diagonal[:-1] += 2 * weight
        diagonal[1:] += 2 * weight
        self._diagonal = diagonal[self.inverse.first : self.inverse.last, None, None]
        self._off = weight[self.inverse.first : self.inverse.last - 1, None, None]

    @property
    def statistics(self) -> dict[str, Any]:
        """Counts."""
        return {"backend": "tensor", "form": "modes", "unknowns": int(np.prod(self.shape)), **self._counts}

    def start(self, initial: float | GridField) -> Floats:
        """State of a temperature."""
        values = initial.values if isinstance(initial, GridField) else initial
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

    def load(self, powers: Floats) -> Floats:
        """Load of the sources."""
        return modal_load(self.heated, np.asarray(powers, dtype=float), self.shape)

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
        if rate not in self._factors:
            self._factors[rate] = FastDiagonalisation(self.problem.grid, self.layers, rate=rate, modes=self.inverse.modes)
            self._counts["factorisations"] += 1
            if len(self._factors) > KEPT:
                self._factors.popitem(last=False)
        self._factors.move_to_end(rate)
        self._counts["solves"] += 1
        return self._factors[rate].solve_modal(right.copy())

    def observe(self, state: Floats) -> Floats:
        """Temperature of the places."""
        return self.unpowered_places + observe(self.observed, state)

    def size(self, change: Floats) -> float:
        """Largest change over the places or root mean square."""
        return _size(self, change)

    def field(self, state: Floats) -> GridField:
        """Nodal temperature."""
        out = np.zeros_like(self.unpowered)
        self.inverse.to_nodes(state, out[self.inverse.first : self.inverse.last])
        return GridField(self.problem.stack, self.problem.grid, out + self.unpowered)


class NodalSystem:
    """Any stack of the grid, k(T) included: every solve is a few preconditioned iterations from a good guess.

    Parameters
    ----------
    solver : TensorSolver
    sources : sequence of HeatSource
    places : sequence of Place
    """

    def __init__(self, solver: TensorSolver, sources: Sequence[HeatSource], places: Sequence[Place]) -> None:
        self.solver, self.problem = solver, solver.problem
        self.sources = tuple(sources)
        self.boundary = boundary_load(solver.operator, solver.base)
        self.observed = place_groups(self.problem.stack, self.problem.grid, places)
        self.capacity = _total_capacity(solver)
        cells = solver.cells
        still = tuple(0 * k for k in cells.conductivity), tuple(0 * c for c in cells.contact)
        self._mass = GridOperator(self.problem, replace(cells, conductivity=still[0], contact=still[1]), rate=1.0)
        self._kept: OrderedDict[float, FastDiagonalisation | LateralMultigrid] = OrderedDict()
        self._counts = {"solves": 0, "factorisations": 0, "iterations": 0}
        self._operator = solver.operator

    @property
    def statistics(self) -> dict[str, Any]:
        """Counts."""
        return {"backend": "tensor", "form": "nodes", "unknowns": int(self.boundary.size), **self._counts}

    def start(self, initial: float | GridField) -> Floats:
        """Rise over the base, fixed nodes at their temperature."""
        values = initial.values if isinstance(initial, GridField) else initial
        out = np.broadcast_to(np.asarray(values - self.solver.base), self.boundary.shape)
        return self.solver.restrict(out) + self.solver.lift()

    def load(self, powers: Floats) -> Floats:
        """Load of sources, films and fluxes."""
        powered = [replace(s, power=float(p)) for s, p in zip(self.sources, powers, strict=True)]
        return source_loads(self.problem.grid, self.problem.stack, powered) + self.boundary

    def mass(self, state: Floats) -> Floats:
        """M u."""
        return self._mass.conduction(state)

    def stiffness(self, state: Floats) -> Floats:
        """K(u) u."""
        return self._at(state, 0.0).apply(state)

    def _at(self, state: Floats, rate: float) -> GridOperator:
        cells, grid = self.solver.cells, self.problem.grid
        factor = None if cells.is_linear else cells.conductivity_factor(grid, state + self.solver.base)
        return GridOperator(self.problem, cells, rate=rate, factor=factor)

    def _preconditioner(self, rate: float) -> FastDiagonalisation | LateralMultigrid:
        if rate not in self._kept:
            solver = self.solver
            if solver.preconditioner == "diagonalisation":
                layers = averaged_layers(self.problem, solver.cells)
                self._kept[rate] = FastDiagonalisation(self.problem.grid, layers, rate=rate)
            else:
                self._kept[rate] = LateralMultigrid(GridOperator(self.problem, solver.cells, rate=rate))
            self._counts["factorisations"] += 1
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(rate)
        return self._kept[rate]

    def solve(self, rate: float, right: Floats, guess: Floats) -> Floats:
        """Solution near `guess`; k(T) is updated until the residual is that of the solver's tolerance."""
        state = guess
        scale = float(np.linalg.norm(self.solver.restrict(right))) or 1.0
        self._counts["solves"] += 1
        for _ in range(MOST_UPDATES):
            self._operator = self._at(state, rate)
            defect = self.solver.restrict(right - self._operator.apply(state))
            residual = float(np.linalg.norm(defect)) / scale
            if residual <= self.solver.rtol:
                return state
            gain = self.solver.rtol / residual
            state = state + self._iterate(rate, defect, 0.5 * gain if self.solver.cells.is_linear else max(gain, UPDATE_GAIN))
        raise SolverError(f"transient: k(T) keeps a residual of {residual:.1e} after {MOST_UPDATES} updates")

    def correct(self, rate: float, right: Floats) -> Floats:
        """Solution to three digits with the operator of the last solve."""
        return self._iterate(rate, self.solver.restrict(right), 1e-3)

    def _iterate(self, rate: float, load: Floats, rtol: float) -> Floats:
        restrict, inverse = self.solver.restrict, self._preconditioner(rate)
        result = conjugate_gradient(
            lambda v: restrict(self._operator.apply(v)),
            lambda v: restrict(inverse.solve(v)),
            load,
            rtol=rtol,
            most=self.solver.most_iterations,
        )
        self._counts["iterations"] += result.count
        return result.solution

    def observe(self, state: Floats) -> Floats:
        """Temperature of the places."""
        return self.solver.base + observe(self.observed, state)

    def size(self, change: Floats) -> float:
        """Largest change over the places or root mean square."""
        return _size(self, change)

    def field(self, state: Floats) -> GridField:
        """Nodal temperature."""
        return GridField(self.problem.stack, self.problem.grid, state + self.solver.base)


def _size(system: ModalSystem | NodalSystem, change: Floats) -> float:
    seen = float(np.abs(observe(system.observed, change)).max(initial=0.0))
    energy = max(0.0, float(np.vdot(change, system.mass(change))))
    return max(seen, float(np.sqrt(energy / system.capacity)))


def _total_capacity(solver: TensorSolver) -> float:
    """Heat capacity of the stack. [J K⁻¹]"""
    grid = solver.problem.grid
    layers = averaged_layers(solver.problem, solver.cells)
    area = (grid.x[-1] - grid.x[0]) * (grid.y[-1] - grid.y[0])
    return float(layers.capacity @ layers.thickness * area)
