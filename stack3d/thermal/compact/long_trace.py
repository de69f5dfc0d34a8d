"""Temperatures of places along a trace of any length, in time proportional to it; SI units."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import ArrayError, RangeError
from stack3d.layout import Floats
from stack3d.thermal.compact.compact_model import CompactModel
from stack3d.thermal.compact.cycles import Cycles
from stack3d.thermal.compact.exact_steps import EQUAL, ExactSteps, Passed
from stack3d.thermal.time.schedule import PowerSchedule

AT_ONCE = 1_000_000
"""Amplitudes held at once."""
MOST_STEPS = 10**11
"""Of a trace: a day or more of one core, 3000 years in steps of a second."""
PILOT = 20_000
"""Steps that are timed for what is told before the work."""

TraceWatch = Callable[[float, float], None]
"""Told of the time that is done and of all of it. [s]"""
Ahead = Callable[[int, float], None]
"""Told before the work of its steps and of the time that it will take. [s]"""


class KeptOfTrace(NamedTuple):
    """What is kept of a trace.

    Parameters
    ----------
    samples : int
        Instants that are kept, evenly spread, the end of the trace among them.
    limits : sequence of float
        Temperatures above which time is counted. [K]
    counted : sequence of str
        Places whose cycles are counted.
    width : float
        Of the ranges that cycles are sorted into. [K]
    """

    samples: int = 1000
    limits: Sequence[float] = ()
    counted: Sequence[str] = ()
    width: float = 1.0


@dataclass(frozen=True, eq=False)
class TraceAnswer:
    """What places went through.

    Parameters
    ----------
    places : tuple of str
    steps : int
    duration : float
        [s]
    times : ndarray, shape (samples,)
        [s]
    temperature : ndarray, shape (samples, places)
        [K]
    highest, lowest, mean, final : ndarray, shape (places,)
        Over the start, all ends of steps and instants within them, each a quarter as long again after these began as the
        last; the mean over time, exact. [K]
    highest_at, lowest_at : ndarray, shape (places,)
        [s]
    above : ndarray, shape (limits, places)
        Time above each limit, linear between these instants. [s]
    cycles : mapping of str to ndarray, shape (ranges, 3)
        Of each place that was asked: middle of a range [K], cycles in it, their mean temperature [K].
    of_model : ndarray, shape (places,)
        Tested estimate of the error against the mesh: that of the model over time, of the largest rise that any place made and
        of how far ambient moved. [K]
    estimate : ndarray, shape (places,)
        That and the estimated error of the mesh itself over time, whatever powers, films and ambient do within what they were.
        [K]
    """

    places: tuple[str, ...]
    steps: int
    duration: float
    times: Floats
    temperature: Floats
    highest: Floats
    lowest: Floats
    mean: Floats
    final: Floats
    highest_at: Floats
    lowest_at: Floats
    above: Floats
    cycles: Mapping[str, Floats]
    of_model: Floats
    estimate: Floats

    def told(self) -> list[str]:
        """The largest temperature of every place in lines."""
        found = zip(self.places, self.highest - ZERO_CELSIUS, self.highest_at, self.estimate)
        return [f"{name:<18} {high:.3f} degC at {at:g} s, within {off:.2g} K (estimate)" for name, high, at, off in found]


def follow(
    model: CompactModel,
    schedule: PowerSchedule,
    until: float,
    *,
    asked: KeptOfTrace = KeptOfTrace(),  # noqa: B008
    films: Mapping[str, float | Floats] | None = None,
    ambient: float | Floats | None = None,
    start: str | float = "ambient",
    watch: TraceWatch = lambda done, total: None,
    ahead: Ahead = lambda steps, seconds: None,
) -> TraceAnswer:
    """Temperatures of a compact model along a schedule of powers; each of its rows is a step, which is exact.

    Parameters
    ----------
    model : CompactModel
        With a model over time.
    schedule : PowerSchedule
        Of the model's sources, in their order; repeated where it has a period.
    until : float
        [s]
    asked : KeptOfTrace
    films : mapping of str to float or ndarray, shape (rows,), optional
        Of faces, all along or for each row of the schedule; those of the scenario where absent. [W m⁻² K⁻¹]
    ambient : float or ndarray, shape (rows,), optional
        All along or for each row of the schedule; that of the scenario by default. [K]
    start : {"ambient", "steady"} or float
        ``ambient``: that of the first row; ``steady``: the steady state of the mean powers and ambient, under the films of the
        first row; a number: one temperature everywhere. [K]
    watch, ahead : callable

    Raises
    ------
    RangeError
        Outside the ranges of the model, for steps shorter than it was made for, for more than `MOST_STEPS`, and where a
        temperature is no number.
    UnknownNameError
        For places that the model does not have.
    """
    model.over_time()  # there is one, before steps are looked at
    air = model.air(schedule.times.size, films or {}, ambient)
    base = float(air.ambient[0]) if model.fixed is None else model.fixed
    durations = np.diff([*schedule.times, until if schedule.period is None else schedule.period])
    shortest = float(np.append(durations[durations > 0], _last_step(schedule, until)).min())
    model.check_step(shortest)
    march = ExactSteps(model, schedule.powers, air, base)
    before, around = np.zeros(len(model.sources)), float(air.ambient[0]) if isinstance(start, str) else start
    if start == "steady":
        before, around = (durations @ rows / durations.sum() for rows in (schedule.powers, air.ambient))
        amplitudes = march.steady(before, around)
    else:
        amplitudes = march.even(around)
    steps = _number_of_steps(schedule, until)
    trial = _Kept(model.places, asked, steps)
    trial.begin(march.shown(amplitudes, before))
    ahead(steps, steps * _seconds_of_a_step(replace(march), trial, amplitudes, schedule, until))
    kept = _Kept(model.places, asked, steps)
    kept.begin(march.shown(amplitudes, before))
    held = max(amplitudes.size, (march.instants(float(durations.max())).size + 1) * len(model.places))
    for ends, lengths, rows in _stretches(schedule, until, max(1, AT_ONCE // held)):
        with np.errstate(over="ignore", invalid="ignore"):
            passed = march.on(amplitudes, lengths, rows)
        amplitudes, temperature = passed.amplitudes, passed.temperature
        if not np.isfinite(temperature).all():
            most = np.abs(schedule.powers[rows]).max()
            raise RangeError(f"powers of the trace up to {most:g} W lead to temperatures that are no numbers")
        if (lowest := float(temperature.min())) < 0.0:
            least = schedule.powers[rows].min()
            raise RangeError(f"powers of the trace down to {least:g} W lead to {lowest:.4g} K, below absolute zero")
        kept.see(ends, lengths, passed)
        watch(float(ends[-1]), until)
    moved, by_mesh = float(np.abs(air.ambient - base).max()), march.mesh_error(before, around, start == "steady")
    return kept.answer(until, model, base, moved, by_mesh)


def _last_step(schedule: PowerSchedule, until: float) -> float:
    """Length of the step that the end of a trace cuts short; infinite where it comes with the end of a period. [s]"""
    since = until if schedule.period is None else until % schedule.period
    begun = schedule.times[schedule.times < since * (1 - EQUAL)]
    return float(since - begun[-1]) if since > until * EQUAL * EQUAL else np.inf


def _number_of_steps(schedule: PowerSchedule, until: float) -> int:
    """Raises RangeError for too many."""
    if schedule.period is not None and not until / schedule.period * schedule.times.size <= MOST_STEPS:
        raise RangeError(f"a trace of {schedule.period:g} s up to {until:g} s has more than {MOST_STEPS:.0e} steps")
    if schedule.period is None:
        return int(np.count_nonzero(schedule.times < until))
    whole, rest = divmod(until, schedule.period)
    return int(whole) * schedule.times.size + int(np.count_nonzero(schedule.times < rest))


def _seconds_of_a_step(march: ExactSteps, trial: _Kept, amplitudes: Floats, schedule: PowerSchedule, until: float) -> float:
    """Measured on the first steps, what is kept of them included. [s]"""
    ends, lengths, rows = next(_stretches(schedule, until, PILOT))
    with np.errstate(over="ignore", invalid="ignore"):
        march.on(amplitudes, lengths[:1], rows[:1])  # loads what it needs
        began = time.perf_counter()
        trial.see(ends, lengths, march.on(amplitudes, lengths, rows))
    return (time.perf_counter() - began) / len(lengths)


def _stretches(schedule: PowerSchedule, until: float, most: int) -> Iterator[tuple[Floats, Floats, NDArray[np.int64]]]:
    """Ends and lengths of steps [s] and their rows in the schedule, so many at once, periods unrolled."""
    times, period = schedule.times, schedule.period
    copies = 1 if period is None else max(1, min(most // times.size, int(np.ceil(until / period))))
    block = times if period is None else (np.arange(copies)[:, None] * period + times).ravel()
    rows = np.tile(np.arange(times.size), copies)
    length = until if period is None else copies * period
    begun = 0.0
    while begun < until:
        starts = begun + block
        ends = np.append(starts[1:], begun + length)
        inside = starts < until * (1 - EQUAL * EQUAL)
        starts, ends = starts[inside], np.minimum(ends[inside], until)
        for first in range(0, starts.size, most):
            part = slice(first, first + most)
            yield ends[part], ends[part] - starts[part], rows[: starts.size][part]
        begun += length


class _Kept:
    """What is kept of the temperatures of steps."""

    def __init__(self, places: tuple[str, ...], asked: KeptOfTrace, steps: int) -> None:
        for name in asked.counted:
            if name not in places:
                raise ArrayError(f"counted: the compact model shows no place {name!r}; it has {', '.join(places)}")
        self.places, self.asked, self.steps = places, asked, steps
        self._stride = max(1, -(-steps // max(1, asked.samples)))
        self._limits = np.array(asked.limits, dtype=float)
        self._cycles = {name: Cycles(asked.width) for name in asked.counted}
        self._done = 0
        self._sampled: list[tuple[Floats, Floats]] = []

    def begin(self, temperature: Floats) -> None:
        """Take the state at the start."""
        self._last = self._highest = self._lowest = temperature
        self._highest_at = self._lowest_at = np.zeros(temperature.size)
        self._integral, self._above = np.zeros(temperature.size), np.zeros((self._limits.size, temperature.size))
        self._sampled.append((np.zeros(1), temperature[None]))
        self._count(temperature[None])

    def _count(self, temperature: Floats) -> None:
        for name, cycles in self._cycles.items():
            cycles.see(temperature[:, self.places.index(name)])

    def see(self, ends: Floats, lengths: Floats, passed: Passed) -> None:
        """Take what places went through in steps."""
        temperature, begun = passed.temperature, ends - lengths
        is_end = np.diff(passed.steps, append=len(ends)) > 0
        at = np.where(is_end, ends[passed.steps], begun[passed.steps] + passed.since)
        for i, limit in enumerate(self._limits):
            self._above[i] += _time_above(
                np.append(begun[0], at), np.vstack([self._last, temperature]), passed.steps, float(limit)
            )
        for pick, value, when in ((np.max, "_highest", "_highest_at"), (np.min, "_lowest", "_lowest_at")):
            now, old = pick(temperature, axis=0), getattr(self, value)
            found = pick([now, old], axis=0)
            moments = getattr(self, when).copy()
            for place in np.flatnonzero(found != old):
                moments[place] = at[np.argmax(temperature[:, place] == found[place])]
            setattr(self, when, moments)
            setattr(self, value, found)
        self._integral = self._integral + passed.integral
        number = self._done + 1 + np.arange(len(ends))
        taken = (number % self._stride == 0) | (number == self.steps)
        self._sampled.append((ends[taken], temperature[is_end][taken]))
        self._count(temperature)
        self._done += len(ends)
        self._last = temperature[-1]

    def answer(self, duration: float, model: CompactModel, base: float, moved: float, by_mesh: Floats) -> TraceAnswer:
        """All of it.

        Parameters
        ----------
        duration : float
            [s]
        model : CompactModel
        base : float
            Temperature that rises count from. [K]
        moved : float
            Farthest that ambient was from it. [K]
        by_mesh : ndarray, shape (places,)
            Error of the mesh. [K]
        """
        estimate = 0.0 if model.in_time is None else model.in_time.estimate
        rise = moved + max(float(np.abs(value - base).max()) for value in (self._highest, self._lowest))
        times, temperature = (np.concatenate(parts) for parts in zip(*self._sampled))
        return TraceAnswer(
            self.places,
            self._done,
            duration,
            times,
            temperature,
            self._highest,
            self._lowest,
            self._integral / duration,
            self._last,
            self._highest_at,
            self._lowest_at,
            self._above,
            {name: cycles.table() for name, cycles in self._cycles.items()},
            np.full(len(self.places), estimate * rise),
            estimate * rise + by_mesh,
        )


def _time_above(at: Floats, temperature: Floats, steps: NDArray[np.int64], limit: float) -> Floats:
    """Time above a limit, shape (places,); time is a parabola of temperature where three instants are of one step. [s]

    Parameters
    ----------
    at : ndarray, shape (1 + instants,)
        The end before the steps, and instants of them. [s]
    temperature : ndarray, shape (1 + instants, places)
        [K]
    steps : ndarray, shape (instants,)
        Number of the step of each instant.
    limit : float
        [K]
    """
    is_above, spans = temperature > limit, np.diff(at)
    weights = 0.5 * (np.append(spans, 0.0) + np.append(0.0, spans))
    found = weights @ is_above
    owner = np.append(-1, steps)
    for place in range(temperature.shape[1]):
        first = np.flatnonzero(is_above[1:, place] != is_above[:-1, place])
        t0, t1, y0, y1 = at[first], at[first + 1], temperature[first, place] - limit, temperature[first + 1, place] - limit
        crossed = t0 - y0 * (t1 - t0) / (y1 - y0)
        last = np.minimum(first + 2, owner.size - 1)
        is_inside = owner[first] == owner[first + 1]
        has_before = is_inside & (first > 0) & (owner[first - 1] == owner[first])
        bends = has_before | (is_inside & (last > first + 1) & (owner[last] == owner[first]))
        third = np.where(has_before, first - 1, last)
        t2, y2 = at[third], temperature[third, place] - limit
        with np.errstate(divide="ignore", invalid="ignore"):
            bent = (
                t0 * y1 * y2 / ((y0 - y1) * (y0 - y2))
                + t1 * y0 * y2 / ((y1 - y0) * (y1 - y2))
                + t2 * y0 * y1 / ((y2 - y0) * (y2 - y1))
            )
        is_within = bends & (bent >= t0) & (bent <= t1)
        crossed = np.where(is_within, bent, crossed)
        found[place] += np.sum(np.where(y0 > 0, crossed - t0, t1 - crossed) - 0.5 * (t1 - t0))
    return np.asarray(found)
