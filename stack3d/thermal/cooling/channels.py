"""Coolant in a run of channels: its energy balance along the flow; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from stack3d.fe.lines import hat_integrals
from stack3d.grids import Grid
from stack3d.layout import CHANNEL_PARTS, ChannelPart, Channels, Floats, Stack, Surface
from stack3d.meshes import Ints


class _Crossed(NamedTuple):
    """Where channels lie on a grid, and what its nodes weigh in the means over their walls."""

    heights: slice
    """Planes of nodes from floor to ceiling."""
    reach: slice
    """Lines along the flow."""
    edges: Ints
    """Lines across at the two walls of each channel in turn."""
    ends: Ints
    """First line across of each channel and the one after its last, in turn."""
    sideways: Floats
    """Width of the channels that each line across stands for. [m]"""
    upward: Floats
    """Height that each plane of nodes stands for. [m]"""


@dataclass(frozen=True, eq=False)
class ChannelRun:
    """Channels of one layer on the lines of a grid.

    Parameters
    ----------
    name : str
        Of the patch that carries their film, that of the walls where films differ.
    layer : str
    channels : Channels
    films : mapping of part to float
        Film coefficient of floor, ceiling and walls. [W m⁻² K⁻¹]
    """

    name: str
    layer: str
    channels: Channels
    films: Mapping[ChannelPart, float]

    @cached_property
    def _known(self) -> WeakKeyDictionary[Grid, _Crossed]:
        return WeakKeyDictionary()

    @cached_property
    def _lines_known(self) -> WeakKeyDictionary[Grid, tuple[Ints, Ints]]:
        return WeakKeyDictionary()

    @cached_property
    def patches(self) -> dict[str, Surface]:
        """Surface of each film: one for all parts, or one for each where films differ."""
        channels = self.channels
        surface = Surface(self.name, self.layer, "channels", channels.outlines, channels.direction)
        if len(set(self.films.values())) == 1:
            return {self.name: surface}
        names = {part: self.name if part == "walls" else f"{self.name}_{part}" for part in CHANNEL_PARTS}
        return {name: replace(surface, name=name, parts=(part,)) for part, name in names.items()}

    def film(self, patch: str) -> float:
        """Film coefficient of a patch. [W m⁻² K⁻¹]"""
        return self.films[self.patches[patch].parts[0]]

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

    @property
    def label(self) -> str:
        """Layer, with its inlet where it has several."""
        return self.name.removesuffix("_coolant")

    def shape(self, grid: Grid) -> tuple[int, int]:
        """Ways that the coolant takes side by side, and lines along each, those of every pass."""
        _, along, reach = self.lines(grid)
        return self.channels.ways, self.channels.passes * along[reach].size

    def _is_backward(self, number: int) -> bool:
        """Whether the coolant flows towards smaller x or y in a pass."""
        return (number % 2 == 1) != self.channels.is_reversed

    def _turned(self, parts: Sequence[Floats]) -> list[Floats]:
        """Channels and lines of each pass as the coolant meets them, and back; the outermost way stays the outermost."""
        return [part[:: -1 if p % 2 else 1, :: -1 if self._is_backward(p) else 1] for p, part in enumerate(parts)]

    def _on_ways(self, values: Floats) -> Floats:
        """Values of each channel as the coolant meets them, shape (channels, lines) → (ways, lines of all passes)."""
        return np.concatenate(self._turned(np.split(values, self.channels.passes)), axis=1)

    def _on_channels(self, values: Floats) -> Floats:
        """The way back of `_on_ways`."""
        return np.concatenate(self._turned(np.split(values, self.channels.passes, axis=1)), axis=0)

    def _lines_across(self, grid: Grid) -> tuple[Ints, Ints]:
        """Lines across from wall to wall of every channel in turn, and which channel each is of; sought once."""
        if grid not in self._lines_known:
            across, _, _ = self.lines(grid)
            ends = np.abs(across[:, None] - np.ravel(self.spans())).argmin(axis=0).reshape(-1, 2)
            lines = [np.arange(a, b + 1) for a, b in ends]
            channel = np.repeat(np.arange(len(lines)), [part.size for part in lines])
            self._lines_known[grid] = np.concatenate(lines), channel
        return self._lines_known[grid]

    def _crossed(self, stack: Stack, grid: Grid) -> _Crossed:
        """Where it lies on a grid; sought once."""
        if grid not in self._known:
            across, _, reach = self.lines(grid)
            cells = grid.cells_of(stack.slabs[self.layer])
            low, high = int(cells[0]), int(cells[-1]) + 1
            layer, spans = stack.layer(self.layer), self.spans()
            edges = np.abs(across[:, None] - np.ravel(spans)).argmin(axis=0)
            sideways = sum((hat_integrals(across, a, b) for a, b in spans), np.zeros(across.size))
            upward = hat_integrals(grid.z[low : high + 1], layer.z0, layer.z1)
            ends = edges + np.tile([0, 1], len(spans))
            self._known[grid] = _Crossed(slice(low, high + 1), reach, edges, ends, sideways, upward)
        return self._known[grid]

    def wall_temperature(self, stack: Stack, grid: Grid, values: Floats) -> Floats:
        """Mean over the perimeter, weighted by the films, at each line along the flow, shape (ways, lines). [K]"""
        at = self._crossed(stack, grid)
        field = values[at.heights] if self.channels.direction == "y" else values[at.heights].swapaxes(1, 2)
        field = field[:, at.reach]
        walls, ceiling, floor = (self.films[part] for part in ("walls", "ceiling", "floor"))
        width, height = self.channels.width, self.channels.height
        around = np.add.reduceat((floor * field[0] + ceiling * field[-1]) * at.sideways, at.ends, axis=1)[:, ::2]
        beside = np.tensordot(at.upward, field[:, :, at.edges], axes=1)
        around += walls * (beside[:, ::2] + beside[:, 1::2])
        return self._on_ways(around.T / ((floor + ceiling) * width + 2 * walls * height))

    def coolant_temperature(self, grid: Grid, wall: Floats) -> Floats:
        """Coolant temperature at each line for the temperature of its walls, shape (ways, lines). [K]

        C dT/ds = h P (T_wall - T), both linear between lines: second order in the spacing.
        """
        capacity_rate, film, _ = self.segments(grid)
        share = 0.5 * film / capacity_rate
        out = np.empty_like(wall)
        out[:, 0] = self.channels.inlet_temperature
        for j, a in enumerate(share.T):
            out[:, j + 1] = ((1 - a) * out[:, j] + a * (wall[:, j] + wall[:, j + 1])) / (1 + a)
        return out

    def warmed(self, grid: Grid, heat: float) -> Floats:
        """Coolant that takes up `heat` [W] evenly along its way, shape (ways, lines). [K]"""
        _, film, _ = self.segments(grid)
        rise = heat / (self.channels.flow_rate * self.channels.heat_capacity)
        so_far = np.cumsum(np.pad(film, ((0, 0), (1, 0))), axis=1)
        return np.asarray(self.channels.inlet_temperature + rise * so_far / so_far[:, -1:])

    def outlets(self, grid: Grid, coolant: Floats) -> Floats:
        """Temperature at the end of each way, of coolant of shape (ways, lines). [K]"""
        return coolant[:, -1]

    def on_nodes(self, grid: Grid, coolant: Floats) -> Floats:
        """Coolant temperature on all lateral nodes, inlet temperature outside the channels, shape (1, ny+1, nx+1). [K]"""
        across, along, reach = self.lines(grid)
        plane = np.full((along.size, across.size), self.channels.inlet_temperature)
        lines, channel = self._lines_across(grid)
        plane[reach, lines] = self._on_channels(coolant).T[:, channel]
        return (plane if self.channels.direction == "y" else plane.T)[None]

    def fill(self, stack: Stack, grid: Grid, values: Floats, coolant: Floats) -> None:
        """Write the coolant temperature, shape (ways, lines), into the void of the channels, in place. [K]

        Parameters
        ----------
        stack : Stack
        grid : Grid
        values : ndarray, shape (nz, ny, nx)
            Of nodes, changed in place. [K]
        coolant : ndarray, shape (ways, lines)
            [K]
        """
        cells = grid.cells_of(stack.slabs[self.layer])
        plane = self.on_nodes(grid, coolant)[0]
        for o in self.channels.outlines:
            inside = np.ix_(
                range(int(cells[0]) + 1, int(cells[-1]) + 1),
                np.flatnonzero((grid.y > o.y0 + 1e-12) & (grid.y < o.y1 - 1e-12)),
                np.flatnonzero((grid.x > o.x0 + 1e-12) & (grid.x < o.x1 - 1e-12)),
            )
            values[inside] = plane[inside[1][0], inside[2][0]]

    def segments(self, grid: Grid) -> tuple[Floats, Floats, Floats]:
        """Capacity rate of each way [W/K]; film conductance to its walls [W/K] and heat capacity [J/K] between its lines.

        Of shapes (ways, 1), (ways, lines - 1) and (ways, lines - 1); the turn between two passes has no length.
        """
        channels = self.channels
        _, along, reach = self.lines(grid)
        step = np.diff(along[reach])
        passes = [np.append(step[::-1] if self._is_backward(p) else step, 0.0) for p in range(channels.passes)]
        steps = np.tile(np.concatenate(passes)[:-1], (channels.ways, 1))
        capacity_rate = np.full((channels.ways, 1), channels.flow_rate / channels.ways * channels.heat_capacity)
        film = (self.films["floor"] + self.films["ceiling"]) * channels.width + 2 * self.films["walls"] * channels.height
        store = channels.heat_capacity * channels.width * channels.height
        return capacity_rate, film * steps, store * steps
