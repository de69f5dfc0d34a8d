"""Temperatures of places along a trace of any length, in time proportional to it; SI units."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import ArrayError, RangeError
from stack3d.layout import Floats
from stack3d.thermal.compact.compact_model import CompactModel
from stack3d.thermal.compact.cycles import Cycles
from stack3d.thermal.compact.model_in_time import Exponentials
from stack3d.thermal.time.schedule import PowerSchedule

AT_ONCE = 1_000_000
"""Amplitudes held at once."""
EQUAL = 1e-6
"""Share by which steps of one length may differ: times that were written with few digits."""
GONE = 40.0
"""Time constants after which a mode has settled to the last digit."""
MOST_STEPS = 10**11
"""Of a trace: a day or more of one core, 3000 years in steps of a second."""
PILOT = 20_000
"""Steps that are timed for what is told before the work."""
SHORTER = 0.999
"""Share of the shortest time of a model below which a step is too short for it."""

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
        Over all ends of steps, the start among them; the mean over time, linear between them. [K]
    highest_at, lowest_at : ndarray, shape (places,)
        [s]
    above : ndarray, shape (limits, places)
        Time above each limit, linear between ends of steps. [s]
    cycles : mapping of str to ndarray, shape (ranges, 3)
        Of each place that was asked: middle of a range [K], cycles in it, their mean temperature [K].
    estimate : ndarray, shape (places,)
        Tested estimate of the error against the mesh: that of the model over time, of the largest rise that any place made. [K]
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
    films: Mapping[str, float] | None = None,
    ambient: float | None = None,
    start: str | float = "ambient",
    watch: TraceWatch = lambda done, total: None,
    ahead: Ahead = lambda steps, seconds: None,
) -> TraceAnswer:
    """Temperatures of a compact model along a schedule of powers; each change of the power is a step, which is exact.

    Parameters
    ----------
    model : CompactModel
        With a model over time.
    schedule : PowerSchedule
        Of the model's sources, in their order; repeated where it has a period.
    until : float
        [s]
    asked : KeptOfTrace
    films : mapping of str to float, optional
        Of faces, those of the scenario where absent. [W m⁻² K⁻¹]
    ambient : float, optional
        That of the scenario by default. [K]
    start : {"ambient", "steady"} or float
        ``steady``: the steady state of the mean powers; a number: one temperature everywhere. [K]
    watch, ahead : callable

    Raises
    ------
    RangeError
        Outside the ranges of the model, for steps shorter than it was made for, for more than `MOST_STEPS`, and where a
        temperature is no number.
    UnknownNameError
        For places that the model does not have.
    """
    exponentials, h = model.exponentials(films), model.films(films or {})
    base = model.base(ambient)
    still = model.loads(np.zeros(len(model.sources)), h, ambient)[len(model.sources) :]
    air = model.ambient[0] if ambient is None else ambient
    durations = np.diff([*schedule.times, until if schedule.period is None else schedule.period])
    shortest = float(durations[durations > 0].min(initial=np.inf))
    if shortest < SHORTER * model.shortest:
        raise RangeError(f"a step of the trace takes {shortest:g} s; the compact model holds from {model.shortest:g} s on")
    before = np.zeros(len(model.sources))
    if start == "steady":
        before = durations @ schedule.powers / durations.sum()
        amplitudes = exponentials.steady(np.append(before, still))
    else:
        amplitudes = exponentials.still * ((air if isinstance(start, str) else start) - base)
    march = _March(model, exponentials, still, base)
    steps = _number_of_steps(schedule, until)
    trial = _Kept(model.places, asked, steps)
    trial.begin(march.shown(amplitudes, before))
    ahead(steps, steps * _seconds_of_a_step(march, trial, amplitudes, schedule, until))
    kept = _Kept(model.places, asked, steps)
    kept.begin(march.shown(amplitudes, before))
    for ends, lengths, powers in _stretches(schedule, until, max(1, AT_ONCE // exponentials.rates.size)):
        with np.errstate(over="ignore", invalid="ignore"):
            amplitudes, temperature = march.on(amplitudes, lengths, powers)
        if not np.isfinite(temperature).all():
            raise RangeError(f"powers of the trace up to {np.abs(powers).max():g} W lead to temperatures that are no numbers")
        kept.see(ends, lengths, temperature)
        watch(float(ends[-1]), until)
    return kept.answer(until, model, base)


def _number_of_steps(schedule: PowerSchedule, until: float) -> int:
    """Raises RangeError for too many."""
    if schedule.period is not None and not until / schedule.period * schedule.times.size <= MOST_STEPS:
        raise RangeError(f"a trace of {schedule.period:g} s up to {until:g} s has more than {MOST_STEPS:.0e} steps")
    if schedule.period is None:
        return int(np.count_nonzero(schedule.times < until))
    whole, rest = divmod(until, schedule.period)
    return int(whole) * schedule.times.size + int(np.count_nonzero(schedule.times < rest))


def _seconds_of_a_step(march: _March, trial: _Kept, amplitudes: Floats, schedule: PowerSchedule, until: float) -> float:
    """Measured on the first steps, what is kept of them included. [s]"""
    ends, lengths, powers = next(_stretches(schedule, until, PILOT))
    with np.errstate(over="ignore", invalid="ignore"):
        march.on(amplitudes, lengths[:1], powers[:1])  # loads what it needs
        began = time.perf_counter()
        trial.see(ends, lengths, march.on(amplitudes, lengths, powers)[1])
    return (time.perf_counter() - began) / len(lengths)


def _stretches(schedule: PowerSchedule, until: float, most: int) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Ends and lengths of steps [s] and their powers [W], so many at once, periods unrolled."""
    times, period = schedule.times, schedule.period
    copies = 1 if period is None else max(1, min(most // times.size, int(np.ceil(until / period))))
    block = times if period is None else (np.arange(copies)[:, None] * period + times).ravel()
    powers = np.tile(schedule.powers, (copies, 1))
    length = until if period is None else copies * period
    begun = 0.0
    while begun < until:
        starts = begun + block
        ends = np.append(starts[1:], begun + length)
        inside = starts < until * (1 - EQUAL * EQUAL)
        starts, ends = starts[inside], np.minimum(ends[inside], until)
        for first in range(0, starts.size, most):
            part = slice(first, first + most)
            yield ends[part], ends[part] - starts[part], powers[: starts.size][part]
        begun += length


class _March:
    """Exact steps of all modes; those that settle within a step follow the power at once."""

    def __init__(self, model: CompactModel, exponentials: Exponentials, still: Floats, base: float) -> None:
        self.model, self.modes, self._still, self._base = model, exponentials, still, base

    def _driven(self, powers: Floats) -> Floats:
        """Amplitudes that each mode goes to, shape (steps, modes)."""
        count = len(self.model.sources)
        given = powers @ self.modes.loads[:count] + self._still @ self.modes.loads[count:]
        return np.asarray(given / self.modes.rates)

    def shown(self, amplitudes: Floats, powers: Floats) -> Floats:
        """Temperature of places. [K]"""
        return np.asarray(self._base + amplitudes @ self.modes.shown.T + powers @ self.model.bow.T)

    def on(self, amplitudes: Floats, lengths: Floats, powers: Floats) -> tuple[Floats, Floats]:
        """Amplitudes at the end, and temperatures of places at the end of every step, shape (steps, places)."""
        from scipy.signal import lfilter  # takes long to import

        driven = self._driven(powers)
        if np.ptp(lengths) <= EQUAL * lengths[0]:
            decays = np.exp(-self.modes.rates * lengths.mean())
            for m in np.flatnonzero(self.modes.rates * lengths[0] < GONE):
                d = decays[m]
                driven[:, m], _ = lfilter([1 - d], [1, -d], driven[:, m], zi=[d * amplitudes[m]])
        else:
            decays, now = np.exp(-np.multiply.outer(lengths, self.modes.rates)), amplitudes
            for i, decay in enumerate(decays):
                now = driven[i] + decay * (now - driven[i])
                driven[i] = now
        return driven[-1].copy(), self.shown(driven, powers)


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

    def see(self, ends: Floats, lengths: Floats, temperature: Floats) -> None:
        """Take the temperatures at the ends of steps, shape (steps, places)."""
        before = np.vstack([self._last, temperature[:-1]])
        self._integral = self._integral + 0.5 * lengths @ (before + temperature)
        for i, limit in enumerate(self._limits):
            self._above[i] += lengths @ _share_above(before, temperature, float(limit))
        for sign, value, at in ((1, "_highest", "_highest_at"), (-1, "_lowest", "_lowest_at")):
            where = np.argmax(sign * temperature, axis=0)
            found, known = temperature[where, np.arange(len(self.places))], getattr(self, value)
            is_new = sign * found > sign * known
            setattr(self, at, np.where(is_new, ends[where], getattr(self, at)))
            setattr(self, value, np.where(is_new, found, known))
        number = self._done + 1 + np.arange(len(ends))
        taken = (number % self._stride == 0) | (number == self.steps)
        self._sampled.append((ends[taken], temperature[taken]))
        self._count(temperature)
        self._done += len(ends)
        self._last = temperature[-1]

    def answer(self, duration: float, model: CompactModel, base: float) -> TraceAnswer:
        """All of it."""
        estimate = 0.0 if model.in_time is None else model.in_time.estimate
        rise = max(float(np.abs(value - base).max()) for value in (self._highest, self._lowest))
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
        )


def _share_above(before: Floats, after: Floats, limit: float) -> Floats:
    """Share of each step above a limit, linear between its ends."""
    low, high = np.minimum(before, after), np.maximum(before, after)
    crossed = np.clip((high - limit) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    return np.where(low >= limit, 1.0, np.where(high <= limit, 0.0, crossed))
