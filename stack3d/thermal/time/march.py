"""Temperature over time: second-order implicit steps that land on every change of power; SI units.

The schemes see a system K u + M u' = b only through its operations, so that one stepper serves modes and nodes.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats
from stack3d.progress import present
from stack3d.thermal.fields.field import Field
from stack3d.thermal.time.schedule import PowerSchedule
from stack3d.thermal.time.system import StepWatch, TransientResult, TransientSystem, ascending

GAMMA = 2.0 - np.sqrt(2.0)
"""First stage of TR-BDF2 as a share of the step; this one gives both stages the same matrix."""
ERROR_CONSTANT = (-3 * GAMMA**2 + 4 * GAMMA - 2) / (12 * (2 - GAMMA))
START = (1 / 8, 1 / 8, 1 / 4, 1 / 2)
"""Shares of the first fixed step after a change of power; finer ones no longer change the error of the steps that follow."""
PARTS = 1000
"""Of the time that is marched over, by which it is told how much is done."""
DEEPEST = 40
"""An interval is halved at most this often."""


@dataclass
class TakenSteps:
    """Steps that a march takes, by how often each halves its interval; or those of another one, whole or in parts.

    Two marches then differ in nothing but their meshes, or in nothing but the length of their steps, wherever these are
    limited by something else than their error: by an output, by a change of power, by the place at which they may grow. The
    second one also goes without the control of errors.
    """

    taken: list[int] = field(default_factory=list)
    given: Iterator[int] | None = None
    parts: int = 1
    """That each given step is cut in."""
    peaks: tuple[tuple[float, float], ...] = ()
    """Between which instants the peaks of the march lie. [s]"""

    def again(self, parts: int = 1) -> TakenSteps:
        """For a march over the same intervals."""
        return TakenSteps(given=iter(self.taken), parts=parts, peaks=self.peaks)


class _Told:
    """Tells who watches how much of a march is done; its end is no end of the work, since other marches may follow.

    Parameters
    ----------
    until : float
        [s]
    """

    def __init__(self, until: float) -> None:
        self.until, self.done = until, 0

    def __call__(self, now: float) -> None:
        """Tell of an instant [s] where it is another part."""
        done = min(int(PARTS * now / self.until), PARTS - 1)
        if done > self.done:
            self.done = done
            present().step("heat", done, PARTS)


@dataclass
class _March:
    """State of a march and what it has seen."""

    system: TransientSystem
    state: Floats
    drive: Floats
    """b - K u, the heat that changes the state. [W]"""
    stored: Floats | None = None
    """Heat in the state, once it is known; as `TransientSystem.stored`. [J]"""

    def go_on(self, step: _Step) -> None:
        """Stand at the end of a step."""
        self.state, self.drive, self.stored = step.end, step.drives[-1], step.stored


@dataclass(frozen=True, eq=False)
class _Step:
    middle: Floats
    """State at γ."""
    end: Floats
    stored: Floats
    """At the end."""
    rate: float
    drives: tuple[Floats, Floats, Floats]
    """At 0, γ and 1. [W]"""

    def defect(self) -> Floats:
        """Right-hand side whose solution estimates the local error."""
        begin, middle, end = self.drives
        found = begin / GAMMA - middle / (GAMMA * (1 - GAMMA)) + end / (1 - GAMMA)
        return np.asarray((4 * ERROR_CONSTANT / GAMMA) * found)


def _tr_bdf2(march: _March, load: Floats, step: float) -> _Step:
    """One step.

    Trapezoidal rule to γ, then BDF2; L-stable, one matrix [1]_.

    References
    ----------
    .. [1] M. E. Hosea, L. F. Shampine, Appl. Numer. Math. 20 (1996) 21. doi:10.1016/0168-9274(95)00115-8
    """
    system, u = march.system, march.state
    rate = 2.0 / (GAMMA * step)
    stored = march.stored = system.stored(u) if march.stored is None else march.stored
    middle = system.solve(rate, rate * stored + march.drive + load, u)
    stored_middle = system.stored(middle)
    drive_middle = rate * (stored_middle - stored) - march.drive
    weight = 1.0 / (GAMMA * (2.0 - GAMMA))
    memory = weight * stored_middle - (weight - 1.0) * stored
    end = system.solve(rate, rate * memory + load, middle + (middle - u) * ((1 - GAMMA) / GAMMA))
    stored_end = system.stored(end)
    drive_end = rate * (stored_end - memory)
    return _Step(middle, end, stored_end, rate, (march.drive, drive_middle, drive_end))


def _quadratic(share: Floats, states: tuple[Floats, Floats, Floats]) -> Floats:
    """Values at shares of a step from those at 0, γ and 1; shape (n_shares, …)."""
    s = np.asarray(share)[:, None]
    begin = (s - GAMMA) * (s - 1) / GAMMA
    middle = s * (s - 1) / (GAMMA * (GAMMA - 1))
    end = s * (s - GAMMA) / (1 - GAMMA)
    return np.asarray(begin * states[0] + middle * states[1] + end * states[2])


@dataclass
class _Control:
    """Local errors that steps may have, and how many steps were taken and refused."""

    system: TransientSystem
    tolerance: float
    relative: float
    origin: Floats
    changed: float
    """Largest change from the origin so far. [K]"""
    told: TakenSteps
    taken: int = 0
    refused: int = 0

    def steps(self, march: _March, load: Floats, begin: float, end: float, depth: int) -> Iterator[tuple[float, float, _Step]]:
        """Time, length and outcome of each step of an interval; the march goes on when the next one is asked for."""
        if self.told.given is not None:
            yield from self._given(march, load, begin, end, self.told.given)
            return
        system, position, whole = self.system, 0, 1 << DEEPEST
        while position < whole:
            stride = whole >> depth
            step = (end - begin) * stride / whole
            taken = _tr_bdf2(march, load, step)
            size = system.size(system.correct(taken.rate, taken.defect()))
            reached = max(self.changed, system.size(taken.end - self.origin)) if self.relative else 0.0
            allowed = max(self.tolerance, self.relative * reached)
            if not size <= allowed:
                self.refused += 1
                depth += 1 if size < 8 * allowed else 2
                if depth > DEEPEST or not np.isfinite(size):
                    raise SolverError(
                        f"transient: local error {size:.1e} K at t = {begin + step * (position / stride):g} s with a step of"
                        f" {step:.1e} s, {allowed:.1e} K asked; loosen the tolerance or check the power there"
                    )
                continue
            yield begin + (end - begin) * position / whole, step, taken
            march.go_on(taken)
            self.changed = reached
            self.told.taken.append(depth)
            position += stride
            self.taken += 1
            # A doubled step has up to eight times the local error; it must stand on a multiple of itself.
            while depth > 0 and size < allowed / 10 and position % (2 * stride) == 0 and position < whole:
                depth -= 1
                stride *= 2
                size *= 8

    def _given(
        self, march: _March, load: Floats, begin: float, end: float, depths: Iterator[int]
    ) -> Iterator[tuple[float, float, _Step]]:
        """The same through given steps, or parts of them, whatever their error."""
        position = 0.0  # as a share of the interval; sums of powers of two are exact
        while position < 1.0:
            share = 2.0 ** -next(depths) / self.told.parts
            for _ in range(self.told.parts):
                taken = _tr_bdf2(march, load, (end - begin) * share)
                yield begin + (end - begin) * position, (end - begin) * share, taken
                march.go_on(taken)
                position += share
                self.taken += 1


def integrate(
    system: TransientSystem,
    schedule: PowerSchedule,
    times: Sequence[float],
    *,
    initial: float | Field | Floats,
    tolerance: float = 1e-2,
    relative: float = 0.0,
    origin: Floats | None = None,
    first_share: float = 2.0**-12,
    steps: TakenSteps | None = None,
    watch: StepWatch | None = None,
) -> TransientResult:
    """March with error-controlled TR-BDF2 steps.

    Parameters
    ----------
    system : TransientSystem
    schedule : PowerSchedule
    times : sequence of float
        Ascending times asked. [s]
    initial : float, Field or ndarray
        Temperature at 0 [K], or a state of the system.
    tolerance : float
        Largest local error of a step, at the places and root mean square over the volume. [K]
    relative : float
        The same as a share of the largest change so far from the state `origin`, the first one by default; the larger of the
        two counts. [-]
    origin : ndarray, shape of a state, optional
        State that changes count from. [K]
    first_share : float
        First step tried after a change of power, as a share of the interval. [-]
    steps : TakenSteps, optional
        Is told the steps taken; or tells those to take, without control.
    watch : callable, optional

    Notes
    -----
    Steps are the interval between two changes of power divided by powers of two and stand on multiples of themselves: they
    always land on the next change, and few different ones occur, each factorised once.

    Raises
    ------
    SolverError
        When a step of 2⁻⁴⁰ of its interval still misses the tolerance.
    """
    started = time.perf_counter()
    asked = ascending(times)
    instants = asked.tolist()
    march = _March(system, _begin(system, initial), np.empty(0))
    first = system.observe(march.state)
    if watch is not None:
        watch(0.0, march.state)
    out = np.empty((asked.size, first.size))
    out[asked == 0.0] = first
    origin = march.state if origin is None else origin
    changed = system.size(march.state - origin) if relative else 0.0
    control = _Control(system, tolerance, relative, origin, changed, steps or TakenSteps())
    depth, told = int(np.ceil(-np.log2(first_share))), _Told(instants[-1])
    load: Floats | None = None
    for begin, end, powers in schedule.intervals(float(asked[-1])):
        fresh = system.load(powers)
        march.drive = fresh - system.stiffness(march.state) if load is None else march.drive + (fresh - load)
        load = fresh
        for now, step, taken in control.steps(march, load, begin, end, depth):
            inside = slice(bisect_right(instants, now), bisect_right(instants, now + step * (1 + 1e-12)))
            if inside.start < inside.stop:
                seen = (system.observe(march.state), system.observe(taken.middle), system.observe(taken.end))
                out[inside] = _quadratic((asked[inside] - now) / step, seen)
            if watch is not None:
                watch(now + step, taken.end)
            told(now + step)
    statistics = {
        "scheme": "TR-BDF2, error-controlled",
        "steps": control.taken,
        "rejected": control.refused,
        **system.statistics,
        "seconds": time.perf_counter() - started,
    }
    return TransientResult(asked, out, march.state, system.field(march.state), statistics)


def integrate_fixed(
    system: TransientSystem,
    schedule: PowerSchedule,
    step: float,
    until: float,
    *,
    initial: float | Field | Floats,
    watch: StepWatch | None = None,
) -> TransientResult:
    """March with TR-BDF2 steps of one size, two solves with one matrix each; all step ends are returned.

    Parameters
    ----------
    system : TransientSystem
    schedule : PowerSchedule
    step : float
        Changed within an interval between two changes of power so that a whole number of steps fills it. [s]
    until : float
        [s]
    initial : float, Field or ndarray
        Temperature at 0 [K], or a state of the system.
    watch : callable, optional

    Notes
    -----
    At equal cost this is four times as accurate as BDF2 with half the step. The first step of every interval is cut into
    growing ones, which resolve what a jump of power excites.
    """
    started = time.perf_counter()
    march, told = _March(system, _begin(system, initial), np.empty(0)), _Told(until)
    times, values = [0.0], [system.observe(march.state)]
    if watch is not None:
        watch(0.0, march.state)
    load: Floats | None = None
    for begin, end, powers in schedule.intervals(until):
        fresh = system.load(powers)
        march.drive = fresh - system.stiffness(march.state) if load is None else march.drive + (fresh - load)
        load = fresh
        count = max(1, round((end - begin) / step))
        for k in range(1, count + 1):
            now = begin + (k - 1) * (end - begin) / count
            for share in START if k == 1 else (1.0,):
                taken = _tr_bdf2(march, load, share * (end - begin) / count)
                march.go_on(taken)
                now += share * (end - begin) / count
                if watch is not None:
                    watch(now, march.state)
            told(now)
            times.append(begin + k * (end - begin) / count)
            values.append(system.observe(march.state))
    statistics = {
        "scheme": "TR-BDF2, fixed step",
        "steps": len(times) - 1,
        **system.statistics,
        "seconds": time.perf_counter() - started,
    }
    return TransientResult(np.array(times), np.array(values), march.state, system.field(march.state), statistics)


def _begin(system: TransientSystem, initial: float | Field | Floats) -> Floats:
    return initial if isinstance(initial, np.ndarray) else system.start(initial)
