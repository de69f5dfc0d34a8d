"""Whether a law follows its data: misses beside the scatter of repeats, beside what is known of statistics, or in runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats

SELDOM = 1e-3
"""Chance below which misses are no chance."""
FEWEST = 12
"""Readings from which on neighbours are compared."""


@dataclass(frozen=True)
class Quality:
    """A test of a law against its data."""

    chance: float
    """That misses are as large where the law is right. [-]"""
    words: str

    @property
    def follows(self) -> bool:
        """Whether the law follows the data as far as they can tell."""
        return self.chance >= SELDOM


def _judged(chance: float, measure: str, worst: str = "") -> Quality:
    """A quality with its words.

    Parameters
    ----------
    chance : float
        Of misses as large. [-]
    measure : str
        How it was found.
    worst : str, optional
        Where the law misses most, told where it does not follow the data.
    """
    told = f"p = {chance:.2g}" if chance > 1e-6 else "p < 1e-6"
    if chance >= SELDOM:
        return Quality(chance, f"the law follows the data: {measure} ({told})")
    more = f"; {worst}" if worst else ""
    text = f"the law does not follow the data: {measure} ({told}){more}; the intervals hold only as far as the law does"
    return Quality(chance, text)


def beside_repeats(
    residual: Floats, group: NDArray[np.intp], used: tuple[float, float], worst: Callable[[int, float], str]
) -> Quality | None:
    """The F test of lack of fit: means of repeats off the law, beside the scatter of repeats about their means.

    Parameters
    ----------
    residual : ndarray, shape (readings,)
        Over the noise of a read. [-]
    group : ndarray, shape (readings,)
        Which readings repeat each other.
    used : tuple of float
        Degrees of freedom that the fit took from the means, and from the scatter.
    worst : callable
        What is told of the group with the largest miss, by its number, its mean residual and the scatter. [-]

    References
    ----------
    .. [1] N. R. Draper and H. Smith, Applied Regression Analysis, 3rd ed. (1998), section 2.1.
    """
    from scipy.stats import f

    count = np.bincount(group)
    mean = np.bincount(group, residual) / count
    missed, scatter = float(np.sum(count * mean**2)), float(np.sum((residual - mean[group]) ** 2))
    of_means, of_scatter = count.size - used[0], residual.size - count.size - used[1]
    if of_means < 1 or of_scatter < 3 or scatter <= 0:
        return None
    ratio = (missed / of_means) / (scatter / of_scatter)
    measure = f"its misses are {math.sqrt(ratio):.2g} times what the scatter of repeats leaves to chance"
    place = int(np.argmax(count * mean**2))
    own = math.sqrt(scatter / of_scatter)
    said = worst(place, float(mean[place]))
    if own < 0.8:
        said += f"; repeats alone scatter by {own:.2g} times the fitted noise, which holds the misses too"
    return _judged(float(f.sf(ratio, of_means, of_scatter)), measure, said)


def leaning(draw: Floats, known: Floats, group: NDArray[np.intp], names: Sequence[str]) -> Quality | None:
    """Whether the draws of cells are as random as the law has them: those of a group shall not lean together.

    Parameters
    ----------
    draw : ndarray, shape (cells,)
        Most likely ones, standard normal where the law is right. [-]
    known : ndarray, shape (cells,)
        Share of each that its readings tell. [-]
    group : ndarray, shape (cells,)
    names : sequence of str
        Of the groups.
    """
    from scipy.stats import f

    known = np.maximum(known, 1e-3)
    total, weight = np.bincount(group, draw, len(names)), np.bincount(group, known, len(names))
    freedom = len(names) - 1, draw.size - len(names)
    if min(freedom) < 1 or weight.min() < 1:
        return None
    off = total - weight * total.sum() / weight.sum()
    within = float(np.sum((draw - known * (total / weight)[group]) ** 2 / known)) / freedom[1]
    ratio, at = float(np.sum(off**2 / weight)) / freedom[0] / within, int(np.argmax(off**2 / weight))
    worst = f"most those of {names[at]}, on average {off[at] / weight[at]:+.2g} standard deviations off"
    measure = f"cells of a level lean together {math.sqrt(ratio):.2g} times as far as their scatter leaves to chance"
    return _judged(float(f.sf(ratio, *freedom)), measure, worst)


def worse(found: Quality | None, other: Quality | None) -> Quality | None:
    """What was found, or the other where that alone says that a law does not follow."""
    is_other = other is not None and not other.follows and (found is None or found.follows)
    return other if is_other else found


def beside_known(residual: Floats, values: float, what: str) -> Quality | None:
    """The chi-square test of residuals whose scatter is known, shape (numbers,), after `values` were fitted."""
    from scipy.stats import chi2

    freedom = residual.size - values
    if freedom < 1:
        return None
    found = float(residual @ residual)
    measure = f"chi-square of {what} {found:.3g} for {freedom:.3g} degrees of freedom"
    at = int(np.argmax(np.abs(residual)))
    return _judged(
        float(chi2.sf(found, freedom)), measure, f"the worst is off by {abs(float(residual[at])):.2g} standard errors"
    )


def in_runs(place: Floats, residual: Floats) -> Quality | None:
    """Whether neighbouring residuals, shape (readings,), lean the same way: von Neumann's ratio, as a normal deviate."""
    from scipy.stats import norm

    if residual.size < FEWEST:
        return None
    off = residual[np.argsort(place, kind="stable")]
    off = off - off.mean()
    square = float(off @ off)
    if square <= 0:
        return None
    alike = float(off[1:] @ off[:-1]) / square
    z = alike * math.sqrt((off.size**2 - 1) / max(off.size - 2, 1))
    return _judged(float(norm.sf(z)), f"neighbouring residuals are alike by {alike:.2g} (0 = by chance, 1 = all)")
