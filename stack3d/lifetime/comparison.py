"""All placements of one workload on one stack, and how hot each gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.geometry.grid import build_grid
from stack3d.geometry.stack import tile_sites
from stack3d.layout import HeatSource
from stack3d.lifetime import heat
from stack3d.lifetime.backends import make_backend
from stack3d.lifetime.chip import build_chip
from stack3d.lifetime.faces import thermal_problem
from stack3d.lifetime.placing import with_places
from stack3d.schema.scenario import Scenario
from stack3d.workload.placement import placements


@dataclass(frozen=True)
class PlacementOutcome:
    """Temperatures of a freshly programmed chip with one placement.

    Parameters
    ----------
    name : str
    tile_peak, tile_mean : float
        Of the means of the tiles. [K]
    stack_peak : float
        Largest temperature anywhere. [K]
    tile_power : float
        Of all tiles. [W]
    """

    name: str
    tile_peak: float
    tile_mean: float
    stack_peak: float
    tile_power: float


def compare_placements(scenario: Scenario) -> list[PlacementOutcome]:
    """Every registered placement, and the scenario's own if it lists sites, each solved in full on one grid.

    Cells are as programmed, leakage settles with temperature; solved by the tensor backend, whichever the profile asks for.

    Raises
    ------
    DeckError
        Without a workload.
    """
    chip = build_chip(scenario)
    if chip.computer is None or scenario.workload is None:
        raise DeckError(Problem("workload", "is missing: only tiles of a network can be placed"))
    own = scenario.workload.placement
    wanted: dict[str, Any] = {name: name for name in placements}
    if not isinstance(own, str):
        wanted["explicit"] = own
    boxes = [
        HeatSource(f"site{i}", layer, box, 1.0) for i, (layer, box) in enumerate(tile_sites(scenario.geometry, chip.stack))
    ]
    grid = build_grid(chip.stack, [*chip.sources, *boxes], scenario.solver.mesh, [])
    profile = scenario.solver.model_copy(update={"backend": "tensor"})
    problem = thermal_problem(chip.stack, grid, scenario.cooling)
    backend = make_backend(scenario.model_copy(update={"solver": profile}), problem)
    targets = {name: m.target_conductances()[None] for name, m in chip.computer.matrices.items()}
    start = np.full((len(chip.computer.tiles), 1, 1), scenario.cooling.ambient)
    out = []
    for name, choice in wanted.items():
        computer = with_places(chip.computer, scenario, chip.stack, chip.sources, chip.mean_rate, choice)
        state = heat.settle(replace(chip, computer=computer), backend, lambda _: targets, start)
        tiles, field = state.tile_temperature, state.solution.field.values
        peak, mean, power = float(tiles.max()), float(tiles.mean()), float(state.tile_power.sum())
        out.append(PlacementOutcome(name, peak, mean, float(field.max()), power))
    return sorted(out, key=lambda outcome: outcome.tile_peak)
