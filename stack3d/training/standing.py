"""How good a network is on chips, and what of a difference may be chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.case import Outcome
from stack3d.chances import variance_over_inputs


@dataclass(frozen=True)
class Standing:
    """How good a network is on the test part of its data.

    Parameters
    ----------
    exact : float
        In float arithmetic. [-]
    times : ndarray, shape (times,)
        Since programming. [s]
    accuracy, spread : ndarray, shape (times,)
        Mean over chips, and standard deviation between them. [-]
    chips : int
    by_input, exact_by_input : ndarray, shape (inputs,)
        What each test input adds to the accuracy of fresh chips, and in float arithmetic. [-]
    """

    exact: float
    times: NDArray[Any]
    accuracy: NDArray[Any]
    spread: NDArray[Any]
    chips: int
    by_input: NDArray[Any]
    exact_by_input: NDArray[Any]

    @classmethod
    def of(cls, outcome: Outcome) -> Standing:
        """That of a run."""
        found = np.asarray(outcome.values["mvm/accuracy"])
        times = np.asarray(outcome.coordinates["time"])
        spread = found.std(axis=1, ddof=1) if found.shape[1] > 1 else np.zeros(len(found))
        by_input, exact = outcome.values["mvm/input_accuracy"][0], outcome.values["mvm/input_accuracy_ideal"]
        ideal = float(outcome.values["mvm/accuracy_ideal"])
        return cls(ideal, times, found.mean(axis=1), spread, found.shape[1], by_input, exact)

    @property
    def chance_of_loss(self) -> float:
        """Twice the standard error, over chips and test inputs, of what fresh chips lose to float arithmetic. [-]"""
        return self._chance(self.spread[0], self.exact_by_input, self.exact - self.accuracy[0])

    def chance_of_change(self, other: Standing) -> float:
        """Twice the standard error, over chips and test inputs, of how fresh chips differ from those of another. [-]"""
        return self._chance(max(self.spread[0], other.spread[0]), other.by_input, other.accuracy[0] - self.accuracy[0])

    def _chance(self, spread: float, beside: NDArray[Any], change: float) -> float:
        over_inputs = variance_over_inputs(beside - self.by_input, np.asarray(change))
        return 2.0 * float(np.sqrt(spread**2 / self.chips + over_inputs))
