"""How likely statistics of many cells are: changes of conductance, and writes near a bound."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, override

import numpy as np

from stack3d.devices.fitting.data_sizes import ROOM
from stack3d.devices.fitting.likelihood import Likelihood
from stack3d.devices.fitting.measurements import Table
from stack3d.devices.fitting.quality import Quality, beside_known
from stack3d.devices.laws import RelaxationLaw, SpreadLaw, TruncationLaw
from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck

SAMPLES = 512
"""Cells of a prediction, spread evenly over their draws."""
TAILS = (0.05, 0.95)
"""Percentiles that single cells are reduced to; those of statistics are the 1st and the 99th."""
RESAMPLED = 400
FEWEST = 8
"""Cells of a level at one temperature without which they tell no spread."""
TAILED = 40
"""Cells of a level at one temperature from which on their percentiles count."""
FINEST = 1e-3
"""Of the largest conductance: no statistic is known better than to this."""


@cache
def _draws() -> Floats:
    """Standard normal draws, shape (3, SAMPLES): way or error, barrier, noise of the reads."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    return np.asarray(ndtri(np.clip(qmc.Sobol(3, seed=1).random(SAMPLES).T, 1e-6, 1 - 1e-6)))


def _statistics(change: Floats, tails: tuple[float, float], used: Sequence[bool]) -> Floats:
    """Those that are used of mean, standard deviation and two percentiles over the last axis, stacked on a last axis."""
    ends = np.quantile(change, tails, axis=-1) if any(used[2:]) else (None, None)  # percentiles take longest
    found = (change.mean(-1) if used[0] else None, change.std(-1) if used[1] else None, *ends)
    return np.stack([one for one, asked in zip(found, used) if asked], axis=-1)


class Populations(Likelihood):
    """Mean, standard deviation and tails of many cells per level, temperature and time.

    Laws with several random numbers per cell have no simple likelihood of single readings. What cells of a condition do
    together is compared with what even draws of the law do. Single cells are reduced to their statistics, whose covariance (of
    all times of a condition) is found by drawing the cells again and again; given statistics know theirs by the count of cells.
    """

    def __init__(self, table: Table, device: DeviceDeck, mechanism: str) -> None:
        self.device, self.mechanism, c = device, mechanism, table.columns
        self.nuisance = {"read_noise": 0.01} if mechanism != "truncation" else {"write_sd": 0.02}
        self.times: list[Floats] = []
        self.levels: list[float] = []
        self.temperatures: list[float] = []
        self.measured: list[Floats] = []
        self.weights: list[Floats] = []
        """Root of the inverse covariance of every condition's statistics, whose rows it multiplies."""
        self.log_weights = 0.0
        level = c["level"] if "level" in c else c["target"]
        temperature = c.get("temperature", np.full(table.rows, ROOM))
        self.reduced = "sd" not in c
        names = table.cell or tuple(str(i) for i in range(table.rows))
        conditions = Counter((g, t) for _, g, t in set(zip(names, level.tolist(), temperature.tolist())))
        many = min(conditions.values()) >= TAILED
        self.tails = TAILS if self.reduced else (0.01, 0.99)
        self.used = [True, True, many, many] if self.reduced else ["change" in c, True, "low" in c, "high" in c]
        for g, t in sorted(set(zip(level.tolist(), temperature.tolist()))):
            here = (level == g) & (temperature == t)
            self.levels.append(g)
            self.temperatures.append(t)
            if self.reduced:
                self._single(table, here)
            else:
                self._given(table, here)
        self.observations = sum(m.size for m in self.measured)

    def _told(self, change: Floats) -> Floats:
        """Statistics that are compared, of changes of shape (times, cells)."""
        return np.asarray(_statistics(change, self.tails, self.used).ravel())

    def _keep(self, statistics: Floats, covariance: Floats) -> None:
        floor = (FINEST * self.device.g_max) ** 2
        values, vectors = np.linalg.eigh(covariance)
        values = np.maximum(values, floor)
        self.measured.append(statistics)
        self.weights.append((vectors / np.sqrt(values)).T)
        self.log_weights -= 0.5 * float(np.sum(np.log(values / self.device.g_max**2)))

    def _single(self, table: Table, here: Any) -> None:
        """Statistics of single cells, and their covariance."""
        c = table.columns
        names = np.array(table.cell or [str(i) for i in range(table.rows)])[here]
        time = c["time"][here] if "time" in c else np.zeros(int(here.sum()))
        cells, row = np.unique(names, return_inverse=True)
        if self.mechanism == "truncation":
            change = (c["conductance"] - c["target"])[here][None, :]
            self.times.append(np.zeros(1))
        else:
            times, column = np.unique(time, return_inverse=True)
            readings = np.full((times.size, cells.size), np.nan)
            readings[column, row] = c["conductance"][here]
            whole = np.isfinite(readings).all(0)
            change = readings[1:, whole] - readings[:1, whole]
            if times.size < 2:
                raise DeckError(Problem("", "cells were read once: a change needs two readings", str(table.path)))
            self.times.append(np.stack([times[1:], np.full(times.size - 1, times[0])], axis=1))
        count = change.shape[-1]
        if count < FEWEST:
            few = {0: "no cell that was read at all times", 1: "1 cell"}.get(count, f"{count} cells")
            text = f"{few} of a level at one temperature: too few for a spread; allowed: {FEWEST} or more, read together"
            raise DeckError(Problem("", text, str(table.path)))
        rng = np.random.default_rng(0)
        again = np.stack([self._told(change[:, rng.integers(0, count, count)]) for _ in range(RESAMPLED)])
        covariance = np.atleast_2d(np.cov(again.T))
        # as many numbers as cells: what they have in common is known the less
        covariance += len(covariance) / count * np.diag(np.diag(covariance))
        self._keep(self._told(change) * np.tile(self._unbiased(count), len(change)), covariance)

    def _unbiased(self, count: int) -> Floats:
        """Factors of the statistics: a normal sample spreads less than what it is drawn from by 1 - 3/4n, counted over n."""
        return np.array([1.0, 1 / (1 - 0.75 / count), 1.0, 1.0])[self.used]

    def _given(self, table: Table, here: Any) -> None:
        """Statistics as they were given; each knows itself as well as a normal sample of that size would."""
        c = table.columns
        time = c.get("time", np.zeros(table.rows))[here]
        self.times.append(np.stack([time, np.zeros(time.size)], axis=1))
        columns = [c[k][here] for k, used in zip(("change", "sd", "low", "high"), self.used) if used]
        sd, count = c["sd"][here], c.get("cells", np.full(table.rows, 100.0))[here]
        # of a normal sample: mean s/√n, deviation s/√2n, first percentile 3.7 s/√n; a law is not exact either
        errors = [s for s, used in zip((1.0, 0.71, 3.73, 3.73), self.used) if used]
        variance = [np.square(e * sd) / count + np.square(0.02 * sd) for e in errors]
        self._keep(np.stack(columns, axis=1).ravel(), np.diag(np.stack(variance, axis=1).ravel()))

    def _predicted(self, law: Any, noise: Sequence[float], condition: int) -> Floats:
        """Statistics of one condition, in the order of the measured ones."""
        way, barrier, read = _draws()
        g = np.full(SAMPLES, self.levels[condition])
        temperature = np.array(self.temperatures[condition])
        times = self.times[condition]
        if isinstance(law, TruncationLaw):
            sd = noise[0] * self.device.g_max
            change = (law.bound(g, sd, sd * way, self.device) - g)[None, :]
        else:
            moved = {t: self._moved(law, g, temperature, np.array(t), way, barrier) for t in set(times.ravel().tolist())}
            change = np.stack([moved[a] - moved[b] for a, b in times.tolist()])
            change = change + read * (math.sqrt(2) * noise[0] * self.levels[condition])
        return self._told(change)

    def _moved(
        self, law: SpreadLaw | RelaxationLaw, g: Floats, temperature: Floats, time: Floats, way: Floats, barrier: Floats
    ) -> Floats:
        """Change of every cell since the write. [S]"""
        if time == 0:
            return np.zeros_like(g)
        if isinstance(law, SpreadLaw):
            return np.asarray(way * law.sd(g, law.rate(temperature) * time, self.device))
        rate = law.rate(temperature, law.barrier(barrier, g, self.device)) if law.random_barrier else law.rate(temperature)
        shift, offset, _ = law.move(g, rate * time, time, way, self.device)
        return np.asarray(np.maximum(g + shift + offset, 0.0) - g)

    @override
    def log(self, law: Any, noise: Sequence[float]) -> float:
        total = self.log_weights
        for i, (measured, weight) in enumerate(zip(self.measured, self.weights)):
            e = weight @ (measured - self._predicted(law, noise, i))
            total -= 0.5 * float(e @ e)
        return total if math.isfinite(total) else -math.inf

    @override
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        level, residual = [], []
        for i, (measured, weight) in enumerate(zip(self.measured, self.weights)):
            residual.append(weight @ (measured - self._predicted(law, noise, i)))
            level.append(np.full(measured.size, self.levels[i] * 1e6))
        return np.concatenate(level), np.concatenate(residual), "level [uS]", "residual / its standard error"

    @override
    def judged(self, law: Any, noise: Sequence[float], values: float) -> Quality | None:
        return beside_known(self.points(law, noise)[1], values, "statistics")
