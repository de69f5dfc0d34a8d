"""Solvers of a chip's temperature, kept from case to case, and the error of their mesh."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from stack3d.errors import DeckError
from stack3d.geometry.gmsh_model import layered_hexahedra
from stack3d.layout import Floats
from stack3d.lifetime.chip import Chip
from stack3d.lifetime.faces import channel_runs, film_laws, thermal_problem
from stack3d.lifetime.heat import make_grid
from stack3d.schema.scenario import Scenario
from stack3d.thermal.coolant import CoolantBackend
from stack3d.thermal.cooling import SettledBackend
from stack3d.thermal.problem import Field, SolidBackend, ThermalBackend, ThermalProblem, ThermalSolution


def make_backend(scenario: Scenario, problem: ThermalProblem) -> ThermalBackend:
    """Set up the solver that a profile asks for; for ``fem`` mesh the stack in Gmsh first."""
    return _with_coolants(scenario, problem, _solid_backend(scenario, problem))


def _with_coolants(scenario: Scenario, problem: ThermalProblem, solid: SolidBackend) -> ThermalBackend:
    """The solver of the solid, coupled to its channels and to films that follow the temperature."""
    runs = channel_runs(problem.stack)
    cooled = CoolantBackend(solid, runs) if runs else solid
    laws = film_laws(scenario.cooling, problem)
    return SettledBackend(cooled, laws) if laws else cooled


def _solid_backend(scenario: Scenario, problem: ThermalProblem) -> SolidBackend:
    linear = scenario.solver.linear
    if scenario.solver.backend != "fem":
        from stack3d.thermal.tensor import TensorSolver

        return TensorSolver(problem, rtol=linear.tolerance, most_iterations=linear.max_iterations)
    from stack3d.thermal.fem.hexahedra import FemSolver

    with layered_hexahedra(problem.stack, problem.grid, [surface for surface, _ in problem.patches]) as mesh:
        return FemSolver(
            problem,
            mesh,
            method=linear.method,
            preconditioner=linear.preconditioner,
            tolerance=linear.tolerance,
            max_iterations=linear.max_iterations,
        )


def discretisation_error(chip: Chip, solution: ThermalSolution, backends: Backends) -> float:
    """Estimated error of layer means, map boxes and probes by a solve on elements of twice the size. [K]

    A third of the largest difference: errors of second order fall by four when elements are halved. `backends` keeps the
    solver of that coarser mesh.
    """
    scenario = chip.scenario
    mesh = scenario.solver.mesh
    halved = {
        "lateral": max(1, mesh.lateral // 2),
        "per_layer": max(1, mesh.per_layer // 2),
        "growth": min(2.0, 2 * mesh.growth),
    }
    profile = scenario.solver.model_copy(update={"mesh": mesh.model_copy(update=halved), "backend": "tensor"})
    rough = replace(chip, scenario=scenario.model_copy(update={"solver": profile}))
    problem = thermal_problem(chip.stack, make_grid(rough), scenario.cooling)
    coarse = backends.of(rough.scenario, problem).solve(chip.sources).field

    def answers(field: Field) -> Floats:
        parts = [np.array([field.layer_mean(layer.name) for layer in chip.stack.layers])]
        if (maps := scenario.maps) is not None:
            parts += [field.map(name, *maps.grid).ravel() for name in maps.layers]
        parts.append(np.array([field.at(p.layer, p.x, p.y, p.z) for p in scenario.probes]))
        return np.concatenate(parts)

    return float(np.abs(answers(solution.field) - answers(coarse)).max()) / 3


class Backends:
    """Keeps the solver made last, for cases that differ in power or cooling alone; one at a time, so that memory stays flat.

    Parameters
    ----------
    made : int
        How many were made so far, meshes and all.
    recooled : int
        How often the kept one was given other films instead.
    """

    def __init__(self) -> None:
        self.made = self.recooled = 0
        self._body: tuple[Any, ...] | None = None
        self._solid: SolidBackend | None = None

    @cached_property
    def coarse(self) -> Backends:
        """The same for the coarser mesh of the error estimate."""
        return Backends()

    def of(self, scenario: Scenario, problem: ThermalProblem) -> ThermalBackend:
        """The solver kept when stack, grid and profile are the same ones, with other films if need be; else a new one."""
        grid = problem.grid
        lines = tuple(a.tobytes() for a in (grid.x, grid.y, grid.z, grid.layer))
        profile = scenario.solver.model_dump_json(exclude={"source", "assumed", "title"})
        body = (problem.stack, lines, problem.patches, profile)
        if body != self._body:
            self._solid = None  # let go of the old one before the new one takes its memory
        elif self._solid is not None and self._solid.problem.faces != problem.faces:
            try:
                self._solid = self._solid.recooled(problem)
                self.recooled += 1
            except DeckError:  # a face that changes its kind needs a new solver
                self._solid = None
        if self._solid is None:
            self._solid = _solid_backend(scenario, problem)
            self.made += 1
        self._body = body
        return _with_coolants(scenario, problem, self._solid)
