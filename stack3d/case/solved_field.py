"""The temperature field of a scenario's first epoch on the cells of its mesh, with regions and power."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stack3d.case.placing import placed
from stack3d.chip import ComputingChip
from stack3d.heat.loads import heat_sources
from stack3d.heat.meshing import Levels, check_mesh, meshed
from stack3d.heat.solvers import make_backend
from stack3d.layout import Floats, Stack
from stack3d.life.chips import chosen_policies
from stack3d.life.loop import Loop
from stack3d.meshes import CellMesh
from stack3d.progress import Silent, Stopwatch
from stack3d.schema.scenario import Scenario


@dataclass(frozen=True, eq=False)
class SolvedField:
    """Temperature at points, power and region of cells; contacts, which have no thickness, are left out.

    Parameters
    ----------
    stack : Stack
    mesh : CellMesh
    temperature : ndarray, shape (n_points,)
        [K]
    power_density : ndarray, shape (n_cells,)
        [W m⁻³]
    levels : Levels or None
        None for a mesh of the user's own.
    """

    stack: Stack
    mesh: CellMesh
    temperature: Floats
    power_density: Floats
    levels: Levels | None = None


def solve_field(scenario: Scenario) -> SolvedField:
    """Solve the first epoch and keep the whole field; raises DeckError, SolverError."""
    chip, _ = placed(scenario)
    check_mesh(scenario)
    body = meshed(chip)
    problem = body.problem(chip.stack, scenario.cooling)
    backend = make_backend(scenario, chip.stack, body)
    sources = list(chip.sources)
    if isinstance(chip, ComputingChip):
        state = Loop(chip, backend, chosen_policies(chip.computer), Silent(), Stopwatch()).first_epoch(beyond=True)
        solution = state.solution
        sources = list(heat_sources(chip, state.powers, state.rate))
    else:
        solution = backend.solve(sources)
    found = body.on_cells(problem, solution.field.values, scenario.solver.order, sources)
    mesh, points, levels = found.mesh, found.mesh.points.copy(), found.levels
    if levels is not None:
        points[:, 2] = levels.z[levels.of_point]  # contacts closed again
    solid = np.array([m.heat_capacity > 0 for m in mesh.materials])[mesh.region]
    kept = replace(mesh, points=points, cells=mesh.cells[solid], region=mesh.region[solid])
    return SolvedField(chip.stack, kept, found.temperature, found.power_density[solid], levels)
