"""Temperatures of an epoch: what the cells of every tile live through within one period of the power; SI units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d.layout import Floats

RateLaw = Callable[[Floats], Any]
"""Speed of a mechanism at temperatures [K], any shape."""
RATE_TOLERANCE = 1e-3
"""Error of the mean rate of any mechanism in any box that levels in place of a history may make. [-]"""


@dataclass(frozen=True, eq=False)
class Climate:
    """Levels of temperature, the share of time at each, and the mean while the chip computes.

    The order of levels does not matter: a law of ageing adds up rates.

    Parameters
    ----------
    shares : ndarray, shape (levels,)
        Sum 1. [-]
    levels : ndarray, shape (levels, tiles, ny, nx)
        Of equal boxes of every tile. [K]
    working : ndarray, shape (tiles, ny, nx)
        Mean weighted by the activity: that of reads. [K]
    work : ndarray, shape (levels,)
        Share of all inferences that is made at each level, sum 1. [-]
    """

    shares: Floats
    levels: Floats
    working: Floats
    work: Floats

    @classmethod
    def steady(cls, field: Floats) -> Climate:
        """One temperature all the time, shape (tiles, ny, nx). [K]"""
        return cls(np.ones(1), field[None], field, np.ones(1))

    @property
    def mean(self) -> Floats:
        """Mean over time, shape (tiles, ny, nx). [K]"""
        return self.averaged(lambda field: field)

    def averaged(self, law: RateLaw) -> Floats:
        """Mean over time of a function of the temperature of each box, shape (tiles, ny, nx)."""
        return np.asarray(np.tensordot(self.shares, law(self.levels), axes=1))

    def shifted(self, field: Floats) -> Climate:
        """The same swings about another temperature. [K]"""
        return replace(self, levels=self.levels + field, working=self.working + field)


def quadrature(starts: Floats, period: float, nodes: int) -> tuple[Floats, Floats]:
    """Instants within a period and their shares of it, dense after each change, where temperatures move fastest.

    Parameters
    ----------
    starts : ndarray, shape (n,)
        Of the intervals between changes of power. [s]
    period : float
        [s]
    nodes : int
        Per interval; Gauss-Legendre in the square root of the time since its start.

    Returns
    -------
    times, shares : ndarray, shape (n * nodes,)
        [s], [-]
    """
    points, weights = np.polynomial.legendre.leggauss(nodes)
    root, weights = 0.5 * (points + 1.0), 0.5 * weights
    lengths = np.diff([*starts, period])
    times = starts[:, None] + lengths[:, None] * root**2
    shares = lengths[:, None] / period * 2.0 * root * weights
    return times.ravel(), shares.ravel()


def mean_rates(shares: Floats, levels: Floats, laws: Sequence[RateLaw]) -> Floats:
    """Mean over time of every law in every box, shape (laws, tiles, ny, nx)."""
    return np.array([np.tensordot(shares, law(levels), axes=1) for law in laws])


def grouped(
    shares: Floats, levels: Floats, laws: Sequence[RateLaw], tolerance: float = RATE_TOLERANCE
) -> tuple[Floats, Floats]:
    """Weights of the fewest levels that keep the mean rates of a history within `tolerance`.

    Parameters
    ----------
    shares : ndarray, shape (instants,)
    levels : ndarray, shape (instants, tiles, ny, nx)
        [K]
    laws : sequence of callable
        Speeds of the mechanisms that have to be kept.
    tolerance : float
        Error of a mean rate, as a share of it. [-]

    Returns
    -------
    shares : ndarray, shape (groups,)
    weights : ndarray, shape (groups, instants)
        Rows sum to 1: a group's temperature is the mean of its instants.

    Notes
    -----
    Instants are sorted into equal bins of the temperature of the box that swings most. A rate that is exponential in T with
    slope β leaves an error of about (β w)²/24 for bins of width w.
    """
    flat = levels.reshape(len(levels), -1)
    widest = flat[:, int(np.argmax(np.ptp(flat, axis=0)))]
    span = float(np.ptp(widest))
    wanted = mean_rates(shares, levels, laws)
    for count in range(1, len(levels) + 1):
        place = np.minimum(((widest - widest.min()) / (span or 1.0) * count).astype(int), count - 1)
        member = place == np.unique(place)[:, None]
        total = member @ shares
        weights = member * shares / total[:, None]
        found = mean_rates(total, np.tensordot(weights, levels, axes=1), laws)
        if np.all(np.abs(found - wanted) <= tolerance * np.abs(wanted)):
            return total, weights
    return shares, np.eye(len(shares))
