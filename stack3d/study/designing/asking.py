"""Which designs a search asks for next: Optuna's estimator of good and bad designs, and those that are likely to be better."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import MissingDependencyError, to_install
from stack3d.layout import Floats
from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.guessing import guessed
from stack3d.study.designing.judged import JudgedDesign, front_of
from stack3d.study.designing.leaning import Leaning, Slopes

FIRST_PER_KEY = 4
"""Designs spread evenly over all choices at the beginning, per choice."""
FIRST_SHARE = 0.4
"""Of the budget that these may take at most."""
LIKELY = 0.75
"""Share of the later designs that are likely better ones, among steps from one of the best so far and others by chance: the
estimator alone misses the last step."""
LEANT, LEANT_IN_LISTS = 0.8, 0.5
"""Share of these that are steps along intervals by a model of what lies near one of the best: without lists, and with some."""
LATER = 0.7
"""How far down the list of the best such a step begins, in the mean."""
OTHERS = 300
"""Designs by chance that are looked at beside those steps."""
FEWEST_KNOWN = 4
"""Designs with a value that a guess rests on; with fewer, chance decides."""
STEPS = (0.2, 0.005)
"""Standard deviation of a neighbour along an interval, drawn between these two at equal ratios."""
SEEDS = 2**32
"""Of the estimator, which wants a smaller one than decks allow."""
MOST_TRIES = 10
"""Designs that the estimator may name until a new one is among them; then the neighbours of the best, and what is left."""
MOST_LISTED = 40_000
"""Designs of lists that are gone through for one that was never asked for."""

TOLD_APART = 5
"""Decimals of the share of an interval by which designs differ: what is closer was tried already."""


def load_optuna() -> Any:
    """The library, quiet; raises MissingDependencyError."""
    try:
        import optuna
    except ImportError:
        raise MissingDependencyError(f"optimise wants Optuna: {to_install('decide')}") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class Asker:
    """Says which designs to try, and is told what came of them; the same answers give the same questions.

    Parameters
    ----------
    choices : sequence of Choice
    is_allowed : callable
        Whether a design may be asked for.
    n_goals : int
    n_limits : int
    seed : int
    budget : float
        Cases, infinite where the budget is a time.
    slopes : callable, optional
        Gradients of conditions, see `Leaning`.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        is_allowed: Callable[[Positions], bool],
        *,
        n_goals: int,
        n_limits: int,
        seed: int,
        budget: float,
        slopes: Slopes | None = None,
    ) -> None:
        optuna = load_optuna()
        self._choices, self._is_allowed = choices, is_allowed
        self._rng = np.random.default_rng(seed)
        self._spread = self._first(int(min(FIRST_PER_KEY * len(choices), max(2.0, FIRST_SHARE * budget))))
        kinds = optuna.distributions
        self._ways = {
            str(i): (kinds.IntDistribution(0, c.count - 1) if c.is_ordered else kinds.CategoricalDistribution(range(c.count)))
            if c.count
            else kinds.FloatDistribution(0.0, 1.0)
            for i, c in enumerate(choices)
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Optuna calls experimental is part of its version, which is pinned
            sampler = optuna.samplers.TPESampler(
                seed=seed % SEEDS,
                multivariate=True,
                constant_liar=True,
                n_startup_trials=len(self._spread),
                constraints_func=(lambda trial: trial.user_attrs["missed"]) if n_limits else None,
            )
            self._study = optuna.create_study(directions=["minimize"] * n_goals, sampler=sampler)
        self._failed = optuna.trial.TrialState.FAIL
        self._trials: dict[Positions, Any] = {}
        self._known: dict[Positions, JudgedDesign] = {}
        self._tried: set[Positions] = set()
        self._ruled_out: set[Positions] = set()
        self._leaning = Leaning(choices, slopes, np.random.default_rng(seed))

    def _first(self, count: int) -> list[Positions]:
        """Designs spread evenly, every position of a list as often as the others."""
        from scipy.stats import qmc

        shares = qmc.LatinHypercube(len(self._choices), rng=self._rng).random(count)
        found = [tuple(choice.position(float(share)) for choice, share in zip(self._choices, row)) for row in shares]
        return list(dict.fromkeys(found))

    def ask(self, count: int) -> list[Positions]:
        """So many designs that were not asked for before; fewer where no more are found."""
        if self._leaning and not self._spread:
            self._leaning.learn(self._usable())
        found: list[Positions] = []
        while len(found) < count:
            design = self._next()
            if design is None:
                break
            found.append(design)
        return found

    def _next(self) -> Positions | None:
        while self._spread:
            design = self._spread.pop(0)
            if self._is_fresh(design):
                return self._begun(design)
        if self._rng.random() < LIKELY:
            likely = self._leant() or self._likely()
            if likely is not None:
                return self._begun(likely)
        for _ in range(MOST_TRIES):
            trial = self._asked()
            design = tuple(trial.params[name] for name in self._ways)
            if self._is_fresh(design) and not self._failing([design])[0]:
                self._tried.add(_nearly(design))
                self._trials[design] = trial
                return design
            self._end(trial, None)
        fresh = self._likely() or self._left()
        return None if fresh is None else self._begun(fresh)

    def _leant(self) -> Positions | None:
        """A new design by a model of what lies near one of the best, where there are intervals; else none, and now and then."""
        if not self._leaning:
            return None
        if self._rng.random() >= (LEANT_IN_LISTS if any(choice.count for choice in self._choices) else LEANT):
            return None
        steps = list(filter(self._is_fresh, self._leaning.steps(self._usable())))
        return steps[min(int(self._rng.exponential(LATER)), len(steps) - 1)] if steps else None

    def _is_fresh(self, design: Positions) -> bool:
        return _nearly(design) not in self._tried and self._is_allowed(design)

    def _begun(self, design: Positions) -> Positions:
        """The design, its trial opened."""
        self._tried.add(_nearly(design))
        self._study.enqueue_trial(dict(zip(self._ways, design)))
        self._trials[design] = self._asked()
        return design

    def _asked(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._study.ask(self._ways)

    def _usable(self) -> list[JudgedDesign]:
        """Designs with values that stand for cases in full, or for screens as long as those have not run."""
        return [one for one in self._known.values() if one.goals and one.design not in self._ruled_out]

    def _drawn(self, known: Sequence[JudgedDesign], designs: Sequence[Positions]) -> Floats:
        """A draw of what designs may give, shape (design, goals and conditions)."""
        goals, missed = np.array([one.goals for one in known]), np.array([one.missed for one in known])
        scale = np.median(np.abs(missed), axis=0) + np.finfo(float).tiny
        values = np.hstack([_ranks(goals), np.arcsinh(missed / scale)])
        return guessed(self._choices, [one.design for one in known], values, designs, self._rng)

    def _likely(self) -> Positions | None:
        """The one of some new designs that a draw of what they may give shows best: least missed, then least in the goals."""
        known, designs = self._usable(), self._neighbours()
        if not designs or len(known) < FEWEST_KNOWN:
            return designs[int(self._rng.integers(len(designs)))] if designs else None
        shares = self._rng.random((OTHERS, len(self._choices)))
        others = (tuple(choice.position(float(share)) for choice, share in zip(self._choices, row)) for row in shares)
        designs = list(dict.fromkeys((*designs, *filter(self._is_fresh, others))))
        drawn, n = self._drawn(known, designs), len(known[0].goals)
        weighed = drawn[:, :n] @ self._rng.dirichlet(np.ones(n))
        shortfall = np.maximum(drawn[:, n:], 0.0).sum(axis=1)
        return designs[int(np.lexsort((weighed, shortfall, self._failing(designs)))[0])]

    def _failing(self, designs: Sequence[Positions]) -> NDArray[np.bool_]:
        """Which designs fail in a draw of what is known of failures: entries of lists that always do are left alone."""
        failed = np.array([[0.0 if one.goals else 1.0] for one in self._known.values()])
        if not failed.any():
            return np.zeros(len(designs), dtype=bool)
        return guessed(self._choices, list(self._known), failed, designs, self._rng)[:, 0] > 0.5

    def _neighbours(self) -> list[Positions]:
        """New designs a step away from the best that has some, of a front one by chance."""
        known = list(self._known.values())
        best = front_of(known)
        order = [best[i] for i in self._rng.permutation(len(best))]
        others = sorted((i for i in range(len(known)) if i not in best), key=lambda i: (known[i].shortfall, known[i].goals))
        steps = ([d for d in self._steps(known[i].design) if self._is_fresh(d)] for i in (*order, *others))
        return next(filter(None, steps), [])

    def _steps(self, design: Positions) -> Iterator[Positions]:
        for i, (choice, at) in enumerate(zip(self._choices, design)):
            if not choice.count:
                width = STEPS[0] * (STEPS[1] / STEPS[0]) ** self._rng.random()
                moved: list[int | float] = [float(np.clip(at + width * self._rng.standard_normal(), 0.0, 1.0))]
                moved += [0.5 * (at + end) for end in self._beside(design, i) if end != at]
            elif choice.is_ordered:
                moved = [to for to in (int(at) - 1, int(at) + 1) if 0 <= to < choice.count]
            else:
                moved = [to for to in range(choice.count) if to != at]
            yield from ((*design[:i], to, *design[i + 1 :]) for to in moved)

    def _beside(self, design: Positions, i: int) -> tuple[float, float]:
        """Next lower and higher known position along an interval among designs of the same lists, else its ends."""
        lists = [k for k, choice in enumerate(self._choices) if choice.count]
        alike = [known[i] for known in self._known if all(known[k] == design[k] for k in lists)]
        lower, higher = [at for at in alike if at < design[i]], [at for at in alike if at > design[i]]
        return max(lower, default=0.0), min(higher, default=1.0)

    def _left(self) -> Positions | None:
        """The first design of the lists that was never asked for."""
        counts = [choice.count for choice in self._choices]
        if not all(counts) or math.prod(counts) > MOST_LISTED:
            return None
        return next((d for d in np.ndindex(*counts) if self._is_fresh(d)), None)

    def tell(self, judged: JudgedDesign) -> None:
        """What came of a design that was asked for; one that was told of before is told of anew."""
        if judged.design not in self._trials:
            self._begun(judged.design)
        self._known[judged.design] = judged
        self._end(self._trials.pop(judged.design), judged)

    def tell_all(self, judged: Sequence[JudgedDesign]) -> None:
        """What came of several designs."""
        for one in judged:
            self.tell(one)

    def rule_out(self, design: Positions, missed: Sequence[float]) -> None:
        """A design misses conditions before its goals are known; they do not matter then."""
        self._ruled_out.add(design)
        self.tell(JudgedDesign(design, (0.0,) * len(self._study.directions), tuple(missed)))

    def _end(self, trial: Any, judged: JudgedDesign | None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if judged is None or not judged.goals:
                self._study.tell(trial, state=self._failed)
                return
            trial.set_user_attr("missed", judged.missed)
            self._study.tell(trial, judged.goals)


def _ranks(values: Floats) -> Floats:
    """Ranks along the first axis, from 0 to 1: what counts is which is better, not by how much."""
    order = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return np.asarray(order / max(len(values) - 1, 1))


def _nearly(design: Positions) -> Positions:
    """A design as it is told apart from others."""
    return tuple(round(where, TOLD_APART) for where in design)
