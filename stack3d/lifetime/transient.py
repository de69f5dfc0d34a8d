"""Temperature over time for the powers of a chip, as output variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats, HeatSource
from stack3d.lifetime.chip import Chip
from stack3d.lifetime.heat import Heat, power_schedule
from stack3d.lifetime.outputs import thermal_values
from stack3d.schema.numerics import Transient
from stack3d.thermal.exact_transient import ExactTransient
from stack3d.thermal.grid_operator import CellProperties, GridOperator
from stack3d.thermal.places import Box, Place, Probe
from stack3d.thermal.problem import GridField, ThermalProblem, ThermalSolution
from stack3d.thermal.schedule import PowerSchedule
from stack3d.thermal.transient import TransientResult, TransientSystem, integrate, integrate_fixed, transient_system
from stack3d.thermal.transient_systems import ModalSystem

CONTINUED = 2.0**-4
"""First step of a stretch in which no power changes, as a share of it."""


def schedule_of(chip: Chip, deck: Transient, state: Heat | None) -> tuple[tuple[HeatSource, ...], PowerSchedule]:
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
    chip: Chip, problem: ThermalProblem, state: Heat | None = None
) -> tuple[dict[str, Any], dict[str, Any], ThermalSolution]:
    """Variables of ``/thermal`` with time first, their coordinates, and the last state.

    With a workload, `state` is its steady heat: what goes with the rate follows the trace, leakage stays as it is there.

    The trilinear elements are those of both backends; they are marched without a mesh whatever the profile.

    Raises
    ------
    DeckError
        For a periodic steady state of a stack that has no lateral modes.
    SolverError
        When a step cannot meet its tolerance.
    """
    deck = chip.scenario.transient
    assert deck is not None
    places: list[Place] = [Probe(p.layer, p.x, p.y, p.z) for p in chip.scenario.probes]
    sources, schedule = schedule_of(chip, deck, state)
    places += [Box(source.layer, source.extent) for source in sources]
    system = transient_system(problem, sources, places, rtol=chip.scenario.solver.linear.tolerance)
    operator = GridOperator(problem, CellProperties.of(problem.stack, problem.grid))
    times = np.array(deck.outputs or (deck.until,))
    state_at = _periodic(system, schedule) if deck.periodic else _marched(system, schedule, deck, chip.scenario.cooling.ambient)
    rows: list[dict[str, Any]] = []
    counts: dict[str, Any] = {}
    for now in times:
        result = state_at(float(now))
        for name, value in result.statistics.items():
            counts[name] = counts.get(name, 0) + value if name in ("steps", "rejected") else value
        power = float(next(p for a, b, p in schedule.intervals(np.inf) if a <= now < b or b == now).sum())
        solution = _solution(operator, result.field, power, counts)
        values, coordinates = thermal_values(chip, solution)
        rows.append(values)
    names = [name for name in rows[0] if name != "thermal/heat_balance_error"]  # heat is stored, so in is not out
    return {name: np.array([row[name] for row in rows]) for name in names}, coordinates | {"time": times}, solution


def _marched(
    system: TransientSystem, schedule: PowerSchedule, deck: Transient, ambient: float
) -> Callable[[float], TransientResult]:
    """Marches on from output to output."""
    state: float | GridField = deck.initial if deck.initial is not None else ambient
    last = 0.0

    def state_at(now: float) -> TransientResult:
        nonlocal state, last
        if now == last:
            field = system.field(system.start(state))
            return TransientResult(np.array([now]), np.empty((1, 0)), field, {"scheme": "TR-BDF2"})
        part = stretch(schedule, last, now)
        if deck.step is not None:
            result = integrate_fixed(system, part, deck.step, now - last, initial=state)
        else:
            changes = part.times.size > 1 or last == 0.0
            share = 2.0**-12 if changes else CONTINUED
            result = integrate(system, part, [now - last], initial=state, tolerance=deck.tolerance, first_share=share)
        state, last = result.field, now
        return result

    return state_at


def periodic_solver(system: TransientSystem) -> ExactTransient:
    """What finds the temperature within a period after infinitely many; raises DeckError where none can."""
    if not isinstance(system, ModalSystem):
        message = "wants layers that are uniform in the plane with constant conductivity; march with `periodic: false` instead"
        raise DeckError(Problem("transient.periodic", message))
    return ExactTransient(system)


def _periodic(system: TransientSystem, schedule: PowerSchedule) -> Callable[[float], TransientResult]:
    exact = periodic_solver(system)
    if schedule.period is None:
        raise DeckError(Problem("transient.periodic", "the power does not repeat; give a duty or a trace"))
    return lambda now: exact.periodic(schedule, [now])


def _solution(operator: GridOperator, field: GridField, power: float, counts: dict[str, Any]) -> ThermalSolution:
    """Heat through the films of a state; that of a fixed temperature is not known without its rate of change."""

    def through(name: str, values: Floats) -> float:
        face = operator.problem.faces[name]
        if face.is_fixed:
            return float("nan")
        return float(operator.face_integral(name, face.film_coefficient * (values - face.reference)).sum())

    faces = operator.problem.faces
    heat = {name: through(name, field.values) for name in faces}
    pushed = sum(f.flux * float(operator.face_integral(n).sum()) for n, f in faces.items() if f.flux and not f.is_fixed)
    return ThermalSolution(field, power + pushed, sum(heat.values()), heat, dict(counts))
