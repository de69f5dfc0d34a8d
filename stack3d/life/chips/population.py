"""A population of chips: the cells of each through the epochs, and what keeping them accurate has cost."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer, ComputingChip
from stack3d.devices import CellState, WriteBill
from stack3d.heat import Climate, Upkeep, verify_energies
from stack3d.streams import PROGRAM, WRITE


@dataclass(frozen=True, eq=False)
class Loose:
    """Cells that a refresh takes less care of.

    Parameters
    ----------
    masks : mapping of str to ndarray of bool
        By layer, shape (devices, n_inputs, n_columns).
    pulses : float
        Mean pulses of their write; 0 = they are left as they are.
    """

    masks: Mapping[str, NDArray[np.bool_]]
    pulses: float


@dataclass(frozen=True, eq=False)
class Population:
    """All chips: the cell state of every layer.

    Parameters
    ----------
    states : mapping of str to CellState
        Shape (chips, devices, n_inputs, n_columns) each.
    """

    states: Mapping[str, CellState]

    @classmethod
    def programmed(cls, computer: Computer, samples: int, seed: int, temperature: float) -> Population:
        """Program `samples` chips; the same seed gives the same chips whatever else is computed.

        Parameters
        ----------
        computer : Computer
        samples : int
            Chips.
        seed : int
        temperature : float
            Of the cells during the write. [K]
        """
        states = {}
        for index, (name, matrix) in enumerate(computer.matrices.items()):
            rng = np.random.default_rng([seed, PROGRAM, index])
            target = np.broadcast_to(matrix.target_conductances(), (samples, *matrix.state_shape))
            states[name] = computer.devices[name].program(
                target, rng, temperature=temperature, pair_axis=_pair_axis(computer, name)
            )
        return cls(states)

    def aged(self, computer: Computer, duration: float, climate: Climate, rate: float = 0.0) -> Population:
        """The chips after `duration` [s] in a climate, in whatever order its levels, at a mean `rate` of inferences [s⁻¹].

        Parameters
        ----------
        computer : Computer
        duration : float
            [s]
        climate : Climate
        rate : float
            Mean inferences. [1/s]
        """
        states = dict(self.states)
        for share, level, work in zip(climate.shares, climate.levels, climate.work):
            for name, state in states.items():
                time = duration * share
                reads = rate * computer.products[name] * (duration * work)
                states[name] = computer.devices[name].advance(state, time, computer.per_cell(name, level), reads=reads)
        return Population(states)

    def rewritten(
        self,
        computer: Computer,
        climate: Climate,
        key: Sequence[int],
        *,
        masks: Mapping[str, NDArray[np.bool_]] | None = None,
        targets: Mapping[str, NDArray[np.float64]] | None = None,
        loose: Loose | None = None,
    ) -> tuple[Population, dict[str, WriteBill]]:
        """Program cells again at the mean temperature of their place; wear is that of a write at any instant of the period.

        Parameters
        ----------
        computer : Computer
        climate : Climate
        key : sequence of int
            Seeds the random numbers of this write.
        masks : mapping of str to ndarray of bool, optional
            Cells to write; layers without a mask are left alone. Absent = all cells of all layers.
        targets : mapping of str to ndarray, optional
            New targets [S]; absent = the old ones.
        loose : Loose, optional
            Cells that are written with fewer pulses, or not at all.
        """
        states, bills = dict(self.states), {}
        for index, (name, state) in enumerate(self.states.items()):
            if masks is not None and name not in masks:
                continue
            mask = None if masks is None else masks[name]
            writes = [(computer.devices[name], mask)]
            if loose is not None:
                few, chosen = loose.masks[name], True if mask is None else mask
                writes = [(computer.devices[name], chosen & ~few)]
                if loose.pulses:
                    writes.append((computer.devices[name].loosened(loose.pulses), chosen & few))
            target = state.target if targets is None or name not in targets else targets[name]
            done = []
            for device, part in writes:
                if climate.shares.size > 1:
                    more = climate.averaged(device.damage_rate) - device.damage_rate(climate.mean)
                    more = computer.per_cell(name, more) * (1.0 if part is None else part)
                    state = replace(state, damage=state.damage + more)
                state, bill = device.reprogram(
                    state,
                    part,
                    target,
                    np.random.default_rng([*key, WRITE, index]),
                    temperature=computer.per_cell(name, climate.mean),
                    pair_axis=_pair_axis(computer, name),
                )
                done.append(bill)
            states[name], bills[name] = state, sum(done[1:], done[0])
        return Population(states), bills

    def worn(
        self, computer: Computer, times: float, shares: Mapping[str, NDArray[np.float64] | float], climate: Climate
    ) -> Population:
        """Wear of `times` further writes, each a share of a full write in every cell, by layer; conductances stay.

        Parameters
        ----------
        computer : Computer
        times : float
            Further writes. [-]
        shares : mapping of str to ndarray or float
            By matrix, share of a full write in each cell, broadcast against its states. [-]
        climate : Climate
        """
        states = {}
        for name, state in self.states.items():
            device = computer.devices[name]
            rate = computer.per_cell(name, climate.averaged(device.damage_rate))
            states[name] = replace(
                state,
                writes=state.writes + times * shares[name] * device.write_pulses(),
                damage=state.damage + times * shares[name] * rate,
            )
        return Population(states)

    def conductances(self, computer: Computer, field: NDArray[np.float64]) -> dict[str, Any]:
        """What a noiseless read sees, by layer. [S]"""
        return {n: computer.devices[n].conductance(s, computer.per_cell(n, field)) for n, s in self.states.items()}

    def read_noise(self, computer: Computer, field: NDArray[np.float64], conductances: Mapping[str, Any]) -> dict[str, Any]:
        """Standard deviation of a read, by layer. [S]"""
        noise = {
            n: computer.devices[n].read_noise(s, computer.per_cell(n, field), conductance=conductances[n])
            for n, s in self.states.items()
        }
        return {n: sd for n, sd in noise.items() if np.ndim(sd)}  # a device without read noise answers one zero

    def mean_of(self, name: str) -> float:
        """Mean of a state array (``writes``, ``damage``) over all cells."""
        means = [(s.target.size, float(np.mean(getattr(s, name), dtype=np.float64))) for s in self.states.values()]
        return sum(size * mean for size, mean in means) / sum(size for size, _ in means)

    def stuck_fraction(self) -> float:
        """Fraction of cells that are stuck."""
        cells = sum(s.stuck.size for s in self.states.values())
        return float(sum(np.count_nonzero(s.stuck) for s in self.states.values()) / cells)


def _pair_axis(computer: Computer, name: str) -> int | None:
    mapping = computer.matrices[name].mapping
    return -3 if mapping.is_pair and mapping.devices == 2 else None


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


class LastSeen:
    """What a noiseless read saw last, kept for the next one: an epoch asks for the same cells at the same temperature often.

    One answer is kept, shared by all lives that come from one: more would hold the cells of several epochs.
    """

    def __init__(self) -> None:
        self._of: tuple[weakref.ref[Population], weakref.ref[Computer], NDArray[np.float64]] | None = None
        self._values: Mapping[str, Any] = {}

    def of(self, population: Population, computer: Computer, field: NDArray[np.float64]) -> dict[str, Any]:
        """What a read sees of a population at the temperatures of a field, by layer; arrays that cannot be written to. [S]"""
        of = self._of
        if of is None or of[0]() is not population or of[1]() is not computer or not np.array_equal(of[2], field):
            self._of, self._values = None, {}  # what is kept makes room before the new one takes its own
            values = population.conductances(computer, field)
            for array in values.values():
                array.flags.writeable = False
            self._of, self._values = (weakref.ref(population), weakref.ref(computer), field.copy()), values
        return dict(self._values)


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
    seen : LastSeen
        What a read saw last.
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
    seen: LastSeen = field(default_factory=LastSeen)

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
        return self.seen.of(self.population, self.computer, climate.working)
