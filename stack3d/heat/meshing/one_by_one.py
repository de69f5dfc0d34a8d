"""What taking channels as a porous body changes, from the same case with every channel meshed, coarsely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d.cavities import Fins
from stack3d.chip import Chip
from stack3d.geometry import is_homogenised, resolved
from stack3d.heat.meshing.judging import Answers, Judged

LATERAL, PER_LAYER, ASPECT = 16, 2, 1.0
"""Elements of that mesh along the layer and through a layer at most, and their width over their height at least."""
ACROSS, FEWEST, MOST_LINES = 8, 2, 1024
"""Elements over a channel and a wall, fewer where all together were more than so many."""


def one_by_one(chip: Chip) -> Chip | None:
    """The chip with every channel meshed, coarsely; None where no channels are homogenised."""
    if not is_homogenised(chip.stack):
        return None
    solver: Any = chip.scenario.solver
    found = [layer.channels.pins for layer in chip.stack.layers if layer.channels is not None]
    most = max(pins.count for pins in found if isinstance(pins, Fins))
    fewer = {"lateral": LATERAL, "per_layer": PER_LAYER, "per_source": max(FEWEST, min(ACROSS, MOST_LINES // most))}
    changed: dict[str, float] = {name: min(value, getattr(solver.mesh, name)) for name, value in fewer.items()}
    mesh = solver.mesh.model_copy(update={**changed, "aspect": max(ASPECT, solver.mesh.aspect)})
    scenario = chip.scenario.model_copy(update={"solver": solver.model_copy(update={"mesh": mesh})})
    return replace(chip, stack=resolved(chip.stack), scenario=scenario)


def with_homogenised(chip: Chip, found: Judged, own: Answers, judge: Callable[[Chip], tuple[Answers, Answers]]) -> Judged:
    """Errors with what homogenised channels change on top, ``model`` among their parts; as they are where there are none.

    That is the difference to channels meshed coarsely, and what these err by: the two may cancel.

    Parameters
    ----------
    chip : Chip
    found : Judged
    own : dict of str to ndarray
        Temperatures that are judged, by output variable. [K]
    judge : callable
        Temperatures of another chip, and their errors.
    """
    if (other := one_by_one(chip)) is None:
        return found
    answers, beyond = judge(other)
    changed = {name: np.abs(answers[name] - own[name]) + beyond[name] for name in found.errors}
    errors = {name: error + changed[name] for name, error in found.errors.items()}
    parts = {**found.parts, "model": changed}
    return replace(found, errors=errors, parts=parts, how=f"{found.how}; and from the same with every channel meshed")
