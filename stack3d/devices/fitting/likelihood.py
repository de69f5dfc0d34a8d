"""How likely measurements are under a law, by kind of measurement; noise and spread are parameters beside the law's own."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, override

import numpy as np
from numpy.typing import NDArray

from stack3d.devices.fitting.measurements import Table
from stack3d.devices.laws import (
    CrystallisationLaw,
    ProgrammingLaw,
    ReadDisturbLaw,
    ReadNoiseLaw,
    RelaxationLaw,
    RetentionLaw,
    TemperatureDependence,
)
from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck

NODES = 14
"""Gauss-Hermite nodes of a mean over cells."""
STEPS = 30
"""Most steps to the most likely draw of a cell."""
STEP = 1e-5
"""Of a draw, for slopes."""
AgedLaw = RetentionLaw | CrystallisationLaw | ReadDisturbLaw | RelaxationLaw | TemperatureDependence
"""What changes a conductance after the write."""


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


class Series(Likelihood):
    """Readings of cells over time, reads or temperature; each has a conductance of its own, and where the law says so a draw.

    A cell's start is integrated out over all values alike, its draw by Laplace's approximation about its most likely value.
    Rows without cells are means over cells: then the law is averaged over its draws, and the draw of a series stands for what
    the few cells of a mean have in common.
    """

    def __init__(self, table: Table, device: DeviceDeck, mechanism: str) -> None:
        c, self.device, self.mechanism = table.columns, device, mechanism
        level = c["level"] if "level" in c else c["target"]
        temperature = c.get("temperature", np.full(table.rows, 298.15))
        self.means = not table.cell
        over_time = mechanism != "temperature_dependence"
        self.axis = "reads" if mechanism == "read_disturb" else "time" if over_time else "temperature"
        voltage = c.get("voltage", np.zeros(table.rows))
        names = table.cell or ("",) * table.rows
        keys = [(n, u, t if over_time else 0.0, v) for n, u, t, v in zip(names, level, temperature, voltage)]
        pick, self.mask = _series(keys)
        if pick.shape[1] < 2:
            raise DeckError(Problem("", "every cell or level was read once: a change needs two readings", str(table.path)))
        self.level, self.temperature, self.reading = level[pick], temperature[pick], c["conductance"][pick]
        self.time = c[self.axis][pick] if over_time else np.zeros(pick.shape)
        self.voltage = c["voltage"][pick] if "voltage" in c else None
        self.count = self.mask.sum(1)
        self.observations = int(self.mask.sum())
        self.log_scale = mechanism != "relaxation"
        self.draw = np.zeros((len(pick), 1))
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        self.nodes, self.weights = nodes, weights / weights.sum()
        first = np.argmin(self.temperature, axis=1)
        self.reference = np.take_along_axis(self.temperature, first[:, None], 1)
        self.nuisance = {"read_noise": 0.02}
        if self.means:
            self.sampling = 1 / np.sqrt(c["cells"][pick[:, :1]]) if "cells" in c else None
            if self.sampling is None:
                self.nuisance["sampling"] = 0.2

    def _one(self, law: AgedLaw, draw: Floats) -> Floats:
        """Conductance of cells with these draws, shape of the readings, behind an axis of draws where they have one. [S]"""
        t = self.temperature
        g = np.broadcast_to(self.level, np.broadcast_shapes(self.level.shape, draw.shape))
        if isinstance(law, RetentionLaw):
            frozen = law.frozen(np.broadcast_to(draw, g.shape), g, self.device) if law.random else 0.0
            clock = law.rate(t, frozen, self.device) * self.time
            return np.asarray(law.conductance(g, g, clock, self.time, frozen, self.device))
        if isinstance(law, CrystallisationLaw):
            return np.asarray(law.conductance(g, law.rate(t, self.device) * self.time, self.device))
        if isinstance(law, ReadDisturbLaw):
            return np.asarray(g * self._remaining(law))
        if isinstance(law, RelaxationLaw):
            clock = law.rate(t) * self.time
            shift, offset, _ = law.move(g, clock, self.time, np.broadcast_to(draw, g.shape), self.device)
            return np.asarray(g + shift + offset)
        return np.asarray(g * law.factor(g / self.device.g_max, t, self.reference, draw, self.device))

    def _remaining(self, law: ReadDisturbLaw) -> Floats:
        """Share that is left, at the voltage of every row or that of the device."""
        if self.voltage is None:
            return np.asarray(law.remaining(self.time, self.device), np.float64)
        found = np.empty(self.time.shape)
        for v in np.unique(self.voltage):
            read = self.device.read.model_copy(update={"voltage": float(v)})
            here = self.voltage == v
            found[here] = law.remaining(self.time[here], self.device.model_copy(update={"read": read}))
        return found

    def _curve(self, law: Any, draw: Floats, sampling: Floats | float) -> Floats:
        """What is compared with the readings: conductance, or its logarithm."""
        if self.means:
            jumps = getattr(law, "jumps", 0)
            nodes, weights = (_even(jumps), np.full(jumps, 1 / jumps)) if jumps else (self.nodes, self.weights)
            found = np.tensordot(weights, self._one(law, nodes[:, None, None] + sampling * draw), axes=1)
        else:
            found = self._one(law, draw)
        found = np.asarray(found)
        return np.asarray(np.log(np.maximum(found, 1e-300)) if self.log_scale else found / self.device.g_max)

    def _residual(self, curve: Floats) -> Floats:
        """Readings less curve, less each cell's mean of that; zero where nothing was read."""
        seen = np.log(self.reading) if self.log_scale else self.reading / self.device.g_max
        raw = (seen - curve) * self.mask
        return np.asarray((raw - (raw.sum(-1) / self.count)[..., None]) * self.mask)

    def _settled(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats]:
        """Residuals at the most likely draws, and the slope of the curve with the draw; Levenberg's steps, cell by cell."""
        known = self.sampling if self.means else 0.0
        sampling: Floats | float = noise[1] if known is None else known
        draw, sd = np.zeros_like(self.draw), noise[0]

        def misses(at: Floats) -> tuple[Floats, Floats, Floats]:
            curve = self._curve(law, at, sampling)
            e = self._residual(curve)
            return curve, e, 0.5 * (e * e).sum(1) / sd**2 + 0.5 * at[:, 0] ** 2

        def slope_of(curve: Floats, at: Floats) -> Floats:
            slope = (self._curve(law, at + STEP, sampling) - curve) / STEP * self.mask
            return np.asarray((slope - (slope.sum(1) / self.count)[:, None]) * self.mask)

        curve, e, cost = misses(draw)
        slope = slope_of(curve, draw)
        damping = np.full(cost.shape, 1e-3)
        settled = isinstance(law, (CrystallisationLaw, ReadDisturbLaw)) or not getattr(law, "random", True)
        for _ in range(0 if settled else STEPS):
            bend = (slope * slope).sum(1) / sd**2 + 1
            move = np.nan_to_num(((slope * e).sum(1) / sd**2 - draw[:, 0]) / (bend * (1 + damping)))
            trial = draw + np.clip(move, -1.0, 1.0)[:, None]
            new_curve, new_e, new_cost = misses(trial)
            better = new_cost < cost
            damping = np.where(better, 0.2 * damping, np.minimum(10 * damping, 1e9))
            if np.all((np.abs(move) * np.sqrt(bend) < 1e-3) | (damping > 1e6)):
                break
            draw, e = np.where(better[:, None], trial, draw), np.where(better[:, None], new_e, e)
            curve, cost = np.where(better[:, None], new_curve, curve), np.where(better, new_cost, cost)
            slope = slope_of(curve, draw)
        self.draw = draw
        return e, slope

    def _looked_through(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats]:
        """Logarithm of the mean over many draws of the likelihood of every cell, and residuals at the best of them."""
        e = self._residual(self._curve(law, _even(law.jumps)[:, None, None], 0.0))
        cost = -0.5 * (e * e).sum(-1) / noise[0] ** 2
        best = cost.argmax(0)
        return np.logaddexp.reduce(cost, axis=0) - math.log(law.jumps), e[best, np.arange(best.size)]

    @override
    def log(self, law: Any, noise: Sequence[float]) -> float:
        sd = noise[0]
        if getattr(law, "jumps", 0) > 0 and not self.means:
            total = float(self._looked_through(law, noise)[0].sum() - (self.count - 1).sum() * math.log(sd))
            return total if math.isfinite(total) else -math.inf
        e, slope = self._settled(law, noise)
        cost = 0.5 * (e * e).sum(1) / sd**2 + 0.5 * self.draw[:, 0] ** 2
        cost = cost + (self.count - 1) * math.log(sd) + 0.5 * np.log1p((slope * slope).sum(1) / sd**2)
        total = -float(cost.sum())
        return total if math.isfinite(total) else -math.inf

    @override
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        single = getattr(law, "jumps", 0) > 0 and not self.means
        e = self._looked_through(law, noise)[1] if single else self._settled(law, noise)[0]
        read = self.mask > 0
        at = self.temperature if self.axis == "temperature" else self.time
        label = {"time": "time [s]", "reads": "reads", "temperature": "temperature [K]"}[self.axis]
        return at[read], (e / noise[0])[read], label, "residual / read noise"

    @override
    def series(self, law: Any, noise: Sequence[float]) -> tuple[FittedSeries, ...]:
        if self.axis != "time" or (getattr(law, "jumps", 0) > 0 and not self.means):
            return ()
        e = self._settled(law, noise)[0]
        sampling = (noise[1] if self.sampling is None else self.sampling) if self.means else 0.0
        curve = np.broadcast_to(self._curve(law, self.draw, sampling), e.shape)
        shares = [np.exp(v) / self.level if self.log_scale else v * self.device.g_max / self.level for v in (curve + e, curve)]
        found = []
        for kelvin in np.unique(self.temperature[self.mask > 0]).tolist():
            here = (self.mask > 0) & (self.temperature == kelvin) & (self.time > 0)
            if here.any():
                found.append(FittedSeries(kelvin, self.time[here], shares[0][here], shares[1][here], (e / noise[0])[here]))
        return tuple(found)


def _series(keys: Sequence[Any]) -> tuple[NDArray[np.intp], Floats]:
    """Rows of one key, a line for each key, filled up with its first; and a mask, 1 where a row is no filling."""
    groups: dict[Any, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    longest = max(len(g) for g in groups.values())
    pick = np.array([g + [g[0]] * (longest - len(g)) for g in groups.values()])
    return pick, np.array([[1.0] * len(g) + [0.0] * (longest - len(g)) for g in groups.values()])


def _even(count: int) -> Floats:
    """Standard normal draws, each as likely as the next."""
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(count) + 0.5) / count))


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
