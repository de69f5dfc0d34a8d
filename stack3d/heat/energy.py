"""What an inference costs, all that the chip draws included, and what it costs elsewhere."""

from __future__ import annotations

import numpy as np

from stack3d.chip.chip import ComputingChip
from stack3d.heat.sources import total_power
from stack3d.heat.state import Heat
from stack3d.heat.upkeep import Upkeep, digital_energies
from stack3d.layout import Floats
from stack3d.workload import power
from stack3d.workload.counts import priced


def dynamic_energies(chip: ComputingChip, heat: Heat) -> dict[str, float]:
    """Energy of one inference by component that goes with the rate, counts times prices. [J]"""
    design = chip.computer.design
    return priced(heat.activities, design.periphery, **design.priced_bits) | digital_energies(chip)


def upkeep_energy(chip: ComputingChip, heat: Heat, upkeep: Upkeep | None) -> float:
    """Energy of calibrations and trainings, reads and logic; of those per second, their power. [J]"""
    design = chip.computer.design
    if upkeep is None:
        return 0.0
    reads = sum(
        float(n) * sum(priced([activity], design.periphery, **design.priced_bits).values())
        for n, activity in zip(upkeep.reads, heat.activities)
        if n
    )
    return reads + upkeep.passes * sum(digital_energies(chip).values()) + upkeep.macs * design.periphery.digital_mac


def energy_per_inference(chip: ComputingChip, heat: Heat, writes: float = 0.0) -> dict[str, float]:
    """Energy of one inference by component, its share of what the chip draws at rest included. [J]

    Where the chip makes no inference, what stands still costs infinitely much per inference unless it is nothing, and the rest
    is what one would cost.

    Parameters
    ----------
    chip : ComputingChip
    heat : Heat
    writes : float
        Energy of writes over the time in which they were made. [W]
    """
    standing = {
        "calibration": upkeep_energy(chip, heat, heat.upkeep),
        "write": writes,
        "leakage": float(heat.powers["leakage"].sum()),
    }
    return dynamic_energies(chip, heat) | {name: per_inference(watts, heat.rate) for name, watts in standing.items()}


def per_inference(watts: float, rate: float) -> float:
    """Energy that each inference bears of a power; infinite where there is none to bear it. [J]"""
    if rate > 0:
        return watts / rate
    return float("inf") if watts > 0 else 0.0


def component_powers(chip: ComputingChip, heat: Heat) -> dict[str, float]:
    """Power by component as it enters conduction. [W]"""
    watts = {name: float(p.sum()) for name, p in heat.powers.items()}
    watts |= {name: heat.rate * energy for name, energy in digital_energies(chip).items()}
    return watts | {"explicit": total_power(chip.sources)}


def break_even_rate(chip: ComputingChip, heat: Heat, writes: float, machine: power.Machine) -> float:
    """Rate above which the chip draws less than a conventional machine; 0 = at any, infinite = at none. [1/s]

    Parameters
    ----------
    chip : ComputingChip
    heat : Heat
    writes : float
        Energy of writes over the time in which they were made. [W]
    machine : Machine
    """
    moving = sum(dynamic_energies(chip, heat).values())
    resting = writes + upkeep_energy(chip, heat, heat.upkeep) + float(heat.powers["leakage"].sum())
    more, saved = resting - machine.leakage, machine.energy - moving
    if saved > 0:
        return max(0.0, more / saved)
    return 0.0 if more < 0 else float("inf")


def machines_of(chip: ComputingChip) -> dict[str, power.Machine]:
    """The conventional machine with its weights in either memory."""
    computer = chip.computer
    return power.conventional(computer.design.work.conventional, computer.macs, computer.weights)


def as_array(parts: dict[str, float]) -> Floats:
    """Values by component in the order of the dataset; explicit sources are no part of an inference."""
    return np.array([parts.get(name, 0.0) for name in power.COMPONENTS])
