"""The compact model of a chip: what stands against it, how it is made, and the error of its mesh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from stack3d.chip import Chip
from stack3d.errors import DeckError, Problem, did_you_mean, repeated
from stack3d.heat import (
    AnyKind,
    Backends,
    channel_runs,
    gains_of_errors,
    kind_of,
    meshed,
    sources_as_programmed,
)
from stack3d.layout import FILL, Floats, HeatSource
from stack3d.schema import CompactDeck, CoolingDeck
from stack3d.thermal import (
    Box,
    CompactModel,
    CompactParts,
    FilmFace,
    HeatProblem,
    MeshOverTime,
    ModelInTime,
    Place,
    Probe,
    SolidBackend,
    Taken,
    ThermalBackend,
    check_range,
    model_alike,
    shares_of,
    steady_reduction,
    time_reduction,
)

SolveWatch = Callable[[int, float], None]
"""Told of the solves so far, and of the largest bound or estimate."""
PLACES, POINTS = "thermal/temperature", "thermal/probe_temperature"
"""Under which means and probes are judged."""
ENOUGH = 1e-8
"""Relative residual of solutions that the error of the mesh is taken from."""
ROUGH = 1e-3
"""The same of models on other meshes, whose error is of the order of its square."""
FILMS_PER_DECADE = 3
"""Films at which errors of the mesh over time are found: answers lie between."""
PER_DECADE, SETTLED = 10, 7.0
"""Instants at which responses on other meshes are compared, and slowest time constants after which they are over."""


def compact_model(chip: Chip, watch: SolveWatch) -> CompactModel:
    """Make the compact model of a chip, as its scenario's ``compact`` asks.

    Raises
    ------
    DeckError
        For what no compact model knows: channels, properties that follow the temperature and are not held, meshes without
        a grid, faces that are not there.
    SolverError
        Where it does not come close enough to the mesh.
    """
    deck, cooling = chip.scenario.compact, chip.scenario.cooling
    if problems := _mistakes(chip, deck):
        raise DeckError(problems)
    sources = sources_as_programmed(chip)
    probes: list[Place] = [Probe(p.layer, p.x, p.y, p.z) for p in chip.scenario.probes]
    parts = _parts(chip, meshed(chip), sources, probes)
    problem, given = parts.problem, cooling.ambient
    _check_ranges(problem, given, deck)
    reduction, steady = steady_reduction(parts, deck.accuracy, watch)
    in_time, of_mesh, errors = None, None, mesh_error(chip, sources)
    places = [*(Box(source.layer, source.extent) for source in sources), *probes]
    if deck.shortest is not None:
        over_time, in_time = time_reduction(parts, reduction.span.rows, deck.shortest, deck.over_time)
        watch(parts.solves, in_time.estimate)
        of_mesh = _mesh_over_time(chip, _OnMesh(parts, in_time, places), over_time.taken, errors)
    fixed = [face.reference for face in problem.faces.values() if face.is_fixed]
    return CompactModel(
        tuple(source.name for source in sources),
        (*(source.name for source in sources), *(probe.name for probe in chip.scenario.probes)),
        np.array([source.power for source in sources]),
        tuple(_face(name, problem, given) for name in parts.faces),
        fixed[0] if fixed else None,
        tuple(parts.varied),
        parts.highest,
        (given, *(deck.ambient or (given, given))),
        parts.body.bow(sources, places),
        steady,
        in_time,
        deck.shortest or np.inf,
        errors,
        of_mesh,
    )


def _check_ranges(problem: HeatProblem, ambient: float, deck: CompactDeck) -> None:
    """Raise RangeError where the scenario itself lies outside the ranges of its model; `ambient` is its own. [K]"""
    check_range("ambient", ambient, *(deck.ambient or (ambient, ambient)), "K")
    for name, ends in deck.films.items():
        check_range(f"film of {name}", problem.faces[name].film_coefficient, *ends, "W/m^2/K")


def _face(name: str, problem: HeatProblem, ambient: float) -> FilmFace:
    face = problem.faces[name]
    return FilmFace(name, face.film_coefficient, None if face.reference == ambient else face.reference, face.flux)


def _mistakes(chip: Chip, deck: CompactDeck) -> list[Problem]:
    """What stands against a compact model of a chip."""
    cooling, names = chip.scenario.cooling, [source.name for source in sources_as_programmed(chip)]
    problems = []
    if channel_runs(chip.stack):
        problems.append(Problem("compact", "does not go with channels: a coolant carries heat one way alone"))
    if not names:
        problems.append(Problem("compact", "wants sources of heat: power.sources, or a workload"))
    for name in repeated([*names, *(probe.name for probe in chip.scenario.probes)]):
        problems.append(Problem("probes", f"{name!r} names two of sources and probes, which are told apart by name"))
    if deck.conductivity != "held" and chip.stack.held_at() != chip.stack:
        follow = [la.name for la, held in zip(chip.stack.named, chip.stack.held_at().named) if la != held] or [FILL]
        text = f"properties of {', '.join(follow)} follow the temperature, and a compact model is linear; held takes them"
        problems.append(Problem("compact.conductivity", f"{text} at the means of the steady state"))
    return [*problems, *_mistakes_of_cooling(cooling, deck)]


def mistakes_of_films(cooling: CoolingDeck, deck: CompactDeck) -> list[Problem]:
    """Films of a model that are not there, or cannot vary."""
    problems = []
    for face in deck.films:
        key = f"compact.films.{face}"
        if face not in cooling.conditions:
            known = ", ".join(cooling.conditions)
            problems.append(Problem(key, f"no face {face!r}{did_you_mean(face, cooling.conditions)}; faces: {known}"))
        elif cooling.conditions[face].temperature is not None or cooling.conditions[face].thermoelectric is not None:
            problems.append(Problem(key, "is held at a temperature or by a cooler: it has no film to vary"))
        elif not cooling.conditions[face].is_cooled:
            problems.append(Problem(key, f"is adiabatic: it has no film to vary; give {cooling.keys[face]} one"))
    return problems


def _mistakes_of_cooling(cooling: CoolingDeck, deck: CompactDeck) -> list[Problem]:
    """Films that are not there or cannot vary, and temperatures that faces are held at."""
    problems = mistakes_of_films(cooling, deck)
    held = {deck.temperature for deck in cooling.conditions.values() if deck.temperature is not None}
    if len(held) > 1:
        problems.append(Problem("compact", "two faces are held at temperatures that differ: a compact model has one"))
    if held and deck.ambient is not None and len(set(deck.ambient)) > 1:
        problems.append(Problem("compact.ambient", "cannot vary beside a face that is held at a temperature of its own"))
    return problems


def _parts(chip: Chip, body: AnyKind, sources: Sequence[HeatSource], probes: Sequence[Place]) -> CompactParts:
    """What a model of a chip on some mesh is made from."""
    solid = _held(chip, Backends().of(chip.scenario, chip.stack, body), sources)
    problem, ranges = solid.problem, dict(chip.scenario.compact.films)
    return CompactParts(lambda films: solid.recooled(problem.with_films(films)).body(), problem, sources, probes, ranges)


def _held(chip: Chip, backend: ThermalBackend, sources: Sequence[HeatSource]) -> SolidBackend:
    """The solver at the films and conductivities of the steady state, solved for where any of them follows it."""
    solution = backend.solve(sources)
    return backend.held_at({name: solution.field.layer_mean(name) for name in chip.stack.slabs})


def mesh_error(chip: Chip, sources: Sequence[HeatSource]) -> Floats:
    """Estimated error by the mesh of the sources' own means, then of probes; NaN where the other mesh does not fit. [K]"""
    linear = chip.scenario.solver.linear
    rough = linear.model_copy(update={"tolerance": max(linear.tolerance, ENOUGH)})
    solver = chip.scenario.solver.model_copy(update={"linear": rough})

    def solve(other: Chip, body: AnyKind, away: int) -> dict[str, Floats]:
        profile = other.scenario.solver.model_copy(update={"linear": rough})
        scenario = other.scenario.model_copy(update={"solver": profile})
        field = Backends().of(scenario, chip.stack, body).solve(sources).field
        own = [field.box_means(source.layer, [source.extent])[0] for source in sources]
        points = [field.at(p.layer, p.x, p.y, p.z) for p in other.scenario.probes]
        return {PLACES: np.array(own), **({POINTS: np.array(points)} if points else {})}

    same = replace(chip, scenario=chip.scenario.model_copy(update={"solver": solver}))
    found = kind_of(chip.scenario).judged(same, solve(same, meshed(chip), 0), solve)
    if found is None:
        return np.full(len(sources) + len(chip.scenario.probes), np.nan)
    return np.concatenate([found.errors[PLACES], found.errors.get(POINTS, np.empty(0))])


class _OnMesh(NamedTuple):
    """A solid on a mesh, its model over time, and its places."""

    parts: CompactParts
    model: ModelInTime
    places: Sequence[Place]

    def steps(self, films: Floats, times: Floats) -> Floats:
        """Responses to 1 of each load at some films, shape (loads, places, times)."""
        modes, bow = self.model.at(films), self.parts.body.bow(self.parts.sources, self.places)
        grown = -np.expm1(-np.multiply.outer(times, modes.rates)) / modes.rates
        found = np.einsum("lm,pm,tm->lpt", modes.loads, modes.shown, grown, optimize=True)
        found[: len(self.parts.sources)] += bow.T[:, :, None]
        return np.asarray(found)


def _mesh_over_time(chip: Chip, own: _OnMesh, taken: Sequence[Taken], steady: Floats) -> MeshOverTime:
    """Estimated errors by the mesh of responses over time, no less than those of a `steady` state.

    Parameters
    ----------
    chip : Chip
    own : _OnMesh
    taken : sequence of Taken
        What its model was made from.
    steady : ndarray, shape (places,)
        Errors at the powers of the sources; NaN where there are none. [K]
    """
    known: dict[int, _OnMesh] = {}

    def on(one: tuple[Chip, AnyKind]) -> _OnMesh:
        other, body = one
        if other is chip:
            return own
        if id(body) not in known:
            parts = _parts(other, body, own.parts.sources, own.parts.places)
            known[id(body)] = _OnMesh(parts, model_alike(parts, taken, ROUGH), own.places)
        return known[id(body)]

    pairs = [(pair.weight, on(pair.one), on(pair.other)) for pair in kind_of(chip.scenario).pairs(chip)]
    low, high = own.parts.lowest, own.parts.highest
    still, moving = list[Floats](), list[Floats]()
    count = int(np.ceil(FILMS_PER_DECADE * np.log10(np.max(high / low, initial=1.0)))) + 1
    for at in low * (high / low) ** np.linspace(0.0, 1.0, count)[:, None]:
        slowest, first = own.model.at(at).rates[0], chip.scenario.compact.shortest or 0.0
        end = max(SETTLED / slowest, 10 * first)
        times = np.geomspace(first, end, int(np.ceil(PER_DECADE * np.log10(end / first))) + 1)
        step = own.steps(at, times)
        differences = [weight * (one.steps(at, times) - other.steps(at, times)) for weight, one, other in pairs]
        for found, one in zip((still, moving), gains_of_errors(step, differences)):
            found.append(one)
    faces, errors = own.parts.problem.faces, MeshOverTime(np.array(still), np.array(moving))
    given = np.array([faces[name].film_coefficient for name in own.parts.varied])
    powers = np.array([abs(source.power) for source in own.parts.sources] + [0.0] * len(own.parts.faces))
    stated = errors.along(powers[None], 0 * powers, 0 * powers, shares_of(given[None], low, high))
    more = np.maximum(1.0, np.nan_to_num(steady) / np.maximum(stated, 1e-300)) if stated.any() else 1.0
    return MeshOverTime(errors.still * more, errors.moving * more)
