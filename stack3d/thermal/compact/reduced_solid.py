"""A solid on its answers to some sources: whole fields from few unknowns, steady and over time; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.compact.followed_conductivity import FollowedConductivity, Settled
from stack3d.thermal.compact.followed_in_time import TimeBasis, followed_model
from stack3d.thermal.compact.reduction import steady_reduction
from stack3d.thermal.compact.solid_parts import CompactParts
from stack3d.thermal.compact.started_model import started_model
from stack3d.thermal.compact.tested_error import TestedError
from stack3d.thermal.compact.time_reduction import time_reduction
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Box, Place, Probe
from stack3d.thermal.time.system import PowerCourse

OF_ACCURACY = 0.1
"""Share of the accuracy that errors with k(T) are kept below by joining that correction to the basis."""


@dataclass(frozen=True)
class CompactRanges:
    """What a model in place of a mesh is made for.

    Parameters
    ----------
    films : mapping of str to (float, float)
        Lowest and highest film of faces that vary. [W m⁻² K⁻¹]
    accuracy : float
        Largest bound for 1 W of any source, over its largest rise. [-]
    shortest : float or None
        Time from which on it holds; None for one of steady states alone. [s]
    over_time : float
        Largest estimated error over time, over the largest response. [-]
    """

    films: Mapping[str, tuple[float, float]]
    accuracy: float
    shortest: float | None
    over_time: float


@dataclass
class CompactErrors:
    """Largest errors that answers of a compact model may have had, against full solves on its mesh.

    Parameters
    ----------
    bound : float
        Of means of layers and sources and of probes in steady states: a bound. [K]
    elsewhere : float
        Of other places then: a tested estimate. [K]
    estimate : float
        With k(T), and over time: an estimate. [K]
    early : float
        Of extremes over time, beside that, by what parts that begin at temperatures of their own do before the shortest
        time: an estimate. [K]
    """

    bound: float = 0.0
    elsewhere: float = 0.0
    estimate: float = 0.0
    early: float = 0.0

    def see(self, *, bound: float = 0.0, elsewhere: float = 0.0, estimate: float = 0.0, early: float = 0.0) -> None:
        """Take those of another answer.

        Parameters
        ----------
        bound, elsewhere, estimate, early : float
            [K]
        """
        self.bound, self.elsewhere = max(self.bound, bound), max(self.elsewhere, elsewhere)
        self.estimate, self.early = max(self.estimate, estimate), max(self.early, early)


class ReducedSolid:
    """A solid on its steady states for 1 W of each of some sources; powers, ambient and films in their ranges are free.

    Where conductivity follows the temperature, the basis is that of the stack at 300 K, and corrections join it that the whole
    mesh asks for.

    Parameters
    ----------
    solid : TensorSolver
        Of a problem whose other films stay.
    sources : sequence of HeatSource
    probes : sequence of Probe
    ranges : CompactRanges

    Raises
    ------
    SolverError
        Where it does not come close enough to the mesh.
    """

    def __init__(
        self, solid: TensorSolver, sources: Sequence[HeatSource], probes: Sequence[Place], ranges: CompactRanges
    ) -> None:
        self.sources = {(source.layer, source.extent): i for i, source in enumerate(sources)}
        self.ranges = ranges
        held = solid if solid.is_linear else solid.held_at({})
        units = [replace(source, power=1.0) for source in sources]
        places = [] if held is not solid else [*_bounded(held, units, ranges), *probes]  # with k(T) nothing is bounded
        self.parts = CompactParts(
            lambda films: held.recooled(held.problem.with_films(films)).body(), held.problem, units, places, dict(ranges.films)
        )
        self._reduction, self.steady = steady_reduction(self.parts, ranges.accuracy, lambda solves, miss: None)
        self._own = self._reduction.span.count
        self._own_in_time: TimeBasis | None = None
        self._followed_in_time: TimeBasis | None = None
        self.begin()

    def begin(self) -> None:
        """Forget what earlier cases have added: a case's answers are its own, whichever came before."""
        self._reduction.span.keep(self._own)
        if self._own_in_time is not None:
            self._own_in_time.reduction.keep(self._own_in_time.model.still.size)
        self._in_time, self._started = self._own_in_time, list[Floats]()
        self._followed_in_time = None
        self._tested = TestedError(self.parts.varied)
        self._followed = FollowedConductivity(self._reduction.span, self._tested)

    def powers(self, sources: Sequence[HeatSource]) -> Floats:
        """Of its sources, by where they lie. [W]"""
        found = np.zeros(len(self.sources))
        for source in sources:
            found[self.sources[source.layer, source.extent]] += source.power
        return found

    def films(self, solid: TensorSolver) -> Floats:
        """Present ones of the faces that vary. [W m⁻² K⁻¹]"""
        return np.array([solid.problem.faces[name].film_coefficient for name in self.parts.varied])

    def on_faces(self, solid: TensorSolver) -> Floats:
        """Heat into faces while they have the temperature that rises count from. [W m⁻²]"""
        faces = [solid.problem.faces[name] for name in self.parts.faces]
        return np.array([face.film_coefficient * (face.reference - solid.base) + face.flux for face in faces])

    def risen(self, solid: TensorSolver, sources: Sequence[HeatSource], errors: CompactErrors) -> Floats:
        """Rise of all nodes of a linear solid at its films; `errors` are told of its own. [K]"""
        films, loads = self.films(solid), np.append(self.powers(sources), self.on_faces(solid))
        _, bound = self.steady.answer(films, loads[None])
        amplitudes = loads @ self.steady.modes(films)[: loads.size]
        rise, operator = self.nodal(amplitudes), solid.operator
        left = solid.restrict(solid.load(sources) - operator.apply(rise))
        if (error := self._tested.known(solid, left)) is None:
            error, _ = self._tested.test(solid, operator, left)
        errors.see(bound=float(bound.max()), elsewhere=error)
        return rise

    @property
    def count(self) -> int:
        """Unknowns."""
        return self._reduction.span.count

    def nodal(self, amplitudes: Floats) -> Floats:
        """Rise of all nodes by amplitudes of the states. [K]"""
        return (amplitudes @ self._reduction.span.rows[: amplitudes.size]).reshape(self.parts.shape)

    def settled(self, solid: TensorSolver, sources: Sequence[HeatSource], errors: CompactErrors) -> Settled:
        """State with k(T); `errors` are told of its own, and UncorrectedError is raised where none settles."""
        found = self._followed.settled(solid, solid.load(sources), OF_ACCURACY * self.ranges.accuracy)
        errors.see(estimate=found.estimate)
        return found

    @property
    def in_time(self) -> TimeBasis:
        """Basis and model over time, made when it is first asked for; raises DeckError for a model of steady states alone."""
        if self.ranges.shortest is None:
            text = "is not given, so that the compact model is one of steady states; give the shortest time it has to follow"
            raise DeckError(Problem("compact.shortest", text))
        if self._in_time is None:
            rows = self._reduction.span.rows[: self._own]
            made = TimeBasis(*time_reduction(self.parts, rows, self.ranges.shortest, self.ranges.over_time))
            self._own_in_time = self._in_time = made
        return self._in_time

    def begin_at(self, rise: Floats, errors: CompactErrors) -> TimeBasis:
        """The same with what a solid does that begins with a rise of its own at all nodes [K], which joins."""
        basis, shortest = self.in_time, self.ranges.shortest or np.inf
        if not any(np.array_equal(rise, known) for known in self._started):
            model, missed = started_model(basis.reduction, rise, shortest, self.ranges.over_time)
            basis = self._in_time = TimeBasis(basis.reduction, replace(model, estimate=max(basis.model.estimate, missed.later)))
            self._started.append(rise)
            errors.see(early=missed.highest * float(np.abs(rise).max()))
        return basis

    def followed_in_time(self, solid: TensorSolver, sources: Sequence[HeatSource], course: PowerCourse) -> TimeBasis:
        """The same with k(T), learnt along the course of some sources; made anew for another one."""
        basis, made = self.in_time, self._followed_in_time
        if made is None or made.course is None or not made.course.is_of(course):
            basis.reduction.keep(basis.model.still.size)
            shares = np.array([self.powers([replace(source, power=1.0)]) for source in sources])
            limits = self.ranges.shortest or np.inf, self.ranges.over_time
            made = self._followed_in_time = followed_model(solid, basis, (course, shares), limits)
        return made


def _bounded(held: TensorSolver, units: Sequence[HeatSource], ranges: CompactRanges) -> list[Place]:
    """Layers, and where films vary the places at which each is hottest by equal powers with the lowest of them."""
    layers = held.problem.stack.named
    found: list[Place] = [Box(layer.name, layer.extent) for layer in layers]
    if ranges.films:
        low = held.problem.with_films({name: lowest for name, (lowest, _) in ranges.films.items()})
        field = held.recooled(low).solve(units).field
        found += [Probe(layer.name, *field.layer_peak(layer.name)[1]) for layer in layers]
    return found
