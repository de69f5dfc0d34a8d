"""The one loop for equations whose matrix follows their solution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import SolverError
from stack3d.fe.krylov import Apply, inner
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
KEPT = 8
"""Earlier steps whose effect `accelerated` knows: of 17 steps beside coolant 3 take one more, 20 one less."""
PIECE = 1 << 15
"""Unknowns of a field that are worked on at a time, so that they stay in the cache."""
STALLED = 4
"""Steps without half of the least residual so far, after which `accelerated` has met rounding below `ROUNDING_FLOOR`."""
WORSE = 2.0
"""Growth of a residual after which what earlier steps did says nothing of the next."""


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
    raise _uncorrected(what, now, updates, tolerance, state)


def _uncorrected(what: str, now: Left, updates: int, tolerance: float, state: Floats) -> UncorrectedError:
    text = f"{what}: relative residual {now.size:.1e} after {updates} updates, {tolerance:.1e} asked"
    more = "is a power negative, or in the wrong unit? the temperature may have left the range of a material law, or run away"
    return UncorrectedError(f"{text}; {more}", state)


def accelerated(
    state: Floats, left: Callable[[Floats], Left], precondition: Apply, *, tolerance: float, what: str, most: int
) -> Corrected:
    """`corrected` for matrices that are not symmetric: coefficients follow each step of a preconditioner.

    What a residual has in common with the changes that the last steps made is taken off by their combination, and only the
    rest is preconditioned. Where no coefficient follows the state that is GMRES with a short memory, at one product with the
    operator for each step (T. Washio, C. W. Oosterlee, Electron. Trans. Numer. Anal. 6 (1997) 271). Steps are kept in single
    precision, the state and what it leaves are not.

    Parameters
    ----------
    state : ndarray
        To begin with, any shape.
    left : callable
        What a state leaves of its equations; its residual may be overwritten the next time.
    precondition : callable
        About what to add to a state for a residual, both of single precision.
    tolerance : float
        Size of a residual to be accepted. [-]
    what : str
        Is solved, for messages.
    most : int
        Steps.

    Raises
    ------
    UncorrectedError
        When a residual is no number, or too large after `most` steps.
    """
    state, now, kept = state.copy(), left(state), _Steps(state.size)
    least, since = np.inf, 0
    for count in range(most + 1):
        least, since = (now.size, 0) if now.size < 0.5 * least else (least, since + 1)
        if now.size <= tolerance or (least <= ROUNDING_FLOOR and since >= STALLED):
            return Corrected(state, now, count, count)
        if not np.isfinite(now.size) or count == most:
            break
        change: NDArray[Any] = now.residual.astype(np.float32)
        wanted, step = change.copy(), np.zeros_like(change)
        kept.take_off(wanted, step, -1.0)
        step += precondition(wanted)
        state += step
        before, now = now.size, left(state)
        change -= now.residual
        if now.size > WORSE * before:
            kept.count = 0
        kept.take_off(change, step, 1.0)
        kept.keep(change, step)
    raise _uncorrected(what, now, count, tolerance, state)


class _Steps:
    """The last steps and the changes of a residual that each made, these orthogonal and of length one; by pieces of a field."""

    def __init__(self, size: int) -> None:
        self._pieces = [slice(first, min(size, first + PIECE)) for first in range(0, size, PIECE)]
        self._room = [np.empty((2, KEPT, piece.stop - piece.start), np.float32) for piece in self._pieces]
        self.count, self._next = 0, 0

    def take_off(self, change: NDArray[Any], step: NDArray[Any], sign: float) -> None:
        """Take off a change what it has in common with those of earlier steps, and times a sign these off a step; in place."""
        change, step, n = change.reshape(-1), step.reshape(-1), self.count
        pieces = zip(self._room, self._pieces)
        parts = sum((np.einsum("in,n->i", room[0, :n], change[piece]) for room, piece in pieces), np.zeros(n)).astype(
            np.float32
        )
        for room, piece in zip(self._room, self._pieces):
            change[piece] -= np.einsum("i,in->n", parts, room[0, :n])
            step[piece] -= np.einsum("i,in->n", sign * parts, room[1, :n])

    def keep(self, change: NDArray[Any], step: NDArray[Any]) -> None:
        """Remember one more, in place of the oldest."""
        size = np.sqrt(inner(change, change))
        if not (np.isfinite(size) and size > 0):
            return
        at = self._next % KEPT if self.count else 0
        for room, piece in zip(self._room, self._pieces):
            np.divide(change.reshape(-1)[piece], size, out=room[0, at])
            np.divide(step.reshape(-1)[piece], size, out=room[1, at])
        self.count, self._next = min(self.count + 1, KEPT), at + 1
