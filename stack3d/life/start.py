"""Chips just programmed: their life, their heat and what of it goes into the dataset."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import ComputingChip
from stack3d.errors import RangeError, SolverError, ThermalRunawayError, ValidityWarning
from stack3d.heat.climate import Climate
from stack3d.heat.outputs import add_power, thermal_values
from stack3d.heat.periodic import Swing
from stack3d.heat.settle import settle
from stack3d.heat.state import Heat, Limits
from stack3d.heat.upkeep import Upkeep
from stack3d.life.life import Bill, Life, Totals
from stack3d.life.policy import Policy
from stack3d.life.population import Population
from stack3d.record import Record
from stack3d.schema.material_laws import celsius
from stack3d.thermal.backend import ThermalBackend


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
        warnings.warn(ValidityWarning(f"{error}; {text}"), stacklevel=2)
        return settled(replace(limits, hottest=None, iterations=1, tolerance=np.inf), programmed)


def present(chip: ComputingChip, state: Heat) -> Record:
    """Variables of ``/thermal`` and ``/power`` for one thermal state, and the coordinate of the chips."""
    record = thermal_values(chip, state.solution)
    add_power(chip, state, record)
    record.along("sample", np.arange(chip.computer.design.chips.samples))
    return record


def climate_of(field: NDArray[np.float64], swing: Swing | None) -> Climate:
    """Temperatures about a mean. [K]"""
    return Climate.steady(field) if swing is None else swing.climate.shifted(field)


def leaking_of(swing: Swing | None) -> NDArray[np.float64] | float:
    """Mean leakage over that at the mean temperature. [-]"""
    return 1.0 if swing is None else swing.leaking
