"""An accuracy that is asked for: how far a mesh is from it, and the next mesh to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d.chip import Chip
from stack3d.heat import AnyKind
from stack3d.heat.time import with_smaller_steps
from stack3d.heat.trust.error_bars import Estimates, coldest_around
from stack3d.layout import Floats, HeatSource
from stack3d.schema import AccuracyDeck, MeshDeck
from stack3d.thermal import Field

ASKED = ("layer_temperature_max", "peak_temperature", "tile_temperature", "probe_temperature")
"""What an accuracy is asked of; of the layers' maxima, that of the hottest one."""
AIM = 0.8
"""Share of the error allowed that the next mesh aims at."""
FALL = {"across": 1.9, "upright": 1.5}
"""Order by which errors are taken to fall with the size of elements, until two meshes show it."""
ORDERS = (0.8, 2.2)
"""Orders that two meshes are believed to show."""
FEW, MOST_TIMES, RATHER = 500_000, 8.0, 16.0
"""Unknowns up to which the next mesh may have any number, and times the last one's beyond, so that the last mesh costs the
most; up to sixteen times, one mesh is less than two."""
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
    coldest = coldest_around(chip)
    beginning = chip.scenario.cooling.ambient if coldest == -np.inf else coldest
    rises = {"peak_temperature": np.asarray(values["thermal/peak_temperature"])}
    worst, parts = (np.nan, np.nan, np.nan), dict[str, float]()
    for name in ASKED:
        found = estimates.get(f"thermal/{name}_error")
        if found is None:
            continue
        rise = np.abs(rises.get(name, maxima.max(axis=-1, keepdims=True)) - beginning)
        allowed = np.maximum(rise * (wanted.share or 0.0), wanted.kelvin or 1e-9)
        kept = of_hottest(maxima, found.value) if name == "layer_temperature_max" else True
        ratio = _masked(found.value, allowed, kept)
        at = np.unravel_index(np.argmax(ratio), ratio.shape)
        if not worst[0] >= ratio[at]:
            error, limit = (float(np.broadcast_to(of, ratio.shape)[at]) for of in (found.value, allowed))
            worst = float(ratio[at]), error, limit
        for part, errors in found.parts.items():
            parts[part] = max(parts.get(part, 0.0), float(_masked(errors, allowed, kept).max()))
    return Distance(*worst, parts)


def of_hottest(maxima: Floats, errors: Any) -> Floats:
    """Where the hottest layer is, shape of `maxima`; of several that share the hottest node the one that is known best."""
    among = np.where(maxima >= maxima.max(axis=-1, keepdims=True), errors, np.inf)
    return np.asarray(np.arange(maxima.shape[-1]) == among.argmin(axis=-1)[..., None])


def _masked(errors: Any, allowed: Floats, kept: Any) -> Floats:
    """Errors over what is allowed, nothing where they do not count."""
    return np.where(kept, np.asarray(errors) / allowed, 0.0)


@dataclass(frozen=True, eq=False)
class Tried:
    """What a mesh gave.

    Parameters
    ----------
    chip : Chip
    body : MeshKind
        Its mesh.
    field : Field
        The hottest one.
    sources : sequence of HeatSource
        Of that field.
    found : Distance
    """

    chip: Chip
    body: AnyKind
    field: Field
    sources: Sequence[HeatSource]
    found: Distance


def closer(last: Tried, before: Tried | None = None) -> Chip | None:
    """The same chip on the mesh, and with the steps, to try next; None where a mesh of the user's own cannot be refined.

    Parameters
    ----------
    last : Tried
    before : Tried, optional
        The mesh before it: two show by which order each part falls, where the profile says how fine a mesh is.
    """
    chip, found = last.chip, last.found
    if not (parts := _parts(chip, found)):
        return None
    profile, transient = chip.scenario.solver, chip.scenario.transient
    budget = AIM - (parts[STEPS] if parts.get(STEPS, AIM) < AIM / len(parts) else 0.0)
    if transient is not None and parts.get(STEPS, 0.0) > (share := AIM / len(parts)):
        budget -= share
        steps = with_smaller_steps(transient, profile.error_promise, (parts[STEPS] / share) ** 1.5)
        chip = replace(chip, scenario=chip.scenario.model_copy(update={"transient": steps}))
    sizes = {name: ratio for name, ratio in parts.items() if name != STEPS}
    unknowns = last.body.unknowns(chip.stack, profile.order)
    most = max(MOST_TIMES, FEW / max(unknowns, 1))
    if sum(sizes.values()) <= budget:
        sizes = {}
    if (closer := last.body.closer(replace(chip), last.field, last.sources, sizes, budget, max(most, RATHER))) is not None:
        return closer
    changes = {"mesh": _finer(chip, sizes, budget, most, before, found)}
    return replace(chip, scenario=chip.scenario.model_copy(update={"solver": profile.model_copy(update=changes)}))


def _parts(chip: Chip, found: Distance) -> dict[str, float]:
    """What makes the error of a chip and can be made smaller. [-]"""
    parts = {name: ratio for name, ratio in found.parts.items() if ratio > NEGLIGIBLE}
    if chip.scenario.geometry.mesh is not None:
        parts = {name: ratio for name, ratio in parts.items() if name == STEPS and ratio > AIM}
    excess = found.ratio - sum(found.parts.values())  # what shows in the values alone goes with the elements across
    return {name: ratio + max(excess, 0.0) * (name == "across") for name, ratio in parts.items()}


def _finer(
    chip: Chip,
    parts: Mapping[str, float],
    budget: float,
    most: float,
    before: Tried | None,
    found: Distance,
) -> MeshDeck:
    """The mesh of a chip with elements smaller by what makes parts of the error add up to a budget, with the fewest of them."""
    mesh = chip.scenario.solver.mesh
    orders = {name: _order(name, mesh, found, before) for name in parts}
    costs = {name: (1.0 if name == "upright" else 2.0) / orders[name] for name in parts}
    steps = dict.fromkeys(parts, 1.0)
    while costs:
        share = budget / sum(costs.values())
        if not (kept := [name for name in costs if parts[name] <= share * costs[name]]):
            steps |= {name: (parts[name] / (share * cost)) ** (1.0 / orders[name]) for name, cost in costs.items()}
            break
        for name in kept:  # it is small enough as it is, and leaves the others more
            budget -= parts[name]
            del costs[name]
    across = steps.get("across", steps.get("all", 1.0))
    upright = steps.get("upright", across**0.5)
    times = across**2 * upright
    if times > most and times > RATHER:
        shrunk = np.log(most) / np.log(times)
        across, upright = across**shrunk, upright**shrunk
    return mesh.model_copy(
        update={
            "lateral": min(2048, int(np.ceil(mesh.lateral * across))),
            "per_source": min(64, int(np.ceil(mesh.per_source * across))),
            "growth": mesh.growth / across,
            "per_layer": min(64, int(np.ceil(mesh.per_layer * upright - 0.25))),
            "aspect": mesh.aspect * across / upright,
        }
    )


def _order(name: str, mesh: MeshDeck, found: Distance, before: Tried | None) -> float:
    """By which a part of the error falls with the size of elements."""
    if before is not None and min(found.parts[name], before.found.parts.get(name, 0.0)) > 0:
        old = before.chip.scenario.solver.mesh
        step = mesh.lateral / old.lateral * (old.aspect / mesh.aspect if name == "upright" else 1.0)
        if step > 1.2:
            return float(np.clip(np.log(before.found.parts[name] / found.parts[name]) / np.log(step), *ORDERS))
    return FALL.get(name, FALL["across"])
