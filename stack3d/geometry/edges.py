"""Edges that are one up to rounding, and lines that stand for edges that crowd each other; SI units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from stack3d.layout import Layer, Rectangle, Stack

ROUNDING = 1.01e-9
"""Edges as close as this share of the footprint are one: 1e-9, and what rounding makes of the difference."""


def groups(values: Iterable[float], slack: float) -> Iterator[list[float]]:
    """Ascending values, parted where two neighbours are further apart than `slack`."""
    group: list[float] = []
    for value in sorted(set(values)):
        if group and value - group[-1] > slack:
            yield group
            group = []
        group.append(value)
    if group:
        yield group


def apart(values: Iterable[float], slack: float) -> list[float]:
    """Lines for values that crowd each other, `slack` apart at least where many do; the same seen from either end."""
    out: list[float] = []
    for group in groups(values, slack):
        low, high = group[0], group[-1]
        parts = int((high - low) / slack) if slack > 0 else 0
        out += [0.5 * (low + high)] if parts == 0 else np.linspace(low, high, parts + 1).tolist()
    return out


def _one_each(values: Iterable[float], bounds: tuple[float, float], slack: float) -> dict[float, float]:
    """The edge that each edge becomes: a bound where one is near, else the middle of those that are one."""
    out: dict[float, float] = {}
    for group in groups([*values, *bounds], slack):
        near = [b for b in bounds if b in group]
        out |= dict.fromkeys(group, near[0] if near else 0.5 * (group[0] + group[-1]))
    return out


def with_joined_edges(stack: Stack) -> Stack:
    """The same stack with edges of layers, blocks and channels that differ by rounding made equal."""
    core = stack.footprint
    slack = ROUNDING * max(core.x1 - core.x0, core.y1 - core.y0)
    boxes = [box for layer in stack.layers for box in _boxes(layer)]
    x = _one_each([v for b in boxes for v in (b.x0, b.x1)], (core.x0, core.x1), slack)
    y = _one_each([v for b in boxes for v in (b.y0, b.y1)], (core.y0, core.y1), slack)
    if all(old == new for edges in (x, y) for old, new in edges.items()):
        return stack
    layers, parts = (tuple(_moved(layer, x, y) for layer in of) for of in (stack.layers, stack.parts))
    return replace(stack, layers=layers, parts=parts)


def _boxes(layer: Layer) -> Sequence[Rectangle]:
    outlines = layer.channels.outlines if layer.channels else ()
    return [layer.extent, *(b.extent for b in layer.blocks), *(c.extent for c in layer.cylinders), *outlines]


def _moved(layer: Layer, x: Mapping[float, float], y: Mapping[float, float]) -> Layer:
    def at(box: Rectangle) -> Rectangle:
        return Rectangle(x[box.x0], x[box.x1], y[box.y0], y[box.y1])

    channels = layer.channels and replace(layer.channels, outlines=tuple(at(box) for box in layer.channels.outlines))
    blocks = tuple(replace(b, extent=at(b.extent)) for b in layer.blocks)
    cylinders = tuple(replace(c, extent=at(c.extent)) for c in layer.cylinders)
    return replace(layer, extent=at(layer.extent), blocks=blocks, cylinders=cylinders, channels=channels)
