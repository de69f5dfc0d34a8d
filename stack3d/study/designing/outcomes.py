"""What came of the designs of a search: values of goals, what is missed, and which screen ruled them out."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stack3d import results
from stack3d.errors import ResultsError
from stack3d.schema.optimise import ScreenDeck
from stack3d.study.designing.designs import Positions
from stack3d.study.designing.judged import JudgedDesign
from stack3d.study.doubts import Doubt
from stack3d.study.goals import Goal, Limit
from stack3d.study.job import DONE
from stack3d.study.plan import Found
from stack3d.unit_text import short

if TYPE_CHECKING:
    import xarray as xr

ALIKE = 40
"""Letters, numbers aside, by which reasons are told apart."""
MOST_REASONS = 3
FAILS = "the case fails"
"""Reason of a design whose screen has no result."""


@dataclass(frozen=True)
class DesignOutcome:
    """What came of a design, in words and units.

    Parameters
    ----------
    judged : JudgedDesign
    values : tuple of float
        Of the goals, SI; empty where there is none.
    missed : tuple of float
        By condition, in its unit; zero and below where it is met.
    reason : str
        Why there is no value.
    has_run : bool
        Whether the case came to its end.
    held : tuple of float
        By condition, the share of the draws of what is not known that meets it; NaN, or empty, without any. [-]
    n_drawn : int
        Draws that have run.
    doubts : tuple of Doubt
        By condition, in its unit: how far few chips and test inputs may be off.
    held_surely : tuple of float
        As `held`, of draws that meet a condition by more than that. [-]
    is_at_least : tuple of bool
        Goals of which the value is the end of the run, or counts it, see `Goal.is_at_least`.
    """

    judged: JudgedDesign
    values: tuple[float, ...] = ()
    missed: tuple[float, ...] = ()
    reason: str = ""
    has_run: bool = True
    held: tuple[float, ...] = ()
    n_drawn: int = 0
    doubts: tuple[Doubt, ...] = ()
    held_surely: tuple[float, ...] = ()
    is_at_least: tuple[bool, ...] = ()

    def told(self, goals: Sequence[Goal]) -> list[str]:
        """Every goal with its value."""
        cut = self.is_at_least or (False,) * len(self.values)
        return [f"{goal.text} = {goal.told(value, at_least=c)}" for goal, value, c in zip(goals, self.values, cut)]

    @property
    def is_sure(self) -> bool:
        """Whether it meets every condition by more than chance."""
        return self.judged.is_feasible and all(-m > d.size or not d.of for m, d in zip(self.missed, self.doubts))


@dataclass(frozen=True)
class ScreenOutcome:
    """What a screen says of a design.

    Parameters
    ----------
    level : int
        Of the screen.
    judged : JudgedDesign
        Without goals where the screen does not have all of them.
    values, missed : tuple of float
        As of a case in full; NaN where the screen does not have them.
    ruled_out : str
        Condition that is missed by more than the margin, or `FAILS`; empty for a design that may go on.
    """

    level: int
    judged: JudgedDesign
    values: tuple[float, ...]
    missed: tuple[float, ...]
    ruled_out: str


class Judge:
    """Judges cases by goals and conditions.

    Parameters
    ----------
    goals : sequence of Goal
    limits : sequence of Limit
    """

    def __init__(self, goals: Sequence[Goal], limits: Sequence[Limit]) -> None:
        self.goals, self.limits = goals, limits
        self._signs = [1.0 if goal.is_minimised else -1.0 for goal in goals]
        self._read: dict[Path | None, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {}

    def of_design(self, design: Positions, found: Found) -> DesignOutcome:
        """Of a case in full."""
        if found.status != DONE:
            return DesignOutcome(JudgedDesign(design, (), ()), reason=found.error.partition("\n")[0], has_run=False)
        try:
            case = found.tree
            values = tuple(goal.of(case) for goal in self.goals)
            scaled = tuple(limit.missed_by(case) for limit in self.limits)
            missed = tuple(limit.missed_by(case, scaled=limit.unit is None) for limit in self.limits)
            doubts = tuple(limit.doubt(case, scaled=limit.unit is None) for limit in self.limits)
            cut = tuple(goal.is_at_least(case) for goal in self.goals)
        except ResultsError as error:
            return DesignOutcome(JudgedDesign(design, (), ()), reason=str(error))
        return DesignOutcome(JudgedDesign(design, self._small(values), scaled), values, missed, doubts=doubts, is_at_least=cut)

    def _small(self, values: Sequence[float]) -> tuple[float, ...]:
        return tuple(s * v for s, v in zip(self._signs, values))

    def of_screen(self, level: int, deck: ScreenDeck, design: Positions, found: Found) -> ScreenOutcome:
        """Of a screen: what it has of goals and conditions. A condition over draws of what is not known rules out none.

        Parameters
        ----------
        level : int
            Of the screen.
        deck : ScreenDeck
        design : tuple
        found : Found
            Its case there.
        """
        none = (math.nan,) * len(self.goals), (math.nan,) * len(self.limits)
        if found.status != DONE:
            return ScreenOutcome(level, JudgedDesign(design, (), (math.inf,)), *none, FAILS)
        values, scaled, missed = self._screened(found)
        goals = self._small(values) if np.isfinite(values).all() else ()
        most = [deck.most_missed if limit.draws is not None else math.inf for limit in self.limits]
        judged = JudgedDesign(design, goals, tuple(0.0 if math.isnan(m) else min(m, top) for m, top in zip(scaled, most)))
        worst = max(range(len(scaled)), key=judged.missed.__getitem__, default=None)
        is_out = worst is not None and judged.missed[worst] > deck.most_missed
        return ScreenOutcome(level, judged, values, missed, self.limits[worst].text if is_out and worst is not None else "")

    def _screened(self, found: Found) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """Goals and misses, scaled and in their units, of a case that may stand for many designs: it is read once."""
        if found.folder not in self._read:
            case = found.tree
            values = tuple(_known(goal.of, case) for goal in self.goals)
            scaled = tuple(_known(limit.missed_by, case) for limit in self.limits)
            missed = tuple(_known(partial(x.missed_by, scaled=x.unit is None), case) for x in self.limits)
            self._read[found.folder] = values, scaled, missed
        return self._read[found.folder]


def _known(read: Callable[[xr.DataTree], float], case: xr.DataTree) -> float:
    """A value of a case; NaN where a screen does not have it."""
    try:
        return read(case)
    except ResultsError:
        return math.nan


class Prices:
    """What cases took, each counted once: a screen may stand for several designs. [s]"""

    def __init__(self) -> None:
        self._of: dict[Path, tuple[int, float]] = {}

    def add(self, level: int, found: Found) -> None:
        """A case of a level that has ended."""
        if found.folder is not None and found.folder not in self._of:
            self._of[found.folder] = level, float(results.read_record(found.folder).get("wall_time", 0.0))

    @property
    def total(self) -> float:
        """Of all cases. [s]"""
        return sum(seconds for _, seconds in self._of.values())

    def told(self, names: Mapping[int, str]) -> str:
        """Cases and time of every level, and the share of the screens, where there are some."""
        parts, aside = [], 0.0
        for level, name in names.items():
            times = [seconds for at, seconds in self._of.values() if at == level]
            parts.append(f"{name} {len(times)} cases in {short(sum(times), 's')}")
            aside += sum(times) if level >= 0 else 0.0
        share = f"{100 * aside / self.total:.0f} %" if self.total else "none"
        screens = f"; screens {share} of the time" if max(names) >= 0 else ""
        return f"what it took: {', '.join(parts)}{screens}"


def reasons_told(outcomes: Sequence[DesignOutcome]) -> str:
    """Why designs have no value; reasons that differ in numbers alone are told once."""
    reasons = {re.sub(r"\d[\d.]*", "", one.reason)[:ALIKE]: one.reason for one in reversed(outcomes) if not one.values}
    return "; ".join(list(reasons.values())[::-1][:MOST_REASONS])


def screens_told(names: Sequence[str], screened: Sequence[ScreenOutcome]) -> list[str]:
    """How many designs came to each screen, and by what it ruled them out."""
    lines = []
    for level, name in enumerate(names):
        came = [one for one in screened if one.level == level]
        if not came:
            continue
        out = Counter(one.ruled_out for one in came if one.ruled_out)
        reasons = ", ".join(f"{reason} {n}" for reason, n in out.items())
        said = f"ruled out {out.total()} ({reasons})" if out else "ruled out none"
        lines.append(f"screen {name}: {len(came)} designs, {said}")
    return lines
