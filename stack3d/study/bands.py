"""Bands of outputs over what is not known: between which ends they lie, and how much of all there could be these hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stack3d.chances import ENOUGH, SHARE, SURE, range_held
from stack3d.layout import Floats

UNCHANGED = 1e-9
"""Share of its size by which an output changes at most that does not change: solves are no more exact. [-]"""


def changes(values: Floats) -> bool:
    """Whether some values are not all the same."""
    return bool(np.ptp(values) > UNCHANGED * np.abs(values).max())


def bands(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Ends and medians of independent draws, shape (draw, output), what the ends hold, and how many draws have a value."""
    n_outputs = values.shape[1]
    band, held, drawn = np.full((3, n_outputs), np.nan), np.zeros(n_outputs), np.isfinite(values).sum(axis=0)
    for k in np.flatnonzero(drawn):
        known = values[np.isfinite(values[:, k]), k]
        low, high, held[k] = range_held(known)
        band[:, k] = low, np.median(known), high
    return band, held, drawn.astype(float)


def band_told(ends: Sequence[str], held: float, n_drawn: int, count: int) -> str:
    """A band in words.

    Parameters
    ----------
    ends : sequence of str
        Low end, median, high end.
    held : float
        Share of all there could be between the ends. [-]
    n_drawn : int
        Draws that it is of.
    count : int
        Base points of the study.
    """
    low, middle, high = ends
    sure = f"with a confidence of {100 * SURE:.0f} %"
    if held >= SHARE:
        return f"{middle}, {low} to {high} holds {100 * SHARE:.0f} % of what the unknowns allow, {sure}"
    wanted = max(2 ** math.ceil(math.log2(ENOUGH * count / n_drawn)), 2 * count)
    known = f"is all of {n_drawn} draws, which hold {100 * held:.0f} % of what the unknowns allow, {sure}"
    return f"{middle}, {low} to {high} {known}; for {100 * SHARE:.0f} % count wants to be {wanted}"
