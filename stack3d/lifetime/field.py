"""The temperature field of a scenario's first epoch on the cells of its grid, with regions and power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.geometry.hexahedra import CellRegions
from stack3d.layout import Floats, Grid, HeatSource, Stack
from stack3d.lifetime import heat
from stack3d.lifetime.backends import make_backend
from stack3d.lifetime.chip import build_chip
from stack3d.lifetime.faces import thermal_problem
from stack3d.lifetime.life import chosen_policies
from stack3d.lifetime.loop import first_heat
from stack3d.meshes import VOID
from stack3d.schema.scenario import Scenario


@dataclass(frozen=True, eq=False)
class Field:
    """Temperature at nodes, power and region of cells.

    Parameters
    ----------
    stack, grid : Stack, Grid
    temperature : ndarray, shape (nz+1, ny+1, nx+1)
        [K]
    power_density : ndarray, shape (nz, ny, nx)
        [W m⁻³]
    regions : CellRegions
        Void cells lie outside every layer; contacts have no thickness.
    """

    stack: Stack
    grid: Grid
    temperature: Floats
    power_density: Floats
    regions: CellRegions

    @property
    def is_solid(self) -> NDArray[np.bool_]:
        """Cells with material and thickness, shape (nz, ny, nx)."""
        return np.asarray((self.regions.number != VOID) & (np.diff(self.grid.z) > 0)[:, None, None])


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
    chip = build_chip(scenario)
    grid = heat.make_grid(chip)
    backend = make_backend(scenario, thermal_problem(chip.stack, grid, scenario.cooling))
    sources = list(chip.sources)
    if chip.computer is None:
        solution = backend.solve(sources)
    else:
        state = first_heat(chip, chip.computer, backend, chosen_policies(chip))
        solution = state.solution
        sources = list(heat.heat_sources(chip, state.powers, state.rate))
    density = power_density(chip.stack, grid, sources)
    return Field(chip.stack, grid, solution.field.values, density, CellRegions.of(chip.stack, grid))
