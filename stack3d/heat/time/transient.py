"""Temperature over time for the powers of a chip, as output variables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d import record
from stack3d.chip import Chip
from stack3d.errors import DeckError, Problem
from stack3d.heat import Heat, channel_runs, compared_values, power_schedule, thermal_values
from stack3d.heat.time.beginning import start_of
from stack3d.heat.time.peaks import SAME, HighestSeen, see_period
from stack3d.heat.time.spells import MarchAt, Spell, Spells
from stack3d.layout import Floats, HeatSource
from stack3d.record import Record
from stack3d.schema import AccuracyDeck, TransientDeck
from stack3d.thermal import (
    Box,
    Field,
    FilmLaw,
    HeatProblem,
    Place,
    PowerCourse,
    PowerSchedule,
    Probe,
    SolidBackend,
    TakenSteps,
    ThermalSolution,
    TransientResult,
    TransientSystem,
    integrate,
    integrate_fixed,
    periodic_state,
)

SUMMED = ("steps", "rejected")
"""Statistics of a stretch that add up."""
CONTINUED = 2.0**-4
"""First step of a stretch in which no power changes, as a share of it."""
OF_PROMISE = 0.3
"""Local error of a step as a share of the largest change so far, over the error that the profile promises."""
LEAST = 1e-5
"""Local error below which no step is cut. [K]"""


def tolerances(deck: TransientDeck, promise: float) -> tuple[float, float]:
    """Local error of a step: absolute [K], and as a share of the largest change so far; the larger of the two counts."""
    if deck.tolerance is None:
        return LEAST, OF_PROMISE * promise
    return deck.tolerance.kelvin or LEAST, deck.tolerance.share or 0.0


def with_smaller_steps(deck: TransientDeck, promise: float, cut: float) -> TransientDeck:
    """The same with a `cut`-th of the local error, and a fixed step that goes with it: errors of steps are of order 3."""
    kelvin, share = tolerances(deck, promise)
    tolerance = AccuracyDeck.model_construct(kelvin=None if share else kelvin / cut, share=share / cut if share else None)
    return deck.model_copy(update={"tolerance": tolerance, "step": deck.step and deck.step / cut ** (2 / 3)})


def schedule_of(chip: Chip, deck: TransientDeck, state: Heat | None) -> tuple[tuple[HeatSource, ...], PowerSchedule]:
    """All heat sources and their powers over time; raises DeckError for a duty on top of a trace."""
    sources, schedule = power_schedule(chip, state)
    if deck.duty is None:
        return sources, schedule
    if schedule.period is not None:
        raise DeckError(Problem("transient.duty", "the power follows a trace already; leave one of the two out"))
    powers = schedule.powers[0]
    return sources, PowerSchedule(np.array([0.0, deck.duty.on]), np.array([powers, 0 * powers]), deck.duty.period)


def stretch(schedule: PowerSchedule, begin: float, end: float) -> PowerSchedule:
    """The part of a schedule between two times, counted from the first."""
    parts = [(max(a, begin), powers) for a, b, powers in schedule.intervals(end) if b > begin]
    return PowerSchedule(np.array([a - begin for a, _ in parts]), np.array([powers for _, powers in parts]))


def over_time(
    chip: Chip, deck: TransientDeck, solid: SolidBackend, state: Heat | None = None, steps: TakenSteps | None = None
) -> tuple[Record, Callable[[], tuple[ThermalSolution, HeatProblem]]]:
    """Variables of ``/thermal`` with time first; and the hottest of all states, with the problem with its films then.

    Maxima over time are those of all instants, from the start to `until`, or over a whole period; see `HighestSeen`.

    With a workload, `state` is its steady heat: what goes with the rate follows the trace, leakage stays as it is there.

    Steps run on the matrix of `solid`, whichever backend that is.

    Parameters
    ----------
    chip : Chip
    deck : TransientDeck
        The chip's own.
    solid : SolidBackend
    state : Heat, optional
    steps : TakenSteps, optional
        As `integrate` has it; not told of periods that are sought. With given ones temperatures alone are read, and peaks
        where those of the march that took them lie.

    Raises
    ------
    DeckError
        For a periodic steady state without power that repeats.
    SolverError
        When a step cannot meet its tolerance, or the periodic state is not found.
    """
    sources, schedule = schedule_of(chip, deck, state)
    steps = TakenSteps() if steps is None else steps
    places = _controlled(chip, sources) if steps.given is None else []
    profile, runs = chip.scenario.solver, channel_runs(solid.problem.stack)
    course = PowerCourse(schedule, np.inf if deck.periodic else deck.until)

    def system_of(solid: SolidBackend, laws: Mapping[str, FilmLaw]) -> TransientSystem:
        return solid.system(sources, places, rtol=profile.linear.tolerance, laws=laws, runs=runs, course=course)

    spells = Spells(chip, deck.surroundings, solid, system_of)
    times = np.array(deck.times)
    start = start_of(chip, spells.after(0.0).system)
    allowed = tolerances(deck, profile.error_promise)
    until = schedule.repeat if deck.periodic and schedule.period is not None else deck.until
    changes = np.array([begin for begin, _, _ in schedule.intervals(until)])
    changes = np.unique(np.append(changes, spells.begins[spells.begins < until]))
    named = [layer.name for layer in chip.stack.named]
    peaks = HighestSeen(named, lambda state: spells.present.system.field(state), changes, steps.peaks)
    if deck.periodic:
        state_at = _periodic(spells, schedule, deck, start, allowed, peaks)
    else:
        state_at = _marched(spells, schedule, deck, start, allowed, peaks, steps)
    counts: dict[str, Any] = {}

    def counted(result: TransientResult) -> TransientResult:
        for name, value in result.statistics.items():
            counts[name] = counts.get(name, 0) + value if name in SUMMED else value
        return result

    def solution_of(state: Floats, nodal: Field, now: float) -> tuple[ThermalSolution, HeatProblem]:
        powers = next(p for _, end, p in schedule.intervals(np.inf) if now <= end * (1 + SAME))
        spell = spells.before(now)
        problem, boundary = spell.problem, spell.system.boundary(state)
        outlets = {run.name: run.outlets(problem.lines, boundary.coolant[run.name]) for run in runs}
        left = sum(boundary.heat.values())
        powered = [replace(source, power=float(watts)) for source, watts in zip(sources, powers)]
        field = problem.bent(nodal, powered, boundary.pushed, boundary.heat)
        heat_in = float(powers.sum()) + boundary.pushed
        cooled = problem.with_films(boundary.films)
        return ThermalSolution(field, heat_in, left, boundary.heat, dict(counts), outlets), cooled

    rows: list[Record] = []
    read = thermal_values if steps.given is None else compared_values
    for now in times:
        result = counted(state_at(float(now)))
        solution, _ = solution_of(result.state, result.field, float(now))
        rows.append(read(chip, solution))
    if peaks.until < until * (1 - SAME):
        counted(state_at(until))
    out = record.over_time(rows, times)
    out.pop("thermal/heat_balance_error", None)  # heat is stored, so in is not out
    peaks.put([layer.name for layer in chip.stack.with_role("rram")], out)
    if steps.taken:
        steps.peaks = peaks.around()

    def hottest() -> tuple[ThermalSolution, HeatProblem]:
        when, there = peaks.hottest
        return solution_of(there, spells.before(when).system.field(there), when)

    return out, hottest


def _controlled(chip: Chip, sources: Sequence[HeatSource]) -> list[Place]:
    """Places whose errors the steps are controlled by: probes and sources."""
    probes = [Probe(p.layer, p.x, p.y, p.z) for p in chip.scenario.probes]
    return [*probes, *(Box(source.layer, source.extent) for source in sources)]


def _marched(
    spells: Spells,
    schedule: PowerSchedule,
    deck: TransientDeck,
    initial: Floats,
    allowed: tuple[float, float],
    peaks: HighestSeen,
    steps: TakenSteps | None = None,
) -> Callable[[float], TransientResult]:
    """Marches on from output to output, and from spell to spell."""
    at = MarchAt(spells.after(0.0).system, initial, initial)
    last = 0.0

    def within(spell: Spell, now: float) -> TransientResult:
        nonlocal at, last

        def watch(since: float, there: Floats, begin: float = last) -> None:
            peaks.see(begin + since, there)

        at = at.in_system(spell.system)
        part = stretch(schedule, last, now)
        if deck.step is not None:
            result = integrate_fixed(at.system, part, deck.step, now - last, initial=at.state, watch=watch)
        else:
            changes = part.times.size > 1 or last in spells.begins
            share = 2.0**-12 if changes else CONTINUED
            kelvin, relative = allowed
            result = integrate(
                at.system,
                part,
                [now - last],
                initial=at.state,
                tolerance=kelvin,
                relative=relative,
                origin=at.first,
                first_share=share,
                steps=steps,
                watch=watch,
            )
        at, last = replace(at, state=result.state), now
        return result

    def state_at(now: float) -> TransientResult:
        if now == last:
            field = at.system.field(at.state)
            return TransientResult(np.array([now]), np.empty((1, 0)), at.state, field, {"scheme": "TR-BDF2"})
        taken: Counter[str] = Counter()
        while last < now:
            spell = spells.after(last)
            result = within(spell, min(now, spell.end))
            taken.update({name: result.statistics[name] for name in SUMMED if name in result.statistics})
        return replace(result, statistics={**result.statistics, **taken})

    return state_at


def _periodic(
    spells: Spells,
    schedule: PowerSchedule,
    deck: TransientDeck,
    initial: Floats,
    allowed: tuple[float, float],
    peaks: HighestSeen,
) -> Callable[[float], TransientResult]:
    """Exact by modes where there are any, else marched from the state that a period gives back."""
    if schedule.period is None:
        raise DeckError(Problem("transient.periodic", "the power does not repeat; give a duty or a trace"))
    system = spells.after(0.0).system
    if (exact := system.exact) is not None:
        see_period(peaks, exact, schedule)
        return lambda now: exact.periodic(schedule, [now])
    first, periods = periodic_state(system, schedule, tolerance=allowed[0], relative=allowed[1])
    kelvin = max(allowed[0], allowed[1] * system.size(first - initial))
    march = _marched(spells, schedule, deck, first, (kelvin, 0.0), peaks)

    def state_at(now: float) -> TransientResult:
        result = march(now)
        return replace(result, statistics={**result.statistics, "periods": periods})

    return state_at
