"""A population of chips at one instant, and what keeping it accurate has cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer, ComputingChip
from stack3d.heat.climate import Climate
from stack3d.heat.upkeep import Upkeep, verify_energies
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
        Of the pulses, each with the read that verifies it. [J]
    tile_energy : ndarray, shape (tiles,)
        The same by tile. [J]
    upkeep : Upkeep
        Reads that calibrated and trained, those of the programmed chip included.
    """

    refreshes: float
    pulses: float
    energy: float
    tile_energy: NDArray[np.float64]
    upkeep: Upkeep


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
        Of all reads that calibrated or trained, per chip. [J]
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
    calibrated : mapping of str to ndarray
        What the cells conducted when corrections were last measured, by layer; empty where none ever are. [S]
    """

    chip: ComputingChip
    computer: Computer
    population: Population
    time: float
    bill: Bill
    totals: Totals
    reference: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    fresh_accuracy: float | None = None
    calibrated: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

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
        return replace(self, population=population).billed(1.0, {n: b.pulses / self.samples for n, b in bills.items()})

    def billed(self, writes: float, pulses: Mapping[str, float]) -> Life:
        """The same chips with so many writes more on the bill, of so many pulses a chip by layer, each read after it."""
        verify = verify_energies(self.computer)
        spent = 0.0
        tile_energy = self.bill.tile_energy.copy()
        for name, count in pulses.items():
            write = self.computer.devices[name].device.write
            joule = count * ((write.energy if write else 0.0) + verify[name])
            spent += joule
            tiles = self.computer.tiles_of(name)
            cells = sum(t.weights for _, t in tiles)
            for i, tile in tiles:
                tile_energy[i] += joule * tile.weights / cells
        bill = replace(
            self.bill,
            refreshes=self.bill.refreshes + writes,
            pulses=self.bill.pulses + sum(pulses.values()),
            energy=self.bill.energy + spent,
            tile_energy=tile_energy,
        )
        return replace(self, bill=bill)

    def kept_up(self, upkeep: Upkeep, times: float = 1.0) -> Life:
        """The same chips with reads that calibrate or train on the bill."""
        return replace(self, bill=replace(self.bill, upkeep=self.bill.upkeep.plus(upkeep, times)))

    def conductances(self, climate: Climate) -> dict[str, Any]:
        """What a noiseless read sees while the chip computes. [S]"""
        return self.population.conductances(self.computer, climate.working)
