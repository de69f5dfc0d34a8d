"""Draws of what a fit leaves open, about all optima that it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from stack3d.devices.fitting.optima import NOTHING, Optimum
from stack3d.devices.fitting.walkers import WALKERS, Walked, walked
from stack3d.layout import Floats

DRAWS = 200
PROPOSALS = 600
"""Of one round."""
ENOUGH = 100
"""Effective number of independent draws with which no further round is asked for, and no walkers are."""
LEAST_ROUNDS = 4
"""The first draws may all come from the middle of a bent valley, and count for many: rounds that follow reach its ends."""
WIDTHS = (1.0, 2.0)
"""Of proposals, each for its share of a round: over what is known of the posterior, and beyond it."""
FEWEST = 50
"""Below it draws are those of the curvature, which is told."""
MOST_ROUNDS = 8
FREEDOM = 4.0
"""Of the Student distributions that are proposed from."""


class PosteriorDraws(NamedTuple):
    """Equally likely points of a search."""

    x: Floats
    """Shape (DRAWS, values)."""
    effective: float
    """Independent draws that they are worth."""
    lowest: Optimum
    """Of all proposals the one with the lowest cost, with axes of all that count."""

    @property
    def by_curvature(self) -> bool:
        """Whether no proposals suited: then they are normal, with the curvature at the lowest point."""
        return self.effective < FEWEST


class _Proposal(NamedTuple):
    """A Student distribution."""

    middle: Floats
    axes: Floats

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        away = rng.standard_normal((count, self.middle.size))
        return np.asarray(self.middle + away * np.sqrt(FREEDOM / rng.chisquare(FREEDOM, count))[:, None] @ self.axes.T)

    def log(self, x: Floats) -> Floats:
        """Logarithm of its density, but for a constant."""
        away = np.linalg.solve(self.axes, (x - self.middle).T)
        size = math.log(abs(np.linalg.det(self.axes)))
        return np.asarray(-0.5 * (FREEDOM + self.middle.size) * np.log1p((away**2).sum(0) / FREEDOM) - size)


def draws(
    cost: Callable[[Floats], float],
    optima: Sequence[Optimum],
    seed: int,
    expects: Callable[[int], None] = lambda _: None,
) -> PosteriorDraws:
    """Draws of the posterior: proposals of Student distributions, chosen by their weight, or walkers that begin at these.

    The first round proposes about every optimum. Each further one, three at least and more while too few proposals count, about
    the mean of those that do; every proposal is weighed against the mixture of all rounds [1]_. Where too few count even then,
    walkers go on.

    Parameters
    ----------
    cost : callable
        Negative logarithm of the posterior at a point.
    optima : sequence of Optimum
        The lowest first.
    seed : int
        Of the random numbers.
    expects : callable, optional
        Told how many evaluations are left.

    References
    ----------
    .. [1] J.-M. Cornuet et al., "Adaptive multiple importance sampling", Scand. J. Stat. 39 (2012) 798.
       doi:10.1111/j.1467-9469.2011.00756.x
    """
    rng = np.random.default_rng(seed)
    rounds = [part for one in optima for part in _spread(PROPOSALS // len(optima), _Proposal(one.x, one.axes))]
    x, costs = np.empty((0, optima[0].x.size)), np.empty(0)
    fresh = rounds
    for done in range(1, MOST_ROUNDS + 1):
        expects(PROPOSALS * max(LEAST_ROUNDS + 1 - done, 1))
        new = np.concatenate([proposal.draw(rng, count) for count, proposal in fresh])
        x, costs = np.concatenate([x, new]), np.concatenate([costs, [cost(point) for point in new]])
        log = -costs - _mixture(rounds, x)
        weight = _weights(log)
        effective = float(1 / np.sum(weight**2))
        if effective >= ENOUGH and done >= LEAST_ROUNDS:
            break
        fresh = _spread(PROPOSALS, _about(x, log, optima[0].axes))
        rounds = rounds + fresh
    at, about = int(costs.argmin()), _about(x, log, optima[0].axes)
    lowest = Optimum(x[at], about.axes, float(costs[at]))
    if effective >= ENOUGH:
        return PosteriorDraws(x[rng.choice(len(x), DRAWS, p=weight)], effective, lowest)
    found = _walked(cost, [*rounds, (PROPOSALS, about)], x[costs < NOTHING], log[costs < NOTHING], rng, expects)
    if found.cost < lowest.cost:
        lowest = lowest._replace(x=found.lowest, cost=found.cost)
    if found.effective < FEWEST:
        return PosteriorDraws(_of_curvature(cost, optima[0], rng), found.effective, lowest)
    return PosteriorDraws(found.x, found.effective, lowest)


def _spread(count: int, one: _Proposal) -> list[tuple[int, _Proposal]]:
    """So many proposals about a middle, some farther away than others."""
    return [(count // len(WIDTHS), one._replace(axes=width * one.axes)) for width in WIDTHS]


def _walked(
    cost: Callable[[Floats], float],
    rounds: Sequence[tuple[int, _Proposal]],
    x: Floats,
    log: Floats,
    rng: np.random.Generator,
    expects: Callable[[int], None],
) -> Walked:
    """Draws by walkers that begin at proposals which were weighed, their weights evened out so that enough of them count.

    Parameters
    ----------
    cost : callable
    rounds : sequence of (int, _Proposal)
        Of all proposals.
    x, log : ndarray
        These proposals, and the logarithms of their weights.
    rng : numpy.random.Generator
    expects : callable
        Told how many evaluations are left.
    """
    share = np.array([count for count, _ in rounds]) / sum(count for count, _ in rounds)

    def anywhere(count: int) -> Floats:
        counts = rng.multinomial(count, share)
        return rng.permutation(np.concatenate([one.draw(rng, int(n)) for n, (_, one) in zip(counts, rounds)]))

    begin = x[rng.choice(len(x), WALKERS, p=_evened(log, 5 * x.shape[1]))]
    return walked(cost, begin, anywhere, lambda points: _mixture(rounds, points), rng, expects)


def _evened(log: Floats, least: float) -> Floats:
    """Weights of points, evened out by as much as makes so many of them count."""
    for power in (1.0, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02):
        weight = _weights(power * np.maximum(log, log.max() - 1e6))
        if 1 / np.sum(weight**2) >= least:
            break
    return weight


def _weights(log: Floats) -> Floats:
    weight = np.exp(log - log.max())
    return np.asarray(weight / weight.sum())


def _mixture(rounds: Sequence[tuple[int, _Proposal]], x: Floats) -> Floats:
    """Logarithm of the density that all proposals of all rounds have together."""
    logs = np.stack([math.log(count) + proposal.log(x) for count, proposal in rounds])
    return np.asarray(np.logaddexp.reduce(logs, axis=0))


def _about(x: Floats, log: Floats, axes: Floats) -> _Proposal:
    """The proposal with mean and covariance of weighted points; few that count have their weights evened out first."""
    size = x.shape[1]
    weight = _evened(log, 5 * size)
    middle = weight @ x
    covariance = (weight[:, None] * (x - middle)).T @ (x - middle)
    values, vectors = np.linalg.eigh(covariance + 1e-6 * axes @ axes.T)
    return _Proposal(middle, vectors * np.sqrt(np.maximum(values, 1e-14)))


def _of_curvature(cost: Callable[[Floats], float], lowest: Optimum, rng: np.random.Generator) -> Floats:
    """Normal draws with the curvature at the lowest point, where the law allows them."""
    near = lowest.x + rng.standard_normal((PROPOSALS, lowest.x.size)) @ lowest.axes.T
    allowed = near[[cost(point) < NOTHING for point in near]]
    return np.asarray(allowed[np.arange(DRAWS) % len(allowed)] if len(allowed) else np.tile(lowest.x, (DRAWS, 1)))
