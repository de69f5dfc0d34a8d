"""Functions of the level u = G/g_max in which published statistics come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field

from stack3d.devices.laws import Reals
from stack3d.schema.base import POSITIVE, Conductance, DeckModel, Fraction, bare
from stack3d.schema.device import DeviceDeck

Coefficients = Annotated[tuple[float, ...], Field(min_length=1), BeforeValidator(bare)]
Factor = Annotated[float, BeforeValidator(bare)]


def polynomial(level: Reals, coefficients: tuple[float, ...]) -> Reals:
    """Σ c_k level^k by Horner's rule, in the precision of `level`."""
    result = np.full_like(level, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result *= level
        result += c
    return result


class Statistics(DeckModel):
    """Coefficients in units of a conductance."""

    unit: Conductance
    """Conductance that a coefficient of 1 stands for."""
    range: Annotated[Conductance, POSITIVE] | None = None
    """g_max of the measurement: at another g_max all statistics scale with it; absent = they do not."""

    def scale(self, device: DeviceDeck) -> float:
        """Conductance that a coefficient of 1 stands for in `device`. [S]"""
        return self.unit if self.range is None else self.unit * device.g_max / self.range


class LevelFunction(DeckModel):
    """min(max(offset + slope ln u, low), high), and from a level on a polynomial in u."""

    conventions: ClassVar[Mapping[str, Any]] = {"low": 0.0, "high": 1.0}
    """Ends that a fit holds: what the function describes (exponents, shares) lies between them."""
    offset: Factor
    slope: Factor
    low: Factor
    high: Factor
    above_level: Fraction = 1.0
    """Level from which `above_coefficients` take over."""
    above_coefficients: Coefficients | None = None

    def __call__(self, level: Reals) -> Reals:
        """Evaluate at `level` u, floored at 1e-7. [-]"""
        value = np.clip(np.log(np.maximum(level, 1e-7)) * self.slope + self.offset, self.low, self.high)
        if self.above_coefficients is None:
            return value
        return np.where(level < self.above_level, value, polynomial(level, self.above_coefficients))
