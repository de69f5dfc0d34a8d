"""Cells of every chip followed through the epochs of a life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer
from stack3d.devices.model import WriteBill
from stack3d.devices.state import CellState
from stack3d.heat.climate import Climate
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
        for share, field in zip(climate.shares, climate.levels):
            for name, state in states.items():
                time = duration * share
                reads = rate * computer.products[name] * time
                states[name] = computer.devices[name].advance(state, time, computer.per_cell(name, field), reads=reads)
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
