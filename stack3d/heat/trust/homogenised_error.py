"""What taking channels as a porous body changes, from the same case with every channel meshed, coarsely."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d.chip import Chip
from stack3d.geometry import is_homogenised, resolved
from stack3d.heat import Answers, AnyKind, Judged, meshed
from stack3d.schema import Scenario

AWAY = 3
"""Solvers of other meshes that are kept before its own."""
OF_DIFFERENCE = 4 / 3
"""Error over the difference to channels meshed coarsely, which are off themselves by up to a fifth of it."""
COARSE: Mapping[str, float] = {"lateral": 16, "per_source": 8, "per_layer": 2}
"""Elements of that mesh at most: four across a channel, as many across a wall."""


def with_homogenised(chip: Chip, found: Judged, own: Answers, solve: Callable[[Chip, AnyKind, int], Answers]) -> Judged:
    """Errors with what homogenised channels change on top, ``model`` among their parts; as they are where there are none.

    Parameters
    ----------
    chip : Chip
    found : Judged
    own : dict of str to ndarray
        Temperatures that are judged, by output variable. [K]
    solve : callable
        Temperatures of a chip on a mesh.
    """
    if not is_homogenised(chip.stack):
        return found
    other = replace(chip, stack=resolved(chip.stack), scenario=_coarse(chip.scenario))
    answers = solve(other, meshed(other), AWAY)
    changed = {name: OF_DIFFERENCE * np.abs(answers[name] - own[name]) for name in found.errors}
    errors = {name: error + changed[name] for name, error in found.errors.items()}
    parts = {**found.parts, "model": changed}
    return replace(found, errors=errors, parts=parts, how=f"{found.how}; and from the same with every channel meshed")


def _coarse(scenario: Scenario) -> Scenario:
    solver: Any = scenario.solver
    fewer = {name: min(most, getattr(solver.mesh, name)) for name, most in COARSE.items()}
    mesh = solver.mesh.model_copy(update={**fewer, "aspect": max(1.0, solver.mesh.aspect)})
    return scenario.model_copy(update={"solver": solver.model_copy(update={"mesh": mesh})})
