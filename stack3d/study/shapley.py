r"""Shapley effects: each unknown's fair share of the variance of an output, also where unknowns are correlated.

Parts become known one after another, and each takes something off the variance that is left. The share of a part is the mean of
that over all orders [1]_. It is estimated along one random order per base point. Let :math:`Y` be the output at the base point,
and :math:`Y_k` that at a point that shares the first k parts of the order, with the others drawn anew, given these. Then

.. math:: \mathrm{E}[(Y - Y_k)^2 - (Y - Y_{k+1})^2] / 2

is what the next part takes off. The shares add up to one.

.. [1] A. B. Owen, Sobol' indices and Shapley value, SIAM/ASA J. Uncertainty Quantification 2, 245, 2014, doi:10.1137/130936233.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stack3d.chances import for_few
from stack3d.layout import Floats

Orders = NDArray[np.int64]
SMALLEST = 1e-9
"""Share of a unit variance that a correlated unknown keeps of its own, at least."""


def points(correlation: Floats, parts: Sequence[Sequence[int]], count: int, seed: int) -> tuple[Floats, Orders]:
    """What has to be computed.

    Parameters
    ----------
    correlation : ndarray
        Of the normal scores of the unknowns, shape (unknown, unknown). [-]
    parts : sequence of sequence of int
        Unknowns of each part.
    count : int
        Base points, a power of two.
    seed : int

    Returns
    -------
    points : ndarray
        Shares of the distributions, shape (base, 1 + part, unknown): the base point, then those that share 0, 1, … parts.
    orders : ndarray
        In which the parts become known, shape (base, part).
    """
    from scipy.special import ndtr, ndtri
    from scipy.stats import qmc

    n, rng = len(correlation), np.random.default_rng(seed)
    drawn = qmc.Sobol(n * (len(parts) + 1), rng=rng).random(count).clip(1e-12, 1 - 1e-12)
    fresh = ndtri(drawn).reshape(count, len(parts) + 1, n)
    fresh = fresh[:, rng.permutation(len(parts) + 1)]
    orders = np.array([rng.permutation(len(parts)) for _ in range(count)])
    scores = np.empty_like(fresh)
    scores[:, 0] = fresh[:, 0] @ np.linalg.cholesky(correlation).T
    for row, order in enumerate(orders):
        for k in range(len(parts)):
            known = [i for part in order[:k] for i in parts[part]]
            scores[row, k + 1] = _given(correlation, known, scores[row, 0], fresh[row, k + 1])
    return ndtr(scores), orders


def _given(correlation: Floats, known: list[int], at: Floats, fresh: Floats) -> Floats:
    """Normal scores whose known ones are as given, the others drawn from independent ones, shape (unknown,)."""
    out = at.copy()
    free = [i for i in range(len(at)) if i not in known]
    kept = correlation[np.ix_(free, free)]
    mean = np.zeros(len(free))
    if known:
        weights = np.linalg.solve(correlation[np.ix_(known, known)], correlation[np.ix_(known, free)]).T
        mean, kept = weights @ at[known], kept - weights @ correlation[np.ix_(known, free)]
    out[free] = mean + np.linalg.cholesky(kept) @ fresh[free]
    return out


def shares(values: Floats, orders: Orders, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Shapley effects from computed points, with half their 95 % intervals by bootstrap.

    Parameters
    ----------
    values : ndarray
        Of the output, shape (base, 1 + part).
    orders : ndarray
        Shape (base, part).
    resamples : int
    seed : int

    Returns
    -------
    effect, error : ndarray
        Shape (part,). [-]
    """
    base, others = values[:, :1], np.concatenate([values[:, 1:], values[:, :1]], axis=1)
    left = 0.5 * (base - others) ** 2
    taken = np.zeros(orders.shape)
    np.put_along_axis(taken, orders, left[:, :-1] - left[:, 1:], axis=1)
    whole = left[:, 0]
    rows = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    drawn = taken[rows].mean(axis=1) / whole[rows].mean(axis=1)[:, None]
    return taken.mean(axis=0) / whole.mean(), for_few(len(values)) * 1.96 * drawn.std(axis=0, ddof=1)


def correlation_of(keys: Sequence[str], pairs: Sequence[tuple[str, str, float]]) -> Floats:
    """Matrix of correlations, shape (unknown, unknown); raises ValueError where no numbers can be correlated so."""
    matrix = np.eye(len(keys))
    for one, other, value in pairs:
        i, j = keys.index(one), keys.index(other)
        matrix[i, j] = matrix[j, i] = value
    if np.linalg.eigvalsh(matrix)[0] < SMALLEST or not math.isfinite(matrix.sum()):
        raise ValueError("contradict each other: no numbers are correlated so")
    return matrix
