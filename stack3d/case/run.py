"""One case from scenario to outcome: heat, ageing and accuracy, epoch after epoch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.case.size import check_size, solves_of
from stack3d.case.summary import summarise
from stack3d.chip import Chip, ComputingChip
from stack3d.chip.design import TODAY
from stack3d.errors import DeckError, SolverError, ValidityWarning
from stack3d.grids import Grid
from stack3d.heat import estimate
from stack3d.heat.bodies import check_body, make_body
from stack3d.heat.faces import thermal_problem
from stack3d.heat.impedance import check_impedance, impedance_values, model_of
from stack3d.heat.limits import check_limits, warn_of_limits
from stack3d.heat.outputs import thermal_values
from stack3d.heat.placing import placed_chip
from stack3d.heat.solvers import Backends, builder_of
from stack3d.heat.transient import over_time
from stack3d.life.loop import Loop
from stack3d.life.policy import chosen_policies
from stack3d.life.start import first_heat, present
from stack3d.progress import Observer, Stopwatch
from stack3d.record import Record
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import ThermalBackend
from stack3d.thermal.problem import HeatProblem

HOTTEST = 700.0
"""Peak above which results carry a warning: solder, interfaces and every device law end well below. [K]"""
NOTHING_SOLID = 1e4
"""Peak above which a run fails; tungsten melts at 3695 K. [K]"""


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


def check(scenario: Scenario, *, solve: bool = False) -> Chip:
    """Everything that can be checked without meshing; raises DeckError with all mistakes.

    Unless asked to `solve`, no temperature is found: tiles whose placement wants one lie as with ``spread``.
    """
    chip = placed_chip(scenario, solve=solve)
    if problems := [*check_limits(chip), *check_impedance(chip)]:
        raise DeckError(problems)
    if isinstance(chip, ComputingChip):
        chosen_policies(chip.computer)
    check_body(chip)
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

    Raises
    ------
    DeckError, SolverError, ThermalRunawayError, MissingDependencyError
    """
    if until not in (None, "thermal"):
        raise DeckError(f"--until knows 'thermal', got {until!r}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ValidityWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        outcome = _run(scenario, observer, until, backends or Backends(), resume, key)
    texts = tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, ValidityWarning)))
    lines = tuple(f"warning            {text}" for text in texts)
    return replace(outcome, warnings=texts, summary=outcome.summary + lines)


def _check_temperatures(values: Mapping[str, Any]) -> None:
    """Refuse temperatures that nothing has, warn of those that no law here was made for."""
    means = values["thermal/layer_temperature_mean"]
    peaks = values.get("thermal/layer_temperature_high", values["thermal/layer_temperature_max"])
    if means.min() <= 0:
        raise SolverError(f"the mean temperature of a layer is {means.min():.1f} K: is a power negative, or in the wrong unit?")
    if peaks.max() > NOTHING_SOLID:
        raise SolverError(
            f"the peak temperature is {peaks.max():.3g} K, where no material is solid: is a power in the wrong unit?"
        )
    if peaks.max() > HOTTEST:
        text = f"peak temperature {peaks.max():.0f} K: material and device data are made for less than {HOTTEST:.0f} K"
        warnings.warn(ValidityWarning(text), stacklevel=2)


def _impedance(chip: Chip, backend: ThermalBackend, backends: Backends) -> Record:
    """Of a steady state, with that of elements of twice the size for its error."""
    steady = backend.solve(chip.sources)
    if chip.scenario.geometry.mesh is not None:
        return impedance_values(chip, backend, steady, None)
    rough = estimate.coarser(chip)
    on_rough = backends.of(rough.scenario, thermal_problem(rough.stack, make_body(rough), rough.scenario.cooling))
    return impedance_values(chip, backend, steady, model_of(rough, on_rough, on_rough.solve(chip.sources)))


def _run(
    scenario: Scenario, observer: Observer, until: str | None, backends: Backends, resume: Path | None, key: str
) -> Outcome:
    clock = Stopwatch()
    before = backends.counts.copy()
    observer.stage("build", scenario=scenario.scenario)
    with clock("build"):
        chip = placed_chip(scenario)
        if problems := [*check_limits(chip), *check_impedance(chip)]:
            raise DeckError(problems)
        plan = chosen_policies(chip.computer) if isinstance(chip, ComputingChip) else ()
        check_body(chip)
        check_size(chip)
        body = make_body(chip)
    builder = builder_of(scenario, body) if isinstance(body, Grid) else None
    told = {"builder": builder} if builder else {}
    observer.stage("mesh", layers=len(chip.stack.layers), unknowns=body.n_nodes, solves=solves_of(chip), **told)
    with clock("mesh"):
        problem = thermal_problem(chip.stack, body, scenario.cooling)
        backend = backends.of(scenario, problem)
    cooled: HeatProblem | None = None
    if scenario.transient is not None:
        observer.stage("heat")
        with clock("heat"):
            settled = first_heat(chip, backend, plan) if isinstance(chip, ComputingChip) else None
            record, solution, cooled = over_time(chip, backends.solid(scenario, problem), settled)
            estimates = estimate.of_march(chip, record, backends.coarse, settled)
    elif not isinstance(chip, ComputingChip):
        observer.stage("heat")
        with clock("heat"):
            solution = backend.solve(chip.sources)
            record = thermal_values(chip, solution)
            estimates = estimate.of_mesh(chip, solution, backends.coarse)
    elif until == "thermal":
        observer.stage("heat")
        with clock("heat"):
            state = first_heat(chip, backend, plan)
            record, solution = present(chip, state), state.solution
            record.along("time", [TODAY])
            record.put("thermal/tile_temperature", state.tile_temperature[None])
            estimates = estimate.of_state(chip, state, backends.coarse, record)
    else:
        loop = Loop(chip, backend, plan, observer, clock, resume, key)
        record, solution = loop.run()
        with clock("heat"):
            estimates = estimate.of_state(chip, loop.first, backends.coarse, record)
    for name, found in estimates.items():
        record.put(name, found.value, found.how)
    if scenario.impedance is not None:
        observer.stage("impedance", sources=len(chip.sources))
        with clock("impedance"):
            record.add(_impedance(chip, backend, backends.coarse))
    _check_temperatures(record)
    highest = record["thermal/layer_temperature_high"].max(axis=0) if "thermal/layer_temperature_high" in record else None
    warn_of_limits(chip, cooled or backend.problem, solution, highest)
    built = {name: count - before[name] for name, count in backends.counts.items()}
    statistics = {"thermal": dict(solution.statistics), "built": built, "seconds": clock.seconds}
    if scenario.transient is None:
        return Outcome(record, statistics, summarise(chip, record, record.coordinates))
    hottest = int(np.argmax(record["thermal/layer_temperature_max"].max(axis=1)))
    warmest = float(record.coordinates["time"][hottest]), record.at(hottest)
    return Outcome(record, statistics, summarise(chip, record.at(-1), record.coordinates, warmest))
