"""How far a solution is off by its mesh and by its steps in time, estimated on another mesh and with other steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stack3d import memory
from stack3d.chip.chip import Chip, ComputingChip
from stack3d.errors import ValidityWarning
from stack3d.fields import is_temperature
from stack3d.geometry.coarsening import firm_lines, flatter, narrower, wider
from stack3d.heat.bodies import TENSOR_MEMORY, Body, make_body, make_grid, standing_out
from stack3d.heat.channels import channel_runs
from stack3d.heat.faces import face_of, surfaces_of, thermal_problem
from stack3d.heat.outputs import thermal_values
from stack3d.heat.solvers import Backends
from stack3d.heat.sources import heat_sources
from stack3d.heat.state import Heat
from stack3d.heat.transient import over_time, with_smaller_steps
from stack3d.layout import Floats, HeatSource
from stack3d.meshes import CellMesh, refined
from stack3d.schema.numerics import TransientDeck
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import ThermalSolution

MOST_UNKNOWNS = 2_000_000
"""On a user's own mesh made finer; above that there is no estimate, and the dataset says so."""
ACROSS, UPRIGHT = 0.8, 1.25
"""Order by which errors of bricks fall with the width and height of elements, at least: 2 where smooth, less beside corners."""
OF_TWICE = 1.0 / (2.0**0.8 - 1.0)
"""Of tetrahedra: error over the difference from elements of twice the size, and from such of half the height; of order 0.8."""
OF_HALF = 1.0 / (1.0 - 2.0**-0.8)
SWING = 1.25
"""Error of a peak over how far its node stands out of values that zigzag."""
LEAST_SHARE, LEAST_OF_ALL = 0.25, 0.05
"""An error is at least this share of the largest of its variable, and of all means: differences may vanish by chance."""
HOW = {
    "bricks": f"difference from narrower elements as of order {ACROSS:g}, and what flatter ones change on elements of twice the"
    f" size, as of order {UPRIGHT:g}; four elements or more stand for three",
    "coarser": "difference from elements of twice the size, and where one element is as tall as its layer, 2.3 times what"
    " elements of half the height change in addition",
    "other_order": "largest difference from tetrahedra of the other order on the same mesh: the error of order 1",
    "finer": "4/3 of the largest difference from the mesh with every hexahedron cut in eight",
    "smaller_steps": "4/3 of the largest difference at any output between steps as asked for and smaller ones (an eighth of the"
    " tolerance, or a quarter of a fixed step)",
    "too_large": "not estimated: the finer mesh for it does not fit into memory, or of one's own has more than"
    f" {MOST_UNKNOWNS} unknowns",
}
"""How an estimate was made, as the dataset says it."""
MEANS = (
    "layer_temperature_mean",
    "map_temperature",
    "probe_temperature",
    "temperature",
    "temperature_mean",
    "tile_temperature",
)
"""What `thermal/discretisation_error` and `thermal/time_error` are the largest error of."""
SAME = {
    "layer_temperature_high": "layer_temperature_max",
    "tile_temperature_low": "tile_temperature",
    "tile_temperature_high": "tile_temperature",
    "tile_temperature_working": "tile_temperature",
    "tile_temperature_history": "tile_temperature",
}
"""Variables that have the error of another one, whose mesh and places they share."""
Answers = dict[str, Floats]
"""Temperatures by output variable. [K]"""


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


def coarser(chip: Chip) -> Chip:
    """The same chip on elements of twice the size."""
    profile = chip.scenario.solver
    mesh = profile.mesh.coarser().model_copy(update={"sides": max(6, profile.mesh.sides // 2)})
    solver = profile.model_copy(update={"mesh": mesh, "backend": "tensor" if mesh.cells == "hex" else "fem"})
    return replace(chip, scenario=chip.scenario.model_copy(update={"solver": solver}))


def _flatter(rough: Chip, fine: Chip) -> Chip | None:
    """`rough` with elements of half the height where one is as tall as its layer, so that nothing coarser shows its error."""
    profile = rough.scenario.solver
    if fine.scenario.solver.mesh.per_layer // profile.order > 1:
        return None
    mesh = profile.mesh.model_copy(update={"per_layer": 2 * profile.order, "aspect": 0.5 * profile.mesh.aspect})
    return replace(rough, scenario=rough.scenario.model_copy(update={"solver": profile.model_copy(update={"mesh": mesh})}))


def answers(chip: Chip, solution: ThermalSolution) -> Answers:
    """Every temperature of `thermal_values`, and means of tiles."""
    found = _temperatures(thermal_values(chip, solution, outside=False))
    if isinstance(chip, ComputingChip):
        places = chip.computer.places
        means = [solution.field.box_means(layer, [box])[0] for layer, box in places]
        found["thermal/tile_temperature"] = np.array(means)
    return found


def of_state(chip: ComputingChip, state: Heat, backends: Backends, values: Mapping[str, Any]) -> Estimates:
    """`of_mesh` of a chip with a workload, with the powers of a thermal state, for all of its output variables."""
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


Parts = dict[str, tuple[float, Answers, Answers]]
"""What makes an error: a weight, and two answers that differ by it."""


def _compared(own: Answers, parts: Parts) -> Answers:
    """Errors from weighted differences of answers; a maximum errs as the worst mean does."""
    out = {}
    for name, value in own.items():
        out[name] = sum((weight * np.abs(a[name] - b[name]) for weight, a, b in parts.values()), np.zeros(value.shape))
    means = [np.nanmax(out[n], initial=0.0) for n in _means(out)]
    floor = LEAST_OF_ALL * max(means, default=0.0)
    out = {n: np.maximum(e, max(LEAST_SHARE * np.nanmax(e, initial=0.0), floor)) for n, e in out.items()}
    return {n: np.maximum(e, max(means, default=0.0)) if n.endswith("_max") else e for n, e in out.items()}


def _bounded(chip: Chip, values: Mapping[str, Any], errors: Answers) -> Answers:
    """Errors that are no less than what shows in the values alone: peaks that swing, and what no heat can have cooled."""
    out = dict(errors)
    if (swing := values.get("thermal/layer_overshoot")) is not None:
        tiers = [chip.stack.index[layer.name] for layer in chip.stack.with_role("rram")]
        for name, of_peaks in (("thermal/layer_temperature_max", swing), ("thermal/temperature_max", swing[..., tiers])):
            if name in out:
                out[name] = out[name] + SWING * of_peaks
    coldest = coldest_around(chip)
    return {n: np.maximum(e, np.nan_to_num(coldest - values[n], nan=0.0, neginf=0.0)) for n, e in out.items()}


def coldest_around(chip: Chip) -> float:
    """Temperature that nothing can be below, by the maximum principle; minus infinity where heat is taken out. [K]"""
    cooling, transient = chip.scenario.cooling, chip.scenario.transient
    faces = [face_of(deck, 1.0, cooling.ambient) for deck in cooling.conditions.values()]
    if any(source.power < 0 for source in chip.sources) or any(face.flux < 0 for face in faces):
        return -np.inf
    found = [face.reference for face in faces if face.film_coefficient > 0]
    found += [run.channels.inlet_temperature for run in channel_runs(chip.stack)]
    if transient is not None:
        found.append(cooling.ambient if transient.initial is None else transient.initial)
    return min(found)


def _means(found: Mapping[str, Any]) -> list[str]:
    return [f"thermal/{name}" for name in MEANS if f"thermal/{name}" in found]


def _stated(judged: _Judged) -> Estimates:
    errors, how = judged.errors, judged.how
    largest = max((float(np.nanmax(errors[name], initial=0.0)) for name in _means(errors)), default=float("nan"))
    parts = {name: {part: found[name] for part, found in judged.parts.items()} for name in errors}
    each = {f"{name}_error": Estimate(error, how, parts[name]) for name, error in errors.items()}
    return {**each, "thermal/discretisation_error": Estimate(largest, how)}


def _none(own: Answers) -> Estimates:
    return _stated(_Judged({name: np.full(value.shape, np.nan) for name, value in own.items()}, HOW["too_large"], {})) | {
        "thermal/discretisation_error": Estimate(float("nan"), HOW["too_large"])
    }


Solve = Callable[[Chip, Body, Backends], Answers]
"""Answers of a chip on another body."""
_Solution = tuple[Chip, Body, Backends, Answers]


@dataclass(frozen=True)
class _Judged:
    """Errors, how they were found, what makes them, and the smallest of the other solutions."""

    errors: Answers
    how: str
    parts: Mapping[str, Answers]
    rough: _Solution | None = None


def _judged(own: Answers, parts: Parts, how: str, rough: _Solution | None = None) -> _Judged:
    each = {name: _compared(own, {name: part}) for name, part in parts.items()}
    return _Judged(_compared(own, parts), how, each, rough)


def _of_other_meshes(chip: Chip, own: Answers, solve: Solve, backends: Backends) -> _Judged | None:
    """Errors of `own` by its mesh, from solutions on other meshes, and how they were found; None where there is no estimate."""
    if chip.scenario.geometry.mesh is not None:
        if (beside_it := _beside(chip)) is None:
            return None
        scenario, cells, how = beside_it
        other = solve(replace(chip, scenario=scenario), cells, backends)
        return _judged(own, {"all": (4 / 3 if how == "finer" else 1.0, own, other)}, HOW[how])
    if chip.scenario.solver.mesh.cells == "tet":
        rough = coarser(chip)
        flat, body = _flatter(rough, chip), make_body(rough)
        coarse = solve(rough, body, backends)
        parts = {"across": (OF_TWICE, own, coarse)}
        if flat is not None:
            parts["upright"] = OF_HALF, coarse, solve(flat, make_body(flat), backends.coarse)
        return _judged(own, parts, HOW["coarser"], (rough, body, backends, coarse))
    return _of_bricks(chip, own, solve, backends)


def _of_bricks(chip: Chip, own: Answers, solve: Solve, backends: Backends) -> _Judged | None:
    """Narrower elements, and flatter ones on elements of twice the size; None where they do not fit into memory."""
    grid = make_grid(chip)
    patches = [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
    points = [(probe.x, probe.y) for probe in chip.scenario.probes]
    firm = firm_lines(grid, chip.stack, standing_out(chip), patches, points)
    profile = chip.scenario.solver.model_copy(update={"backend": "tensor"})
    on_lines = replace(chip, scenario=chip.scenario.model_copy(update={"solver": profile}))
    wide, (narrow, across) = wider(grid, firm), narrower(grid, firm)
    flat, upright = flatter(wide)
    if narrow.n_nodes * TENSOR_MEMORY > memory.available():
        return None
    rough = solve(on_lines, wide, backends.coarse)
    parts = {
        "across": (_of_finer(across, ACROSS), own, solve(on_lines, narrow, backends)),
        "upright": (_of_finer(upright, UPRIGHT), rough, solve(on_lines, flat, backends.coarse.coarse)),
    }
    return _judged(own, parts, HOW["bricks"], (on_lines, wide, backends.coarse, rough))


def _of_finer(ratio: float, order: float) -> float:
    """Error over the difference from elements smaller by a ratio."""
    return float(1.0 / (1.0 - ratio**-order))


def of_mesh(
    chip: Chip, solution: ThermalSolution, backends: Backends, sources: Sequence[HeatSource] | None = None
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
    """

    def solve(other: Chip, body: Body, kept: Backends) -> Answers:
        problem = thermal_problem(chip.stack, body, other.scenario.cooling)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)  # the run itself has said it
            return answers(chip, kept.of(other.scenario, problem).solve(chip.sources if sources is None else sources))

    own = answers(chip, solution)
    found = _of_other_meshes(chip, own, solve, backends)
    if found is None:
        return _none(own)
    names = [layer.name for layer in chip.stack.layers]
    seen = {**own, "thermal/layer_overshoot": np.array([solution.field.overshoot(name) for name in names])}
    return _stated(replace(found, errors=_bounded(chip, seen, found.errors)))


def _beside(chip: Chip) -> tuple[Scenario, CellMesh, str] | None:
    """What a mesh that cannot be made coarser is compared with: tetrahedra of the other order, or hexahedra cut in eight."""
    body, scenario = make_body(chip), chip.scenario
    assert isinstance(body, CellMesh)
    bricks = body.kind == "hexahedron"
    if (9 * len(body.cells) if bricks else body.node_count(2)) > MOST_UNKNOWNS:  # a cell more than eight, for the outside
        return None
    if bricks:
        return scenario, refined(body), "finer"
    profile = scenario.solver.model_copy(update={"order": 3 - scenario.solver.order})
    return scenario.model_copy(update={"solver": profile}), body, "other_order"


def of_march(chip: Chip, values: Mapping[str, Any], backends: Backends, state: Heat | None = None) -> Estimates:
    """Errors of a run over time by its mesh and by its steps, by output variable.

    Marches on other meshes, with the steps asked for, and on the coarsest with smaller ones: an eighth of the tolerance halves
    them, and of errors of second order the difference is three quarters. A fixed step is cut in four, because it is rounded to
    a whole number between two changes of power. A mesh of the user's own is compared with what `of_mesh` compares it with.

    Parameters
    ----------
    chip : Chip
    values : mapping
        Output variables of the run.
    backends : Backends
    state : Heat, optional
        As `over_time` has it.
    """
    deck = chip.scenario.transient
    assert deck is not None
    smaller = with_smaller_steps(deck, chip.scenario.solver.error_promise, 8.0)

    def march(other: Chip, body: Body, kept: Backends, steps: TransientDeck = deck) -> Answers:
        scenario = other.scenario.model_copy(update={"transient": steps})
        solid = kept.solid(scenario, thermal_problem(chip.stack, body, scenario.cooling))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)
            return _temperatures(over_time(replace(other, scenario=scenario), solid, state)[0])

    own = _temperatures(values)
    found, how = _of_other_meshes(chip, own, march, backends), HOW["smaller_steps"]
    if found is None or found.rough is None:
        begun = own, march(chip, make_body(chip), backends, smaller)
    else:
        rough, body, kept, coarse = found.rough
        begun, how = (coarse, march(rough, body, kept, smaller)), f"{how}, on elements of twice the size"
    by_steps = _compared(own, {"steps": (4 / 3, *begun)})
    time_error = max(float(np.nanmax(by_steps[name])) for name in _means(by_steps))
    if found is None:
        stated = _none(own)
    else:
        stated = _stated(found)
        errors = _bounded(chip, values, {name: found.errors[name] + by_steps[name] for name in own})
        for name, error in errors.items():
            parts = {**stated[f"{name}_error"].parts, "steps": by_steps[name]}
            stated[f"{name}_error"] = Estimate(error, "that of the mesh and that of the steps, one on top of the other", parts)
    return {**stated, "thermal/time_error": Estimate(time_error, how)}


def _temperatures(values: Mapping[str, Any]) -> Answers:
    """Those that an error is stated of."""
    return {name: np.asarray(value) for name, value in values.items() if is_temperature(name)}
