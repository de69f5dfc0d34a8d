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

AT_ONCE = 500_000
"""Amplitudes or temperatures held at once: more of them are slower, as they leave the caches."""
MOST_STEPS = 10**11
"""Of a trace: a day or more of one core, 3000 years in steps of a second."""
PILOT = 20_000
"""Steps that are timed for what is told before the work."""

Stretch = tuple[Floats, Floats, NDArray[np.int64]]
"""Ends and lengths of steps [s], and their rows."""
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
    held = max(amplitudes.size, (march.instants(float(durations.max())).size + 1) * len(model.places))
    most = max(1, AT_ONCE // held)
    ahead(steps, steps * _seconds_of_a_step(replace(march), trial, amplitudes, _stretches(schedule, until, most)))
    kept = _Kept(model.places, asked, steps)
    kept.begin(march.shown(amplitudes, before))
    for ends, lengths, rows in _stretches(schedule, until, most):
        with np.errstate(over="ignore", invalid="ignore"):
            passed = march.on(amplitudes, lengths, rows)
        amplitudes = passed.amplitudes
        lowest, highest = kept.see(ends, passed)
        if not np.isfinite(highest - lowest):
            most = np.abs(schedule.powers[rows]).max()
            raise RangeError(f"powers of the trace up to {most:g} W lead to temperatures that are no numbers")
        if lowest < 0.0:
            least = schedule.powers[rows].min()
            raise RangeError(f"powers of the trace down to {least:g} W lead to {lowest:.4g} K, below absolute zero")
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


def _seconds_of_a_step(march: ExactSteps, trial: _Kept, amplitudes: Floats, stretches: Iterator[Stretch]) -> float:
    """Measured on the first steps, what is kept of them included. [s]"""
    count, began = 0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for ends, lengths, rows in stretches:
            if not began:
                march.on(amplitudes, lengths[:1], rows[:1])  # loads what it needs
                began = time.perf_counter()
            trial.see(ends, march.on(amplitudes, lengths, rows))
            count += len(ends)
            if count >= PILOT:
                break
    return (time.perf_counter() - began) / count


def _stretches(schedule: PowerSchedule, until: float, most: int) -> Iterator[Stretch]:
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
        self._count(temperature[None, :, None])

    def _count(self, temperature: Floats) -> None:
        for name, cycles in self._cycles.items():
            cycles.see(temperature[:, self.places.index(name)].T.ravel())

    def see(self, ends: Floats, passed: Passed) -> tuple[float, float]:
        """Take what places went through in steps; returns the lowest and the highest temperature of all. [K]"""
        temperature, since = passed.temperature, passed.since
        at = since + (ends - since[-1])
        lows, highs = temperature.min(axis=2), temperature.max(axis=2)
        lowest, highest = lows.min(axis=0), highs.max(axis=0)
        if not np.isfinite(highest - lowest).all():
            return float(lowest.min()), float(highest.max())
        begun = float(ends[0] - since[-1, 0])
        for i, limit in enumerate(self._limits):
            is_always = np.minimum(self._last, lowest) > limit
            is_ever = np.maximum(self._last, highest) > limit
            self._above[i] += is_always * (ends[-1] - begun)
            if np.any(crosses := is_ever & ~is_always):
                self._above[i, crosses] += _time_above(at - begun, temperature[:, crosses], self._last[crosses], float(limit))
        for better, new, of_rows, value in (
            (highest > self._highest, highest, highs, "_highest"),
            (lowest < self._lowest, lowest, lows, "_lowest"),
        ):
            found, moments = getattr(self, value).copy(), getattr(self, f"{value}_at").copy()
            for place in np.flatnonzero(better):
                found[place] = new[place]
                rows = np.flatnonzero(of_rows[:, place] == new[place])
                moments[place] = min(at[row, np.argmax(temperature[row, place] == new[place])] for row in rows)
            setattr(self, value, found)
            setattr(self, f"{value}_at", moments)
        self._integral = self._integral + passed.integral
        number = self._done + 1 + np.arange(len(ends))
        taken = (number % self._stride == 0) | (number == self.steps)
        self._sampled.append((ends[taken], temperature[-1][:, taken].T))
        self._count(temperature)
        self._done += len(ends)
        self._last = temperature[-1, :, -1].copy()
        return float(lowest.min()), float(highest.max())

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


def _time_above(at: Floats, temperature: Floats, last: Floats, limit: float) -> Floats:
    """Time above a limit, shape (places,); time is a parabola of temperature where three instants are of one step. [s]

    Parameters
    ----------
    at : ndarray, shape (instants, steps)
        Since the first step began. [s]
    temperature : ndarray, shape (instants, places, steps)
        [K]
    last : ndarray, shape (places,)
        When the first step began. [K]
    limit : float
        [K]
    """
    _, places, steps = temperature.shape
    is_above, row = temperature > limit, places * steps
    flat = temperature.ravel()

    first = np.flatnonzero(is_above[1:] != is_above[:-1])  # within a step
    instant, (place, step) = first // row, divmod(first % row, steps)
    third = np.where(instant > 0, -1, 2 if len(at) > 2 else 0)
    t0, t1, t2 = at[instant, step], at[instant + 1, step], at[instant + third, step]
    y0, y1, y2 = (flat[each] - limit for each in (first, first + row, first + third * row))
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = (
            t0 * y1 * y2 / ((y0 - y1) * (y0 - y2))
            + t1 * y0 * y2 / ((y1 - y0) * (y1 - y2))
            + t2 * y0 * y1 / ((y2 - y0) * (y2 - y1))
        )
    crossed = np.where((bent >= t0) & (bent <= t1), bent, t0 - y0 * (t1 - t0) / (y1 - y0))
    inside = np.bincount(place, np.where(y0 > 0, crossed, -crossed), places)

    before = np.column_stack([last, temperature[-1, :, :-1]]) - limit
    place, step = np.nonzero((before > 0) != is_above[0])  # as one begins
    t0, y0, y1 = np.append(0.0, at[-1, :-1])[step], before[place, step], temperature[0, place, step] - limit
    crossed = t0 - y0 * (at[0, step] - t0) / (y1 - y0)
    between = np.bincount(place, np.where(y0 > 0, crossed, -crossed), places)
    return np.asarray(inside + between + np.where(is_above[-1, :, -1], at[-1, -1], 0.0))
