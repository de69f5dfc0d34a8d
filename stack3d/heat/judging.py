"""Errors from the answers of several meshes: weighted differences, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stack3d.layout import Floats

MOST_UNKNOWNS = 2_000_000
"""On a user's own mesh made finer; above that there is no estimate, and the dataset says so."""
ORDER = 0.8
"""Of the error in the size of elements at corners and where they are too wide for what they carry; of smooth errors it is 2."""
OF_TWICE: float = 1.0 / (2.0**ORDER - 1.0)
"""Error over the difference from elements of twice the size, and below from such of half and of a third of it."""
OF_HALF: float = 1.0 / (1.0 - 2.0**-ORDER)
OF_THIRD: float = 1.0 / (1.0 - 3.0**-ORDER)
CAUTION, LEAST_FALL, MOST_FALL = 0.7, 2.0, 5.0
"""Share of the measured fall of the error that is counted on, and its bounds; order 1 falls twofold, order 2 fourfold."""
LEAST_SHARE, LEAST_OF_ALL = 0.25, 0.05
"""An error is at least this share of the largest of its variable, and of all means: differences may vanish by chance."""
HOW = {
    "bricks": "difference from elements of twice the size in the plane, weighted by the order that those of four times the size"
    " show, and 1.7 times what elements of a third of the height change; parts one element wide are cut in three there",
    "coarser": "difference from elements of twice the size, and where one element is as tall as its layer, 2.3 times what"
    " elements of half the height change in addition",
    "other_order": "largest difference from tetrahedra of the other order on the same mesh: the error of order 1",
    "finer": "4/3 of the largest difference from the mesh with every hexahedron cut in eight",
    "smaller_steps": "4/3 of the largest difference at any output between steps as asked for and smaller ones (an eighth of the"
    " tolerance, or a quarter of a fixed step)",
    "too_large": f"not estimated: a finer mesh of one's own would have more than {MOST_UNKNOWNS} unknowns",
}
"""How an estimate was made, as the dataset says it."""
MEANS = (
    "layer_temperature_mean",
    "map_temperature",
    "probe_temperature",
    "temperature",
    "temperature_mean",
    "tile_temperature",
)
"""What `thermal/discretisation_error` and `thermal/time_error` are the largest error of."""
Answers = dict[str, Floats]
"""Temperatures by output variable. [K]"""
Parts = dict[str, tuple[float, Answers, Answers]]
"""What makes an error: a weight, and two answers that differ by it."""


def compared(own: Answers, parts: Parts) -> Answers:
    """Errors from weighted differences of answers; a maximum errs as the worst mean does."""
    out = {}
    for name, value in own.items():
        out[name] = sum((weight * np.abs(a[name] - b[name]) for weight, a, b in parts.values()), np.zeros(value.shape))
    means = [np.nanmax(out[n], initial=0.0) for n in means_in(out)]
    floor = LEAST_OF_ALL * max(means, default=0.0)
    out = {n: np.maximum(e, max(LEAST_SHARE * np.nanmax(e, initial=0.0), floor)) for n, e in out.items()}
    return {n: np.maximum(e, max(means, default=0.0)) if n.endswith("_max") else e for n, e in out.items()}


def means_in(found: Mapping[str, Any]) -> list[str]:
    """Paths of those `MEANS` that are among some variables."""
    return [f"thermal/{name}" for name in MEANS if f"thermal/{name}" in found]


@dataclass(frozen=True)
class Judged:
    """Errors, how they were found, and what makes them."""

    errors: Answers
    how: str
    parts: Mapping[str, Answers]


def judged(own: Answers, parts: Parts, how: str) -> Judged:
    """Errors of `own` from what makes them, together and each."""
    each = {name: compared(own, {name: part}) for name, part in parts.items()}
    return Judged(compared(own, parts), how, each)


def weight(own: Floats, coarse: Floats, rough: Floats) -> float:
    """Error of `own` over its difference from elements of twice the size, by what four times the size changes further."""
    first, second = (float(np.nanmax(np.abs(a - b), initial=0.0)) for a, b in ((own, coarse), (coarse, rough)))
    if first == 0.0:
        return OF_TWICE
    fall = min(max(CAUTION * second / first, LEAST_FALL), MOST_FALL)
    return 1.0 / (fall - 1.0)
