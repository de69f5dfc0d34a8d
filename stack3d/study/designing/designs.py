"""The designs that a search may choose from: what each key may become, and what a design sets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stack3d.schema.optimise import VaryDeck
from stack3d.schema.sweep import IntervalDeck
from stack3d.study.conditions import Condition
from stack3d.study.points import Dimension, KeyValue, Point, axes_of, dimension_names, in_order, value_at
from stack3d.units import quantity

Positions = tuple[int | float, ...]
"""A position for every choice: in its list, or as a share from 0 to 1 of its interval."""
MOST_WHOLE = 10_000
"""Whole numbers of an interval that are told apart as a list."""
MOST_COUNTED = 40_000
"""Designs of lists that are gone through for those that conditions allow."""


@dataclass(frozen=True)
class Choice:
    """One thing that may change.

    Parameters
    ----------
    name : str
        Of the key, short.
    count : int
        Positions; 0 for an interval.
    is_ordered : bool
        Whether neighbours in the list are alike.
    axis : Dimension or None
        Of a list.
    interval : IntervalDeck or None
    key : str
        Of an interval.
    """

    name: str
    count: int
    is_ordered: bool
    axis: Dimension | None = None
    interval: IntervalDeck | None = None
    key: str = ""

    def sets(self, position: int | float) -> dict[str, Any]:
        """What a position sets."""
        if self.axis is not None:
            return dict(self.axis.sets[int(position)])
        if self.interval is None:
            return {}
        if self.count:
            (low, *_), _, unit = self.interval.ends
            return {self.key: f"{int(low) + int(position)} {unit}" if unit else int(low) + int(position)}
        return {self.key: value_at(self.interval, float(position))}

    def position(self, share: float) -> int | float:
        """The position at a share of the list, or of the interval."""
        return min(int(share * self.count), self.count - 1) if self.count else share

    def told(self, position: int | float) -> str:
        """The position in words, by the first of the keys that it sets."""
        if self.axis is not None:
            return f"{self.name} {self.axis.labels[int(position)]}"
        return f"{self.name} {self.sets(position)[self.key]}"


def _is_ordered(labels: Sequence[Any]) -> bool:
    """Whether labels are numbers, or quantities, that rise or fall."""
    found = [quantity(label) for label in labels]
    values = [f[0] if f else label for f, label in zip(found, labels)]
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in values):
        return False
    pairs = list(zip(values[:-1], values[1:]))
    return all(a < b for a, b in pairs) or all(a > b for a, b in pairs)


def _of_interval(name: str, key: str, interval: IntervalDeck) -> Choice:
    (low, *_), (high, *_), _ = interval.ends
    whole = math.floor(high) - math.ceil(low) + 1 if interval.integer and interval.scale == "linear" else 0
    count = whole if low == int(low) and 1 <= whole <= MOST_WHOLE else 0
    return Choice(name, count, True, interval=interval, key=key)


class DesignSpace:
    """All designs.

    Parameters
    ----------
    vary : VaryDeck

    Raises
    ------
    DeckError
        For values listed twice and conditions that name something else.
    """

    def __init__(self, vary: VaryDeck) -> None:
        lists = vary.lists
        axes = axes_of(lists)
        self.keys = list(dict.fromkeys((*lists.keys(), *vary.intervals)))
        self.names = dimension_names([*self.keys, *lists.words()], {})
        self.choices = [Choice(a.name, len(a.labels), _is_ordered(a.labels), a) for a in axes]
        self.choices += [_of_interval(self.names[key], key, interval) for key, interval in vary.intervals.items()]
        self._conditions = [Condition.parse(text, self.names, "optimise.vary.where") for text in vary.where]

    @property
    def size(self) -> float:
        """Number of designs, those that a condition drops included; infinite where a key has an interval."""
        return math.prod(float(c.count or math.inf) for c in self.choices)

    @cached_property
    def n_allowed(self) -> float:
        """Number of designs that no condition drops; those of more than `MOST_COUNTED` are not counted one by one."""
        if not self._conditions or self.size > MOST_COUNTED:
            return self.size
        return float(sum(self.allows(design) for design in itertools.product(*(range(c.count) for c in self.choices))))

    def allows(self, design: Positions) -> bool:
        """Whether no condition drops a design."""
        return self.point(0, design).dropped is None

    def overrides(self, design: Positions) -> tuple[KeyValue, ...]:
        """What a design sets."""
        return in_order([o for choice, at in zip(self.choices, design) for o in choice.sets(at).items()])

    def point(self, number: int, design: Positions) -> Point:
        """A design as a case of a study; one that misses a condition is marked as dropped."""
        overrides = self.overrides(design)
        values = {c.axis.key: c.axis.labels[int(at)] for c, at in zip(self.choices, design) if c.axis is not None}
        dropped = next((c.text for c in self._conditions if not c.holds(values | dict(overrides))), None)
        return Point((number,), overrides, self.told(design), dropped)

    def told(self, design: Positions) -> str:
        """A design in words."""
        return ", ".join(choice.told(at) for choice, at in zip(self.choices, design))
