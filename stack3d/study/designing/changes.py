"""What one change of the chosen design would give, from the cases that a search has run already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stack3d.study.designing.designs import DesignSpace, Positions
from stack3d.study.designing.outcomes import DesignOutcome
from stack3d.study.expressions import KELVIN
from stack3d.study.goals import Goal, Limit
from stack3d.unit_text import in_points

MOST_TOLD = 8
"""Changes that are told."""
TIE = 1e-3
"""Share of a goal, of 50 K for temperatures, within which designs are as good as each other. [-]"""
LEAST_POINT = 5e-5
"""Change of an accuracy that is told. [-]"""
MOST_TIED = 5
"""Designs as good as the chosen one that are told."""


@dataclass(frozen=True)
class Change:
    """Another design that differs from the chosen one in one choice.

    Parameters
    ----------
    case : int
        Number of its case.
    told : str
        What is different, in words.
    gains : tuple of float
        Of each goal, above zero where it is better than the chosen design, SI.
    missed : tuple of float
        By condition, zero and below where it is met.
    shortfall : float
        Sum of what is missed, each as a share of its limit.
    """

    case: int
    told: str
    gains: tuple[float, ...]
    missed: tuple[float, ...]
    shortfall: float

    @property
    def is_feasible(self) -> bool:
        """Whether it meets every condition."""
        return self.shortfall == 0.0


def changes(space: DesignSpace, outcomes: Sequence[DesignOutcome], goals: Sequence[Goal], chosen: int) -> list[Change]:
    """Designs that were run in full and are one change away from the chosen one, the next-best first.

    Those that meet every condition come first, by what they gain; then the others, by how little they miss.

    Parameters
    ----------
    space : DesignSpace
    outcomes : sequence of DesignOutcome
        In the order of the cases.
    goals : sequence of Goal
    chosen : int
        Case of the chosen design.
    """
    own = outcomes[chosen]
    found = []
    for i, one in enumerate(outcomes):
        where = _differs(own.judged.design, one.judged.design)
        if len(where) != 1 or not one.values:
            continue
        gains = tuple(
            (a - b) if goal.is_minimised else (b - a) for goal, a, b in zip(goals, own.values, one.values, strict=True)
        )
        told = space.choices[where[0]].told(one.judged.design[where[0]])
        found.append(Change(i, told, gains, one.missed, one.judged.shortfall))
    return sorted(found, key=lambda c: (c.shortfall, [-g for g in c.gains]))


def _differs(one: Positions, other: Positions) -> list[int]:
    return [k for k, (a, b) in enumerate(zip(one, other)) if a != b]


def changes_told(
    space: DesignSpace, outcomes: Sequence[DesignOutcome], goals: Sequence[Goal], limits: Sequence[Limit], chosen: int
) -> list[str]:
    """A line for each change: what the goals would be, and the conditions that it misses.

    Parameters
    ----------
    space, outcomes, goals, chosen
        See `changes`.
    limits : sequence of Limit
    """
    lines, found = list[str](), changes(space, outcomes, goals, chosen)
    for change in found[:MOST_TOLD]:
        own = outcomes[chosen].values
        shares = [_share(goal, gain, value) for goal, gain, value in zip(goals, change.gains, own)]
        parts = [f"{text} ({share})" for text, share in zip(outcomes[change.case].told(goals), shares)]
        parts += [f"misses {limit.text} {limit.told(m)}" for limit, m in zip(limits, change.missed) if m > 0]
        parts += [f"{limit.text} not asked" for limit, m in zip(limits, change.missed) if math.isnan(m)]
        lines.append(f"one change: {change.told}: {', '.join(parts)}")
    design = outcomes[chosen].judged.design
    n = sum(
        space.allows((*design[:i], other, *design[i + 1 :]))
        for i, choice in enumerate(space.choices)
        for other in range(choice.count)
        if other != design[i]
    )
    if len(found) < n and all(choice.count for choice in space.choices):
        lines.append(f"one change: {n - len(found)} of {n} designs that differ in one choice have no result in full")
    return lines


def ties_told(space: DesignSpace, outcomes: Sequence[DesignOutcome], goals: Sequence[Goal], chosen: int) -> list[str]:
    """A line where other designs that meet every condition are as good as the chosen one in every goal, within `TIE`.

    Parameters
    ----------
    space, outcomes, goals, chosen
        See `changes`.
    """
    own = outcomes[chosen]
    others = [one for i, one in enumerate(outcomes) if i != chosen and one.values and one.judged.is_feasible]
    tied = [one for one in others if _is_tied(own, one, goals)]
    if not own.judged.is_feasible or not tied:
        return []
    apart = dict.fromkeys(k for one in tied for k in _differs(own.judged.design, one.judged.design))
    told = [", ".join(space.choices[k].told(one.judged.design[k]) for k in apart) for one in tied[:MOST_TIED]]
    more = f"; and {len(tied) - MOST_TIED} more" if len(tied) > MOST_TIED else ""
    many = f"{len(tied)} other design{'s are' if len(tied) > 1 else ' is'} as good within {100 * TIE:g} %"
    return [f"a tie: {many}: {'; '.join(told)}{more}"]


def _is_tied(own: DesignOutcome, other: DesignOutcome, goals: Sequence[Goal]) -> bool:
    """Whether all goals differ by less than `TIE`."""
    pairs = zip(goals, own.values, other.values, strict=True)
    return all(abs(a - b) <= TIE * (KELVIN if goal.unit == "K" else abs(a)) for goal, a, b in pairs)


def _share(goal: Goal, gain: float, value: float) -> str:
    """By how much it is better or worse than the chosen design: kelvin, points of an accuracy, else a share of its value."""
    side = "better" if gain > 0 else "worse"
    if goal.unit == "K":
        return f"{abs(gain):.2f} K {side}" if abs(gain) >= 0.005 else "the same"
    if in_points(goal.unit, goal.text):
        return f"{100 * abs(gain):.2f} points {side}" if abs(gain) >= LEAST_POINT else "the same"
    share = 100 * abs(gain / value) if value else 0.0
    return f"{share:.1f} % {side}" if share >= 0.05 else "the same"
