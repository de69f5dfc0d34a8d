"""What a study will take, told before its work: memory of the cases that run side by side, and the time of all."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from stack3d import memory
from stack3d.case.duration import LONG, seconds_of
from stack3d.case.run import check
from stack3d.case.size import terms_of
from stack3d.errors import DeckError, Stack3dError, ValidityWarning
from stack3d.progress import time_left
from stack3d.schema.scenario import Scenario


@dataclass(frozen=True)
class CaseNeeds:
    """Of the largest case of a study.

    Parameters
    ----------
    terms : dict of str to float
        Memory beyond the program by key. [byte]
    seconds : float
        On one core. [s]
    """

    terms: dict[str, float]
    seconds: float

    @property
    def memory(self) -> float:
        """All terms together. [byte]"""
        return sum(self.terms.values())

    @property
    def fitting(self) -> int:
        """Cases of this size that memory holds side by side, at least one: alone it is refused by its own terms."""
        return max(1, int(memory.available() // max(self.memory, 1.0)))

    def check_side_by_side(self, workers: int) -> None:
        """Refuse more workers than memory holds cases of this size; raises DeckError."""
        if workers <= self.fitting:
            return
        listed = sorted(((key, n) for key, n in self.terms.items() if n > 0.02 * self.memory), key=lambda term: -term[1])
        terms = ", ".join(f"{key} {memory.size(n)}" for key, n in listed)
        there = f"there is {memory.size(memory.available())}: --workers {self.fitting} would fit"
        text = f"--workers {workers} want more memory than there is: the largest case {memory.size(self.memory)} ({terms})"
        raise DeckError(f"{text}; {there}")

    def tell_time(self, n_cases: int, workers: int) -> None:
        """Warn of a study that takes more than a day."""
        total = self.seconds * n_cases / workers
        if n_cases > 1 and total > LONG:
            text = f"{n_cases} cases, the largest {time_left(self.seconds)} of one core, on {workers} workers"
            told = f"the study takes more than a day: very roughly {time_left(total)} for {text}"
            warnings.warn(ValidityWarning(told), stacklevel=2)


def needs_of(scenario: Scenario) -> CaseNeeds | None:
    """What a case will take; None of one that makes no chip, which tells its own mistakes when it runs."""
    try:
        chip = check(scenario)
    except Stack3dError:
        return None
    return CaseNeeds(terms_of(chip), sum(seconds_of(chip).values()))
