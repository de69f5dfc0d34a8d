"""Chips just programmed: their life, their heat and what of it goes into the dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Chip, Computer
from stack3d.heat.climate import Climate
from stack3d.heat.outputs import add_power, thermal_values
from stack3d.heat.periodic import Swing
from stack3d.heat.settle import settle
from stack3d.heat.state import Heat, Limits
from stack3d.life.life import Bill, Life, Totals
from stack3d.life.policy import Policy
from stack3d.life.population import Population
from stack3d.record import Record
from stack3d.schema.life import Lifetime
from stack3d.thermal.backend import ThermalBackend


def fresh_life(chip: Chip, computer: Computer) -> Life:
    """Chips just programmed."""
    samples = chip.scenario.monte_carlo
    temperature = (chip.scenario.lifetime or Lifetime()).programming_temperature
    population = Population.programmed(computer, samples.samples, samples.seed, temperature)
    tiles, tiers = len(computer.tiles), len(chip.stack.with_role("rram"))
    bill, totals = Bill(0.0, 0.0, 0.0, np.zeros(tiles)), Totals.fresh(tiers, tiles)
    return Life(chip, computer, population, 0.0, bill, totals)


def limits_of(chip: Chip, plan: Sequence[Policy]) -> Limits:
    """What the thermal fixed point of a chip has to keep, its policies' limits included."""
    coupling = (chip.scenario.lifetime or Lifetime()).coupling
    limits = Limits(coupling.tolerance, coupling.iterations)
    for policy in plan:
        limits = policy.limit(limits)
    return limits


def first_heat(
    chip: Chip,
    computer: Computer,
    backend: ThermalBackend,
    plan: Sequence[Policy],
    swing: Swing | None = None,
    above: Callable[[float], NDArray[np.float64] | float] = lambda rate: 0.0,
) -> Heat:
    """Heat of chips just programmed, mean over a period of the power; throttled by what lies `above` it, see `settle`."""
    life = fresh_life(chip, computer)
    nx, ny = (chip.scenario.lifetime or Lifetime()).subgrid
    start = np.full((len(computer.tiles), ny, nx), chip.scenario.cooling.ambient)
    limits = limits_of(chip, plan)
    return settle(
        chip,
        backend,
        lambda field: life.conductances(climate_of(field, swing)),
        start,
        limits,
        above=above,
        leaking=leaking_of(swing),
    )


def present(chip: Chip, computer: Computer, state: Heat) -> Record:
    """Variables of ``/thermal`` and ``/power`` for one thermal state, and the coordinate of the chips."""
    record = thermal_values(chip, state.solution)
    add_power(chip, computer, state, record)
    record.along("sample", np.arange(chip.scenario.monte_carlo.samples))
    return record


def climate_of(field: NDArray[np.float64], swing: Swing | None) -> Climate:
    """Temperatures about a mean. [K]"""
    return Climate.steady(field) if swing is None else swing.climate.shifted(field)


def leaking_of(swing: Swing | None) -> NDArray[np.float64] | float:
    """Mean leakage over that at the mean temperature. [-]"""
    return 1.0 if swing is None else swing.leaking
