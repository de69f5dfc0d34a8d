"""Coordinates of a search in which a bent valley is straight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stack3d.constants import BOLTZMANN
from stack3d.devices.fitting.parameters import Free, Parameters
from stack3d.layout import Floats


class Straightened(NamedTuple):
    """What is searched in place of an inverse isokinetic temperature: the spread of ln τ at the temperatures of the data.

    That spread, σ_E/k (1/T - 1/T_iso), is what data tell. Over σ_E and 1/T_iso its valley is bent, with a second one behind it,
    and draws about the lowest point miss its ends; over σ_E and the spread, which has a sign, there are two straight ones.
    """

    free: Sequence[Free]
    sd: int
    """Place of the spread of the barrier."""
    inverse: int
    """Place of the inverse temperature, and of what is searched for it."""
    at: float
    """Mean of the inverse temperatures of the data. [K⁻¹]"""

    @classmethod
    def of(cls, found: Parameters, free: Sequence[Free], temperatures: Sequence[float]) -> Straightened | None:
        """What is searched for the `free` values of a law by data at `temperatures` [K]; None where nothing bends."""
        keys = [f.key for f in free]
        pair = found.law.spread_of_rates
        if pair is None or not set(pair) <= set(keys):
            return None
        return cls(free, keys.index(pair[0]), keys.index(pair[1]), float(np.mean(1 / np.asarray(temperatures))))

    def assumed(self, point: Floats) -> Floats:
        """A point in the coordinates in which what is assumed is standard normal."""
        x = np.array(point)
        bent, sd = self.free[self.inverse], self.free[self.sd].value(float(point[self.sd])) / BOLTZMANN
        x[self.inverse] = (self.at - point[self.inverse] / max(sd, 1e-300) - bent.start) / bent.width
        return x

    def log_volume(self, point: Floats) -> float:
        """Logarithm of the volume of a unit there in the coordinates of `assumed`, but for a constant."""
        return -math.log(max(self.free[self.sd].value(float(point[self.sd])), 1e-300))
