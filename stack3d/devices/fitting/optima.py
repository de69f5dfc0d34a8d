"""Lowest points of what a fit makes small: from evenly spread starts, along valleys, and which of them differ."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from stack3d.devices.fitting.likelihood import Likelihood
from stack3d.devices.fitting.parameters import Free, Parameters
from stack3d.devices.fitting.straightened import Straightened
from stack3d.devices.laws import Law
from stack3d.errors import AnswerError, Stack3dError
from stack3d.layout import Floats
from stack3d.progress import Observer

SCAN = 128
"""Starts looked at before the search, spread evenly over what is assumed."""
STARTS = 2
"""Starts that are followed."""
APART = 1.5
"""Of a start from those followed already, in standard deviations of what is assumed."""
WEIGHTS = (0.003, 0.03, 0.3, 1.0)
"""Of the data, one search after the other: a narrow valley is wide where the data weigh little."""
ROUNDS = 2
"""Searches of one weight at most, in coordinates made round by the curvature."""
NOTHING = 1e12
"""Cost where the data have no likelihood."""
ALIKE = 6.0
"""Cost above the lowest up to which another optimum counts."""
MIRRORED = 30.0
"""Cost above the lowest up to which its image behind the start of a signed value is followed."""
DISTINCT = 3.0
"""Standard deviations between two optima."""
COMPARISONS = 60
"""Evaluations of a search by comparisons at most, times the number of values."""
CALLS, DRAWN, AGAIN = 110, 2500, 0.6
"""What a start takes, times the square of the number of values, and the draws; what looking again takes of a start."""
LONGER = 0.25
"""Of what took longer than was expected: how long it is taken to last yet."""
FIRST, SOON, PATIENCE = 2, 0.3, 3.0
"""Evaluations that tell no pace, time until one is told [s], and how long a fit takes at least of which one is told [s]."""


class FitError(Stack3dError):
    """A fit that cannot be made from these data."""

    exit_code = 2


class Optimum(NamedTuple):
    """A lowest point of the cost."""

    x: Floats
    axes: Floats
    """Columns along which the cost rises by a half per unit."""
    cost: float


class Cost:
    """Negative logarithm of the posterior of a law's free parameters and, after them, of the noise."""

    def __init__(self, data: Likelihood, found: Parameters, temperatures: tuple[float, ...]) -> None:
        self.data, self.found, self.temperatures = data, found, temperatures
        self.noise = tuple(_noise(name, start) for name, start in data.nuisance.items())
        self.free = (*found.free, *self.noise)
        also = found.law.also_fitted
        self.lost = np.array([f.key in also or any(k.endswith("_sd") for k in f.key.split(".")) for f in self.free])
        """Which values a search may lose on its way: standard deviations, and what only matters beside them."""
        self.signed = np.array([f.linear for f in self.free])
        """Which values are searched by themselves, and not by their logarithm."""
        self.straight = Straightened.of(found, self.free, temperatures)
        if self.straight:
            self.lost[self.straight.inverse] = False
        self.counted: Callable[[], None] = lambda: None
        """Called at every evaluation."""
        self.ends: list[float] = []
        """Costs that searches from starts apart ended at, and what draws found below all of them."""

    def values(self, x: Floats) -> list[float]:
        """Values [SI] at a point of the search."""
        return [f.value(float(c)) for f, c in zip(self.free, self.assumed(x))]

    def assumed(self, x: Floats) -> Floats:
        """A point of the search in the coordinates in which what is assumed is standard normal."""
        return self.straight.assumed(x) if self.straight else x

    def prior(self, x: Floats) -> float:
        """Negative logarithm of what is assumed before the data of a point of the search, but for a constant."""
        away = self.assumed(x)
        return 0.5 * float(away @ away) - (self.straight.log_volume(x) if self.straight else 0.0)

    def parts(self, values: list[float]) -> tuple[Law, list[float]]:
        """Law and noise of values [SI]; raises ValueError outside what the law allows."""
        n = len(self.found.free)
        return self.found.build(values[:n]), values[n:]

    def __call__(self, x: Floats, weight: float = 1.0) -> float:
        """The cost at a point, the data counted `weight` times; a large number where there is none."""
        self.counted()
        try:
            with np.errstate(all="ignore"):
                log = self.data.log(*self.parts(self.values(x)))
        except (ValueError, AnswerError):
            log = -math.inf
        found = self.prior(x) - weight * log
        return found if found < NOTHING else NOTHING


def _noise(name: str, start: float) -> Free:
    """A value that is not the law's: noise and spread, or the largest conductance of the device."""
    if name == "g_max":
        return Free(name, "conductance", start, 0.5)
    return Free(name, "factor", start, 0.7 if name == "sampling" else 1.5)


class CallsTold:
    """Tells an observer how many of the evaluations that a fit will take are done."""

    def __init__(self, name: str, values: int, observer: Observer) -> None:
        self.name, self.observer, self.done = f"fitting {name}", observer, 0
        self._start, self._begun, self._shown = CALLS * values**2, time.monotonic(), False
        self._base = self._ahead = 0
        self.expects(SCAN)

    def expects(self, calls: int, starts: float = STARTS + AGAIN, drawn: int = DRAWN) -> None:
        """What begins now takes so many evaluations, and after it there are so many starts to follow and draws."""
        self._base, self._ahead = self.done, calls + round(starts * self._start) + drawn

    @property
    def total(self) -> int:
        """Evaluations in all; what takes longer than was expected is taken to last a while yet."""
        return max(self._base + self._ahead, self.done + math.ceil(LONGER * (self.done - self._base)), self.done + 1)

    def __call__(self) -> None:
        """Count one."""
        self.done += 1
        if self.done <= FIRST:  # they load what they need
            self._begun = time.monotonic()
        elif self._shown:
            if self.done % 20 == 0:
                self.observer.step(self.name, self.done, self.total)
        else:
            self._show(time.monotonic() - self._begun)

    def _show(self, spent: float) -> None:
        """Begin to tell, in a fit that takes long enough; `spent` since it began [s]."""
        left = spent / (self.done - FIRST) * (self.total - self.done)
        if (self.done > SCAN or spent > SOON) and left + spent > PATIENCE:
            self._shown = True
            self.observer.stage(self.name, expected=left)
            self.observer.step(self.name, self.done, self.total)

    def followed(self, begun: int, left: float) -> None:
        """A start was followed, from so many evaluations on, and so many are left."""
        self._start = self.done - begun
        self.expects(0, left)

    def draws(self, calls: int) -> None:
        """So many evaluations are left, of draws."""
        self.expects(calls, 0.0, 0)

    def ended(self) -> None:
        """Nothing is left to evaluate."""
        if self._shown:
            self.observer.step(self.name, self.done, self.done)


def optima(cost: Cost, counted: CallsTold, seed: int = 1) -> list[Optimum]:
    """Lowest points of the cost, the lowest first: the best of evenly spread starts, each followed while the data gain weight.

    Raises
    ------
    FitError
        Where the data have no likelihood.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    counted.expects(SCAN)
    size = cost.lost.size
    starts = [np.zeros(size), *ndtri(np.clip(qmc.Sobol(size, seed=seed).random(SCAN), 0.02, 0.98))]
    ranked = sorted(((cost(x, WEIGHTS[0]), i) for i, x in enumerate(starts)))
    if ranked[0][0] >= NOTHING:
        raise FitError("no start gives the data any likelihood: give one by --start DECK")
    chosen = _chosen([starts[i] for value, i in ranked if value < NOTHING])
    found = []
    for left, x in zip(range(len(chosen))[::-1], chosen):
        begun = counted.done
        found.append(_followed(cost, x))
        counted.followed(begun, left + AGAIN)
    cost.ends = [one.cost for one in found]
    found.sort(key=lambda f: f.cost)
    if found[0].cost >= NOTHING:
        raise FitError("the search ended where the data have no likelihood: give a start by --start DECK")
    if cost.lost.any():  # then they are looked for again
        found.append(_followed(cost, np.where(cost.lost, 0.0, found[0].x), WEIGHTS[2:]))
    found += [_followed(cost, x, WEIGHTS[2:]) for x in _mirrored(cost, min(found, key=lambda f: f.cost))]
    return distinct(found)


def missed(ends: Sequence[float], lowest: float) -> str:
    """What searches that ended apart say of points that none may have found; empty where they agree.

    Parameters
    ----------
    ends : sequence of float
        Costs that they ended at.
    lowest : float
        The least that is known.
    """
    above = max(ends, default=lowest) - lowest
    if above < ALIKE:
        return ""
    found = f"a search ended at values {math.exp(min(above, 99.0)):.1g} times less likely than those written"
    return f"warning: {found}: there may be likelier ones that none found; fit again with another --seed, and take the likelier"


def _mirrored(cost: Cost, lowest: Optimum) -> list[Floats]:
    """Images of the lowest point behind the starts of signed values, where the data allow them.

    A spread over cells that is nothing at one temperature is as large so far above it as below it.
    """
    images = [np.where(np.arange(lowest.x.size) == i, -lowest.x, lowest.x) for i in np.flatnonzero(cost.signed)]
    far = [x for x in images if np.linalg.norm(np.linalg.solve(lowest.axes, x - lowest.x)) > DISTINCT]
    return [x for x in far if cost(x) < lowest.cost + MIRRORED]


def _chosen(ranked: Sequence[Floats]) -> list[Floats]:
    """The best starts that lie apart from each other."""
    chosen = [ranked[0]]
    for x in ranked[1:]:
        if len(chosen) == STARTS:
            break
        if all(np.linalg.norm(x - other) > APART for other in chosen):
            chosen.append(x)
    return chosen


def distinct(found: Sequence[Optimum]) -> list[Optimum]:
    """Optima that count beside the lowest and differ from each lower one."""
    kept: list[Optimum] = []
    for one in sorted(found, key=lambda f: f.cost):
        if kept and one.cost > kept[0].cost + ALIKE:
            break
        if all(np.linalg.norm(np.linalg.solve(k.axes, one.x - k.x)) > DISTINCT for k in kept):
            kept.append(one)
    return kept


def lowered(cost: Cost, begin: Optimum) -> Optimum:
    """Lowest point near a start by comparisons alone, for a cost with steps on which slopes lead nowhere."""
    from scipy.optimize import minimize

    def along(u: Floats) -> float:
        return cost(begin.x + begin.axes @ u)

    corners = np.concatenate([np.zeros((1, begin.x.size)), 0.5 * np.eye(begin.x.size)])
    options = {"initial_simplex": corners, "xatol": 0.02, "fatol": 0.02, "maxfev": COMPARISONS * begin.x.size}
    found = minimize(along, corners[0], method="Nelder-Mead", options=options)
    return Optimum(begin.x + begin.axes @ found.x, begin.axes, float(found.fun))


def again(cost: Cost, x: Floats) -> Floats:
    """The lowest point near one that was lowest of almost the same measurements."""
    return _followed(cost, x, WEIGHTS[2:]).x


def _followed(cost: Cost, x: Floats, weights: Sequence[float] = WEIGHTS) -> Optimum:
    """Lowest point near a start."""
    from scipy.optimize import minimize

    axes = np.eye(x.size)
    for weight in weights:
        for _ in range(ROUNDS):
            axes = _round_axes(lambda y, w=weight: cost(y, w), x, axes, times=1)

            def lowered(u: Floats, x: Floats = x, axes: Floats = axes, weight: float = weight) -> float:
                return cost(x + axes @ u, weight)

            def slope(u: Floats, f: Any = lowered) -> Floats:
                h = 0.02
                return np.array([(f(u + h * e) - f(u - h * e)) / (2 * h) for e in np.eye(u.size)])

            better = minimize(lowered, np.zeros(x.size), jac=slope, method="BFGS", options={"maxiter": 30, "gtol": 0.02})
            gained, x = lowered(np.zeros(x.size)) - float(better.fun), x + axes @ better.x
            if gained < 0.02:
                break
    axes = _round_axes(cost, x, axes)
    return Optimum(x, axes, cost(x))


def _round_axes(cost: Any, x: Floats, axes: Floats, *, times: int = 3) -> Floats:
    """Axes, as columns, along which the cost rises by a half per unit: a root of the inverse of its second derivatives.

    Central differences, a few times: each along the axes of the one before.
    """
    for _ in range(times):
        second = _differences(cost, x, axes)
        values, vectors = np.linalg.eigh(second)
        # what was assumed alone gives a curvature of 1: the sum cannot curve less by much
        lengths = np.linalg.norm(axes @ vectors, axis=0)
        axes = axes @ vectors / np.sqrt(np.maximum(values, 0.5 * lengths**2))
    return np.asarray(axes)


def _differences(cost: Any, x: Floats, axes: Floats) -> Floats:
    """Second derivatives along columns of `axes`, with steps as long as the cost needs to rise by about a half."""
    n = x.size
    here = cost(x)
    ahead, behind = np.empty(n), np.empty(n)
    length = np.ones(n)
    for i in range(n):
        for _ in range(20):
            unit = axes[:, i] * length[i]
            ahead[i], behind[i] = cost(x + unit), cost(x - unit)
            rise = 0.5 * (ahead[i] + behind[i]) - here
            if rise > 2:
                length[i] *= 0.5 if rise < 50 else 0.1
            elif rise < 0.1 and length[i] * np.linalg.norm(axes[:, i]) < 1:
                length[i] *= 1.7
            else:
                break
    second = np.empty((n, n))
    for i in range(n):
        second[i, i] = (ahead[i] - 2 * here + behind[i]) / length[i] ** 2
        for j in range(i):
            a, b = axes[:, i] * length[i], axes[:, j] * length[j]
            mixed = cost(x + a + b) - ahead[i] - ahead[j] + 2 * here - behind[i] - behind[j] + cost(x - a - b)
            second[i, j] = second[j, i] = mixed / (2 * length[i] * length[j])
    return second
