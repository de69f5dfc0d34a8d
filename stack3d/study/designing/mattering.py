"""Which choices of a search matter: shares of the variance of the ranks of all designs, as far as those that ran tell them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.chances import total_shares
from stack3d.layout import Floats
from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.output_process import LevelRows, OutputProcess

FEWEST = 12
"""Designs with a value that anything is said by."""
MOST = 150
"""Designs that it is said by, evenly among those that ran."""
SOUND = 0.6
"""Share of what designs left out give that the others have to explain before anything is said by them. [-]"""
DRAWS = 100
"""Of what all designs may give."""
MOST_LISTED = 4096
"""Designs that are all asked for; of more a sample is."""
SAMPLED = 512
"""Designs of that sample, and as many again for each choice."""
SURE = 0.9
"""Confidence of an interval. [-]"""
LEFT_OUT, LAST_DIGIT = 0.25, 0.01
"""An interval is wider at either end by that share of what is not explained of designs left out, and by so much. [-]"""
ALIKE = 1e-3
"""Designs are equal whose outputs differ by less, in standard deviations. [-]"""


@dataclass(frozen=True)
class Mattering:
    """What a choice matters for one output.

    Parameters
    ----------
    shares : ndarray, shape (choice,)
        Of the variance of the ranks of all designs, that each choice takes part in: the median of what it may be; NaN where the
        designs that ran do not tell. [-]
    low, high : ndarray, shape (choice,)
        Ends of the 90 % interval of each. [-]
    explained : float
        Share of the variance of the ranks of designs left out one by one that the others explain; NaN of too few. [-]
    """

    shares: Floats
    low: Floats
    high: Floats
    explained: float

    @property
    def is_known(self) -> bool:
        """Whether anything may be said."""
        return bool(np.isfinite(self.shares).all())


def mattering(choices: Sequence[Choice], known: Sequence[Positions], values: Floats, seed: int) -> Mattering:
    """Total Sobol indices of the ranks of all designs, and how sure they are.

    Parameters
    ----------
    choices : sequence of Choice
    known : sequence of tuple
        Designs that ran.
    values : ndarray, shape (known,)
        What they gave; those that are not finite are left out.
    seed : int
        Of the draws.

    Notes
    -----
    All designs are those whose entries of lists have given a value at least once, an interval at eight places. What they may
    give is drawn (`OutputProcess`) a hundred times; each draw has its ranks and its shares. Ranks, since a few designs far off
    would make most of the variance of values. Intervals are wider by a quarter of what the process leaves unexplained of
    designs left out: it cannot know how far it is wrong where no design ran.
    """
    none, usable = np.full(len(choices), np.nan), np.flatnonzero(np.isfinite(values))
    unknown = Mattering(none, none, none, np.nan)
    if usable.size < FEWEST:
        return unknown
    usable = usable[np.linspace(0, usable.size - 1, min(usable.size, MOST)).astype(int)]
    designs, y = np.array([known[i] for i in usable], dtype=float), values[usable]
    if not np.ptp(y) > 1e-12 * np.abs(y).max():
        return unknown
    rng = np.random.default_rng(seed)
    process = OutputProcess(choices, designs, y, rng)
    settings = process.settings(DRAWS)
    explained = float(np.median([process.explained(setting) for setting in settings[:: DRAWS // 10]]))
    if not explained >= SOUND:
        return Mattering(none, none, none, explained)
    rows, shares_of = _asked([len(level) for level in process.levels], rng)
    drawn = np.array([shares_of(process.drawn(setting, rows)) for setting in settings])
    low, middle, high = np.quantile(drawn, [0.5 * (1 - SURE), 0.5, 0.5 * (1 + SURE)], axis=0)
    wider = LAST_DIGIT + LEFT_OUT * (1.0 - explained)
    return Mattering(middle, np.maximum(low - wider, 0.0), np.minimum(high + wider, 1.0), explained)


def _asked(counts: Sequence[int], rng: np.random.Generator) -> tuple[LevelRows, Callable[[Floats], Floats]]:
    """Designs to ask for, and the shares that what they give makes: of all, or of a sample by the estimator of Jansen.

    References
    ----------
    .. [1] M. J. W. Jansen, Analysis of variance designs for model output, Computer Physics Communications 117, 35, 1999.
    """
    if float(np.prod(counts, dtype=float)) <= MOST_LISTED:
        rows = np.array(list(np.ndindex(*counts)))
        return rows, lambda values: total_shares(_ranks(values).reshape(counts))
    from scipy.stats import qmc

    n = len(counts)
    at = (qmc.Sobol(2 * n, rng=rng).random(SAMPLED) * np.tile(counts, 2)).astype(int)
    one, other = np.hsplit(at, 2)
    mixed = [np.column_stack((one[:, :i], other[:, i], one[:, i + 1 :])) for i in range(n)]
    rows, back = np.unique(np.concatenate((one, other, *mixed)), axis=0, return_inverse=True)

    def shares(values: Floats) -> Floats:
        ranks = _ranks(values)[back.ravel()].reshape(n + 2, SAMPLED)
        variance = ranks[:2].var()
        return np.asarray(0.5 * ((ranks[0] - ranks[2:]) ** 2).mean(axis=1) / variance) if variance > 0 else np.zeros(n)

    return rows, shares


def _ranks(values: Floats) -> Floats:
    """Ranks, of what differs by no more than rounding the same."""
    from scipy.stats import rankdata

    size = values.std()
    return np.asarray(rankdata(np.round(values / (ALIKE * size)) if size > 0 else values))


def share_told(share: float, low: float, high: float) -> str:
    """A share with its interval."""
    if round(100 * low) <= 0:
        return f"at most {100 * high:.0f} %"
    if round(100 * high) >= 100:
        return f"at least {100 * low:.0f} %"
    return f"{100 * share:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def mattering_told(choices: Sequence[Choice], text: str, found: Mattering) -> str:
    """What matters most for an output, in words; empty where nothing can be said."""
    if not found.is_known:
        return ""
    order = np.argsort(-found.shares, kind="stable")
    said = ", ".join(f"{choices[i].name} {share_told(found.shares[i], found.low[i], found.high[i])}" for i in order)
    sure = f"confidence {100 * SURE:.0f} %, by a model that explains {100 * found.explained:.0f} % of designs left out"
    return f"what matters for the order of all designs by {text}: {said} of its variance ({sure})"
