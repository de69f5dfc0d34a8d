"""Leakage and temperature that drive each other up."""

from __future__ import annotations

import numpy as np

from stack3d.errors import ThermalRunawayError
from stack3d.layout import Floats

RUNAWAY_TEMPERATURE = 1000.0
"""No stack survives this; leakage that gets here runs away. [K]"""


class Runaway:
    """Watches the iterations of leakage and temperature.

    Leakage is convex in temperature, so that steps which rise towards a stable temperature shrink from the second on. Steps
    that rise and grow twice running have no stable temperature ahead; where they began to grow, an extra watt of heat made a
    watt of leakage.
    """

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.peaks: list[float] = []

    def check(self, before: Floats, after: Floats) -> None:
        """Take the temperatures of one iteration [K]; raises ThermalRunawayError with the temperature where it began."""
        hottest = int(np.argmax(np.abs(after - before)))
        self.steps.append(float(after[hottest] - before[hottest]))
        self.peaks.append(float(before[hottest]))
        grows = len(self.steps) > 2 and self.steps[-1] > self.steps[-2] > self.steps[-3] > 0
        if grows or after.max() > RUNAWAY_TEMPERATURE:
            self.conclude(after)

    def conclude(self, present: Floats) -> None:
        """Report that the temperature [K] has run away, if its steps have grown."""
        steps = self.steps
        rising = [i for i in range(1, len(steps)) if steps[i] > steps[i - 1] > 0]
        if rising or present.max() > RUNAWAY_TEMPERATURE:
            began = self.peaks[rising[0]] if rising else self.peaks[-1]
            raise ThermalRunawayError(
                f"leakage runs away: from about {began:.0f} K on each iteration adds more heat than the cooling removes"
                f" (last steps {', '.join(f'{s:.1f} K' for s in steps[-3:])}); cool better, or lower workload.periphery.leakage"
            )
