"""Retention in two directions: most cells drift to high resistance, a share of them to low."""

from __future__ import annotations

from functools import cache
from typing import ClassVar, override

import numpy as np

from stack3d.devices.laws import RETENTION, Reals
from stack3d.devices.retention import DistributedBarriers, relax_towards
from stack3d.schema.base import Conductance, Fraction
from stack3d.schema.device import DeviceDeck

RISING = 64.0
"""Added to the draw of a cell that drifts to low resistance, so that one number tells direction and barrier."""

_IN_CACHE = 1 << 15
"""Draws turned at once: what they need on the way stays in the processor's cache."""

_TURNS_FROM, _TURNS_STEP = -6.5, 2.0**-11
_NEAR_THE_TURN = 0.125
"""Draws as near as this to the one that parts the directions are turned one by one: a table bends too much there."""


def _turned(draw: Reals, rising: float) -> Reals:
    """Normal draws within each direction; the lowest `rising` share goes up and stands `RISING` higher."""
    from scipy.special import ndtr, ndtri

    share = ndtr(np.asarray(draw, np.float64))
    up = share < rising
    within = np.where(up, share / max(rising, 1e-300), (share - rising) / max(1 - rising, 1e-300))
    return np.asarray(ndtri(np.clip(within, 1e-9, 1 - 1e-9)) + RISING * up)


@cache
def _turns(rising: float) -> tuple[Reals, Reals, float]:
    """`_turned` of equally spaced draws, what it gains to the next, and the draw that parts the directions."""
    from scipy.special import ndtri

    table = _turned(np.arange(_TURNS_FROM, -_TURNS_FROM, _TURNS_STEP), rising)
    return table, np.diff(table, append=table[-1]), float(ndtri(rising))


@RETENTION.register("both_directions")
class BothDirections(DistributedBarriers):
    """Distributed barriers, but a share of the cells drifts to low resistance in place of high."""

    reference = "ours: distributed barriers in two directions"

    jumps: ClassVar[int] = 160
    rising: Fraction
    """Probability of a cell to drift to low resistance."""
    rising_conductance: Conductance | None = None
    """What these cells move towards; absent = g_max of the device."""

    @override
    def frozen(self, draw: Reals, target: Reals, device: DeviceDeck) -> Reals:
        # within each direction the draw is stretched to a normal one again, from a table to 1e-5
        table, gain, parting = _turns(self.rising)
        result = np.array(draw, order="C")
        flat = result.reshape(-1)
        table, gain = table.astype(flat.dtype), gain.astype(flat.dtype)
        for first in range(0, flat.size, _IN_CACHE):
            part = flat[first : first + _IN_CACHE]
            near = np.flatnonzero(np.abs(part - parting) < _NEAR_THE_TURN)
            one_by_one = _turned(part[near], self.rising)
            part -= _TURNS_FROM
            part /= _TURNS_STEP
            np.clip(part, 0, table.size - 1, out=part)
            before = part.astype(np.intp)
            part -= before.astype(part.dtype)
            part *= gain.take(before)
            part += table.take(before)
            part[near] = one_by_one
        return result

    @override
    def rate(self, temperature: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        if isinstance(draw, np.ndarray):
            draw = np.where(draw > RISING / 2, draw - draw.dtype.type(RISING), draw)
        return super().rate(temperature, draw, device)

    @override
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        up = device.g_max if self.rising_conductance is None else self.rising_conductance
        down = device.g_min if self.final_conductance is None else self.final_conductance
        final = np.where(np.asarray(draw) > RISING / 2, programmed.dtype.type(up), programmed.dtype.type(down))
        return relax_towards(programmed, reduced_time, shape=self.shape, final=final)
