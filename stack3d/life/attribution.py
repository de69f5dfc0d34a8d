"""Who is to blame for the loss: mechanisms, tiers, layers."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.chances import standard_error
from stack3d.life.chips import Life, Reading, read_out
from stack3d.life.history import History, lives, replay
from stack3d.progress import Observer
from stack3d.record import Record


class ChipAnswers(NamedTuple):
    """Accuracy of every chip, and what each test input adds to it, mean over chips."""

    accuracy: NDArray[np.float64]
    by_input: NDArray[np.float64]


def without_mechanism(first: History, history: History, name: str) -> tuple[Reading, Reading]:
    """What is read at the ends of two histories of a life with one mechanism, or the ``converters``, switched off.

    Chips are programmed once, and where the first history is one epoch the other goes on from it.
    """

    def read(life: Life, of: History, exact_converters: bool = False) -> Reading:
        return read_out(life, of.climates[-1], of.plan, len(of.times) - 1, exact_converters=exact_converters, layers=False)

    if name == "converters":  # cells age the same
        return read(first.end, first, True), read(history.end, history, True)
    fresh, accuracy = history.start, history.end.fresh_accuracy
    computer = fresh.computer.without(name)
    population = type(fresh.population).programmed(computer, fresh.samples, fresh.seed, fresh.programming_temperature)
    changed = replace(fresh, computer=computer, population=population)
    lived = lives(changed, history.times, history.climates, history.plan, accuracy)
    end = next(lived)
    is_begin = np.array_equal(first.times, history.times[:1])
    opening = end if is_begin else replay(changed, first.times, first.climates, first.plan, accuracy)
    began = read(opening, first)
    return began, read(deque(itertools.chain([end], lived), maxlen=1).pop(), history)


def with_ideal_tiles(history: History, tiles: Sequence[int]) -> Reading:
    """What is read at the end when the cells of some tiles are as they were asked for."""
    end = history.end
    chosen: dict[str, Any] = {}
    for i in tiles:
        tile = end.computer.tiles[i]
        matrix = end.computer.matrices[tile.layer]
        cells = chosen.setdefault(tile.layer, np.zeros((matrix.n_inputs, matrix.n_columns), dtype=bool))
        cells[tile.row_start : tile.row_stop, end.computer.columns_of(tile)] = True
    return read_out(end, history.climates[-1], history.plan, len(history.times) - 1, ideal=chosen, layers=False)


def add_attribution(history: History, first: History, record: Record, observer: Observer) -> None:
    """Accuracy at the end, and at the first read-out, with one mechanism, tier or layer off at a time; errors of the gains.

    Parameters
    ----------
    history : History
        Up to the worst instant of the last period, which is the end where nothing acts periodically.
    first : History
        The same up to its first read-out.
    record : Record
    observer : Observer
        Told of every life that is lived again.
    """
    computer = history.end.computer
    names = [*computer.mechanisms, "converters"]
    layers = list(computer.matrices)
    final = ChipAnswers(record["mvm/accuracy_worst"][-1], record["mvm/input_accuracy_worst"])
    tiles = [np.flatnonzero(history.tier_of_tile == i).tolist() for i in range(history.n_tiers)]
    steps = itertools.count(1)
    total = 2 * len(names) + sum(map(bool, tiles)) + len(layers)

    def done(reading: Reading) -> Reading:
        observer.step("attribute", next(steps), total)
        return reading

    without = [tuple(map(done, without_mechanism(first, history, name))) for name in names]
    found: dict[str, Sequence[ChipAnswers | Reading]] = {
        "": [end for _, end in without],
        "_tier": [done(with_ideal_tiles(history, mine)) if mine else final for mine in tiles],
        "_layer": [done(with_ideal_tiles(history, [i for i, _ in computer.tiles_of(name)])) for name in layers],
    }
    for suffix, rows in found.items():
        _put(record, f"mvm/accuracy_without{suffix}", rows, final)
    fresh = ChipAnswers(record["mvm/accuracy"][0], record["mvm/input_accuracy"][0])
    _put(record, "mvm/first_accuracy_without", [began for began, _ in without], fresh)
    record.along("mechanism", names)


def _put(record: Record, path: str, readings: Sequence[ChipAnswers | Reading], as_is: ChipAnswers) -> None:
    """Put mean accuracies, and the errors of their gains over what is read by chip and by input as it is."""
    by_chip, by_input = np.array([r.accuracy for r in readings]), np.array([r.by_input for r in readings])
    record.put(path, by_chip.mean(axis=1))
    record.put(f"{path}_error", standard_error(by_chip - as_is.accuracy, by_input - as_is.by_input))
