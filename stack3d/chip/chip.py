"""What is heated: a stack and its explicit heat, and with a workload the computer on it; a scenario made concrete."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from stack3d.chip.assemble import build_computer
from stack3d.chip.computer import Computer
from stack3d.chip.design import Design
from stack3d.chip.phases import Phase, averaged, mean_activity, phases_of
from stack3d.chip.pumps import with_pumps
from stack3d.errors import DeckError, Problem, ValidityWarning, collected, did_you_mean
from stack3d.geometry import build_stack, check_places, explicit_sources, tile_sites
from stack3d.layout import HeatSource, Rectangle, Stack
from stack3d.schema import Scenario
from stack3d.workload import PowerTrace, heated_place, read_activity, read_surroundings, read_trace

TOLD = 0.01
"""By how much of the larger the power of a source may differ from the mean of its trace before a run says so."""


@dataclass(frozen=True, eq=False)
class Chip:
    """Stack and explicit heat.

    Parameters
    ----------
    scenario : Scenario
    stack : Stack
    sources : tuple of HeatSource
        Explicit heat, its mean where a trace is given.
    source_trace : PowerTrace or None
        Power of explicit sources over time. [W]
    phases : tuple of Phase
        Of the mission; scenario and sources are then those of its mean.
    """

    scenario: Scenario
    stack: Stack
    sources: tuple[HeatSource, ...]
    source_trace: PowerTrace | None = None
    phases: tuple[Phase, ...] = ()

    @property
    def heated(self) -> frozenset[int]:
        """Layers with explicit heat or tiles, by index."""
        return frozenset(self.stack.index[name] for name in (*(s.layer for s in self.sources), *(p for p, _ in self.places)))

    @property
    def places(self) -> Sequence[tuple[str, Rectangle]]:
        """Layer and box of every tile; of a chip without a workload none."""
        return ()

    @property
    def mean_rate(self) -> float:
        """Inferences per second, mean over the activity; of a chip without a workload 0. [1/s]"""
        return 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class ComputingChip(Chip):
    """A chip with a workload.

    Parameters
    ----------
    computer : Computer
    activity : PowerTrace
        Of the workload, a share of its rate.
    """

    computer: Computer
    activity: PowerTrace

    @property
    def sites(self) -> list[tuple[str, Rectangle]]:
        """Layer and box of every site that a tile may lie on."""
        return tile_sites(self.stack)

    def homes(self, component: str) -> list[tuple[str, Rectangle]]:
        """Layer and box that a component of each tile heats."""
        return [heated_place(self.stack, site, component, self.computer.design.periphery) for site in self.computer.places]

    @property
    def places(self) -> Sequence[tuple[str, Rectangle]]:
        """Layer and box of every tile."""
        return self.computer.places

    @property
    def mean_rate(self) -> float:
        """Inferences per second, mean over the activity. [1/s]"""
        return self.computer.design.work.rate * float(self.activity.mean[0])


def _with_tables(scenario: Scenario) -> Scenario:
    """The scenario with what the table of its surroundings says; raises DeckError."""
    transient = scenario.transient
    if transient is None or transient.surroundings is None:
        return scenario
    table = read_surroundings(transient.surroundings, "transient.surroundings")
    return scenario.model_copy(update={"transient": transient.model_copy(update={"surroundings": table})})


def _traced(scenario: Scenario, sources: tuple[HeatSource, ...]) -> tuple[tuple[HeatSource, ...], PowerTrace | None]:
    """Explicit sources at their mean power, and their trace; raises DeckError for blocks that are no sources."""
    deck = scenario.power.trace if scenario.power else None
    if deck is None:
        return sources, None
    found = read_trace(deck, "power.trace")
    names = [s.name for s in sources]
    problems = [
        Problem("power.trace.file", f"column {block!r} is no source{did_you_mean(block, names)}; sources: {', '.join(names)}")
        for block in found.blocks
        if block not in names
    ]
    if problems:
        raise DeckError(problems)
    mean = {block: float(power) for block, power in zip(found.blocks, found.mean)}
    for source in sources:
        told, traced = source.power, mean.get(source.name, source.power)
        if abs(told - traced) > TOLD * max(abs(told), abs(traced)):
            text = f"{source.name!r} says {told:g} W, its column of the trace has a mean of {traced:g} W; the trace counts"
            warnings.warn(ValidityWarning(f"power.sources: {text}"), stacklevel=2)
    return tuple(replace(s, power=mean.get(s.name, s.power)) for s in sources), found


def build_chip(scenario: Scenario, found: list[Problem] | None = None) -> Chip:
    """Make a scenario concrete, all but the places of its tiles.

    Parameters
    ----------
    scenario : Scenario
    found : list of Problem, optional
        Takes the mistakes, where the caller looks for more before it raises.

    Raises
    ------
    DeckError
        With every mistake that only shows when the parts meet: geometry, places, network, device, rate.
    """
    problems: list[Problem] = [] if found is None else found
    scenario = collected(lambda: _with_tables(scenario), problems) or scenario
    stack = with_pumps(build_stack(scenario.geometry), scenario, problems)
    sources = collected(lambda: explicit_sources(scenario, stack), problems) or ()
    for source in sources:
        if source.power < 0:
            text = f"power.sources: {source.name!r} takes {-source.power:g} W out of {source.layer!r}; is the sign meant?"
            warnings.warn(ValidityWarning(text), stacklevel=2)
    traced = collected(lambda: _traced(scenario, sources), problems)
    sources, source_trace = traced if traced is not None else (sources, None)
    problems += check_places(scenario, stack)
    phases = collected(partial(phases_of, scenario, sources), problems) or ()
    scenario, sources = averaged(scenario, sources, phases)
    chip, design = Chip(scenario, stack, sources, source_trace, phases), Design.of(scenario)
    if design is not None:
        chip = _computing(chip, design, problems) or chip
    if problems and found is None:
        raise DeckError(problems)
    return chip


def _computing(chip: Chip, design: Design, problems: list[Problem]) -> ComputingChip | None:
    """The chip with its computer; None, and the mistakes told, where there can be none."""
    activity = collected(lambda: read_activity(design.work.trace), problems)
    n_tiers, sites = len(chip.stack.with_role("rram")), tile_sites(chip.stack)
    computer = collected(lambda: build_computer(design, n_tiers, sites, problems), problems, "workload.network.file")
    if activity is None or computer is None:
        return None
    if chip.phases:
        activity = replace(activity, values=np.full((1, 1), mean_activity(chip.phases)))
    parts = (chip.scenario, chip.stack, chip.sources, chip.source_trace, chip.phases)
    return ComputingChip(*parts, computer=computer, activity=activity)
