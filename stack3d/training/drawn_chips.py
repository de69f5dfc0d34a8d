"""Chips that a network in training sees: drawn by the device's laws, aged, corrected, read through converters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import TODAY, ComputingChip, products_on, with_weights
from stack3d.heat import Climate
from stack3d.life.chips import AsRead, Life, Policy, as_read, elapse, programmed, read_out
from stack3d.life.start import fresh_life
from stack3d.mvm import CrossbarNetwork
from stack3d.streams import READ
from stack3d.workload import LabelledData, Network


@dataclass(frozen=True, eq=False)
class TrainingChips:
    """Where chips for training come from.

    Parameters
    ----------
    chip : ComputingChip
    plan : sequence of Policy
        What keeps the chips accurate.
    field : ndarray, shape (tiles, ny, nx)
        Temperature of the cells while they age and are read. [K]
    noise : float
        Factor on what cells are off by and on the noise of their reads. [-]
    """

    chip: ComputingChip
    plan: Sequence[Policy]
    field: NDArray[Any]
    noise: float = 1.0

    @cached_property
    def climate(self) -> Climate:
        """That of the temperature."""
        return Climate.steady(self.field)

    def calibrated(self, network: Network) -> TrainingChips:
        """The same source with other weights and converter ranges found anew."""
        computer = with_weights(self.chip.computer, network, calibrate=True)
        return replace(self, chip=replace(self.chip, computer=computer))

    def drawn(self, network: Network, age: float, samples: int, seed: int, data: LabelledData | None = None) -> Life:
        """So many chips, programmed and aged.

        Parameters
        ----------
        network : Network
            With the weights to be programmed.
        age : float
            Since programming. [s]
        samples, seed : int
            Chips, and what they are drawn by.
        data : LabelledData, optional
            That the chips will be read with; the computer's own by default.
        """
        computer = self.chip.computer
        drawn = computer.design.chips.model_copy(update={"samples": samples, "seed": seed})
        computer = with_weights(replace(computer, design=replace(computer.design, chips=drawn)), network)
        if data is not None:
            computer = replace(computer, data=data, origin=replace(computer.origin, network=network, data=data))
        life = programmed(fresh_life(replace(self.chip, computer=computer)), self.climate, self.plan)
        return elapse(life, max(age, TODAY), self.climate, self.plan, 0)

    def read(self, life: Life) -> AsRead:
        """What a read-out of chips sees, louder by the factor."""
        found = as_read(life, self.climate, self.plan)
        if self.noise == 1.0:
            return found
        targets = {name: state.target for name, state in life.population.states.items()}
        seen = {n: np.maximum(targets[n] + self.noise * (g - targets[n]), 0.0) for n, g in found.seen.items()}
        return replace(found, seen=seen, noise={n: self.noise * sd for n, sd in found.noise.items()})

    def accuracy(self, network: Network, ages: Sequence[float], samples: int, seed: int, data: LabelledData) -> float:
        """How good chips are at data, mean over chips and ages. [-]

        Parameters
        ----------
        network : Network
        ages : sequence of float
            Since programming. [s]
        samples, seed : int
            Chips of each age, and what they are drawn by.
        data : LabelledData
            Its test part judges.
        """
        scores = []
        for k, age in enumerate(ages):
            life = self.drawn(network, age, samples, seed + k, data)
            scores.append(read_out(life, self.climate, self.plan, 0, layers=False).accuracy.mean())
        return float(np.mean(scores))


@dataclass(frozen=True, eq=False)
class OneChip:
    """Products of one chip, or of several that share the vectors between them.

    Parameters
    ----------
    network : Network
        That lies on it.
    crossbars : CrossbarNetwork
    weights : mapping of str to ndarray
        What its cells say, by layer, shape (blocks, inputs of one, outputs of one).
    """

    network: Network
    crossbars: CrossbarNetwork
    weights: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, chips: TrainingChips, network: Network, age: float, seed: int) -> OneChip:
        """A chip drawn by a seed.

        Parameters
        ----------
        chips : TrainingChips
        network : Network
            With the weights to be programmed.
        age : float
            Since programming. [s]
        seed : int
        """
        life = chips.drawn(network, age, 1, seed)
        read = chips.read(life)
        states = {name: m.prepare(read.seen[name], read.noise.get(name)) for name, m in read.matrices.items()}
        crossbars = CrossbarNetwork(read.matrices, states, np.random.default_rng([seed, READ]), read.corrections)
        return cls(network, crossbars, {layer.name: _said(network, layer, read) for layer in network.layers})

    def times(self, layer: str, x: NDArray[Any]) -> NDArray[Any]:
        """Product of vectors (vectors, inputs) with a layer, its digital scale included."""
        product = products_on(self.network, self.crossbars, (1,))
        return np.asarray(product(layer, x) * self._scales[layer], np.float32)

    @cached_property
    def _scales(self) -> dict[str, Any]:
        return {layer.name: layer.scale for layer in self.network.layers}


def _said(network: Network, layer: Any, read: AsRead) -> NDArray[Any]:
    """Weights that the cells of the first copy of a layer say."""
    copy = network.copies[layer.name][0]
    blocks = np.empty(layer.blocks.shape)
    for part in network.parts(layer.name, copy):
        m = read.matrices[part.name]
        whole = m.mapping.weights(read.seen[part.name][0][..., : m.n_outputs], m.weight_max)
        count = part.stop - part.start
        split = whole.reshape(count, blocks.shape[1], count, blocks.shape[2])
        blocks[part.start : part.stop] = split[np.arange(count), :, np.arange(count)]
    return np.asarray(blocks * np.reshape(np.broadcast_to(layer.scale, layer.n_outputs), (len(blocks), 1, -1)))
