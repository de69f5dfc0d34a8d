"""Bakes and relaxation of two foundry technologies: the published statistics, and what cells of a model do in them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from stack3d.constants import BOLTZMANN, ZERO_CELSIUS
from stack3d.devices.equilibrium import LevelBarriers, OwnEquilibrium
from stack3d.devices.laws import Reals
from stack3d.schema.device import DeviceDeck

STATISTICS = ("mean", "standard deviation", "1st percentile", "99th percentile")
SAMPLES = 2048
ROOM = 298.15
"""[K]"""
LINEAR = 10
"""Low pairs of levels of B whose spread grows evenly with ln t at 25 degC; that of higher ones jumps before 100 degC."""
PAIR_WIDTH = {"A": 15e-6, "B": 8e-6}
"""[S] Distance between the pairs of levels whose cells one row holds."""


@dataclass(frozen=True)
class Rows:
    """Rows of one technology; arrays of shape (rows,), `measured` of shape (rows, 4) in the order of `STATISTICS`."""

    temperature: Reals
    """[K]"""
    time: Reals
    """[s]"""
    level: Reals
    """Mean conductance straight after writing. [S]"""
    measured: Reals
    """Statistics of the change. [S]"""

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Rows:
        """Return the chosen rows."""
        return Rows(self.temperature[chosen], self.time[chosen], self.level[chosen], self.measured[chosen])

    @property
    def tolerance(self) -> Reals:
        """Largest misses that still count as held, shape (rows, 4). [S]

        5 % of the level and 0.5 uS for the mean, 15 % for the standard deviation, 20 % or 2 uS for the percentiles.
        """
        _, sd, low, high = self.measured.T
        tails = [np.maximum(0.2 * np.abs(p), 2e-6) for p in (low, high)]
        return np.stack([0.05 * self.level + 0.5e-6, 0.15 * sd, *tails], axis=1)

    def misses(self, predicted: Reals) -> Reals:
        """Predicted less measured, in tolerances, shape (rows, 4). [-]"""
        return (predicted - self.measured) / self.tolerance

    @property
    def conditions(self) -> list[tuple[float, float]]:
        """Temperatures [K] and times [s] that occur, in order."""
        return sorted(set(zip(self.temperature.tolist(), self.time.tolist())))

    def at(self, temperature: float, time: float) -> NDArray[np.bool_]:
        """Which rows belong to one condition."""
        return np.asarray((self.temperature == temperature) & (self.time == time))


def rows(technology: str) -> Rows:
    """Published rows of technology ``A`` (bakes) or ``B`` (bakes, and relaxation at 25 degC).

    References
    ----------
    .. [1] Statistics derived from akashlevy/RRAM-Relaxation-Master-Model, commit ca0cfff (MIT licence).
    """
    found = []
    for name, hot in (("foundry_bakes", True), ("foundry_room", False)):
        text = files("stack3d.devices").joinpath("published", f"{name}.csv").read_text(encoding="utf-8")
        for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
            if row["tech"] == technology:
                temperature = float(row["T_degC"]) + ZERO_CELSIUS if hot else ROOM
                time = float(row["bake_s" if hot else "t_s"])
                values = [float(row[k]) * 1e-6 for k in ("mean_G0_uS", "mean_dG_uS", "sd_dG_uS", "p1", "p99")]
                found.append((temperature, time, *values))
    table = np.array(found)
    return Rows(table[:, 0], table[:, 1], table[:, 2], table[:, 3:])


@cache
def _cells() -> Reals:
    """Draws of `SAMPLES` cells spread evenly: way, barrier, loss, place within the pair of levels; shape (4, cells)."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    even = qmc.Sobol(4, seed=1).random(SAMPLES).T
    return np.concatenate([ndtri(np.clip(even[:3], 1e-6, 1 - 1e-6)), even[3:] - 0.5])


def predicted(
    relaxation: OwnEquilibrium, loss: LevelBarriers | None, device: DeviceDeck, rows: Rows, *, width: float = 0.0
) -> Reals:
    """Statistics of the change of cells in the conditions of `rows`, shape (rows, 4). [S]

    Parameters
    ----------
    relaxation : OwnEquilibrium
    loss : LevelBarriers or None
    device : DeviceDeck
    rows : Rows
    width : float
        Cells of a row are spread evenly over it. [S]
    """
    way, barrier, lost, place = (np.broadcast_to(d, (rows.level.size, SAMPLES)) for d in _cells())
    temperature, time, level = rows.temperature[:, None], rows.time[:, None], rows.level[:, None]
    start = np.maximum(level + width * place, 0.0)
    clock = relaxation.rate(temperature, relaxation.barrier(barrier, start, device)) * time
    now = np.maximum(start + relaxation.move(start, clock, time, way, device)[1], 0.0)
    if loss is not None:
        clock = loss.rate(temperature, loss.frozen(lost, start, device), device) * time
        now = loss.conductance(now, start, clock, time, 0.0, device)
    change = now - start
    low, high = np.quantile(change, (0.01, 0.99), axis=1)
    return np.stack([change.mean(1), change.std(1), low, high], axis=1)


@dataclass(frozen=True)
class Clock:
    """Activation energy that the clock of a logarithmic spread needs."""

    activation_energy: float
    """Of the best fit. [eV]"""
    low: float
    """[eV]"""
    high: float
    """[eV] Where four variances of the misses are added: about 95 of 100."""
    rms: float
    """Misses of the best fit, relative. [-]"""


def _logarithm(given: Rows, energy: float) -> Reals:
    """L = ln(1 + t/s) of the equivalent time at 25 degC, of shape (conditions,). [-]"""
    temperature, time = np.array(given.conditions).T
    return np.asarray(np.log1p(time * np.exp(energy / BOLTZMANN * (1 / ROOM - 1 / temperature))))


def _spreads(given: Rows) -> Reals:
    """Standard deviations of the `LINEAR` low pairs of levels, shape (conditions, levels). [S]"""
    return np.array([given.measured[given.at(*condition), 1][:LINEAR] for condition in given.conditions])


def logarithmic_misses(given: Rows, energy: float) -> float:
    """Relative misses of b_0 + b_1 L, fitted to every level's spreads, at the clock's activation energy [eV], rms. [-]"""
    form = np.stack([np.ones(len(given.conditions)), _logarithm(given, energy)], axis=1)
    misses = []
    for spread in _spreads(given).T:
        weighted = form / spread[:, None]
        misses.append(weighted @ np.linalg.lstsq(weighted, np.ones(len(spread)), rcond=None)[0] - 1)
    return float(np.sqrt(np.mean(np.square(misses))))


def later(given: Rows) -> Rows:
    """Rows from one second on, where a logarithm of time in seconds begins."""
    return given[given.time >= 1]


def relaxation_clock() -> Clock:
    """Fit the clock of a logarithmic spread to relaxation and bakes of technology B, from a second and 25 degC to 180 degC."""
    from scipy.optimize import brentq, minimize_scalar

    given = later(rows("B"))
    found = minimize_scalar(lambda energy: logarithmic_misses(given, energy) ** 2, bounds=(0.05, 5.0), method="bounded")
    free = len(given.conditions) * LINEAR
    edge = found.fun * (1 + 4 / (free - 2 * LINEAR - 1))
    sides = ((0.05, found.x), (found.x, 5.0))
    low, high = (brentq(lambda energy: logarithmic_misses(given, energy) ** 2 - edge, *ends) for ends in sides)
    return Clock(float(found.x), float(low), float(high), float(np.sqrt(found.fun)))


def spreads_from_room(energy: float) -> tuple[Reals, Reals]:
    """Spreads in the bakes of B that b_0 + b_1 L, fitted at 25 degC alone, predicts, and the measured ones. [S]

    Parameters
    ----------
    energy : float
        Activation energy of the clock. [eV]

    Returns
    -------
    predicted, measured : ndarray, shape (bakes, levels)
    """
    given = later(rows("B"))
    cold = given[given.temperature == ROOM]
    hot = given[given.temperature > ROOM]
    form, there = (np.stack([np.ones(len(part.conditions)), _logarithm(part, energy)], axis=1) for part in (cold, hot))
    return there @ np.linalg.lstsq(form, _spreads(cold), rcond=None)[0], _spreads(hot)
