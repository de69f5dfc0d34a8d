"""Relaxation in the first seconds to days after programming, and thermally activated spread."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, override

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from stack3d.constants import BOLTZMANN
from stack3d.devices.laws import RELAXATION, SPREAD, Reals, RelaxationLaw, SpreadLaw
from stack3d.devices.levels import Coefficients, Statistics, polynomial
from stack3d.schema.base import NOT_NEGATIVE, ActivationEnergy, DeckModel, Duration, Fraction, Temperature, bare
from stack3d.schema.device import DeviceDeck


def acceleration(temperature: Reals, *, activation_energy: float, reference_temperature: float) -> Reals:
    r"""Speed of an activated process relative to a reference temperature.

    Parameters
    ----------
    temperature : ndarray
        [K]
    activation_energy : float
        [eV]
    reference_temperature : float
        [K]

    Returns
    -------
    ndarray
        :math:`\exp[(E_a/k_B)(1/T_\mathrm{ref} - 1/T)]`; its time integral is the equivalent time at the reference. [-]
    """
    return np.exp((activation_energy / BOLTZMANN) * (1 / reference_temperature - 1 / temperature))


class ActivatedRelaxation(RelaxationLaw):
    """A relaxation whose clock runs faster when hot."""

    activation_energy: ActivationEnergy
    """Speeds the clock of the relaxation up when hot."""
    reference_temperature: Temperature = 298.15
    """Temperature at which the statistics were measured."""

    @override
    def rate(self, temperature: Reals, barrier: Reals | float = 0.0) -> Reals:
        return acceleration(
            temperature, activation_energy=self.activation_energy, reference_temperature=self.reference_temperature
        )


class _Logarithmic(Statistics, ActivatedRelaxation):
    also_fitted: ClassVar[tuple[str, ...]] = ("time_scale",)
    mean_slope: Annotated[float, BeforeValidator(bare)]
    """Mean shift per unit of L, in units of `unit`."""
    sd_offset: Annotated[float, BeforeValidator(bare), NOT_NEGATIVE]
    """Standard deviation at L = 0, in units of `unit`."""
    sd_slope: Annotated[float, BeforeValidator(bare), NOT_NEGATIVE]
    """Growth of the standard deviation per unit of L, in units of `unit`."""
    time_scale: Duration = 1.0
    """t_r inside the logarithm L."""
    saturation_time: Duration | None = None
    """Equivalent time after which nothing moves any more; absent = never."""

    @abstractmethod
    def _logarithm(self, time: Reals) -> Reals:
        """Logarithm of `time` [s] that the shift and its spread grow with. [-]"""

    def shift(self, target: Reals, time: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        logarithm = self._logarithm(np.minimum(time, self.saturation_time or np.inf)).astype(target.dtype)
        sd = (logarithm * self.sd_slope + self.sd_offset) * self.scale(device)
        return logarithm * (self.mean_slope * self.scale(device)), np.where(time > 0, sd, np.zeros_like(sd))


@RELAXATION.register("logarithmic")
class Logarithmic(_Logarithmic):
    """L = ln(1 + t/t_r): mean shift a L, standard deviation b_0 + b_1 L."""

    reference = "definition"

    def _logarithm(self, time: Reals) -> Reals:
        """Logarithm of `time` [s] that the shift and its spread grow with. [-]"""
        return np.log1p(time / self.time_scale)


@RELAXATION.register("falcone2025")
class Falcone2025(_Logarithmic):
    """L = ln(t/t_r) from t_r on, 0 before: mean shift a L, standard deviation b_0 + b_1 L, at any state.

    D. F. Falcone et al., "All-in-One Analog AI Hardware: On-Chip Training and Inference with Conductive-Metal-Oxide/HfOx
    ReRAM Devices", Adv. Funct. Mater. (2025).
    """

    reference = "D. F. Falcone et al., Adv. Funct. Mater. (2025)"

    def _logarithm(self, time: Reals) -> Reals:
        """Logarithm of `time` [s] that the shift and its spread grow with. [-]"""
        return np.log(np.maximum(time, self.time_scale) / self.time_scale)


class PolynomialRow(DeckModel):
    """Standard deviation over level at one time."""

    time: Duration
    coefficients: Coefficients
    """c_0, c_1, … of Σ c_k u^k, u = G/g_max, in units of `unit`."""


@RELAXATION.register("level_polynomials")
class LevelPolynomials(Statistics, ActivatedRelaxation):
    """Zero-mean spread tabulated as polynomials in u at a few times; linear in ln t between rows, held outside."""

    reference = "form of aihwkit for W. Wan et al. 2022, doi:10.1038/s41586-022-04992-8"

    conventions: ClassVar[Mapping[str, Any]] = {"first_row_is_programming": False}
    rows: Annotated[tuple[PolynomialRow, ...], Field(min_length=1)]
    """In order of time."""
    first_row_is_programming: bool = True
    """The rows hold the total error and the programming law the first of them; only the rest is added here."""

    @model_validator(mode="after")
    def _ordered(self) -> LevelPolynomials:
        if any(a.time >= b.time for a, b in zip(self.rows, self.rows[1:])):
            raise ValueError("rows must come in order of time")
        return self

    def total_sd(self, target: Reals, time: Reals, device: DeviceDeck) -> Reals:
        """Standard deviation of the whole error at `time` [s] since programming. [S]"""
        level = target / device.g_max
        weights = self._weights(time)
        total = np.zeros(np.broadcast_shapes(target.shape, time.shape), target.dtype)
        for row, weight in zip(self.rows, weights):
            if weight.any():
                total += polynomial(level, row.coefficients) * (weight * self.scale(device)).astype(target.dtype)
        return np.maximum(total, 0, out=total)

    def _weights(self, time: Reals) -> Reals:
        """Share of every row, first axis over rows, in linear interpolation over ln t."""
        nodes = np.log([row.time for row in self.rows])
        logarithm = np.log(np.maximum(time, self.rows[0].time))
        return np.stack([np.interp(logarithm, nodes, unit) for unit in np.eye(len(nodes))])

    @override
    def shift(self, target: Reals, time: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        sd = self.total_sd(target, time, device)
        if self.first_row_is_programming:
            first = polynomial(target / device.g_max, self.rows[0].coefficients) * self.scale(device)
            sd = np.sqrt(np.maximum(sd * sd - first * first, 0))
        return 0.0, sd


@SPREAD.register("power_law")
class PowerLawSpread(SpreadLaw):
    """sd = s_d (t_eq/t_a)^γ, zero mean, independent per cell."""

    reference = "definition"

    conventions: ClassVar[Mapping[str, Any]] = {"anchor_time": "1 day"}
    sd_at_anchor: Fraction
    """s_d, as a share of g_max."""
    exponent: Fraction
    """γ, between 0.25 and 0.5 in the literature."""
    activation_energy: ActivationEnergy
    """Of the clock t_eq."""
    anchor_time: Duration
    """t_a."""
    anchor_temperature: Temperature
    """Temperature at which t_eq is real time."""

    @override
    def rate(self, temperature: Reals) -> Reals:
        speed = acceleration(
            temperature, activation_energy=self.activation_energy, reference_temperature=self.anchor_temperature
        )
        return speed / self.anchor_time

    @override
    def sd(self, target: Reals, reduced_time: Reals, device: DeviceDeck) -> Reals:
        return (reduced_time**self.exponent).astype(target.dtype) * (self.sd_at_anchor * device.g_max)


def equivalent_time(durations: Reals, temperatures: Reals, *, activation_energy: float, reference_temperature: float) -> Reals:
    r"""Time at a reference temperature that ages as much as a history does.

    Parameters
    ----------
    durations : ndarray, shape (..., pieces)
        Lengths of the pieces. [s]
    temperatures : ndarray, shape (..., pieces)
        Temperature in each piece. [K]
    activation_energy : float
        [eV]
    reference_temperature : float
        [K]

    Returns
    -------
    ndarray, shape (...)
        :math:`\sum_k \Delta t_k \exp[(E_a/k_B)(1/T_\mathrm{ref} - 1/T_k)]`. [s]
    """
    factor = acceleration(
        np.asarray(temperatures), activation_energy=activation_energy, reference_temperature=reference_temperature
    )
    return np.sum(durations * factor, axis=-1)
