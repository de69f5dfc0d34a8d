"""Coolant settled with the heat of the solid; SI units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from stack3d.fixed_points import Pass, Until, fixed_point
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.backend import SolidBackend, ThermalSolution
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.problem import HeatProblem

COOLANT = Until(1e-6, 60)
"""Change of the coolant temperature. [K]"""
PER_RESIDUAL = 1e3
"""Change for a relative residual of the solid that is asked for, where that is more. [K]"""
MEMORY = 8
"""Earlier passes that the acceleration mixes."""


class _CoolantTrial(NamedTuple):
    """Coolant and solid that a pass begins with."""

    coolant: Floats
    guess: Floats | None


class CoolantBackend:
    """A backend whose channels carry coolant that warms along its way.

    Parameters
    ----------
    backend : SolidBackend
    runs : sequence of ChannelRun
    tolerance : float
        Relative residual of the solid, which says how far the coolant is settled. [-]

    Notes
    -----
    A solver that can has the coolant in its equations, for a third of the work. Otherwise solid and coolant are solved in turn
    until the coolant settles, begun at the answer of such a solver where one has the same elements; passes are accelerated
    (Anderson 1965, doi:10.1145/321296.321305). Conduction along the coolant is left out: the Péclet number of liquids in
    channels is large.
    """

    def __init__(self, backend: SolidBackend, runs: Sequence[ChannelRun], tolerance: float = 0.0) -> None:
        self.backend, self.runs, self.tolerance = backend, tuple(runs), tolerance
        self.whole = backend.with_coolant(self.runs)
        self._near = None if self.whole is not None else backend.near_with_coolant(self.runs)

    @property
    def problem(self) -> HeatProblem:
        """Of the solid."""
        return self.backend.problem

    @property
    def counts(self) -> Counter[str]:
        """Of the solid."""
        return self.backend.counts

    def recooled(self, problem: Any) -> CoolantBackend:
        """The same channels with other films and references on the outer faces."""
        return CoolantBackend(self.backend.recooled(problem), self.runs, self.tolerance)

    def unchecked(self) -> CoolantBackend:
        """Itself: checks cost little here."""
        return self

    def roughly(self) -> CoolantBackend:
        """Coolant and solid to few digits where they are one system, else itself."""
        if self.whole is None:
            return self
        other = copy(self)
        other.whole = self.whole.roughly()
        return other

    def held_at(self, means: Mapping[str, float]) -> SolidBackend:
        """Of the solid alone."""
        return self.backend.held_at(means)

    def solve(
        self,
        sources: Sequence[HeatSource],
        *,
        guess: Floats | None = None,
        references: Mapping[str, Floats] | None = None,
    ) -> ThermalSolution:
        """Steady temperature of solid and coolant, begun at a `guess` [K]; raises SolverError when they do not settle."""
        if self.whole is None:
            return self._in_turn(sources, guess, references or {})
        solution = self.whole.solve(sources, guess=guess, references=references)
        return self._finished(solution, self._warmed(solution.field.values), 1)

    def _warmed(self, values: Floats) -> list[Floats]:
        """Coolant beside walls of a temperature, by run. [K]"""
        stack, grid = self.problem.stack, self.problem.lines
        return [run.coolant_temperature(grid, run.wall_temperature(stack, grid, values)) for run in self.runs]

    def _in_turn(
        self, sources: Sequence[HeatSource], guess: Floats | None, references: Mapping[str, Floats]
    ) -> ThermalSolution:
        """Solid and coolant in turn until the coolant settles."""
        grid = self.problem.lines
        sizes = [run.shape(grid) for run in self.runs]
        ends = np.cumsum([a * b for a, b in sizes])[:-1]

        def split(state: Floats) -> list[Floats]:
            return [part.reshape(size) for part, size in zip(np.split(state, ends), sizes)]

        def warmed(values: Floats) -> Floats:
            return np.concatenate([part.ravel() for part in self._warmed(values)])

        if self._near is not None:
            guess = self._near.solve(sources, guess=guess, references=references).field.values
        if guess is None:
            heat = sum(source.power for source in sources) / len(self.runs)
            state = np.concatenate([run.warmed(grid, heat).ravel() for run in self.runs])
        else:
            state = warmed(guess)
        until = COOLANT._replace(change=max(COOLANT.change, PER_RESIDUAL * self.tolerance))
        states: list[Floats] = []
        changes: list[Floats] = []

        def once(trial: _CoolantTrial) -> Pass[_CoolantTrial, tuple[ThermalSolution, list[Floats]]]:
            state, guess = trial
            parts = zip(self.runs, split(state))
            coolant = {patch: run.on_nodes(grid, part) for run, part in parts for patch in run.patches}
            solution = self.backend.solve(sources, guess=guess, references={**references, **coolant})
            guess = solution.field.values
            new = warmed(guess)
            change = new - state
            states.append(state)
            changes.append(change)
            following = _CoolantTrial(_mixed(states[-MEMORY:], changes[-MEMORY:]), guess)
            return Pass((solution, split(new)), float(np.abs(change).max()), following)

        first = _CoolantTrial(state, guess)
        advice = "check flow_rate and power"
        found = fixed_point(first, once, until, what="temperatures of the coolant", unit="K", advice=advice)
        return self._finished(*found.answer, found.passes)

    def _finished(self, solution: ThermalSolution, coolant: list[Floats], passes: int) -> ThermalSolution:
        """Solution with the coolant in the void of its channels."""
        stack, grid = self.problem.stack, self.problem.lines
        values = solution.field.values.copy()
        for run, part in zip(self.runs, coolant):
            run.fill(stack, grid, values, part)
        return replace(
            solution,
            field=solution.field.with_values(values),
            outlets={run.name: run.outlets(grid, part) for run, part in zip(self.runs, coolant)},
            statistics={**solution.statistics, "coolant_passes": passes},
        )


def _mixed(states: list[Floats], changes: list[Floats]) -> Floats:
    """Next state: the combination of past ones whose changes cancel best."""
    if len(states) == 1:
        return states[0] + changes[0]
    steps = np.diff(np.array(changes), axis=0).T
    weights = np.linalg.lstsq(steps, changes[-1], rcond=1e-12)[0]
    moves = (np.diff(np.array(states), axis=0) + np.diff(np.array(changes), axis=0)).T
    return np.asarray(states[-1] + changes[-1] - moves @ weights)
