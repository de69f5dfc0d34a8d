"""Chips just programmed: their life, the instants it is looked at, their heat and what of it goes into the dataset."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import TODAY, ComputingChip
from stack3d.constants import YEAR
from stack3d.errors import RangeError, SolverError, ThermalRunawayError, ValidityWarning
from stack3d.heat import FIELD_IS_GIVEN, Heat, Limits, Upkeep, add_power, settle, thermal_values
from stack3d.heat.time import Swing, climate_of, leaking_of
from stack3d.life.chips import Bill, Life, Policy, Population, Totals
from stack3d.record import Record
from stack3d.schema import LifetimeDeck, celsius
from stack3d.thermal import ThermalBackend


def epoch_times(lifetime: LifetimeDeck) -> NDArray[np.float64]:
    """End of each epoch: one second, then `epochs` times at equal ratios; the one nearest to a year is a year. [s]"""
    times = np.geomspace(lifetime.first, lifetime.until, lifetime.epochs) if lifetime.epochs > 1 else np.array([lifetime.until])
    if times[0] < YEAR < times[-1] and lifetime.epochs > 2:
        inner = 1 + int(np.argmin(np.abs(np.log(times[1:-1] / YEAR))))
        times[inner] = YEAR
    times[-1] = lifetime.until
    return np.concatenate([[TODAY], times[times > TODAY]])


def fresh_life(chip: ComputingChip) -> Life:
    """Chips just programmed."""
    computer, chips = chip.computer, chip.computer.design.chips
    temperature = computer.design.lifetime.programming_temperature
    population = Population.programmed(computer, chips.samples, chips.seed, temperature)
    tiles, tiers = len(computer.tiles), len(chip.stack.with_role("rram"))
    bill = Bill(0.0, 0.0, 0.0, np.zeros(tiles), Upkeep(np.zeros(tiles)))
    totals = Totals.fresh(tiers, tiles)
    return Life(chip, computer, population, 0.0, bill, totals)


def limits_of(chip: ComputingChip, plan: Sequence[Policy]) -> Limits:
    """What the thermal fixed point of a chip has to keep, its policies' limits included."""
    coupling = chip.computer.design.lifetime.coupling
    limits = Limits(coupling.tolerance, coupling.iterations)
    for policy in plan:
        limits = policy.limit(limits)
    return limits


def first_heat(
    chip: ComputingChip,
    backend: ThermalBackend,
    plan: Sequence[Policy],
    swing: Swing | None = None,
    above: Callable[[float], NDArray[np.float64] | float] = lambda rate: 0.0,
    *,
    beyond: bool = False,
) -> Heat:
    """Heat of chips just programmed, mean over a period of the power.

    Parameters
    ----------
    chip : ComputingChip
    backend : ThermalBackend
    plan : sequence of Policy
        Whose limits the heat keeps.
    swing : Swing, optional
        Within a period of the power.
    above : callable
        Rate [1/s] → how far the hottest instant of a period lies above the mean of each box; see `settle`. [K]
    beyond : bool
        Where a chip is hotter than its laws allow, give the temperatures of its power when it was programmed, with a warning
        that says why.
    """
    life = fresh_life(chip)
    nx, ny = chip.computer.design.lifetime.subgrid
    limits = limits_of(chip, plan)

    def settled(limits: Limits, kelvin: float) -> Heat:
        start = np.full((len(chip.computer.tiles), ny, nx), kelvin)

        def conductances(field: NDArray[np.float64]) -> dict[str, Any]:
            return life.conductances(climate_of(field, swing))

        return settle(chip, backend, conductances, start, limits, above=above, leaking=leaking_of(swing))

    try:
        return settled(limits, chip.scenario.cooling.ambient)
    except (RangeError, SolverError) as error:
        if not beyond or isinstance(error, ThermalRunawayError):  # where nothing settles, no field is given
            raise
        programmed = chip.computer.design.lifetime.programming_temperature
        text = f"these temperatures are of the power at {celsius(programmed)}, before leakage and cells follow them"
        warnings.warn(ValidityWarning(f"{str(error).removesuffix(f'; {FIELD_IS_GIVEN}')}; {text}"), stacklevel=2)
        return settled(replace(limits, hottest=None, is_once=True), programmed)


def present(chip: ComputingChip, state: Heat) -> Record:
    """Variables of ``/thermal`` and ``/power`` for one thermal state, and the coordinate of the chips."""
    record = thermal_values(chip, state.solution)
    add_power(chip, state, record)
    record.along("sample", np.arange(chip.computer.design.chips.samples))
    return record
