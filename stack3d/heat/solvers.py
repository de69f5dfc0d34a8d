"""Solvers of a chip's temperature, kept from case to case."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np

from stack3d.errors import DeckError
from stack3d.geometry.gmsh_model import through_gmsh
from stack3d.geometry.hexahedra import layered_cells
from stack3d.grids import Grid
from stack3d.heat.channels import channel_runs
from stack3d.heat.faces import film_laws
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import SolidBackend, ThermalBackend
from stack3d.thermal.cooling.coolant import CoolantBackend
from stack3d.thermal.cooling.settled import SettledBackend
from stack3d.thermal.mesh_problem import MeshProblem
from stack3d.thermal.problem import HeatProblem, ThermalProblem

MOST_THROUGH_GMSH = 40_000
"""Bricks that the builder `auto` takes through Gmsh; of more, its copy of the mesh costs time and memory."""


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
        from stack3d.thermal.fem.solver_of_cells import solver_of_cells

        return solver_of_cells(
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
        from stack3d.thermal.grid.solver import TensorSolver

        return TensorSolver(problem, rtol=linear.tolerance, most_iterations=linear.max_iterations, counts=counts)
    from stack3d.thermal.fem.solver_on_grid import solver_on_grid

    cells, nodes = layered_cells(problem.stack, problem.grid, [surface for surface, _ in problem.patches])
    if builder_of(scenario, problem.grid) == "gmsh":
        cells = through_gmsh(cells)
    return solver_on_grid(
        problem,
        cells,
        nodes,
        method=linear.method,
        preconditioner=linear.preconditioner,
        tolerance=linear.tolerance,
        max_iterations=linear.max_iterations,
        counts=counts,
    )


def builder_of(scenario: Scenario, grid: Grid) -> str | None:
    """Who hands the bricks of a grid to DOLFINx, ``gmsh`` or ``arrays``; None where the profile takes another solver."""
    if scenario.solver.backend != "fem":
        return None
    builder = scenario.solver.mesh.builder
    if builder != "auto":
        return builder
    return "gmsh" if int(np.prod(grid.shape)) <= MOST_THROUGH_GMSH else "arrays"


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
