"""How fast the peak temperature of designs, and so conditions and goals, changes: an adjoint solve for all intervals."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stack3d.errors import Stack3dError, ValidityWarning
from stack3d.layout import Floats
from stack3d.schema.scenario import Scenario
from stack3d.study.designing.designs import DesignSpace, Positions
from stack3d.study.designing.leaning import GOAL
from stack3d.study.expressions import KELVIN
from stack3d.study.goals import Goal, Limit
from stack3d.study.plan import StudyDraft

if TYPE_CHECKING:
    from stack3d.case.gradients import Neighbours

PEAKS = ("peak_temperature", "layer_temperature_max", "temperature_max")
"""Outputs whose largest value is the temperature of the hottest node, or near it."""
SECTIONS = ("cooling", "geometry", "power")
"""Of the keys that a temperature has a gradient by: films, conductivities, thicknesses, powers and positions."""
HEAT = "heat_in"
"""Output whose slope is that of the powers of a deck."""
CLOSE = 1e-4
"""Share of an interval on either side of a design between which its temperature is straight."""


class PeakSlopes:
    """Slopes of the conditions on the peak and of a goal beside them, see `Leaning`; none where a stack has no gradient.

    Parameters
    ----------
    draft : StudyDraft
    space : DesignSpace
    goals : sequence of Goal
    limits : sequence of Limit
    """

    def __init__(self, draft: StudyDraft, space: DesignSpace, goals: Sequence[Goal], limits: Sequence[Limit]) -> None:
        self._draft, self._space = draft, space
        self._signs = {k: limit.side[1] for k, limit in enumerate(limits) if limit.line[0] in PEAKS and limit.side[0]}
        self._goal = goals[0] if len(goals) == 1 and goals[0].output in (*PEAKS, HEAT) else None
        self._free = [
            i
            for i, choice in enumerate(space.choices)
            if choice.interval and not choice.count and choice.key.partition(".")[0] in SECTIONS
        ]

    def __bool__(self) -> bool:
        return bool(self._free and (self._signs or (self._goal and self._goal.output in PEAKS)))

    @property
    def is_worth(self) -> bool:
        """Whether they save cases: the slope of the goal is known too, along every interval."""
        return self._goal is not None and len(self._free) == sum(not choice.count for choice in self._space.choices)

    def __call__(self, design: Positions) -> Mapping[int, Floats]:
        """Of a design, over the share of each interval: by condition the change of what it is missed by, as a share of 50 K.

        Under `GOAL` that of a goal that is the peak [K], or the heat of a stack without a workload [W]; less is better.
        """
        from stack3d.case.gradients import PEAK, Neighbours, gradients

        try:
            scenario = self._scenario(design)
            if scenario.transient is not None or scenario.mission is not None:
                return {}
            beside = {}
            for i in self._free:
                ends = [float(np.clip(design[i] + by, 0.0, 1.0)) for by in (-CLOSE, CLOSE)]
                near = [self._scenario((*design[:i], end, *design[i + 1 :])) for end in ends]
                beside[self._space.choices[i].key] = Neighbours(near[0], near[1], ends[1] - ends[0])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ValidityWarning)
                found = gradients(scenario, beside, PEAK)
        except Stack3dError:  # a coolant that flows, a film that follows its surface, edges that part
            return {}
        peak, heat = (np.full(len(design), np.nan) for _ in range(2))
        for i in self._free:
            key = self._space.choices[i].key
            peak[i], heat[i] = found[key], _heat_slope(beside[key])
        slopes = {k: sign * peak / KELVIN for k, sign in self._signs.items()}
        if self._goal is None:
            return slopes
        own = heat if self._goal.output == HEAT else peak
        return slopes | {GOAL: own if self._goal.is_minimised else -own}

    def _scenario(self, design: Positions) -> Scenario:
        return self._draft.case(self._space.point(0, design)).scenario


def _heat_slope(pair: Neighbours) -> float:
    """Of the heat in a stack without a workload: its sources' powers; NaN with one, and where a face brings heat in. [W]"""
    scenarios = pair.lower, pair.upper
    faces = [face for one in scenarios for face in one.cooling.model_dump().values() if isinstance(face, dict)]
    if any(one.workload is not None for one in scenarios) or any(face.get("flux") for face in faces):
        return float("nan")
    low, high = (sum(source.power for source in one.power.sources) if one.power else 0.0 for one in scenarios)
    return float(high - low) / pair.between
