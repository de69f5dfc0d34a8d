"""What may be said of shares of a variance: no more than their intervals support."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stack3d.layout import Floats
from stack3d.study.sensitivity import OTHERS
from stack3d.variables import WIDEST_SHARE

MOST_LED = 3
"""Unknowns that are named together as the strongest; of more none stands out."""
MOST_NAMED = 4


def ranking(output: str, parts: Sequence[str], share: Floats, error: Floats, *, verb: str, count: int) -> str:
    """The sentence on what to measure first.

    Parameters
    ----------
    output : str
        Its text.
    parts : sequence of str
    share, error : ndarray, shape (part,)
        Of the variance, and half the 95 % interval; NaN where too few cases have a value. [-]
    verb : str
        What an unknown does to its share.
    count : int
        Base points that the shares are of.

    Notes
    -----
    A share is told when half its interval, cut to what a share can be, is at most `WIDEST_SHARE`. An unknown comes first
    when no other one's interval reaches into its own.
    """
    known = np.flatnonzero(np.isfinite(share))
    if not known.size:
        return f"too few cases have a value of {output} for shares of its variance"
    low, high = np.clip(share[known] - error[known], 0, 1), np.clip(share[known] + error[known], 0, 1)
    beyond = known[(high - low > 2 * WIDEST_SHARE) | (low >= 1)]
    if beyond.size:
        wants = count * max(2.0, (min(float(error[beyond].max()), 1.0) / WIDEST_SHARE) ** 2)
        wanted = f"with count: {count}; it wants {2 ** math.ceil(math.log2(wants))}"
        return f"shares of the variance of {output} are not told apart {wanted}"
    order = known[np.argsort(-share[known], kind="stable")]
    own = [i for i in order if parts[i] != OTHERS] or [order[0]]
    first = [i for i in own if share[i] + error[i] >= share[own[0]] - error[own[0]]]
    if len(first) > MOST_LED:
        return f"no unknown stands out in the variance of {output}: the intervals of {len(first)} overlap"
    leads = " or ".join(named(parts[i]) for i in first)
    who = f"it {verb}" if len(first) == 1 else "their intervals overlap,"
    shares = " and ".join(told(share[i], error[i]) for i in first)
    rest = [f"{named(parts[i])} {told(share[i], error[i])}" for i in order if i not in first][: MOST_NAMED - len(first)]
    then = f"; then {', '.join(rest)}" if rest else ""
    return f"measure {leads} first: {who} {shares} of the variance of {output}{then}"


def screened(output: str, unknowns: Sequence[str], effect: Floats, error: Floats) -> str:
    """What the screening says of an output where shares say nothing; empty where nothing was screened.

    Parameters
    ----------
    output : str
        Its text.
    unknowns : sequence of str
    effect, error : ndarray, shape (unknown,)
        Of each over its range, and half the 95 % interval.
    """
    if not np.isfinite(effect).any():
        return ""
    best = int(np.nanargmax(effect))
    level = np.flatnonzero(effect + error >= effect[best] - error[best]).tolist()
    if len(level) == len(unknowns) > 1:
        return f"the screening cannot tell the unknowns of {output} apart"
    if len(level) > MOST_LED:
        return f"the screening cannot tell the {len(level)} strongest unknowns of {output} apart"
    return f"the screening finds {' or '.join(named(unknowns[i]) for i in level)} the strongest on {output}"


def told(share: float, error: float) -> str:
    """A share with its interval, cut to what a share can be."""
    low, high = 100 * (share - error), 100 * (share + error)
    if low < 0 and high > 100:
        return "0 to 100 %"
    if high > 100:
        return f"at least {min(low, 100.0):.0f} %"
    return f"at most {max(high, 0.0):.0f} %" if low < 0 else f"{100 * share:.0f} ± {100 * error:.0f} %"


def named(part: str) -> str:
    """A part as it is said."""
    return part.removesuffix(".value")
