"""How far a mean over chips and test inputs, samples of all there could be, may be off; and whose a variance is."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

SHARE = 0.9
"""Of all there could be, that a range is to hold. [-]"""
SURE = 0.95
"""Confidence with which it does. [-]"""
ENOUGH = 46
"""Values whose least and largest hold `SHARE` with that confidence."""


def variance_over(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the mean over the last axis; 0 for a single value, of which it is not known."""
    n = values.shape[-1]
    return np.asarray(values.var(axis=-1, ddof=1) / n if n > 1 else np.zeros(values.shape[:-1]))


def variance_over_inputs(changes: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of a mean change of accuracy over test inputs.

    Parameters
    ----------
    changes : ndarray, shape (..., inputs)
        Of each input, mean over chips; NaN where a task does not tell. [-]
    change : ndarray, shape (...)
        Of all. [-]

    Returns
    -------
    ndarray, shape (...)
        That of the changes over their number, and at least that of one input whose answer changed: that none of a few changed
        does not say that none ever does. Where the changes are not known, that of the net change, the least that it can be.
    """
    n = changes.shape[-1]
    least, size = (1.0 - 1.0 / n) / n**2 if n > 1 else 1.0, np.minimum(np.abs(change), 1.0)
    known = variance_over(changes)
    return np.maximum(np.where(np.isnan(known), size * (1.0 - size) / n, known), least)


def median_held(n: int) -> tuple[int, int] | None:
    """Places, in order of size, of the values between which the median of all there are lies with a confidence of `SURE`.

    Parameters
    ----------
    n : int
        Values drawn independently.

    Returns
    -------
    tuple of int or None
        The first is 0; None of so few that not even the least and the largest are sure enough.

    References
    ----------
    .. [1] H. A. David, H. N. Nagaraja, "Order Statistics", 3rd ed., Wiley (2003), section 7.1: the number of values below the
       median is binomial.
    """
    below, chance = 0, 0.5**n  # that no more than `below` values lie under the median
    if 2 * chance > 1 - SURE:
        return None
    while 2 * (chance + comb(n, below + 1) * 0.5**n) <= 1 - SURE:
        below += 1
        chance += comb(n, below) * 0.5**n
    return below, n - 1 - below


def range_held(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """The narrowest range between two of some values, as many beyond it on either side, that holds `SHARE` of all there are.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Drawn independently.

    Returns
    -------
    low, high : float
        Of so few that none holds as much, the least and the largest.
    held : float
        Share of all that lies between them with a confidence of `SURE`; `SHARE` where that many are known. [-]

    References
    ----------
    .. [1] S. S. Wilks, Determination of sample sizes for setting tolerance limits, Annals of Mathematical Statistics 12, 91,
       1941.
    """
    ordered = np.sort(values)
    k, held = left_out(len(ordered))
    return float(ordered[k]), float(ordered[len(ordered) - 1 - k]), held


def left_out(n: int) -> tuple[int, float]:
    """How many of `n` values lie beyond either end of a range that holds `SHARE`, and what it holds; see `range_held`."""
    from scipy.special import betaincinv

    beyond = np.arange((n + 1) // 2)
    held = np.asarray(betaincinv(n - 1.0 - 2 * beyond, 2.0 + 2 * beyond, 1 - SURE)) if n > 1 else np.zeros(1)
    k = max(int(np.count_nonzero(held >= SHARE)) - 1, 0)
    return k, min(float(held[k]), SHARE)


def share_of_chips(room: NDArray[np.float64], changes: NDArray[np.float64], loss: float, sure: float) -> tuple[float, float]:
    """Least and largest share of all chips there could be that have room, each end with a confidence.

    Parameters
    ----------
    room : ndarray, shape (chips,)
        Accuracy of each chip above the least that counts as good. [-]
    changes : ndarray, shape (inputs,)
        What each test input adds to the loss of accuracy against float, mean over chips; NaN where a task does not tell. [-]
    loss : float
        Mean loss of accuracy. [-]
    sure : float
        Confidence of either end. [-]

    Notes
    -----
    Half of the doubt goes to the test inputs: a chip counts for the least share where its room is more than few inputs may
    make by chance, and for the largest where it lacks no more. A chip gets an input right or wrong, so the square of its change
    is its size. The other half goes to the chips (C. J. Clopper and E. S. Pearson, Biometrika 26, 404, 1934).
    """
    from scipy.special import betaincinv, ndtri

    each, n, n_inputs = 0.5 + 0.5 * sure, room.size, changes.size
    square = np.abs(changes).mean()
    spread = (abs(loss) if np.isnan(square) else square) - loss**2
    least = (1.0 - 1.0 / n_inputs) / n_inputs**2 if n_inputs > 1 else 1.0
    reach = float(ndtri(each)) * np.sqrt(max(spread / n_inputs, least))
    surely, maybe = int(np.count_nonzero(room >= reach)), int(np.count_nonzero(room >= -reach))
    low = float(betaincinv(surely, n - surely + 1.0, 1.0 - each)) if surely else 0.0
    return low, float(betaincinv(maybe + 1.0, n - maybe, each)) if maybe < n else 1.0


def for_few(n: int) -> float:
    """How much wider an interval has to be that a bootstrap of `n` values finds: Student's t for a normal law, n for n - 1."""
    from scipy.special import ndtri, stdtrit

    share = 0.5 * (1 + SURE)
    return float(stdtrit(n - 1, share) / ndtri(share) * np.sqrt(n / (n - 1))) if n > 1 else np.inf


def standard_error(by_chip: NDArray[np.float64], by_input: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard error of a mean change of accuracy, over chips and over test inputs.

    Parameters
    ----------
    by_chip : ndarray, shape (..., chips)
        Change of each chip, mean over inputs. [-]
    by_input : ndarray, shape (..., inputs)
        Change of each input, mean over chips; NaN where a task does not tell. [-]

    Notes
    -----
    The sum of both variances: what an input does in one chip alone is in either, so the error is a little too large, never too
    small. Of a single chip its inputs alone tell.
    """
    return np.asarray(np.sqrt(variance_over(by_chip) + variance_over_inputs(by_input, by_chip.mean(axis=-1))))


def total_shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the variance over a full grid that each axis takes part in: the mean variance along it, over that of all. [-]"""
    whole, each = values.var(), np.array([values.var(axis=axis).mean() for axis in range(values.ndim)])
    return np.asarray(each / whole if whole > 0 else np.zeros_like(each))
