"""What reads of aged cells see."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from stack3d.devices.bound import BoundLaws
from stack3d.devices.laws import Reals, RetentionLaw, TemperatureDependence
from stack3d.devices.state import STUCK_HIGH, STUCK_LOW, CellState

CELLS_AT_ONCE = 1 << 15
"""Cells whose temperatures in a read are worked on together, so that they stay in the cache."""


class ReadingLaws(BoundLaws):
    """Read cells."""

    def conductance(self, state: CellState, temperature: ArrayLike | None = None) -> Reals:
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
            conductance = self._kept(state, conductance, self.retention)
        if self.read_disturb:
            conductance = conductance * np.asarray(self.read_disturb.remaining(clocks["reads"], device), target.dtype)
        conductance = self._moved(state, conductance)
        if self.retention and self.retention.last:
            conductance = self._kept(state, conductance, self.retention)
        if self.crystallisation:
            conductance = self.crystallisation.conductance(conductance, clocks["crystallisation"], device)
        if self.temperature_dependence and temperature is not None:
            at = self._temperature(temperature, state.shape)
            self.temperature_dependence.check("temperature", at, where=self._where("temperature_dependence"))
            if self.self_heating:
                self._heated(state, conductance, at, self.temperature_dependence)
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

    def _heated(self, state: CellState, conductance: Reals, temperature: Reals, law: TemperatureDependence) -> None:
        """Multiply `conductance` by G(T) of cells that this read heats, as those of write-verify did."""
        draw = np.broadcast_to(state.draws.get("temperature_dependence", np.zeros(())), state.shape)
        at, reference = (np.broadcast_to(t, state.shape) for t in (temperature, state.programming_temperature))
        # a few chips at a time: temperatures of cells are large arrays, and short steps cost time of Python
        chips = max(1, CELLS_AT_ONCE * len(conductance) // max(1, conductance.size)) if conductance.ndim > 2 else 0
        for part in (slice(i, i + chips) for i in range(0, len(conductance), chips)) if chips else (...,):
            mine = conductance[part]
            rise = self._read_rise(mine)
            mine *= law.factor(mine / self.device.g_max, at[part] + rise, reference[part] + rise, draw[part], self.device)

    def _kept(self, state: CellState, conductance: Reals, law: RetentionLaw) -> Reals:
        """What retention leaves of a conductance. [S]"""
        clocks, draw = state.clocks, state.draws.get("retention", 0.0)
        return law.conductance(conductance, state.target, clocks["retention"], clocks["age"], draw, self.device)

    def _moved(self, state: CellState, conductance: Reals) -> Reals:
        """Add relaxation and spread, within bounds; always a fresh array."""
        mean: Reals = conductance
        variance: Reals | float = 0.0
        offset: Reals | None = None
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

    def read_noise(self, state: CellState, temperature: ArrayLike | None = None, *, conductance: Reals | None = None) -> Reals:
        """Standard deviation of one read about `conductance` (computed when not given). [S]"""
        if self.read_noise_law is None:
            return np.zeros((), state.target.dtype)
        self.read_noise_law.check("time", state.clocks["age"], where=self._where("read_noise"))
        if temperature is not None:
            self.read_noise_law.check("temperature", temperature, where=self._where("read_noise"))
        now = self.conductance(state, temperature) if conductance is None else conductance
        return self.read_noise_law.sd(now, state.programmed, state.clocks["age"], self.device)
