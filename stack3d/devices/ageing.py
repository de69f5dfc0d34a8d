"""Time at a temperature: the clocks of cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from stack3d.devices.bound import CLOCKS, BoundLaws
from stack3d.devices.cell_arrays import tick
from stack3d.devices.laws import Reals, check_exposure
from stack3d.devices.state import CellState
from stack3d.errors import ArrayError


class Ageing(BoundLaws):
    """Let heat and time pass."""

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
        self.check_ages(clocks["age"])
        for name, law in self.mechanisms.items():
            if name in CLOCKS:
                law.check("temperature", temperature, where=self._where(name))
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
                hot = temperature + self._read_rise(state.programmed)
                hot_rate = self.retention.rate(hot, state.draws.get("retention", 0.0), self.device)
                rate = rate + duty * (hot_rate - rate)
            clocks["retention"] = tick(clocks["retention"], rate, duration)
        if self.crystallisation:
            clocks["crystallisation"] = tick(
                clocks["crystallisation"], self.crystallisation.rate(temperature, self.device), duration
            )
        if self.read_disturb:
            clocks["reads"] = clocks["reads"] + reads
        return replace(state, clocks=clocks)

    def check_ages(self, ages: ArrayLike) -> None:
        """Warn of ages since the write [s] beyond what laws were fitted to, raise `RangeError` beyond what they allow."""
        values = np.asarray(ages, np.float64)
        self._check("time", values)
        for name, law in self.mechanisms.items():
            if name in CLOCKS:
                law.check("time", values, where=self._where(name))

    def acceleration(self, temperature: ArrayLike, *, reference: float = 298.15) -> Reals:
        """Speed of retention loss of a nominal cell relative to the one at `reference` [K]; 1 without retention. [-]"""
        at = np.asarray(temperature, np.float64)
        if self.retention is None:
            return np.ones(at.shape)
        return self.retention.rate(at, 0.0, self.device) / self.retention.rate(np.asarray(reference), 0.0, self.device)
