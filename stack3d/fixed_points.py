"""The one loop for parts that are solved in turn until they agree: films, coolant, leakage, swings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from stack3d.errors import SolverError


class Until(NamedTuple):
    """Change between two passes at which they end, and how many there may be."""

    change: float
    passes: int


class Pass[S, A](NamedTuple):
    """One pass: what it found, how far that is from what it began with, and where the next one begins.

    Parameters
    ----------
    answer : A
    change : float
        In the unit of `Until`.
    following : S
    """

    answer: A
    change: float
    following: S


@dataclass(frozen=True)
class FixedPoint[A]:
    """What passes have come to, and how.

    Parameters
    ----------
    answer : A
        Of the last pass.
    changes : tuple of float
        Of every pass.
    is_settled : bool
        Whether the last change is within what was asked.
    """

    answer: A
    changes: tuple[float, ...]
    is_settled: bool

    @property
    def passes(self) -> int:
        """How many."""
        return len(self.changes)

    def report(self, unit: str) -> str:
        """How the changes went."""
        last = ", ".join(f"{change:.1e}" for change in self.changes[-3:])
        falls = self.passes > 1 and self.changes[-1] < self.changes[-2]
        return f"last changes {last} {unit}, which {'fall' if falls else 'do not fall'}"


def fixed_point[S, A](
    start: S, step: Callable[[S], Pass[S, A]], until: Until, *, what: str = "", unit: str = "", advice: str = ""
) -> FixedPoint[A]:
    """Repeat a step until its change is small.

    Parameters
    ----------
    start : S
        Where the first pass begins.
    step : callable
        One pass from a state.
    until : Until
    what : str
        Subject of the error, as in "films of top"; empty takes what stands when the passes are used up.
    unit : str
        Of changes.
    advice : str
        What the user may do about it.

    Raises
    ------
    SolverError
        When they have not settled after the allowed passes, with how the changes went.
    """
    changes: list[float] = []
    state = start
    while True:
        taken = step(state)
        changes.append(taken.change)
        found = FixedPoint(taken.answer, tuple(changes), taken.change <= until.change)
        if found.is_settled or (not what and found.passes >= until.passes):
            return found
        if found.passes >= until.passes:
            text = (
                f"{what} have not settled after {found.passes} passes ({found.report(unit)}; {until.change:.1e} {unit} asked)"
            )
            raise SolverError(f"{text}{f'; {advice}' if advice else ''}")
        state = taken.following
