"""A device deck with its laws bound: program cells, let heat and time pass, read them, write them again."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from stack3d.devices.arrays import finite, fits, paired_normal, streams, tick
from stack3d.devices.laws import (
    MECHANISMS,
    Array,
    CrystallisationLaw,
    EnduranceLaw,
    FaultLaw,
    Law,
    ProgrammingLaw,
    ReadDisturbLaw,
    ReadNoiseLaw,
    RelaxationLaw,
    RetentionLaw,
    SelfHeatingLaw,
    SpreadLaw,
    TemperatureDependence,
    TruncationLaw,
    WindowClosureLaw,
    check_exposure,
    check_range,
)
from stack3d.devices.programming import loosened
from stack3d.devices.state import HEALTHY, STUCK_HIGH, STUCK_LOW, CellState
from stack3d.devices.truncation import MeanPreserving
from stack3d.errors import ArrayError, RangeError, unknown_name
from stack3d.schema.device import Device

CLOCKS = ("relaxation", "spread", "retention", "crystallisation")
"""Mechanisms that time passes for."""
ATTRIBUTES = {name: "read_noise_law" if name == "read_noise" else name for name in MECHANISMS}
"""Mechanism → attribute of `DeviceModel` that holds its law."""


@dataclass(frozen=True)
class WriteBill:
    """What a write cost."""

    cells: int
    """Cells written."""
    pulses: float
    """Pulses, at the mean of write-verify."""
    energy: float
    """[J]"""
    failed: int
    """Cells that wore out in this write."""

    def __add__(self, other: WriteBill) -> WriteBill:
        """Both writes."""
        return WriteBill(*(a + b for a, b in zip(astuple(self), astuple(other))))


@dataclass(frozen=True)
class DeviceModel:
    """Laws of one device; a mechanism that is None is switched off."""

    device: Device
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

    def without(self, *mechanisms: str) -> DeviceModel:
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

    def loosened(self, pulses: float) -> DeviceModel:
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

    # ------------------------------------------------------------------------------------------------- writing
    def program(
        self,
        target: ArrayLike,
        rng: np.random.Generator,
        *,
        temperature: ArrayLike = 300.0,
        pair_axis: int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> CellState:
        """Write fresh cells.

        Parameters
        ----------
        target : array_like
            Wanted conductance, any shape. [S]
        rng : numpy.random.Generator
        temperature : array_like
            Of the cells during the write, broadcast against `target`; conductances are those at this temperature. [K]
        pair_axis : int, optional
            Axis of length 2 that holds the two cells of a differential pair, for correlated ageing.
        dtype : dtype
            Precision of the state; clocks are float64 always.

        Returns
        -------
        CellState

        Raises
        ------
        ArrayError
            NaN or infinite target, temperature that does not broadcast, pair axis whose length is not 2.
        RangeError
            Target below 0 or above g_max, or anything outside a law's allowed range.
        """
        target = self._target(target, dtype)
        temperature = self._temperature(temperature, target.shape)
        rngs = streams(rng, ("faults", "temperature_dependence", "life"))
        stuck = self.faults.stuck(rngs["faults"], target.shape) if self.faults else np.zeros(target.shape, np.int8)
        zero = np.zeros(())
        draws = {}
        if self.temperature_dependence and self.temperature_dependence.random:
            draws["temperature_dependence"] = paired_normal(rngs["temperature_dependence"], target.shape, target.dtype)
        if self.endurance:
            draws["life"] = self.endurance.life(rngs["life"], target.shape, target.dtype)
        blank = CellState(target, target, temperature, writes=zero, damage=zero, stuck=stuck, draws=draws)
        return self._write(blank, target, rng, temperature, pair_axis)[0]

    def reprogram(
        self,
        state: CellState,
        mask: ArrayLike | None,
        target: ArrayLike,
        rng: np.random.Generator,
        *,
        temperature: ArrayLike = 300.0,
        pair_axis: int | None = None,
    ) -> tuple[CellState, WriteBill]:
        """Write cells again: new error, clocks at zero, new filament; wear, life and faults stay.

        Parameters
        ----------
        state : CellState
        mask : array_like of bool, optional
            Cells to write, broadcast against the state; None = all.
        target : array_like
            Wanted conductance, broadcast against the state. [S]
        rng : numpy.random.Generator
        temperature : array_like
            During the write. [K]
        pair_axis : int, optional
            As in `program`.

        Returns
        -------
        CellState, WriteBill
            Cells known to be stuck are left out and cost nothing.

        Raises
        ------
        ArrayError, RangeError
            As in `program`.
        """
        target = self._target(target, state.target.dtype)
        fits("target", target.shape, state.shape)
        target = np.broadcast_to(target, state.shape)
        temperature = self._temperature(temperature, state.shape)
        mask = np.asarray(True if mask is None else mask, bool)
        fits("mask", mask.shape, state.shape)
        chosen = np.broadcast_to(mask, state.shape)
        fresh, bill = self._write(state, target, rng, temperature, pair_axis, chosen)
        if chosen.all():
            return fresh, bill

        def merge(new: Array, old: Array) -> Array:
            return np.where(chosen, new, old).astype(old.dtype)

        return (
            replace(
                fresh,
                target=merge(fresh.target, state.target),
                programmed=merge(fresh.programmed, state.programmed),
                programming_temperature=merge(fresh.programming_temperature, state.programming_temperature),
                clocks={k: merge(v, state.clocks[k]) for k, v in fresh.clocks.items()},
                draws={k: merge(v, state.draws[k]) if v is not state.draws[k] else v for k, v in fresh.draws.items()},
            ),
            bill,
        )

    def _write(
        self,
        state: CellState,
        target: Array,
        rng: np.random.Generator,
        temperature: Array,
        pair_axis: int | None,
        chosen: NDArray[np.bool_] | None = None,
    ) -> tuple[CellState, WriteBill]:
        """Write every cell anew; wear, faults and bill count the `chosen` ones."""
        device = self.device
        rngs = streams(rng, ("wear", "programming", "relaxation", "spread", "retention"))
        everything = chosen is None or bool(chosen.all())
        alive = state.stuck == HEALTHY
        alive = alive if everything else chosen & alive
        cells = int(np.count_nonzero(alive))
        pulses = self.write_pulses()
        # stuck cells of a full write may wear along: they stay stuck, and the wear stays one number for all
        worn = np.asarray(pulses) if everything else np.where(alive, pulses, 0.0)
        writes, damage, stuck = state.writes + worn, state.damage, state.stuck
        failed = 0
        if self.endurance:
            self.endurance.check("temperature", temperature, where=self._where("endurance"))
            damage = damage + worn / self.endurance.cycles(temperature, device)
            stuck, failed = self._wear_out(state, damage, alive, rngs["wear"])
        bounds = self.window_closure.window(damage, device) if self.window_closure else None
        goal = target if bounds is None else np.clip(target, *bounds).astype(target.dtype)
        for name, law in self.mechanisms.items():
            law.check("conductance", goal, where=self._where(name))
        programmed = self._programmed(goal, rngs["programming"])
        draws = {k: state.draws[k] for k in ("temperature_dependence", "life") if k in state.draws}
        shape, dtype = target.shape, target.dtype
        if self.relaxation:
            draws["relaxation"] = paired_normal(rngs["relaxation"], shape, dtype)
            if self.relaxation.random_barrier:
                draw = paired_normal(rngs["relaxation"], shape, dtype)
                draws["relaxation_barrier"] = self.relaxation.barrier(draw, goal, device)
        if self.spread:
            draws["spread"] = paired_normal(rngs["spread"], shape, dtype)
        if self.retention and self.retention.random:
            draw = paired_normal(rngs["retention"], shape, dtype, pair_axis, self.retention.pair_correlation)
            draws["retention"] = self.retention.frozen(draw, goal, device)
        clocks: dict[str, Array] = {"age": np.zeros(())}
        clocks.update({name: np.zeros(()) for name in CLOCKS if getattr(self, name)})
        if self.read_disturb:
            clocks["reads"] = np.zeros(())
        if self.self_heating and self.retention and device.write:
            clocks["retention"] = self._write_disturb(temperature)
        energy = pulses * cells * (device.write.energy if device.write else 0.0)
        fresh = CellState(np.ascontiguousarray(target), programmed, temperature, writes, damage, stuck, clocks, draws)
        return fresh, WriteBill(cells, pulses * cells, energy, failed)

    def _programmed(self, goal: Array, rng: np.random.Generator) -> Array:
        if self.programming is None:
            return goal.copy()
        shift, sd = self.programming.error(goal, self.device)
        error = self.programming.draw(rng, goal.shape, goal.dtype)
        error *= sd
        return self.truncation.bound(goal + shift, sd, error, self.device)

    def _wear_out(
        self, state: CellState, damage: Array, alive: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.int8], int]:
        """Stuck map after cells whose damage passed their life have failed."""
        assert self.endurance is not None
        dead = (damage >= state.draws["life"]) & alive
        places = np.flatnonzero(dead)
        if not len(places):
            return state.stuck, 0
        stuck = state.stuck.copy()
        conducting = rng.random(len(places)) < self.endurance.stuck_low_resistance
        stuck.reshape(-1)[places] = np.where(conducting, STUCK_HIGH, STUCK_LOW)
        return stuck, len(places)

    # ------------------------------------------------------------------------------------------------- ageing
    def advance(self, state: CellState, duration: float, temperature: ArrayLike, *, reads: float = 0.0) -> CellState:
        """Let time pass at constant temperature; any history is a sequence of such pieces.

        Parameters
        ----------
        state : CellState
        duration : float
            [s]
        temperature : array_like
            Of the tier, broadcast against the state. [K]
        reads : float
            Reads of each cell in this time: they disturb it, and it is hotter while they last. [-]

        Returns
        -------
        CellState
            With new clocks; everything else is shared with `state`.

        Raises
        ------
        ArrayError
            Negative or non-finite duration, bad temperature.
        RangeError
            Temperature or age outside the allowed range of the device or a law.
        """
        if not (np.isfinite(duration) and duration >= 0):
            raise ArrayError(f"duration = {duration!r} s; allowed: zero or more, finite")
        self._knows(state)
        temperature = self._temperature(temperature, state.shape)
        clocks = dict(state.clocks)
        clocks["age"] = clocks["age"] + duration
        self._check("time", clocks["age"])
        for name, law in self.mechanisms.items():
            if name in CLOCKS:
                law.check("temperature", temperature, where=self._where(name))
                law.check("time", clocks["age"], where=self._where(name))
                check_exposure(law.valid, temperature, clocks["age"], where=self._where(name))
        if self.relaxation:
            barrier = state.draws.get("relaxation_barrier", 0.0) if self.relaxation.random_barrier else 0.0
            clocks["relaxation"] = tick(clocks["relaxation"], self.relaxation.rate(temperature, barrier), duration)
        if self.spread:
            clocks["spread"] = tick(clocks["spread"], self.spread.rate(temperature), duration)
        if self.retention:
            rate = self.retention.rate(temperature, state.draws.get("retention", 0.0), self.device)
            if self.self_heating and reads and duration:
                duty = min(reads * self.device.read.pulse / duration, 1.0)
                hot = self.retention.rate(
                    temperature + self._read_rise(state.programmed), state.draws.get("retention", 0.0), self.device
                )
                rate = rate + duty * (hot - rate)
            clocks["retention"] = tick(clocks["retention"], rate, duration)
        if self.crystallisation:
            clocks["crystallisation"] = tick(
                clocks["crystallisation"], self.crystallisation.rate(temperature, self.device), duration
            )
        if self.read_disturb:
            clocks["reads"] = clocks["reads"] + reads
        return replace(state, clocks=clocks)

    def damage_rate(self, temperature: ArrayLike) -> Array:
        """Share of the life's scale that one write-verify at `temperature` [K] costs. [-]"""
        if self.endurance is None:
            return np.zeros(np.shape(temperature))
        return np.asarray(self.write_pulses() / self.endurance.cycles(np.asarray(temperature, np.float64), self.device))

    def acceleration(self, temperature: ArrayLike, *, reference: float = 298.15) -> Array:
        """Speed of retention loss of a nominal cell relative to the one at `reference` [K]; 1 without retention. [-]"""
        at = np.asarray(temperature, np.float64)
        if self.retention is None:
            return np.ones(at.shape)
        return self.retention.rate(at, 0.0, self.device) / self.retention.rate(np.asarray(reference), 0.0, self.device)

    # ------------------------------------------------------------------------------------------------- reading
    def conductance(self, state: CellState, temperature: ArrayLike | None = None) -> Array:
        """Conductance that a noiseless read sees now.

        Parameters
        ----------
        state : CellState
        temperature : array_like, optional
            During the read; None = that of programming, which leaves the lasting changes alone. [K]

        Returns
        -------
        ndarray
            Fresh, of the state's shape and precision. [S]
        """
        self._knows(state)
        device, target = self.device, state.target
        clocks, draws = state.clocks, state.draws
        conductance = state.programmed
        if self.retention and not self.retention.last:
            conductance = self._kept(state, conductance)
        if self.read_disturb:
            conductance = conductance * self.read_disturb.remaining(clocks["reads"], device).astype(target.dtype)
        conductance = self._moved(state, conductance)
        if self.retention and self.retention.last:
            conductance = self._kept(state, conductance)
        if self.crystallisation:
            conductance = self.crystallisation.conductance(conductance, clocks["crystallisation"], device)
        if self.temperature_dependence and temperature is not None:
            at = self._temperature(temperature, state.shape)
            self.temperature_dependence.check("temperature", at, where=self._where("temperature_dependence"))
            if self.self_heating:
                self._heated(state, conductance, at)
            else:
                conductance *= self.temperature_dependence.factor(
                    conductance / device.g_max,
                    at,
                    state.programming_temperature,
                    draws.get("temperature_dependence", 0.0),
                    device,
                )
        if state.stuck.any():
            np.copyto(conductance, device.g_min, where=state.stuck == STUCK_LOW)
            np.copyto(conductance, device.g_max, where=state.stuck == STUCK_HIGH)
        return conductance

    def _read_rise(self, conductance: Array) -> Array:
        """Rise of cells over their tier while all are read, in the precision of `conductance` [S]. [K]"""
        assert self.self_heating is not None
        read = self.device.read
        power = conductance * conductance.dtype.type(read.voltage**2 * self.self_heating.reached(read.pulse))
        if power.ndim < 2:
            return self.self_heating.rise(power.reshape(-1, 1, 1), self.device).reshape(power.shape)
        return self.self_heating.rise(power[..., None, :, :], self.device)[..., 0, :, :]

    def _heated(self, state: CellState, conductance: Array, temperature: Array) -> None:
        """Multiply `conductance` by G(T) of cells that this read heats, as those of write-verify did."""
        assert self.temperature_dependence is not None
        draw = np.broadcast_to(state.draws.get("temperature_dependence", np.zeros(())), state.shape)
        at, reference = (np.broadcast_to(t, state.shape) for t in (temperature, state.programming_temperature))
        # chip by chip: temperatures of cells are large arrays
        for part in range(len(conductance)) if conductance.ndim > 2 else (...,):
            mine = conductance[part]
            rise = self._read_rise(mine)
            mine *= self.temperature_dependence.factor(
                mine / self.device.g_max, at[part] + rise, reference[part] + rise, draw[part], self.device
            )

    def _write_disturb(self, temperature: Array) -> Array:
        """Reduced time of retention that writes of neighbours cost a nominal cell: two of four come after its own. [-]"""
        write = self.device.write
        assert self.self_heating is not None and self.retention is not None and write is not None
        power = np.full((1, 1, 1), write.energy / write.pulse)
        rise = self.self_heating.beside() * float(self.self_heating.rise(power, self.device)[0, 0, 0])
        rate = self.retention.rate(temperature + rise * self.self_heating.reached(write.pulse), 0.0, self.device)
        return np.asarray(rate * (2 * self.write_pulses() * write.pulse), np.float64)

    def _kept(self, state: CellState, conductance: Array) -> Array:
        """What retention leaves of a conductance. [S]"""
        assert self.retention is not None
        clocks, draw = state.clocks, state.draws.get("retention", 0.0)
        return self.retention.conductance(conductance, state.target, clocks["retention"], clocks["age"], draw, self.device)

    def _moved(self, state: CellState, conductance: Array) -> Array:
        """Add relaxation and spread, within bounds; always a fresh array."""
        mean: Array = conductance
        variance: Array | float = 0.0
        offset: Array | None = None
        if self.relaxation:
            clocks, draw = state.clocks, state.draws["relaxation"]
            shift, offset, sd = self.relaxation.move(state.target, clocks["relaxation"], clocks["age"], draw, self.device)
            mean, variance = mean + shift, np.square(sd)
        if self.spread:
            sd = self.spread.sd(state.target, state.clocks["spread"], self.device)
            move = state.draws["spread"] * sd
            offset, variance = move if offset is None else offset + move, variance + np.square(sd)
        if offset is None:
            return mean.copy()
        return self.truncation.bound(mean, np.sqrt(variance), offset, self.device)

    def read_noise(self, state: CellState, temperature: ArrayLike | None = None, *, conductance: Array | None = None) -> Array:
        """Standard deviation of one read about `conductance` (computed when not given). [S]"""
        if self.read_noise_law is None:
            return np.zeros((), state.target.dtype)
        self.read_noise_law.check("time", state.clocks["age"], where=self._where("read_noise"))
        if temperature is not None:
            self.read_noise_law.check("temperature", temperature, where=self._where("read_noise"))
        now = self.conductance(state, temperature) if conductance is None else conductance
        return self.read_noise_law.sd(now, state.programmed, state.clocks["age"], self.device)

    def quantise(self, target: ArrayLike) -> Array:
        """Nearest of the device's levels, evenly spaced from g_min to g_max; unchanged without levels. [S]"""
        values = np.asarray(target)
        if self.device.levels is None:
            return values
        step = (self.device.g_max - self.device.g_min) / (self.device.levels - 1)
        return np.asarray(self.device.g_min + np.round((values - self.device.g_min) / step) * step)

    def cell_temperature(self, temperature: ArrayLike, power: ArrayLike) -> Array:
        """Temperature [K] of cells of `power` [W], shape (…, layer, row, column), in a tier at `temperature` [K]."""
        tier = np.asarray(temperature, np.float64)
        if self.self_heating is None:
            return np.broadcast_to(tier, np.broadcast_shapes(tier.shape, np.shape(power)))
        return tier + self.self_heating.rise(np.asarray(power, np.float64), self.device)

    # ------------------------------------------------------------------------------------------------- checks
    def write_pulses(self) -> float:
        """Mean pulses of one write-verify. [-]"""
        if self.programming:
            return self.programming.pulses(self.device)
        return self.device.write.pulses if self.device.write else 0.0

    def _knows(self, state: CellState) -> None:
        """Raise `ArrayError` for cells that were written by a model without one of our clocks."""
        for name in CLOCKS:
            if getattr(self, name) and name not in state.clocks:
                raise ArrayError(f"state has no clock of {name}: its cells were programmed by a model without {name}")

    def _check(self, quantity: Literal["temperature", "time", "conductance"], values: Array) -> None:
        if self.device.valid is not None:
            check_range(self.device.valid, quantity, values, where=self._where())

    def _where(self, mechanism: str = "") -> str:
        if not mechanism:
            return f"device {self.device.name!r}"
        return f"{mechanism} of device {self.device.name!r}"

    def _target(self, target: ArrayLike, dtype: DTypeLike) -> Array:
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

    def _temperature(self, temperature: ArrayLike, shape: tuple[int, ...]) -> Array:
        values = np.asarray(temperature, np.float64)
        finite("temperature", values)
        if (values <= 0).any():
            first = tuple(int(i) for i in np.argwhere(values <= 0)[0])
            raise ArrayError(f"temperature{list(first)} = {float(values[first]):.6g} K; allowed: above 0 K")
        fits("temperature", values.shape, shape)
        self._check("temperature", values)
        return values
