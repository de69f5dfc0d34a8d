"""Read noise and read disturb."""

from __future__ import annotations

from typing import Annotated, override

import numpy as np
from pydantic import BeforeValidator

from stack3d.devices.laws import READ_DISTURB, READ_NOISE, ReadDisturbLaw, ReadNoiseLaw, Reals
from stack3d.devices.levels import LevelFunction
from stack3d.schema.base import POSITIVE, Duration, Fraction, Number, Time, Voltage, bare
from stack3d.schema.device import DeviceDeck


def flicker_growth(age: Reals, read_time: float) -> Reals:
    """Growth √ln[(t + t_rd)/(2 t_rd)] of 1/f noise seen by a read of `read_time` [s] at `age` [s]; 0 before 1 t_rd. [-]"""
    return np.asarray(np.sqrt(np.log(np.maximum((age + read_time) / (2 * read_time), 1.0))))


@READ_NOISE.register("proportional")
class Proportional(ReadNoiseLaw):
    """A fixed share of the conductance."""

    reference = "definition"

    share: Fraction
    """Standard deviation over conductance."""

    @override
    def sd(self, conductance: Reals, programmed: Reals, age: Reals, device: DeviceDeck) -> Reals:
        return np.abs(conductance) * self.share


@READ_NOISE.register("flicker")
class Flicker(ReadNoiseLaw):
    """1/f noise: q(u) G √ln[(t + t_rd)/(2 t_rd)], q = min(q_1 u^-m, q_max), u the programmed level.

    S. R. Nandakumar et al., ICECS 2019, doi:10.1109/ICECS46596.2019.8964852.
    """

    reference = "S. R. Nandakumar et al. 2019, doi:10.1109/ICECS46596.2019.8964852"

    amplitude: Fraction
    """q_1."""
    level_exponent: Number
    """m."""
    amplitude_max: Fraction
    """q_max."""
    read_time: Duration
    """t_rd."""
    time_offset: Time
    """Age of the cell when its programmed value was read; t counts from the pulse."""

    @override
    def sd(self, conductance: Reals, programmed: Reals, age: Reals, device: DeviceDeck) -> Reals:
        level = np.maximum(programmed / device.g_max, 1e-6)
        q = np.minimum(level**-self.level_exponent * self.amplitude, self.amplitude_max)
        q *= conductance
        growth = flicker_growth(age + self.time_offset, self.read_time)
        return np.asarray(np.abs(q) * growth.astype(q.dtype))


@READ_NOISE.register("flicker_levels")
class FlickerLevels(ReadNoiseLaw):
    """1/f noise q(u) G √ln[(t + t_rd)/(2 t_rd)] with q logarithmic in u, and a polynomial from a level on."""

    reference = "1/f form of S. R. Nandakumar et al. 2019, doi:10.1109/ICECS46596.2019.8964852; levels of ours"

    amplitude: LevelFunction
    """q over the programmed level u."""
    read_time: Duration
    """t_rd."""
    time_offset: Time
    """Age of the cell when its programmed value was read; t counts from the pulse."""

    @override
    def sd(self, conductance: Reals, programmed: Reals, age: Reals, device: DeviceDeck) -> Reals:
        q = self.amplitude(programmed / device.g_max) * conductance
        return np.asarray(np.abs(q) * flicker_growth(age + self.time_offset, self.read_time).astype(q.dtype))


@READ_NOISE.register("lombardo2024")
class Lombardo2024(ReadNoiseLaw):
    """1/f noise of CMO/HfOx cells: a log10(G/1 uS) √ln[(t + t_rd)/(2 t_rd)] uS.

    D. G. Lombardo et al., "Read noise analysis in analog conductive-metal-oxide/HfOx ReRAM devices", DRC 2024.
    """

    reference = "D. G. Lombardo et al., DRC 2024"

    amplitude: Annotated[float, BeforeValidator(bare)]
    """a, in uS per decade of G/1 uS."""
    read_time: Duration
    """t_rd."""

    @override
    def sd(self, conductance: Reals, programmed: Reals, age: Reals, device: DeviceDeck) -> Reals:
        decades = np.log10(np.maximum(conductance * 1e6, 1.0))
        return np.asarray(decades * (self.amplitude * 1e-6) * flicker_growth(age, self.read_time).astype(decades.dtype))


@READ_DISTURB.register("exponential_voltage")
class ExponentialVoltage(ReadDisturbLaw):
    """Each read takes the share c exp(V_read/V_rd) of the conductance."""

    reference = "definition"

    coefficient: Annotated[float, BeforeValidator(bare)]
    """c per read."""
    voltage_scale: Annotated[Voltage, POSITIVE]
    """V_rd."""

    @override
    def remaining(self, reads: Reals, device: DeviceDeck) -> Reals:
        return np.asarray(np.exp(-reads * (self.coefficient * np.exp(device.read.voltage / self.voltage_scale))))


@READ_DISTURB.register("logarithmic")
class LogarithmicDisturb(ReadDisturbLaw):
    """Reads take a share per e-fold of their number: (1 + N/N_0)^-a, N counted at a reference voltage.

    Reads find the weakest ions first, as relaxation does with time; a share per read would empty a cell within months.
    """

    reference = "ours: reads find the weakest ions first"

    share: Fraction
    """a."""
    first_reads: Annotated[Number, POSITIVE]
    """N_0."""
    reference_voltage: Voltage
    """Voltage of the measurement."""
    voltage_scale: Annotated[Voltage, POSITIVE]
    """V_rd: a read at V counts exp((V - V_ref)/V_rd) reads."""

    @override
    def remaining(self, reads: Reals, device: DeviceDeck) -> Reals:
        weight = np.exp((device.read.voltage - self.reference_voltage) / self.voltage_scale)
        return np.asarray((1 + reads * (weight / self.first_reads)) ** -self.share)
