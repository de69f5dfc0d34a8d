"""What a search knows of a design that was tried, and which of some are best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.fronts import unbettered
from stack3d.layout import Floats
from stack3d.study.designing.designs import Positions


@dataclass(frozen=True)
class JudgedDesign:
    """A design and what came of it.

    Parameters
    ----------
    design : tuple
    goals : tuple of float
        All to be small; empty for a case without a value.
    missed : tuple of float
        By condition, zero and below where it is met.
    """

    design: Positions
    goals: tuple[float, ...]
    missed: tuple[float, ...]

    @property
    def shortfall(self) -> float:
        """Sum of what is missed; infinite for a case without a value."""
        return sum(max(m, 0.0) for m in self.missed) if self.goals else math.inf

    @property
    def is_feasible(self) -> bool:
        """Whether it meets every condition."""
        return self.shortfall == 0.0


def front_of(judged: Sequence[JudgedDesign]) -> list[int]:
    """Which designs meet all conditions and no other of these betters, see `unbettered`; of one told twice the first."""
    kept = [i for i, one in enumerate(judged) if one.is_feasible]
    kept = [i for i in kept if not any(_repeats(j, i, judged) for j in kept)]
    if not kept:
        return []
    best = unbettered(np.array([judged[i].goals for i in kept], dtype=float))
    return [i for i, is_best in zip(kept, best) if is_best]


def in_layers(judged: Sequence[JudgedDesign]) -> list[int]:
    """Positions of designs, conditions aside: those of the front first, then the front of the rest, and so on."""
    left, order = list(range(len(judged))), list[int]()
    while left:
        first = [i for i in left if not any(betters(judged[j], judged[i]) for j in left)]
        order += first
        left = [i for i in left if i not in first]
    return order


def betters(one: JudgedDesign, other: JudgedDesign) -> bool:
    """Whether a design is as good as another in every goal and better in one, conditions aside."""
    pairs = list(zip(one.goals, other.goals))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _repeats(j: int, i: int, judged: Sequence[JudgedDesign]) -> bool:
    return j < i and judged[j].design == judged[i].design


def knee(goals: Floats) -> int:
    """Of designs of a front, shape (design, goal), the one nearest to the best of all goals, each over its range there."""
    low, high = goals.min(axis=0), goals.max(axis=0)
    scaled = (goals - low) / np.where(high > low, high - low, 1.0)
    return int(np.argmin(np.sqrt((scaled**2).sum(axis=1))))
