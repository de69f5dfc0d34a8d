"""What a design is likely to give, from those that are known: a Gaussian process over the positions of its choices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stack3d.layout import Floats
from stack3d.study.designing.designs import Choice, Positions

REACH = 0.5
"""Share of a list in order, or of an interval, over which what designs give is alike, [-]."""
UNLIKE = 0.3
"""Correlation of two entries of a list without order. [-]"""
NOISE = 1e-3
"""Variance of what no choice explains, over that of what designs give. [-]"""
MOST_KNOWN = 400
"""Designs that a guess rests on, the last ones."""


def guessed(
    choices: Sequence[Choice],
    known: Sequence[Positions],
    values: Floats,
    asked: Sequence[Positions],
    rng: np.random.Generator,
) -> Floats:
    """One draw of what designs may give, joint over them: likely values, and as far off as is not yet known.

    Parameters
    ----------
    choices : sequence of Choice
    known : sequence of tuple
    values : ndarray, shape (known, outputs)
    asked : sequence of tuple
    rng : Generator

    Returns
    -------
    ndarray, shape (asked, outputs)

    Notes
    -----
    The correlation is half the mean over choices of how alike two positions are, half the product: one choice moves an output
    by itself before several do together. C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, 2006.
    """
    from scipy.linalg import cho_factor, cho_solve

    known, values = known[-MOST_KNOWN:], values[-MOST_KNOWN:]
    mean = values.mean(axis=0)
    spread = np.maximum(values.std(axis=0), 1e-12 * np.abs(mean) + np.finfo(float).tiny)
    among, across = alike(choices, known, known), alike(choices, asked, known)
    factor = cho_factor(among + NOISE * np.eye(len(known)))
    likely = across @ cho_solve(factor, (values - mean) / spread)
    left = alike(choices, asked, asked) - across @ cho_solve(factor, across.T)
    size, ways = np.linalg.eigh(left)
    off = ways @ (np.sqrt(np.maximum(size, 0.0))[:, None] * rng.standard_normal((len(asked), values.shape[1])))
    return np.asarray(mean + spread * (likely + off))


def alike(choices: Sequence[Choice], some: Sequence[Positions] | Floats, others: Sequence[Positions] | Floats) -> Floats:
    """Correlation between designs, shape (some, others)."""
    one, two = np.array(some, dtype=float), np.array(others, dtype=float)
    apart = np.abs(one[:, None] - two[None])
    each = np.empty_like(apart)
    for i, choice in enumerate(choices):
        if choice.count and not choice.is_ordered:
            each[..., i] = np.where(apart[..., i] > 0, UNLIKE, 1.0)
        else:
            each[..., i] = np.exp(-apart[..., i] / (REACH * max(choice.count - 1, 1)))
    return np.asarray(0.5 * (each.mean(axis=-1) + each.prod(axis=-1)))
