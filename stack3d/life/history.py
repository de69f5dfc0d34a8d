"""A followed life: its chips, climates and policies, lived again, and the time to a loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stack3d.heat.climate import Climate
from stack3d.life.epochs import elapse
from stack3d.life.life import Life
from stack3d.life.policy import Policy
from stack3d.life.reading import read_out


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
        [-]
    ideal, loss : float
        In float arithmetic, and how far below. [-]
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


def replay(life: Life, times: NDArray[np.float64], climates: Sequence[Climate], plan: Sequence[Policy]) -> Life:
    """The same history of temperatures and acts, from programming to the end, for another computer or band.

    Parameters
    ----------
    life : Life
        Just programmed.
    times : ndarray, shape (times,)
        Ends of the epochs. [s]
    climates : sequence of Climate
        Of the epochs.
    plan : sequence of Policy
    """
    for policy in plan:
        life = policy.programmed(life, climates[0])
    for epoch, (now, climate) in enumerate(zip(times, climates)):
        life = elapse(life, float(now), climate, plan, epoch)
    return life


def curve(
    life: Life, times: NDArray[np.float64], climates: Sequence[Climate], plan: Sequence[Policy]
) -> list[NDArray[np.float64]]:
    """Accuracy of every chip at the end of every epoch through the same temperatures.

    Parameters
    ----------
    life : Life
        Just programmed.
    times : ndarray, shape (times,)
        Ends of the epochs. [s]
    climates : sequence of Climate
        Of the epochs.
    plan : sequence of Policy
    """
    for policy in plan:
        life = policy.programmed(life, climates[0])
    curve: list[NDArray[np.float64]] = []
    for epoch, (now, climate) in enumerate(zip(times, climates)):
        life = elapse(life, float(now), climate, plan, epoch)
        curve.append(read_out(life, climate, plan, epoch, layers=False).accuracy)
        if life.fresh_accuracy is None:
            life = replace(life, fresh_accuracy=float(curve[0].mean()))
    return curve
