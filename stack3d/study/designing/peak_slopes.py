"""How fast designs come to miss conditions on their peak temperature: an adjoint solve for all intervals of a search."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from stack3d.errors import Stack3dError, ValidityWarning
from stack3d.layout import Floats
from stack3d.schema.scenario import Scenario
from stack3d.study.designing.designs import DesignSpace, Positions
from stack3d.study.expressions import KELVIN
from stack3d.study.goals import Limit
from stack3d.study.plan import StudyDraft

PEAKS = ("peak_temperature", "layer_temperature_max", "temperature_max")
"""Outputs whose largest value is the temperature of the hottest node, or near it."""
SECTIONS = ("cooling", "geometry", "power")
"""Of the keys that a temperature has a gradient by: films, conductivities, thicknesses, powers and positions."""
CLOSE = 1e-4
"""Share of an interval on either side of a design between which its temperature is straight."""


class PeakSlopes:
    """Slopes of the conditions on the peak, see `Leaning`; none where a stack has no gradient.

    Parameters
    ----------
    draft : StudyDraft
    space : DesignSpace
    limits : sequence of Limit
    """

    def __init__(self, draft: StudyDraft, space: DesignSpace, limits: Sequence[Limit]) -> None:
        self._draft, self._space = draft, space
        self._signs = {k: limit.side[1] for k, limit in enumerate(limits) if limit.line[0] in PEAKS and limit.side[0]}
        self._free = [
            i
            for i, choice in enumerate(space.choices)
            if choice.interval and not choice.count and choice.key.partition(".")[0] in SECTIONS
        ]

    def __bool__(self) -> bool:
        return bool(self._signs and self._free)

    def __call__(self, design: Positions) -> Mapping[int, Floats]:
        """Of a design, by condition: change of what it is missed by, as a share of 50 K, over the share of each interval."""
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
        slope = np.full(len(design), np.nan)
        slope[self._free] = [found[self._space.choices[i].key] / KELVIN for i in self._free]
        return {k: sign * slope for k, sign in self._signs.items()}

    def _scenario(self, design: Positions) -> Scenario:
        return self._draft.case(self._space.point(0, design)).scenario
