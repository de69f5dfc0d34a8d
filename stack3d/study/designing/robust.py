"""Robust designs: conditions that hold for a share of the draws of what is not known, the same draws for every design."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from stack3d.errors import DeckError, Problem, ResultsError
from stack3d.layout import Floats
from stack3d.schema.optimise import DrawsDeck
from stack3d.study.correlating import correlation_among
from stack3d.study.designing.judged import JudgedDesign, betters
from stack3d.study.designing.outcomes import DesignOutcome
from stack3d.study.goals import Limit
from stack3d.study.job import DONE
from stack3d.study.plan import Found, StudyDraft, Tree
from stack3d.study.points import Point, in_order
from stack3d.study.search import Beside
from stack3d.study.sections import placed
from stack3d.study.unknowns import Unknown, assumed, named, posteriors, up_to_one

NOT_DRAWN = 1e-9
"""Share of a limit by which a design counts as missing a condition that was not drawn: it is no better than one that holds."""
FAILED_BY = 1.0
"""Share of a limit by which a draw without a result misses it."""
CONFIDENCE = 0.95
SECTION = "optimise.uncertain"

DrawSteps = Generator[Beside, list[Found], list[DesignOutcome]]


class DesignDraws:
    """What is not known, drawn beside any design: a key has the same shares of its distribution for all of them.

    Parameters
    ----------
    deck : DrawsDeck
    draft : StudyDraft
    tree : Mapping
        The scenario as asked for.
    varied : sequence of str
        Keys that the search chooses, which are known then.

    Raises
    ------
    DeckError
        For a key that is chosen and drawn, and correlations that cannot be.
    """

    def __init__(self, deck: DrawsDeck, draft: StudyDraft, tree: Tree, varied: Sequence[str]) -> None:
        self.deck, self._draft, self._tree, self._varied = deck, draft, tree, varied
        self._correlations: dict[tuple[str, ...], Floats | None] = {}
        if isinstance(deck.keys, dict):
            both = [key for key in deck.keys if key in varied]
            if both:
                text = f"{both[0]} is chosen by the search, so it cannot be drawn"
                raise DeckError(placed(Problem(f"{SECTION}.keys", text), tree))
            self._correlation(tuple(deck.keys), ())

    def sets(self, point: Point) -> list[dict[str, Any]]:
        """What each draw sets, the design included; raises DeckError where all that is assumed makes no numbers."""
        case = None if isinstance(self.deck.keys, dict) else self._draft.case(point).tree
        unknowns = named(self.deck.keys) if isinstance(self.deck.keys, dict) else self._assumed(point, case)
        keys = tuple(unknown.key for unknown in unknowns)
        shares = np.stack([self._shares(key) for key in keys], axis=1)
        matrix = self._correlation(keys, [pair for posterior in posteriors(case) for pair in posterior.correlations()])
        if matrix is not None:
            from scipy.special import ndtr, ndtri

            shares = ndtr(ndtri(shares) @ np.linalg.cholesky(matrix).T)
        return [dict(in_order([*point.overrides, *_drawn(unknowns, row)])) for row in shares]

    def _assumed(self, point: Point, tree: Any) -> list[Unknown]:
        found = up_to_one(assumed(tree, self.deck.spread), partial(self._draft.makes_case, point))
        return [u for u in found if u.key not in self._varied and u.key.removesuffix(".value") not in self._varied]

    def _shares(self, key: str) -> Floats:
        """Of the distribution of a key, a stratum for each draw, shape (draw,)."""
        rng, n = np.random.default_rng([self.deck.seed, zlib.crc32(key.encode())]), self.deck.count
        return np.asarray((rng.permutation(n) + rng.random(n)) / n)

    def _correlation(self, keys: tuple[str, ...], fitted: Sequence[tuple[str, str, float]]) -> Floats | None:
        if keys not in self._correlations:
            found = correlation_among(keys, self.deck.correlated, self._tree, fitted, section=SECTION)
            self._correlations[keys] = found
        return self._correlations[keys]


def _drawn(unknowns: Sequence[Unknown], shares: Floats) -> list[tuple[str, Any]]:
    return [(unknown.key, unknown.at(float(share))) for unknown, share in zip(unknowns, shares)]


@dataclass
class Drawing:
    """The draws of one design.

    Parameters
    ----------
    outcome : DesignOutcome
        Of the design without draws.
    sets : list of dict
        Of every draw.
    text : str
        The design in words.
    scaled, missed : list of tuple of float
        By draw that has ended: what it misses each condition over draws by, as a share of its limit and in its unit.
    surely : list of tuple of bool
        By draw that has ended: whether it meets each by more than few chips and test inputs may be off.
    """

    outcome: DesignOutcome
    sets: list[dict[str, Any]]
    text: str
    scaled: list[tuple[float, ...]] = field(default_factory=list)
    missed: list[tuple[float, ...]] = field(default_factory=list)
    surely: list[tuple[bool, ...]] = field(default_factory=list)
    reason: str = ""

    def add(self, found: Found, limits: Sequence[Limit]) -> None:
        """A draw that has ended; one without a result misses every condition."""
        if found.status != DONE:
            self.scaled.append((FAILED_BY,) * len(limits))
            self.missed.append((math.inf,) * len(limits))
            self.surely.append((False,) * len(limits))
            return
        try:
            case = found.tree
            self.scaled.append(tuple(limit.missed_by(case) for limit in limits))
            self.missed.append(tuple(limit.missed_by(case, scaled=limit.unit is None) for limit in limits))
            doubts = [limit.doubt(case, scaled=limit.unit is None) for limit in limits]
            self.surely.append(tuple(m <= 0 and (-m > d.size or not d.of) for m, d in zip(self.missed[-1], doubts)))
        except ResultsError as error:
            self.reason = str(error)

    def left(self, limits: Sequence[Limit]) -> list[tuple[int, dict[str, Any]]]:
        """Draws that may still decide, with their numbers: none once a condition is missed by more of them than it may be."""
        n, done = len(self.sets), len(self.scaled)
        missed = [sum(row[k] > 0 for row in self.scaled) for k in range(len(limits))]
        is_lost = any(m > n - needed(limit, n) for m, limit in zip(missed, limits))
        return [] if is_lost or self.reason else list(enumerate(self.sets))[done:]

    def judged(self, limits: Sequence[Limit], over: Sequence[int]) -> DesignOutcome:
        """The design with what it misses the conditions over draws by, at their share of the draws.

        Parameters
        ----------
        limits : sequence of Limit
            Those over draws.
        over : sequence of int
            Their places among all conditions.
        """
        if self.reason:
            return DesignOutcome(replace(self.outcome.judged, goals=(), missed=()), reason=self.reason)
        scaled, missed = list(self.outcome.judged.missed), list(self.outcome.missed)
        held, surely = [math.nan] * len(scaled), [math.nan] * len(scaled)
        for k, (at, limit) in enumerate(zip(over, limits)):
            last = needed(limit, len(self.scaled)) - 1
            scaled[at] = sorted(row[k] for row in self.scaled)[last]
            missed[at] = sorted(row[k] for row in self.missed)[last]
            held[at] = sum(row[k] <= 0 for row in self.scaled) / len(self.scaled)
            surely[at] = sum(row[k] for row in self.surely) / len(self.surely)
        judged, n = replace(self.outcome.judged, missed=tuple(scaled)), len(self.scaled)
        found = replace(self.outcome, judged=judged, missed=tuple(missed), held=tuple(held), n_drawn=n)
        return replace(found, held_surely=tuple(surely))


def needed(limit: Limit, count: int) -> int:
    """How many of some draws a condition has to hold for."""
    return math.ceil((limit.draws or 1.0) * count - 1e-9)


class Robustness:
    """Draws designs as far as it takes to know whether they meet the conditions over draws.

    Parameters
    ----------
    draws : DesignDraws
    limits : sequence of Limit
        All conditions.
    batch : int
        Draws of a design that run side by side.
    """

    def __init__(self, draws: DesignDraws, limits: Sequence[Limit], batch: int) -> None:
        self.draws, self._batch = draws, batch
        self._over = [k for k, limit in enumerate(limits) if limit.draws is not None]
        self._limits = [limits[k] for k in self._over]

    def steps(
        self,
        points: Sequence[Point],
        outcomes: Sequence[DesignOutcome],
        known: Sequence[DesignOutcome],
        pay: Callable[[Sequence[Found]], None],
    ) -> DrawSteps:
        """Draws of designs that have run, until each is known; gives their outcomes.

        A design that misses another condition, or that is no better in any goal than one that meets all, is not drawn: it
        cannot be chosen.

        Parameters
        ----------
        points : sequence of Point
            Of the designs.
        outcomes : sequence of DesignOutcome
            Without draws.
        known : sequence of DesignOutcome
            Of designs before.
        pay : callable
            Told of draws that have ended.
        """
        best = [one.judged for one in known if one.values and one.judged.is_feasible]
        drawings = {
            i: Drawing(one, self.draws.sets(point), point.text)
            for i, (point, one) in enumerate(zip(points, outcomes))
            if self._may_be_chosen(one, best)
        }
        deck = self.draws.deck
        while asked := [(d, *draw) for d in drawings.values() for draw in d.left(self._limits)[: self._batch]]:
            labels = [f"{drawing.text}, draw {number}" for drawing, number, _ in asked]
            sets = [one for _, _, one in asked]
            found = yield Beside(sets, "unknowns", tuple(deck.sets.items()), deck.until, labels)
            pay(found)
            for (drawing, *_), one in zip(asked, found, strict=True):
                drawing.add(one, self._limits)
        return [
            drawings[i].judged(self._limits, self._over) if i in drawings else self._not_drawn(one)
            for i, one in enumerate(outcomes)
        ]

    def _may_be_chosen(self, outcome: DesignOutcome, best: Sequence[JudgedDesign]) -> bool:
        """Whether a design meets the other conditions, and none of those that meet all betters it."""
        others = [m for k, m in enumerate(outcome.judged.missed) if k not in self._over]
        is_open = bool(outcome.values) and max(others, default=0.0) <= 0
        return is_open and not any(betters(one, outcome.judged) for one in best)

    def _not_drawn(self, outcome: DesignOutcome) -> DesignOutcome:
        """A design whose conditions over draws are not known."""
        if not outcome.values:
            return outcome
        scaled = [max(m, NOT_DRAWN) if k in self._over else m for k, m in enumerate(outcome.judged.missed)]
        missed = [math.nan if k in self._over else m for k, m in enumerate(outcome.missed)]
        return replace(outcome, judged=replace(outcome.judged, missed=tuple(scaled)), missed=tuple(missed))

    def told(self, limit: Limit, held: float, surely: float, count: int) -> str:
        """What the draws of a design say of a condition: so many hold, so a share of all that is at least this.

        Parameters
        ----------
        limit : Limit
        held, surely : float
            Share of the draws that meet it, and that meet it by more than few chips and test inputs may be off. [-]
        count : int
            Draws.
        """
        from scipy.stats import beta

        n, beyond = round(held * count), round(surely * count)
        least = float(beta.ppf(1 - CONFIDENCE, n, count - n + 1)) if n else 0.0
        sure = f"at least {100 * least:.0f} % of all with a confidence of {100 * CONFIDENCE:.0f} %"
        chance = f", in {n - beyond} of them by less than few chips and test inputs may be off" if beyond < n else ""
        return f"{limit.text}: holds in {n} of {count} draws of the chosen design{chance}, {sure}"
