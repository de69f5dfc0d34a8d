"""Lasting loss of conductance: the published forms, each as pure functions and as a law with its parameters."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, override

import numpy as np
from pydantic import BeforeValidator

from stack3d.constants import BOLTZMANN
from stack3d.devices.laws import RETENTION, Reals, RetentionLaw
from stack3d.devices.levels import LevelFunction
from stack3d.errors import DeckError
from stack3d.schema.base import (
    POSITIVE,
    ActivationEnergy,
    Conductance,
    DeckModel,
    Duration,
    Fraction,
    InverseTemperature,
    Positive,
    Resistance,
    Temperature,
    Thickness,
    Voltage,
    bare,
)
from stack3d.schema.device import DeviceDeck

ROUNDED_BOLTZMANN = 1.3806503e-23 / 1.6e-19
"""[eV K⁻¹] As Kaul et al. computed; 0.14 % off, which moves a rate of 1.5 eV by 7 %."""


# ------------------------------------------------------------------------------------------------ pure functions
def power_law(conductance: Reals, age: Reals, *, exponent: Reals, reference_time: float) -> Reals:
    r"""Structural relaxation of a phase-change cell.

    Parameters
    ----------
    conductance : ndarray
        Programmed conductance, any shape. [S]
    age : ndarray, broadcast against `conductance`
        Time since programming plus `reference_time` is what counts. [s]
    exponent : ndarray, broadcast against `conductance`
        Drift exponent ν of each cell. [-]
    reference_time : float
        t_0, the time of the reading that defined the programmed value. [s]

    Returns
    -------
    ndarray
        :math:`G_0 [(t + t_0)/t_0]^{-\nu}`. [S]

    References
    ----------
    .. [1] S. R. Nandakumar et al., "Phase-change memory models for deep learning training and inference",
       ICECS 2019. doi:10.1109/ICECS46596.2019.8964852
    """
    decades = np.log1p(age / reference_time).astype(conductance.dtype)
    return conductance * np.exp(-exponent * decades)


def stretched_log_resistance(conductance: Reals, reduced_time: Reals, *, shape: float, saturation: float) -> Reals:
    r"""Growth of ln R as a stretched exponential, as in bakes of HfOx filaments.

    Parameters
    ----------
    conductance : ndarray
        Programmed conductance, any shape. [S]
    reduced_time : ndarray, broadcast against `conductance`
        :math:`x = \int dt/\tau(T)`. [-]
    shape : float
        β. [-]
    saturation : float
        Conductance below which the loss does not go. [S]

    Returns
    -------
    ndarray
        :math:`G = \max(G_0 e^{-x^\beta}, G_\mathrm{sat})`, never above :math:`G_0`. [S]
    """
    result = _stretched(reduced_time, shape, conductance.dtype) * conductance
    return np.maximum(result, np.minimum(conductance, saturation))


def relax_towards(conductance: Reals, reduced_time: Reals, *, shape: float, final: Reals | float) -> Reals:
    r"""First-order loss with a stretching exponent, each cell with the reduced time of its own barrier.

    Parameters
    ----------
    conductance : ndarray
        Programmed conductance, any shape. [S]
    reduced_time : ndarray, broadcast against `conductance`
        :math:`x_i = \int dt/\tau_i(T)`. [-]
    shape : float
        β. [-]
    final : float or ndarray, broadcast against `conductance`
        G_inf. [S]

    Returns
    -------
    ndarray
        :math:`G_\infty + (G_0 - G_\infty) e^{-x^\beta}`. [S]
    """
    return _stretched(reduced_time, shape, conductance.dtype) * (conductance - final) + final


def _stretched(reduced_time: Reals, shape: float, dtype: np.dtype[np.floating]) -> Reals:
    """exp(-x^β) as a fresh array in `dtype`."""
    x = np.array(reduced_time, dtype)
    with np.errstate(over="ignore"):  # beyond the largest number nothing is left
        x = np.sqrt(x, out=x) if shape == 0.5 else np.power(x, shape, out=x)
    np.negative(x, out=x)
    return np.exp(x, out=x)


def gap_growth_rate(
    temperature: Reals,
    *,
    velocity: float = 300.0,
    recombination: float = 1.5,
    separation: float = 1.501,
    gap_scale: float = 0.275e-9,
    boltzmann: float = BOLTZMANN,
) -> Reals:
    r"""Rate of ln R of a filament whose gap grows at zero bias.

    Parameters
    ----------
    temperature : ndarray
        Any shape. [K]
    velocity : float
        v_0. [m s⁻¹]
    recombination, separation : float
        Barriers E_r and E_s of the ions. [eV]
    gap_scale : float
        g_0 of I ∝ exp(-g/g_0). [m]
    boltzmann : float
        k_B; the source rounds it. [eV K⁻¹]

    Returns
    -------
    ndarray
        :math:`(v_0/2g_0)[e^{-E_r/k_BT} - e^{-E_s/k_BT}]`, so that :math:`R(t) = R_0 e^{\int\mathrm{rate}\,dt}`. [s⁻¹]

    References
    ----------
    .. [1] P.-Y. Chen, S. Yu, "Compact modeling of RRAM devices and its applications in 1T1R and 1S1R array design",
       IEEE Trans. Electron Devices 62 (2015) 4022. doi:10.1109/TED.2015.2492421
    .. [2] A. Kaul et al., "Thermal reliability of resistive memory in 3-D ICs", parameters of the published repository.
    """
    kt = boltzmann * np.asarray(temperature)
    rate: Reals = velocity / (2 * gap_scale) * (np.exp(-recombination / kt) - np.exp(-separation / kt))
    return rate


def barrier_factor(temperature: Reals, barrier_shift: Reals) -> Reals:
    """Speed of a cell whose barrier lies `barrier_shift` [eV] above the nominal one: exp(-ΔE/k_B T). [-]"""
    return np.exp(barrier_shift * (-1 / (BOLTZMANN * temperature)).astype(barrier_shift.dtype))


# ---------------------------------------------------------------------------------------------------------- laws
@RETENTION.register("power_law")
class PowerLaw(RetentionLaw):
    """Drift (t/t_0)^-ν with ν per cell, the same at any temperature."""

    reference = "S. R. Nandakumar et al. 2019, doi:10.1109/ICECS46596.2019.8964852"

    also_fitted: ClassVar[tuple[str, ...]] = ("reference_time",)
    exponent_mean: LevelFunction
    """Mean of ν over u = G/g_max of the target."""
    exponent_sd: LevelFunction
    """Standard deviation of ν over cells."""
    reference_time: Duration
    """t_0."""

    @override
    def rate(self, temperature: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        return np.full(np.shape(temperature), 1 / self.reference_time)

    def exponent(self, target: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        """Drift exponent of each cell. [-]"""
        level = target / device.g_max
        return np.abs(self.exponent_mean(level) + self.exponent_sd(level) * draw)

    @override
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        exponent = self.exponent(target, draw, device)
        return power_law(programmed, age, exponent=exponent, reference_time=self.reference_time)


class VoltageCoupling(DeckModel):
    """A stronger write keeps longer: τ grows tenfold per `scale` above `optimum`."""

    optimum: Voltage
    scale: Annotated[Voltage, POSITIVE]


class _Activated(RetentionLaw):
    also_fitted: ClassVar[tuple[str, ...]] = ("barrier_sd", "inverse_isokinetic_temperature")
    spread_of_rates: ClassVar[tuple[str, str] | None] = ("barrier_sd", "inverse_isokinetic_temperature")
    # the spread of ln τ is barrier_sd |1/T - 1/T_iso|: at two temperatures two pairs of them give the same spreads
    temperatures_needed: ClassVar[Mapping[str, int]] = {"inverse_isokinetic_temperature": 3}
    activation_energy: ActivationEnergy
    """Mean barrier."""
    barrier_sd: ActivationEnergy = 0.0
    """Standard deviation of the barrier over cells."""
    inverse_isokinetic_temperature: InverseTemperature = 0.0
    """1/T at which all cells are equally fast, whatever their barrier; 0 = they share the attempt rate."""
    voltage_coupling: VoltageCoupling | None = None
    """Absent = retention does not depend on the write."""

    @property
    def _isokinetic_shift(self) -> float:
        """Growth of the logarithm of a cell's rate with its draw at infinite temperature. [-]"""
        return self.barrier_sd * self.inverse_isokinetic_temperature / BOLTZMANN

    @abstractmethod
    def _anchor(self) -> tuple[float, float]:
        """Time constant of the nominal barrier [s], and the temperature at which it holds [K]."""

    def rate(self, temperature: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        time_constant, reference = self._anchor()
        if self.voltage_coupling is not None and device.write is not None:
            time_constant *= 10 ** ((device.write.voltage - self.voltage_coupling.optimum) / self.voltage_coupling.scale)
        nominal = np.exp(self.activation_energy / BOLTZMANN * (1 / reference - 1 / temperature)) / time_constant
        if self.barrier_sd == 0 or not isinstance(draw, np.ndarray):
            return nominal
        factor = barrier_factor(temperature, draw * self.barrier_sd)
        if self.inverse_isokinetic_temperature:
            factor = factor * np.exp(draw * self._isokinetic_shift)
        return nominal * factor


class _Saturating(_Activated):
    """A time constant that holds at one temperature, and a resistance at which the loss ends."""

    time_constant: Duration
    """τ, or the Weibull scale, at `reference_temperature`."""
    reference_temperature: Temperature
    """Best inside the bakes, so that another barrier pivots there."""
    shape: Positive
    """β, or the Weibull shape."""
    saturation_resistance: Resistance
    """Resistance at which the loss ends."""

    def _anchor(self) -> tuple[float, float]:
        return self.time_constant, self.reference_temperature


@RETENTION.register("stretched_log_resistance")
class StretchedLogResistance(_Saturating):
    """ln R grows as (t/τ)^β up to a saturation: bakes of HfOx and HfAlO filaments."""

    reference = "ours, for bakes of HfOx and HfAlO (stack3d.devices.fits)"

    @override
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        return stretched_log_resistance(programmed, reduced_time, shape=self.shape, saturation=1 / self.saturation_resistance)


class Anchor(DeckModel):
    """What is known of retention at one temperature."""

    time: Duration
    temperature: Temperature
    loss: Fraction
    """Share of G_0 - G_inf lost."""
    cells: Annotated[Fraction | Literal["mean"], BeforeValidator(bare)] = "mean"
    """Share of cells that lost at least that much, or `mean`: the loss averaged over cells."""


def anchored_time_constant(*, time: float, loss: float, cells: float | Literal["mean"], shape: float, log_sd: float) -> float:
    r"""Time constant of the nominal cell from an anchor.

    Parameters
    ----------
    time : float
        t_a. [s]
    loss : float
        Share lost. [-]
    cells : float or "mean"
        Share of cells beyond `loss` [-], or the loss is that of the mean over cells.
    shape : float
        β. [-]
    log_sd : float
        Standard deviation of ln τ over cells at the anchor, :math:`\sigma_E/k_BT_a`. [-]

    Returns
    -------
    float
        τ with :math:`E_z[1 - \exp(-(t_a e^{-sz}/\tau)^\beta)]` = loss, or with the stated share of cells beyond it. [s]

    Raises
    ------
    DeckError
        When no time constant gives the loss, for barriers that spread over electron volts.
    """
    if cells != "mean":
        from scipy.special import ndtri

        return time * math.exp(-log_sd * float(ndtri(cells))) / math.pow(-math.log1p(-loss), 1 / shape)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()

    def excess(log_x: float) -> float:
        with np.errstate(over="ignore"):  # a cell that has lost all
            return float(weights @ -np.expm1(-np.exp(shape * (log_x - log_sd * nodes)))) - loss

    low, high = -200.0, 50.0
    if not excess(low) < 0 < excess(high):
        spread = f"a spread of ln τ of {log_sd:.3g} over cells"
        raise DeckError(f"retention: {spread} leaves no time constant for a loss of {loss:g}: is barrier_sd in the right unit?")
    while low < (middle := 0.5 * (low + high)) < high:  # by halves, to the last digit: loading scipy.optimize takes far longer
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return time / math.exp(middle)


@RETENTION.register("distributed_barriers")
class DistributedBarriers(_Activated):
    """First-order loss towards G_inf, barriers normal over cells, fixed by an anchor."""

    reference = "definition: first order over normal barriers"

    conventions: ClassVar[Mapping[str, Any]] = {"anchor.loss": 1 - math.exp(-1), "anchor.cells": 0.5}
    assumptions: ClassVar[Mapping[str, Any]] = {"final_conductance": "0 S"}
    anchor: Anchor
    """What fixes the time constant."""
    shape: Positive
    """β."""
    final_conductance: Conductance | None = None
    """G_inf; absent = g_min of the device."""

    @cached_property
    def time_constant(self) -> float:
        """τ of the nominal barrier at the anchor's temperature. [s]"""
        return anchored_time_constant(
            time=self.anchor.time,
            loss=self.anchor.loss,
            cells=self.anchor.cells,
            shape=self.shape,
            log_sd=abs(self.barrier_sd / (BOLTZMANN * self.anchor.temperature) - self._isokinetic_shift),
        )

    def _anchor(self) -> tuple[float, float]:
        return self.time_constant, self.anchor.temperature

    @override
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        final = device.g_min if self.final_conductance is None else self.final_conductance
        return relax_towards(programmed, reduced_time, shape=self.shape, final=final)


class _GapGrowth(RetentionLaw):
    random: ClassVar[bool] = False
    assumptions: ClassVar[Mapping[str, Any]] = {"velocity": 300, "gap_scale": "0.275 nm"}
    velocity: Positive
    """v_0 in m/s."""
    recombination_energy: ActivationEnergy
    """E_r."""
    separation_energy: ActivationEnergy
    """E_s."""
    gap_scale: Thickness
    """g_0 of I ∝ exp(-g/g_0)."""
    boltzmann: Positive = BOLTZMANN
    """k_B in eV/K; a source that rounds it needs its own."""

    def rate(self, temperature: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        return gap_growth_rate(
            temperature,
            velocity=self.velocity,
            recombination=self.recombination_energy,
            separation=self.separation_energy,
            gap_scale=self.gap_scale,
            boltzmann=self.boltzmann,
        )


@RETENTION.register("gap_growth")
class GapGrowth(_GapGrowth):
    """R = R_0 exp(∫ rate dt) of a filament with a growing gap."""

    reference = "P.-Y. Chen and S. Yu 2015, doi:10.1109/TED.2015.2492421"

    @override
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        return programmed * np.exp(-reduced_time).astype(programmed.dtype)


@RETENTION.register("kaul2021_mapping")
class Kaul2021Mapping(_GapGrowth):
    """G t^-v, t in seconds, with v = R/R_0 - 1 of the growing gap: a published chain whose v is no drift exponent.

    Kept to compare with that chain; it turns a resistance ratio into an exponent, which no measurement supports.
    """

    reference = "A. Kaul et al. 2021, Thermal reliability of resistive memory in 3-D ICs, parameters of its repository"

    boltzmann: Positive = ROUNDED_BOLTZMANN
    """k_B in eV/K, as the source rounded it."""

    @override
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        exponent = np.expm1(reduced_time)
        return programmed * np.exp(-exponent * np.log(np.maximum(age, 1.0))).astype(programmed.dtype)


@RETENTION.register("abrupt")
class Abrupt(_Saturating):
    """A cell jumps to high resistance at a time drawn from a Weibull distribution of scale τ(T)."""

    reference = "definition: Weibull times on an Arrhenius scale"

    jumps: ClassVar[int] = 40

    @override
    def rate(self, temperature: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        return super().rate(temperature, 0.0, device)

    @override
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        from scipy.special import log_ndtr

        # the draw's survival probability Φ(-z) is uniform: (-ln Φ(-z))^(1/β) is a Weibull life
        life = (-log_ndtr(-np.asarray(draw, np.float64))) ** (1 / self.shape)
        return np.where(reduced_time < life, programmed, np.minimum(programmed, 1 / self.saturation_resistance)).astype(
            programmed.dtype
        )
