"""The solver of profiles that ask for ``compact``: a model of few unknowns in place of every full solve; SI units."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from stack3d.errors import DeckError, Problem
from stack3d.fe.corrections import UncorrectedError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.compact.compact_model import check_range
from stack3d.thermal.compact.compact_system import CompactSystem
from stack3d.thermal.compact.reduced_solid import CompactErrors, CompactRanges, ReducedSolid
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.falling_conductivity import of_conductivity
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Place, Probe
from stack3d.thermal.problem import FilmLaw, HeatProblem, ThermalProblem
from stack3d.thermal.time.body import WeighedBody
from stack3d.thermal.time.system import PowerCourse, TransientSystem

MOST_KEPT = 4
"""Models of one mesh that are kept: for sources elsewhere, or with films that are in no range."""


class KeptModels:
    """Models of one mesh, kept from case to case, and the errors of the present one.

    Parameters
    ----------
    ranges : CompactRanges
    probes : sequence of Probe
    """

    def __init__(self, ranges: CompactRanges, probes: Sequence[Probe]) -> None:
        self.ranges, self.probes = ranges, tuple(probes)
        self.errors = CompactErrors()
        self._models: dict[Hashable, ReducedSolid] = {}

    def begin(self) -> None:
        """Begin another case."""
        self.errors = CompactErrors()
        for model in self._models.values():
            model.begin()

    def of(self, solid: TensorSolver, sources: Sequence[HeatSource]) -> ReducedSolid:
        """The model of a solid for sources where these lie, made where there is none."""
        places = tuple(dict.fromkeys((source.layer, source.extent) for source in sources))
        still = [
            (name, face.film_coefficient * (name not in self.ranges.films), face.capacity, bool(face.flux))
            for name, face in solid.problem.faces.items()
            if face.film_coefficient or face.flux
        ]
        key = places, tuple(still), solid.problem.stack
        if key not in self._models:
            if len(self._models) == MOST_KEPT:
                del self._models[next(iter(self._models))]
            of_place = {(source.layer, source.extent): source for source in sources}
            self._models[key] = ReducedSolid(solid, list(of_place.values()), self.probes, self.ranges)
            solid.counts["models"] += 1
        return self._models[key]


class CompactSolver:
    """Backend ``compact``: fields of a `TensorSolver` by a model that is made when it is first asked.

    Parameters
    ----------
    solid : TensorSolver
    kept : KeptModels
    """

    def __init__(self, solid: TensorSolver, kept: KeptModels) -> None:
        self.solid, self.kept = solid, kept

    @property
    def problem(self) -> ThermalProblem:
        """Of the solid."""
        return self.solid.problem

    @property
    def counts(self) -> Counter[str]:
        """Of the solid."""
        return self.solid.counts

    def near_with_coolant(self, runs: Sequence[ChannelRun]) -> None:
        """None: a model answers quickly."""

    def with_coolant(self, runs: Sequence[ChannelRun]) -> None:
        """None: it solves the solid alone."""

    def recooled(self, problem: ThermalProblem) -> CompactSolver:
        """With other films and references; raises RangeError for films outside their ranges."""
        check_films(problem, self.kept.ranges)
        return CompactSolver(self.solid.recooled(problem), self.kept)

    def unchecked(self) -> CompactSolver:
        """Itself: checks cost little here."""
        return self

    def roughly(self) -> CompactSolver:
        """Itself."""
        return self

    def held_at(self, means: Mapping[str, float]) -> CompactSolver:
        """Itself where nothing follows the temperature."""
        if self.solid.is_linear and self.solid.cells.stores_linearly:
            return self
        return CompactSolver(self.solid.held_at(means), self.kept)

    def body(self) -> WeighedBody:
        """Of the solid."""
        return self.solid.body()

    def by_models(self, kept: KeptModels) -> CompactSolver:
        """The same solid by other models."""
        return CompactSolver(self.solid, kept)

    def system(
        self,
        sources: Sequence[HeatSource],
        places: Sequence[Place],
        *,
        rtol: float = 1e-10,
        laws: Mapping[str, FilmLaw] | None = None,
        runs: Sequence[ChannelRun] = (),
        course: PowerCourse | None = None,
    ) -> TransientSystem:
        """Modes of the model; raises DeckError for coolant, and for heat capacities that follow the temperature."""
        if runs or not self.solid.cells.stores_linearly:
            text = "compact goes neither with coolant nor, over time, with heat capacities that follow the temperature"
            raise DeckError(Problem("solver.backend", text))
        model = self.kept.of(self.solid, sources)
        return CompactSystem(self.solid, model, sources, places, self.kept.errors, laws or {}, course)

    def solve(
        self,
        sources: Sequence[HeatSource],
        *,
        guess: Floats | None = None,
        references: Mapping[str, Floats] | None = None,
    ) -> ThermalSolution:
        """Steady temperature; raises DeckError for nodal `references`, SolverError where k(T) does not settle."""
        if references:
            raise DeckError(Problem("solver.backend", "compact does not go with coolant"))
        started = time.perf_counter()
        solid, errors = self.solid, self.kept.errors
        model = self.kept.of(solid, sources)
        made, updates, operator = time.perf_counter(), 0, solid.operator
        if solid.is_linear:
            rise = model.risen(solid, sources, errors)
        else:
            try:
                rise, operator, _, updates = model.settled(solid, sources, errors)
            except UncorrectedError as error:
                stack, heat = self.problem.stack, solid.heat_in(sources)
                raise of_conductivity(error, lambda state: self._field(model, state), stack, heat) from None
        statistics = {
            "backend": "compact",
            "linear_solver": f"projection on {model.count} states",
            "iterations": updates or 1,
            "conductivity_updates": updates,
            "seconds": {"setup": made - started, "solve": time.perf_counter() - made},
        }
        return solid.solution(sources, rise, operator, statistics)

    def _field(self, model: ReducedSolid, amplitudes: Floats) -> GridField:
        return GridField(self.problem.stack, self.problem.grid, model.nodal(amplitudes) + self.solid.base)


def check_films(problem: HeatProblem, ranges: CompactRanges) -> None:
    """Raise RangeError for films outside the ranges of a model."""
    for name, (low, high) in ranges.films.items():
        check_range(f"film of {name}", problem.faces[name].film_coefficient, low, high, "W/m^2/K")
