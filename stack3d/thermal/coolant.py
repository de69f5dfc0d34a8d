"""Coolant in channels: its energy balance along the flow, settled with the heat of the solid; SI units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Channels, Floats, Grid, HeatSource, Stack, hat_integrals
from stack3d.thermal.problem import GridField, SolidBackend, ThermalProblem, ThermalSolution

SETTLED = 1e-6
"""Change of the coolant temperature between two passes at which they end. [K]"""
MOST_PASSES = 60
FIRST_TOLERANCE, TOLERANCE_SHARE = 1e-5, 1e-3
"""Residual of the solid in the first pass, and in the others as a share of what the coolant still changes. [-]"""
MEMORY = 8
"""Earlier passes that the acceleration mixes."""


@dataclass(frozen=True, eq=False)
class ChannelRun:
    """Channels of one layer on the lines of a grid.

    Parameters
    ----------
    name : str
        Of the patch that carries their film.
    layer : str
    channels : Channels
    film_coefficient : float
        [W m⁻² K⁻¹]
    """

    name: str
    layer: str
    channels: Channels
    film_coefficient: float

    def lines(self, grid: Grid) -> tuple[Floats, Floats, slice]:
        """Lines across, lines along, and the part of the latter that the channels reach."""
        across, along = (grid.x, grid.y) if self.channels.direction == "y" else (grid.y, grid.x)
        first = self.channels.outlines[0]
        low, high = (first.y0, first.y1) if self.channels.direction == "y" else (first.x0, first.x1)
        start, stop = int(np.abs(along - low).argmin()), int(np.abs(along - high).argmin())
        return across, along, slice(start, stop + 1)

    def spans(self) -> list[tuple[float, float]]:
        """Walls of each channel across the flow. [m]"""
        along_y = self.channels.direction == "y"
        return [(o.x0, o.x1) if along_y else (o.y0, o.y1) for o in self.channels.outlines]

    def wall_temperature(self, stack: Stack, grid: Grid, values: Floats) -> Floats:
        """Mean over the perimeter at each line along the flow, shape (channels, lines). [K]"""
        across, _, reach = self.lines(grid)
        cells = grid.cells_of(stack.index[self.layer])
        low, high = int(cells[0]), int(cells[-1]) + 1
        field = values[low : high + 1] if self.channels.direction == "y" else values[low : high + 1].swapaxes(1, 2)
        field = field[:, reach]
        slab = stack.layer(self.layer)
        upward = hat_integrals(grid.z[low : high + 1], slab.z0, slab.z1)
        out = []
        for a, b in self.spans():
            sideways = hat_integrals(across, a, b)
            edges = [int(np.abs(across - v).argmin()) for v in (a, b)]
            around = (field[0] + field[-1]) @ sideways + np.tensordot(upward, field[:, :, edges].sum(axis=2), axes=1)
            out.append(around / (2 * (b - a + slab.thickness)))
        return np.array(out)

    def coolant_temperature(self, grid: Grid, wall: Floats) -> Floats:
        """Coolant temperature at each line for the temperature of its walls, shape (channels, lines). [K]

        C dT/ds = h P (T_wall - T), both linear between lines: second order in the spacing.
        """
        capacity_rate, film, _ = self.segments(grid)
        share = 0.5 * film / capacity_rate
        out = np.empty_like(wall)
        out[:, 0] = self.channels.inlet_temperature
        for j, a in enumerate(share):
            out[:, j + 1] = ((1 - a) * out[:, j] + a * (wall[:, j] + wall[:, j + 1])) / (1 + a)
        return out

    def warmed(self, grid: Grid, heat: float) -> Floats:
        """Coolant that takes up `heat` [W] evenly along its way, shape (channels, lines). [K]"""
        _, along, reach = self.lines(grid)
        part = along[reach]
        rise = heat / (self.channels.flow_rate * self.channels.heat_capacity)
        row = self.channels.inlet_temperature + rise * (part - part[0]) / (part[-1] - part[0])
        return np.tile(row, (len(self.channels.outlines), 1))

    def on_nodes(self, grid: Grid, coolant: Floats) -> Floats:
        """Coolant temperature on all lateral nodes, inlet temperature outside the channels, shape (1, ny+1, nx+1). [K]"""
        across, along, reach = self.lines(grid)
        plane = np.full((along.size, across.size), self.channels.inlet_temperature)
        for (a, b), row in zip(self.spans(), coolant):
            start, stop = (int(np.abs(across - v).argmin()) for v in (a, b))
            plane[reach, start : stop + 1] = row[:, None]
        return (plane if self.channels.direction == "y" else plane.T)[None]

    def fill(self, stack: Stack, grid: Grid, values: Floats, coolant: Floats) -> None:
        """Write the coolant temperature, shape (channels, lines), into the void of the channels, in place. [K]"""
        cells = grid.cells_of(stack.index[self.layer])
        plane = self.on_nodes(grid, coolant)[0]
        for o in self.channels.outlines:
            inside = np.ix_(
                range(int(cells[0]) + 1, int(cells[-1]) + 1),
                np.flatnonzero((grid.y > o.y0 + 1e-12) & (grid.y < o.y1 - 1e-12)),
                np.flatnonzero((grid.x > o.x0 + 1e-12) & (grid.x < o.x1 - 1e-12)),
            )
            values[inside] = plane[inside[1][0], inside[2][0]]

    def segments(self, grid: Grid) -> tuple[float, Floats, Floats]:
        """Capacity rate of a channel [W/K]; film conductance to its walls [W/K] and heat capacity [J/K] between lines."""
        channels = self.channels
        _, along, reach = self.lines(grid)
        step = np.diff(along[reach])
        capacity_rate = channels.flow_rate / len(channels.outlines) * channels.heat_capacity
        film = self.film_coefficient * 2 * (channels.width + channels.height)
        store = channels.heat_capacity * channels.width * channels.height
        return capacity_rate, film * step, store * step


@runtime_checkable
class Adjustable(SolidBackend, Protocol):
    """A solver that can do with less than the accuracy it was made for."""

    def with_tolerance(self, rtol: float) -> SolidBackend:
        """The same solver, content with another relative residual."""


class CoolantBackend:
    """A backend whose channels carry coolant that warms along its way.

    Parameters
    ----------
    backend : SolidBackend
    runs : sequence of ChannelRun

    Notes
    -----
    Solid and coolant are solved in turn until the coolant settles; passes are accelerated (Anderson 1965,
    doi:10.1145/321296.321305), and a solid solver that can is asked for no more accuracy than the coolant has reached: half the
    work. Conduction along the coolant is left out: the Péclet number of liquids in channels is large.
    """

    def __init__(self, backend: SolidBackend, runs: Sequence[ChannelRun]) -> None:
        self.backend, self.runs = backend, tuple(runs)

    @property
    def problem(self) -> ThermalProblem:
        """Of the solid; channels lie on the lines of a grid."""
        problem = self.backend.problem
        assert isinstance(problem, ThermalProblem)
        return problem

    @property
    def counts(self) -> Counter[str]:
        """Of the solid."""
        return self.backend.counts

    def recooled(self, problem: ThermalProblem) -> CoolantBackend:
        """The same channels with other films and references on the outer faces."""
        return CoolantBackend(self.backend.recooled(problem), self.runs)

    def solve(
        self,
        sources: Sequence[HeatSource],
        *,
        guess: Floats | None = None,
        references: Mapping[str, Floats] | None = None,
    ) -> ThermalSolution:
        """Steady temperature of solid and coolant, begun at a `guess` [K]; raises SolverError when they do not settle."""
        stack, grid = self.problem.stack, self.problem.grid
        sizes = [(len(r.channels.outlines), r.lines(grid)[1][r.lines(grid)[2]].size) for r in self.runs]
        ends = np.cumsum([a * b for a, b in sizes])[:-1]

        def split(state: Floats) -> list[Floats]:
            return [part.reshape(size) for part, size in zip(np.split(state, ends), sizes)]

        heat = sum(source.power for source in sources) / len(self.runs)
        state = np.concatenate([run.warmed(grid, heat).ravel() for run in self.runs])
        states: list[Floats] = []
        changes: list[Floats] = []
        tolerance = FIRST_TOLERANCE if isinstance(self.backend, Adjustable) else 0.0
        for passes in range(1, MOST_PASSES + 1):
            coolant = {run.name: run.on_nodes(grid, part) for run, part in zip(self.runs, split(state))}
            loose = self.backend.with_tolerance(tolerance) if isinstance(self.backend, Adjustable) and tolerance else None
            solution = (loose or self.backend).solve(sources, guess=guess, references={**(references or {}), **coolant})
            guess = solution.field.values
            walls = [run.wall_temperature(stack, grid, solution.field.values) for run in self.runs]
            new = np.concatenate([run.coolant_temperature(grid, wall).ravel() for run, wall in zip(self.runs, walls)])
            change = new - state
            largest = float(np.abs(change).max())
            if largest <= SETTLED and loose is None:
                return self._finished(solution, split(new), passes)
            if loose is not None:
                warmest = max(float(np.ptp(guess)), SETTLED)
                tolerance = TOLERANCE_SHARE * largest / warmest if largest > 10 * SETTLED else 0.0
            states.append(state)
            changes.append(change)
            state = _mixed(states[-MEMORY:], changes[-MEMORY:])
        raise SolverError(
            f"coolant: still changes by {np.abs(change).max():.1e} K after {MOST_PASSES} passes; check flow_rate and power"
        )

    def _finished(self, solution: ThermalSolution, coolant: list[Floats], passes: int) -> ThermalSolution:
        """Solution with the coolant in the void of its channels."""
        stack, grid = self.problem.stack, self.problem.grid
        values = solution.field.values.copy()
        for run, part in zip(self.runs, coolant):
            run.fill(stack, grid, values, part)
        return replace(
            solution,
            field=GridField(stack, grid, values),
            outlets={run.name: part[:, -1] for run, part in zip(self.runs, coolant)},
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
