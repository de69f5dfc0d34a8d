"""Laws of one device, bound to its deck: which are at work, what they are asked for, and how hot cells get."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from stack3d.devices.cell_arrays import finite, fits
from stack3d.devices.laws import (
    MECHANISMS,
    CrystallisationLaw,
    EnduranceLaw,
    FaultLaw,
    Law,
    ProgrammingLaw,
    ReadDisturbLaw,
    ReadNoiseLaw,
    Reals,
    RelaxationLaw,
    RetentionLaw,
    SelfHeatingLaw,
    SpreadLaw,
    TemperatureDependence,
    TruncationLaw,
    WindowClosureLaw,
    check_range,
)
from stack3d.devices.programming import loosened
from stack3d.devices.state import CellState
from stack3d.devices.truncation import MeanPreserving
from stack3d.errors import ArrayError, RangeError, unknown_name
from stack3d.schema.device import DeviceDeck

CLOCKS = ("relaxation", "spread", "retention", "crystallisation")
"""Mechanisms that time passes for."""
ATTRIBUTES = {name: "read_noise_law" if name == "read_noise" else name for name in MECHANISMS}
"""Mechanism → attribute of `DeviceModel` that holds its law."""


@dataclass(frozen=True)
class BoundLaws:
    """Laws of one device; a mechanism that is None is switched off."""

    device: DeviceDeck
    programming: ProgrammingLaw | None = None
    relaxation: RelaxationLaw | None = None
    spread: SpreadLaw | None = None
    retention: RetentionLaw | None = None
    crystallisation: CrystallisationLaw | None = None
    temperature_dependence: TemperatureDependence | None = None
    read_noise_law: ReadNoiseLaw | None = None
    read_disturb: ReadDisturbLaw | None = None
    endurance: EnduranceLaw | None = None
    window_closure: WindowClosureLaw | None = None
    faults: FaultLaw | None = None
    self_heating: SelfHeatingLaw | None = None
    truncation: TruncationLaw = field(default_factory=MeanPreserving)

    @property
    def mechanisms(self) -> dict[str, Law]:
        """Laws at work, by mechanism."""
        laws = {name: getattr(self, attribute) for name, attribute in ATTRIBUTES.items()}
        return {name: law for name, law in laws.items() if law is not None}

    def without(self, *mechanisms: str) -> Self:
        """Return the model with `mechanisms` switched off; those that the device does not have are off already.

        Raises
        ------
        UnknownNameError
            For a name that is no mechanism.
        """
        known = [name for name in ATTRIBUTES if name != "truncation"]
        for name in mechanisms:
            if name not in known:
                raise unknown_name("mechanism", name, known)
        changes: dict[str, Any] = {ATTRIBUTES[name]: None for name in mechanisms}
        return replace(self, **changes)

    def loosened(self, pulses: float) -> Self:
        """Return the model whose write-verify takes `pulses` on average, at least 1, and leaves a larger error.

        The model itself where that is no fewer than it takes.
        """
        if not 1 <= pulses < self.write_pulses():
            return self
        write = self.device.write
        law = loosened(self.programming, pulses, self.device) if self.programming else None
        device = (
            self.device
            if write is None
            else self.device.model_copy(update={"write": write.model_copy(update={"pulses": pulses})})
        )
        return replace(self, device=device, programming=law)

    def write_pulses(self) -> float:
        """Mean pulses of one write-verify. [-]"""
        if self.programming:
            return self.programming.pulses(self.device)
        return self.device.write.pulses if self.device.write else 0.0

    def quantise(self, target: ArrayLike) -> Reals:
        """Nearest of the device's levels, evenly spaced from g_min to g_max; unchanged without levels. [S]"""
        values = np.asarray(target)
        if self.device.levels is None:
            return values
        step = (self.device.g_max - self.device.g_min) / (self.device.levels - 1)
        return np.asarray(self.device.g_min + np.round((values - self.device.g_min) / step) * step)

    # ------------------------------------------------------------------------------------------------- self-heating
    def cell_temperature(self, temperature: ArrayLike, power: ArrayLike) -> Reals:
        """Temperature [K] of cells of `power` [W], shape (…, layer, row, column), in a tier at `temperature` [K]."""
        tier = np.asarray(temperature, np.float64)
        if self.self_heating is None:
            return np.broadcast_to(tier, np.broadcast_shapes(tier.shape, np.shape(power)))
        return tier + self.self_heating.rise(np.asarray(power, np.float64), self.device)

    def _read_rise(self, conductance: Reals) -> Reals:
        """Rise of cells over their tier while all are read, in the precision of `conductance` [S]. [K]"""
        heating, read = self.self_heating, self.device.read
        if heating is None:
            return np.zeros_like(conductance)
        power = conductance * conductance.dtype.type(read.voltage**2 * heating.reached(read.pulse))
        if power.ndim < 2:
            return heating.rise(power.reshape(-1, 1, 1), self.device).reshape(power.shape)
        return heating.rise(power[..., None, :, :], self.device)[..., 0, :, :]

    def _write_disturb(self, temperature: Reals) -> Reals:
        """Reduced time of retention that writes of neighbours cost a nominal cell: two of four come after its own. [-]

        Nothing where the device does not heat itself, or has no retention or no write.
        """
        write = self.device.write
        if self.self_heating is None or self.retention is None or write is None:
            return np.zeros(temperature.shape)
        power = np.full((1, 1, 1), write.energy / write.pulse)
        rise = self.self_heating.beside() * float(self.self_heating.rise(power, self.device)[0, 0, 0])
        rate = self.retention.rate(temperature + rise * self.self_heating.reached(write.pulse), 0.0, self.device)
        return np.asarray(rate * (2 * self.write_pulses() * write.pulse), np.float64)

    # ------------------------------------------------------------------------------------------------- checks
    def _knows(self, state: CellState) -> None:
        """Raise `ArrayError` for cells that were written by a model without one of our clocks."""
        for name in CLOCKS:
            if getattr(self, name) and name not in state.clocks:
                raise ArrayError(f"state has no clock of {name}: its cells were programmed by a model without {name}")

    def _check(self, quantity: Literal["temperature", "time", "conductance"], values: Reals) -> None:
        if self.device.valid is not None:
            check_range(self.device.valid, quantity, values, where=self._where())

    def _where(self, mechanism: str = "") -> str:
        if not mechanism:
            return f"device {self.device.name!r}"
        return f"{mechanism} of device {self.device.name!r}"

    def _target(self, target: ArrayLike, dtype: DTypeLike) -> Reals:
        values = np.asarray(target, dtype)
        if not values.ndim:
            raise ArrayError("target has no axis; allowed: an array of cells of one or more axes")
        finite("target", values)
        outside = (values < 0) | (values > self.device.g_max * (1 + 1e-6))
        if outside.any():
            first = tuple(int(i) for i in np.argwhere(outside)[0])
            raise RangeError(
                f"target{list(first)} = {float(values[first]):.6g} S lies outside [0, {self.device.g_max:.6g}] S, "
                f"the range of {self._where()}"
            )
        self._check("conductance", values)
        return values

    def _temperature(self, temperature: ArrayLike, shape: tuple[int, ...]) -> Reals:
        values = np.asarray(temperature, np.float64)
        finite("temperature", values)
        if (values <= 0).any():
            first = tuple(int(i) for i in np.argwhere(values <= 0)[0])
            raise ArrayError(f"temperature{list(first)} = {float(values[first]):.6g} K; allowed: above 0 K")
        fits("temperature", values.shape, shape)
        self._check("temperature", values)
        return values
