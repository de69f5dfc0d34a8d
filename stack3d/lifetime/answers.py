"""Answers from a followed life: time to a loss, endurance at the rate that holds a target, who is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d.layout import Floats
from stack3d.lifetime.ageing import Climate
from stack3d.lifetime.computer import Computer
from stack3d.lifetime.life import Life, Policy, elapse, read_out


def time_to_loss(times: Floats, accuracy: Floats, ideal: float, loss: float) -> Floats:
    """Time at which each chip first lies `loss` below `ideal`, between epochs by ln t; NaN when it never does. [s].

    Parameters
    ----------
    times : ndarray, shape (times,)
    accuracy : ndarray, shape (times, chips)
    """
    limit = ideal - loss
    out = np.full(accuracy.shape[1], np.nan)
    for chip, curve in enumerate(accuracy.T):
        below = np.flatnonzero(curve < limit)
        if below.size == 0:
            continue
        k = below[0]
        if k == 0:
            out[chip] = times[0]
        else:
            share = (curve[k - 1] - limit) / (curve[k - 1] - curve[k])
            out[chip] = np.exp(np.log(times[k - 1]) + share * np.log(times[k] / times[k - 1]))
    return out


def endurance_at_hold(computer: Computer, hottest: Floats, interval: float) -> float:
    """Time until Miner's sum of a cell reaches 1 when all cells are written once per `interval`; the first layer to go. [s].

    Parameters
    ----------
    computer : Computer
    hottest : ndarray, shape (tiles,)
        Highest temperature of each tile over the life. [K]
    interval : float
        [s]
    """
    rates = [float(computer.devices[t.layer].damage_rate(np.asarray(hottest[i]))) for i, t in enumerate(computer.tiles)]
    worst = max(rates)
    return interval / worst if worst > 0 else np.inf


def replay(life: Life, times: Floats, climates: Sequence[Climate], plan: Sequence[Policy]) -> Life:
    """The same history of temperatures and acts, from programming to the end, for another computer or band."""
    for policy in plan:
        life = policy.programmed(life, climates[0])
    for epoch, (now, climate) in enumerate(zip(times, climates)):
        life = elapse(life, float(now), climate, plan, epoch)
    return life


def without_mechanism(fresh: Life, times: Floats, climates: Sequence[Climate], plan: Sequence[Policy], name: str) -> float:
    """Mean accuracy at the end with one mechanism, or the ``converters``, switched off."""
    last = len(times) - 1
    if name == "converters":
        end = replay(fresh, times, climates, plan)
        return float(read_out(end, climates[-1], plan, last, exact_converters=True).accuracy.mean())
    computer = fresh.computer.without(name)
    population = type(fresh.population).programmed(computer, fresh.samples, fresh.seed, programming_temperature(fresh))
    end = replay(replace(fresh, computer=computer, population=population), times, climates, plan)
    return float(read_out(end, climates[-1], plan, last).accuracy.mean())


def with_ideal_tiles(end: Life, climate: Climate, plan: Sequence[Policy], epoch: int, tiles: Sequence[int]) -> float:
    """Mean accuracy when the cells of some tiles are as they were asked for."""
    chosen: dict[str, Any] = {}
    for i in tiles:
        tile = end.computer.tiles[i]
        matrix = end.computer.matrices[tile.layer]
        cells = chosen.setdefault(tile.layer, np.zeros((matrix.n_inputs, matrix.n_columns), dtype=bool))
        cells[tile.row_start : tile.row_stop, end.computer.columns_of(tile)] = True
    return float(read_out(end, climate, plan, epoch, ideal=chosen).accuracy.mean())


def programming_temperature(life: Life) -> float:
    """Of the chips while they were programmed. [K]"""
    lifetime = life.chip.scenario.lifetime
    return lifetime.programming_temperature if lifetime else 298.15
