"""Whether a lever gains more than chance, and what its gain costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stack3d.chances import variance_over, variance_over_inputs
from stack3d.layout import Floats

CONFIDENCE = 0.95
"""That no lever is taken for one by chance, of all levers together."""
FREE = 1e-3
"""Share of the energy of an inference below which a lever costs nothing."""


class Measured(NamedTuple):
    """What a case tells of its chips at the end, before the next periodic act.

    Parameters
    ----------
    accuracy : ndarray, shape (chips,)
        [-]
    by_input : ndarray, shape (inputs,)
        What each test input adds to it, mean over chips; NaN where that is not known. [-]
    energy : float
        Per inference. [J]
    """

    accuracy: Floats
    by_input: Floats
    energy: float


@dataclass(frozen=True)
class Trial:
    """What a lever has done.

    Parameters
    ----------
    gain : float
        Mean change of accuracy over chips. [-]
    chance : float
        Half the interval of the gain that holds for all levers together, over chips and test inputs. [-]
    cost : float
        More energy per inference; NaN where nothing is inferred. [J]
    is_lever : bool
        Whether the gain is more than chance.
    """

    gain: float
    chance: float
    cost: float
    is_lever: bool
    is_free: bool

    @property
    def order(self) -> tuple[bool, bool, float]:
        """Sorts levers: those that cost nothing by their gain, then the others by gain per energy; chance last."""
        is_paid = self.is_lever and not self.is_free
        return not self.is_lever, is_paid, -(self.gain / self.cost if is_paid else self.gain)


def trial_of(base: Measured, changed: Measured, n_levers: int) -> Trial:
    """Judge a lever by what is measured of the same chips, on the same test inputs, without and with it.

    Parameters
    ----------
    base, changed : Measured
        Without and with.
    n_levers : int
        Tried together: the interval of each is as wide as Bonferroni's inequality asks for.

    Notes
    -----
    Student's t on the differences of pairs, of chips and of test inputs, whose variances add up (`stack3d.chances`), with the
    degrees of freedom of Welch and Satterthwaite. Chips of one seed are the same chips where a lever leaves them alone, which
    makes the interval narrow; where it does not, the differences scatter more and the interval says so. Where numbers of inputs
    differ, they are no pairs, and each side has its own variance.
    """
    from scipy.special import stdtrit

    differences = changed.accuracy - base.accuracy
    gain, cost = float(differences.mean()), changed.energy - base.energy
    over_chips, over_inputs = float(variance_over(differences)), _over_inputs(base.by_input, changed.by_input, gain)
    n_inputs = min(base.by_input.size, changed.by_input.size)
    freedom = over_chips**2 / (differences.size - 1) + over_inputs**2 / max(n_inputs - 1, 1)
    freedom = (over_chips + over_inputs) ** 2 / freedom
    chance = float(stdtrit(freedom, 1 - 0.5 * (1 - CONFIDENCE) / n_levers)) * math.sqrt(over_chips + over_inputs)
    is_free = not cost > FREE * base.energy
    return Trial(gain, chance, cost, gain > chance and gain > 0, is_free)


def _over_inputs(base: Floats, changed: Floats, gain: float) -> float:
    """Variance of a gain over test inputs: of pairs, where there are as many on both sides."""
    if base.size == changed.size:
        return float(variance_over_inputs(changed - base, np.asarray(gain)))
    return float(variance_over(base) + variance_over(changed))
