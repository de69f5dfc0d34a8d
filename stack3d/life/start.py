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
from stack3d.errors import Stack3dError, ValidityWarning
from stack3d.heat import Heat, Limits, Upkeep, add_power, settle, thermal_values, without_field
from stack3d.heat.time import Swing, climate_of, leaking_of
from stack3d.life.chips import Bill, Life, Policy, Population, Totals, elapse, programmed
from stack3d.record import Record
from stack3d.schema import LifetimeDeck, celsius
from stack3d.thermal import ThermalBackend

SAME = 1e-6
"""Share of a time within which two are one."""


def epoch_times(lifetime: LifetimeDeck, also: Sequence[float] = ()) -> NDArray[np.float64]:
    """End of each epoch: one second, then `epochs` times at equal ratios; the one nearest to a year is a year. [s]

    Parameters
    ----------
    lifetime : LifetimeDeck
    also : sequence of float
        Times that end an epoch too, where they lie within the life and no other ends there. [s]
    """
    times = np.geomspace(lifetime.first, lifetime.until, lifetime.epochs) if lifetime.epochs > 1 else np.array([lifetime.until])
    if times[0] < YEAR < times[-1] and lifetime.epochs > 2:
        inner = 1 + int(np.argmin(np.abs(np.log(times[1:-1] / YEAR))))
        times[inner] = YEAR
    times[-1] = lifetime.until
    times = np.concatenate([[TODAY], times[times > TODAY]])
    own = [t for t in sorted(set(also)) if TODAY < t < times[-1] and np.abs(times / t - 1.0).min() > SAME]
    return np.sort(np.concatenate([times, own]))


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
    """
    life, start = fresh_life(chip), _even_field(chip, chip.scenario.cooling.ambient)

    def conductances(field: NDArray[np.float64]) -> dict[str, Any]:
        return life.conductances(climate_of(field, swing))

    return settle(chip, backend, conductances, start, limits_of(chip, plan), above=above, leaking=leaking_of(swing))


def _even_field(chip: ComputingChip, kelvin: float) -> NDArray[np.float64]:
    nx, ny = chip.computer.design.lifetime.subgrid
    return np.full((len(chip.computer.tiles), ny, nx), kelvin)


def acts_at_once(chip: ComputingChip, plan: Sequence[Policy]) -> bool:
    """Whether something is written, calibrated or trained in the first epoch, and heats it."""
    return chip.computer.design.lifetime.coupling.enabled and any(policy.events(0.0, TODAY) for policy in plan)


def heat_as_programmed(chip: ComputingChip, backend: ThermalBackend, plan: Sequence[Policy], error: Stack3dError) -> Heat:
    """Heat of the first epoch with cells, periphery and upkeep as they are at the temperature of programming, in one pass.

    Parameters
    ----------
    chip : ComputingChip
        Hotter than its laws allow.
    backend : ThermalBackend
    plan : sequence of Policy
        What they do in the first epoch heats too, their limits are not kept.
    error : Stack3dError
        Why; a warning says so.
    """
    kelvin = chip.computer.design.lifetime.programming_temperature
    text = f"these temperatures are of the power at {celsius(kelvin)}, before leakage and cells follow them"
    warnings.warn(ValidityWarning(f"{without_field(error)}; {text}"), stacklevel=2)
    life, start, limits = (
        fresh_life(chip),
        _even_field(chip, kelvin),
        replace(limits_of(chip, plan), hottest=None, is_once=True),
    )
    writes, upkeep = np.zeros(len(chip.computer.tiles)), None
    if acts_at_once(chip, plan):
        begun = programmed(life, climate_of(start, None), plan)
        writes, upkeep = upkeep_of(begun, elapse(begun, TODAY, climate_of(start, None), plan, 0), TODAY)
    return settle(chip, backend, lambda field: life.conductances(climate_of(field, None)), start, limits, writes, upkeep=upkeep)


def upkeep_of(life: Life, later: Life, end: float) -> tuple[NDArray[np.float64], Upkeep]:
    """What was billed between two states, over the time between: power of writes in each tile [W], other work per second."""
    seconds = end - life.time
    power = (later.bill.tile_energy - life.bill.tile_energy) / seconds
    return power, later.bill.upkeep.per_second(life.bill.upkeep, seconds)


def present(chip: ComputingChip, state: Heat) -> Record:
    """Variables of ``/thermal`` and ``/power`` for one thermal state, and the coordinate of the chips."""
    record = thermal_values(chip, state.solution)
    add_power(chip, state, record)
    record.along("sample", np.arange(chip.computer.design.chips.samples))
    return record
