"""Who is to blame for the loss: mechanisms, tiers, layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.life.chips import read_out
from stack3d.life.history import History, replay
from stack3d.record import Record


def without_mechanism(history: History, name: str) -> NDArray[np.float64]:
    """Accuracy of every chip at the end with one mechanism, or the ``converters``, switched off."""
    fresh, times, climates, plan = history.start, history.times, history.climates, history.plan
    last = len(times) - 1
    if name == "converters":  # cells age the same
        return read_out(history.end, climates[-1], plan, last, exact_converters=True, layers=False).accuracy
    computer = fresh.computer.without(name)
    population = type(fresh.population).programmed(computer, fresh.samples, fresh.seed, fresh.programming_temperature)
    changed = replace(fresh, computer=computer, population=population)
    end = replay(changed, times, climates, plan, history.end.fresh_accuracy)
    return read_out(end, climates[-1], plan, last, layers=False).accuracy


def with_ideal_tiles(history: History, tiles: Sequence[int]) -> NDArray[np.float64]:
    """Accuracy of every chip at the end when the cells of some tiles are as they were asked for."""
    end = history.end
    chosen: dict[str, Any] = {}
    for i in tiles:
        tile = end.computer.tiles[i]
        matrix = end.computer.matrices[tile.layer]
        cells = chosen.setdefault(tile.layer, np.zeros((matrix.n_inputs, matrix.n_columns), dtype=bool))
        cells[tile.row_start : tile.row_stop, end.computer.columns_of(tile)] = True
    return read_out(end, history.climates[-1], history.plan, len(history.times) - 1, ideal=chosen, layers=False).accuracy


def add_attribution(history: History, first: History, record: Record) -> None:
    """Accuracy at the end, and at the first read-out, with one mechanism, tier or layer off at a time; errors of the gains.

    Parameters
    ----------
    history : History
        Up to the worst instant of the last period, which is the end where nothing acts periodically.
    first : History
        The same up to its first read-out.
    record : Record
    """
    computer = history.end.computer
    names = [*computer.mechanisms, "converters"]
    layers, final = list(computer.matrices), record["mvm/accuracy_worst"][-1]
    tiles = [np.flatnonzero(history.tier_of_tile == i).tolist() for i in range(history.n_tiers)]
    found = {
        "": [without_mechanism(history, name) for name in names],
        "_tier": [with_ideal_tiles(history, mine) if mine else final for mine in tiles],
        "_layer": [with_ideal_tiles(history, [i for i, _ in computer.tiles_of(name)]) for name in layers],
    }
    for suffix, rows in found.items():
        record.put(f"mvm/accuracy_without{suffix}", np.array(rows).mean(axis=1))
        record.put(f"mvm/accuracy_without{suffix}_error", _chance(np.array(rows) - final))
    fresh = record["mvm/accuracy"][0]
    today = np.array([without_mechanism(first, name) for name in names])
    record.put("mvm/first_accuracy_without", today.mean(axis=1))
    record.put("mvm/first_accuracy_without_error", _chance(today - fresh))
    record.along("mechanism", names)


def _chance(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard error of the mean over chips, the last axis; NaN for a single one."""
    chips = gains.shape[1]
    return gains.std(axis=1, ddof=1) / np.sqrt(chips) if chips > 1 else np.full(len(gains), np.nan)
