"""Cells of every chip followed through the epochs of a life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stack3d.devices.model import DeviceModel
from stack3d.devices.state import CellState
from stack3d.layout import Floats
from stack3d.lifetime.chip import Computer
from stack3d.schema.life import Lifetime

TODAY = 1.0
"""Time after programming of the first read-out. [s]"""
YEAR = 365.25 * 86400.0
PROGRAM, READ = 1, 2
"""Streams of random numbers, apart so that one does not disturb the other."""


def epoch_times(lifetime: Lifetime | None) -> Floats:
    """End of each epoch: one second, then `epochs` times at equal ratios; the one nearest to a year is a year. [s]"""
    if lifetime is None:
        return np.array([TODAY])
    times = np.geomspace(lifetime.first, lifetime.until, lifetime.epochs) if lifetime.epochs > 1 else np.array([lifetime.until])
    if times[0] < YEAR < times[-1] and lifetime.epochs > 2:
        inner = 1 + int(np.argmin(np.abs(np.log(times[1:-1] / YEAR))))
        times[inner] = YEAR
    times[-1] = lifetime.until
    return np.concatenate([[TODAY], times[times > TODAY]])


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
    def programmed(cls, computer: Computer, device: DeviceModel, samples: int, seed: int, temperature: float) -> Population:
        """Program `samples` chips; the same seed gives the same chips whatever else is computed."""
        states = {}
        for index, (name, matrix) in enumerate(computer.matrices.items()):
            rng = np.random.default_rng([seed, PROGRAM, index])
            target = np.broadcast_to(matrix.target_conductances(), (samples, *matrix.state_shape))
            states[name] = device.program(
                target, rng, temperature=temperature, pair_axis=-3 if matrix.mapping.is_pair else None
            )
        return cls(states)

    def aged(self, computer: Computer, device: DeviceModel, duration: float, tile_temperature: Floats) -> Population:
        """The chips after `duration` [s] at the temperature of their tiles. [K]"""
        return Population(
            {
                name: device.advance(state, duration, computer.per_cell(name, tile_temperature))
                for name, state in self.states.items()
            }
        )

    def conductances(self, computer: Computer, device: DeviceModel, tile_temperature: Floats) -> dict[str, Any]:
        """What a noiseless read sees, by layer. [S]"""
        return {n: device.conductance(s, computer.per_cell(n, tile_temperature)) for n, s in self.states.items()}

    def read_noise(
        self, computer: Computer, device: DeviceModel, tile_temperature: Floats, conductances: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Standard deviation of a read, by layer. [S]"""
        noise = {
            n: device.read_noise(s, computer.per_cell(n, tile_temperature), conductance=conductances[n])
            for n, s in self.states.items()
        }
        return {n: sd for n, sd in noise.items() if np.ndim(sd)}  # a device without read noise answers one zero

    def mean_of(self, name: str) -> float:
        """Mean of a state array (``writes``, ``damage``) over all cells."""
        cells = sum(s.target.size for s in self.states.values())
        return float(
            sum(np.broadcast_to(getattr(s, name), s.shape).sum(dtype=np.float64) for s in self.states.values()) / cells
        )

    def stuck_fraction(self) -> float:
        """Fraction of cells that are stuck."""
        cells = sum(s.stuck.size for s in self.states.values())
        return float(sum(np.count_nonzero(s.stuck) for s in self.states.values()) / cells)


def errors_by_tier(
    computer: Computer, population: Population, conductances: Mapping[str, Any], tier_of_tile: Floats, n_tiers: int
) -> tuple[Floats, Floats]:
    """Mean and standard deviation of conductance minus target per tier; NaN where a tier has no cells. [S]"""
    sums = np.zeros((3, n_tiers))
    for name, state in population.states.items():
        error = np.asarray(conductances[name], dtype=np.float64) - state.target
        for i, tile in computer.tiles_of(name):
            part = error[..., tile.row_start : tile.row_stop, :][..., computer.columns_of(tile)]
            sums[:, int(tier_of_tile[i])] += np.array([part.size, part.sum(), (part**2).sum()])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums[1] / sums[0]
        return mean, np.sqrt(np.maximum(sums[2] / sums[0] - mean**2, 0.0))


def histogram_edges(device: DeviceModel, bins: int = 60) -> Floats:
    """Edges of equal bins from zero to a quarter above the largest programmed conductance. [S]"""
    return np.linspace(0.0, 1.25 * device.device.g_max, bins + 1)


def histogram(conductances: Mapping[str, Any], edges: Floats) -> Floats:
    """Share of all cells in each bin, shape (bins,); cells beyond the last edge count in the last bin."""
    top = 0.5 * (edges[-2] + edges[-1])
    counts = sum(np.histogram(np.minimum(g, top), edges)[0] for g in conductances.values())
    return np.asarray(counts / sum(np.size(g) for g in conductances.values()))
