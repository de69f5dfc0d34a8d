"""Errors from the answers of several meshes: weighted differences, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from stack3d.chip import Chip
from stack3d.layout import Floats

MOST_UNKNOWNS = 2_000_000
"""On a user's own mesh made finer; above that there is no estimate, and the dataset says so."""
ACROSS, UPRIGHT = 0.8, 1.2
"""Order by which errors of bricks fall with the width and height of elements, at least: 2 where smooth, less beside corners."""
ON_EDGES = 0.5 * ACROSS
"""Order by which errors fall right on an edge: beside it the temperature goes as r^λ, and means err by h^2λ."""
OF_TWICE = 1.0 / (2.0**0.8 - 1.0)
"""Of tetrahedra: error over the difference from elements of twice the size, and from such of half the height; of order 0.8."""
OF_HALF = 1.0 / (1.0 - 2.0**-0.8)
LEFT_BY_ORDER_2 = 0.25
"""Share of the error of order 1 that order 2 leaves on the same tetrahedra, at most: 2**-4λ, of λ = 1/2 where a cooled part
of a face ends."""
OF_EIGHTH = 2.0
"""Of hexahedra: error over the difference from each cut in eight, of order 1."""
SAFE = 1.08
"""Errors of means and probes over what differences and orders say: on 1,400 of random stacks just after a jump, two of these
fell 5 % short. Maxima go without it: they err as the worst mean at least."""
LEAST_SHARE, LEAST_OF_ALL = 0.25, 0.04
"""An error is at least this share of the largest of its variable, and of all means: differences may vanish by chance."""
HOW = {
    "bricks": "from how much it changes with narrower and with flatter elements",
    "coarser": "from how much it changes with elements of twice the size, and with flatter ones where a layer has one alone",
    "by_bricks": "from how much it changes with bricks of half the size, whose own error is added",
    "other_order": "from how much it changes with elements of the other order on the same mesh",
    "finer": "twice what it changes with every element cut in eight",
    "halved_steps": "1.5 times what it changes with steps of half the length",
    "smaller_steps": "4/3 of what it changes at most with smaller steps",
    "too_large": f"not estimated: the finer mesh for it does not fit into memory, or has more than {MOST_UNKNOWNS} unknowns",
}
"""How an estimate was made, as the dataset says it."""
MEANS = (
    "block_temperature",
    "layer_temperature_mean",
    "map_temperature",
    "probe_temperature",
    "temperature",
    "temperature_mean",
    "tile_temperature",
)
"""What `thermal/discretisation_error` and `thermal/time_error` are the largest error of."""
LARGEST = ("_max", "_peak", "peak_temperature")
"""Ends of the names of maxima, which err as the worst mean does at least."""
OF_LAYERS = "layer_temperature_max"
"""End of the names of maxima by layer, of which the largest is the peak."""
Answers = dict[str, Floats]
"""Temperatures by output variable. [K]"""
Parts = dict[str, tuple[float, Answers, Answers]]
"""What makes an error: a weight, and two answers that differ by it."""


def compared(own: Answers, parts: Parts) -> Answers:
    """Errors from weighted differences of answers; a maximum errs as the worst mean does.

    The maximum of the hottest layer is the peak. It errs by itself, or by what a cooler layer may be hotter with its own error.
    """
    out = {}
    for name, value in own.items():
        differences = (weight * np.abs(a[name] - b[name]) for weight, a, b in parts.values())
        out[name] = sum(differences, np.zeros(value.shape))
    tops = {name: np.max(out[name] - _below_the_top(own[name]), axis=-1) for name in own if name.endswith(OF_LAYERS)}
    for name, error in tops.items():
        if error.ndim == 0 and (peak := f"{name.split('/')[0]}/peak_temperature") in out:
            out[peak] = np.maximum(out[peak], error)
    means = max((np.nanmax(out[n], initial=0.0) for n in means_in(out)), default=0.0)

    def at_least(name: str, errors: Floats) -> Floats:
        least = max(LEAST_SHARE * np.nanmax(errors, initial=0.0), LEAST_OF_ALL * means)
        return np.maximum(errors, max(least, means)) if name.endswith(LARGEST) else SAFE * np.maximum(errors, least)

    found = {name: at_least(name, errors) for name, errors in out.items()}
    for name, error in tops.items():
        found[name] = np.where(hottest(own[name]), np.expand_dims(at_least(name, error), -1), found[name])
    return found


def hottest(maxima: Floats) -> Floats:
    """Which layers, along the last axis, are the hottest ones."""
    return np.asarray(_below_the_top(maxima) <= 0.0)


def _below_the_top(maxima: Floats) -> Floats:
    """How far layers, along the last axis, are below the hottest. [K]"""
    return np.asarray(np.max(maxima, axis=-1, keepdims=True) - maxima)


def means_in(found: Mapping[str, Any]) -> list[str]:
    """Paths of those `MEANS` that are among some variables."""
    return [f"thermal/{name}" for name in MEANS if f"thermal/{name}" in found]


class Pair(NamedTuple):
    """Two meshes, each with a chip of its profile, whose answers differ by a share of what a mesh errs by.

    Parameters
    ----------
    weight : float
        Error over that difference. [-]
    one, other : (Chip, MeshKind)
    """

    weight: float
    one: tuple[Chip, Any]
    other: tuple[Chip, Any]


@dataclass(frozen=True, eq=False)
class Other:
    """A solution on another mesh.

    Parameters
    ----------
    chip : Chip
        With the profile of that mesh.
    body : MeshKind
    away : int
        Number under which its solver is kept.
    answers : mapping of str to ndarray
        [K]
    """

    chip: Chip
    body: Any
    away: int
    answers: Answers


@dataclass(frozen=True)
class Judged:
    """Errors, how they were found, what makes them, and the smallest of the other solutions."""

    errors: Answers
    how: str
    parts: Mapping[str, Answers]
    rough: Other | None = None


def judged(own: Answers, parts: Parts, how: str, rough: Other | None = None) -> Judged:
    """Errors from what makes them, together and each.

    Parameters
    ----------
    own : mapping of str to ndarray
        Answers whose errors are sought. [K]
    parts : mapping of str to (float, mapping, mapping)
        Weights and pairs of answers by what they differ in.
    how : str
        A sentence for the dataset.
    rough : Other, optional
        The smallest of the other solutions, on which steps in time are judged.
    """
    each = {name: compared(own, {name: part}) for name, part in parts.items()}
    return Judged(compared(own, parts), how, each, rough)


def of_finer(ratio: float, order: float) -> float:
    """Error over the difference from elements smaller by a ratio."""
    return float(1.0 / (1.0 - ratio**-order))
