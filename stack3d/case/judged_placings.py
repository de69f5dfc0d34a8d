"""How a placement by accuracy is judged: chips, groups of tiles, read-outs; refused where chips do not age."""

from __future__ import annotations

from stack3d.chip import Chip, Computer
from stack3d.errors import Problem
from stack3d.schema.scenario import Scenario
from stack3d.workload import BY_ACCURACY

CHIPS = 8
"""On which placements are judged; none of them is among those whose accuracy is told."""
ALONE = 16
"""Tiles that are heated one by one to find what that costs; of more, those of a layer together."""
RIVALS = ("thermal_aware", "spread")
"""Placements that one by accuracy is compared with; the first stays unless another gains more than is chance."""


def is_by_accuracy(scenario: Scenario) -> bool:
    """Whether tiles are to lie where chips are most accurate."""
    return scenario.workload is not None and scenario.workload.placement == BY_ACCURACY


def check_placing(chip: Chip) -> list[Problem]:
    """A placement by accuracy of chips that do not age."""
    if not is_by_accuracy(chip.scenario) or chip.scenario.lifetime is not None:
        return []
    text = f"{BY_ACCURACY} asks how tiles age, and the scenario has no lifetime; give one, or take thermal_aware"
    return [Problem("workload.placement", text)]


def left_out(scenario: Scenario) -> str:
    """Why placements compared by temperature leave out the one by accuracy, and where it is compared."""
    if scenario.lifetime is None:
        return f"{BY_ACCURACY} asks how tiles age: it wants a lifetime"
    return f"{BY_ACCURACY} asks how tiles age: a run with --set workload.placement={BY_ACCURACY} compares it, by accuracy"


def readings_of(computer: Computer) -> int:
    """Lives and read-outs of `CHIPS` chips that a placement by accuracy takes at most."""
    return 2 * len(groups_of(computer)) + len(RIVALS) + 3


def groups_of(computer: Computer) -> list[list[int]]:
    """Tiles that are heated together."""
    if len(computer.tiles) <= ALONE:
        return [[i] for i in range(len(computer.tiles))]
    layers: dict[str, list[int]] = {}
    for i, tile in enumerate(computer.tiles):
        layers.setdefault(computer.layer_of[tile.layer], []).append(i)
    return list(layers.values())
