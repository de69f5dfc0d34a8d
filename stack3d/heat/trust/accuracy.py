"""An accuracy that is asked for: how far a mesh is from it, and the next mesh to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d.chip import Chip
from stack3d.heat.time import with_smaller_steps
from stack3d.heat.trust.error_bars import Estimates
from stack3d.layout import Floats
from stack3d.schema import AccuracyDeck

ASKED = ("layer_temperature_max", "peak_temperature", "tile_temperature", "probe_temperature")
"""What an accuracy is asked of; of the layers' maxima, that of the hottest one."""
AIM = 0.8
"""Share of the error allowed that the next mesh aims at."""
FALL = 1.6
"""Order by which errors are taken to fall with the size of elements, when the next mesh is chosen."""
LARGEST_STEP = 4.0
"""Elements are made smaller by that factor at most between two meshes."""
NEGLIGIBLE = 0.1
"""A part of the error below this share of what is allowed is left as it is."""
STEPS = "steps"


@dataclass(frozen=True)
class Distance:
    """How far estimated errors are from what is allowed.

    Parameters
    ----------
    ratio : float
        Largest error over the error allowed there; NaN without an estimate. [-]
    error : float
        That error. [K]
    allowed : float
        [K]
    parts : mapping of str to float
        The same by what makes the error: ``across`` the plane, ``upright``, ``steps``, or ``all``. [-]
    """

    ratio: float
    error: float
    allowed: float
    parts: Mapping[str, float]


def distance(chip: Chip, wanted: AccuracyDeck, values: Mapping[str, Any], estimates: Estimates) -> Distance:
    """How far the estimated errors of peak, tile means and probes are from an accuracy.

    Parameters
    ----------
    chip : Chip
    wanted : AccuracyDeck
        What its profile asks for.
    values : mapping
        Output variables of the run.
    estimates : mapping
        Of their errors.
    """
    maxima = np.asarray(values["thermal/layer_temperature_max"])
    rises = {"peak_temperature": np.asarray(values["thermal/peak_temperature"])}
    worst, parts = (np.nan, np.nan, np.nan), dict[str, float]()
    for name in ASKED:
        found = estimates.get(f"thermal/{name}_error")
        if found is None:
            continue
        rise = np.abs(rises.get(name, maxima.max(axis=-1, keepdims=True)) - chip.scenario.cooling.ambient)
        allowed = np.maximum(rise * (wanted.share or 0.0), wanted.kelvin or 1e-9)
        kept = maxima >= maxima.max(axis=-1, keepdims=True) if name == "layer_temperature_max" else True
        ratio = _masked(found.value, allowed, kept)
        at = np.unravel_index(np.argmax(ratio), ratio.shape)
        if not worst[0] >= ratio[at]:
            error, limit = (float(np.broadcast_to(of, ratio.shape)[at]) for of in (found.value, allowed))
            worst = float(ratio[at]), error, limit
        for part, errors in found.parts.items():
            parts[part] = max(parts.get(part, 0.0), float(_masked(errors, allowed, kept).max()))
    return Distance(*worst, parts)


def _masked(errors: Any, allowed: Floats, kept: Any) -> Floats:
    """Errors over what is allowed, nothing where they do not count."""
    return np.where(kept, np.asarray(errors) / allowed, 0.0)


def closer(chip: Chip, found: Distance) -> Chip | None:
    """The same chip on the mesh, and with the steps, to try next; None where a mesh of the user's own cannot be refined."""
    parts = {name: ratio for name, ratio in found.parts.items() if ratio > NEGLIGIBLE}
    if chip.scenario.geometry.mesh is not None:
        parts = {name: ratio for name, ratio in parts.items() if name == STEPS and ratio > AIM}
    if not parts:
        return None
    excess = found.ratio - sum(found.parts.values())  # what shows in the values alone goes with the elements across
    if excess > 0 and "across" in parts:
        parts["across"] += excess
    budget = AIM / len(parts)
    steps = {name: min(max((ratio / budget) ** (1.0 / FALL), 1.0), LARGEST_STEP) for name, ratio in parts.items()}
    across, upright = steps.get("across", 1.0), steps.get("upright", steps.get("across", 1.0) ** 0.5)
    profile = chip.scenario.solver
    mesh = profile.mesh
    finer = mesh.model_copy(
        update={
            "lateral": min(2048, int(np.ceil(mesh.lateral * across))),
            "per_source": min(64, int(np.ceil(mesh.per_source * across))),
            "growth": mesh.growth / across,
            "per_layer": min(64, int(np.ceil(mesh.per_layer * upright - 0.25))),
            "aspect": mesh.aspect * across / upright,
        }
    )
    changes: dict[str, Any] = {"solver": profile.model_copy(update={"mesh": finer})}
    transient = chip.scenario.transient
    if transient is not None and STEPS in parts:
        cut = max(1.0, (parts[STEPS] / budget) ** 1.5)
        changes["transient"] = with_smaller_steps(transient, profile.error_promise, cut)
    return replace(chip, scenario=chip.scenario.model_copy(update=changes))
