"""How likely measurements are under a law, by kind of measurement; noise and spread are parameters beside the law's own."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, override

import numpy as np

from stack3d.devices.fitting.measurements import Table
from stack3d.devices.fitting.outliers import Apart
from stack3d.devices.fitting.quality import Quality, beside_known, in_runs
from stack3d.devices.laws import ProgrammingLaw, ReadNoiseLaw
from stack3d.errors import DeckError, Problem, ValidityWarning
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck


class FittedSeries(NamedTuple):
    """Readings at one temperature beside the law, over time; all of shape (readings,), times above zero."""

    temperature: float
    """[K]"""
    time: Floats
    """[s]"""
    measured: Floats
    """Conductance over that of the write, the start of each cell as the fit has it. [-]"""
    fitted: Floats
    """The law's. [-]"""
    residual: Floats
    """Over the noise of a read. [-]"""


class Likelihood:
    """Measurements of one kind.

    `nuisance` names the parameters that are not the law's (name → start, all positive, searched by their logarithm).
    """

    device: DeviceDeck
    nuisance: dict[str, float]
    observations: int

    @abstractmethod
    def log(self, law: Any, noise: Sequence[float]) -> float:
        """Logarithm of the likelihood; -inf where the law says nothing finite."""

    @abstractmethod
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        """Predicted and residual values of every observation, and the labels of both."""

    def series(self, law: Any, noise: Sequence[float]) -> tuple[FittedSeries, ...]:
        """Readings over time beside the law, by temperature; none of other kinds."""
        return ()

    def weighed_by(self, laws: Sequence[Any]) -> Likelihood:
        """The same measurements, known as well as laws that were drawn from a fit say; themselves where no law is asked."""
        return self

    def device_of(self, noise: Sequence[float]) -> DeviceDeck:
        """The device, with what the fit found of its range."""
        return self.device

    def without(self, rows: Collection[int]) -> Likelihood:
        """The same measurements, but that these rows of the table tell nothing; themselves of kinds that know no rows."""
        return self

    def apart(self, law: Any, noise: Sequence[float]) -> Apart | None:
        """Readings beside what the rest of their series leave; None of other kinds."""
        return None

    def judged(self, law: Any, noise: Sequence[float], values: float) -> Quality | None:
        """Whether the law follows the measurements, after so many values were fitted; None where they cannot tell."""
        place, residual, *_ = self.points(law, noise)
        return in_runs(place, residual)


OFF = 0.5
"""Deviations of single writes that a mean of many may lie off its target in silence."""
FEWEST_WRITES = 10
"""To one target, of which mean and spread are then compared."""


class Spread(Likelihood):
    """Standard deviations of many readings, or single readings about a target."""

    def __init__(self, table: Table, device: DeviceDeck, mechanism: str) -> None:
        c, self.device, self.mechanism = table.columns, device, mechanism
        self.level = c["target"] if "target" in c else c["level"] if "level" in c else c["conductance"]
        self.sd = c.get("sd")
        self.seen = c["conductance"] if self.sd is None else self.level
        self.time = c.get("time", np.ones(table.rows))
        self.observations = table.rows
        self.nuisance = {} if self.sd is None else {"scatter": 0.1}
        if self.sd is not None and (self.sd <= 0).any():
            raise DeckError(Problem("", "a standard deviation of zero has no logarithm", str(table.path)))
        if self.sd is not None and "mean" in c:
            self._ask_of_means(c["mean"], self.sd, str(table.path))

    def _ask_of_means(self, mean: Floats, sd: Floats, path: str) -> None:
        """Warn of means off their target, which deviations alone do not hold."""
        off = mean / self.level - 1
        at = int(np.abs(off).argmax())
        if abs(off[at]) * self.level[at] > OFF * sd[at]:
            side = "above" if off[at] > 0 else "below"
            said = f"lies {100 * abs(off[at]):.2g} % {side} its target at {self.level[at] * 1e6:.4g} uS"
            told = f"column mean {said}; a fit to deviations leaves that out: give single writes (target, conductance)"
            warnings.warn(ValidityWarning(str(Problem("", told, path))), stacklevel=4)

    def _law(self, law: ProgrammingLaw | ReadNoiseLaw) -> tuple[Floats, Floats]:
        if isinstance(law, ProgrammingLaw):
            shift, sd = law.error(self.level, self.device)
        else:
            shift, sd = 0.0, law.sd(self.level, self.level, self.time, self.device)
        return np.broadcast_to(shift, self.level.shape), np.broadcast_to(sd, self.level.shape)

    @override
    def log(self, law: Any, noise: Sequence[float]) -> float:
        shift, sd = self._law(law)
        if not np.all(sd > 0):
            return -math.inf
        if self.sd is None:
            e = (self.seen - self.level - shift) / sd
            return -float(np.sum(0.5 * e * e + np.log(sd / self.device.g_max)))
        e = np.log(self.sd / sd) / noise[0]
        return -float(np.sum(0.5 * e * e)) - self.observations * math.log(noise[0])

    @override
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        shift, sd = self._law(law)
        if self.sd is None:
            return self.level * 1e6, (self.seen - self.level - shift) / sd, "level [uS]", "residual / sd"
        return self.level * 1e6, np.log(self.sd / sd) / noise[0], "level [uS]", "residual of ln sd / scatter"

    @override
    def judged(self, law: Any, noise: Sequence[float], values: float) -> Quality | None:
        """Means and spreads of the writes to each target, beside those of the law; deviations that were given, in runs."""
        if self.sd is not None:
            return super().judged(law, noise, values)
        _, residual, *_ = self.points(law, noise)
        _, which, count = np.unique(self.level, return_inverse=True, return_counts=True)
        many = count >= FEWEST_WRITES
        if not many.any():
            return None
        mean = np.bincount(which, residual) / count
        second = np.bincount(which, residual**2) / count
        fourth = np.bincount(which, residual**4) / count
        spread = (second - 1) / np.sqrt(np.maximum(fourth - second**2, 1.0) / count)
        found = np.concatenate([(mean * np.sqrt(count))[many], spread[many]])
        return beside_known(found, values, f"means and spreads of {int(many.sum())} targets")
