"""All placements of one workload on one stack, and how hot each gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stack3d.chip.build import build_chip
from stack3d.chip.chip import ComputingChip
from stack3d.errors import DeckError, Problem
from stack3d.heat.placing import with_places
from stack3d.heat.trials import Trials
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

    See `Trials` for what is solved.

    Raises
    ------
    DeckError
        Without a workload.
    """
    chip = build_chip(scenario)
    if not isinstance(chip, ComputingChip):
        raise DeckError(Problem("workload", "is missing: only tiles of a network can be placed"))
    own = chip.computer.design.work.placement
    wanted: dict[str, Any] = {name: name for name in placements}
    if not isinstance(own, str):
        wanted["explicit"] = own
    trials = Trials(chip)
    out = []
    for name, choice in wanted.items():
        state = trials.settled(with_places(chip, choice, trials))
        tiles, field = state.tile_temperature, state.solution.field.values
        peak, mean, power = float(tiles.max()), float(tiles.mean()), float(state.tile_power.sum())
        out.append(PlacementOutcome(name, peak, mean, float(field.max()), power))
    return sorted(out, key=lambda outcome: outcome.tile_peak)
