"""How far a solution is off by its mesh and by its steps in time, estimated on another mesh and with other steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.errors import ValidityWarning
from stack3d.fields import FIELDS, is_outside, is_temperature
from stack3d.heat import (
    HOW,
    Answers,
    AnyKind,
    Backends,
    Heat,
    Judged,
    channel_runs,
    compared,
    heat_sources,
    kind_of,
    means_in,
    means_of,
    meshed,
    surroundings,
    temperatures,
    thermal_values,
    with_homogenised,
)
from stack3d.heat.time import coldest_at_start, coolings_of, over_time, with_smaller_steps
from stack3d.layout import Floats, HeatSource
from stack3d.schema import EarlierDeck, Scenario, TransientDeck
from stack3d.thermal import TakenSteps, ThermalSolution

OF_SMALLER, OF_HALVED = 4 / 3, 1.5
"""Error of steps over what smaller ones change: of order 2, and of order 1.6 where every step is cut in two."""
SWING = 1.25
"""Error of a peak over how far its node stands out of values that zigzag."""
OF_PARABOLA = 4 / 3
"""Error of a peak over how far a parabola stands over its hottest node: on random stacks it is up to 1.32 times that."""
ITERATED = ("iterations", "conductivity_updates", "coolant_passes")
"""Statistics of a solution that was not found at once."""
AWAY = 3
"""Solvers of meshes that are kept before that with channels one by one."""
ENOUGH, ENOUGH_OF_ALL, OF_PROMISE = 1e-8, 1e-5, 1e-3
"""Relative residual of solutions that an error is taken from: at each step of a march; of steady ones that share of the error
promised, up to the second. On packages, chiplets, channels and tetrahedra 1e-5 changed no error by 0.6 % of it."""
SAME = {
    "layer_temperature_high": "layer_temperature_max",
    "tile_temperature_low": "tile_temperature",
    "tile_temperature_high": "tile_temperature",
    "tile_temperature_working": "tile_temperature",
    "tile_temperature_history": "tile_temperature",
}
"""Variables that have the error of another one, whose mesh and places they share."""


@dataclass(frozen=True)
class Estimate:
    """An estimated error.

    Parameters
    ----------
    value : float or ndarray
        NaN when there is none. [K]
    how : str
        In a sentence.
    parts : mapping of str to ndarray
        Share of elements ``across`` the plane, of their height (``upright``) and of ``steps`` in time, as far as they were told
        apart. [K]
    """

    value: Any
    how: str
    parts: Mapping[str, Floats] = field(default_factory=dict)


Estimates = dict[str, Estimate]
"""By output variable, ``thermal/…_error``."""


def values_of(chip: Chip, solution: ThermalSolution) -> Mapping[str, Any]:
    """`temperatures`, and means of tiles."""
    return with_tiles(chip, solution, temperatures(chip, solution))


def with_tiles(chip: Chip, solution: ThermalSolution, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values with the means of tiles, where there are any that they lack."""
    if not chip.places or "thermal/tile_temperature" in values:
        return values
    return {**values, "thermal/tile_temperature": means_of(solution.field, chip.places)}


def with_peaks(chip: Chip, values: Mapping[str, Any]) -> Answers:
    """Temperatures, maxima as they lie between nodes: those do not depend on how a mesh happens to meet them."""
    found = _temperatures(values)
    for missed in _missed(chip, values).values():
        found |= {name: found[name] + more for name, more in missed.items()}
    return found


def _missed(chip: Chip, values: Mapping[str, Any]) -> dict[str, Answers]:
    """What the hottest nodes lack ``across`` the plane and ``upright``, by the name of each maximum. [K]"""
    tiers = [chip.stack.index[layer.name] for layer in chip.stack.with_role("rram")]
    missed: dict[str, Answers] = {"across": {}, "upright": {}}
    for kind, suffix in (("layer", "max"), ("layer_peak", "peak")):
        if f"thermal/{kind}_between_nodes" not in values:
            continue
        highest = np.asarray(values[f"thermal/layer_temperature_{suffix}"])
        for between, found in zip(("nodes", "levels"), missed.values()):
            more = np.asarray(values[f"thermal/{kind}_between_{between}"])
            found |= {f"layer_temperature_{suffix}": more, f"temperature_{suffix}": more[..., tiers]}
            if more.ndim == 1:
                found["peak_temperature"] = np.asarray((highest + more).max() - highest.max())
            highest = highest + more
    return {
        part: {f"thermal/{name}": more for name, more in found.items() if f"thermal/{name}" in values}
        for part, found in missed.items()
    }


def _of_nodes(found: Judged, missed: Mapping[str, Answers]) -> Judged:
    """Errors of maxima at nodes: of where they lie, and what the hottest node is below that."""
    errors, parts = dict(found.errors), {part: dict(each) for part, each in found.parts.items()}
    for part, more in missed.items():
        for of_maxima in (errors, parts.get(part, parts.get("all", {}))):
            of_maxima |= {name: of_maxima[name] + OF_PARABOLA * over for name, over in more.items() if name in of_maxima}
    return replace(found, errors=errors, parts=parts)


def of_state(chip: ComputingChip, state: Heat, backends: Backends, values: Mapping[str, Any]) -> Estimates:
    """`of_mesh` of a chip with a workload, with the powers of a thermal state, for all of its output variables.

    Parameters
    ----------
    chip : ComputingChip
    state : Heat
    backends : Backends
    values : mapping
        Output variables of the run.
    """
    found = of_mesh(chip, state.solution, backends, heat_sources(chip, state.powers, state.rate))
    return {**found, **_spread(values, found)}


def _spread(values: Mapping[str, Any], found: Estimates) -> Estimates:
    """Errors of the first epoch for all epochs, and for variables that share a place."""
    out = {}
    for path, value in values.items():
        name = path.removeprefix("thermal/")
        error = found.get(f"thermal/{SAME.get(name, name)}_error")
        if error is not None and is_temperature(path):
            out[f"{path}_error"] = replace(error, value=np.broadcast_to(error.value, np.shape(value)).copy())
    return out


def _bounded(chip: Chip, values: Mapping[str, Any], errors: Answers) -> Answers:
    """Errors that are no less than what shows in the values alone: peaks that swing, and what no heat can have cooled."""
    out = dict(errors)
    tiers = [chip.stack.index[layer.name] for layer in chip.stack.with_role("rram")]
    for overshoot, suffix in (("layer_overshoot", "max"), ("layer_peak_overshoot", "peak")):
        if (swing := values.get(f"thermal/{overshoot}")) is None:
            continue
        hottest = np.argmax(values[f"thermal/layer_temperature_{suffix}"], axis=-1)
        of_stack = np.take_along_axis(swing, np.expand_dims(hottest, -1), axis=-1)[..., 0]
        found = {f"layer_temperature_{suffix}": swing, f"temperature_{suffix}": swing[..., tiers]}
        if of_stack.ndim == 0:
            found["peak_temperature"] = of_stack
        out |= {f"thermal/{n}": out[f"thermal/{n}"] + SWING * s for n, s in found.items() if f"thermal/{n}" in out}
    coldest = coldest_around(chip)
    return {n: np.maximum(e, np.nan_to_num(coldest - values[n], nan=0.0, neginf=0.0)) for n, e in out.items()}


def coldest_around(chip: Chip) -> float:
    """Temperature that nothing can be below, by the maximum principle; minus infinity where heat is taken out. [K]"""
    cooling, transient = chip.scenario.cooling, chip.scenario.transient
    faces = cooling.conditions.values()
    if any(source.power < 0 for source in chip.sources) or any((face.flux or 0.0) < 0 for face in faces):
        return -np.inf
    found = [surroundings(face, spell.ambient) for spell in coolings_of(chip) for face in faces if face.is_cooled]
    found += [run.channels.inlet_temperature for run in channel_runs(chip.stack)]
    if transient is not None:
        found.append(coldest_at_start(chip))
    return min(found)


def _kept(backends: Backends, away: int) -> Backends:
    """Where the solver of a mesh so many meshes away is kept."""
    for _ in range(away):
        backends = backends.coarse
    return backends


def _roughly(scenario: Scenario, enough: float) -> Scenario:
    """The same solved no closer than to a relative residual."""
    solver = scenario.solver
    linear = solver.linear.model_copy(update={"tolerance": max(solver.linear.tolerance, enough)})
    return scenario.model_copy(update={"solver": solver.model_copy(update={"linear": linear})})


def _stated(judged: Judged) -> Estimates:
    errors, how = judged.errors, judged.how
    largest = max((float(np.nanmax(errors[name], initial=0.0)) for name in means_in(errors)), default=float("nan"))
    parts = {name: {part: found[name] for part, found in judged.parts.items()} for name in errors}
    each = {f"{name}_error": Estimate(error, how, parts[name]) for name, error in errors.items()}
    return {**each, "thermal/discretisation_error": Estimate(largest, how)}


def _none(own: Answers) -> Estimates:
    return _stated(Judged({name: np.full(value.shape, np.nan) for name, value in own.items()}, HOW["too_large"], {})) | {
        "thermal/discretisation_error": Estimate(float("nan"), HOW["too_large"])
    }


def of_mesh(
    chip: Chip,
    solution: ThermalSolution,
    backends: Backends,
    sources: Sequence[HeatSource] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Estimates:
    """Errors of every temperature of a steady solution by its mesh, by output variable.

    Parameters
    ----------
    chip : Chip
    solution : ThermalSolution
    backends : Backends
        Keeps the solver of the other mesh from case to case, its `coarse` those of further ones.
    sources : sequence of HeatSource, optional
        Those of the solution; absent = the explicit ones.
    values : mapping, optional
        `thermal_values` of the solution; absent = read anew. Those of other packages are not judged.
    """

    def solve(other: Chip, body: AnyKind, away: int) -> Answers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)  # the run itself has said it
            enough = max(ENOUGH, min(ENOUGH_OF_ALL, OF_PROMISE * other.scenario.solver.error_promise))
            backend = _kept(backends, away).of(_roughly(other.scenario, enough), other.stack, body)
            begun = None if is_direct else body.begun_at(solution.field)
            solved = backend.unchecked().solve(chip.sources if sources is None else sources, guess=begun)
            return with_peaks(other, values_of(other, solved))

    is_direct = not any(solution.statistics.get(name) for name in ITERATED)  # such a solve needs nothing to begin with
    known = thermal_values(chip, solution, outside=False) if values is None else values
    known = {name: value for name, value in known.items() if not is_outside(name)}
    values = with_tiles(chip, solution, known)
    own = with_peaks(chip, values)
    found = kind_of(chip.scenario).judged(chip, own, solve)
    if found is None:
        return _none(_temperatures(values))
    found = with_homogenised(chip, _of_nodes(found, _missed(chip, values)), own, lambda other: _judged_apart(other, solve))
    return _stated(replace(found, errors=_bounded(chip, values, found.errors)))


def _judged_apart(other: Chip, solve: Callable[[Chip, AnyKind, int], Answers]) -> tuple[Answers, Answers]:
    """Temperatures of another chip, and what its own mesh errs by; NaN where that cannot be told."""
    answers = solve(other, meshed(other), AWAY)
    found = kind_of(other.scenario).judged(other, answers, lambda on, body, away: solve(on, body, AWAY + 1 + away))
    return answers, {name: np.full(value.shape, np.nan) for name, value in answers.items()} if found is None else dict(
        found.errors
    )


def of_march(
    chip: Chip, deck: TransientDeck, values: Mapping[str, Any], backends: Backends, state: Heat | None, steps: TakenSteps
) -> Estimates:
    """Errors of a run over time by its mesh and by its steps, by output variable.

    Marches on other meshes with the steps of the run, and on the coarsest with each of them cut in two: of errors of
    second order the difference is three quarters. Of a period that is sought, and on meshes of the user's own, the local errors
    are an eighth instead, which halves most steps. A fixed step is cut in four, because it is rounded to a whole number between
    two changes of power. A mesh of the user's own is compared with what `of_mesh` compares it with.

    Parameters
    ----------
    chip : Chip
    deck : TransientDeck
        The chip's own.
    values : mapping
        Output variables of the run.
    backends : Backends
    state : Heat, optional
        As `over_time` has it.
    steps : TakenSteps
        Those of the run; none where no step was controlled, or a period was sought.
    """
    smaller = with_smaller_steps(deck, chip.scenario.solver.error_promise, 8.0)

    def march(other: Chip, body: AnyKind, away: int, along: TransientDeck | None = None, parts: int = 1) -> Answers:
        scenario = _roughly(other.scenario, ENOUGH).model_copy(update={"transient": along or deck})
        solid = _kept(backends, away).solid(scenario, other.stack, body)
        same = steps.again(parts) if along is None and steps.taken else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)
            return with_peaks(other, over_time(replace(other, scenario=scenario), along or deck, solid, state, same)[0])

    own = with_peaks(chip, values)
    found, how, weight = kind_of(chip.scenario).judged(chip, own, march), HOW["smaller_steps"], OF_SMALLER
    if found is None or found.rough is None:
        begun = own, march(chip, meshed(chip), 0, smaller)
    else:
        rough = found.rough
        if steps.taken:
            how, weight = HOW["halved_steps"], OF_HALVED
            other = march(rough.chip, rough.body, rough.away, parts=2)
        else:
            other = march(rough.chip, rough.body, rough.away, smaller)
        begun, how = (rough.answers, other), f"{how}, on elements of twice the size"
    by_steps = compared(own, {"steps": (weight, *begun)})
    time_error = max(float(np.nanmax(by_steps[name])) for name in means_in(by_steps))
    if found is None:
        stated = _none(_temperatures(values))
    else:
        found = with_homogenised(chip, _of_nodes(found, _missed(chip, values)), own, lambda other: _judged_apart(other, march))
        stated = _stated(found)
        errors = _bounded(chip, values, {name: error + by_steps[name] for name, error in found.errors.items()})
        for name, error in errors.items():
            error = _without_start(deck, name, error)
            parts = {**stated[f"{name}_error"].parts, "steps": by_steps[name]}
            stated[f"{name}_error"] = Estimate(error, "that of the mesh and that of the steps, one on top of the other", parts)
    return {**stated, "thermal/time_error": Estimate(time_error, how)}


def _without_start(deck: TransientDeck, name: str, error: Floats) -> Floats:
    """Errors of a variable: nothing at an output at the start, whose temperatures are given and not computed."""
    is_given = deck.times[0] == 0.0 and not isinstance(deck.initial, EarlierDeck)
    if not is_given or "time" not in FIELDS[name].dims:
        return error
    return np.concatenate([np.zeros_like(error[:1]), error[1:]])


def _temperatures(values: Mapping[str, Any]) -> Answers:
    """Those that an error is stated of."""
    return {name: np.asarray(value) for name, value in values.items() if is_temperature(name)}
