"""Figures of a package as data sheets give them: resistances and characterisation parameters of JESD51."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.errors import Problem, did_you_mean
from stack3d.heat import Heat, channel_runs, heat_sources
from stack3d.record import Record
from stack3d.schema import CoolingDeck
from stack3d.thermal import ThermalSolution


def check_figures(chip: Chip) -> list[Problem]:
    """What stands against the figures of a package: probes that are not there, time, coolant, a mesh without a top."""
    scenario = chip.scenario
    if scenario.jedec is None:
        return []
    names = [probe.name for probe in scenario.probes]
    given = {key: name for key in ("junction", "top", "board") if (name := getattr(scenario.jedec, key)) is not None}
    problems = [
        Problem(f"jedec.{key}", f"no probe {name!r}{did_you_mean(name, names)}; probes: {', '.join(names) or 'none'}")
        for key, name in given.items()
        if name not in names
    ]
    if scenario.transient is not None:
        problems.append(Problem("jedec", "is of the steady state; leave transient out"))
    if channel_runs(chip.stack):
        problems.append(Problem("jedec", "does not go with channels: their coolant is no ambient"))
    if scenario.geometry.mesh is not None:
        problems.append(Problem("jedec", "wants layers: of a mesh of your own, no face is the top"))
    return problems


def put_figures(
    chip: Chip, solution: ThermalSolution, heat: Heat | None, record: Record, judged: Callable[[Chip], Record]
) -> None:
    """Put the figures of a package into the `record`, each with the errors of its temperatures over the power.

    Parameters
    ----------
    chip : Chip
    solution : ThermalSolution
    heat : Heat or None
        Of a chip with a workload.
    record : Record
        Has the temperatures of probes and their errors.
    judged : callable
        Solves another chip as this one was solved, to the same accuracy, and gives temperatures with their errors.

    Notes
    -----
    θJA = (TJ - TA) / P, ΨJT = (TJ - TT) / P, ΨJB = (TJ - TB) / P with all of the power P. θJC(top) is that of the same powers
    under a cold plate at ambient on the top and no other way out. The errors of two temperatures are added.
    """
    deck = chip.scenario.jedec
    if deck is None or not solution.heat_in > 0:
        return
    places = {"": deck.junction, "board": deck.board, "top": deck.top}
    at = {key: _probe(chip, name, solution, record) for key, name in places.items() if name is not None}
    (junction, error), power = at[""], solution.heat_in
    found = {"theta_ja": (junction - chip.scenario.cooling.ambient, error)}
    for figure, key in (("psi_jb", "board"), ("psi_jt", "top")):
        if key in at:
            found[figure] = (junction - at[key][0], error + at[key][1])
    if deck.top is not None:
        found["theta_jc_top"] = _over_cold_plate(chip, deck.junction, heat, judged)
    for name, (kelvin, doubt) in found.items():
        record.put(f"thermal/{name}", kelvin / power)
        record.put(f"thermal/{name}_error", doubt / power)


def _probe(chip: Chip, name: str, solution: ThermalSolution, record: Record) -> tuple[float, float]:
    """Temperature of a probe and its error. [K]"""
    number = [probe.name for probe in chip.scenario.probes].index(name)
    probe = chip.scenario.probes[number]
    error = float(np.max(record["thermal/probe_temperature_error"][..., number]))
    return solution.field.at(probe.layer, probe.x, probe.y, probe.z), error


def _over_cold_plate(chip: Chip, junction: str, heat: Heat | None, judged: Callable[[Chip], Record]) -> tuple[float, float]:
    """Rise of the junction over a cold plate on the top, by the same powers, and its error. [K]"""
    ambient = chip.scenario.cooling.ambient
    sources = chip.sources
    if isinstance(chip, ComputingChip) and heat is not None:
        sources = tuple(heat_sources(chip, heat.powers, heat.rate))
    kelvin = f"{ambient!r} K"
    plate = CoolingDeck.model_validate({"top": {"name": "cold_plate", "temperature": kelvin}, "ambient": kelvin})
    cooled = judged(Chip(chip.scenario.model_copy(update={"cooling": plate}), chip.stack, sources))
    number = [probe.name for probe in chip.scenario.probes].index(junction)
    values = (cooled[f"thermal/probe_temperature{end}"][..., number] for end in ("", "_error"))
    temperature, error = (float(np.max(found)) for found in values)
    return temperature - ambient, error
