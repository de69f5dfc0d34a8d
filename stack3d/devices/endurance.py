"""Endurance: cycles to failure, damage, lives of cells, and the window that closes before."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, override

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from stack3d.constants import BOLTZMANN
from stack3d.devices.laws import ENDURANCE, WINDOW_CLOSURE, EnduranceLaw, Reals, WindowClosureLaw
from stack3d.schema.base import POSITIVE, ActivationEnergy, InverseLength, Number, Positive, Temperature, Thickness, Voltage
from stack3d.schema.device import DeviceDeck


def cycles_to_failure(
    temperature: ArrayLike,
    cell_size: ArrayLike,
    decades: ArrayLike,
    *,
    cycles: float,
    activation_energy: float,
    reference_temperature: float,
    size_slope: float = 0.0,
    reference_size: float = 0.0,
) -> Reals:
    r"""Characteristic number of write pulses that a cell survives.

    Parameters
    ----------
    temperature, cell_size : array_like
        Of the cell during the pulse, broadcast against each other. [K], [m]
    decades : array_like
        Decades that the write voltage costs, zero or negative, from one of the functions below. [-]
    cycles : float
        At the reference temperature and size and the best voltage. [cycles]
    activation_energy : float
        Positive: fewer cycles when hot. [eV]
    reference_temperature : float
        [K]
    size_slope, reference_size : float
        Growth of ln N per length [m⁻¹], and the size where it is zero [m].

    Returns
    -------
    ndarray
        :math:`N_0\,10^{D(V)} e^{(E_a/k_B)(1/T - 1/T_0)} e^{p_d(d - d_0)}`. [cycles]
    """
    log = activation_energy / BOLTZMANN * (1 / np.asarray(temperature) - 1 / reference_temperature)
    log = log + size_slope * (np.asarray(cell_size) - reference_size) + np.log(10) * np.asarray(decades)
    return np.asarray(cycles * np.exp(log))


def tent_decades(voltage: ArrayLike, optimum: float, per_decade: float) -> Reals:
    """Decades -``|V - V_opt|``/s_V lost away from the optimum voltage; all in volts. [-]"""
    return np.asarray(-np.abs(np.asarray(voltage) - optimum) / per_decade)


def two_sided_decades(
    voltage: ArrayLike, lower_corner: float, lower_step: float, upper_corner: float, upper_step: float
) -> Reals:
    r"""Decades lost to writes that are too weak or too strong, two ways to fail that add up.

    Parameters
    ----------
    voltage : array_like
        [V]
    lower_corner, upper_corner : float
        Voltages at which half of the life is gone. [V]
    lower_step, upper_step : float
        Distance beyond a corner that costs a decade. [V]

    Returns
    -------
    ndarray
        :math:`-\log_{10}[1 + 10^{(V_l - V)/s_l} + 10^{(V - V_u)/s_u}]`. [-]
    """
    v = np.asarray(voltage)
    return np.asarray(-np.log10(1 + 10 ** ((lower_corner - v) / lower_step) + 10 ** ((v - upper_corner) / upper_step)))


def parabola_decades(voltage: ArrayLike, *, decades: float, lowest: float, highest: float) -> Reals:
    r"""Decades lost over a window of write voltages, as a parabola.

    Parameters
    ----------
    voltage : array_like
        [V]
    decades : float
        K, decades of life at the middle of the window. [-]
    lowest, highest : float
        Ends of the window, where one cycle is left. [V]

    Returns
    -------
    ndarray
        :math:`-K (2w-1)^2`, :math:`w = (V - V_\mathrm{min})/(V_\mathrm{max} - V_\mathrm{min})`. [-]

    References
    ----------
    .. [1] C. Lammie, M. Rahimi Azghadi, D. Ielmini, "Empirical metal-oxide RRAM device endurance and retention model for
       deep learning simulations", Semicond. Sci. Technol. 36 (2021) 065003. doi:10.1088/1361-6641/abf29d
    """
    w = (np.asarray(voltage) - lowest) / (highest - lowest)
    return np.asarray(-decades * (2 * w - 1) ** 2)


def miner_damage(pulses: ArrayLike, cycles: ArrayLike, axis: int = -1) -> Reals:
    """Miner's sum Σ n_i/N_i over `axis`, for `pulses` n_i written at lives `cycles` N_i. [-]"""
    return np.asarray(np.sum(np.asarray(pulses) / np.asarray(cycles), axis=axis))


class _Wear(EnduranceLaw):
    """N_0 with factors of voltage, temperature and size; lives are Weibull about it."""

    activation_energy: ActivationEnergy
    """Positive: fewer cycles when hot."""
    reference_temperature: Temperature = 300.0
    """T_0."""
    size_slope: InverseLength = 0.0
    """p_d; 0 = life does not depend on the size of the cell."""
    reference_size: Thickness | None = None
    """d_0; absent = the deck's own cell size."""
    shape: Positive
    """β_w of the lives; their scale is the law's number of cycles."""

    @abstractmethod
    def _best(self) -> float:
        """Cycles at the reference and the best voltage. [cycles]"""

    @abstractmethod
    def _decades(self, voltage: float) -> Reals:
        """Decades that `voltage` [V] costs. [-]"""

    @override
    def cycles(self, temperature: Reals, device: DeviceDeck) -> Reals:
        size = device.cell_size or 0.0
        return cycles_to_failure(
            temperature,
            size,
            self._decades(device.write.voltage) if device.write else 0.0,
            cycles=self._best(),
            activation_energy=self.activation_energy,
            reference_temperature=self.reference_temperature,
            size_slope=self.size_slope,
            reference_size=size if self.reference_size is None else self.reference_size,
        )

    @override
    def life(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> Reals:
        life: Reals = rng.standard_exponential(shape, dtype=dtype.type)
        return np.power(life, 1 / self.shape, out=life)

    @override
    def log_survival(self, damage: Reals) -> Reals:
        return -(damage**self.shape)


class _FromCycles(_Wear):
    cycles_at_reference: Positive
    """N_0, at the best voltage."""

    @override
    def _best(self) -> float:
        return self.cycles_at_reference


@ENDURANCE.register("tent")
class Tent(_FromCycles):
    """A decade less for every step of the write voltage away from its optimum."""

    reference = "definition"

    optimum_voltage: Voltage
    """V_opt, of longest life."""
    voltage_per_decade: Annotated[Voltage, POSITIVE]
    """s_V, the distance from V_opt that costs a decade."""

    @override
    def _decades(self, voltage: float) -> Reals:
        return tent_decades(voltage, self.optimum_voltage, self.voltage_per_decade)


@ENDURANCE.register("two_sided")
class TwoSided(_FromCycles):
    """A plateau between a lower and an upper corner of the write voltage."""

    reference = "ours, for endurance over voltage of TiN/HfOx cells (stack3d.devices.fits)"

    lower_corner: Voltage
    """Weak writes halve the life here."""
    lower_step: Annotated[Voltage, POSITIVE]
    """Distance below it that costs a decade."""
    upper_corner: Voltage
    """Strong writes halve the life here."""
    upper_step: Annotated[Voltage, POSITIVE]
    """Distance above it that costs a decade."""

    @override
    def _decades(self, voltage: float) -> Reals:
        return two_sided_decades(voltage, self.lower_corner, self.lower_step, self.upper_corner, self.upper_step)


@ENDURANCE.register("lammie2021")
class Lammie2021(_Wear):
    """A parabola of decades over a window of write voltages."""

    reference = "C. Lammie et al. 2021, doi:10.1088/1361-6641/abf29d"

    decades: Positive
    """K, decades of life at the middle of the window."""
    lowest_voltage: Voltage
    """Where one cycle is left."""
    highest_voltage: Voltage
    """Where one cycle is left."""

    @override
    def _best(self) -> float:
        return float(10.0**self.decades)

    @override
    def _decades(self, voltage: float) -> Reals:
        return parabola_decades(voltage, decades=self.decades, lowest=self.lowest_voltage, highest=self.highest_voltage)


@WINDOW_CLOSURE.register("lammie2021_gradual")
class GradualClosure(WindowClosureLaw):
    """From a threshold of damage on, log10 R of both ends of the window moves by a slope per decade of damage."""

    reference = "C. Lammie et al. 2021, doi:10.1088/1361-6641/abf29d"

    threshold: Positive
    """Damage (share of the life's scale) at which the window starts to close."""
    low_resistance_slope: Annotated[Number, Field(ge=0)]
    """Decades that the low resistance rises per decade of damage."""
    high_resistance_slope: Annotated[Number, Field(le=0)]
    """Decades that the high resistance moves per decade of damage."""

    @override
    def window(self, damage: Reals, device: DeviceDeck) -> tuple[Reals, Reals]:
        decades = np.log10(np.maximum(damage / self.threshold, 1.0))
        highest = device.g_max * 10.0 ** (-self.low_resistance_slope * decades)
        lowest = device.g_min * 10.0 ** (-self.high_resistance_slope * decades)
        return np.minimum(lowest, highest), highest


@WINDOW_CLOSURE.register("lammie2021_abrupt")
class AbruptClosure(WindowClosureLaw):
    """At a threshold of damage both ends of the window jump, and stay there until the cell fails.

    C. Lammie et al., Semicond. Sci. Technol. 36 (2021) 065003, doi:10.1088/1361-6641/abf29d, tells gradual from abrupt failure.
    """

    reference = "C. Lammie et al. 2021, doi:10.1088/1361-6641/abf29d"

    threshold: Positive
    """Damage (share of the life's scale) at which the window closes."""
    low_resistance_growth: Annotated[Number, Field(ge=1)]
    """Factor on the lowest resistance."""
    high_resistance_growth: Annotated[Number, Field(gt=0, le=1)]
    """Factor on the highest resistance."""

    @override
    def window(self, damage: Reals, device: DeviceDeck) -> tuple[Reals, Reals]:
        closed = np.asarray(damage) >= self.threshold
        highest = np.where(closed, device.g_max / self.low_resistance_growth, device.g_max)
        lowest = np.where(closed, device.g_min / self.high_resistance_growth, device.g_min)
        return np.minimum(lowest, highest), highest
