"""Power over time as steps at known instants; SI units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stack3d.errors import ArrayError
from stack3d.layout import Floats


@dataclass(frozen=True, eq=False)
class PowerSchedule:
    """Powers that change at given times and stay constant between them.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Start of each interval, ascending from 0. [s]
    powers : ndarray, shape (n, n_sources)
        [W]
    period : float or None
        The schedule repeats after this time, which is beyond the last start. [s]
    """

    times: Floats
    powers: Floats
    period: float | None = None

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or self.powers.ndim != 2 or self.times.size != self.powers.shape[0] or not self.times.size:
            raise ArrayError(f"powers: shape {self.powers.shape} does not hold one row per time of shape {self.times.shape}")
        if self.times[0] != 0.0:
            raise ArrayError(f"times[0]: {self.times[0]:g} s; a schedule starts at 0")
        steps = np.diff(self.times)
        if not np.all(steps > 0):
            at = int(np.flatnonzero(~(steps > 0))[0]) + 1
            raise ArrayError(f"times[{at}]: {self.times[at]:g} s does not come after {self.times[at - 1]:g} s")
        if not np.all(np.isfinite(self.powers)):
            raise ArrayError(f"powers{[int(i) for i in np.argwhere(~np.isfinite(self.powers))[0]]}: not a finite number")
        if self.period is not None and not self.period > self.times[-1]:
            raise ArrayError(f"period: {self.period:g} s does not reach beyond the last change at {self.times[-1]:g} s")

    @property
    def repeat(self) -> float:
        """The period of a schedule that has one; raises ArrayError for one that has none. [s]"""
        if self.period is None:
            raise ArrayError("period: the powers do not repeat")
        return self.period

    @classmethod
    def constant(cls, powers: Floats) -> PowerSchedule:
        """Switched on at 0 and left so."""
        return cls(np.zeros(1), np.atleast_2d(np.asarray(powers, dtype=float)))

    def intervals(self, until: float) -> Iterator[tuple[float, float, Floats]]:
        """(start, end, powers) up to `until`, periods unrolled."""
        cycle = 0
        while True:
            offset = cycle * self.period if self.period is not None else 0.0
            ends = [*self.times[1:], self.period if self.period is not None else np.inf]
            for start, end, powers in zip(self.times, ends, self.powers, strict=True):
                if offset + start >= until:
                    return
                yield float(offset + start), float(min(offset + end, until)), powers
            if self.period is None:
                return
            cycle += 1
