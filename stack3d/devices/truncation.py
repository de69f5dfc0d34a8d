"""Bounds of conductance, with and without moving the mean."""

from __future__ import annotations

from functools import cache
from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

from stack3d.devices.laws import TRUNCATION, Reals, TruncationLaw
from stack3d.schema.base import Conductance
from stack3d.schema.device import DeviceDeck

_REACH = 4.0
"""Standard deviations from a bound beyond which rectification moves the mean by less than 1e-5 of one."""


@cache
def _rectified_mean() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of max(y + z, 0) for standard normal z, and its y: f(y) = y Φ(y) + φ(y), tabulated."""
    from scipy.special import ndtr

    y = np.linspace(-9.0, _REACH, 4001)
    return y * ndtr(y) + np.exp(-0.5 * y * y) / np.sqrt(2 * np.pi), y


def _shift(distance: Reals) -> Reals:
    """Move of the location, in sd, that keeps the mean of a normal rectified at `distance` sd below its mean."""
    mean, location = _rectified_mean()
    near = np.minimum(distance, _REACH)
    return np.asarray(np.interp(near, mean, location) - near, distance.dtype)


def mean_preserving(mean: Reals, sd: Reals | float, offset: Reals, *, lower: float, upper: float = np.inf) -> Reals:
    r"""Rectify a normal distribution at its bounds without moving its mean.

    Parameters
    ----------
    mean : ndarray
        Mean before and after, any shape; values outside the bounds are taken as the bound. [S]
    sd : float or ndarray
        Standard deviation of `offset`, broadcast against `mean`. [S]
    offset : ndarray
        Draws about the mean, broadcast against it. [S]
    lower, upper : float
        Bounds. [S]

    Returns
    -------
    ndarray
        Draws within the bounds. [S]

    Notes
    -----
    Clipping :math:`\mu + \sigma z` at a bound :math:`x\sigma` away moves the mean by
    :math:`\sigma[\varphi(x) - x\,\Phi(-x)]`. Here the location is moved first, to the :math:`y` with
    :math:`y\,\Phi(y) + \varphi(y) = x`, so that the mean stays; the standard deviation falls below `sd` close to a
    bound, down to 0 on it (nothing else has its mean on a bound). Two bounds are treated one by one, which holds
    to 6e-4 `sd` while they are at least 3 `sd` apart.
    """
    result = np.clip(np.broadcast_to(mean, np.broadcast_shapes(mean.shape, offset.shape)), lower, upper)
    near: NDArray[np.bool_] = np.zeros(result.shape, bool)
    if np.isfinite(lower):
        near |= result - lower < _REACH * sd
    if np.isfinite(upper):
        near |= upper - result < _REACH * sd
    if near.any():
        centre = result[near]
        scale = np.maximum(np.broadcast_to(np.asarray(sd, result.dtype), result.shape)[near], np.finfo(result.dtype).tiny)
        shift = np.zeros_like(centre)
        if np.isfinite(lower):
            shift += _shift((centre - lower) / scale)
        if np.isfinite(upper):
            shift -= _shift((upper - centre) / scale)
        result[near] += shift * scale
    result += offset
    return np.clip(result, lower, upper, out=result)


class _Bounded(TruncationLaw):
    also_fitted: ClassVar[tuple[str, ...]] = ("lower",)
    lower: Conductance = 0.0
    """Lower bound; a conductance is never negative."""
    upper: Conductance | None = None
    """Upper bound; absent = none."""

    def _bounds(self) -> tuple[float, float]:
        return self.lower, np.inf if self.upper is None else self.upper


@TRUNCATION.register("mean_preserving")
class MeanPreserving(_Bounded):
    """Rectified normal with its location moved so that the mean stays."""

    reference = "definition: the mean of a rectified normal is kept"

    @override
    def bound(self, mean: Reals, sd: Reals | float, offset: Reals, device: DeviceDeck) -> Reals:
        lower, upper = self._bounds()
        return mean_preserving(mean, sd, offset, lower=lower, upper=upper)


@TRUNCATION.register("clip")
class Clipping(_Bounded):
    """Plain clipping, as most published statistics were made; its mean is off near a bound."""

    reference = "definition"

    @override
    def bound(self, mean: Reals, sd: Reals | float, offset: Reals, device: DeviceDeck) -> Reals:
        lower, upper = self._bounds()
        return np.clip(mean + offset, lower, upper)
