"""How long a case will take, estimated from its decks before the work: terms and rates, right to a factor of about four."""

from __future__ import annotations

import math
from collections.abc import Mapping

from stack3d.case.judged_placings import CHIPS, is_by_accuracy, readings_of
from stack3d.case.size import instants_of, solves_of
from stack3d.chip.chip import Chip, ComputingChip
from stack3d.devices import posterior_draws
from stack3d.heat.meshing import AnyKind, kind_of
from stack3d.life.band import DRAWS
from stack3d.life.chips.policy import chosen_policies
from stack3d.progress import time_left
from stack3d.schema import LifetimeDeck

AGE = 1.5e-7
"""Of a cell of a chip in an epoch. Medians of the shipped scenarios, as are all below; `benchmarks/durations.py`. [s]"""
READ = 8e-10
"""Of a multiply-accumulate of one input on one chip in a read-out. [s]"""
ATTRIBUTED = 1 / 3
"""Of ageing and reading again, for each mechanism that is switched off in turn."""
ACTS = 3.0
"""Ageing and reading where a policy writes or measures again and again, over that of chips left alone."""
BAND = 3.0
"""Of ageing and reading again at the ends of a device's bands."""
MARCH = 5.0
"""Steps on other meshes, and of half the length, that tell the error of a step of a transient, in steady solves."""
RESPONSE = 10.0
"""Solves that the reduced model of a source takes."""
JUDGED = 0.5
"""Share of the heat of a steady case that its errors take."""
LONG = 86_400.0
"""A case that takes longer is told before the work. [s]"""


def seconds_of(chip: Chip, body: AnyKind | None = None) -> dict[str, float]:
    """Time on one core by what takes it, named by the key of the scenario to make smaller. [s]

    Parameters
    ----------
    chip : Chip
    body : mesh of the chip, or None
        Of one that is not made yet, the least that its profile asks for counts.
    """
    scenario = chip.scenario
    solve = kind_of(scenario).least_seconds(chip) if body is None else body.seconds(chip)
    plates = 0 if scenario.jedec is None or scenario.jedec.top is None else 1
    found = {"solver.mesh": solve * (plates + solves_of(chip) * (1.0 if scenario.transient is None else MARCH))}
    if scenario.impedance is not None:
        found["impedance"] = RESPONSE * len(chip.sources) * solve
    if isinstance(chip, ComputingChip) and scenario.lifetime is not None and scenario.transient is None:
        found |= _of_life(chip, scenario.lifetime)
    return found


def _of_life(chip: ComputingChip, lifetime: LifetimeDeck) -> dict[str, float]:
    """Of ageing and reading, as `seconds_of` has it. [s]"""
    computer, scenario = chip.computer, chip.scenario
    cells = sum(math.prod(matrix.state_shape) for matrix in computer.matrices.values())
    acts = any(policy.events(0.0, lifetime.until) for policy in chosen_policies(computer))
    each = scenario.monte_carlo.samples * instants_of(chip) * (ACTS if acts else 1.0)
    found = {"monte_carlo.samples": AGE * cells * each}
    found["workload.network"] = READ * computer.macs * len(computer.data.inputs) * each
    life = found["monte_carlo.samples"] + found["workload.network"]
    if is_by_accuracy(scenario):
        inputs, lives = len(computer.origin.data.profile), CHIPS * readings_of(computer) * (ACTS if acts else 1.0)
        found["workload.placement"] = (2 * AGE * cells + READ * computer.macs * inputs) * lives
    if lifetime.attribution:
        found["lifetime.attribution"] = ATTRIBUTED * len(computer.mechanisms) * life
    if lifetime.band:
        fitted = any(posterior_draws(device.device) for device in computer.devices.values())
        found["lifetime.band"] = (BAND + DRAWS * fitted) * life
    return found


def stages_of(chip: Chip, found: Mapping[str, float], *, lives: bool) -> dict[str, float]:
    """Time of the stages that follow the mesh of a case, by name in their order. [s]

    Parameters
    ----------
    chip : Chip
    found : mapping of str to float
        `seconds_of` the chip. [s]
    lives : bool
        Whether its whole life is followed.
    """
    heat, judged = found["solver.mesh"], JUDGED if chip.scenario.transient is None else 1 - 1 / MARCH
    life = {"program": (1 - judged) * heat + found.get("monte_carlo.samples", 0.0) + found.get("workload.network", 0.0)}
    life |= {"band": found.get("lifetime.band", 0.0), "attribute": found.get("lifetime.attribution", 0.0)}
    first = life if lives else {"heat": (1 - judged) * heat}
    stages = {**first, "judge": judged * heat, "impedance": found.get("impedance", 0.0)}
    return {name: seconds for name, seconds in stages.items() if seconds}


def time_told(chip: Chip, body: AnyKind | None = None) -> str:
    """How long a case will take, in a few words."""
    found = seconds_of(chip, body)
    total = sum(found.values())
    large = sorted((item for item in found.items() if item[1] > 0.1 * total), key=lambda item: -item[1])
    listed = ", ".join(f"{key} {100 * seconds / total:.0f} %" for key, seconds in large)
    return f"very roughly {time_left(total)} of one core ({listed})" if total >= 1 else "a second or two of one core"


def warning_of(chip: Chip) -> str | None:
    """What to tell before the work of a case that takes more than `LONG`; None of a shorter one."""
    if sum(seconds_of(chip).values()) <= LONG:
        return None
    return f"takes more than a day, {time_told(chip)}: make what is named first smaller, or let it run"
