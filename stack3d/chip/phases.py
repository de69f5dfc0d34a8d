"""Phases of a mission: what a chip draws and how it is cooled in each, and on average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.layout import HeatSource
from stack3d.schema import CoolingDeck, PhaseDeck, Scenario
from stack3d.workload import PowerTrace, read_activity


@dataclass(frozen=True)
class Phase:
    """A part of a mission.

    Parameters
    ----------
    name : str
    share : float
        Of the time. [-]
    cooling : CoolingDeck
    activity : float
        Share of the workload's rate. [-]
    sources : tuple of HeatSource
        Explicit ones.
    trace : PowerTrace or None
        Activity within it, as a share of its own, over and over; None: all along.
    """

    name: str
    share: float
    cooling: CoolingDeck
    activity: float
    sources: tuple[HeatSource, ...]
    trace: PowerTrace | None = None

    @property
    def mean_activity(self) -> float:
        """Over time. [-]"""
        return self.activity if self.trace is None else self.activity * float(self.trace.mean[0])


def phases_of(scenario: Scenario, sources: Sequence[HeatSource]) -> tuple[Phase, ...]:
    """Phases of the mission of a scenario; none without one.

    Raises
    ------
    DeckError
        For powers of sources that are not there, traces without a workload or that are none, phases that nothing cools.
    """
    decks = scenario.mission or ()
    names = [source.name for source in sources]
    if problems := [problem for i, deck in enumerate(decks) for problem in _mistakes(scenario, deck, f"mission[{i}]", names)]:
        raise DeckError(problems)
    whole = sum(deck.share or deck.duration or 0.0 for deck in decks)
    shares = [(deck.share or deck.duration or 0.0) / whole for deck in decks]
    return tuple(_phase(scenario, sources, i, share) for i, share in enumerate(shares))


def _mistakes(scenario: Scenario, deck: PhaseDeck, key: str, names: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with a phase, beside the `names` of explicit sources."""
    for name in deck.power if isinstance(deck.power, dict) else ():
        if name not in names:
            yield Problem(f"{key}.power.{name}", f"no source {name!r}{did_you_mean(name, names)}; sources: {', '.join(names)}")
    if deck.trace is not None and scenario.workload is None:
        text = "is the activity of a workload, and there is none; explicit powers stay within a phase"
        yield Problem(f"{key}.trace", text)
    if deck.activity != 1.0 and scenario.workload is None:
        yield Problem(f"{key}.activity", "is that of a workload, and there is none; give the phase its power")
    flows = any(layer.flow for layer in scenario.geometry.every_layer)
    if not _cooled(scenario.cooling, deck).has_way_out and not flows:
        text = "leaves every face adiabatic, so there is no steady temperature in this phase: cool the top, bottom or sides"
        yield Problem(f"{key}.cooling", text)


def _phase(scenario: Scenario, sources: Sequence[HeatSource], number: int, share: float) -> Phase:
    """A phase of a scenario by its number, with its share of the time; raises DeckError for a trace that is none."""
    deck = (scenario.mission or ())[number]
    powered = tuple(replace(source, power=_power(source, deck)) for source in sources)
    trace = None if deck.trace is None else read_activity(deck.trace, f"mission[{number}].trace")
    return Phase(deck.name, share, _cooled(scenario.cooling, deck), deck.activity, powered, trace)


def _power(source: HeatSource, deck: PhaseDeck) -> float:
    return deck.power.get(source.name, source.power) if isinstance(deck.power, dict) else deck.power * source.power


def _cooled(cooling: CoolingDeck, deck: PhaseDeck) -> CoolingDeck:
    """The cooling of a phase; faces and ambient that it does not name stay."""
    faces = {name: face for name in ("top", "bottom", "sides") if (face := getattr(deck.cooling, name)) is not None}
    return cooling.model_copy(update=faces | ({} if deck.ambient is None else {"ambient": deck.ambient}))


def mean_activity(phases: Sequence[Phase]) -> float:
    """Share of the workload's rate. [-]"""
    return sum(phase.share * phase.mean_activity for phase in phases)


def averaged(
    scenario: Scenario, sources: Sequence[HeatSource], phases: Sequence[Phase]
) -> tuple[Scenario, tuple[HeatSource, ...]]:
    """The scenario at the mean ambient of its phases, and its explicit sources at their mean powers."""
    if not phases:
        return scenario, tuple(sources)
    ambient = sum(phase.share * phase.cooling.ambient for phase in phases)
    powers = np.array([phase.share for phase in phases]) @ [[s.power for s in phase.sources] for phase in phases]
    mean = tuple(replace(source, power=float(power)) for source, power in zip(sources, powers))
    return scenario.model_copy(update={"cooling": scenario.cooling.model_copy(update={"ambient": ambient})}), mean
