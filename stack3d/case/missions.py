"""What the phases of a mission are like: hottest places and means of layers, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.heat import Backends, Heat, Limits, heat_sources
from stack3d.heat.limits import PhaseAlone
from stack3d.heat.time import MissionHeat, backends_of, in_phase
from stack3d.heat.too_hot import Drawn
from stack3d.heat.trust import error_bars
from stack3d.layout import Floats, HeatSource
from stack3d.record import Record
from stack3d.thermal import HeatProblem, ThermalSolution


class SolvedPhase(NamedTuple):
    """Mean temperature, films and sources of a phase, and the hottest place of every layer at any instant. [K]"""

    solution: ThermalSolution
    problem: HeatProblem
    sources: Sequence[HeatSource]
    hottest: Floats


def phases_solved(chip: Chip, state: Heat | None, limits: Limits) -> list[SolvedPhase]:
    """Every phase; of a chip with a workload about its mean `state`."""
    if isinstance(chip, ComputingChip) and state is not None:
        mission = MissionHeat(chip, state, limits)
        return [
            SolvedPhase(
                heat.solution,
                mission.problem(i),
                heat_sources(in_phase(chip, phase), heat.powers, heat.rate),
                mission.hottest(i, heat, mission.within(i, heat)),
            )
            for i, (phase, heat) in enumerate(zip(chip.phases, mission.states(state)))
        ]
    layers = [layer.name for layer in chip.stack.named]
    found = list[SolvedPhase]()
    for phase, backend in zip(chip.phases, backends_of(chip)):
        solution = backend.solve(phase.sources)
        peaks = np.array([solution.field.layer_max(name) for name in layers])
        found.append(SolvedPhase(solution, backend.problem, phase.sources, peaks))
    return found


def phases_alone(chip: Chip, found: Sequence[SolvedPhase], heated: Drawn) -> list[PhaseAlone]:
    """Each phase as a state of its own, and what it draws, which is `heated` in the mean of all."""
    return [
        PhaseAlone(
            in_phase(chip, phase),
            solved.problem,
            solved.solution,
            replace(heated, watts=solved.solution.heat_in, phase=i, name=phase.name),
        )
        for i, (phase, solved) in enumerate(zip(chip.phases, found))
    ]


def put_phases(chip: Chip, found: Sequence[SolvedPhase], record: Record, estimates: error_bars.Estimates) -> None:
    """Put what phases are like into the `record`, and their errors among the `estimates`.

    Parameters
    ----------
    chip : Chip
    found : sequence of SolvedPhase
    record : Record
        With those of the mean.
    estimates : Estimates
    """
    layers, coarse = [layer.name for layer in chip.stack.named], Backends()
    record.along("mission_phase", [phase.name for phase in chip.phases])
    record.put("thermal/phase_share", [phase.share for phase in chip.phases])
    record.put("thermal/phase_power", [phase.solution.heat_in for phase in found])
    record.put("thermal/phase_layer_temperature_max", [phase.hottest for phase in found])
    record.put("thermal/phase_layer_temperature_mean", [[p.solution.field.layer_mean(n) for n in layers] for p in found])
    each = [
        error_bars.of_mesh(in_phase(chip, phase), solved.solution, coarse, solved.sources)
        for phase, solved in zip(chip.phases, found)
    ]
    for name in ("layer_temperature_max", "layer_temperature_mean", "temperature_mean"):
        key = f"thermal/{name}_error"
        mine = f"thermal/phase_{name}"
        if mine in record and all(key in of_phase for of_phase in each):
            error = np.array([of_phase[key].value for of_phase in each])
            estimates[f"{mine}_error"] = error_bars.Estimate(
                np.broadcast_to(error, record[mine].shape).copy(), each[0][key].how
            )
