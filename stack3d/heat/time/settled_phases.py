"""Temperatures of a chip in the phases of its mission, each settled, about those of its mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from stack3d.chip import Chip, ComputingChip, Phase, mean_activity
from stack3d.heat import Backends, Climate, Heat, Limits, meshed, settle_again
from stack3d.heat.time.swing import UNMOVED, PeriodicHeat, Swing, leaking_of
from stack3d.layout import Floats
from stack3d.thermal import HeatProblem, ThermalBackend, ThermalSolution


def in_phase[C: Chip](chip: C, phase: Phase) -> C:
    """The chip with the surroundings and the explicit sources of a phase."""
    return replace(chip, scenario=chip.scenario.model_copy(update={"cooling": phase.cooling}), sources=phase.sources)


def backends_of(chip: Chip) -> list[ThermalBackend]:
    """A solver for the surroundings of each phase; compact ones share their models.

    Each is kept by itself: elements that are given other films are the same solver with these.
    """
    body, shared = meshed(chip), Backends()
    kept = [shared if chip.scenario.solver.backend == "compact" else Backends() for _ in chip.phases]
    return [one.of(in_phase(chip, phase).scenario, chip.stack, body) for one, phase in zip(kept, chip.phases)]


class MissionHeat:
    """Follows the temperature through the phases of a mission for the powers of an epoch.

    A phase lasts long enough that its heat has settled, to one state or, with a trace of its activity, to one period. What goes
    with the rate follows its activity, explicit sources are its own, leakage follows its temperature, writes and calibrations
    stay at their mean.

    Parameters
    ----------
    chip : ComputingChip
        With phases.
    first : Heat
        Of the chips just programmed, at the mean of the phases.
    limits : Limits
    """

    def __init__(self, chip: ComputingChip, first: Heat, limits: Limits) -> None:
        self.chip, self.first, self.limits = chip, first, replace(limits, hottest=None)
        self.tiers = [layer.name for layer in chip.stack.with_role("rram")]
        self.layers = [layer.name for layer in chip.stack.named]
        self.shares = np.array([phase.share for phase in chip.phases])
        self._backends = backends_of(chip)
        self._periods: dict[int, PeriodicHeat] = {}

    def states(self, state: Heat) -> list[Heat]:
        """Heat of each phase for cells as they are in a state, whose rate is shared by activity."""
        whole = mean_activity(self.chip.phases)
        rates = [state.rate * phase.mean_activity / whole if whole else 0.0 for phase in self.chip.phases]
        return self._settled(state, rates)

    def _settled(self, state: Heat, rates: Sequence[float]) -> list[Heat]:
        return [
            settle_again(in_phase(self.chip, phase), backend, state, rate, self.limits)
            for phase, backend, rate in zip(self.chip.phases, self._backends, rates)
        ]

    def problem(self, phase: int) -> HeatProblem:
        """A phase with the films of its last state."""
        return self._backends[phase].problem

    def swing(self, state: Heat, before: Swing | None = None) -> Swing:
        """The phases about a mean, one level each; `before` if the powers of the state are its own."""
        moving = state.tile_power[None]
        if before is not None and np.abs(moving - before.moving).max() <= UNMOVED * np.abs(before.moving).max():
            return before
        found = self.states(state)
        parts = [self.within(i, heat) for i, heat in enumerate(found)]
        means = [heat.field - state.field for heat in found]
        climate = self._joined([part.climate.shifted(mean) for part, mean in zip(parts, means)])
        low, high = (np.array([getattr(p, end) + m for p, m in zip(parts, means)]) for end in ("low", "high"))
        tiers = np.concatenate([self._means(heat.solution) + part.tiers for heat, part in zip(found, parts)])
        tiers = tiers - self._means(state.solution)
        spots = np.max([self.hottest(i, *one) for i, one in enumerate(zip(found, parts))], axis=0) - self._peaks(state.solution)
        leaks = self.shares @ [heat.powers["leakage"] * part.leaking for heat, part in zip(found, parts)]
        at_mean = state.powers["leakage"] / leaking_of(before)
        leaking = np.divide(leaks, at_mean, out=np.ones_like(leaks), where=at_mean > 0)
        phase = np.repeat(np.arange(len(parts)), [part.climate.shares.size for part in parts])
        return Swing(climate, low.min(axis=0), high.max(axis=0), tiers, spots, leaking, moving, state.rate, phase)

    def _joined(self, climates: Sequence[Climate]) -> Climate:
        """Climate of a mission from those of its phases."""
        work = np.array([phase.mean_activity for phase in self.chip.phases]) * self.shares
        work = work / work.sum() if work.any() else self.shares
        return Climate(
            np.concatenate([share * one.shares for share, one in zip(self.shares, climates)]),
            np.concatenate([one.levels for one in climates]),
            np.tensordot(work, [one.working for one in climates], axes=1),
            np.concatenate([share * one.work for share, one in zip(work, climates)]),
        )

    def within(self, phase: int, heat: Heat) -> Swing:
        """A phase about its mean: a period of its trace, or one level."""
        trace, still = self.chip.phases[phase].trace, np.zeros_like(heat.field)
        if trace is None or not heat.rate:
            one, tiers = Climate.steady(still), np.zeros((1, len(self.tiers)))
            leaking, moving = np.ones_like(heat.powers["leakage"]), np.zeros((1, 1))
            return Swing(one, still, still, tiers, np.zeros(0), leaking, moving, heat.rate, np.zeros(1, np.intp))
        if phase not in self._periods:
            chip = replace(in_phase(self.chip, self.chip.phases[phase]), activity=trace)
            self._periods[phase] = PeriodicHeat(chip, self._backends[phase], heat)
        return self._periods[phase].swing(heat)

    def hottest(self, phase: int, heat: Heat, swing: Swing) -> Floats:
        """Hottest place of every layer at any instant of a phase, shape (layers,). [K]"""
        peaks = self._peaks(heat.solution)
        return np.maximum(peaks, self._periods[phase].layer_peaks(heat.solution, swing)) if swing.spots.size else peaks

    def _means(self, solution: ThermalSolution) -> Floats:
        return np.array([solution.field.layer_mean(name) for name in self.tiers])

    def _peaks(self, solution: ThermalSolution) -> Floats:
        return np.array([solution.field.layer_max(name) for name in self.layers])

    @cached_property
    def unthrottled(self) -> Floats:
        """Hottest phase of each box above its mean that no rate of inferences changes, shape (tiles, ny, nx). [K]"""
        found = np.array([heat.field for heat in self._settled(self.first, [0.0] * len(self.chip.phases))])
        return np.asarray(found.max(axis=0) - np.tensordot(self.shares, found, axes=1))

    def layer_peaks(self, solution: ThermalSolution, swing: Swing) -> Floats:
        """Hottest place of every layer in its hottest phase, about a mean, shape (layers,). [K]"""
        return np.asarray(self._peaks(solution) + swing.spots)
