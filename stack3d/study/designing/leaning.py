"""Steps along intervals by a model of what lies near: curved, through the design it starts from, within a reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from stack3d.layout import Floats
from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.judged import JudgedDesign

Slopes = Callable[[Positions], Mapping[int, Floats]]
"""From a design to the change of what it misses each condition by, and under `GOAL` of a single goal, over the share of each
interval; NaN where unknown."""
GOAL = -1
"""Where the slope of a single goal stands among those of the conditions."""
INSIDE = 1e-4
"""Share of a limit, of 50 K for temperatures, that a step aims to keep a condition by. [-]"""
WIDEST, NARROWEST = 0.4, 1e-4
"""A step goes no farther along any interval than its reach, which begins at the widest; in shares of an interval."""
WIDER, NARROWER, SHORTER = 1.5, 0.6, 0.3
"""Factors of the reach after steps that gained and that did not, and least share of it that a step is drawn with."""
DIGITS = 7
"""Decimals of a share: rounding of the solves stays below."""
MOST_BASES = 8
"""Designs that steps start from."""
BENDING = 1e-5
"""Weight of the curvature of a model beside its misfit: none is assumed that the designs do not ask for. [-]"""
FEW = 4
"""Designs per interval from which on they say what slopes would: those are asked for no more."""
MOST_FREE = 12
"""Intervals along which a step is looked for."""


class Leaning:
    """Steps from the best designs of every choice from lists, by what designs of the same lists have given.

    Parameters
    ----------
    choices : sequence of Choice
    slopes : callable or None
        See `Slopes`; asked once of a design. None: models rest on the designs alone.
    rng : Generator
    """

    def __init__(self, choices: Sequence[Choice], slopes: Slopes | None, rng: np.random.Generator) -> None:
        self._slopes, self._rng = slopes, rng
        self._lists = [i for i, choice in enumerate(choices) if choice.count]
        self._free = [i for i, choice in enumerate(choices) if not choice.count]
        self._known: dict[Positions, Mapping[int, Floats]] = {}
        self._reach: dict[Positions, float] = {}
        self._begun: dict[Positions, tuple[float, tuple[float, ...]]] = {}

    def __bool__(self) -> bool:
        return 0 < len(self._free) <= MOST_FREE

    def learn(self, known: Sequence[JudgedDesign]) -> None:
        """Widen the reach where steps have gained, narrow it where they have not, and ask for the slopes of one more design."""
        bases = self._bases(known, np.array([1.0]))
        for one in bases:
            lists = self._listed(one)
            if self._begun.get(lists) is not None:
                factor = WIDER if _order(one) < self._begun[lists] else NARROWER
                self._reach[lists] = float(np.clip(self._reach.get(lists, WIDEST) * factor, NARROWEST, WIDEST))
        self._begun.clear()
        new = next((one.design for one in bases if one.design not in self._known), None)
        if new is not None and self._slopes is not None:
            self._known[new] = self._slopes(new)

    def steps(self, known: Sequence[JudgedDesign]) -> Iterator[Positions]:
        """A step from each design that steps start from, the best first."""
        n_goals = max((len(one.goals) for one in known), default=0)
        if not n_goals:
            return
        weights = self._rng.dirichlet(np.ones(n_goals))
        for base in self._bases(known, weights):
            reach = self._reach.get(self._listed(base), WIDEST) * SHORTER ** self._rng.random()
            step = self._from(base, known, weights, reach)
            if step is not None:
                self._begun.setdefault(self._listed(base), _order(base))
                yield step

    def _bases(self, known: Sequence[JudgedDesign], weights: Floats) -> list[JudgedDesign]:
        """Of every choice from lists the design that misses conditions by least, then the best, the best of all first.

        Parameters
        ----------
        known : sequence of JudgedDesign
        weights : ndarray, shape (goal,)
            Of the goals, each over its range; of a single one for all: the first goal leads.
        """
        known = [one for one in known if one.goals]
        found = dict[Positions, JudgedDesign]()
        goals = np.array([one.goals for one in known])
        if weights.size > 1 and known:
            goals = (goals - goals.min(axis=0)) / np.maximum(np.ptp(goals, axis=0), np.finfo(float).tiny) @ weights[:, None]
        rows = sorted(zip(known, goals.tolist()), key=lambda pair: (pair[0].shortfall, pair[1]))
        for one, _ in rows:
            found.setdefault(self._listed(one), one)
        return list(found.values())[:MOST_BASES]

    def _listed(self, one: JudgedDesign) -> Positions:
        return tuple(one.design[i] for i in self._lists)

    def _from(self, base: JudgedDesign, known: Sequence[JudgedDesign], weights: Floats, reach: float) -> Positions | None:
        """To where the models of the conditions are met and that of the goals is least, within reach; None where none is.

        Parameters
        ----------
        base : JudgedDesign
        known : sequence of JudgedDesign
        weights : ndarray, shape (goal,)
        reach : float
            Along any interval, as a share of it.
        """
        n, alike = len(self._free), self._like(base, known)
        slopes = self._known.get(base.design, {}) if len(alike) < FEW * n else {}
        if len(alike) < (1 if slopes else n):
            return None
        at = np.array([base.design[i] for i in self._free], dtype=float)
        away = np.array([[one.design[i] for i in self._free] for one in alike], dtype=float) - at
        goals = np.array([one.goals for one in alike]) - base.goals
        missed = np.array([one.missed for one in alike]) - base.missed
        size = np.maximum(np.abs(goals).max(axis=0), np.finfo(float).tiny)
        own = self._slope(slopes, GOAL)
        goal = _Model.of(away, goals / size @ weights, reach, None if own is None else own / size[0])
        limits = [_Model.of(away, missed[:, k], reach, self._slope(slopes, k)) for k in range(missed.shape[1])]
        step = _least(goal, limits, np.array(base.missed), np.maximum(-reach, -at), np.minimum(reach, 1.0 - at))
        if not np.isfinite(step).all():
            return None
        moved = dict(zip(self._free, np.round(np.clip(at + step, 0.0, 1.0), DIGITS).tolist()))
        return tuple(moved.get(i, where) for i, where in enumerate(base.design))

    def _like(self, base: JudgedDesign, known: Sequence[JudgedDesign]) -> list[JudgedDesign]:
        """Other designs of the same lists that have values."""
        lists = self._listed(base)
        return [one for one in known if one.goals and one is not base and self._listed(one) == lists]

    def _slope(self, slopes: Mapping[int, Floats], k: int) -> Floats | None:
        """Of a condition along the intervals, where all of it is known."""
        slope = slopes[k][self._free] if k in slopes else np.array([np.nan])
        return slope if np.isfinite(slope).all() else None


def _order(one: JudgedDesign) -> tuple[float, tuple[float, ...]]:
    """Less is better."""
    return one.shortfall, one.goals


class _Model:
    """A parabola through a design: what lies near it counts, and no more curvature than that asks for.

    Parameters
    ----------
    linear : ndarray, shape (interval,)
    bent : ndarray, shape (interval, interval)
    """

    def __init__(self, linear: Floats, bent: Floats) -> None:
        self.linear, self.bent = linear, bent

    @classmethod
    def of(cls, away: Floats, values: Floats, reach: float, slope: Floats | None = None) -> _Model:
        """Least squares over designs, weighed by how near they are.

        Parameters
        ----------
        away : ndarray, shape (design, interval)
            From the design it goes through.
        values : ndarray, shape (design,)
            Less that of the design it goes through.
        reach : float
            Within which it is to hold.
        slope : ndarray, shape (interval,), optional
            Where it is known.
        """
        n = away.shape[1]
        distance = np.sqrt((away**2).sum(axis=1))
        near = max(reach, float(np.sort(distance)[min(2 * n, len(distance) - 1)]))
        weight = np.exp(-0.5 * (distance / near) ** 2)
        pairs = [(i, j) for i in range(n) for j in range(i, n)]
        curved = np.column_stack([away[:, i] * away[:, j] * (0.5 if i == j else 1.0) for i, j in pairs]) / near
        columns = curved if slope is not None else np.hstack([away, curved])
        wanted = values if slope is None else values - away @ slope
        damped = np.full(columns.shape[1], BENDING * float((weight**2 * distance**2).sum()))
        if slope is None:
            damped[:n] *= 1e-6
        rows = weight[:, None] * columns
        found = np.linalg.solve(rows.T @ rows + np.diag(damped + np.finfo(float).tiny), rows.T @ (weight * wanted))
        bent = np.zeros((n, n))
        for (i, j), value in zip(pairs, found[-len(pairs) :] / near):
            bent[i, j] = bent[j, i] = value
        return cls(found[:n] if slope is None else slope, bent)

    def __call__(self, x: Floats) -> float:
        return float(self.linear @ x + 0.5 * x @ self.bent @ x)

    def slope(self, x: Floats) -> Floats:
        """Of the model there, shape (interval,)."""
        return np.asarray(self.linear + self.bent @ x)


def _least(goal: _Model, limits: Sequence[_Model], missed: Floats, low: Floats, high: Floats) -> Floats:
    """Step within bounds to where all limits are kept and the goal is least, as the models have it.

    Parameters
    ----------
    goal : _Model
    limits : sequence of _Model
    missed : ndarray, shape (limit,)
        By how much each is missed without a step.
    low, high : ndarray, shape (interval,)
    """
    from scipy.optimize import minimize

    def left(x: Floats) -> Floats:
        return np.array([-INSIDE - m - limit(x) for m, limit in zip(missed, limits)])

    rule = {"type": "ineq", "fun": left, "jac": lambda x: np.array([-limit.slope(x) for limit in limits])}
    start = np.clip(np.zeros(len(low)), low, high)
    bounds = list(zip(low, high))
    found = minimize(goal, start, jac=goal.slope, bounds=bounds, constraints=[rule] if limits else [], method="SLSQP")
    return np.asarray(found.x)
