"""The fixed point of temperature, leakage and what the cells conduct."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np

from stack3d.chip.chip import ComputingChip
from stack3d.errors import RangeError, SolverError, ValidityWarning
from stack3d.heat.limits import located
from stack3d.heat.runaway import RUNAWAY_TEMPERATURE, Runaway
from stack3d.heat.sources import heat_sources, total_power, upkeep_power
from stack3d.heat.state import LEAKAGE_ITERATIONS, Heat, Limits
from stack3d.heat.tiles import periphery_means, tile_field
from stack3d.heat.upkeep import Upkeep
from stack3d.layout import Floats
from stack3d.thermal.backend import ThermalBackend
from stack3d.workload import power


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

    Raises
    ------
    ThermalRunawayError
        When leakage and temperature drive each other up, with the temperature where it began.
    SolverError
        When they have not settled after the allowed iterations.
    """
    asked = chip.mean_rate
    full = _fixed_point(chip, backend, conductances_at, start, limits, write_power, leaking, asked, upkeep)

    def peak(state: Heat) -> float:
        return float((state.field + above(state.rate)).max())

    if limits.hottest is None or peak(full) <= limits.hottest:
        return full
    idle = _fixed_point(chip, backend, conductances_at, start, limits, write_power, leaking, 0.0, upkeep)
    if peak(idle) >= limits.hottest:
        text = f"throttling: the idle chip is at {peak(idle):.1f} K already, above the limit of {limits.hottest:.1f} K"
        warnings.warn(ValidityWarning(text), stacklevel=2)
        return idle
    low, high = idle, full
    for _ in range(LEAKAGE_ITERATIONS):  # regula falsi on a nearly linear curve, bracketed
        share = (limits.hottest - peak(low)) / (peak(high) - peak(low))
        rate = low.rate + 0.999 * share * (high.rate - low.rate)
        state = _fixed_point(chip, backend, conductances_at, low.field, limits, write_power, leaking, rate, upkeep)
        if limits.hottest - 0.05 <= peak(state) <= limits.hottest:
            return state
        low, high = (state, high) if peak(state) < limits.hottest else (low, state)
    return low


def _fixed_point(
    chip: ComputingChip,
    backend: ThermalBackend,
    conductances_at: Callable[[Floats], Mapping[str, Floats]],
    start: Floats,
    limits: Limits,
    write_power: Floats | float,
    leaking: Floats | float,
    rate: float,
    upkeep: Upkeep | None,
) -> Heat:
    computer = chip.computer
    subgrid = (start.shape[2], start.shape[1])
    pulses = [computer.products[t.layer] * computer.devices[t.layer].device.read.pulse for t in computer.tiles]
    awake = limits.idle_leakage + (1.0 - limits.idle_leakage) * np.minimum(rate * np.array(pulses), 1.0)
    field = start
    steps: list[float] = []
    guess = None
    periphery = field.mean(axis=(1, 2))
    runaway, watts = Runaway(), total_power(chip.sources)
    for iteration in range(1, limits.iterations + 1):
        try:
            activities = tuple(computer.activities(conductances_at(field)))
        except RangeError as error:  # power or leakage has left the temperatures of the device laws
            runaway.conclude(field)
            raise located(error, chip, field, watts) from None
        energies = computer.energies(activities)
        powers = {name: rate * energy for name, energy in energies.items()}
        powers["calibration"] = upkeep_power(chip, energies, upkeep)
        powers["write"] = np.array(np.broadcast_to(write_power, (len(computer.tiles),)), dtype=float)
        powers["leakage"] = power.leakage(computer.design.periphery, periphery) * awake * leaking
        solution = backend.solve(heat_sources(chip, powers, rate), guess=guess)
        guess, watts = solution.field.values, solution.heat_in
        new = tile_field(chip, solution, subgrid)
        warmed = periphery_means(chip, solution)
        if iteration == 1 and new.max() > RUNAWAY_TEMPERATURE:
            raise SolverError(
                f"{solution.heat_in:.4g} W heat the chip to {new.max():.0f} K before any leakage grows: lower power.sources or"
                f" workload.rate, {'write less often, ' if powers['write'].any() else ''}or cool better"
            )
        steps.append(float(np.abs(new - field).max()))
        runaway.check(periphery, warmed)
        field, periphery = new, warmed
        if steps[-1] < limits.tolerance:
            return Heat(solution, field, powers, rate, iteration, steps[-1], activities, upkeep)
    raise SolverError(
        f"temperature, leakage and conductance have not settled after {limits.iterations} iterations"
        f" (last change {steps[-1]:.2g} K, {limits.tolerance:.2g} K asked)"
    )
