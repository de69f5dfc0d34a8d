"""The plan of a search for the best designs: asks, judges what comes back, and says at the end what to build."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import decks, results, yamlfile
from stack3d.errors import EXIT_BAD_INPUT, EXIT_SOME_FAILED, DeckError, Problem, brief
from stack3d.schema.optimise import MOST_CASES, OptimiseDeck
from stack3d.study import search_record
from stack3d.study.chosen_levers import ChosenLevers
from stack3d.study.designing import (
    DRAWS,
    FAILS,
    FULL,
    Asker,
    DesignDraws,
    DesignOutcome,
    DesignSpace,
    Judge,
    JudgedDesign,
    Mattering,
    PeakSlopes,
    Positions,
    Prices,
    Robustness,
    ScreenOutcome,
    changes,
    changes_told,
    front_of,
    knee,
    mattering,
    mattering_told,
    reasons_told,
    rounds,
    screens_told,
    ties_told,
)
from stack3d.study.goals import Goal, Limit, check_limits_agree
from stack3d.study.job import DONE, FAILED, Report
from stack3d.study.plan import Found, Tree
from stack3d.study.points import KeyValue, Point, ends_first
from stack3d.study.search import Beside, Search, Steps
from stack3d.study.sections import as_asked, of_draws, of_screen, parsed, placed

GIVEN_UP = 8
"""Designs after which a search ends when none has a value: a goal is asked for that no case has."""
MOST_TOLD = 12
"""Designs of a front that are told on the terminal."""


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
            self.robustness = None if problems else self._over_draws(tree)
        except DeckError as error:
            problems += [placed(p, tree) for p in error.problems]
        if problems:
            raise DeckError(problems)
        self._asked = tree
        self.outcomes: list[DesignOutcome] = []
        self.screened: list[ScreenOutcome] = []
        self.prices, self._judge = Prices(), Judge(self.goals, self.limits)
        self.levers: ChosenLevers | None = None
        self.matters: tuple[list[Mattering], list[Mattering]] | None = None

    def _over_draws(self, tree: Tree) -> Robustness | None:
        """How conditions over draws are judged; raises DeckError where they have no draws, or the draws no condition."""
        deck, over = self.deck.uncertain, [limit for limit in self.limits if limit.draws is not None]
        if deck is None and over:
            text = f"{brief(over[0].text)} speaks of draws, and optimise.uncertain says nothing to draw"
            raise DeckError(Problem("optimise.subject to", text))
        if deck is not None and not over:
            text = "draws for nothing: no condition under 'subject to' ends with 'for 95 % of the draws'"
            raise DeckError(Problem("optimise.uncertain", text))
        if deck is None:
            return None
        return Robustness(DesignDraws(deck, self.draft, tree, self.space.keys), self.limits, self.deck.batch)

    @property
    def n_expected(self) -> int:
        """The budget where it counts cases."""
        return int(min(self.deck.budget, self.space.size)) if self.deck.counts_cases else len(self.entries)

    def check_ends(self) -> None:
        """Refuse a search of which neither the first nor the last design makes a case, for the same keys; raises DeckError."""
        errors, cases = list[DeckError](), list[decks.Case]()
        for design in dict.fromkeys((self._corner(0), self._corner(-1))):
            point = self._point(0, design)
            try:
                cases.append(self.draft.case(point))
            except DeckError as error:
                errors.append(error)
                continue
            if len(cases) == 1:
                self._check_screens(point, cases[0].digest())
                self._check_draws(point)
                self._set_levers(point)
        if not cases and len({frozenset(p.key for p in error.problems) for error in errors}) == 1:
            raise errors[0]
        self._check_chips(cases)
        asked = [goal.expression for goal in self.goals] + [limit.expression for limit in self.limits]
        self.check_present(asked, cases, lambda problem: placed(problem, self._asked))

    def _set_levers(self, point: Point) -> None:
        """Trials of levers on the chosen design, where they are asked for; raises DeckError for a scenario without accuracy."""
        if self.deck.levers:
            try:
                self.levers = ChosenLevers(self.draft, point)
            except DeckError as error:
                told = [replace(problem, key="optimise.levers") for problem in error.problems]
                raise DeckError([placed(problem, self._asked) for problem in told]) from None

    def _check_chips(self, cases: Sequence[decks.Case]) -> None:
        """Refuse conditions for a share of the chips of which the cases have too few; raises DeckError."""
        most = max((case.scenario.monte_carlo.samples for case in cases), default=0)
        few = [text for limit in self.limits if most and (text := limit.too_few(most))]
        if few:
            raise DeckError([placed(Problem("optimise.subject to", text), self._asked) for text in few])

    def _check_screens(self, point: Point, full: str) -> None:
        """Refuse screens that make no case, or the case in full; raises DeckError."""
        tree, problems = as_asked(self.draft, "optimise"), list[Problem]()
        for name, deck in self.deck.screens.items():
            try:
                cheap = self.draft.case(replace(point, overrides=(*point.overrides, *deck.sets.items())))
                if cheap.digest() == full and deck.until is None:
                    problems.append(Problem("", "changes nothing, so it is no cheaper than the case in full"))
            except DeckError as error:
                problems += error.problems
            problems = [p if p.key.startswith("optimise.screens") else of_screen(p, tree, name) for p in problems]
        if problems:
            raise DeckError(problems)

    def _check_draws(self, point: Point) -> None:
        """Refuse draws of which the first makes no case; raises DeckError."""
        if self.robustness is None:
            return
        draws = self.robustness.draws
        sets = (*draws.sets(point)[0].items(), *draws.deck.sets.items())
        try:
            self.draft.case(replace(point, overrides=sets))
        except DeckError as error:
            tree = as_asked(self.draft, "optimise")
            raise DeckError([of_draws(p, tree) for p in error.problems]) from None

    def _corner(self, end: int) -> Positions:
        return tuple(end % c.count if c.count else float(-end) for c in self.space.choices)

    def _point(self, number: int, design: Positions) -> Point:
        """A design as a case; raises DeckError, with its line, when a condition cannot be computed."""
        try:
            return self.space.point(number, design)
        except DeckError as error:
            raise DeckError([placed(p, self._asked) for p in error.problems]) from None

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
        return (self._point(n, design) for n, design in enumerate(chain(dict.fromkeys((first, last)), others)))

    def _walk(self) -> Steps:
        """The steps of the search, then the levers of what it has chosen."""
        yield from self._searched()
        chosen, self.matters = self.chosen, self._matters()
        if self.levers is not None and chosen is not None:
            yield from self.levers.steps(self.entries[chosen].point)

    def _searched(self) -> Steps:
        budget = float(self.deck.budget) if self.deck.counts_cases else math.inf
        slopes = PeakSlopes(self.draft, self.space, self.goals, self.limits)
        asker = Asker(
            self.space.choices,
            lambda design: self._point(0, design).dropped is None,
            n_goals=len(self.goals),
            n_limits=len(self.limits),
            seed=self.deck.seed,
            budget=budget / math.prod(deck.keep for deck in self.deck.screens.values()),
            slopes=slopes if slopes and (slopes.is_worth if self.deck.gradients is None else self.deck.gradients) else None,
        )
        steps = rounds(asker, list(self.deck.screens.values()), batch=self.deck.batch, budget=budget, room=self._next_count)
        if (asked := next(steps, None)) is None:
            raise DeckError(placed(Problem("optimise.vary.where", "leaves no design"), self._asked))
        level, designs = asked
        while True:
            judged = yield from self._in_full(designs) if level == FULL else self._screen(level, designs)
            if len(self.outcomes) >= GIVEN_UP and not any(outcome.values for outcome in self.outcomes):
                return
            try:
                level, designs = steps.send(judged)
            except StopIteration:
                return

    def _in_full(self, designs: Sequence[Positions]) -> Generator[Any, list[Found], list[JudgedDesign]]:
        """Cases in full, drawn where conditions ask for it."""
        found = yield [dict(self.space.overrides(design)) for design in designs]
        self._pay(FULL, found)
        outcomes = list(map(self._judge.of_design, designs, found))
        if self.robustness is not None:
            points = [self._point(0, design) for design in designs]
            outcomes = yield from self.robustness.steps(points, outcomes, self.outcomes, partial(self._pay, DRAWS))
        self.outcomes += outcomes
        return [outcome.judged for outcome in outcomes]

    def _screen(self, level: int, designs: Sequence[Positions]) -> Generator[Any, list[Found], list[JudgedDesign]]:
        """Cases of a screen."""
        name, deck = list(self.deck.screens.items())[level]
        sets = [dict(self.space.overrides(design)) for design in designs]
        found = yield Beside(sets, f"screen {name}", tuple(deck.sets.items()), deck.until)
        self._pay(level, found)
        screened = [self._judge.of_screen(level, deck, design, one) for design, one in zip(designs, found)]
        self.screened += screened
        return [one.judged for one in screened]

    def _pay(self, level: int, found: Sequence[Found]) -> None:
        for one in found:
            self.prices.add(level, one)

    def _next_count(self) -> int:
        """Cases that the budget has room for, up to a batch."""
        if self.deck.counts_cases:
            return min(self.deck.batch, int(self.deck.budget) - len(self.outcomes))
        is_open = self.prices.total < self.deck.budget and len(self.outcomes) + self.deck.batch <= MOST_CASES
        return self.deck.batch if is_open else 0

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
        chosen = self.chosen
        outcomes: list[DesignOutcome | None] = [*self.outcomes, *[None] * (len(self.entries) - len(self.outcomes))]
        near = [] if chosen is None else changes(self.space, self.outcomes, self.goals, chosen)
        decided = {
            **search_record.asked(self.goals, self.limits),
            "verdict": self.verdict(),
            "deck": "" if chosen is None else self.chosen_deck(chosen),
            **search_record.screened(self.space, list(self.deck.screens), self.screened),
            **({"choices": search_record.matters(self.space, *self.matters)} if self.matters else {}),
            "cases": search_record.cases(self.space, outcomes, self.front, chosen, near),
        }
        levers = self.levers.columns() if self.levers else {}
        return {**super().manifest(until), "decided": decided, **({"levers": levers} if levers else {})}

    def _matters(self) -> tuple[list[Mattering], list[Mattering]]:
        """What each choice matters for the goals and for the conditions."""
        valued = [outcome for outcome in self.outcomes if outcome.values]
        known, seed = [outcome.judged.design for outcome in valued], self.deck.seed
        return (
            [
                mattering(self.space.choices, known, np.array([o.values[k] for o in valued]), seed)
                for k in range(len(self.goals))
            ],
            [
                mattering(self.space.choices, known, np.array([o.missed[k] for o in valued]), seed)
                for k in range(len(self.limits))
            ],
        )

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
        screened = screens_told(list(self.deck.screens), self.screened)
        if chosen is None:
            return [self._nearest_screened() if not n and self.screened else self._valueless(), *screened]
        met = sum(outcome.judged.is_feasible for outcome in valued)
        lines = [self._headline(chosen, front, met), *ties_told(self.space, self.outcomes, self.goals, chosen)]
        if len(front) > 1 and len(self.goals) > 1:
            lines += [f"front: {self._told(i)}" for i in front[:MOST_TOLD]]
            lines += [f"front: and {len(front) - MOST_TOLD} more"] * (len(front) > MOST_TOLD)
        lines += screened
        lines += self._robust_lines(self.outcomes[chosen])
        lines += [line for k in range(len(self.limits)) for line in self._binding(k, chosen, valued)]
        if n > len(valued):
            lines.append(f"{n - len(valued)} of {n} designs have no value: {reasons_told(self.outcomes)}")
        lines += changes_told(self.space, self.outcomes, self.goals, self.limits, chosen)
        return lines + self._after()

    def _valueless(self) -> str:
        """Why no design has a value for every goal and condition: where cases have run, what is asked for is wrong."""
        told = f"none of {len(self.outcomes)} designs has a value for every goal and condition: {reasons_told(self.outcomes)}"
        if not any(outcome.has_run for outcome in self.outcomes):
            return told
        return str(placed(Problem(f"optimise.{'minimise' if self.deck.minimise else 'maximise'}", told), self._asked))

    def _after(self) -> list[str]:
        """What is known once the search has ended: which choices matter, and the levers of the chosen design."""
        pairs = zip(self.goals, self.matters[0] if self.matters else ())
        matter = (mattering_told(self.space.choices, goal.text, found) for goal, found in pairs)
        return [*filter(None, matter), *(self.levers.lines if self.levers else ())]

    def _robust_lines(self, chosen: DesignOutcome) -> list[str]:
        """What the draws say of the chosen design, and how many designs were drawn."""
        if self.robustness is None:
            return []
        held = [row for row in zip(self.limits, chosen.held, chosen.held_surely) if not math.isnan(row[1])]
        lines = [self.robustness.told(*row, chosen.n_drawn) for row in held]
        drawn = [outcome.n_drawn for outcome in self.outcomes if outcome.n_drawn]
        others = "; the others cannot be chosen" if len(drawn) < len(self.outcomes) else ""
        return [*lines, f"draws: {sum(drawn)} cases for {len(drawn)} of {len(self.outcomes)} designs{others}"]

    def _nearest_screened(self) -> str:
        """What there is to say when no design has passed the screens."""
        known = [one for one in self.screened if one.ruled_out != FAILS]
        if any(not one.ruled_out for one in known):
            return "no case has run in full yet"
        told = f"no design passes the screens, of {len({one.judged.design for one in self.screened})} tried"
        if not known:
            return told
        nearest = min(known, key=lambda one: sum(max(m, 0.0) for m in one.judged.missed))
        k = [limit.text for limit in self.limits].index(nearest.ruled_out)
        misses = f"misses {nearest.ruled_out} {self.limits[k].told(nearest.missed[k])}"
        return f"{told}; nearest: {self.space.told(nearest.judged.design)}, which {misses}"

    def _headline(self, chosen: int, front: Sequence[int], met: int) -> str:
        n = len(self.outcomes)
        tried = f"all {n} designs" if n >= self.space.n_allowed else f"{n} designs {'in full' if self.screened else 'tried'}"
        if not front:
            return f"no design meets every condition, of {tried}; nearest: {self._told(chosen)}"
        surely = sum(outcome.is_sure for outcome in self.outcomes)
        beyond = f" ({surely} by more than chance)" if surely < met else ""
        kept = f", {met} meet every condition{beyond}" if self.limits else ""
        what = "best" if len(self.goals) == 1 else f"front of {len(front)}; nearest to the best of all goals"
        return f"{what} of {tried}{kept}: {self._told(chosen)}"

    def _told(self, number: int) -> str:
        outcome = self.outcomes[number]
        return f"{self.space.told(outcome.judged.design)}: {', '.join(outcome.told(self.goals))}"

    def _binding(self, k: int, chosen: int, valued: Sequence[DesignOutcome]) -> list[str]:
        """What a condition has to say: who misses it, and how the chosen design stands to it."""
        limit, valued = self.limits[k], [outcome for outcome in valued if not math.isnan(outcome.missed[k])]
        n_missed, missed = sum(outcome.judged.missed[k] > 0 for outcome in valued), self.outcomes[chosen].missed[k]
        doubt = limit.doubt_told(missed, self.outcomes[chosen].doubts[k])
        if not valued:
            return []
        met = f"missed by {n_missed} of {len(valued)} designs" if n_missed else f"met by all {len(valued)} designs"
        stands = f"the nearest misses it {limit.told(missed)}" if missed > 0 else f"kept {limit.told(missed)}"
        return [f"{limit.text}: {met}; {stands}{doubt}"]

    def conclude(self, folder: Path) -> Report:
        """Write the chosen design as a deck of its own and say what was found."""
        lines, chosen = self.verdict(), self.chosen
        if self.screened or self.robustness is not None:
            names = {**dict(enumerate(self.deck.screens)), FULL: "in full"} | ({DRAWS: "draws"} if self.robustness else {})
            lines.append(self.prices.told(names))
        if chosen is None and self.screened and not self.outcomes:
            return Report(self.name, DONE, folder, tuple(lines), is_verdict=True)
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
