"""Solvers of a chip's temperature, kept from case to case, and the error of their mesh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from stack3d.errors import DeckError
from stack3d.geometry.hexahedra import layered_cells
from stack3d.layout import Floats, HeatSource
from stack3d.lifetime.bodies import make_body
from stack3d.lifetime.channels import channel_runs
from stack3d.lifetime.computer import Chip
from stack3d.lifetime.faces import film_laws, thermal_problem
from stack3d.lifetime.heat import Heat, heat_sources
from stack3d.meshes import CellMesh
from stack3d.schema.scenario import Scenario
from stack3d.thermal.coolant import CoolantBackend
from stack3d.thermal.cooling import SettledBackend
from stack3d.thermal.problem import Field, HeatProblem, SolidBackend, ThermalBackend, ThermalProblem, ThermalSolution
from stack3d.thermal.unstructured import MeshProblem


def make_backend(scenario: Scenario, problem: HeatProblem) -> ThermalBackend:
    """Set up the solver that a profile asks for."""
    return _with_coolants(scenario, problem, solid_backend(scenario, problem, Counter()))


def _with_coolants(scenario: Scenario, problem: HeatProblem, solid: SolidBackend) -> ThermalBackend:
    """The solver of the solid, coupled to its channels and to films that follow the temperature."""
    runs = channel_runs(problem.stack)
    cooled = CoolantBackend(solid, runs) if runs else solid
    laws = film_laws(scenario.cooling, problem)
    return SettledBackend(cooled, laws) if laws else cooled


def solid_backend(scenario: Scenario, problem: HeatProblem, counts: Counter[str]) -> SolidBackend:
    """The solver of the solid alone that a profile asks for."""
    linear = scenario.solver.linear
    if isinstance(problem, MeshProblem):
        from stack3d.thermal.fem.unstructured import MeshSolver

        return MeshSolver(
            problem,
            order=scenario.solver.order,
            method=linear.method,
            preconditioner=linear.preconditioner,
            tolerance=linear.tolerance,
            max_iterations=linear.max_iterations,
            counts=counts,
        )
    assert isinstance(problem, ThermalProblem)
    if scenario.solver.backend != "fem":
        from stack3d.thermal.tensor import TensorSolver

        return TensorSolver(problem, rtol=linear.tolerance, most_iterations=linear.max_iterations, counts=counts)
    from stack3d.thermal.fem.hexahedra import FemSolver

    return FemSolver(
        problem,
        *layered_cells(problem.stack, problem.grid, [surface for surface, _ in problem.patches]),
        method=linear.method,
        preconditioner=linear.preconditioner,
        tolerance=linear.tolerance,
        max_iterations=linear.max_iterations,
        counts=counts,
    )


def error_of(chip: Chip, state: Heat, backends: Backends) -> float:
    """`discretisation_error` of a chip with a workload, with the powers of a thermal state. [K]"""
    return discretisation_error(chip, state.solution, backends, heat_sources(chip, state.powers, state.rate))


def discretisation_error(
    chip: Chip, solution: ThermalSolution, backends: Backends, sources: Sequence[HeatSource] | None = None
) -> float:
    """Estimated error of layer and tile means, map boxes and probes by a solve on elements of twice the size. [K]

    A third of the largest difference: errors of second order fall by four when elements are halved. `sources` are those of
    the solution, by default the explicit ones; `backends` keeps the solver of that coarser mesh. On a mesh of the user's own,
    the difference from tetrahedra of the other order: the error of order 1, which is more than that of order 2; NaN on
    hexahedra of the user's own.
    """
    scenario = chip.scenario
    if scenario.geometry.mesh is not None:
        return _error_of_user_mesh(chip, solution, backends)
    mesh = scenario.solver.mesh
    halved = {
        "lateral": max(1, mesh.lateral // 2),
        "per_layer": max(1, mesh.per_layer // 2),
        "per_source": max(1, mesh.per_source // 2),
        "sides": max(6, mesh.sides // 2),
        "growth": min(2.0, 2 * mesh.growth),
    }
    backend = "tensor" if mesh.cells == "hex" else "fem"
    profile = scenario.solver.model_copy(update={"mesh": mesh.model_copy(update=halved), "backend": backend})
    rough = replace(chip, scenario=scenario.model_copy(update={"solver": profile}))
    problem = thermal_problem(chip.stack, make_body(rough), scenario.cooling)
    coarse = backends.of(rough.scenario, problem).solve(chip.sources if sources is None else sources).field
    return float(np.nanmax(np.abs(_answers(chip, solution.field) - _answers(chip, coarse)))) / 3


def _answers(chip: Chip, field: Field) -> Floats:
    """Means of layers, map boxes and tiles, and probes, one after the other. [K]"""
    parts = [np.array([field.layer_mean(layer.name) for layer in chip.stack.layers])]
    if (maps := chip.scenario.maps) is not None:
        parts += [field.map(name, *maps.grid).ravel() for name in maps.layers]
    parts.append(np.array([field.at(p.layer, p.x, p.y, p.z) for p in chip.scenario.probes]))
    places = chip.computer.places if chip.computer is not None else ()
    for name in {layer for layer, _ in places}:
        parts.append(field.box_means(name, [box for layer, box in places if layer == name]))
    return np.concatenate(parts)


def _error_of_user_mesh(chip: Chip, solution: ThermalSolution, backends: Backends) -> float:
    body = make_body(chip)
    if not isinstance(body, CellMesh) or body.kind == "hexahedron":
        return float("nan")
    profile = chip.scenario.solver.model_copy(update={"order": 3 - chip.scenario.solver.order})
    other = chip.scenario.model_copy(update={"solver": profile})
    field = backends.of(other, thermal_problem(chip.stack, body, other.cooling)).solve(chip.sources).field
    return float(np.abs(_answers(chip, solution.field) - _answers(chip, field)).max())


class Backends:
    """Keeps the solver made last, for cases that differ in power or cooling alone; one at a time, so that memory stays flat.

    Parameters
    ----------
    counts : Counter
        What was done so far: ``solvers`` made, ``recooled`` (the kept one was given other films instead), and what
        `SolidBackend` counts.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(
            dict.fromkeys(("solvers", "recooled", "meshes", "assemblies", "preconditioners"), 0)
        )
        self._body: tuple[Any, ...] | None = None
        self._solid: SolidBackend | None = None

    @cached_property
    def coarse(self) -> Backends:
        """The same for the coarser mesh of the error estimate."""
        return Backends()

    def of(self, scenario: Scenario, problem: HeatProblem) -> ThermalBackend:
        """The solver of `solid`, coupled to its channels and to films that follow the temperature."""
        return _with_coolants(scenario, problem, self.solid(scenario, problem))

    def solid(self, scenario: Scenario, problem: HeatProblem) -> SolidBackend:
        """The solver kept when stack, grid and profile are the same ones, with other films if need be; else a new one."""
        profile = scenario.solver.model_dump_json(exclude={"source", "assumed", "title"})
        body = (problem.key, profile)
        if body != self._body:
            self._solid = None  # let go of the old one before the new one takes its memory
        elif self._solid is not None and self._solid.problem.faces != problem.faces:
            try:
                self._solid = self._solid.recooled(problem)
                self.counts["recooled"] += 1
            except DeckError:  # a face that changes its kind needs a new solver
                self._solid = None
        if self._solid is None:
            self._solid = solid_backend(scenario, problem, self.counts)
            self.counts["solvers"] += 1
        self._body = body
        return self._solid
