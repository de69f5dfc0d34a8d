"""Designs that lie on a condition as its gradient has it: steps along intervals from designs whose slopes are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from stack3d.layout import Floats
from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.judged import JudgedDesign

Slopes = Callable[[Positions], Mapping[int, Floats]]
"""From a design to the change of what it misses each condition by over the share of each interval; NaN where unknown."""
INSIDE = 1e-4
"""Share of a limit, of 50 K for temperatures, that a step aims to keep a condition by. [-]"""
WIDTHS = (0.3, 0.01)
"""Widths of a step along the condition, drawn between these two at equal ratios; in shares of an interval."""
DIGITS = 7
"""Decimals of a share: rounding of the solves stays below."""
MOST_BASES = 8
"""Designs that steps start from."""


class Leaning:
    """Steps onto and along conditions from the best designs of every choice from lists.

    Parameters
    ----------
    choices : sequence of Choice
    slopes : callable
        See `Slopes`; asked once of a design.
    rng : Generator
    """

    def __init__(self, choices: Sequence[Choice], slopes: Slopes, rng: np.random.Generator) -> None:
        self._choices, self._slopes, self._rng = choices, slopes, rng
        self._lists = [i for i, choice in enumerate(choices) if choice.count]
        self._known: dict[Positions, Mapping[int, Floats]] = {}

    def learn(self, known: Sequence[JudgedDesign]) -> None:
        """Ask for the slopes of one more design: the first of those that steps start from."""
        new = next((one.design for one in self._bases(known) if one.design not in self._known), None)
        if new is not None:
            self._known[new] = self._slopes(new)

    def steps(self, known: Sequence[JudgedDesign]) -> list[Positions]:
        """Designs on the linearised conditions of those with slopes, each once."""
        bases = (one for one in self._bases(known) if self._known.get(one.design))
        return list(dict.fromkeys(design for one in bases for design in self._from(one)))

    def _bases(self, known: Sequence[JudgedDesign]) -> list[JudgedDesign]:
        """Of every choice from lists the best that meets all conditions, and the one that misses them by least."""
        found = dict[tuple[bool, Positions], JudgedDesign]()
        order = sorted((one for one in known if one.goals), key=lambda one: (one.shortfall, one.goals))
        for one in order:
            found.setdefault((one.is_feasible, tuple(one.design[i] for i in self._lists)), one)
        return list(found.values())[:MOST_BASES]

    def _from(self, base: JudgedDesign) -> Iterator[Positions]:
        """Onto the condition that is nearest to being missed by one interval, and along it by two."""
        slopes = self._known[base.design]
        k = max(slopes, key=lambda at: base.missed[at])
        slope, wanted = slopes[k], -INSIDE - base.missed[k]
        free = [int(i) for i in np.flatnonzero(np.nan_to_num(slope)) if not self._choices[int(i)].count]
        for j in free:
            yield from self._moved(base.design, {j: wanted / slope[j]})
            for i in (i for i in free if i != j):
                width = WIDTHS[0] * (WIDTHS[1] / WIDTHS[0]) ** self._rng.random()
                for along in (-width, width):
                    yield from self._moved(base.design, {i: along, j: (wanted - along * slope[i]) / slope[j]})

    def _moved(self, design: Positions, by: Mapping[int, float]) -> Iterator[Positions]:
        """The design moved, where it stays within its intervals."""
        moved = [float(np.round(at + by[i], DIGITS)) if i in by else at for i, at in enumerate(design)]
        if all(0.0 <= moved[i] <= 1.0 for i in by):
            yield tuple(moved)
