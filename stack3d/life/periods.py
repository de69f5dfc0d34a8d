"""Accuracy between one periodic act and the next: where to read, mean and worst over a period, time to a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import TODAY
from stack3d.heat import Climate
from stack3d.life.chips import Life, Policy, Reading, elapse, read_out

FURTHER = 1.5
"""Further readings for each read-out, at most: where every read-out lies in a period of its own, the one just before the next
act is always taken, that just after the last act every second time, and the read-out itself stands for the middle."""

POINTS = 3
"""Readings of a period."""

Accuracy = NDArray[np.float64]


def period_of(plan: Sequence[Policy], time: float, end: float) -> tuple[float, float] | None:
    """Acts that a time lies between, those of the policy that writes least often; the act on an instant comes after it. [s]

    None where no periodic write falls within a life that ends at `end`.
    """
    spans = [policy.around(time) for policy in plan]
    acting = [span for span in spans if span[0] > 0.0 or span[1] < end]
    return max(acting, key=lambda span: span[1] - span[0], default=None)


def points_of(plan: Sequence[Policy], span: tuple[float, float]) -> tuple[float, float, float]:
    """Where a period is read: just before the next act, just after the last, in the middle; the first shows most. [s]

    Acts of other policies may fall within: the act that nothing has been done for longest before is the next.
    """
    start, stop = span
    ends = [min(after, stop) if after <= stop else before for before, after in (policy.around(stop) for policy in plan)]
    ends = [stop, *(end for end in ends if start < end < stop)]
    late = max(ends, key=lambda end: end - max(policy.around(end)[0] for policy in plan))
    return late, start + min(TODAY, 0.25 * (stop - start)), 0.5 * (start + stop)


def instants(plan: Sequence[Policy], before: float, now: float, following: float, end: float) -> list[float]:
    """Further instants to read at in an epoch, those that show most first. [s]

    Of the period that holds a read-out: see `points_of`. Read-outs in one period share what is read.

    Parameters
    ----------
    plan : sequence of Policy
    before, now, following : float
        The read-outs before, at the end of and after the epoch; 0 and infinity where there is none. [s]
    end : float
        Of the life. [s]
    """
    span = period_of(plan, now, end)
    if span is None:
        return []
    is_last = following > span[1]
    return [point for point in points_of(plan, span) if before < point < now or (now < point and is_last)]


def read_between(
    life: Life, after: Life, following: float, end: float, climate: Climate, plan: Sequence[Policy], epoch: int, taken: int
) -> dict[float, Reading]:
    """What is read at the further instants of an epoch.

    Parameters
    ----------
    life, after : Life
        At its start and end.
    following, end : float
        The next read-out, infinite for none, and the end of the life. [s]
    climate : Climate
        Of the epoch.
    plan : sequence of Policy
    epoch : int
        Its number, from 0; seeds what acts and reads draw.
    taken : int
        Further readings before it.
    """
    found = {}
    most = int(FURTHER * (epoch + 1)) - taken
    for instant in sorted(instants(plan, life.time, after.time, following, end)[:most]):
        there = elapse(life if instant <= after.time else after, instant, climate, plan, epoch)
        found[instant] = read_out(there, climate, plan, epoch, layers=False)
    return found


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy of chips over a life, between periodic acts too.

    Parameters
    ----------
    times : ndarray, shape (times,)
        Of the read-outs. [s]
    accuracy : ndarray, shape (times, chips)
    between : mapping of float to ndarray, shape (chips,)
        At further instants [s].
    plan : sequence of Policy
    """

    times: NDArray[np.float64]
    accuracy: Accuracy
    between: Mapping[float, Accuracy]
    plan: Sequence[Policy]

    def all(self) -> tuple[NDArray[np.float64], Accuracy, list[tuple[float, float]]]:
        """Every instant in order, the accuracy there, and the period that holds it."""
        found = {**self.between, **dict(zip(self.times.tolist(), self.accuracy))}
        order = sorted(found)
        end = float(self.times[-1])
        spans = [period_of(self.plan, t, end) or (0.0, np.inf) for t in order]
        return np.array(order), np.array([found[t] for t in order]), spans

    def of_the_mean(self) -> Curve:
        """The same for the mean over chips."""
        between = {t: a.mean(keepdims=True) for t, a in self.between.items()}
        return Curve(self.times, self.accuracy.mean(axis=1, keepdims=True), between, self.plan)

    def over_periods(self) -> tuple[Accuracy, Accuracy, NDArray[np.float64]]:
        """Mean and worst over the period of each read-out, shape (times, chips), and the instants of the worst [s].

        The mean over time goes by ln of the time since the act from reading to reading: by those of `points_of` where all
        are there, so that a period has one mean whichever read-out it holds, else by every reading. The worst
        is the reading of the instant at which the mean over chips is least. Without periodic acts both are the accuracy itself.
        """
        instants, readings, spans = self.all()
        mean, worst, when = self.accuracy.copy(), self.accuracy.copy(), self.times.copy()
        for i, time in enumerate(self.times):
            span = spans[int(np.searchsorted(instants, time))]
            if not np.isfinite(span[1]):
                continue
            mine = [k for k, other in enumerate(spans) if other == span]
            least = mine[int(np.argmin(readings[mine].mean(axis=1)))]
            of_the_period = [k for k in mine if instants[k] in points_of(self.plan, span)]
            used = of_the_period if len(of_the_period) == POINTS else mine
            mean[i] = _mean(instants[used] - span[0], readings[used])
            worst[i], when[i] = readings[least], instants[least]
        return mean, worst, when

    def time_to_loss(self, ideal: float, loss: float) -> NDArray[np.float64]:
        """Time at which each chip, shape (chips,), first lies `loss` below `ideal`; NaN when it never does. [s]

        Between readings of a period by ln of the time since its act, else by ln of the age. Of periods that were not read
        within, the ends are what is asked.
        """
        times, readings, spans = self.all()
        starts = np.array([span[0] for span in spans])
        last = [k for k, span in enumerate(spans) if k + 1 == len(spans) or spans[k + 1] != span]
        within = time_to_loss(times, readings, ideal, loss, starts)
        return np.asarray(np.fmin(within, time_to_loss(times[last], readings[last], ideal, loss)))


def _mean(ages: NDArray[np.float64], readings: Accuracy) -> Accuracy:
    """Mean over the time since an act from readings at some ages [s], linear in ln of the age between them."""
    weights = np.zeros(len(ages))
    weights[0] = ages[0]
    for k, (a, b) in enumerate(zip(ages, ages[1:])):
        second = b - (b - a) / np.log1p((b - a) / a)
        weights[k + 1] += second
        weights[k] += (b - a) - second
    return np.asarray(np.tensordot(weights / ages[-1], readings, axes=1))


def time_to_loss(
    times: NDArray[np.float64], accuracy: Accuracy, ideal: float, loss: float, starts: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Time at which each chip first lies `loss` below `ideal`, between readings by ln t; NaN when it never does. [s].

    Parameters
    ----------
    times : ndarray, shape (times,)
    accuracy : ndarray, shape (times, chips)
        [-]
    ideal, loss : float
        In float arithmetic, and how far below. [-]
    starts : ndarray, shape (times,), optional
        Of the period that holds each time; between two of one period it goes by ln of the time since. [s]
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
            since = 0.0 if starts is None or starts[k] != starts[k - 1] else starts[k]
            a, b = times[k - 1] - since, times[k] - since
            out[chip] = since + np.exp(np.log(a) + share * np.log(b / a))
    return out
