"""The plan of a search for the best designs: asks, judges what comes back, and says at the end what to build."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import decks, results, yamlfile
from stack3d.errors import EXIT_BAD_INPUT, EXIT_SOME_FAILED, DeckError, Problem, ResultsError
from stack3d.schema.optimise import MOST_CASES, OptimiseDeck
from stack3d.study.asking import Asker, JudgedDesign, front_of, knee
from stack3d.study.designs import DesignSpace, Positions
from stack3d.study.goals import Goal, Limit, check_limits_agree
from stack3d.study.job import DONE, FAILED, Report
from stack3d.study.plan import Found, Tree
from stack3d.study.points import KeyValue, Point, ends_first
from stack3d.study.search import Search, Steps
from stack3d.study.sections import as_asked, parsed, placed

GIVEN_UP = 8
"""Designs after which a search ends when none has a value: a goal is asked for that no case has."""
MOST_TOLD = 12
"""Designs of a front that are told on the terminal."""


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
    """

    judged: JudgedDesign
    values: tuple[float, ...] = ()
    missed: tuple[float, ...] = ()
    reason: str = ""
    has_run: bool = True


class Optimisation(Search):
    """Designs of a scenario with ``optimise``, asked for until the budget is spent or all are tried.

    Parameters
    ----------
    source : str or Path
        Scenario, by path or by name.
    deck : OptimiseDeck
    overrides : sequence of (key, value)
        Of every case.
    tree : Mapping, optional
        The scenario, where it is read already.

    Raises
    ------
    DeckError
        For goals, conditions and keys that make no sense.
    """

    def __init__(
        self, source: str | Path, deck: OptimiseDeck, overrides: Sequence[KeyValue] = (), tree: Tree | None = None
    ) -> None:
        super().__init__(source, self._walk, overrides, tree)
        self.deck = deck
        tree, problems = as_asked(self.draft, "optimise"), list[Problem]()
        least = parsed(partial(Goal.parse, minimise=True), deck.minimise, tree, "optimise.minimise", problems)
        most = parsed(partial(Goal.parse, minimise=False), deck.maximise, tree, "optimise.maximise", problems)
        self.goals = [*least, *most]
        self.limits = parsed(Limit.parse, deck.subject_to, tree, "optimise.subject to", problems)
        try:
            check_limits_agree(self.limits)
            self.space = DesignSpace(deck.vary)
        except DeckError as error:
            problems += [placed(p, tree) for p in error.problems]
        if problems:
            raise DeckError(problems)
        self.outcomes: list[DesignOutcome] = []
        self._spent = 0.0

    def check_ends(self) -> None:
        """Refuse a search of which neither the first nor the last design makes a case, for the same keys; raises DeckError."""
        errors = []
        for design in (self._corner(0), self._corner(-1)):
            try:
                self.draft.case(self.space.point(0, design))
                return
            except DeckError as error:
                errors.append(error)
        if {p.key for p in errors[0].problems} == {p.key for p in errors[1].problems}:
            raise errors[0]

    def _corner(self, end: int) -> Positions:
        return tuple(end % c.count if c.count else float(-end) for c in self.space.choices)

    @property
    def told(self) -> str:
        """What it is, in words."""
        return f"a search among {f'{self.space.size:.0f}' if self.space.size < math.inf else 'any number of'} designs"

    def shown(self) -> Iterator[Point]:
        """Designs that show every value of every list, and the ends of intervals, the others at their first value.

        The corners come first, then the lists in turn, each evenly.
        """
        first, last = self._corner(0), self._corner(-1)
        orders = [ends_first(choice.count) if choice.count else (0.0, 1.0) for choice in self.space.choices]
        rows = ((*first[:i], at, *first[i + 1 :]) for row in zip_longest(*orders) for i, at in enumerate(row) if at is not None)
        others = (design for design in rows if design not in (first, last))
        return (self.space.point(n, design) for n, design in enumerate(chain(dict.fromkeys((first, last)), others)))

    def _walk(self) -> Steps:
        """The steps of the search."""
        budget = float(self.deck.budget) if self.deck.counts_cases else math.inf
        asker = Asker(
            self.space.choices,
            lambda design: self.space.point(0, design).dropped is None,
            n_goals=len(self.goals),
            n_limits=len(self.limits),
            seed=self.deck.seed,
            budget=budget,
        )
        while (count := self._next_count()) > 0:
            designs = asker.ask(count)
            if not designs:
                return
            found = yield [dict(self.space.overrides(design)) for design in designs]
            for design, one in zip(designs, found):
                outcome = self._judged(design, one)
                self.outcomes.append(outcome)
                asker.tell(outcome.judged)
            if len(self.outcomes) >= GIVEN_UP and not any(outcome.values for outcome in self.outcomes):
                return

    def _next_count(self) -> int:
        """Cases that the budget has room for, up to a batch."""
        if self.deck.counts_cases:
            return min(self.deck.batch, int(self.deck.budget) - len(self.outcomes))
        is_open = self._spent < self.deck.budget and len(self.outcomes) + self.deck.batch <= MOST_CASES
        return self.deck.batch if is_open else 0

    def _judged(self, design: Positions, found: Found) -> DesignOutcome:
        if found.folder is not None:
            self._spent += float(results.read_record(found.folder).get("wall_time", 0.0))
        if found.status != DONE:
            return DesignOutcome(JudgedDesign(design, (), ()), reason=found.error.partition("\n")[0], has_run=False)
        try:
            case = found.tree
            values = tuple(goal.of(case) for goal in self.goals)
            scaled = tuple(limit.missed_by(case) for limit in self.limits)
            missed = tuple(limit.missed_by(case, scaled=limit.unit is None) for limit in self.limits)
        except ResultsError as error:
            return DesignOutcome(JudgedDesign(design, (), ()), reason=str(error))
        signs = [1.0 if goal.is_minimised else -1.0 for goal in self.goals]
        return DesignOutcome(JudgedDesign(design, tuple(s * v for s, v in zip(signs, values)), scaled), values, missed)

    @property
    def front(self) -> list[int]:
        """Cases that meet all conditions and that no other one betters in every goal."""
        return front_of([outcome.judged for outcome in self.outcomes])

    @property
    def chosen(self) -> int | None:
        """The best case, of several goals the one nearest to the best of all; where none meets every condition, the nearest."""
        front = self.front
        if front:
            return front[knee(np.array([self.outcomes[i].judged.goals for i in front]))]
        valued = [i for i, outcome in enumerate(self.outcomes) if outcome.values]
        return min(valued, key=lambda i: self.outcomes[i].judged.shortfall, default=None)

    def manifest(self, until: str | None) -> dict[str, Any]:
        """With what was decided so far."""
        front, chosen = set(self.front), self.chosen
        outcomes: list[DesignOutcome | None] = [*self.outcomes, *[None] * (len(self.entries) - len(self.outcomes))]
        decided = {
            "goals": [{"text": g.text, "unit": g.unit, "minimise": g.is_minimised} for g in self.goals],
            "limits": [{"text": x.text, "unit": x.unit or ""} for x in self.limits],
            "verdict": self.verdict(),
            "deck": "" if chosen is None else self.chosen_deck(chosen),
            "cases": [
                {
                    "values": list(o.values) if o else [],
                    "missed": list(o.missed) if o else [],
                    "feasible": bool(o and o.judged.is_feasible),
                    "front": i in front,
                    "chosen": i == chosen,
                }
                for i, o in enumerate(outcomes)
            ],
        }
        return {**super().manifest(until), "decided": decided}

    def chosen_deck(self, number: int) -> str:
        """The scenario of a case, every deck spelled out, without the search."""
        case = self.draft.case(self.entries[number].point)
        text = results.resolved_yaml(_alone(case))
        return f"# {' '.join(self.verdict()[:1])}\n{text}"

    def verdict(self) -> list[str]:
        """What the search has found, line by line."""
        valued = [outcome for outcome in self.outcomes if outcome.values]
        front, chosen = self.front, self.chosen
        n = len(self.outcomes)
        if chosen is None:
            return [f"none of {n} designs has a value for every goal and condition: {self._reasons()}"]
        met = sum(outcome.judged.is_feasible for outcome in valued)
        lines = [self._headline(chosen, front, met)]
        if len(front) > 1 and len(self.goals) > 1:
            lines += [f"front: {self._told(i)}" for i in front[:MOST_TOLD]]
            lines += [f"front: and {len(front) - MOST_TOLD} more"] * (len(front) > MOST_TOLD)
        lines += [line for k in range(len(self.limits)) for line in self._binding(k, chosen, valued)]
        if n > len(valued):
            lines.append(f"{n - len(valued)} of {n} designs have no value: {self._reasons()}")
        return lines

    def _headline(self, chosen: int, front: Sequence[int], met: int) -> str:
        n = len(self.outcomes)
        tried = f"all {n} designs" if n >= self.space.size else f"{n} designs tried"
        if not front:
            return f"no design meets every condition, of {tried}; nearest: {self._told(chosen)}"
        kept = f", {met} meet every condition" if self.limits else ""
        what = "best" if len(self.goals) == 1 else f"front of {len(front)}; nearest to the best of all goals"
        return f"{what} of {tried}{kept}: {self._told(chosen)}"

    def _told(self, number: int) -> str:
        values = self.outcomes[number].values
        said = ", ".join(f"{goal.text} = {goal.told(value)}" for goal, value in zip(self.goals, values))
        return f"{self.space.told(self.outcomes[number].judged.design)}: {said}"

    def _binding(self, k: int, chosen: int, valued: Sequence[DesignOutcome]) -> list[str]:
        """What a condition has to say: who misses it, and how the chosen design stands to it."""
        limit, n_missed = self.limits[k], sum(outcome.judged.missed[k] > 0 for outcome in valued)
        missed = self.outcomes[chosen].missed[k]
        if not n_missed:
            return []
        stands = f"the nearest misses it {limit.told(missed)}" if missed > 0 else f"kept {limit.told(missed)}"
        return [f"{limit.text}: missed by {n_missed} of {len(valued)} designs; {stands}"]

    def _reasons(self) -> str:
        reasons = dict.fromkeys(outcome.reason for outcome in self.outcomes if not outcome.values)
        return "; ".join(list(reasons)[:3])

    def conclude(self, folder: Path) -> Report:
        """Write the chosen design as a deck of its own and say what was found."""
        lines, chosen = self.verdict(), self.chosen
        if chosen is None:
            code = EXIT_BAD_INPUT if any(outcome.has_run for outcome in self.outcomes) else EXIT_SOME_FAILED
            return Report(self.name, FAILED, None, tuple(lines), code, is_verdict=True)
        path = folder / "chosen.yaml"
        results.write_text(path, self.chosen_deck(chosen))
        return Report(self.name, DONE, folder, (*lines, f"as a deck: {path}"), is_verdict=True)


def _alone(case: decks.Case) -> decks.Case:
    kept = yamlfile.copy_of(case.tree)
    for word in ("optimise", "uncertain", "sweep"):
        kept.pop(word, None)
    kept["scenario"] = f"{case.name}_chosen"
    return replace(case, tree=kept)
