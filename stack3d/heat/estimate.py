"""How far a solution is off by its mesh and by its steps in time, estimated on another mesh and with other steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d.chip.chip import Chip, ComputingChip
from stack3d.errors import ValidityWarning
from stack3d.fields import is_temperature
from stack3d.geometry.coarsening import beside, firm_lines
from stack3d.heat.bodies import Body, make_body, make_grid, standing_out
from stack3d.heat.faces import surfaces_of, thermal_problem
from stack3d.heat.outputs import thermal_values
from stack3d.heat.solvers import Backends
from stack3d.heat.sources import heat_sources
from stack3d.heat.state import Heat
from stack3d.heat.transient import over_time
from stack3d.layout import Floats, HeatSource
from stack3d.meshes import CellMesh, refined
from stack3d.schema.numerics import Transient
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import ThermalSolution

MOST_UNKNOWNS = 2_000_000
"""On a user's own mesh made finer; above that there is no estimate, and the dataset says so."""
ORDER = 1.0
"""Of the error in the size of elements where they are too wide for what they carry; smooth errors are of order 2."""
OF_TWICE: float = 1.0 / (2.0**ORDER - 1.0)
"""Error over the difference from elements of twice the size, and below from such of half and of a third of it."""
OF_HALF: float = 1.0 / (1.0 - 2.0**-ORDER)
OF_THIRD: float = 1.0 / (1.0 - 3.0**-ORDER)
CAUTION = 0.8
"""Share of the measured fall of the error that is counted on; between those of order 1 and 2."""
LEAST_SHARE, LEAST_OF_ALL = 0.25, 0.05
"""An error is at least this share of the largest of its variable, and of all means: differences may vanish by chance."""
HOW = {
    "bricks": "difference from elements of twice the size in the plane, weighted by the order that those of four times the size"
    " show, and 3/2 of what elements of a third of the height change, parts of one element in the plane cut in three with them",
    "coarser": "difference from elements of twice the size, and where one element is as tall as its layer, twice what elements"
    " of half the height change in addition",
    "other_order": "largest difference from tetrahedra of the other order on the same mesh: the error of order 1",
    "finer": "4/3 of the largest difference from the mesh with every hexahedron cut in eight",
    "smaller_steps": "4/3 of the largest difference at any output between steps as asked for and smaller ones (an eighth of the"
    " tolerance, or a quarter of a fixed step)",
    "too_large": f"not estimated: a finer mesh of one's own would have more than {MOST_UNKNOWNS} unknowns",
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
    """

    value: Any
    how: str


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
    found = {n: np.asarray(v) for n, v in thermal_values(chip, solution, outside=False).items() if is_temperature(n)}
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


def _compared(own: Answers, parts: Sequence[tuple[float, Answers, Answers]]) -> Answers:
    """Errors from weighted differences of answers; a maximum errs as the worst mean does."""
    out = {}
    for name, value in own.items():
        out[name] = sum((weight * np.abs(a[name] - b[name]) for weight, a, b in parts), np.zeros(value.shape))
    means = [np.nanmax(out[n], initial=0.0) for n in _means(out)]
    floor = LEAST_OF_ALL * max(means, default=0.0)
    out = {n: np.maximum(e, max(LEAST_SHARE * np.nanmax(e, initial=0.0), floor)) for n, e in out.items()}
    return {n: np.maximum(e, max(means, default=0.0)) if n.endswith("_max") else e for n, e in out.items()}


def _means(found: Mapping[str, Any]) -> list[str]:
    return [f"thermal/{name}" for name in MEANS if f"thermal/{name}" in found]


def _stated(errors: Answers, how: str) -> Estimates:
    largest = max((float(np.nanmax(errors[name], initial=0.0)) for name in _means(errors)), default=float("nan"))
    each = {f"{name}_error": Estimate(error, how) for name, error in errors.items()}
    return {**each, "thermal/discretisation_error": Estimate(largest, how)}


def _none(own: Answers) -> Estimates:
    return _stated({name: np.full(value.shape, np.nan) for name, value in own.items()}, HOW["too_large"]) | {
        "thermal/discretisation_error": Estimate(float("nan"), HOW["too_large"])
    }


Solve = Callable[[Chip, Body, Backends], Answers]
"""Answers of a chip on another body."""


def _of_other_meshes(chip: Chip, own: Answers, solve: Solve, backends: Backends) -> tuple[Answers, str] | None:
    """Errors of `own` by its mesh, from solutions on other meshes, and how they were found; None where there is no estimate."""
    if chip.scenario.geometry.mesh is not None:
        if (beside_it := _beside(chip)) is None:
            return None
        scenario, body, how = beside_it
        other = solve(replace(chip, scenario=scenario), body, backends)
        return _compared(own, [(4 / 3 if how == "finer" else 1.0, own, other)]), HOW[how]
    if chip.scenario.solver.mesh.cells == "tet":
        rough = coarser(chip)
        flat, coarse = _flatter(rough, chip), solve(rough, make_body(rough), backends)
        parts = [(OF_TWICE, own, coarse)]
        if flat is not None:
            parts.append((OF_HALF, coarse, solve(flat, make_body(flat), backends.coarse)))
        return _compared(own, parts), HOW["coarser"]
    grid = make_grid(chip)
    patches = [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
    firm = firm_lines(grid, chip.stack, standing_out(chip), patches)
    profile = chip.scenario.solver.model_copy(update={"backend": "tensor"})
    on_lines = replace(chip, scenario=chip.scenario.model_copy(update={"solver": profile}))
    twice = beside(grid, firm, finer=False)
    coarse = solve(on_lines, twice, backends)
    fine = solve(on_lines, beside(grid, firm, finer=True), backends.coarse)
    fourfold = solve(on_lines, beside(twice, firm, finer=False), backends.coarse.coarse)
    in_plane = {n: v + _weight(v, coarse[n], fourfold[n]) * (coarse[n] - v) for n, v in own.items()}
    return _compared(own, [(1.0, own, in_plane), (OF_THIRD, coarse, fine)]), HOW["bricks"]


def _weight(own: Floats, coarse: Floats, rough: Floats) -> float:
    """Error of `own` over its difference from elements of twice the size, by what four times the size changes further."""
    first, second = (float(np.nanmax(np.abs(a - b), initial=0.0)) for a, b in ((own, coarse), (coarse, rough)))
    if first == 0.0:
        return OF_TWICE
    fall = min(max(CAUTION * second / first, 2.0), 4.0)
    return 1.0 / (fall - 1.0)


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
    return _none(own) if found is None else _stated(*found)


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
    smaller = deck.model_copy(update={"tolerance": deck.tolerance / 8, "step": deck.step and deck.step / 4})

    def march(other: Chip, body: Body, kept: Backends, steps: Transient = deck) -> Answers:
        scenario = other.scenario.model_copy(update={"transient": steps})
        solid = kept.solid(scenario, thermal_problem(chip.stack, body, scenario.cooling))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)
            return _temperatures(over_time(replace(other, scenario=scenario), solid, state)[0])

    own = _temperatures(values)
    if chip.scenario.geometry.mesh is not None:
        fine, rough, how = own, chip, HOW["smaller_steps"]
    else:
        rough, how = coarser(chip), f"{HOW['smaller_steps']}, on elements of twice the size"
        fine = march(rough, make_body(rough), backends)
    by_steps = _compared(own, [(4 / 3, fine, march(rough, make_body(rough), backends, smaller))])
    time_error = max(float(np.nanmax(by_steps[name])) for name in _means(by_steps))
    found = _of_other_meshes(chip, own, march, backends)
    if found is None:
        stated = _none(own)
    else:
        stated = _stated(*found)
        for name in own:
            error = found[0][name] + by_steps[name]
            stated[f"{name}_error"] = Estimate(error, "that of the mesh and that of the steps, one on top of the other")
    return {**stated, "thermal/time_error": Estimate(time_error, how)}


def _temperatures(values: Mapping[str, Any]) -> Answers:
    return {name: np.asarray(value) for name, value in values.items() if is_temperature(name)}
