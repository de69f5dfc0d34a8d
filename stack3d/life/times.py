"""Instants of a life that are looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stack3d.chip.design import TODAY
from stack3d.constants import YEAR
from stack3d.schema.life import LifetimeDeck


def epoch_times(lifetime: LifetimeDeck) -> NDArray[np.float64]:
    """End of each epoch: one second, then `epochs` times at equal ratios; the one nearest to a year is a year. [s]"""
    times = np.geomspace(lifetime.first, lifetime.until, lifetime.epochs) if lifetime.epochs > 1 else np.array([lifetime.until])
    if times[0] < YEAR < times[-1] and lifetime.epochs > 2:
        inner = 1 + int(np.argmin(np.abs(np.log(times[1:-1] / YEAR))))
        times[inner] = YEAR
    times[-1] = lifetime.until
    return np.concatenate([[TODAY], times[times > TODAY]])
