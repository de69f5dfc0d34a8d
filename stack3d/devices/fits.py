"""Parameters of device decks fitted to the published points in ``stack3d/devices/published``."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stack3d import units
from stack3d.constants import BOLTZMANN
from stack3d.devices.endurance import two_sided_decades
from stack3d.errors import ArrayError, DeckError

_DIMENSIONS = {"degC": "temperature", "s": "time", "ohm": "resistance", "uA": "current", "V": "voltage", "nm": "length"}


def published(name: str) -> dict[str, NDArray[np.float64] | list[str]]:
    """Columns of a packaged table of published points, in SI; columns of words stay lists.

    Parameters
    ----------
    name : {"bakes", "endurance_voltage", "endurance_size"}

    Returns
    -------
    dict
    """
    text = files("stack3d.devices").joinpath("published", f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(line for line in text.splitlines() if not line.startswith("#"))
    columns: dict[str, NDArray[np.float64] | list[str]] = {}
    for title, *cells in zip(header, *rows):
        key, _, unit = title.removesuffix("]").partition(" [")
        if unit:
            columns[key] = np.array([units.parse(f"{c} {unit}", _DIMENSIONS[unit]) for c in cells])
        else:
            columns[key] = np.array(cells, float) if key == "cycles" else cells
    return columns


@dataclass(frozen=True)
class Bake:
    """Readings of one cell at one temperature."""

    temperature: float
    """[K]"""
    time: NDArray[np.float64]
    """Since the first reading, which is left out. [s]"""
    ratio: NDArray[np.float64]
    """Resistance over that of the first reading. [-]"""


def bakes(material: str) -> list[Bake]:
    """Bakes of ``HfOx`` or ``HfAlO``, one per temperature."""
    table = published("bakes")
    chosen = np.array(table["material"]) == material
    temperature, time, resistance = (np.asarray(table[k])[chosen] for k in ("temperature", "time", "resistance"))
    found = []
    for t in np.unique(temperature):
        here = temperature == t
        found.append(Bake(float(t), time[here][1:], resistance[here][1:] / resistance[here][0]))
    return found


@dataclass(frozen=True)
class StretchedFit:
    """Form R = R_0 exp[(t/τ)^β], τ = τ_0 exp(E_a/k_B T), fitted to bakes."""

    log_attempt: float
    """ln τ_0/s."""
    activation_energy: float
    """E_a. [eV]"""
    shape: float
    """β."""
    errors: tuple[float, float, float]
    """Standard errors of the three."""
    rms: float
    """Of ln ln(R/R_0)."""

    def time_constant(self, temperature: float) -> float:
        """τ at `temperature` [K]. [s]"""
        return math.exp(self.log_attempt + self.activation_energy / (BOLTZMANN * temperature))


def bake_residuals(data: list[Bake], log_attempt: float, activation_energy: float, shape: float) -> NDArray[np.float64]:
    """Model minus reading, in ln ln(R/R_0).

    Parameters
    ----------
    data : list of Bake
    log_attempt : float
        ln τ_0/s. [-]
    activation_energy : float
        [eV]
    shape : float
        Of the stretched exponential. [-]
    """
    parts = []
    for bake in data:
        log_tau = log_attempt + activation_energy / (BOLTZMANN * bake.temperature)
        parts.append(shape * (np.log(bake.time) - log_tau) - np.log(np.log(bake.ratio)))
    return np.concatenate(parts)


def fit_bakes(data: list[Bake]) -> StretchedFit:
    """Least squares in ln ln(R/R_0), where the form is linear in β, βE_a and β ln τ_0; every reading weighs the same.

    Raises
    ------
    DeckError
        For readings that do not fix the form: too few, at one temperature or time, not above the first, or not growing.
    """
    rows = np.concatenate(
        [
            np.stack([np.log(b.time), -np.ones_like(b.time), np.full_like(b.time, -1 / (BOLTZMANN * b.temperature))], 1)
            for b in data
        ]
    )
    values = np.concatenate([np.log(np.log(b.ratio)) for b in data])
    if len(values) <= 3 or np.linalg.matrix_rank(rows) < 3 or not np.isfinite(values).all():
        raise DeckError("bakes fix the form with more than three readings at two temperatures or more, all above the first")
    (shape, log_attempt, energy), *_ = np.linalg.lstsq(rows, values)
    if shape < LEAST_SHAPE:
        raise DeckError(f"the resistances hardly grow over time: β is {shape:.3g}; must be {LEAST_SHAPE:g} at least")
    residual = values - rows @ [shape, log_attempt, energy]
    covariance = np.linalg.inv(rows.T @ rows) * (residual @ residual) / (len(values) - 3)
    # errors of the ratios by the delta method
    jacobian = np.array(
        [[-log_attempt / shape**2, 1 / shape, 0], [-energy / shape**2, 0, 1 / shape], [1, 0, 0]],
    )
    errors = np.sqrt(np.diag(jacobian @ covariance @ jacobian.T))
    return StretchedFit(
        float(log_attempt / shape),
        float(energy / shape),
        float(shape),
        (float(errors[0]), float(errors[1]), float(errors[2])),
        float(np.sqrt(np.mean(residual**2))),
    )


def arrhenius_energy(times: tuple[float, float], temperatures: tuple[float, float]) -> float:
    """Activation energy of two times to the same event, one at each temperature.

    Parameters
    ----------
    times : tuple of float
        [s]
    temperatures : tuple of float
        In the order of the times. [K]

    Returns
    -------
    float
        Positive where the event comes sooner when hot. [eV]

    Raises
    ------
    ArrayError
        For equal temperatures, or times or temperatures that are not finite and above zero.
    """
    (first, second), (one, other) = times, temperatures
    if not all(math.isfinite(v) and v > 0 for v in (*times, *temperatures)) or one == other:
        raise ArrayError(f"times {times} s at {temperatures} K; allowed: finite, above zero, at two temperatures")
    return BOLTZMANN * math.log(first / second) / (1 / one - 1 / other)


@dataclass(frozen=True)
class VoltageFit:
    """Endurance over write voltage at one programming current."""

    current: float
    """[A]"""
    tent: tuple[float, float, float]
    """log10 N at the optimum, optimum [V], distance per decade [V]: log10 N = a - ``|V - V_opt|``/s."""
    two_sided: tuple[float, float, float]
    """log10 N of the plateau, upper corner [V], distance per decade above it [V]."""
    tent_error: float
    """Largest residual of the tent. [decades]"""
    two_sided_error: float
    """Largest residual of the two-sided form. [decades]"""


LEAST_SHAPE = 0.01
"""β below which readings do not grow: over a decade of time ln R/R_0 grows by 2 %."""
LOWER_CORNER, LOWER_STEP = 1.50, 0.02
"""[V] Lower corner and distance per decade below it: a single point, at 1.41 V, lies there and cannot tell them apart."""


def fit_voltage() -> list[VoltageFit]:
    """Least squares in decades of the two forms, one programming current at a time."""
    from scipy.optimize import least_squares

    table = published("endurance_voltage")
    currents, voltages = np.asarray(table["current"]), np.asarray(table["voltage"])
    decades = np.log10(np.asarray(table["cycles"]))
    found = []
    for current in np.unique(currents):
        here = currents == current
        v, d = voltages[here], decades[here]

        def tent(p: ArrayLike, v: NDArray[np.float64] = v, d: NDArray[np.float64] = d) -> NDArray[np.float64]:
            top, optimum, step = np.asarray(p)
            return np.asarray(top - np.abs(v - optimum) / step - d)

        def corners(p: ArrayLike, v: NDArray[np.float64] = v, d: NDArray[np.float64] = d) -> NDArray[np.float64]:
            top, upper, step = np.asarray(p)
            return np.asarray(top + two_sided_decades(v, LOWER_CORNER, LOWER_STEP, upper, step) - d)

        a = least_squares(tent, [5.0, 1.75, 0.1])
        b = least_squares(corners, [5.0, 1.9, 0.08])
        found.append(
            VoltageFit(
                float(current),
                (float(a.x[0]), float(a.x[1]), float(a.x[2])),
                (float(b.x[0]), float(b.x[1]), float(b.x[2])),
                float(np.abs(a.fun).max()),
                float(np.abs(b.fun).max()),
            )
        )
    return found


@dataclass(frozen=True)
class WindowFit:
    """Both ends of a window that closes, log10 R = log10 R0 + S log10(N/N_th) from a common threshold on."""

    low_resistance_slope: float
    """S of the low resistance, per decade of cycles."""
    high_resistance_slope: float
    """S of the high resistance."""
    threshold: float
    """N_th over the cycles at which both ends meet. [-]"""
    life: float
    """Cycles at which they meet."""
    rms: float
    """[decades]"""


def fit_window() -> WindowFit:
    """Least squares in decades over all points of both states."""
    from scipy.optimize import least_squares

    table = published("window_closure")
    low = np.array([s == "LRS" for s in table["state"]])
    cycles, resistance = np.log10(np.asarray(table["cycles"])), np.log10(np.asarray(table["resistance"]))

    def residuals(p: ArrayLike) -> NDArray[np.float64]:
        first, second, threshold, rise, fall = np.asarray(p)
        beyond = np.maximum(cycles - threshold, 0)
        return np.asarray(np.where(low, first + rise * beyond, second + fall * beyond) - resistance)

    found = min((least_squares(residuals, [3.6, 4.7, start, 0.2, -0.3]) for start in (5, 6, 7)), key=lambda f: f.cost)
    first, second, threshold, rise, fall = (float(v) for v in found.x)
    decades = (second - first) / (rise - fall)
    return WindowFit(rise, fall, 10**-decades, 10 ** (threshold + decades), float(np.sqrt(np.mean(found.fun**2))))


def size_slopes() -> dict[str, float]:
    """Growth of ln N per length [m⁻¹] of each state between the two published sizes."""
    table = published("endurance_size")
    states, sizes, cycles = np.array(table["state"]), np.asarray(table["size"]), np.asarray(table["cycles"])
    return {
        str(s): float(np.polyfit(sizes[states == s], np.log(cycles[states == s]), 1)[0]) for s in dict.fromkeys(table["state"])
    }
