"""A population of chips at one instant, and what keeping it accurate has cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer, ComputingChip
from stack3d.heat.climate import Climate
from stack3d.life.population import Population


@dataclass(frozen=True)
class Bill:
    """What keeping the chips accurate has cost so far, per chip.

    Parameters
    ----------
    refreshes : float
        Times the policies wrote cells.
    pulses : float
        Write pulses.
    energy : float
        Of the pulses. [J]
    tile_energy : ndarray, shape (tiles,)
        The same by tile. [J]
    """

    refreshes: float
    pulses: float
    energy: float
    tile_energy: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Totals:
    """What a life adds up from epoch to epoch, and what its last epoch was like.

    Parameters
    ----------
    epochs : int
        That have ended.
    equivalent_time : ndarray, shape (tiers,)
        At one temperature, that ages the retention of a nominal cell as much. [s]
    calibration_energy : float
        Of all reads that calibrated corrections, per chip. [J]
    first_energy : float
        Of one inference in the first epoch; NaN before it. [J]
    accuracy : float
        Mean over chips at the end of the last epoch; NaN before the first.
    tile_temperature : ndarray, shape (tiles,)
        Mean of each tile in the last epoch. [K]
    others : mapping of str to ndarray
        Of outputs of other packages, by their own names.
    """

    epochs: int
    equivalent_time: NDArray[np.float64]
    calibration_energy: float
    first_energy: float
    accuracy: float
    tile_temperature: NDArray[np.float64]
    others: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def fresh(cls, tiers: int, tiles: int) -> Totals:
        """Before the first epoch."""
        return cls(0, np.zeros(tiers), 0.0, np.nan, np.nan, np.full(tiles, np.nan))


@dataclass(frozen=True, eq=False)
class Life:
    """A population of chips at one instant.

    Parameters
    ----------
    chip : ComputingChip
    computer : Computer
        The chip's own, or one with a mechanism switched off.
    population : Population
    time : float
        Since programming. [s]
    bill : Bill
    totals : Totals
    reference : mapping of str to ndarray
        What fresh chips read, by layer, for drift compensation.
    fresh_accuracy : float or None
        Mean over chips at the first read-out.
    """

    chip: ComputingChip
    computer: Computer
    population: Population
    time: float
    bill: Bill
    totals: Totals
    reference: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    fresh_accuracy: float | None = None

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.computer.design.chips.seed

    @property
    def samples(self) -> int:
        """Chips."""
        return self.computer.design.chips.samples

    @property
    def tiers(self) -> list[str]:
        """Layers of crossbars from the bottom."""
        return [layer.name for layer in self.chip.stack.with_role("rram")]

    @property
    def tier_of_tile(self) -> NDArray[np.intp]:
        """Tier of each tile, shape (tiles,)."""
        tiers = self.tiers
        return np.array([tiers.index(layer) for layer, _ in self.computer.places])

    @property
    def programming_temperature(self) -> float:
        """Of the chips while they were programmed. [K]"""
        return self.computer.design.lifetime.programming_temperature

    def aged(self, until: float, climate: Climate) -> Life:
        """The same chips later."""
        population = self.population.aged(self.computer, until - self.time, climate, self.chip.mean_rate)
        return replace(self, population=population, time=until)

    def rewritten(self, climate: Climate, event: int, **choice: Any) -> Life:
        """Cells programmed again now, and billed; see `Population.rewritten`."""
        key = [self.seed, event, int(self.time) % 2**31, int(np.ceil(self.time) // 2**31)]
        population, bills = self.population.rewritten(self.computer, climate, key, **choice)
        tile_energy = self.bill.tile_energy.copy()
        for name, bill in bills.items():
            tiles = self.computer.tiles_of(name)
            cells = sum(t.weights for _, t in tiles)
            for i, tile in tiles:
                tile_energy[i] += bill.energy / self.samples * tile.weights / cells
        total = Bill(
            self.bill.refreshes + 1,
            self.bill.pulses + sum(b.pulses for b in bills.values()) / self.samples,
            self.bill.energy + sum(b.energy for b in bills.values()) / self.samples,
            tile_energy,
        )
        return replace(self, population=population, bill=total)

    def conductances(self, climate: Climate) -> dict[str, Any]:
        """What a noiseless read sees while the chip computes. [S]"""
        return self.population.conductances(self.computer, climate.working)
