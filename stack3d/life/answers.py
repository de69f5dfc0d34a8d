"""Answers from a followed life: time to a loss, endurance at the rate that holds a target, who is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer
from stack3d.devices.build import build_device, drawn, posterior_draws
from stack3d.devices.model import DeviceModel
from stack3d.heat.climate import Climate
from stack3d.life.epochs import elapse
from stack3d.life.life import Life
from stack3d.life.policy import Policy
from stack3d.life.reading import read_out
from stack3d.mvm import SinhCell
from stack3d.progress import Observer, Stopwatch
from stack3d.schema.device import BANDS
from stack3d.schema.life import Lifetime


@dataclass(frozen=True, eq=False)
class History:
    """A life that was followed.

    Parameters
    ----------
    start, end : Life
        Just programmed, before any policy; and after the last epoch.
    times : ndarray, shape (times,)
        [s]
    climates : sequence of Climate
    plan : sequence of Policy
    tier_of_tile : ndarray of int, shape (tiles,)
    n_tiers : int
    """

    start: Life
    end: Life
    times: NDArray[np.float64]
    climates: Sequence[Climate]
    plan: Sequence[Policy]
    tier_of_tile: NDArray[np.intp]
    n_tiers: int


def time_to_loss(times: NDArray[np.float64], accuracy: NDArray[np.float64], ideal: float, loss: float) -> NDArray[np.float64]:
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


def endurance_at_hold(computer: Computer, hottest: NDArray[np.float64], interval: float) -> float:
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


def endurance_left(life: Life, endurance: float) -> float:
    """What is left of `endurance` [s] after the wear of the layer that is worn most. [s]"""
    worst = max(float(np.mean(state.damage, dtype=np.float64)) for state in life.population.states.values())
    return max(0.0, 1.0 - worst) * endurance


def replay(life: Life, times: NDArray[np.float64], climates: Sequence[Climate], plan: Sequence[Policy]) -> Life:
    """The same history of temperatures and acts, from programming to the end, for another computer or band."""
    for policy in plan:
        life = policy.programmed(life, climates[0])
    for epoch, (now, climate) in enumerate(zip(times, climates)):
        life = elapse(life, float(now), climate, plan, epoch)
    return life


def without_mechanism(history: History, name: str) -> NDArray[np.float64]:
    """Accuracy of every chip at the end with one mechanism, or the ``converters``, switched off."""
    fresh, times, climates, plan = history.start, history.times, history.climates, history.plan
    last = len(times) - 1
    if name == "converters":  # cells age the same
        return read_out(history.end, climates[-1], plan, last, exact_converters=True, layers=False).accuracy
    computer = fresh.computer.without(name)
    population = type(fresh.population).programmed(computer, fresh.samples, fresh.seed, fresh.programming_temperature)
    end = replay(replace(fresh, computer=computer, population=population), times, climates, plan)
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


def _ohmic_error(computer: Computer, layer: str) -> float:
    """Share of a full-scale current that treating the layer's cells as ohmic would lose."""
    read = computer.devices[layer].device.read
    scale = read.nonlinearity_voltage
    return SinhCell(scale).ohmic_error(read.voltage) if scale else 0.0


def answered(
    history: History,
    lifetime: Lifetime,
    values: dict[str, Any],
    coordinates: dict[str, Any],
    observer: Observer,
    clock: Stopwatch,
) -> None:
    """Add times to a loss, endurance, bands and attribution to the output variables of a life."""
    times, accuracy = history.times, values["mvm/accuracy"]
    computer, loss = history.end.computer, lifetime.accuracy_loss
    values["mvm/accuracy_ideal"] = computer.float_accuracy
    values["mvm/ohmic_error"] = np.array([_ohmic_error(computer, name) for name in computer.matrices])
    coordinates["network_layer"] = np.array(list(computer.matrices))
    values["mvm/time_to_accuracy_loss"] = time_to_loss(times, accuracy, computer.float_accuracy, loss)
    plan = [policy for policy in history.plan if not policy.renews]
    alone = accuracy
    if len(plan) < len(history.plan):  # how long the chips hold is asked of chips that are left alone
        with clock("hold"):
            alone = np.array(_curve(history.start, times, history.climates, plan))
    [interval] = time_to_loss(times, alone.mean(axis=1)[:, None], float(alone[0].mean()), loss)
    hottest = np.stack([climate.mean.max(axis=(1, 2)) for climate in history.climates]).max(axis=0)
    endurance = endurance_at_hold(computer, hottest, float(interval))
    values["reliability/hold_interval"] = interval
    values["reliability/hold_endurance"] = endurance
    values["reliability/endurance_left"] = endurance_left(history.end, endurance)
    if lifetime.band:
        observer.stage("band")
        with clock("band"):
            _band(history, lifetime, values, coordinates)
    if lifetime.attribution and history.start.chip.scenario.lifetime is not None:
        observer.stage("attribute")
        with clock("attribute"):
            _attribute(history, values, coordinates)


def _curve(
    life: Life, times: NDArray[np.float64], climates: Sequence[Climate], plan: Sequence[Policy]
) -> list[NDArray[np.float64]]:
    """Accuracy of every chip at the end of every epoch through the same temperatures."""
    for policy in plan:
        life = policy.programmed(life, climates[0])
    curve: list[NDArray[np.float64]] = []
    for epoch, (now, climate) in enumerate(zip(times, climates)):
        life = elapse(life, float(now), climate, plan, epoch)
        curve.append(read_out(life, climate, plan, epoch, layers=False).accuracy)
        if life.fresh_accuracy is None:
            life = replace(life, fresh_accuracy=float(curve[0].mean()))
    return curve


DRAWS = 8
"""Draws of a posterior that a band follows: the ends of eight hold about four fifths of what is not known."""


def _band(history: History, lifetime: Lifetime, values: dict[str, Any], coordinates: dict[str, Any]) -> None:
    """The same temperatures for devices at both ends of their bands, and for draws of their posteriors.

    Low and high are then the curves of the least and the most accurate draw: the same chips, so that what is not known of the
    device stands apart from how chips differ.
    """
    start, plan, computer = history.start, history.plan, history.start.computer
    decks = {name: device.device for name, device in computer.devices.items()}
    fitted = any(posterior_draws(deck) for deck in decks.values())
    lives = [_other(start, {name: build_device(deck, band) for name, deck in decks.items()}) for band in BANDS]
    curves = [np.array(_curve(life, history.times, history.climates, plan)) for life in lives]
    if fitted:
        for index in range(DRAWS):
            devices = {n: build_device(drawn(d, index) if posterior_draws(d) else d) for n, d in decks.items()}
            lives.append(_other(start, devices))
            curves.append(np.array(_curve(lives[-1], history.times, history.climates, plan)))
        draws = np.array(curves[len(BANDS) :])
        values["mvm/accuracy_draws"] = draws.mean(axis=2)
        coordinates["posterior_draw"] = np.arange(DRAWS)
        order = np.argsort([c.mean() for c in curves], kind="stable")
        chosen = [int(order[0]), BANDS.index("default"), int(order[-1])]
        lives, curves = [lives[i] for i in chosen], [curves[i] for i in chosen]
    stacked = np.array(curves)
    loss = lifetime.accuracy_loss
    values["mvm/accuracy_band"] = stacked
    values["mvm/time_to_accuracy_loss_band"] = np.array(
        [time_to_loss(history.times, c, computer.float_accuracy, loss) for c in stacked]
    )
    alone = [policy for policy in plan if not policy.renews]
    held = stacked if len(alone) == len(plan) else [np.array(_curve(a, history.times, history.climates, alone)) for a in lives]
    values["reliability/hold_interval_band"] = np.array(
        [time_to_loss(history.times, c.mean(axis=1)[:, None], float(c[0].mean()), loss)[0] for c in held]
    )
    coordinates["band"] = np.array(BANDS)


def _other(life: Life, devices: dict[str, DeviceModel]) -> Life:
    """Fresh chips of other devices, by layer, from the same random numbers."""
    other = replace(life.computer, devices=devices)
    population = type(life.population).programmed(other, life.samples, life.seed, life.programming_temperature)
    return replace(life, computer=other, population=population)


def _attribute(history: History, values: dict[str, Any], coordinates: dict[str, Any]) -> None:
    """Accuracy at the end with one mechanism, tier or layer switched off at a time, and the standard error of the gain."""
    computer = history.end.computer
    names = [*computer.mechanisms, "converters"]
    history = replace(history, start=replace(history.start, fresh_accuracy=history.end.fresh_accuracy))
    layers, final = list(computer.matrices), values["mvm/accuracy"][-1]
    tiles = [np.flatnonzero(history.tier_of_tile == i).tolist() for i in range(history.n_tiers)]
    found = {
        "": [without_mechanism(history, name) for name in names],
        "_tier": [with_ideal_tiles(history, mine) if mine else final for mine in tiles],
        "_layer": [with_ideal_tiles(history, [i for i, _ in computer.tiles_of(name)]) for name in layers],
    }
    for suffix, rows in found.items():
        gains = np.array(rows) - final
        chance = gains.std(axis=1, ddof=1) / np.sqrt(final.size) if final.size > 1 else np.full(len(rows), np.nan)
        values[f"mvm/accuracy_without{suffix}"] = np.array(rows).mean(axis=1)
        values[f"mvm/accuracy_without{suffix}_error"] = chance
    coordinates["mechanism"] = np.array(names)
