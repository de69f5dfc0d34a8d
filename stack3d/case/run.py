"""One case from scenario to outcome: heat, ageing and accuracy, epoch after epoch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.case.by_compact import check_compact, joined
from stack3d.case.duration import seconds_of, stages_of, time_told, warning_of
from stack3d.case.extrapolations import told_once
from stack3d.case.floor import put_floor
from stack3d.case.judged_placings import check_placing
from stack3d.case.missions import SolvedPhase, phases_alone, phases_solved, put_phases
from stack3d.case.odd_values import odd_values
from stack3d.case.package_figures import check_figures, put_figures
from stack3d.case.placing import placed, placement_told
from stack3d.case.second_fields import check_physics, solve_physics, steps_of
from stack3d.case.size import check_size, solves_of
from stack3d.case.spells_checked import check_surroundings
from stack3d.case.summary import summarise
from stack3d.case.temperatures import check_temperatures, drawn, drawn_in_phases, highest, hottest_layers
from stack3d.case.threads import one_thread
from stack3d.chip import TODAY, Chip, ComputingChip
from stack3d.errors import MISSED, DeckError, Problem, ValidityWarning
from stack3d.fields import registered
from stack3d.heat import Heat, Limits, heat_sources
from stack3d.heat.limits import check_limits, warn_of_limits, within_limits
from stack3d.heat.meshing import AnyKind, check_mesh, meshed
from stack3d.heat.outputs import HeatOutput, thermal_values
from stack3d.heat.placing import placed_chip
from stack3d.heat.solvers import Backends
from stack3d.heat.time import check_impedance, check_initial, impedance_of, over_time
from stack3d.heat.trust import Tried, closer, distance, error_bars
from stack3d.life.ages import check_ages
from stack3d.life.chips import Policy, chosen_policies
from stack3d.life.epoch_record import LifeOutput
from stack3d.life.loop import Loop
from stack3d.life.start import present
from stack3d.progress import Observer, Silent, Stopwatch, watching
from stack3d.record import Record
from stack3d.registry import lost
from stack3d.schema.numerics import AccuracyDeck
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.problem import HeatProblem
from stack3d.thermal.time.march import TakenSteps

MOST_MESHES = 6
"""Tried for an accuracy that is asked for."""

CHECKS = (
    check_limits,
    check_physics,
    check_impedance,
    check_initial,
    check_figures,
    check_placing,
    check_surroundings,
    check_compact,
)
"""What may stand against a chip, found without solving."""


def _problems(chip: Chip) -> list[Problem]:
    return [problem for look in CHECKS for problem in look(chip)]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a case has to tell.

    Parameters
    ----------
    record : Record
        Output variables and their coordinates.
    statistics : mapping
        For ``run.json``: sizes, iterations, seconds.
    summary : tuple of str
        Lines for a person, then one per warning.
    warnings : tuple of str
        Laws used outside what they were fitted to, limits exceeded.
    """

    record: Record
    statistics: Mapping[str, Any]
    summary: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[str, Any]:
        """Output variables by ``group/name`` as `fields` catalogues them."""
        return self.record

    @property
    def coordinates(self) -> Mapping[str, Any]:
        """Of their dimensions."""
        return self.record.coordinates

    @property
    def notes(self) -> Mapping[str, str]:
        """How a variable was found, where its catalogue entry does not say."""
        return self.record.notes


def check(scenario: Scenario, *, solve: bool = False, sized: bool = True) -> Chip:
    """Everything that can be checked without meshing; raises DeckError with all mistakes.

    Unless asked to `solve`, no temperature is found: tiles whose placement wants one lie as with ``spread``. Unless it is
    to be `sized`, a case may want more memory than there is.
    """
    chip = placed(scenario)[0] if solve else placed_chip(scenario, solve=False)
    if problems := _problems(chip):
        raise DeckError(problems)
    if isinstance(chip, ComputingChip):
        plan = chosen_policies(chip.computer)
        if problems := check_ages(chip.computer, plan):
            raise DeckError(problems)
    check_mesh(scenario)
    if sized:
        check_size(chip)
    return chip


def run_case(
    scenario: Scenario,
    observer: Observer,
    *,
    until: str | None = None,
    backends: Backends | None = None,
    resume: Path | None = None,
    key: str = "",
    also: Sequence[float] = (),
) -> Outcome:
    """Run one case.

    Parameters
    ----------
    scenario : Scenario
    observer : Observer
    until : {"thermal"}, optional
        Stop after the temperatures of the first epoch.
    backends : Backends, optional
        Solvers kept from the cases before.
    resume : Path, optional
        Checkpoint file: written after every epoch, and read first when it carries the same `key`.
    key : str
        What the checkpoint belongs to, the content hash of the case.
    also : sequence of float
        Times within the life at which the chips are looked at beside the ends of its epochs. [s]

    Raises
    ------
    DeckError, SolverError, ThermalRunawayError, MissingDependencyError
    """
    if until not in (None, "thermal"):
        raise DeckError(f"--until knows 'thermal', got {until!r}")
    with warnings.catch_warnings(record=True) as caught, one_thread(), watching(observer):
        warnings.simplefilter("always", ValidityWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        outcome = _run(scenario, observer, until, backends or Backends(), resume, key, also)
    texts = told_once(str(w.message) for w in caught if issubclass(w.category, ValidityWarning))
    lines = tuple(f"warning            {text}" for text in texts)
    return replace(outcome, warnings=texts, summary=outcome.summary + lines)


@dataclass(frozen=True, eq=False)
class _Solved:
    """Temperatures of a case on one mesh, and their estimated errors."""

    record: Record
    body: AnyKind
    solution: ThermalSolution
    problem: HeatProblem
    estimates: error_bars.Estimates
    unknowns: int
    heat: Heat | None = None
    phases: Sequence[SolvedPhase] = ()


@dataclass(frozen=True, eq=False)
class _EachMesh:
    """What stays the same from mesh to mesh."""

    plan: Sequence[Policy]
    is_field: bool
    """Whether temperatures alone are asked for, whatever laws of cells allow."""
    backends: Backends
    observer: Observer
    clock: Stopwatch
    resume: Path | None
    key: str
    also: Sequence[float]

    def solved(self, chip: Chip, *, lives: bool) -> _Solved:
        """`_on_its_mesh`, with the errors of a compact model on top of its own where one has solved."""
        self.backends.begin()
        found = self._on_its_mesh(chip, lives=lives)
        return replace(found, estimates=joined(found.estimates, self.backends.compact_errors, found.record))

    def _on_its_mesh(self, chip: Chip, *, lives: bool) -> _Solved:
        """Mesh, solve and judge; of a workload that `lives` the whole life, else the temperatures of the first epoch."""
        scenario, backends, clock = chip.scenario, self.backends, self.clock
        with clock("build"):
            body = meshed(chip)
        unknowns, told = body.unknowns(chip.stack, scenario.solver.order), body.facts(scenario.solver)
        told["takes"], ahead = time_told(chip, body), stages_of(chip, seconds_of(chip, body), lives=lives)
        size = {"layers": len(chip.stack.named), "unknowns": unknowns, "solves": solves_of(chip)}
        self.observer.stage("mesh", expected=sum(ahead.values()), ahead=ahead, **size, **told)
        with clock("mesh"):
            backend = backends.of(scenario, chip.stack, body)
        computing = chip if isinstance(chip, ComputingChip) else None
        loop = None
        if computing is not None:
            loop = Loop(computing, backend, self.plan, self.observer, clock, self.resume, self.key, self.also)
        if loop is not None and lives:
            record, solution = loop.run()
            with clock("heat"), self._judging():
                estimates = error_bars.of_state(loop.chip, loop.first, backends.coarse, record)
                phases = self._put_phases(chip, loop.first, loop.limits, record, estimates)
            return _Solved(record, body, solution, backend.problem, estimates, unknowns, loop.first, phases)
        self.observer.stage("heat")
        with clock("heat"):
            state = None if loop is None else loop.first_epoch(beyond=self.is_field)
            if scenario.transient is not None:
                solid, steps = backends.solid(scenario, chip.stack, body), TakenSteps()
                record, hottest = over_time(chip, scenario.transient, solid, state, steps)
                solution, cooled = hottest()
                with self._judging():
                    estimates = error_bars.of_march(chip, scenario.transient, record, backends.coarse, state, steps)
                return _Solved(record, body, solution, cooled, estimates, unknowns, state)
            if state is None or computing is None:
                solution = backend.solve(chip.sources)
                record = thermal_values(chip, solution)
                with self._judging():
                    estimates = error_bars.of_mesh(chip, solution, backends.coarse, values=record)
            else:
                record, solution = present(computing, state), state.solution
                record.along("time", [TODAY])
                record.put("thermal/tile_temperature", state.tile_temperature[None])
                with self._judging():
                    estimates = error_bars.of_state(computing, state, backends.coarse, record)
            phases = self._put_phases(chip, state, Limits() if loop is None else loop.limits, record, estimates)
        return _Solved(record, body, solution, backend.problem, estimates, unknowns, state, phases)

    @contextmanager
    def _judging(self) -> Iterator[None]:
        """Errors are estimated; the steps of other meshes are not told, since nobody knows how many there will be."""
        self.observer.stage("judge")
        with watching(Silent()):
            yield

    @staticmethod
    def _put_phases(
        chip: Chip, state: Heat | None, limits: Limits, record: Record, estimates: error_bars.Estimates
    ) -> Sequence[SolvedPhase]:
        """What the phases of a mission are like, where there is one."""
        found = phases_solved(chip, state, limits) if chip.phases else []
        if found:
            put_phases(chip, found, record, estimates)
        return found

    def apart(self, chip: Chip) -> Record:
        """Temperatures of another steady chip with their errors, as accurate as it asks for, by solvers of its own."""
        alone = replace(self, plan=(), is_field=True, backends=Backends())
        wanted = chip.scenario.solver.accuracy
        found = alone.solved(chip, lives=False) if wanted is None else alone.accurate(chip, wanted)[1]
        for name, one in found.estimates.items():
            found.record.put(name, one.value, one.how)
        return found.record

    def accurate(self, chip: Chip, wanted: AccuracyDeck) -> tuple[Chip, _Solved, str]:
        """Refine until the estimate meets the accuracy asked for; the chip on its last mesh, and what that took in a line.

        Raises
        ------
        DeckError
            When the next mesh does not fit into memory.
        """
        before: Tried | None = None
        for meshes in range(1, MOST_MESHES + 1):
            found = self.solved(chip, lives=False)
            gap = distance(chip, wanted, found.record, found.estimates)
            took = f"{wanted} asked, {gap.error:.2g} K estimated where {gap.allowed:.2g} K is allowed; {meshes}"
            took += f" mesh{'es' if meshes > 1 else ''}, {found.unknowns} unknowns"
            heat, sources = found.heat, chip.sources
            if heat is not None and isinstance(chip, ComputingChip):
                sources = heat_sources(chip, heat.powers, heat.rate)
            last = Tried(chip, found.body, found.solution.field, sources, gap)
            next_chip = closer(last, before) if gap.ratio > 1 else None
            if next_chip is None or meshes == MOST_MESHES:
                break
            try:
                check_size(next_chip)
            except DeckError as error:
                text = f"not reached within memory: {took}; the next {error.problems[0].message}"
                raise DeckError(Problem("solver.accuracy", text)) from None
            before, chip = last, next_chip
        if not gap.ratio <= 1:
            own = chip.scenario.geometry.mesh is not None
            why = "a mesh of your own is not refined: make it finer" if own else f"after {meshes} meshes"
            warnings.warn(ValidityWarning(f"{MISSED}: solver.accuracy: {took}; {why}"), stacklevel=2)
        return chip, found, took


def _warn_of_silence(record: Record, *, lives: bool, steady: bool) -> None:
    """Warn of outputs of other packages that were asked and have put nothing of what they declare."""
    for who, output in [*(registered(HeatOutput) if steady else ()), *(registered(LifeOutput) if lives else ())]:  # type: ignore[type-abstract]
        if output.fields and not any(entry.path in record for entry in output.fields):
            declared = ", ".join(entry.path for entry in output.fields)
            warnings.warn(ValidityWarning(f"{who} puts none of the variables that it declares: {declared}"), stacklevel=2)


def _warn_of_promise(chip: Chip, found: _Solved) -> None:
    """Warn where means are estimated to err by more than the profile promises, or where nothing is estimated."""
    profile, maxima = chip.scenario.solver, found.record["thermal/layer_temperature_max"]
    overall = found.estimates["thermal/discretisation_error"]
    if np.isnan(overall.value):
        text = f"{MISSED}: the error is {overall.how}; nothing shows that solver {profile.name} keeps what it promises"
        warnings.warn(ValidityWarning(text), stacklevel=2)
    rise = max(np.ptp(maxima), np.abs(maxima - chip.scenario.cooling.ambient).max())
    names = [f"thermal/{name}_error" for name in ("layer_temperature_mean", "tile_temperature")]
    error = max(float(np.nanmax(found.estimates[n].value, initial=0.0)) for n in names if n in found.estimates)
    if error > profile.error_promise * rise:
        text = f"{MISSED}: means of layers and tiles may be off by {error:.2g} K, {100 * error / rise:.2g} % of the rise;"
        text += (
            f" solver {profile.name} promises {100 * profile.error_promise:g} %; ask for an accuracy, or take a finer profile"
        )
        warnings.warn(ValidityWarning(text), stacklevel=2)


def _run(
    scenario: Scenario,
    observer: Observer,
    until: str | None,
    backends: Backends,
    resume: Path | None,
    key: str,
    also: Sequence[float],
) -> Outcome:
    clock = Stopwatch()
    before = backends.counts.copy()
    observer.stage("build", takes="seconds; the case is told next", scenario=scenario.scenario)
    with clock("build"):
        chip, choice = placed(scenario, observer)
        if problems := _problems(chip):
            raise DeckError(problems)
        plan = chosen_policies(chip.computer) if isinstance(chip, ComputingChip) else ()
        check_mesh(scenario)
        check_size(chip)
    if (text := warning_of(chip)) is not None:
        observer.stage("warning", case=text)
        warnings.warn(ValidityWarning(f"the case {text}"), stacklevel=2)
    for text in (*map(str, odd_values(chip)), *lost()):
        warnings.warn(ValidityWarning(text), stacklevel=2)
    case = _EachMesh(plan, until == "thermal", backends, observer, clock, resume, key, also)
    lines: tuple[str, ...] = ()
    follows = isinstance(chip, ComputingChip) and until is None and scenario.transient is None
    if (wanted := scenario.solver.accuracy) is None:
        found = case.solved(chip, lives=follows)
    else:
        chip, found, took = case.accurate(chip, wanted)
        lines = (f"error asked        {took}",)
        if follows:
            found = case.solved(chip, lives=True)
    record = found.record
    for name, one in found.estimates.items():
        record.put(name, one.value, one.how)
    _warn_of_silence(record, lives=follows, steady=scenario.transient is None)
    heated = drawn(chip, record, found.solution.heat_in, found.heat)
    check_temperatures(chip, record, heated, is_field=until == "thermal")
    put_figures(chip, found.solution, found.heat, record, case.apart)
    put_floor(chip, record)
    if scenario.impedance is not None:
        observer.stage("impedance", sources=len(chip.sources))
        with clock("impedance"):
            record.add(impedance_of(chip, scenario.impedance))
    if steps_of(scenario):
        observer.stage("physics", fields=", ".join(steps_of(scenario)))
        with clock("physics"):
            solve_physics(chip, found.body, found.problem, found.solution, record)
    lines = (*placement_told(choice, record), *lines)
    record.check_labels()
    if scenario.solver.accuracy is None:
        _warn_of_promise(chip, found)
    in_phases, phases = drawn_in_phases(chip, record, heated), phases_alone(chip, found.phases, heated)
    warn_of_limits(chip, found.problem, found.solution, heated, highest(record), in_phases, phases)
    lines = (*within_limits(chip, hottest_layers(record)), *lines)
    built = {name: count - before[name] for name, count in backends.counts.items()}
    statistics = {
        "thermal": {**found.solution.statistics, "unknowns": found.unknowns},
        "built": built,
        "seconds": clock.seconds,
    }
    if scenario.transient is None:
        return Outcome(record, statistics, summarise(chip, record, record.coordinates) + lines)
    warmest = thermal_values(chip, found.solution, outside=False)
    return Outcome(record, statistics, summarise(chip, record.at(-1), record.coordinates, warmest) + lines)
