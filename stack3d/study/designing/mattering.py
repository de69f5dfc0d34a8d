"""Which choices of a search matter: shares of the variance of the ranks of designs, by a model of those that ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.layout import Floats
from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.guessing import MOST_KNOWN, NOISE, alike

FEWEST = 12
"""Designs with a value that a model rests on."""
SOUND = 0.6
"""Share of what designs left out give that a model has to explain before anything is said by it. [-]"""
DRAWN = 4096
"""Designs that the model is asked for, and as many again for each choice."""
PARTS = 16
"""They are asked for in."""


@dataclass(frozen=True)
class Mattering:
    """What a choice matters for one output.

    Parameters
    ----------
    shares : ndarray, shape (choice,)
        Of the variance of ranks, that each choice takes part in; NaN where the model is not `SOUND`. [-]
    explained : float
        Share of the variance of the ranks of designs left out one by one that the others explain; NaN of too few. [-]
    """

    shares: Floats
    explained: float


def mattering(choices: Sequence[Choice], known: Sequence[Positions], values: Floats, seed: int) -> Mattering:
    """Total Sobol indices of a Gaussian process of ranks, over designs that mix entries as often as they ran.

    Parameters
    ----------
    choices : sequence of Choice
    known : sequence of tuple
        Designs that ran.
    values : ndarray, shape (known,)
        What they gave; those that are not finite are left out.
    seed : int
        Of the designs that the model is asked for.

    Notes
    -----
    Ranks, since a search looks little at designs that are far off, whose values would make most of the variance. The process is
    that of `guessed`. Designs left out one by one follow from its inverse: C. E. Rasmussen and C. K. I. Williams, Gaussian
    Processes for Machine Learning, 2006, equation 5.12. Indices by the estimator of M. J. W. Jansen, Computer Physics
    Communications 117, 35, 1999.
    """
    from scipy.linalg import inv
    from scipy.stats import qmc, rankdata

    none = np.full(len(choices), np.nan)
    usable = np.flatnonzero(np.isfinite(values))[-MOST_KNOWN:]
    if usable.size < FEWEST:
        return Mattering(none, np.nan)
    designs, y = [known[i] for i in usable], values[usable]
    if not np.ptp(y) > 1e-12 * np.abs(y).max():
        return Mattering(none, np.nan)
    y = rankdata(y)
    y -= y.mean()
    inverse = inv(alike(choices, designs, designs) + NOISE * np.eye(len(designs)))
    weights = inverse @ y
    explained = 1.0 - float(((weights / np.diag(inverse)) ** 2).sum() / (y**2).sum())
    if explained < SOUND:
        return Mattering(none, explained)
    shares = qmc.LatinHypercube(2 * len(choices), rng=np.random.default_rng(seed)).random(DRAWN)
    one, other = np.hsplit(shares, 2)
    entries = [sorted(column) for column in zip(*designs)]

    def likely(rows: Floats) -> Floats:
        """What the model says of designs, some at a time."""
        parts = (_designs(part, entries) for part in np.split(rows, PARTS))
        return np.concatenate([alike(choices, part, designs) @ weights for part in parts])

    first, second = likely(one), likely(other)
    total = [0.5 * np.mean((first - likely(_with(one, other, i))) ** 2) for i in range(len(choices))]
    return Mattering(np.asarray(total) / np.concatenate((first, second)).var(), explained)


def _with(one: Floats, other: Floats, i: int) -> Floats:
    """Rows of the one with a column of the other."""
    return np.column_stack((one[:, :i], other[:, i], one[:, i + 1 :]))


def _designs(shares: Floats, entries: Sequence[Sequence[int | float]]) -> list[Positions]:
    """Designs of entries at shares of those that ran, sorted."""
    return list(zip(*(np.array(known)[(share * len(known)).astype(int)] for share, known in zip(shares.T, entries))))


def mattering_told(choices: Sequence[Choice], text: str, found: Mattering) -> str:
    """What matters most for an output, in words; empty where nothing can be said."""
    if not np.isfinite(found.shares).all():
        return ""
    order = [i for i in np.argsort(-found.shares, kind="stable") if found.shares[i] >= 0.005]
    said = ", ".join(f"{choices[i].name} {100 * min(found.shares[i], 1.0):.0f} %" for i in order)
    model = f"a model that explains {100 * found.explained:.0f} % of designs left out"
    return f"what matters for the order of designs by {text}: {said} of its variance ({model})"
