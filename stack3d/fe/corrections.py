"""The one loop for equations whose matrix follows their solution."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats

MOST_UPDATES = 50
"""Corrections after which the loop gives up."""
ROUNDING_FLOOR = 1e-7
"""Residual below which a correction that no longer halves it has met rounding, where nobody knows how much that is."""
UPDATE_GAIN = 0.02
"""Share of the residual that a correction has to leave at most; what the coefficients do leaves about a tenth."""
MARGIN = 0.5
"""Share of the tolerance that the last correction aims at."""
WORTH_FILLING = 0.2
"""Share of the residual that a correction may leave before a matrix that holds older coefficients is filled anew."""


class UncorrectedError(SolverError):
    """Equations that no state was found for; `state` is the last."""

    def __init__(self, text: str, state: Floats) -> None:
        super().__init__(text)
        self.state = state


class Left(NamedTuple):
    """What a state leaves of its equations.

    Parameters
    ----------
    residual : ndarray
        With the coefficients of the state.
    size : float
        Its norm over the scale of the equations. [-]
    rounding : float, optional
        What rounding alone explains of that, where it is known. [-]
    """

    residual: Floats
    size: float
    rounding: float | None = None


class Corrected(NamedTuple):
    """A state that solves its equations, what it leaves, how often it was corrected, and linear iterations in all."""

    state: Floats
    left: Left
    updates: int
    iterations: int


def corrected(
    state: Floats,
    left: Callable[[Floats], Left],
    correct: Callable[[Floats, float], tuple[Floats, int]],
    *,
    tolerance: float,
    what: str,
    refill: Callable[[], None] | None = None,
    is_linear: bool = False,
) -> Corrected:
    """Correct a state until it solves equations whose coefficients are taken at that state.

    It is accepted at the tolerance or at rounding. Corrections need not be exact: they come from any matrix near that of the
    state, to a share of the residual.

    Parameters
    ----------
    state : ndarray
        To begin with, any shape.
    left : callable
        What a state leaves of its equations.
    correct : callable
        About what to add to a state for a residual, to this share of it [-], and iterations that took.
    tolerance : float
        Size of a residual to be accepted. [-]
    what : str
        Is solved, for messages.
    refill : callable, optional
        Takes the present coefficients into a matrix that holds older ones; without it `correct` has the present ones.
    is_linear : bool
        Whether no coefficient follows the state, so that one correction can do it all.

    Raises
    ------
    UncorrectedError
        When a residual is no number, or too large after `MOST_UPDATES`, or a correction fails.
    """
    last, iterations, is_filled = np.inf, 0, False
    least = 0.0 if is_linear else UPDATE_GAIN
    for updates in range(MOST_UPDATES + 1):
        now = left(state)
        is_floor = now.rounding is None and last <= ROUNDING_FLOOR and now.size > 0.5 * last
        if now.size <= tolerance + (now.rounding or 0.0) or is_floor:
            return Corrected(state, now, updates, iterations)
        if not np.isfinite(now.size) or updates == MOST_UPDATES:
            break
        is_poor = now.size > WORTH_FILLING * last
        if refill is not None and is_poor and not is_filled:
            refill()
        is_filled, last = is_poor, now.size
        try:
            change, count = correct(now.residual, max(least, MARGIN * tolerance / now.size))
        except SolverError as error:
            raise UncorrectedError(f"{what}: {error}", state) from None
        state, iterations = state + change, iterations + count
    text = f"{what}: relative residual {now.size:.1e} after {updates} updates, {tolerance:.1e} asked"
    more = "is a power negative, or in the wrong unit? the temperature may have left the range of a material law, or run away"
    raise UncorrectedError(f"{text}; {more}", state)
