"""Which choices of a search matter: shares of the variance of the ranks of designs, by a model of those that ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.guessing import MOST_KNOWN, NOISE, alike
from stack3d.study.shares import told as share_told

FEWEST = 12
"""Designs with a value that a model rests on."""
SOUND = 0.6
"""Share of what designs left out give that a model has to explain before anything is said by it. [-]"""
DRAWN = 4096
"""Designs that the model is asked for, and as many again for each choice."""
PARTS = 16
"""They are asked for in."""


GROUPS = 10
"""Of designs, each left out once, whose shares say how sure a share is."""
QUICK = 1024
"""Designs that the models without a group are asked for."""


@dataclass(frozen=True)
class Mattering:
    """What a choice matters for one output.

    Parameters
    ----------
    shares : ndarray, shape (choice,)
        Of the variance of ranks, that each choice takes part in; 0 where the designs show none, NaN where the model is not
        `SOUND`. [-]
    errors : ndarray, shape (choice,)
        Half the 95 % interval of each; of a choice that shows none the share that a model which has it would give it. [-]
    explained : float
        Share of the variance of the ranks of designs left out one by one that the others explain; NaN of too few. [-]
    """

    shares: Floats
    errors: Floats
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
    that of `guessed`, of the choices that help to tell designs left out: a choice goes, the least first, as long as the others
    tell them as well without it. Intervals are by the jackknife over groups of designs.
    Designs left out one by one follow from the inverse of the process: C. E. Rasmussen and C. K. I. Williams, Gaussian
    Processes for Machine Learning, 2006, equation 5.12. Indices by the estimator of M. J. W. Jansen, Computer Physics
    Communications 117, 35, 1999.
    """
    from scipy.stats import rankdata

    none = np.full(len(choices), np.nan)
    usable = np.flatnonzero(np.isfinite(values))[-MOST_KNOWN:]
    if usable.size < FEWEST:
        return Mattering(none, none, np.nan)
    designs, y = np.array([known[i] for i in usable], dtype=float), values[usable]
    if not np.ptp(y) > 1e-12 * np.abs(y).max():
        return Mattering(none, none, np.nan)
    whole = _Model(choices, range(len(choices)), designs, rankdata(y))
    model = _kept(whole)
    if model.explained < SOUND:
        return Mattering(none, none, model.explained)
    shares, errors = model.shares(DRAWN, seed), np.zeros(len(choices))
    groups = np.random.default_rng(seed).permutation(len(designs)) % GROUPS
    apart = [model.without(groups == g).shares(QUICK, seed) for g in range(GROUPS)]
    errors = 1.96 * np.sqrt((GROUPS - 1) * np.var(apart, axis=0))
    gone = [i for i in range(len(choices)) if i not in model.kept]
    errors[gone] = whole.shares(QUICK, seed)[gone]
    return Mattering(shares, errors, model.explained)


class _Model:
    """A Gaussian process of ranks over some of the choices.

    Parameters
    ----------
    choices : sequence of Choice
        All of them.
    kept : sequence of int
        Those that it knows.
    designs : ndarray, shape (designs, choice)
    ranks : ndarray, shape (designs,)
    """

    def __init__(self, choices: Sequence[Choice], kept: Sequence[int], designs: Floats, ranks: Floats) -> None:
        from scipy.linalg import inv

        self.choices, self.kept, self.designs, self.ranks = choices, list(kept), designs, ranks
        y = ranks - ranks.mean()
        inverse = inv(self._alike(designs) + NOISE * np.eye(len(designs)))
        self.weights = inverse @ y
        self.explained = 1.0 - float(((self.weights / np.diag(inverse)) ** 2).sum() / (y**2).sum())

    def _alike(self, some: Floats) -> Floats:
        """Correlation of some designs with its own, shape (some, own)."""
        return alike([self.choices[i] for i in self.kept], some[:, self.kept], self.designs[:, self.kept])

    def of(self, kept: Sequence[int]) -> _Model:
        """A model of the same designs that knows these choices."""
        return _Model(self.choices, kept, self.designs, self.ranks)

    def without(self, left_out: NDArray[np.bool_]) -> _Model:
        """A model of the same choices without some designs."""
        return _Model(self.choices, self.kept, self.designs[~left_out], self.ranks[~left_out])

    def shares(self, count: int, seed: int) -> Floats:
        """Total indices, of so many designs and as many again for each choice; 0 for choices that it does not know."""
        from scipy.stats import qmc

        n = len(self.choices)
        drawn = qmc.LatinHypercube(2 * n, rng=np.random.default_rng(seed)).random(count)
        one, other = np.hsplit(drawn, 2)
        first, second = self._likely(one), self._likely(other)
        total = np.zeros(n)
        for i in self.kept:
            total[i] = 0.5 * np.mean((first - self._likely(_with(one, other, i))) ** 2)
        return total / np.concatenate((first, second)).var()

    def _likely(self, rows: Floats) -> Floats:
        """What it says of designs at shares of those that ran, some at a time."""
        entries = np.sort(self.designs, axis=0)
        at = (rows * len(entries)).astype(int)
        asked = np.take_along_axis(entries, at, axis=0)
        return np.concatenate([self._alike(part) @ self.weights for part in np.split(asked, PARTS)])


def _kept(model: _Model) -> _Model:
    """The model of the choices that help to tell designs left out."""
    while len(model.kept) > 1:
        fewer = [model.of([k for k in model.kept if k != i]) for i in model.kept]
        best = max(fewer, key=lambda one: one.explained)
        if best.explained < model.explained:
            break
        model = best
    return model


def _with(one: Floats, other: Floats, i: int) -> Floats:
    """Rows of the one with a column of the other."""
    return np.column_stack((one[:, :i], other[:, i], one[:, i + 1 :]))


def mattering_told(choices: Sequence[Choice], text: str, found: Mattering) -> str:
    """What matters most for an output, in words; empty where nothing can be said."""
    if not np.isfinite(found.shares).all():
        return ""
    order = [i for i in np.argsort(-found.shares, kind="stable") if found.shares[i] > 0]
    said = ", ".join(f"{choices[i].name} {share_told(found.shares[i], found.errors[i])}" for i in order)
    gone = " and ".join(choices[i].name for i in range(len(choices)) if i not in order)
    shows = f"; of {gone} the designs show no effect" if gone else ""
    model = f"a model that explains {100 * found.explained:.0f} % of designs left out"
    return f"what matters for the order of designs by {text}: {said} of its variance ({model}){shows}"
