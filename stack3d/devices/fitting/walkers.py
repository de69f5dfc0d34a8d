"""Walkers that draw from a posterior which no proposal about its optima covers: bent, one-sided or with steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stack3d.layout import Floats

WALKERS = 200
SWEEPS, MOST_SWEEPS = 20, 200
"""Steps of every walker between two looks at how far they have come, and at most."""
FORGOTTEN = 0.2
"""What walkers still know, at which they stop, of where they stood when half of the steps were over."""
SHARES = (0.0, 0.3, 1.0)
"""Of the values that one step changes; one at least."""
JUMPS, ANYWHERE = 0.1, 5
"""Share of steps as long as two walkers lie apart; every so many sweeps proposals come from anywhere."""


class Walked(NamedTuple):
    """Where walkers ended."""

    x: Floats
    """Shape (WALKERS, values); equally likely."""
    effective: float
    """Independent draws that they are worth: less, the more they still know of where they stood half of the way before."""
    lowest: Floats
    """Of all points seen the one of lowest cost."""
    cost: float
    """At that point."""


def walked(
    cost: Callable[[Floats], float],
    begin: Floats,
    anywhere: Callable[[int], Floats],
    density: Callable[[Floats], Floats],
    rng: np.random.Generator,
    expects: Callable[[int], None],
) -> Walked:
    """Draws by walkers whose steps are differences of other walkers [1]_, and now and then anywhere.

    Parameters
    ----------
    cost : callable
        Negative logarithm of the posterior at a point.
    begin : ndarray, shape (WALKERS, values)
        Points that spread about as the posterior does.
    anywhere : callable
        Draws so many proposals that cover all optima.
    density : callable
        Logarithm of their density at points, but for a constant.
    rng : numpy.random.Generator
    expects : callable
        Told how many evaluations are left.

    References
    ----------
    .. [1] C. J. F. ter Braak, "A Markov chain Monte Carlo version of the genetic algorithm differential evolution", Stat.
       Comput. 16 (2006) 239. doi:10.1007/s11222-006-8769-1
    """
    x, costs = begin.copy(), np.array([cost(point) for point in begin])
    lowest, least = x[costs.argmin()].copy(), float(costs.min())
    past = [x.copy()]
    halves = np.arange(len(x)) % 2 == 0
    known = 1.0
    for sweep in range(1, MOST_SWEEPS + 1):
        if sweep % SWEEPS == 1:
            expects(len(x) * SWEEPS * max(4 - sweep // SWEEPS, 2))
        for moving in (halves, ~halves):
            if sweep % ANYWHERE:
                new, gain = x[moving] + _differences(x[~moving], int(moving.sum()), rng), np.zeros(int(moving.sum()))
            else:
                new = anywhere(int(moving.sum()))
                gain = density(x[moving]) - density(new)
            there = np.array([cost(point) for point in new])
            taken = np.log(rng.random(there.size)) < costs[moving] - there + gain
            at = np.flatnonzero(moving)[taken]
            x[at], costs[at] = new[taken], there[taken]
            if there.min() < least:
                lowest, least = new[there.argmin()].copy(), float(there.min())
        if sweep % SWEEPS == 0:
            past.append(x.copy())
            known = _known(past[len(past) // 2], x)
            if known < FORGOTTEN and len(past) > 2:
                break
    return Walked(x, len(x) * (1 - known**2), lowest, least)


def _differences(others: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Steps for so many walkers along differences of others, in some values or in all, of a length that is often taken [1]_.

    References
    ----------
    .. [1] J. A. Vrugt et al., "Accelerating Markov chain Monte Carlo simulation by differential evolution with self-adaptive
       randomized subspace sampling", Int. J. Nonlinear Sci. Numer. Simul. 10 (2009) 273. doi:10.1515/IJNSNS.2009.10.3.273
    """
    size = others.shape[1]
    first = rng.integers(0, len(others), count)
    second = (first + rng.integers(1, len(others), count)) % len(others)
    moved = rng.random((count, size)) < rng.choice(SHARES, count)[:, None]
    moved[np.arange(count), rng.integers(0, size, count)] = True
    length = 2.38 / np.sqrt(2 * moved.sum(1)) * rng.uniform(0.2, 1.2, count)
    length[rng.random(count) < JUMPS] = 1.0
    away = others[first] - others[second]
    return np.asarray(moved * (length[:, None] * away + 1e-5 * np.abs(away).mean(0) * rng.standard_normal(away.shape)))


def _known(before: Floats, after: Floats) -> float:
    """How much of where walkers stood they still know: correlation, or growth of their spread, the largest over values."""
    a, b = before - before.mean(0), after - after.mean(0)
    first, last = np.sqrt((a**2).sum(0)), np.sqrt((b**2).sum(0))
    if not (first.all() and last.all()):
        return 1.0
    alike = (a * b).sum(0) / (first * last)
    return float(min(max(alike.max(), np.abs(np.log(last / first)).max()), 1.0))
