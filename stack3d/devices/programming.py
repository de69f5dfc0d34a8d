"""Programming error: what write-verify leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import singledispatch
from statistics import NormalDist
from typing import Annotated, Any, ClassVar, override

import numpy as np
from pydantic import BeforeValidator, model_validator

from stack3d.devices.laws import PROGRAMMING, ProgrammingLaw, Reals
from stack3d.devices.levels import Coefficients, Statistics, polynomial
from stack3d.schema.base import Conductance, Count, Fraction, Number, bare
from stack3d.schema.device import DeviceDeck


def write_verify(pulse_sd: float, window: float, max_pulses: int) -> tuple[float, float, float]:
    r"""Statistics of a write loop that re-pulses until the error is inside a window.

    Parameters
    ----------
    pulse_sd : float
        Standard deviation of the conductance after one pulse about the target. [S]
    window : float
        Half width of acceptance. [S]
    max_pulses : int
        Pulses after which the loop gives up and keeps the last value. [-]

    Returns
    -------
    sd, pulses, failed : float
        Standard deviation of the error left [S], mean number of pulses [-], share of cells outside the window [-].

    Notes
    -----
    Each pulse is an independent normal draw, accepted with :math:`p = \mathrm{erf}(a/\sqrt2)`, :math:`a` = window/sd.
    Pulses: :math:`(1-(1-p)^n)/p`; variance inside the window: :math:`1 - 2a\varphi(a)/p`, outside it
    :math:`1 + 2a\varphi(a)/(1-p)`.
    """
    a = window / pulse_sd
    accept = math.erf(a / math.sqrt(2))
    failed = math.erfc(a / math.sqrt(2)) ** max_pulses
    edge = 2 * a * math.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)
    inside = 1 - edge / accept
    outside = 1 + edge / (1 - accept) if accept < 1 else 0.0
    variance = (1 - failed) * inside + failed * outside
    return pulse_sd * math.sqrt(variance), (1 - failed) / accept, failed


@PROGRAMMING.register("polynomial")
class Polynomial(Statistics, ProgrammingLaw):
    """Standard deviation as a polynomial in G/g_max."""

    reference = "definition"

    coefficients: Coefficients
    """c_0, c_1, … in units of `unit`."""

    @override
    def error(self, target: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        return 0.0, polynomial(target / device.g_max, self.coefficients) * self.scale(device)


@PROGRAMMING.register("linear")
class Linear(ProgrammingLaw):
    """Standard deviation `offset` + `slope` G."""

    reference = "definition"

    offset: Conductance
    """Standard deviation of an empty cell."""
    slope: Annotated[float, BeforeValidator(bare)]
    """Growth of the standard deviation per conductance."""

    @model_validator(mode="after")
    def _not_flat_zero(self) -> Linear:
        if self.offset == 0 and self.slope < 0:
            raise ValueError("offset 0 with a negative slope makes the standard deviation negative")
        return self

    @override
    def error(self, target: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        return 0.0, target * self.slope + self.offset


@PROGRAMMING.register("write_verify")
class WriteVerify(ProgrammingLaw):
    """Pulses until the error is inside a window."""

    reference = "definition: normal errors of pulses until one lies in the window"

    assumptions: ClassVar[Mapping[str, Any]] = {"max_pulses": 100}
    window: Fraction
    """Half width of acceptance, as a share of g_max."""
    pulse_sd: Fraction
    """Standard deviation after one pulse, as a share of g_max."""
    max_pulses: Count
    """Pulses after which the cell is left as it is."""

    @override
    def error(self, target: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        return 0.0, device.g_max * write_verify(self.pulse_sd, self.window, self.max_pulses)[0]

    @override
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> Reals:
        from scipy.special import ndtr, ndtri

        sd, _, failed = write_verify(self.pulse_sd, self.window, self.max_pulses)
        tail = float(ndtr(-self.window / self.pulse_sd))
        u = rng.random(shape)
        # one uniform per cell: its lowest `failed` share serves the two tails, the rest the inside of the window
        inside = ndtri(tail + (u - failed) / (1 - failed) * (1 - 2 * tail))
        share = 2 * u / failed if failed else u
        outside = np.where(share < 1, ndtri(share * tail), -ndtri((2 - share) * tail))
        return np.asarray(np.where(u < failed, outside, inside) * (self.pulse_sd / sd), dtype)

    @override
    def pulses(self, device: DeviceDeck) -> float:
        return write_verify(self.pulse_sd, self.window, self.max_pulses)[1]


LOOSEST = 8.0
"""Half width of acceptance, in deviations of a pulse, that takes every first pulse."""


def loosening(pulses: float, fewer: float) -> float:
    r"""Growth of the standard deviation when a write loop has `fewer` mean pulses than `pulses`, both at least 1. [-]

    Notes
    -----
    The loop of `write_verify` without end: :math:`p = 1/n` of the pulses are accepted, which gives the window :math:`a`, and
    the deviation left is :math:`\sqrt{1 - 2a\varphi(a)/p}` of that of a pulse. Assumed for laws that state the error of one
    loop only. At many pulses the error goes with the window: 2 % and 0.2 % acceptance of CMO/HfOx cells leave 0.0113 G and
    0.00107 G (Falcone et al. 2025).
    """
    normal = NormalDist()

    def left(mean: float) -> float:
        a = normal.inv_cdf(0.5 + 0.5 / mean) if mean > 1 else math.inf
        return math.sqrt(1 - 2 * a * normal.pdf(a) * mean) if math.isfinite(a) else 1.0

    return left(fewer) / left(pulses)


class Loosened(ProgrammingLaw):
    """Another law's error, larger by a factor."""

    law: ProgrammingLaw
    growth: Number

    @override
    def error(self, target: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        shift, sd = self.law.error(target, device)
        return shift, sd * self.growth

    @override
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> Reals:
        return self.law.draw(rng, shape, dtype)


@singledispatch
def loosened(law: ProgrammingLaw, pulses: float, device: DeviceDeck) -> ProgrammingLaw:
    """Return the law of the same loop with a window so wide that it takes `pulses` on average, 1 or more."""
    return Loosened(valid=law.valid, law=law, growth=loosening(law.pulses(device), pulses))


@loosened.register
def _(law: WriteVerify, pulses: float, device: DeviceDeck) -> ProgrammingLaw:
    from scipy.optimize import brentq

    def excess(a: float) -> float:
        return write_verify(1.0, a, law.max_pulses)[1] - pulses

    a = float(brentq(excess, law.window / law.pulse_sd, LOOSEST)) if excess(LOOSEST) < 0 else LOOSEST
    return law.model_copy(update={"window": a * law.pulse_sd})
