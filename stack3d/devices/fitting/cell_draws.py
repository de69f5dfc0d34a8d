"""The most likely draw of every cell: what is left of its readings, and steps to a better one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats

STEPS = 30
"""Most steps to the most likely draw of a cell."""


class Leftover(NamedTuple):
    """What is left of readings, and of it all cell by cell."""

    e: Floats
    """[-]"""
    cost: Floats
    """Half the sum of squares over the noise of a read, and what is known of starts."""
    away: Floats
    """What the start of a cell lies away. [-]"""
    weight: Floats
    """Sum of squares of the slopes of the readings with the start."""


class Best:
    """The most likely draws of cells so far, and what is left of their readings."""

    def __init__(self, draw: Floats, found: Leftover) -> None:
        self.draw, self._found = draw, found

    @property
    def e(self) -> Floats:
        """Residuals. [-]"""
        return self._found.e

    @property
    def cost(self) -> Floats:
        """But for the draw itself."""
        return self._found.cost

    @property
    def away(self) -> Floats:
        """What the starts lie away. [-]"""
        return self._found.away

    @property
    def weight(self) -> Floats:
        """Sum of squares of the slopes with the start."""
        return self._found.weight

    def take(self, draw: Floats, found: Leftover) -> NDArray[np.bool_]:
        """Take the draws of those cells that are likelier with them; returns which."""
        better = np.asarray(found.cost + 0.5 * draw[:, 0] ** 2 < self.cost + 0.5 * self.draw[:, 0] ** 2)
        self._put(better, draw, found)
        return better

    def put(self, better: NDArray[np.bool_], other: Best) -> None:
        """Take some cells of another."""
        self._put(better, other.draw, other._found)

    def _put(self, better: NDArray[np.bool_], draw: Floats, found: Leftover) -> None:
        here = better[:, None]
        self.draw = np.where(here, draw, self.draw)
        self._found = Leftover(
            np.where(here, found.e, self.e), *(np.where(better, new, old) for new, old in zip(found[1:], self._found[1:]))
        )


def stepped(best: Best, missed: Callable[[Floats], Leftover], slope_of: Callable[[Best], Floats], sd: float) -> Floats:
    """Take Levenberg's steps to better draws; returns the slope of what is left with them.

    Parameters
    ----------
    best : Best
        Where they begin, and where they end.
    missed, slope_of : callable
    sd : float
        Noise of a read. [-]
    """
    slope, damping = slope_of(best), np.full(best.cost.shape, 1e-3)
    for _ in range(STEPS):
        bend = (slope * slope).sum(1) / sd**2 + 1
        move = np.nan_to_num(((slope * best.e).sum(1) / sd**2 - best.draw[:, 0]) / (bend * (1 + damping)))
        trial = best.draw + np.clip(move, -1.0, 1.0)[:, None]
        better = best.take(trial, missed(trial))
        damping = np.where(better, 0.2 * damping, np.minimum(10 * damping, 1e9))
        if np.all((np.abs(move) * np.sqrt(bend) < 1e-3) | (damping > 1e6)):
            break
        slope = slope_of(best)
    return slope
