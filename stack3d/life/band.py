"""The same life at the ends of a device's bands and at draws of its posterior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stack3d.devices.build import build_device, drawn, posterior_draws
from stack3d.devices.model import DeviceModel
from stack3d.life.history import History, curve
from stack3d.life.life import Life
from stack3d.record import Record
from stack3d.schema.device import BANDS
from stack3d.schema.life import LifetimeDeck

DRAWS = 8
"""Draws of a posterior that a band follows: the ends of eight hold about four fifths of what is not known."""


def add_band(history: History, lifetime: LifetimeDeck, record: Record) -> None:
    """The same temperatures for devices at both ends of their bands, and for draws of their posteriors.

    Low and high are then the curves of the least and the most accurate draw: the same chips, so that what is not known of the
    device stands apart from how chips differ.
    """
    start, plan, computer = history.start, history.plan, history.start.computer
    decks = {name: device.device for name, device in computer.devices.items()}
    fitted = any(posterior_draws(deck) for deck in decks.values())
    lives = [_other(start, {name: build_device(deck, band) for name, deck in decks.items()}) for band in BANDS]
    curves = [curve(life, history.times, history.climates, plan) for life in lives]
    if fitted:
        for index in range(DRAWS):
            devices = {n: build_device(drawn(d, index) if posterior_draws(d) else d) for n, d in decks.items()}
            lives.append(_other(start, devices))
            curves.append(curve(lives[-1], history.times, history.climates, plan))
        draws = np.array([c.over_periods()[0] for c in curves[len(BANDS) :]])
        record.put("mvm/accuracy_draws", draws.mean(axis=2))
        record.along("posterior_draw", range(DRAWS))
        order = np.argsort([c.over_periods()[0].mean() for c in curves], kind="stable")
        chosen = [int(order[0]), BANDS.index("default"), int(order[-1])]
        lives, curves = [lives[i] for i in chosen], [curves[i] for i in chosen]
    loss = lifetime.accuracy_loss
    record.put("mvm/accuracy_band", [c.over_periods()[0] for c in curves])
    lost = [c.time_to_loss(computer.float_accuracy, loss) for c in curves]
    record.put("mvm/time_to_accuracy_loss_band", lost)
    alone = [policy for policy in plan if not policy.renews]
    held = curves if len(alone) == len(plan) else [curve(a, history.times, history.climates, alone) for a in lives]
    holds = [c.of_the_mean().time_to_loss(float(c.accuracy[0].mean()), loss)[0] for c in held]
    record.put("reliability/hold_interval_band", holds)
    record.along("band", BANDS)


def _other(life: Life, devices: dict[str, DeviceModel]) -> Life:
    """Fresh chips of other devices, by layer, from the same random numbers."""
    other = replace(life.computer, devices=devices)
    population = type(life.population).programmed(other, life.samples, life.seed, life.programming_temperature)
    return replace(life, computer=other, population=population)
