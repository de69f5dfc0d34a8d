"""Equations of a few modes whose conductivity or films follow their state; SI units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from stack3d.fe.corrections import Left, corrected
from stack3d.layout import Floats
from stack3d.thermal.compact.compact_model import check_range
from stack3d.thermal.compact.followed_factors import FollowedFactors

ALONE = 1e-10
"""Relative residual of a solution."""
STEP = 0.01
"""Of the temperature in the slope of a film. [K]"""


class FollowedFilm(NamedTuple):
    """A film that follows its face.

    Parameters
    ----------
    name : str
    law : callable
        Temperature of the face [K] → film.
    held : float
        The film that the rates hold. [W m⁻² K⁻¹]
    limits : (float, float)
        [W m⁻² K⁻¹]
    reference : float
        Rise of its coolant over the base. [K]
    area : float
        [m²]
    unit : ndarray, shape (modes,)
        Integral of each mode over the face.
    matrix : ndarray, shape (modes, modes)
        Integral of two.
    """

    name: str
    law: Callable[[float], float]
    held: float
    limits: tuple[float, float]
    reference: float
    area: float
    unit: Floats
    matrix: Floats

    def at(self, mean: float) -> float:
        """At a mean temperature of the face [K]; raises RangeError outside its limits. [W m⁻² K⁻¹]"""
        film = self.law(mean)
        check_range(f"film of {self.name}", film, *self.limits, "W/m^2/K")
        return film


class Equations:
    """Modes that are orthonormal in the heat capacity, with what follows their state.

    Parameters
    ----------
    rates : ndarray, shape (modes,)
        At 300 K and the films held. [s⁻¹]
    base : float
        Temperature that rises count from. [K]
    factors : FollowedFactors or None
        On the modes.
    films : sequence of FollowedFilm
    """

    def __init__(self, rates: Floats, base: float, factors: FollowedFactors | None, films: Sequence[FollowedFilm] = ()) -> None:
        self.rates, self.base, self.factors, self._films = rates, base, factors, films
        self._slope = np.diag(rates)
        self.counts = {"solves": 0, "iterations": 0}

    def films(self, state: Floats) -> dict[str, float]:
        """Those that follow their face; raises RangeError where one leaves its range. [W m⁻² K⁻¹]"""
        return {one.name: one.at(self.base + float(one.unit @ state) / one.area) for one in self._films}

    def stiffness(self, state: Floats) -> Floats:
        """Heat that a state gives away."""
        return self._conducted(state)[0]

    def _conducted(self, state: Floats) -> tuple[Floats, Floats]:
        """The same, and its derivative."""
        out, slope = self.rates * state, np.diag(self.rates)
        if self.factors is not None:
            more, further = self.factors.at(state, self.base)
            out, slope = out + more, slope + further
        for one in self._films:
            mean, over = self.base + float(one.unit @ state) / one.area, one.matrix @ state - one.reference * one.unit
            low, now, high = (one.law(mean + step) for step in (-STEP, 0.0, STEP))
            out = out + (now - one.held) * over
            slope = slope + (now - one.held) * one.matrix
            slope = slope + np.outer(over, one.unit) * ((high - low) / (2 * STEP * one.area))
        return out, slope

    def solve(self, rate: float, right: Floats, guess: Floats) -> Floats:
        """State near `guess` whose heat, with `rate` times its storage, is `right`.

        Raises
        ------
        UncorrectedError
            Where none is found.
        RangeError
            Where a film leaves its range.
        """
        scale, still = float(np.linalg.norm(right)) or 1.0, rate * np.eye(right.size)
        self.counts["solves"] += 1

        def left(state: Floats) -> Left:
            conducted, self._slope = self._conducted(state)
            residual = right - conducted - rate * state
            return Left(residual, float(np.linalg.norm(residual)) / scale)

        def correct(residual: Floats, gain: float) -> tuple[Floats, int]:
            self.counts["iterations"] += 1
            return np.linalg.solve(self._slope + still, residual), 1

        found = corrected(guess, left, correct, tolerance=ALONE, what="a compact model over time").state
        self.films(found)
        return found

    def correct(self, rate: float, right: Floats) -> Floats:
        """Linear, near the last solution."""
        return np.asarray(np.linalg.solve(self._slope + rate * np.eye(right.size), right))
