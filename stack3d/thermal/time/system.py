"""What a scheme of steps in time sees of a system."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from stack3d.errors import ArrayError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.fields.field import Field
from stack3d.thermal.problem import HeatProblem
from stack3d.thermal.time.body import Boundary
from stack3d.thermal.time.portions import Portion
from stack3d.thermal.time.schedule import PowerSchedule

StepWatch = Callable[[float, Floats], None]
"""Told of an instant [s] and the state there: the start, and the end of every step."""


@dataclass(frozen=True, eq=False)
class PowerCourse:
    """A schedule, and how far it is followed.

    Parameters
    ----------
    schedule : PowerSchedule
    until : float
        Infinite where its periodic state is sought. [s]
    """

    schedule: PowerSchedule
    until: float

    @classmethod
    def of(cls, sources: Sequence[HeatSource]) -> PowerCourse:
        """Powers that stay, until all has settled."""
        return cls(PowerSchedule.constant(np.array([source.power for source in sources])), np.inf)

    @property
    def lengths(self) -> Floats:
        """Of the intervals of one period, or of all up to the end; none is below zero. [s]"""
        end = self.until if self.schedule.period is None else self.schedule.period
        return np.clip(np.diff([*self.schedule.times, max(end, float(self.schedule.times[-1]))]), 0.0, self.until)

    @property
    def mean(self) -> Floats:
        """Powers in the mean of one period, or of all intervals, shape (sources,). [W]"""
        weights = np.isinf(self.lengths) if np.isinf(self.lengths).any() else self.lengths
        return np.asarray(weights @ self.schedule.powers / weights.sum())

    def is_of(self, other: PowerCourse) -> bool:
        """Whether both are the same."""
        mine, its = self.schedule, other.schedule
        same = np.array_equal(mine.times, its.times) and np.array_equal(mine.powers, its.powers)
        return same and (mine.period, self.until) == (its.period, other.until)


class Exact(Protocol):
    """A system in time that is solved without steps."""

    def periodic(self, schedule: PowerSchedule, times: Sequence[float], watch: StepWatch | None = None) -> TransientResult:
        """Temperature within one period, after infinitely many; `times` ascend, and `watch` is told of each. [s]"""


class TransientSystem(Protocol):
    """A semi-discrete heat equation K(u) u + E(u)' = b with state u and stored heat E, whose derivative is the mass M."""

    @property
    def problem(self) -> HeatProblem:
        """What is solved."""

    def start(self, initial: float | Field) -> Floats:
        """State of a temperature."""

    def begun(self, portions: Sequence[Portion]) -> Floats:
        """State in which each part has a temperature of its own, with the heat that they bring along."""

    def load(self, powers: Floats) -> Floats:
        """Right-hand side b for powers of the sources."""

    def stored(self, state: Floats) -> Floats:
        """Heat E(u) that a state stores; M u where no heat capacity follows the temperature. [J]"""

    def mass(self, change: Floats) -> Floats:
        """M times a change, at the state that was solved last. [J]"""

    def stiffness(self, state: Floats) -> Floats:
        """K u."""

    def solve(self, rate: float, right: Floats, guess: Floats) -> Floats:
        """Solution of (K + rate M) u = right."""

    def correct(self, rate: float, right: Floats) -> Floats:
        """As `solve`, linear in the right-hand side and near the last solution."""

    def observe(self, state: Floats) -> Floats:
        """Temperature of the places. [K]"""

    def size(self, change: Floats) -> float:
        """Largest change over the places, or the root mean square over the volume if that is larger. [K]"""

    def field(self, state: Floats) -> Field:
        """Nodal temperature."""

    def boundary(self, state: Floats) -> Boundary:
        """Films, coolant and heat through the faces of a state."""

    @property
    def exact(self) -> Exact | None:
        """The same system solved without steps, where its form allows that."""

    @property
    def statistics(self) -> dict[str, Any]:
        """Counts of solves, factorisations and iterations."""


@dataclass(frozen=True, eq=False)
class TransientResult:
    """Temperatures over time.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
        [s]
    temperature : ndarray, shape (n_times, n_places)
        [K]
    state : ndarray
        Of the system at the last time, to march on from.
    field : Field
        At the last time.
    statistics : mapping
        ``scheme``, ``steps``, ``rejected``, ``solves``, ``factorisations``, ``iterations``, ``seconds``.
    """

    times: Floats
    temperature: Floats
    state: Floats
    field: Field
    statistics: Mapping[str, Any]


def ascending(times: Sequence[float]) -> Floats:
    """Times as an array; raises ArrayError unless they ascend from 0 or later."""
    asked = np.asarray(times, dtype=float)
    if asked.ndim != 1 or not asked.size or asked[0] < 0 or not np.all(np.diff(asked) > 0):
        raise ArrayError("times: want at least one time, ascending, none before 0")
    return asked
