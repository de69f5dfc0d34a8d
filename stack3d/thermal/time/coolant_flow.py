"""Coolant in channels over time: its own heat capacity, carried along, in exchange with the walls; SI units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from stack3d.layout import Floats
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.problem import HeatProblem


class CoolantFlow:
    r"""The unknowns of the coolant: its rise over `base` at every line past the inlet of every channel, as one flat array.

    Parameters
    ----------
    runs : sequence of ChannelRun
    problem : HeatProblem
        Of a grid, where there are runs.
    integral : callable
        `Body.face_integral`, whose faces carry the films of the runs.
    base : float
        Temperature that rises count from. [K]

    Notes
    -----
    :math:`\rho c A\,\partial T/\partial t + C\,\partial T/\partial s = h P (T_w - T)` with storage and exchange at the mean of
    the two ends of a segment (the box scheme): second order in time and along the flow, and what a segment gains is what its
    walls lose. The steady form is that of `ChannelRun.coolant_temperature`.
    """

    def __init__(
        self, runs: Sequence[ChannelRun], problem: HeatProblem, integral: Callable[[str, Floats, Floats], Floats], base: float
    ) -> None:
        self.runs, self.base, self._integral = tuple(runs), base, integral
        if runs:
            self.grid, self.stack = problem.lines, problem.stack
        self._segments = [run.segments(self.grid) for run in self.runs]
        self.shapes = [film.shape for _, film, _ in self._segments]
        self.size = sum(a * b for a, b in self.shapes)

    def split(self, flat: Floats) -> list[Floats]:
        """Rises of each run, shape (channels, lines - 1)."""
        ends = np.cumsum([a * b for a, b in self.shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), self.shapes)]

    def start(self) -> Floats:
        """Coolant at its inlet temperature everywhere."""
        return np.concatenate(
            [np.full(a * b, r.channels.inlet_temperature - self.base) for r, (a, b) in zip(self.runs, self.shapes)]
        )

    def mass(self, flat: Floats) -> Floats:
        """Heat stored in each segment, the inlet left out. [J]"""
        parts = []
        for (_, _, store), part in zip(self._segments, self.split(flat)):
            before = np.concatenate([np.zeros((part.shape[0], 1)), part[:, :-1]], axis=1)
            parts.append((0.5 * store * (before + part)).ravel())
        return np.concatenate(parts)

    def walls(self, rise: Floats) -> list[Floats]:
        """Mean rise of the walls over each segment."""
        lines = [run.wall_temperature(self.stack, self.grid, rise) for run in self.runs]
        return [0.5 * (wall[:, 1:] + wall[:, :-1]) for wall in lines]

    def stiffness(self, rise: Floats, flat: Floats) -> Floats:
        """Heat that each segment carries away and does not get from its walls, for the rise of the solid. [W]"""
        parts = []
        for (rate, film, _), wall, full in zip(self._segments, self.walls(rise), self.lines(flat)):
            parts.append((rate * np.diff(full, axis=1) + film * (0.5 * (full[:, 1:] + full[:, :-1]) - wall)).ravel())
        return np.concatenate(parts)

    def respond(self, rate: float, walls: Sequence[Floats], right: Floats) -> Floats:
        """Change of the coolant for changed walls and right-hand sides of (stiffness + rate mass); none at the inlet."""
        out = []
        for (rates, film, store), wall, load in zip(self._segments, walls, self.split(right)):
            carried, part, before = rates[:, 0], np.empty_like(load), np.zeros(load.shape[0])
            half = 0.5 * (film + rate * store)
            for j in range(load.shape[1]):
                before = (load[:, j] + film[:, j] * wall[:, j] + (carried - half[:, j]) * before) / (carried + half[:, j])
                part[:, j] = before
            out.append(part.ravel())
        return np.concatenate(out)

    def steady(self, rise: Floats) -> Floats:
        """Coolant that has settled with walls of a rise of the solid."""
        return self.respond(0.0, self.walls(rise), -self.stiffness(np.zeros_like(rise), np.zeros(self.size)))

    def take_answer(self, rate: float, change: Floats, out: Floats) -> None:
        """Take off `out` the heat that the coolant brings to the walls because the solid has changed, on its nodes. [W]"""
        self.load(-self.respond(rate, self.walls(change), np.zeros(self.size)), inlet=False, out=out)

    def lines(self, flat: Floats, inlet: bool = True) -> list[Floats]:
        """Rises at all lines, shape (channels, lines), those of the inlet included or, for changes, zero."""
        first = [run.channels.inlet_temperature - self.base if inlet else 0.0 for run in self.runs]
        return [
            np.concatenate([np.full((part.shape[0], 1), value), part], axis=1) for value, part in zip(first, self.split(flat))
        ]

    def load(self, flat: Floats, inlet: bool = True, out: Floats | None = None) -> Floats:
        """Heat that the coolant's own rise brings to the walls, on the nodes of the solid, added to `out` if given. [W]"""
        out = np.zeros(tuple(v.size for v in (self.grid.z, self.grid.y, self.grid.x))) if out is None else out
        for run, part in zip(self.runs, self.lines(flat, inlet)):
            rise = run.on_nodes(self.grid, part)
            for patch in run.patches:
                self._integral(patch, run.film(patch) * rise, out)
        return out

    def temperatures(self, flat: Floats) -> dict[str, Floats]:
        """Temperature at all lines by run, shape (channels, lines). [K]"""
        return {run.name: part + self.base for run, part in zip(self.runs, self.lines(flat))}

    def references(self, flat: Floats) -> Mapping[str, Floats]:
        """Reference temperatures of the films of the runs, on nodes. [K]"""
        of_runs = zip(self.runs, self.temperatures(flat).values())
        return {patch: run.on_nodes(self.grid, values) for run, values in of_runs for patch in run.patches}
