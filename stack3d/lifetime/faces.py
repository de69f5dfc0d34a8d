"""From cooling decks and channels to the conditions that the solver sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stack3d.layout import Channels, Grid, Rectangle, Stack, Surface
from stack3d.schema.cooling import Cooling
from stack3d.schema.cooling import Face as FaceDeck
from stack3d.thermal import ducts
from stack3d.thermal.coolant import ChannelRun
from stack3d.thermal.problem import Face, ThermalProblem


def face_of(deck: FaceDeck, area: float, ambient: float) -> Face:
    """Condition of a cooled face of an area [m²]."""
    reference = ambient
    film = 0.0
    if deck.film_coefficient is not None:
        film = deck.film_coefficient
    elif deck.resistance is not None:
        film = 1.0 / (deck.resistance * area)
    elif deck.areal_resistance is not None:
        film = 1.0 / deck.areal_resistance if deck.areal_resistance > 0 else np.inf
    elif deck.temperature is not None:
        film, reference = np.inf, deck.temperature
    return Face(float(film), reference, deck.flux or 0.0)


def surfaces_of(cooling: Cooling, stack: Stack) -> list[Surface]:
    """Patches of a cooling deck; raises UnknownNameError for a layer that is not there."""
    out = []
    for patch in cooling.patches:
        extent = stack.layer(patch.layer).extent
        box = Rectangle(*(patch.x or (extent.x0, extent.x1)), *(patch.y or (extent.y0, extent.y1)))
        out.append(Surface(patch.name, patch.layer, patch.face, (box,)))
    return out


def side_area(stack: Stack) -> float:
    """Area of the lateral faces on the outermost lateral bounds. [m²]"""
    extents = [layer.extent for layer in stack.layers]
    x0, x1 = min(e.x0 for e in extents), max(e.x1 for e in extents)
    y0, y1 = min(e.y0 for e in extents), max(e.y1 for e in extents)
    total = 0.0
    for layer in stack.layers:
        e = layer.extent
        total += layer.thickness * (e.y1 - e.y0) * ((e.x0 == x0) + (e.x1 == x1))
        total += layer.thickness * (e.x1 - e.x0) * ((e.y0 == y0) + (e.y1 == y1))
    return total


def channel_film(channels: Channels) -> float:
    """Given film coefficient, or that of laminar flow. [W m⁻² K⁻¹]"""
    if channels.film_coefficient is not None:
        return channels.film_coefficient
    assert channels.conductivity is not None
    return ducts.film_coefficient(channels.width, channels.height, channels.conductivity)


def channel_runs(stack: Stack) -> list[ChannelRun]:
    """Channels of every layer that has them."""
    return [
        ChannelRun(f"{layer.name}_coolant", layer.name, layer.channels, channel_film(layer.channels))
        for layer in stack.layers
        if layer.channels is not None
    ]


def thermal_problem(stack: Stack, grid: Grid, cooling: Cooling) -> ThermalProblem:
    """Stack, grid, cooled faces, patches and channels."""
    ambient = cooling.ambient
    patches: list[tuple[Surface, Face]] = []
    for surface, deck in zip(surfaces_of(cooling, stack), cooling.patches):
        patches.append((surface, face_of(deck.condition, sum(box.area for box in surface.extents), ambient)))
    for run in channel_runs(stack):
        channels = run.channels
        surface = Surface(run.name, run.layer, "channels", channels.outlines, channels.direction)
        patches.append((surface, Face(run.film_coefficient, channels.inlet_temperature)))
    return ThermalProblem(
        stack,
        grid,
        top=face_of(cooling.top, stack.layers[-1].extent.area, ambient),
        bottom=face_of(cooling.bottom, stack.layers[0].extent.area, ambient),
        sides=face_of(cooling.sides, side_area(stack), ambient),
        patches=tuple(patches),
    )


def hydraulics(runs: Sequence[ChannelRun]) -> dict[str, list[float]]:
    """Pressure drop [Pa] and pumping power [W] of each run; NaN where the viscosity is not known."""
    out: dict[str, list[float]] = {"pressure_drop": [], "pumping_power": []}
    for run in runs:
        c = run.channels
        velocity = c.flow_rate / len(c.outlines) / (c.width * c.height)
        drop = np.nan
        if c.viscosity is not None:
            drop = ducts.pressure_drop(velocity, c.width, c.height, c.length, viscosity=c.viscosity)
        out["pressure_drop"].append(drop)
        out["pumping_power"].append(drop * c.flow_rate)
    return out
