"""Figures of a package as data sheets give them: resistances and characterisation parameters of JESD51."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stack3d.chip import Chip, ComputingChip
from stack3d.errors import Problem, did_you_mean
from stack3d.heat import Backends, Heat, channel_runs, heat_sources, meshed
from stack3d.layout import HeatSource
from stack3d.record import Record
from stack3d.schema import CoolingDeck, JedecDeck
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


def put_figures(chip: Chip, solution: ThermalSolution, heat: Heat | None, record: Record) -> None:
    """Put the figures of a package into the `record`, each with what elements of twice the size change in it.

    Parameters
    ----------
    chip : Chip
    solution : ThermalSolution
    heat : Heat or None
        Of a chip with a workload.
    record : Record

    Notes
    -----
    θJA = (TJ - TA) / P, ΨJT = (TJ - TT) / P, ΨJB = (TJ - TB) / P with all of the power P. θJC(top) is that of the same powers
    under a cold plate at ambient on the top and no other way out.
    """
    deck = chip.scenario.jedec
    if deck is None or not solution.heat_in > 0:
        return
    sources = chip.sources
    if isinstance(chip, ComputingChip) and heat is not None:
        sources = heat_sources(chip, heat.powers, heat.rate)
    profile = chip.scenario.solver
    larger = profile.model_copy(update={"mesh": profile.mesh.coarser()})
    rough = replace(chip, scenario=chip.scenario.model_copy(update={"solver": larger}))
    own, other = _figures(chip, deck, sources, solution), _figures(rough, deck, sources, _solved(rough, sources))
    for name, figure in own.items():
        record.put(f"thermal/{name}", figure)
        record.put(f"thermal/{name}_error", abs(figure - other[name]))


def _solved(chip: Chip, sources: Sequence[HeatSource]) -> ThermalSolution:
    return Backends().of(chip.scenario, chip.stack, meshed(chip)).solve(sources)


def _figures(chip: Chip, deck: JedecDeck, sources: Sequence[HeatSource], solution: ThermalSolution) -> dict[str, float]:
    """Figures of a steady state by name of their variable. [K/W]"""
    probes = {probe.name: probe for probe in chip.scenario.probes}

    def at(name: str, solution: ThermalSolution) -> float:
        probe = probes[name]
        return solution.field.at(probe.layer, probe.x, probe.y, probe.z)

    ambient, power = chip.scenario.cooling.ambient, solution.heat_in
    found = {"theta_ja": (at(deck.junction, solution) - ambient) / power}
    if deck.board is not None:
        found["psi_jb"] = (at(deck.junction, solution) - at(deck.board, solution)) / power
    if deck.top is not None:
        found["psi_jt"] = (at(deck.junction, solution) - at(deck.top, solution)) / power
        kelvin = f"{ambient!r} K"
        plate = CoolingDeck.model_validate({"top": {"name": "cold_plate", "temperature": kelvin}, "ambient": kelvin})
        cooled = replace(chip, scenario=chip.scenario.model_copy(update={"cooling": plate}))
        found["theta_jc_top"] = (at(deck.junction, _solved(cooled, sources)) - ambient) / power
    return found
