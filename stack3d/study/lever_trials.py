"""Whether a lever gains more than chance, and what its gain costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stack3d.layout import Floats

CONFIDENCE = 0.95
"""That no lever is taken for one by chance, of all levers together."""
FREE = 1e-3
"""Share of the energy of an inference below which a lever costs nothing."""


@dataclass(frozen=True)
class Trial:
    """What a lever has done.

    Parameters
    ----------
    gain : float
        Mean change of accuracy over chips. [-]
    chance : float
        Half the interval of the gain that holds for all levers together. [-]
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


def trial_of(base: Floats, changed: Floats, energies: tuple[float, float], n_levers: int) -> Trial:
    """Judge a lever by the accuracy of the same chips without and with it.

    Parameters
    ----------
    base, changed : ndarray
        Accuracy of each chip, shape (chip,). [-]
    energies : (float, float)
        Per inference, without and with. [J]
    n_levers : int
        Tried together: the interval of each is as wide as Bonferroni's inequality asks for.

    Notes
    -----
    Student's t on the differences of pairs. Chips of one seed are the same chips where a lever leaves them alone, which makes
    the interval narrow; where it does not, the differences scatter more and the interval says so.
    """
    from scipy.special import stdtrit

    differences = changed - base
    n = differences.size
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    chance = float(stdtrit(n - 1, 1 - 0.5 * (1 - CONFIDENCE) / n_levers)) * error
    gain, cost = float(differences.mean()), energies[1] - energies[0]
    is_free = not cost > FREE * energies[0]
    return Trial(gain, chance, cost, gain > chance and gain > 0, is_free)
