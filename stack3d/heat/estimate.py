"""How far a solution is off by its mesh and by its steps in time, estimated on another mesh and with other steps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d.chip.chip import Chip
from stack3d.errors import ValidityWarning
from stack3d.heat.bodies import Body, make_body
from stack3d.heat.faces import thermal_problem
from stack3d.heat.solvers import Backends
from stack3d.heat.sources import heat_sources
from stack3d.heat.state import Heat
from stack3d.heat.transient import over_time
from stack3d.layout import Floats, HeatSource
from stack3d.meshes import CellMesh, refined
from stack3d.schema.numerics import Transient
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.fields.field import Field

MOST_UNKNOWNS = 2_000_000
"""On a user's own mesh made finer; above that there is no estimate, and the dataset says so."""
HOW = {
    "coarser": "largest difference from elements of twice the size, over three: an error of second order falls by four; where"
    " one element is as tall as its layer, and 4/3 of what elements of half the height change in addition",
    "other_order": "largest difference from tetrahedra of the other order on the same mesh: the error of order 1",
    "finer": "4/3 of the largest difference from the mesh with every hexahedron cut in eight",
    "coarser_march": "largest difference at any output from a march on elements of twice the size, over three; where one"
    " element is as tall as its layer, and 4/3 of what elements of half the height change in addition",
    "smaller_steps": "4/3 of the largest difference at any output between steps as asked for and smaller ones (an eighth of the"
    " tolerance, or a quarter of a fixed step)",
    "too_large": f"not estimated: a finer mesh of one's own would have more than {MOST_UNKNOWNS} unknowns",
}
"""How an estimate was made, as the dataset says it."""
OVER_TIME = ("layer_temperature_mean", "map_temperature", "probe_temperature", "temperature")
"""What is compared at every output of a run over time."""


@dataclass(frozen=True)
class Estimate:
    """An estimated error.

    Parameters
    ----------
    value : float
        NaN when there is none. [K]
    how : str
        In a sentence.
    """

    value: float
    how: str


def coarser(chip: Chip) -> Chip:
    """The same chip on elements of twice the size."""
    profile = chip.scenario.solver
    mesh = profile.mesh.coarser().model_copy(update={"sides": max(6, profile.mesh.sides // 2)})
    backend = "tensor" if mesh.cells == "hex" else "fem"
    solver = profile.model_copy(update={"mesh": mesh, "backend": backend})
    return replace(chip, scenario=chip.scenario.model_copy(update={"solver": solver}))


def _flatter(chip: Chip, rough: Chip) -> Chip | None:
    """`rough` with elements of half the height where one is as tall as its layer, so that nothing coarser shows its error."""
    profile = rough.scenario.solver
    if chip.scenario.solver.mesh.per_layer // profile.order > 1:
        return None
    mesh = profile.mesh.model_copy(update={"per_layer": 2 * profile.order, "aspect": 0.5 * profile.mesh.aspect})
    return replace(rough, scenario=rough.scenario.model_copy(update={"solver": profile.model_copy(update={"mesh": mesh})}))


def _combined(fine: Floats, coarse: Floats, flat: Floats | None) -> float:
    """Error of `fine` from the same answers on elements of twice the size, and on such of half the height. [K]"""
    difference = np.abs(fine - coarse) / 3
    return float(np.nanmax(difference if flat is None else difference + 4 / 3 * np.abs(coarse - flat)))


def of_state(chip: Chip, state: Heat, backends: Backends) -> Estimate:
    """`of_mesh` of a chip with a workload, with the powers of a thermal state."""
    return of_mesh(chip, state.solution, backends, heat_sources(chip, state.powers, state.rate))


def of_mesh(chip: Chip, solution: ThermalSolution, backends: Backends, sources: Sequence[HeatSource] | None = None) -> Estimate:
    """Error of layer and tile means, map boxes and probes of a steady solution by its mesh.

    Parameters
    ----------
    chip : Chip
    solution : ThermalSolution
    backends : Backends
        Keeps the solver of the other mesh from case to case, its `coarse` one that of half the height.
    sources : sequence of HeatSource, optional
        Those of the solution; absent = the explicit ones.
    """
    if chip.scenario.geometry.mesh is not None:
        return _of_user_mesh(chip, solution, backends)
    rough = coarser(chip)

    def on(other: Chip, kept: Backends) -> Floats:
        problem = thermal_problem(chip.stack, make_body(other), other.scenario.cooling)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)  # the run itself has said it
            backend = kept.of(other.scenario, problem)
            return _answers(chip, backend.solve(chip.sources if sources is None else sources).field)

    flat = _flatter(chip, rough)
    flatter = None if flat is None else on(flat, backends.coarse)
    return Estimate(_combined(_answers(chip, solution.field), on(rough, backends), flatter), HOW["coarser"])


def _answers(chip: Chip, field: Field) -> Floats:
    """Means of layers, map boxes and tiles, and probes, one after the other. [K]"""
    parts = [np.array([field.layer_mean(layer.name) for layer in chip.stack.layers])]
    if (maps := chip.scenario.maps) is not None:
        parts += [field.map(name, *maps.grid).ravel() for name in maps.layers]
    parts.append(np.array([field.at(p.layer, p.x, p.y, p.z) for p in chip.scenario.probes]))
    places = chip.computer.places if chip.computer is not None else ()
    for name in {layer for layer, _ in places}:
        parts.append(field.box_means(name, [box for layer, box in places if layer == name]))
    return np.concatenate(parts)


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


def _of_pair(own: Floats, other: Floats, how: str) -> Estimate:
    difference = float(np.nanmax(np.abs(own - other)))
    return Estimate(4 / 3 * difference if how == "finer" else difference, HOW[how])


def _of_user_mesh(chip: Chip, solution: ThermalSolution, backends: Backends) -> Estimate:
    if (beside := _beside(chip)) is None:
        return Estimate(float("nan"), HOW["too_large"])
    scenario, body, how = beside
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        other = backends.of(scenario, thermal_problem(chip.stack, body, scenario.cooling)).solve(chip.sources).field
    return _of_pair(_answers(chip, solution.field), _answers(chip, other), how)


def of_march(chip: Chip, values: Mapping[str, Any], backends: Backends, state: Heat | None = None) -> dict[str, Estimate]:
    """Errors of a run over time by its mesh and by its steps, by output variable.

    Marches on elements of twice the size, with the steps asked for and with smaller ones: an eighth of the tolerance halves
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

    def march(scenario: Scenario, body: Body, steps: Transient) -> Floats:
        other = replace(chip, scenario=scenario.model_copy(update={"transient": steps}))
        solid = backends.solid(other.scenario, thermal_problem(chip.stack, body, scenario.cooling))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)
            return _outputs(over_time(other, solid, state)[0])

    def on(other: Chip, steps: Transient) -> Floats:
        return march(other.scenario, make_body(other), steps)

    own = _outputs(values)
    if chip.scenario.geometry.mesh is not None:
        beside = _beside(chip)
        of_mesh = Estimate(float("nan"), HOW["too_large"])
        if beside is not None:
            of_mesh = _of_pair(own, march(*beside[:2], deck), beside[2])
        by_steps, how = np.abs(own - on(chip, smaller)), HOW["smaller_steps"]
    else:
        rough = coarser(chip)
        flat, coarse = _flatter(chip, rough), on(rough, deck)
        flatter = None if flat is None else on(flat, deck)
        of_mesh = Estimate(_combined(own, coarse, flatter), HOW["coarser_march"])
        by_steps, how = np.abs(coarse - on(rough, smaller)), f"{HOW['smaller_steps']}, on elements of twice the size"
    return {
        "thermal/discretisation_error": of_mesh,
        "thermal/time_error": Estimate(4 / 3 * float(np.nanmax(by_steps)), how),
    }


def _outputs(values: Mapping[str, Any]) -> Floats:
    """What is compared of a run over time, one after the other. [K]"""
    names = (f"thermal/{name}" for name in OVER_TIME)
    return np.concatenate([np.ravel(values[name]) for name in names if name in values])
