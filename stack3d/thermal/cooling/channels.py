"""Coolant in a run of channels: its energy balance along the flow; SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from stack3d.fe.lines import hat_integrals
from stack3d.grids import Grid
from stack3d.layout import CHANNEL_PARTS, ChannelPart, Channels, Floats, Stack, Surface


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

    def shape(self, grid: Grid) -> tuple[int, int]:
        """Ways that the coolant takes side by side, and lines along each."""
        _, along, reach = self.lines(grid)
        return len(self.channels.outlines), along[reach].size

    def wall_temperature(self, stack: Stack, grid: Grid, values: Floats) -> Floats:
        """Mean over the perimeter, weighted by the films, at each line along the flow, shape (channels, lines). [K]"""
        across, _, reach = self.lines(grid)
        cells = grid.cells_of(stack.slabs[self.layer])
        low, high = int(cells[0]), int(cells[-1]) + 1
        field = values[low : high + 1] if self.channels.direction == "y" else values[low : high + 1].swapaxes(1, 2)
        field = field[:, reach]
        slab = stack.layer(self.layer)
        upward = hat_integrals(grid.z[low : high + 1], slab.z0, slab.z1)
        walls, ceiling, floor = (self.films[part] for part in ("walls", "ceiling", "floor"))
        out = []
        for a, b in self.spans():
            sideways = hat_integrals(across, a, b)
            edges = [int(np.abs(across - v).argmin()) for v in (a, b)]
            around = (floor * field[0] + ceiling * field[-1]) @ sideways
            around += walls * np.tensordot(upward, field[:, :, edges].sum(axis=2), axes=1)
            out.append(around / ((floor + ceiling) * (b - a) + 2 * walls * slab.thickness))
        return np.array(out)

    def coolant_temperature(self, grid: Grid, wall: Floats) -> Floats:
        """Coolant temperature at each line for the temperature of its walls, shape (channels, lines). [K]

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
        """Coolant that takes up `heat` [W] evenly along its way, shape (channels, lines). [K]"""
        _, along, reach = self.lines(grid)
        part = along[reach]
        rise = heat / (self.channels.flow_rate * self.channels.heat_capacity)
        row = self.channels.inlet_temperature + rise * (part - part[0]) / (part[-1] - part[0])
        return np.tile(row, (self.shape(grid)[0], 1))

    def outlets(self, grid: Grid, coolant: Floats) -> Floats:
        """Temperature at the end of each channel, of coolant of shape (channels, lines). [K]"""
        return coolant[:, -1]

    def on_nodes(self, grid: Grid, coolant: Floats) -> Floats:
        """Coolant temperature on all lateral nodes, inlet temperature outside the channels, shape (1, ny+1, nx+1). [K]"""
        across, along, reach = self.lines(grid)
        plane = np.full((along.size, across.size), self.channels.inlet_temperature)
        for (a, b), row in zip(self.spans(), coolant):
            start, stop = (int(np.abs(across - v).argmin()) for v in (a, b))
            plane[reach, start : stop + 1] = row[:, None]
        return (plane if self.channels.direction == "y" else plane.T)[None]

    def fill(self, stack: Stack, grid: Grid, values: Floats, coolant: Floats) -> None:
        """Write the coolant temperature, shape (channels, lines), into the void of the channels, in place. [K]

        Parameters
        ----------
        stack : Stack
        grid : Grid
        values : ndarray, shape (nz, ny, nx)
            Of nodes, changed in place. [K]
        coolant : ndarray, shape (channels, lines)
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
        """Capacity rate of each channel [W/K]; film conductance to its walls [W/K] and heat capacity [J/K] between its lines.

        Of shapes (channels, 1), (channels, lines - 1) and (channels, lines - 1).
        """
        channels = self.channels
        _, along, reach = self.lines(grid)
        step = np.tile(np.diff(along[reach]), (len(channels.outlines), 1))
        capacity_rate = np.full((len(step), 1), channels.flow_rate / len(step) * channels.heat_capacity)
        film = (self.films["floor"] + self.films["ceiling"]) * channels.width + 2 * self.films["walls"] * channels.height
        store = channels.heat_capacity * channels.width * channels.height
        return capacity_rate, film * step, store * step
