"""The fixed point of temperature, leakage and what the cells conduct."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from stack3d.chip import ComputingChip
from stack3d.errors import RangeError, SolverError, ThermalRunawayError, ValidityWarning
from stack3d.fixed_points import Pass, Until, fixed_point
from stack3d.heat.loads import (
    LEAKAGE_ITERATIONS,
    Heat,
    Limits,
    Upkeep,
    heat_sources,
    leakage_power,
    periphery_means,
    tile_field,
    upkeep_power,
)
from stack3d.heat.too_hot import FIELD_IS_GIVEN, RUNAWAY_TEMPERATURE, Runaway, explained, located, standing_too_hot
from stack3d.layout import Floats
from stack3d.thermal import ThermalBackend
from stack3d.workload import TileActivity

Activities = tuple[TileActivity, ...]


def settle(
    chip: ComputingChip,
    backend: ThermalBackend,
    conductances_at: Callable[[Floats], Mapping[str, Floats]],
    start: Floats,
    limits: Limits = Limits(),
    write_power: Floats | float = 0.0,
    above: Callable[[float], Floats | float] = lambda rate: 0.0,
    leaking: Floats | float = 1.0,
    upkeep: Upkeep | None = None,
    near: Floats | None = None,
) -> Heat:
    """Solve for temperature, leakage and what the cells conduct at that temperature together.

    Parameters
    ----------
    chip : ComputingChip
    backend : ThermalBackend
    conductances_at : callable
        Field (tiles, ny, nx) [K] → conductances by layer, shape (chips, devices, n_inputs, n_columns). [S]
    start : ndarray, shape (tiles, ny, nx)
        Temperatures to begin with. [K]
    limits : Limits
    write_power : ndarray or float
        Power of writes in each tile, shape (tiles,). [W]
    above : callable
        Rate [1/s] → how far the hottest instant of a period lies above the mean of each box; throttling looks at it. [K]
    leaking : ndarray or float, shape (tiles,)
        Leakage of each tile's periphery, mean over a period, over that at its mean temperature. [-]
    upkeep : Upkeep or None
        Calibrations and trainings, mean per second.
    near : ndarray of any shape, optional
        Values of a field of this backend near the one sought, where its solver begins. [K]

    Raises
    ------
    ThermalRunawayError
        When leakage and temperature drive each other up, with the temperature where it began.
    SolverError
        When they have not settled after the allowed iterations.
    """
    asked = chip.mean_rate

    def activities_at(field: Floats) -> Activities:
        return tuple(chip.computer.activities(conductances_at(field)))

    full = _fixed_point(chip, backend, activities_at, start, limits, write_power, leaking, asked, upkeep, near)

    def peak(state: Heat) -> float:
        return float((state.field + above(state.rate)).max())

    if limits.hottest is None or peak(full) <= limits.hottest:
        return full
    near = full.solution.field.values
    idle = _fixed_point(chip, backend, activities_at, start, limits, write_power, leaking, 0.0, upkeep, near)
    if peak(idle) >= limits.hottest:
        text = standing_too_hot(chip, idle.field + above(0.0), idle, limits.hottest)
        warnings.warn(ValidityWarning(text), stacklevel=2)
        return idle
    low, high = idle, full
    for _ in range(LEAKAGE_ITERATIONS):  # regula falsi on a nearly linear curve, bracketed
        share = (limits.hottest - peak(low)) / (peak(high) - peak(low))
        rate = low.rate + 0.999 * share * (high.rate - low.rate)
        near = low.solution.field.values
        state = _fixed_point(chip, backend, activities_at, low.field, limits, write_power, leaking, rate, upkeep, near)
        if limits.hottest - 0.05 <= peak(state) <= limits.hottest:
            return state
        low, high = (state, high) if peak(state) < limits.hottest else (low, state)
    return low


def settle_again(chip: ComputingChip, backend: ThermalBackend, state: Heat, rate: float, limits: Limits) -> Heat:
    """A thermal state in other surroundings and at another rate [1/s]: the cells conduct as they did, leakage follows the heat.

    Parameters
    ----------
    chip : ComputingChip
        With other explicit sources, or the same.
    backend : ThermalBackend
        With other films, or the same.
    state : Heat
    rate : float
        Inferences. [1/s]
    limits : Limits
        The hottest place is not among them.
    """
    writes, near = state.powers["write"], state.solution.field.values
    return _fixed_point(
        chip, backend, lambda field: state.activities, state.field, limits, writes, 1.0, rate, state.upkeep, near
    )


class _HeatTrial(NamedTuple):
    """What an iteration begins with: temperature of tiles and periphery, the heat of the one before, its number."""

    field: Floats
    periphery: Floats
    before: Heat | None
    iteration: int


def _fixed_point(
    chip: ComputingChip,
    backend: ThermalBackend,
    activities_at: Callable[[Floats], Activities],
    start: Floats,
    limits: Limits,
    write_power: Floats | float,
    leaking: Floats | float,
    rate: float,
    upkeep: Upkeep | None,
    near: Floats | None,
) -> Heat:
    computer = chip.computer
    subgrid = (start.shape[2], start.shape[1])
    pulses = [computer.products[t.layer] * computer.devices[t.layer].device.read.pulse for t in computer.tiles]
    awake = limits.idle_leakage + (1.0 - limits.idle_leakage) * np.minimum(rate * np.array(pulses), 1.0)
    runaway = Runaway()

    def once(trial: _HeatTrial) -> Pass[_HeatTrial, Heat]:
        field, periphery, before, iteration = trial
        try:
            activities = activities_at(field)
        except RangeError as error:  # power or leakage has left the temperatures of the device laws
            runs_away(lambda: runaway.conclude(field), field, before)
            raise located(error, chip, field, before) from None
        energies = computer.energies(activities)
        powers = {name: rate * energy for name, energy in energies.items()}
        powers["calibration"] = upkeep_power(chip, energies, upkeep)
        powers["write"] = np.array(np.broadcast_to(write_power, (len(computer.tiles),)), dtype=float)
        powers["leakage"] = leakage_power(chip, periphery) * awake * leaking
        guess = near if before is None else before.solution.field.values
        is_rough = guess is None and limits.iterations > 1 and not limits.is_once  # another pass follows
        solution = (backend.roughly() if is_rough else backend).solve(heat_sources(chip, powers, rate), guess=guess)
        new = tile_field(chip, solution, subgrid)
        warmed = periphery_means(chip, solution)
        change = float(np.abs(new - field).max())
        heat = Heat(solution, new, powers, rate, iteration, change, activities, upkeep)
        if not limits.is_once:
            if iteration == 1 and max(new.max(), warmed.max()) > RUNAWAY_TEMPERATURE:
                text = f"the chip is too hot before any leakage grows: {explained(chip, new, heat)}; {FIELD_IS_GIVEN}"
                raise SolverError(text)
            runs_away(lambda: runaway.check(periphery, warmed), new, heat)
        return Pass(heat, np.inf if is_rough else change, _HeatTrial(new, warmed, heat, iteration + 1))

    def runs_away(look: Callable[[], None], field: Floats, heat: Heat | None) -> None:
        try:
            look()
        except ThermalRunawayError as error:
            raise ThermalRunawayError(f"{error}: {explained(chip, field, heat)}") from None

    first = _HeatTrial(start, start.mean(axis=(1, 2)), None, 1)
    until = Until(np.inf, 1) if limits.is_once else Until(limits.tolerance, limits.iterations)
    return fixed_point(first, once, until, what="temperature, leakage and conductance", unit="K").answer
