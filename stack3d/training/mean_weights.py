"""The mean of weights that a training passes through: no epoch has to be chosen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stack3d.workload import Array


class MeanWeights:
    """Mean of parameters over all steps from one on.

    Parameters
    ----------
    first : int
        Number of the first step that counts.
    """

    def __init__(self, first: int) -> None:
        self.first, self.count = first, 0
        self.values: dict[str, Array] = {}

    def add(self, step: int, parameters: Mapping[str, Array]) -> None:
        """Count what parameters are after a step.

        Parameters
        ----------
        step : int
        parameters : mapping of str to ndarray
        """
        if step < self.first:
            return
        self.count += 1
        for name, value in parameters.items():
            old = self.values.get(name)
            self.values[name] = value.astype(np.float64) if old is None else old + (value - old) / self.count

    def resume(self, values: Mapping[str, Array], steps: int) -> None:
        """Go on from a mean that was kept after so many steps.

        Parameters
        ----------
        values : mapping of str to ndarray
        steps : int
            Of the whole training, that have ended.
        """
        self.values, self.count = dict(values), max(0, steps - self.first)
