"""The tensor grid as steps in time see it: elements applied without a matrix; SI units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stack3d.fe.krylov import conjugate_gradient
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.bends import bend_matrix
from stack3d.thermal.grid.diagonalisation import FastDiagonalisation
from stack3d.thermal.grid.factors import MOST_ENTRIES, SmallFactors, expected_entries
from stack3d.thermal.grid.loads import source_loads
from stack3d.thermal.grid.multigrid import LateralMultigrid
from stack3d.thermal.grid.operator import GridOperator
from stack3d.thermal.grid.place_weights import observe, place_groups
from stack3d.thermal.grid.response import unit_loads
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.kept import PER_ENTRY, PER_UNKNOWN, KeptByRate, alike
from stack3d.thermal.places import Place
from stack3d.thermal.problem import ThermalProblem

_AtRate = FastDiagonalisation | LateralMultigrid | SmallFactors


def _memory(nodes: int, made: _AtRate) -> float:
    """Of a preconditioner. [byte]"""
    return PER_ENTRY * made.entries if isinstance(made, SmallFactors) else PER_UNKNOWN * nodes


class TensorBody:
    """Elements on the tensor grid, applied without a matrix.

    Parameters
    ----------
    solver : TensorSolver
    """

    def __init__(self, solver: TensorSolver) -> None:
        self.solver, self.base, self.most_iterations = solver, solver.base, solver.most_iterations
        cells = solver.cells
        self.is_linear = cells.is_linear and cells.stores_linearly
        none = tuple(np.zeros((1, 1)) for _ in cells.contact)
        self._still = replace(cells, conductivity=tuple(np.zeros((3, 1, 1)) for _ in none), contact=none)
        self._mass = GridOperator(self.problem, self._still, rate=1.0)
        self._films: Mapping[str, float] = solver.operator.films
        self._factor: Floats | None = None
        self._storage: Floats | None = None
        self._kept: KeptByRate[_AtRate] = KeptByRate(partial(_memory, self.problem.grid.n_nodes))
        self._operators: dict[float, GridOperator] = {}

    @property
    def problem(self) -> ThermalProblem:
        """Of the solver."""
        return self.solver.problem

    @property
    def statistics(self) -> dict[str, Any]:
        """Sizes and counts."""
        return {"backend": "tensor", "unknowns": self.problem.grid.n_nodes, "factorisations": self._kept.made}

    def rise(self, temperature: float | Floats) -> Floats:
        """Rise at the nodes of a temperature."""
        grid = self.problem.grid
        return np.broadcast_to(np.asarray(temperature - self.base), (grid.z.size, grid.y.size, grid.x.size))

    def field(self, rise: Floats) -> GridField:
        """Temperature of a rise."""
        return GridField(self.problem.stack, self.problem.grid, rise + self.base)

    def observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        """Rise at the places for that at the nodes."""
        return partial(observe, place_groups(self.problem.stack, self.problem.grid, places))

    def weights(self, places: Sequence[Place]) -> Iterator[Floats]:
        """Weights of places on the nodes."""
        return unit_loads(place_groups(self.problem.stack, self.problem.grid, places), self.problem.grid)

    def bow(self, sources: Sequence[HeatSource], places: Sequence[Place]) -> Floats:
        """What elements cannot hold of the mean of a heated box."""
        problem, solver = self.problem, self.solver
        return bend_matrix(problem.stack, problem.grid, solver.cells, sources, places, solver.frozen_at)

    def load(self, sources: Sequence[HeatSource]) -> Floats:
        """Load of sources."""
        return source_loads(self.problem.grid, self.problem.stack, sources)

    def face_integral(self, name: str, values: Floats | float = 1.0, out: Floats | None = None) -> Floats:
        """Integrals over a face of shape functions times a nodal field."""
        return self.solver.operator.face_integral(name, values, out)

    def restrict(self, values: Floats) -> Floats:
        """Zero at void and fixed nodes."""
        return self.solver.restrict(values)

    def lift(self) -> Floats:
        """Rise of the fixed nodes."""
        return self.solver.lift()

    def properties_at(self, rise: Floats) -> None:
        """Factors of every cell."""
        cells, grid = self.solver.cells, self.problem.grid
        if self.is_linear:
            return
        if not cells.is_linear:
            self._factor = cells.conductivity_factor(grid, rise + self.base)
        if not cells.stores_linearly:
            self._storage, _ = cells.storage(grid, rise + self.base, self.base)
            self._mass = self._capacities(self._storage)
        self._operators.clear()

    def _capacities(self, storage: Floats) -> GridOperator:
        return self._mass.changed(rate=1.0, storage=storage)

    def films(self, films: Mapping[str, float]) -> None:
        """Other films."""
        self._films = {**self._films, **films}
        self._operators.clear()

    def _at(self, rate: float) -> GridOperator:
        if rate not in self._operators:
            if len(self._operators) > 2:
                self._operators.clear()
            faces = self.problem.faces
            films = {name: h + rate * faces[name].capacity for name, h in self._films.items()}
            films |= {n: rate * f.capacity for n, f in faces.items() if n not in films and not f.is_fixed}
            self._operators[rate] = self.solver.operator.changed(
                rate=rate, factor=self._factor, storage=self._storage, films=films
            )
        return self._operators[rate]

    def stiffness(self, rise: Floats) -> Floats:
        """K u."""
        return self._at(0.0).apply(rise)

    def stored(self, rise: Floats) -> Floats:
        """Heat over that at the base."""
        cells = self.solver.cells
        if cells.stores_linearly:
            return self.mass(rise)
        storage, rest = cells.storage(self.problem.grid, rise + self.base, self.base)
        return self._with_faces(self._capacities(storage).conduction(rise) + rest, rise)

    def mass(self, change: Floats) -> Floats:
        """M times a change."""
        return self._with_faces(self._mass.conduction(change), change)

    def _with_faces(self, out: Floats, rise: Floats) -> Floats:
        for name, face in self.problem.faces.items():
            if face.capacity > 0 and not face.is_fixed:
                out += self.solver.operator.face_integral(name, face.capacity * rise)
        return out

    def precondition(self, rate: float, load: Floats) -> Floats:
        """Averaged layers, multigrid, or the factors of a small matrix, kept per rate."""
        return self.restrict(self._kept.at(alike(rate), lambda: self._preconditioner(rate)).solve(load))

    def _preconditioner(self, rate: float) -> _AtRate:
        if self.solver.is_direct or expected_entries(self.problem.grid) > MOST_ENTRIES:
            return self.solver.shifted(rate)
        return SmallFactors(self._at(rate).apply, self.restrict(np.ones(self.rise(self.base).shape)))

    def solve(self, rate: float, load: Floats, rtol: float) -> tuple[Floats, int]:
        """Conjugate gradients."""
        operator = self._at(rate)
        result = conjugate_gradient(
            lambda v: self.restrict(operator.apply(v)),
            lambda v: self.precondition(rate, v),
            load,
            rtol=rtol,
            most=self.most_iterations,
        )
        return result.solution, result.count
