"""Sizes of elements along a line, and the narrow gaps between blocks that ask for small ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats, Rectangle, Stack

MOST_ELEMENTS = 20_000
"""Along one interval; more come from a misplaced unit."""

SAMPLES = 256
"""Places of an interval that sizes of elements are read at."""
NARROW = 0.5
"""Gaps between blocks below this share of the height of their layer, or of one next to it, are narrow."""
BESIDE, AWAY = 0.5, 2.0
"""Elements beside a narrow gap are at most so many times as wide as it, and grow away from it by so many times the growth
towards sources: heat that goes round the gap turns within lengths between its width and the height of a layer."""


@dataclass(frozen=True)
class Spacing:
    """Element size wanted along one direction: `smallest` at each focus, growing away from it, `largest` inside `core`."""

    focus: Floats
    core: tuple[float, float]
    largest: float
    smallest: Floats
    growth: float
    beside: Spacing | None = None
    """What else limits sizes."""

    @classmethod
    def towards(cls, wanted: Mapping[float, float], core: tuple[float, float], largest: float, growth: float) -> Spacing:
        """Sizes `wanted` at each focus, made smaller where a neighbour's growth asks for less.

        Parameters
        ----------
        wanted : mapping of float to float
            Size by position. [m]
        core : (float, float)
            Bounds beyond which elements go on growing. [m]
        largest : float
            Size away from everything. [m]
        growth : float
            Of sizes over distance. [-]
        """
        focus = np.array(sorted(wanted))
        smallest = np.array([wanted[f] for f in focus])
        for order in (range(1, focus.size), range(focus.size - 2, -1, -1)):
            for i in order:
                j = i - 1 if order.step > 0 else i + 1
                smallest[i] = min(smallest[i], smallest[j] + growth * abs(focus[i] - focus[j]))
        return cls(focus, core, largest, smallest, growth)

    def with_gaps(self, gaps: Mapping[float, float]) -> Spacing:
        """Elements also closer towards places beside gaps, by the width of these."""
        wanted = {at: BESIDE * width for at, width in gaps.items() if BESIDE * width < self.largest}
        return replace(self, beside=Spacing.towards(wanted, self.core, self.largest, AWAY * self.growth)) if wanted else self

    def at(self, position: Floats) -> Floats:
        """Size at each position; outside the core it goes on growing. [m]"""
        outside = np.maximum(0.0, np.maximum(self.core[0] - position, position - self.core[1]))
        size = self.largest + self.growth * outside
        if self.focus.size:
            after = np.searchsorted(self.focus, position)
            for at in (after, after - 1):
                i = np.clip(at, 0, self.focus.size - 1)
                size = np.minimum(size, self.smallest[i] + self.growth * np.abs(position - self.focus[i]))
        return np.asarray(size if self.beside is None else np.minimum(size, self.beside.at(position)))

    def _sampled(self, a: float, b: float) -> Floats:
        """Places from a to b that sizes are read between: closer towards an end where elements are small."""
        even = np.linspace(a, b, SAMPLES + 1)
        sizes = self.at(np.array([a, b]))
        if sizes.min() >= (b - a) / SAMPLES:
            return even
        away = [np.geomspace(size / SAMPLES, b - a, SAMPLES)[:-1] for size in sizes]
        return np.unique(np.concatenate([even, a + away[0], b - away[1]]).clip(a, b))

    def lines(self, a: float, b: float, fewest: int) -> Floats:
        """Lines from a to b, both included."""
        sample = self._sampled(a, b)
        density = 1.0 / self.at(0.5 * (sample[1:] + sample[:-1]))
        elements = np.concatenate([[0.0], np.cumsum(density * np.diff(sample))])
        n = few_enough(max(fewest, int(np.ceil(elements[-1] - 1e-9))), a, b)
        lines = np.interp(np.linspace(0.0, elements[-1], n + 1), elements, sample)
        lines[0], lines[-1] = a, b
        return lines


def few_enough(n: int, a: float, b: float) -> int:
    """A number of elements from a to b [m] that is not too many; raises DeckError."""
    if n > MOST_ELEMENTS:
        message = f"{n} elements from {a:.4g} to {b:.4g} m, at most {MOST_ELEMENTS}: is a size in the right unit?"
        raise DeckError(Problem("geometry", message))
    return n


def span_of(extent: Rectangle, axis: int) -> tuple[float, float]:
    """Bounds along x (0) or y (1). [m]"""
    return (extent.x0, extent.x1) if axis == 0 else (extent.y0, extent.y1)


def ends_of(extents: Iterable[Rectangle], axis: int) -> Iterator[float]:
    """Bounds of rectangles along x (0) or y (1), one after the other. [m]"""
    return (value for extent in extents for value in span_of(extent, axis))


def gaps_of(stack: Stack, index: int, axis: int) -> dict[float, float]:
    """Edges of the blocks of a layer beside what is narrow, and how wide it is. [m]"""
    layer, heights = stack.layers[index], [near.thickness for near in stack.layers[max(0, index - 1) : index + 2]]
    edges = sorted(set(ends_of((layer.extent, *(block.extent for block in layer.blocks)), axis)))
    found = ((a, b) for a, b in zip(edges[:-1], edges[1:]) if layer.blocks and b - a < NARROW * max(heights))
    return least((end, b - a) for a, b in found for end in (a, b))


def under_gaps(stack: Stack) -> dict[float, float]:
    """Heights at which layers with narrow gaps begin and end, and how wide these are. [m]"""
    widths = ((la, w) for i, la in enumerate(stack.layers) for axis in (0, 1) for w in gaps_of(stack, i, axis).values())
    return least((face, width) for layer, width in widths for face in (layer.z0, layer.z1))


def has_gaps(stack: Stack) -> bool:
    """Whether blocks leave, or are, narrow gaps: heat that goes round one turns in a corner where three materials meet."""
    return bool(under_gaps(stack))


def least(found: Iterable[tuple[float, float]]) -> dict[float, float]:
    """The smallest value of each key."""
    out: dict[float, float] = {}
    for key, value in found:
        out[key] = min(value, out.get(key, np.inf))
    return out
