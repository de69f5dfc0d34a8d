"""Temperatures of a chip in the phases of its mission, each settled, about those of its mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from stack3d.chip import Chip, ComputingChip, Phase, mean_activity
from stack3d.heat import Backends, Climate, Heat, Limits, meshed, settle_again
from stack3d.heat.time.swing import UNMOVED, Swing, leaking_of
from stack3d.layout import Floats
from stack3d.thermal import ThermalBackend, ThermalSolution


def in_phase[C: Chip](chip: C, phase: Phase) -> C:
    """The chip with the surroundings and the explicit sources of a phase."""
    return replace(chip, scenario=chip.scenario.model_copy(update={"cooling": phase.cooling}), sources=phase.sources)


def backends_of(chip: Chip) -> list[ThermalBackend]:
    """A solver for the surroundings of each phase."""
    body, kept = meshed(chip), Backends()
    return [kept.of(in_phase(chip, phase).scenario, chip.stack, body) for phase in chip.phases]


class MissionHeat:
    """Follows the temperature through the phases of a mission for the powers of an epoch.

    A phase lasts long enough that its heat has settled. What goes with the rate follows its activity, explicit sources are its
    own, leakage follows its temperature, writes and calibrations stay at their mean.

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

    def states(self, state: Heat) -> list[Heat]:
        """Heat of each phase for cells as they are in a state, whose rate is shared by activity."""
        whole = mean_activity(self.chip.phases)
        rates = [state.rate * phase.activity / whole if whole else 0.0 for phase in self.chip.phases]
        return self._settled(state, rates)

    def _settled(self, state: Heat, rates: Sequence[float]) -> list[Heat]:
        return [
            settle_again(in_phase(self.chip, phase), backend, state, rate, self.limits)
            for phase, backend, rate in zip(self.chip.phases, self._backends, rates)
        ]

    def swing(self, state: Heat, before: Swing | None = None) -> Swing:
        """The phases about a mean, one level each; `before` if the powers of the state are its own."""
        moving = state.tile_power[None]
        if before is not None and np.abs(moving - before.moving).max() <= UNMOVED * np.abs(before.moving).max():
            return before
        found = self.states(state)
        inside = np.array([heat.field for heat in found]) - state.field
        work = np.array([phase.activity for phase in self.chip.phases]) * self.shares
        work = work / work.sum() if work.any() else self.shares
        climate = Climate(self.shares, inside, np.tensordot(work, inside, axes=1), work)
        tiers = np.array([self._means(heat.solution) for heat in found]) - self._means(state.solution)
        spots = np.max([self._peaks(heat.solution) for heat in found], axis=0) - self._peaks(state.solution)
        leaks = self.shares @ [heat.powers["leakage"] for heat in found]
        at_mean = state.powers["leakage"] / leaking_of(before)
        leaking = np.divide(leaks, at_mean, out=np.ones_like(leaks), where=at_mean > 0)
        return Swing(climate, inside.min(axis=0), inside.max(axis=0), tiers, spots, leaking, moving, state.rate)

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
