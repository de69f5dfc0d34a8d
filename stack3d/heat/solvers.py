"""Solvers of a chip's temperature, kept from case to case."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from stack3d.errors import DeckError
from stack3d.heat.loads import channel_runs, film_laws
from stack3d.heat.meshing import AnyKind
from stack3d.layout import Stack
from stack3d.schema import Scenario
from stack3d.thermal import (
    CompactErrors,
    CompactRanges,
    CoolantBackend,
    HeatProblem,
    KeptModels,
    Probe,
    SettledBackend,
    SolidBackend,
    ThermalBackend,
)

_MODELS: WeakKeyDictionary[Any, tuple[tuple[Any, ...], KeptModels]] = WeakKeyDictionary()
"""Compact models by the lines of their mesh: phases of a mission have solvers of their own on it."""


def make_backend(scenario: Scenario, stack: Stack, body: AnyKind) -> ThermalBackend:
    """Set up the solver that a profile asks for on a mesh of a stack."""
    problem = body.problem(stack, scenario.cooling)
    return _coupled(scenario, body.solver(problem, scenario.solver, Counter()))


def _coupled(scenario: Scenario, solid: SolidBackend) -> ThermalBackend:
    """The solver of the solid, coupled to its channels and to films that follow the temperature."""
    problem: HeatProblem = solid.problem
    runs = channel_runs(problem.stack)
    cooled = CoolantBackend(solid, runs, scenario.solver.linear.tolerance) if runs else solid
    laws = film_laws(scenario.cooling, problem)
    return SettledBackend(cooled, laws) if laws else cooled


class Backends:
    """Keeps the solver made last, for cases that differ in power or cooling alone; one at a time, so that memory stays flat.

    Parameters
    ----------
    counts : Counter
        What was done so far: ``solvers`` made, ``recooled`` (the kept one was given other films instead), and what
        `SolidBackend` counts.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(
            dict.fromkeys(("solvers", "recooled", "meshes", "assemblies", "preconditioners"), 0)
        )
        self._key: tuple[Any, ...] | None = None
        self._solid: SolidBackend | None = None
        self._of_models: tuple[Any, ...] | None = None
        self._models: KeptModels | None = None

    @cached_property
    def coarse(self) -> Backends:
        """The same for the coarser mesh of the error estimate."""
        return Backends()

    def of(self, scenario: Scenario, stack: Stack, body: AnyKind) -> ThermalBackend:
        """The solver of `solid`, coupled to its channels and to films that follow the temperature."""
        return _coupled(scenario, self.solid(scenario, stack, body))

    def solid(self, scenario: Scenario, stack: Stack, body: AnyKind) -> SolidBackend:
        """The solver kept when stack, mesh and profile are the same ones, with other films if need be; else a new one."""
        problem = body.problem(stack, scenario.cooling)
        profile = scenario.solver.model_dump_json(exclude={"source", "assumed", "title"})
        key = (problem.key, profile)
        if key != self._key:
            self._solid = None  # let go of the old one before the new one takes its memory
        elif self._solid is not None and self._solid.problem.faces != problem.faces:
            try:
                self._solid = self._solid.recooled(problem)
                self.counts["recooled"] += 1
            except DeckError:  # a face that changes its kind needs a new solver
                self._solid = None
        if self._solid is None:
            self._solid = body.solver(problem, scenario.solver, self.counts)
            self.counts["solvers"] += 1
        self._key = key
        if scenario.solver.backend != "compact":
            self._models = self._of_models = None
            return self._solid
        return self._solid.by_models(self._kept(scenario, problem))

    def begin(self) -> None:
        """Begin another case: what a compact model has learnt from the one before is forgotten, and its errors are."""
        if self._models is not None:
            self._models.begin()

    @property
    def compact_errors(self) -> CompactErrors | None:
        """Errors of the compact model in the present case, None where there is none."""
        return None if self._models is None else self._models.errors

    def _kept(self, scenario: Scenario, problem: HeatProblem) -> KeptModels:
        """Compact models of the mesh, those of the case before where they are of the same."""
        deck, points = scenario.compact, [Probe(p.layer, p.x, p.y, p.z) for p in scenario.probes]
        ranges = CompactRanges(dict(deck.films), deck.accuracy, deck.shortest, deck.over_time)
        key = self._key, deck.model_dump_json(), tuple(points)
        if self._models is None or key != self._of_models:
            known, kept = _MODELS.get(problem.lines, (None, None))
            self._models = kept if kept is not None and known == key else KeptModels(ranges, points)
            self._of_models = key
        _MODELS[problem.lines] = key, self._models
        return self._models
