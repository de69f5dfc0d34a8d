"""The end of an epoch, and what a life adds up from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer, ComputingChip
from stack3d.heat import Climate, Heat, energy_per_inference, upkeep_energy
from stack3d.heat.time import Swing, climate_of
from stack3d.life.chips import Life, Reading, Totals

ANCHOR = 298.15
"""Temperature of the equivalent time in the dataset. [K]"""


@dataclass(frozen=True, eq=False)
class Moment:
    """The end of an epoch.

    Parameters
    ----------
    before, after : Life
        At its two ends.
    heat : Heat
        Mean of the epoch.
    swing : Swing or None
        Within a period of the power.
    reading : Reading
        At its end.
    peaks : ndarray, shape (layers,)
        Hottest place of each layer at the hottest instant of a period. [K]
    """

    before: Life
    after: Life
    heat: Heat
    swing: Swing | None
    reading: Reading
    peaks: NDArray[np.float64]

    @property
    def chip(self) -> ComputingChip:
        """Whose life it is."""
        return self.after.chip

    @property
    def computer(self) -> Computer:
        """The computer on it."""
        return self.after.computer

    @property
    def climate(self) -> Climate:
        """Temperatures of the tiles through a period of the power."""
        return climate_of(self.heat.field, self.swing)

    @property
    def write_power(self) -> float:
        """Energy of the epoch's writes over its length. [W]"""
        return (self.after.bill.energy - self.before.bill.energy) / (self.after.time - self.before.time)

    @cached_property
    def inference_energy(self) -> float:
        """Energy of one inference, all that the chip draws included; see `energy_per_inference`. [J]"""
        return sum(energy_per_inference(self.chip, self.heat, self.write_power).values())

    @cached_property
    def tier_levels(self) -> NDArray[np.float64]:
        """Mean of each tier at the levels of the climate, shape (levels, tiers). [K]"""
        tiers = np.array([self.heat.solution.field.layer_mean(name) for name in self.before.tiers])
        return tiers[None] if self.swing is None else tiers + self.swing.tiers

    def ageing(self) -> NDArray[np.float64]:
        """Time at `ANCHOR` that ages the retention of each tier as much as each level did, shape (tiers, levels). [s]"""
        ages = np.array([self._device_of(i).acceleration(t, reference=ANCHOR) for i, t in enumerate(self.tier_levels.T)])
        return np.asarray((self.after.time - self.before.time) * (ages * self.climate.shares))

    def in_phases(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of each phase of a mission: `ageing`, and the mean of each tier, shapes (phases, tiers). [s], [K]"""
        shares = self.climate.shares
        which = np.arange(shares.size) if self.swing is None else self.swing.phase
        mine = (which == np.arange(len(self.chip.phases))[:, None]).astype(float)
        weights = mine * shares
        return mine @ self.ageing().T, weights @ self.tier_levels / weights.sum(axis=1, keepdims=True)

    def equivalent_time(self) -> NDArray[np.float64]:
        """Time at `ANCHOR` that ages the retention of each tier as much as the epoch did, shape (tiers,). [s]"""
        return np.asarray(self.ageing().sum(axis=-1))

    def _device_of(self, tier: int) -> Any:
        """Device of the tiles on a tier; that of the first layer where it has none."""
        mine = np.flatnonzero(self.before.tier_of_tile == tier)
        layer = self.computer.tiles[mine[0] if mine.size else 0].layer
        return self.computer.devices[layer]

    def totalled(self, **others: Any) -> Totals:
        """What the life has added up when the epoch has ended; `others` as `Totals` has them."""
        so_far, energy = self.before.totals, self.inference_energy
        is_first = so_far.epochs == 0
        done, so_many = self.after.bill.upkeep, self.before.bill.upkeep
        added = done if is_first else done.plus(so_many, -1.0)  # with that of the programmed chip
        return Totals(
            epochs=so_far.epochs + 1,
            equivalent_time=so_far.equivalent_time + self.equivalent_time(),
            calibration_energy=so_far.calibration_energy + upkeep_energy(self.chip, self.heat, added),
            first_energy=energy if is_first else so_far.first_energy,
            accuracy=float(np.mean(self.reading.accuracy)),
            tile_temperature=self.heat.tile_temperature,
            others={**so_far.others, **others},
        )
