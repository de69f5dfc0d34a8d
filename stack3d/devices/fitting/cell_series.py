"""How likely readings of cells over time, reads or temperature are under a law."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from stack3d.constants import ZERO_CELSIUS
from stack3d.devices.fitting.cell_draws import Best, Leftover, stepped
from stack3d.devices.fitting.data_sizes import ROOM
from stack3d.devices.fitting.guessed import GuessedDevice
from stack3d.devices.fitting.likelihood import FittedSeries, Likelihood
from stack3d.devices.fitting.measurements import Table
from stack3d.devices.fitting.outliers import Apart, median_by_series
from stack3d.devices.fitting.quality import Quality, beside_repeats, in_runs, leaning, worse
from stack3d.devices.laws import CrystallisationLaw, ReadDisturbLaw, RelaxationLaw, RetentionLaw, TemperatureDependence
from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck

NODES = 14
"""Gauss-Hermite nodes of a mean over cells."""
LOOKED = (-3.0, -2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25, 3.0)
"""Draws that are looked at before the steps begin."""
SAME = 0.02
"""Of two draws: both are one."""
CLOSER = (0.375, 0.2, 0.1, 0.05, 0.025)
"""Distances at which better ones are then looked for."""
STEP = 1e-5
"""Of a draw, for slopes."""
LOWEST = {"source": "lowest level of the data"}
RISE = 1e-4
"""Of a start, for slopes."""
ANYWHERE = 3.0
"""Standard deviation of the logarithm of a start: nothing is assumed of it."""
AgedLaw = RetentionLaw | CrystallisationLaw | ReadDisturbLaw | RelaxationLaw | TemperatureDependence
"""What changes a conductance after the write."""


class Series(Likelihood):
    """Readings of cells over time, reads or temperature; each has a conductance of its own, and where the law says so a draw.

    A cell's start goes through the law as its draw does: it is integrated out over all values alike, along the slope of the
    readings with it; the draw by Laplace's approximation about its most likely value. Rows without cells are means over cells:
    then the law is averaged over its draws, and the draw of a series stands for what the few cells of a mean have in common.
    """

    def __init__(self, table: Table, device: DeviceDeck, mechanism: str) -> None:
        c, self.device, self.mechanism = table.columns, device, mechanism
        written = "level" if "level" in c else "target"
        level, self.title = c[written], table.titles[written]
        temperature = c.get("temperature", np.full(table.rows, ROOM))
        self.means = not table.cell
        over_time = mechanism != "temperature_dependence"
        self.axis = "reads" if mechanism == "read_disturb" else "time" if over_time else "temperature"
        voltage = c.get("voltage", np.zeros(table.rows))
        names = table.cell or ("",) * table.rows
        keys = [(n, u, t if over_time else 0.0, v) for n, u, t, v in zip(names, level, temperature, voltage)]
        pick, self.mask = _series(keys)
        self.pick, self.read = pick, self.mask > 0
        if pick.shape[1] < 2:
            raise DeckError(Problem("", "every cell or level was read once: a change needs two readings", str(table.path)))
        self.level, self.temperature, self.reading = level[pick], temperature[pick], c["conductance"][pick]
        self.time = c[self.axis][pick] if over_time else np.zeros(pick.shape)
        self._check(self.time if over_time else self.temperature, str(table.path))
        self.voltage = c["voltage"][pick] if "voltage" in c else None
        self.count = self.mask.sum(1)
        self.observations = int(self.mask.sum())
        self.log_scale = mechanism != "relaxation"
        self.draw, self.start = np.zeros((len(pick), 1)), np.zeros((len(pick), 1))
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        self.nodes, self.weights = nodes, weights / weights.sum()
        first = np.argmin(self.temperature, axis=1)
        self.reference = np.take_along_axis(self.temperature, first[:, None], 1)
        self.nuisance = {"read_noise": 0.02}
        if self.means:
            self._know_means(c, pick)
        self.open_range = isinstance(device, GuessedDevice) and mechanism == "crystallisation"
        if self.open_range:  # where all cells end is the largest conductance: the largest reading has its noise on top
            self.device = device.model_copy(update={"g_min": float(level.min()), "g_min_told": LOWEST})
            self.nuisance["g_max"] = float(c["conductance"].max())

    def told(self, level: float) -> str:
        """A level [S] as the file has it."""
        return self.title.told("level", level)

    def _know_means(self, columns: Mapping[str, Floats], pick: NDArray[np.intp]) -> None:
        """What means over cells have in common: known by their count, or a value of the fit."""
        self.sampling = 1 / np.sqrt(columns["cells"][pick[:, :1]]) if "cells" in columns else None
        if self.sampling is None:
            self.nuisance["sampling"] = 0.2

    def _check(self, along: Floats, path: str) -> None:
        """Raise DeckError for readings that tell nothing, `along` what they run over."""
        said = ""
        if np.ptp(along, axis=1).max() == 0:
            said = f"each was read at one {self.axis} only: a change needs two".replace("one reads", "one count of reads")
        elif np.ptp(self.reading, axis=1).max() == 0:
            said = "no reading differs from the others of its cell: they tell neither a change nor a noise"
        if said:
            raise DeckError(Problem("", said, path))

    @override
    def without(self, rows: Collection[int]) -> Series:
        other = copy(self)
        other.mask = np.where(self.read & ~np.isin(self.pick, list(rows)), 1.0, 0.0)
        other.count, other.observations = other.mask.sum(1), int(other.mask.sum())
        return other

    @override
    def device_of(self, noise: Sequence[float]) -> DeviceDeck:
        if not self.open_range:
            return self.device
        return self.device.model_copy(update={"g_max": float(noise[-1]), "g_max_told": {"source": "fitted with the law"}})

    def _one(self, law: AgedLaw, draw: Floats, start: Floats) -> Floats:
        """Conductance of cells, shape of the readings, behind an axis of draws where they have one. [S]

        Parameters
        ----------
        law : Law
        draw : ndarray
            Standard normal. [-]
        start : ndarray
            What every cell was left with beyond its level: a logarithm, or a share of g_max where readings add up. [-]
        """
        t, shape = self.temperature, np.broadcast_shapes(self.level.shape, draw.shape)
        target = np.broadcast_to(self.level, shape)
        g = target * np.exp(start) if self.log_scale else target + start * self.device.g_max
        if isinstance(law, RetentionLaw):
            frozen = law.frozen(np.broadcast_to(draw, shape), target, self.device) if law.random else 0.0
            clock = law.rate(t, frozen, self.device) * self.time
            return np.asarray(law.conductance(g, target, clock, self.time, frozen, self.device))
        if isinstance(law, CrystallisationLaw):
            return np.asarray(law.conductance(g, law.rate(t, self.device) * self.time, self.device))
        if isinstance(law, ReadDisturbLaw):
            return np.asarray(g * self._remaining(law))
        if isinstance(law, RelaxationLaw):
            clock = law.rate(t) * self.time
            shift, offset, _ = law.move(target, clock, self.time, np.broadcast_to(draw, shape), self.device)
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

    def _curve(self, law: Any, draw: Floats, sampling: Floats | float, start: Floats) -> Floats:
        """What is compared with the readings: conductance, or its logarithm."""
        if self.means:
            jumps = getattr(law, "jumps", 0)
            nodes, weights = (_even(jumps), np.full(jumps, 1 / jumps)) if jumps else (self.nodes, self.weights)
            found = np.tensordot(weights, self._one(law, nodes[:, None, None] + sampling * draw, start), axes=1)
        else:
            found = self._one(law, draw, start)
        found = np.asarray(found)
        return np.asarray(np.log(np.maximum(found, 1e-300)) if self.log_scale else found / self.device.g_max)

    def _follows(self, law: Any, sampling: Floats | float) -> bool:
        """Whether readings follow a cell's start as it is, whatever its draw: then no slope with it is asked for."""
        if self.mechanism in ("relaxation", "read_disturb"):
            return True
        for at in (-2.5, 0.0, 2.5):
            draw = np.full_like(self.draw, at)
            rise = self._curve(law, draw, sampling, self.start + RISE) - self._curve(law, draw, sampling, self.start)
            if np.abs(rise / RISE - 1)[self.mask > 0].max() > 1e-3:
                return False
        return True

    def _missed(self, law: Any, draw: Floats, sampling: Floats | float, sd: float, follows: bool) -> Leftover:
        """What is left of the readings at draws, once each cell has the start that suits it best.

        Parameters
        ----------
        law : Law
        draw : ndarray
        sampling : ndarray or float
            Share of a cell's spread that a mean over cells has.
        sd : float
            Noise of a read. [-]
        follows : bool
            As `_follows` finds it.
        """
        curve = self._curve(law, draw, sampling, self.start)
        seen = np.log(self.reading) if self.log_scale else self.reading / self.device.g_max
        raw, known = (seen - curve) * self.mask, sd**2 / ANYWHERE**2
        if follows:
            weight = self.count + known
            away = raw.sum(-1) / weight
            e = (raw - away[..., None]) * self.mask
        else:
            slope = (self._curve(law, draw, sampling, self.start + RISE) - curve) / RISE * self.mask
            weight = (slope * slope).sum(-1) + known
            away = ((slope * raw).sum(-1) - known * self.start[:, 0]) / weight
            e = raw - slope * away[..., None]
        cost = 0.5 * (e * e).sum(-1) / sd**2 + 0.5 * ((self.start[:, 0] + away) / ANYWHERE) ** 2
        return Leftover(np.asarray(e), np.asarray(cost), np.asarray(away), np.asarray(weight))

    def _settled(self, law: Any, noise: Sequence[float]) -> tuple[Best, Floats, Floats]:
        """Most likely draws and starts, the slope of what is left with the draw, and the logarithm of the likelihood; by cell.

        A cell that two draws explain is searched about both, and both count.
        """
        known = self.sampling if self.means else 0.0
        sampling: Floats | float = noise[1] if known is None else known
        sd, self.start = noise[0], np.zeros_like(self.start)
        follows = self._follows(law, sampling)

        def missed(at: Floats) -> Leftover:
            return self._missed(law, at, sampling, sd, follows)

        begins = [np.zeros_like(self.draw)] if self._alike(law) else self._begins(missed)
        found = []
        for begin in begins:
            self.start = np.zeros_like(self.draw)
            best, slope = self._near(begin, missed, sd, alike=self._alike(law), look=not follows or len(begins) > 1)
            if not follows:  # along the slope at the start that was found, not at the nominal one
                self.start = best.away[:, None]
                best, slope = self._near(best.draw, missed, sd, alike=self._alike(law), look=False)
            found.append((best, slope, self.start + best.away[:, None], self._logs(best, slope, sd)))
        best, slope, start, log = found[0]
        for other, other_slope, other_start, other_log in found[1:]:
            apart = np.abs(other.draw - best.draw)[:, 0] > SAME
            both = np.where(apart, np.logaddexp(log, other_log), np.maximum(log, other_log))
            better = other_log > log
            best.put(better, other)
            slope = np.where(better[:, None], other_slope, slope)
            start, log = np.where(better[:, None], other_start, start), both
        self.draw, self.start = best.draw, start
        return best, slope, log

    def _logs(self, best: Best, slope: Floats, sd: float) -> Floats:
        """Logarithm of the likelihood of every cell, by Laplace's approximation about its draw and start."""
        cost = best.cost + 0.5 * best.draw[:, 0] ** 2 + self.count * math.log(sd)
        return np.asarray(-cost - 0.5 * np.log(best.weight / sd**2) - 0.5 * np.log1p((slope * slope).sum(1) / sd**2))

    def _begins(self, missed: Callable[[Floats], Leftover]) -> list[Floats]:
        """Draws to search from: for every cell the lowest of those looked at, and where any cell has it, the next valley."""
        costs = np.stack([missed(np.full_like(self.draw, at)).cost + 0.5 * at**2 for at in LOOKED])
        edge = np.full((1, costs.shape[1]), np.inf)
        low = (costs <= np.concatenate([edge, costs[:-1]])) & (costs < np.concatenate([costs[1:], edge]))
        ranked = np.argsort(np.where(low, costs, np.inf), axis=0)
        at = np.array(LOOKED)
        first, second = at[ranked[0]][:, None], at[ranked[1]][:, None]
        several = low.sum(0) > 1
        return [first, np.where(several[:, None], second, first)] if several.any() else [first]

    def _near(
        self, begin: Floats, missed: Callable[[Floats], Leftover], sd: float, *, alike: bool, look: bool
    ) -> tuple[Best, Floats]:
        """The best draws near those to begin with, and the slope of what is left with them.

        Parameters
        ----------
        begin : ndarray
        missed : callable
        sd : float
            Noise of a read. [-]
        alike : bool
            Whether cells have no draws.
        look : bool
            Whether better ones are looked for about them: a law with a bend has shelves, on which slopes lead nowhere.
        """
        best = Best(begin, missed(begin))
        if alike:
            return best, np.zeros_like(best.e)
        for length in CLOSER if look else ():
            for trial in (best.draw - length, best.draw + length):
                best.take(trial, missed(trial))
        return best, stepped(best, missed, lambda b: (b.e - missed(b.draw + STEP).e) / STEP, sd)

    @staticmethod
    def _alike(law: Any) -> bool:
        """Whether cells have no draws."""
        return isinstance(law, (CrystallisationLaw, ReadDisturbLaw)) or not getattr(law, "random", True)

    def _looked_through(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats]:
        """Logarithm of the mean over many draws of the likelihood of every cell, and residuals at the best of them."""
        self.start = np.zeros_like(self.start)
        draws = _even(law.jumps)[:, None, None]
        found = self._missed(law, draws, 0.0, noise[0], self._follows(law, 0.0))
        log = -found.cost - 0.5 * np.log(found.weight / noise[0] ** 2)
        best = log.argmax(0)
        return np.logaddexp.reduce(log, axis=0) - math.log(law.jumps), found.e[best, np.arange(best.size)]

    @override
    def log(self, law: Any, noise: Sequence[float]) -> float:
        self.device, sd = self.device_of(noise), noise[0]
        if getattr(law, "jumps", 0) > 0 and not self.means:
            total = float(self._looked_through(law, noise)[0].sum() - self.count.sum() * math.log(sd))
            return total if math.isfinite(total) else -math.inf
        total = float(self._settled(law, noise)[2].sum())
        return total if math.isfinite(total) else -math.inf

    @override
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        self.device = self.device_of(noise)
        single = getattr(law, "jumps", 0) > 0 and not self.means
        e = self._looked_through(law, noise)[1] if single else self._settled(law, noise)[0].e
        read = self.mask > 0
        at = self.temperature if self.axis == "temperature" else self.time
        label = {"time": "time [s]", "reads": "reads", "temperature": "temperature [K]"}[self.axis]
        return at[read], (e / noise[0])[read], label, "residual / read noise"

    @override
    def series(self, law: Any, noise: Sequence[float]) -> tuple[FittedSeries, ...]:
        if self.axis != "time" or (getattr(law, "jumps", 0) > 0 and not self.means):
            return ()
        e = self._settled(law, noise)[0].e
        sampling = (noise[1] if self.sampling is None else self.sampling) if self.means else 0.0
        curve = np.broadcast_to(self._curve(law, self.draw, sampling, np.zeros_like(self.start)), e.shape)
        shares = [np.exp(v) / self.level if self.log_scale else v * self.device.g_max / self.level for v in (curve + e, curve)]
        found = []
        for kelvin in np.unique(self.temperature[self.mask > 0]).tolist():
            here = (self.mask > 0) & (self.temperature == kelvin) & (self.time > 0)
            if here.any():
                found.append(FittedSeries(kelvin, self.time[here], shares[0][here], shares[1][here], (e / noise[0])[here]))
        return tuple(found)

    @override
    def apart(self, law: Any, noise: Sequence[float]) -> Apart | None:
        if getattr(law, "jumps", 0) > 0 and not self.means:
            return None
        self._settled(law, noise)
        sampling = (noise[1] if self.sampling is None else self.sampling) if self.means else 0.0
        curve = np.broadcast_to(self._curve(law, self.draw, sampling, np.zeros_like(self.start)), self.mask.shape)
        seen = np.log(self.reading) if self.log_scale else self.reading / self.device.g_max
        middle = median_by_series(seen - curve, self.mask)
        read = self.read & np.isfinite(middle)
        rest = np.exp(curve + middle) if self.log_scale else (curve + middle) * self.device.g_max
        return Apart(self.pick[read], (seen - curve - middle)[read], rest[read])

    def _leaning(self, draw: Floats, known: Floats) -> Quality | None:
        """Whether draws of the cells of a level lean together, `known` the share of each that its readings tell."""
        levels, of = np.unique(self.level[:, 0], return_inverse=True)
        return leaning(draw, known, of.ravel(), [self.told(g) for g in levels.tolist()])

    @override
    def judged(self, law: Any, noise: Sequence[float], values: float) -> Quality | None:
        """Means over cells of a level, at each temperature and time, beside their scatter; over levels of tables of means."""
        self.device, read = self.device_of(noise), self.mask > 0
        single = getattr(law, "jumps", 0) > 0 and not self.means
        lean = None
        if single:
            e, taken = self._looked_through(law, noise)[1], np.full(self.count.size, 2.0)
        else:
            best, slope, _ = self._settled(law, noise)
            bend = (slope * slope).sum(1) / noise[0] ** 2
            e, taken = best.e, 1 + bend / (1 + bend)
            lean = None if self.means or self._alike(law) else self._leaning(best.draw[:, 0], taken - 1)
        at = self.temperature if self.axis == "temperature" else self.time
        columns = [self.temperature * (self.axis != "temperature"), at]
        columns += [] if self.means else [self.level]
        columns += [] if self.voltage is None else [self.voltage]
        kinds, group = np.unique(np.stack([c[read] for c in columns]), axis=1, return_inverse=True)
        alone = np.unique(np.stack([c[:, 0] * (c is not at) for c in columns]), axis=1, return_inverse=True)[1].ravel()
        of_means = float((np.bincount(alone, taken) / np.bincount(alone)).sum())
        noises = len(self.nuisance) - self.open_range
        used = (of_means + values - noises, float(taken.sum()) - of_means)

        def worst(place: int, mean: float) -> str:
            kelvin, when, *others = kinds[:, place].tolist()
            where = [f"{kelvin - ZERO_CELSIUS:.4g} degC"] if kelvin else []
            unit = {"time": "s", "reads": "reads", "temperature": "K"}[self.axis]
            level = [] if self.means else [self.told(others[0])]
            off = mean * noise[0]
            size = f"{100 * math.expm1(off):+.2g} %" if self.log_scale else f"{off * self.device.g_max * 1e6:+.2g} uS"
            return f"most at {', '.join([*where, *level, f'{when:.4g} {unit}'])}: readings lie {size} off the law"

        found = beside_repeats((e / noise[0])[read], group.ravel(), used, worst)
        return worse(found or in_runs(at[read], (e / noise[0])[read]), lean)


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
