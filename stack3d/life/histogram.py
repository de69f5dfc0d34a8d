"""Conductances of all cells, counted; their errors by tier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer
from stack3d.life.chips import Population


def errors_by_tier(
    computer: Computer, population: Population, conductances: Mapping[str, Any], tier_of_tile: NDArray[np.intp], n_tiers: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of conductance minus target per tier; NaN where a tier has no cells. [S]

    Parameters
    ----------
    computer : Computer
    population : Population
    conductances : mapping of str to ndarray
        By matrix, shape (chips, devices, n_inputs, n_columns). [S]
    tier_of_tile : ndarray of int, shape (tiles,)
    n_tiers : int
    """
    sums = np.zeros((3, n_tiers))
    for name, state in population.states.items():
        error = np.asarray(conductances[name], dtype=np.float64) - state.target
        for i, tile in computer.tiles_of(name):
            part = error[..., tile.row_start : tile.row_stop, :][..., computer.columns_of(tile)]
            sums[:, int(tier_of_tile[i])] += np.array([part.size, part.sum(), (part**2).sum()])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums[1] / sums[0]
        return mean, np.sqrt(np.maximum(sums[2] / sums[0] - mean**2, 0.0))


def histogram_edges(computer: Computer, bins: int = 60) -> NDArray[np.float64]:
    """Edges of equal bins from zero to a quarter above the largest programmed conductance of any device. [S]"""
    largest = max(device.device.g_max for device in computer.devices.values())
    return np.linspace(0.0, 1.25 * largest, bins + 1)


def histogram(conductances: Mapping[str, Any], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of all cells in each bin, shape (bins,); cells beyond the last edge count in the last bin."""
    top = 0.5 * (edges[-2] + edges[-1])
    counts = sum(np.histogram(np.minimum(g, top), edges)[0] for g in conductances.values())
    return np.asarray(counts / sum(np.size(g) for g in conductances.values()))
