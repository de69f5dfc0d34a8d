"""Coolant channels of a stack: films, pressure drop, and where their laws end."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from stack3d.errors import ValidityWarning
from stack3d.layout import ChannelPart, Channels, Stack
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.cooling import ducts
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.problem import HeatProblem

MOST_ENTRANCE = 0.5
"""Share of a channel that may be thermal entrance before a run warns; the mean film is then a tenth above the developed one."""


def channel_films(channels: Channels) -> dict[ChannelPart, float]:
    """Film coefficients of walls, floors and ceilings: given, else of laminar flow, else NaN. [W m⁻² K⁻¹]"""
    film = channels.film_coefficient
    if film is None:
        conductivity = float("nan") if channels.conductivity is None else channels.conductivity
        film = ducts.film_coefficient(channels.width, channels.height, conductivity)
    floor, ceiling = channels.floor_film_coefficient, channels.ceiling_film_coefficient
    return {"walls": film, "floor": film if floor is None else floor, "ceiling": film if ceiling is None else ceiling}


def channel_runs(stack: Stack) -> list[ChannelRun]:
    """Channels of every layer that has them."""
    return [
        ChannelRun(f"{layer.name}_coolant", layer.name, layer.channels, channel_films(layer.channels))
        for layer in stack.layers
        if layer.channels is not None
    ]


def _velocity(channels: Channels) -> float:
    """Mean of a channel. [m/s]"""
    return channels.flow_rate / len(channels.outlines) / (channels.width * channels.height)


def reynolds(channels: Channels) -> float:
    """Of each channel; NaN where density or viscosity is not known. [-]"""
    if channels.density is None or channels.viscosity is None:
        return float("nan")
    c = channels
    return ducts.reynolds_number(_velocity(c), c.width, c.height, density=channels.density, viscosity=channels.viscosity)


def entrance(channels: Channels) -> float:
    """Thermal entrance of each channel, 0.05 Re Pr D = 0.05 V D² rho c / k; NaN where k is not known. [m]"""
    if channels.conductivity is None:
        return float("nan")
    diameter = ducts.hydraulic_diameter(channels.width, channels.height)
    return 0.05 * _velocity(channels) * diameter**2 * channels.heat_capacity / channels.conductivity


def hydraulics(runs: Sequence[ChannelRun]) -> dict[str, list[float]]:
    """Pressure drop [Pa], pumping power [W], Reynolds number [-] and thermal entrance [m] of each run; NaN where not known."""
    out: dict[str, list[float]] = {"pressure_drop": [], "pumping_power": [], "reynolds_number": [], "entrance_length": []}
    for run in runs:
        c = run.channels
        drop = np.nan
        if c.viscosity is not None:
            drop = ducts.pressure_drop(_velocity(c), c.width, c.height, c.length, viscosity=c.viscosity)
        for name, value in zip(out, (drop, drop * c.flow_rate, reynolds(c), entrance(c))):
            out[name].append(value)
    return out


def warn_of_channels(problem: HeatProblem, solution: ThermalSolution) -> None:
    """Warn of coolant that boils or flows beyond the correlations that describe it."""
    stack = problem.stack
    for run in channel_runs(stack):
        c, where = run.channels, f"channels of {run.layer}"
        number, reach = reynolds(c), entrance(c)
        if number > ducts.LAMINAR:
            laws = "the pressure drop is" if c.film_coefficient is not None else "film and pressure drop are"
            _warn(f"{where}: Reynolds number {number:.0f}; {laws} of laminar flow, up to {ducts.LAMINAR:.0f}")
        if c.film_coefficient is None and reach > MOST_ENTRANCE * c.length:
            _warn(
                f"{where}: the film is that of developed flow, but the thermal entrance takes {reach * 1e3:.3g} of"
                f" {c.length * 1e3:.3g} mm; temperatures are upper bounds"
            )
        if c.boiling_point is None:
            continue
        wall = float(run.wall_temperature(stack, problem.lines, solution.field.values).max())
        outlet = float(solution.outlets[run.name].max())
        if outlet > c.boiling_point:
            _warn(f"{where}: the coolant leaves at {outlet:.1f} K, it boils at {c.boiling_point:.1f} K")
        elif wall > c.boiling_point:
            _warn(
                f"{where}: a wall is at {wall:.1f} K, the coolant boils at {c.boiling_point:.1f} K; the film is that of liquid"
            )


def _warn(text: str) -> None:
    warnings.warn(ValidityWarning(text), stacklevel=3)
