"""Answers from a followed life: time to a loss, endurance at the rate that holds a target, bands, attribution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer
from stack3d.life.attribution import add_attribution
from stack3d.life.band import add_band
from stack3d.life.chips import Life
from stack3d.life.chips import by_input as by_input_of
from stack3d.life.history import History, curve
from stack3d.life.periods import Curve
from stack3d.mvm import SinhCell
from stack3d.progress import Observer, Stopwatch
from stack3d.record import Record
from stack3d.schema import LifetimeDeck

WORN = 1e-3
"""Share of the cells of a layer that is worn out when its endurance counts as used up: stuck cells, which cost accuracy
long before half of them are worn (some 0.8 points each thousandth in a small CNN). Assumed. [-]"""


def endurance_at_hold(computer: Computer, hottest: NDArray[np.float64], interval: float) -> float:
    """Time until `WORN` of the cells are worn out when all are written once per `interval`; the first tile to go. [s].

    Parameters
    ----------
    computer : Computer
    hottest : ndarray, shape (tiles,)
        Highest temperature of each tile over the life. [K]
    interval : float
        [s]
    """
    ends = {layer: device.damage_at(WORN) for layer, device in computer.devices.items()}
    rates = [float(computer.devices[t.layer].damage_rate(np.asarray(hottest[i]))) for i, t in enumerate(computer.tiles)]
    return min((interval * ends[t.layer] / rate for t, rate in zip(computer.tiles, rates) if rate > 0), default=np.inf)


def endurance_left(life: Life, endurance: float) -> float:
    """What is left of `endurance` [s] after the wear of the layer that is worn most. [s]"""
    devices = life.computer.devices
    worn = [
        float(np.mean(state.damage, dtype=np.float64)) / devices[layer].damage_at(WORN)
        for layer, state in life.population.states.items()
    ]
    return max(0.0, 1.0 - max(worn)) * endurance


def ohmic_error(computer: Computer, layer: str) -> float:
    """Share of a full-scale current that treating the layer's cells as ohmic would lose."""
    read = computer.devices[layer].device.read
    scale = read.nonlinearity_voltage
    return SinhCell(scale).ohmic_error(read.voltage) if scale else 0.0


def answered(
    history: History,
    read: Curve,
    by_input: Mapping[float, NDArray[np.float64]],
    lifetime: LifetimeDeck,
    record: Record,
    observer: Observer,
    clock: Stopwatch,
) -> None:
    """Add times to a loss, endurance, bands and attribution to the output variables of a life.

    Parameters
    ----------
    history : History
    read : Curve
        What was read in it.
    by_input : mapping of float to ndarray, shape (inputs,)
        What each test input adds to the accuracy between read-outs. [-]
    lifetime : LifetimeDeck
    record : Record
        Of the epochs.
    observer : Observer
        Told of what takes long.
    clock : Stopwatch
        Times it.
    """
    mean, worst, instants = read.over_periods()
    record.put("mvm/accuracy_mean", mean)
    record.put("mvm/accuracy_worst", worst)
    computer, loss = history.end.computer, lifetime.accuracy_loss
    record.put("mvm/input_accuracy_worst", by_input.get(float(instants[-1]), record["mvm/input_accuracy"][-1]))
    record.put("mvm/input_accuracy_ideal", by_input_of(computer, computer.float_logits))
    record.put("mvm/accuracy_ideal", computer.float_accuracy)
    record.put("mvm/ohmic_error", [ohmic_error(computer, name) for name in computer.matrices])
    record.along("network_layer", list(computer.matrices))
    record.put("mvm/time_to_accuracy_loss", read.time_to_loss(computer.float_accuracy, loss))
    plan = [policy for policy in history.plan if not policy.renews]
    alone = read
    if len(plan) < len(history.plan):  # how long the chips hold is asked of chips that are left alone
        with clock("hold"):
            alone = curve(history.start, history.times, history.climates, plan)
    interval = alone.of_the_mean().time_to_loss(float(alone.accuracy[0].mean()), loss)[0]
    hottest = np.stack([climate.mean.max(axis=(1, 2)) for climate in history.climates]).max(axis=0)
    endurance = endurance_at_hold(computer, hottest, float(interval))
    record.put("reliability/hold_interval", interval)
    record.put("reliability/hold_endurance", endurance)
    record.put("reliability/endurance_left", endurance_left(history.end, endurance))
    if lifetime.band:
        observer.stage("band")
        with clock("band"):
            add_band(history, lifetime, record, lambda done, total: observer.step("band", done, total))
    if lifetime.attribution:
        observer.stage("attribute")
        with clock("attribute"):
            add_attribution(history.up_to(float(instants[-1])), history.up_to(float(history.times[0])), record, observer)
