"""The temperature field of a scenario's first epoch on the cells of its mesh, with regions and power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from stack3d.chip.chip import ComputingChip
from stack3d.geometry.hexahedra import CellRegions, layered_cells
from stack3d.grids import Grid
from stack3d.heat.bodies import check_body, make_body
from stack3d.heat.faces import thermal_problem
from stack3d.heat.placing import placed_chip
from stack3d.heat.solvers import make_backend
from stack3d.heat.sources import heat_sources
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.life.policy import chosen_policies
from stack3d.life.start import first_heat
from stack3d.meshes import VOID, CellMesh, Columns, Ints
from stack3d.schema.scenario import Scenario
from stack3d.thermal.mesh_problem import MeshProblem


class Levels(NamedTuple):
    """Heights that points of a stack lie at."""

    z: Floats
    """Ascending; equal ones where a contact is. [m]"""
    layer: Ints
    """Layer of the stack between each two of them."""
    of_point: Ints


@dataclass(frozen=True, eq=False)
class Field:
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


def power_density(stack: Stack, grid: Grid, sources: Sequence[HeatSource]) -> Floats:
    """Power of box sources per volume of the cells, shape (nz, ny, nx). [W m⁻³]

    The integral over all cells is the sum of the powers.
    """

    def share(lines: Floats, lower: float, upper: float) -> Floats:
        return np.asarray(np.clip(np.minimum(lines[1:], upper) - np.maximum(lines[:-1], lower), 0.0, None) / (upper - lower))

    watts = np.zeros(grid.shape)
    for source in sources:
        layer = stack.layer(source.layer)
        box = source.extent
        parts = share(grid.z, layer.z0, layer.z1), share(grid.y, box.y0, box.y1), share(grid.x, box.x0, box.x1)
        watts += source.power * np.einsum("k,j,i->kji", *parts)
    volume = np.einsum("k,j,i->kji", np.diff(grid.z), np.diff(grid.y), np.diff(grid.x))
    return np.asarray(np.divide(watts, volume, out=np.zeros_like(watts), where=volume > 0))


def solve_field(scenario: Scenario) -> Field:
    """Solve the first epoch and keep the whole field; raises DeckError, SolverError."""
    chip = placed_chip(scenario)
    check_body(chip)
    body = make_body(chip)
    problem = thermal_problem(chip.stack, body, scenario.cooling)
    backend = make_backend(scenario, problem)
    sources = list(chip.sources)
    if isinstance(chip, ComputingChip):
        state = first_heat(chip, backend, chosen_policies(chip.computer))
        solution = state.solution
        sources = list(heat_sources(chip, state.powers, state.rate))
    else:
        solution = backend.solve(sources)
    values = solution.field.values
    if isinstance(problem, MeshProblem):
        mesh = problem.mesh
        temperature = problem.at_nodes(values, scenario.solver.order)[: mesh.n_nodes]
        density = problem.cell_powers(sources) / problem.volumes
        levels = Levels(body.z, body.layer, body.used // len(body.points)) if isinstance(body, Columns) else None
    else:
        grid = problem.grid
        mesh, nodes = layered_cells(chip.stack, grid)
        temperature = values.ravel()[nodes]
        density = power_density(chip.stack, grid, sources)[CellRegions.of(chip.stack, grid).number != VOID]
        levels = Levels(grid.z, grid.layer, nodes // (grid.x.size * grid.y.size))
    points = mesh.points.copy()
    if levels is not None:
        points[:, 2] = levels.z[levels.of_point]  # contacts closed again
    solid = np.array([m.heat_capacity > 0 for m in mesh.materials])[mesh.region]
    kept = replace(mesh, points=points, cells=mesh.cells[solid], region=mesh.region[solid])
    return Field(chip.stack, kept, temperature, density[solid], levels)
