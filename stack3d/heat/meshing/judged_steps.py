"""Errors of step responses by the mesh, from those on pairs of other meshes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stack3d.heat.meshing.judging import LEAST_OF_ALL
from stack3d.layout import Floats

WINDOW = 1.0
"""Decades before and after an instant in which differences count: they change their sign along it where errors do not."""


def step_errors(step: Floats, differences: Sequence[Floats], times: Floats) -> Floats:
    """Estimated errors of step responses, shape (sources, places, times). [K/W]

    Differences count as shares of the largest response of their source then, the worst within a `WINDOW`, and no place errs by
    less than a share of the worst one, as means do in steady states. No place cools down when heat is switched on: what is
    below zero is an error.

    Parameters
    ----------
    step : ndarray, shape (sources, places, times)
        [K/W]
    differences : sequence of ndarray, shape (sources, places, times)
        Weighted ones of pairs of meshes. [K/W]
    times : ndarray, shape (times,)
        [s]
    """
    scale = np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300)
    shares = sum((np.abs(one) for one in differences), np.maximum(-step, 0.0)) / scale
    log = np.log10(times)
    first, last = np.searchsorted(log, log - WINDOW), np.searchsorted(log, log + WINDOW, side="right")
    worst = np.stack([shares[..., a:b].max(axis=-1) for a, b in zip(first, last)], axis=-1)
    least = LEAST_OF_ALL * worst.max(axis=1, keepdims=True)
    return np.asarray(np.maximum(worst, least) * scale)


def gains_of_errors(step: Floats, differences: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Largest error of step responses, and all that it ever changes by, each of shape (loads, places). [K/W]

    Parameters
    ----------
    step : ndarray, shape (loads, places, times)
        From the first time on at which they count. [K/W]
    differences : sequence of ndarray, shape (loads, places, times)
        Weighted ones of pairs of meshes. [K/W]
    """
    moved = np.sum([np.abs(np.diff(one, axis=-1, prepend=0.0)).sum(axis=-1) for one in differences], axis=0)
    still = np.sum(np.abs(differences), axis=0).max(axis=-1) + np.maximum(-step, 0.0).max(axis=-1)
    falls = np.maximum(-np.diff(step, axis=-1, prepend=0.0), 0.0).sum(axis=-1)  # none does, and what fell comes back
    least = LEAST_OF_ALL * still.max(axis=-1, keepdims=True)
    return np.maximum(still, least), np.maximum(moved + 2.0 * falls, np.maximum(still, least))
