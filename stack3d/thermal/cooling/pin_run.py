"""Coolant that flows between pins: each line of the grid along the flow is a way of its own; SI units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from stack3d.fe.lines import hat_integrals
from stack3d.grids import Grid
from stack3d.layout import CHANNEL_PARTS, Fins, Floats, Pins, Stack, Surface
from stack3d.thermal.cooling.channels import ChannelRun


@dataclass(frozen=True, eq=False)
class PinRun(ChannelRun):
    """A cavity with pins or fins, a porous layer with two temperatures: theirs and, over the height, that of the coolant.

    Notes
    -----
    The coolant goes straight along the flow at the same rate over the whole width; it neither mixes nor conducts sideways. Pins
    conduct from floor to ceiling alone, fins along the flow too. Coolant is linear between the lines across, so that it takes
    up what the pins lose.
    """

    pins: Pins | Fins

    @cached_property
    def patches(self) -> dict[str, Surface]:
        """Surfaces of pins, floor and ceiling, those without a film left out."""
        channels = self.channels
        parts = {part: self.name if part == "walls" else f"{self.name}_{part}" for part in CHANNEL_PARTS}
        whole = Surface(self.name, self.layer, "channels", channels.outlines, channels.direction, pins=self.pins)
        return {name: replace(whole, name=name, parts=(part,)) for part, name in parts.items() if self.films[part] > 0}

    def _ways(self, grid: Grid) -> slice:
        """Lines across that the cavity reaches."""
        across, _, _ = self.lines(grid)
        [(low, high)] = self.spans()
        return slice(int(np.abs(across - low).argmin()), int(np.abs(across - high).argmin()) + 1)

    def _widths(self, grid: Grid) -> Floats:
        """Width that each line across stands for. [m]"""
        across, _, _ = self.lines(grid)
        ways = self._ways(grid)
        return hat_integrals(across[ways], *self.spans()[0])

    def shape(self, grid: Grid) -> tuple[int, int]:
        """Lines across, and lines along the flow."""
        ways, (_, along, reach) = self._ways(grid), self.lines(grid)
        return ways.stop - ways.start, along[reach].size

    @property
    def _wetted(self) -> dict[str, float]:
        """Conductance of floor, ceiling and pins per area of the cavity. [W m⁻² K⁻¹]"""
        bare, height = 1.0 - self.pins.share, self.channels.height
        areas = {"floor": bare, "ceiling": bare, "walls": self.pins.surface * height}
        return {part: areas[part] * self.films[part] for part in CHANNEL_PARTS}

    def wall_temperature(self, stack: Stack, grid: Grid, values: Floats) -> Floats:
        """Mean over floor, ceiling and pins, weighted by the films, at each line, shape (ways, lines). [K]"""
        across, _, reach = self.lines(grid)
        ways, cells = self._ways(grid), grid.cells_of(stack.slabs[self.layer])
        low, high = int(cells[0]), int(cells[-1]) + 1
        field = values[low : high + 1] if self.channels.direction == "y" else values[low : high + 1].swapaxes(1, 2)
        field = field[:, reach, ways]
        upward = hat_integrals(grid.z[low : high + 1], grid.z[low], grid.z[high]) / (grid.z[high] - grid.z[low])
        share = {part: h / sum(self._wetted.values()) for part, h in self._wetted.items()}
        around = share["floor"] * field[0] + share["ceiling"] * field[-1]
        around += share["walls"] * np.tensordot(upward, field, axes=1)
        width, beside = self._widths(grid), np.diff(across[ways]) / 6.0
        out = 2.0 / 3.0 * width * around  # the mass matrix across, as the films of the solid have it
        out[:, 1:] += beside * around[:, :-1]
        out[:, :-1] += beside * around[:, 1:]
        return self._on_ways(np.asarray((out / width).T))

    def outlets(self, grid: Grid, coolant: Floats) -> Floats:
        """Temperature of as many equal parts of the coolant that leaves as there are ways; their mean is that of all. [K]"""
        across, _, _ = self.lines(grid)
        (low, high), own = self.spans()[0], across[self._ways(grid)]
        ends = np.linspace(low, high, own.size + 1)
        return np.array([hat_integrals(own, a, b) @ coolant[:, -1] / (b - a) for a, b in zip(ends[:-1], ends[1:])])

    def on_nodes(self, grid: Grid, coolant: Floats) -> Floats:
        """Coolant temperature on all lateral nodes, inlet temperature outside the cavity, shape (1, ny+1, nx+1). [K]"""
        across, along, reach = self.lines(grid)
        plane = np.full((along.size, across.size), self.channels.inlet_temperature)
        plane[reach, self._ways(grid)] = self._on_channels(coolant).T
        return (plane if self.channels.direction == "y" else plane.T)[None]

    def fill(self, stack: Stack, grid: Grid, values: Floats, coolant: Floats) -> None:
        """Nothing: the temperature in the cavity is that of its pins."""

    def segments(self, grid: Grid) -> tuple[Floats, Floats, Floats]:
        """Capacity rate of each way [W/K]; conductance to what wets it [W/K] and heat capacity [J/K] between its lines."""
        channels, width = self.channels, self._widths(grid)[:, None]
        _, along, reach = self.lines(grid)
        step = np.diff(along[reach])
        area = width * (step[::-1] if self.channels.is_reversed else step)
        store = channels.heat_capacity * channels.height * (1.0 - self.pins.share)
        capacity_rate = channels.flow_rate * channels.heat_capacity * width / width.sum()
        return capacity_rate, sum(self._wetted.values()) * area, store * area
