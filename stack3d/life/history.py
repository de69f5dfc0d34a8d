"""A followed life: its chips, climates and policies, lived again, to its end or to any instant before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stack3d.heat import Climate
from stack3d.life.chips import Life, Policy, elapse, programmed, read_out
from stack3d.life.periods import Curve, read_between


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

    def up_to(self, instant: float) -> History:
        """The same life up to an instant, which may lie past its end. [s]"""
        if instant == self.times[-1]:
            return self
        epoch = min(int(np.searchsorted(self.times, instant)), len(self.times) - 1)
        times, climates = np.append(self.times[:epoch], instant), self.climates[: epoch + 1]
        end = replay(self.start, times, climates, self.plan, self.end.fresh_accuracy)
        return replace(self, times=times, climates=climates, end=end)


def lives(
    life: Life, times: NDArray[np.float64], climates: Sequence[Climate], plan: Sequence[Policy], fresh: float | None
) -> Iterator[Life]:
    """The same history of temperatures and acts, from programming on, for another computer or band, epoch after epoch.

    Parameters
    ----------
    life : Life
        Just programmed.
    times : ndarray, shape (times,)
        Ends of the epochs. [s]
    climates : sequence of Climate
        Of the epochs.
    plan : sequence of Policy
    fresh : float or None
        Accuracy at the first read-out, which triggers look back to. [-]
    """
    life = programmed(life, climates[0], plan)
    for epoch, (now, climate) in enumerate(zip(times, climates)):
        life = replace(elapse(life, float(now), climate, plan, epoch), fresh_accuracy=fresh)
        yield life


def replay(
    life: Life, times: NDArray[np.float64], climates: Sequence[Climate], plan: Sequence[Policy], fresh: float | None
) -> Life:
    """The last of `lives`.

    Parameters
    ----------
    life, times, climates, plan, fresh
        As `lives` has them.
    """
    return deque(lives(life, times, climates, plan, fresh), maxlen=1).pop()


def curve(life: Life, times: NDArray[np.float64], climates: Sequence[Climate], plan: Sequence[Policy]) -> Curve:
    """Accuracy of every chip over a life through the same temperatures.

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
    life = programmed(life, climates[0], plan)
    readings: list[NDArray[np.float64]] = []
    between: dict[float, NDArray[np.float64]] = {}
    for epoch, (now, climate) in enumerate(zip(times, climates)):
        before, life = life, elapse(life, float(now), climate, plan, epoch)
        readings.append(read_out(life, climate, plan, epoch, layers=False).accuracy)
        if life.fresh_accuracy is None:
            life = replace(life, fresh_accuracy=float(readings[0].mean()))
        following = float(times[epoch + 1]) if epoch + 1 < len(times) else np.inf
        more = read_between(before, life, following, float(times[-1]), climate, plan, epoch, len(between))
        between |= {instant: reading.accuracy for instant, reading in more.items()}
    return Curve(times, np.array(readings), between, plan)
