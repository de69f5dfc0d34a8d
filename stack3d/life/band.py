"""The same life at the ends of a device's bands and at draws of its posterior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stack3d.devices import DeviceModel, build_device, drawn, posterior_draws
from stack3d.life.chips import Life
from stack3d.life.history import History, curve
from stack3d.life.periods import Curve
from stack3d.record import Record
from stack3d.schema import BANDS, LifetimeDeck

DRAWS = 8
"""Draws of a posterior that a band follows: the ends of eight hold about four fifths of what is not known."""


def add_band(history: History, lifetime: LifetimeDeck, record: Record, tell: Callable[[int, int], None]) -> None:
    """The same temperatures for devices at both ends of their bands, and for draws of their posteriors.

    Low and high are then, at each time, the chips of the life with the least and with the largest mean accuracy: the same
    chips, so that what is not known of the device stands apart from how chips differ. Times to a loss and intervals have
    ends of their own.

    Parameters
    ----------
    history : History
    lifetime : LifetimeDeck
    record : Record
    tell : callable
        Told how many lives have been lived again, and of how many.
    """
    lives, loss, curves = _lives(history.start), lifetime.accuracy_loss, list[Curve]()
    for done, life in enumerate(lives, 1):
        curves.append(curve(life, history.times, history.climates, history.plan))
        tell(done, len(lives))
    accuracy = np.array([c.over_periods()[0] for c in curves])
    lost = np.array([c.time_to_loss(history.start.computer.float_accuracy, loss) for c in curves])
    held = _left_alone(history, lives, curves)
    holds = np.array([c.of_the_mean().time_to_loss(float(c.accuracy[0].mean()), loss)[0] for c in held])
    if len(lives) > len(BANDS):
        record.put("mvm/accuracy_draws", accuracy[len(BANDS) :].mean(axis=2))
        record.along("posterior_draw", range(DRAWS))
        accuracy = _between(accuracy, accuracy.mean(axis=2))
        lost = _between(lost, np.quantile(np.where(np.isnan(lost), np.inf, lost), 0.5, axis=1, method="inverted_cdf"))
        holds = _between(holds, np.where(np.isnan(holds), np.inf, holds))
    record.put("mvm/accuracy_band", accuracy)
    record.put("mvm/time_to_accuracy_loss_band", lost)
    record.put("reliability/hold_interval_band", holds)
    record.along("band", BANDS)


def _between(values: NDArray[np.float64], rank: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the lives of least rank, of the most likely one and of those of largest rank.

    Parameters
    ----------
    values : ndarray, shape (lives, ...)
    rank : ndarray, shape (lives,) or (lives, times)
        Of each life, at each time where it has times.
    """
    middle = np.full(rank.shape[1:], BANDS.index("default"))
    which = np.stack([rank.argmin(axis=0), middle, rank.argmax(axis=0)])
    which = which.reshape(which.shape + (1,) * (values.ndim - which.ndim))
    return np.take_along_axis(values, which, axis=0)


def _lives(start: Life) -> list[Life]:
    """Fresh chips at the ends and the middle of the bands; then of draws, where a device has a posterior."""
    decks = {name: device.device for name, device in start.computer.devices.items()}
    lives = [_other(start, {name: build_device(deck, band) for name, deck in decks.items()}) for band in BANDS]
    if any(posterior_draws(deck) for deck in decks.values()):
        for index in range(DRAWS):
            devices = {n: build_device(drawn(d, index) if posterior_draws(d) else d) for n, d in decks.items()}
            lives.append(_other(start, devices))
    return lives


def _left_alone(history: History, lives: Sequence[Life], curves: Sequence[Curve]) -> Sequence[Curve]:
    """Curves of the same chips without policies that write again; those that are known where there is none."""
    alone = [policy for policy in history.plan if not policy.renews]
    if len(alone) == len(history.plan):
        return curves
    return [curve(life, history.times, history.climates, alone) for life in lives]


def _other(life: Life, devices: dict[str, DeviceModel]) -> Life:
    """Fresh chips of other devices, by layer, from the same random numbers."""
    other = replace(life.computer, devices=devices)
    population = type(life.population).programmed(other, life.samples, life.seed, life.programming_temperature)
    return replace(life, computer=other, population=population)
