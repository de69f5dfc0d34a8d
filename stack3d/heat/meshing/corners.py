"""How fast errors fall with the height of elements, by the sharpest corner that heat turns about."""

from __future__ import annotations

import math

from stack3d.geometry import has_gaps
from stack3d.heat.meshing.judging import ACROSS, UPRIGHT
from stack3d.layout import Layer, Stack

SHARPEST, OF_ONE_SOLID = 1 / 2, 2 / 3
"""Least exponent λ of a corner of channels, where the wall conducts far better than the floor, and that of one solid."""
AT_SHARPEST = 0.6
"""Order that goes with it. With 0.8 two channels on a floor of 2.25 W/m/K under walls of 130 stated 1.0 times what they erred
by, against finite volumes of 0.8 M cells."""


def upright_order(stack: Stack) -> float:
    """Order by which errors of bricks fall with the height of elements.

    Where a channel meets floor and wall, the temperature goes as r^λ, and means err by h^2λ, h being the larger of width
    and height. Width and height are judged one after the other, so that each difference shows less than its share: the order
    is taken lower than 2λ, from `UPRIGHT` in one solid to `AT_SHARPEST`. In narrow gaps it is that of widths at most.
    """
    sharp = min((_exponent(ratio) for ratio in _floors_over_walls(stack)), default=OF_ONE_SOLID)
    order = AT_SHARPEST + (UPRIGHT - AT_SHARPEST) * min(1.0, (sharp - SHARPEST) / (OF_ONE_SOLID - SHARPEST))
    return min(ACROSS, order) if has_gaps(stack) else order


def _exponent(ratio: float) -> float:
    """λ of a corner between two insulated faces, by the conductivity of floor over wall. [-]

    A quarter of a turn of wall lies on half a turn of floor: k_wall tan(λ π/2) = -k_floor tan(λ π).
    """
    return 2.0 / math.pi * math.atan(math.sqrt(1.0 + 2.0 * ratio))


def _floors_over_walls(stack: Stack) -> list[float]:
    """Conductivity of each floor and ceiling of channels over that of their walls. [-]"""
    found = []
    for i, layer in enumerate(stack.layers):
        if layer.channels is not None and layer.channels.pins is None:
            beside = (*stack.layers[max(0, i - 1) : i], *stack.layers[i + 1 : i + 2])
            found += [_least_conductivity(near) / _conductivity(layer.material.conductivity) for near in beside]
    return found


def _least_conductivity(layer: Layer) -> float:
    """Of a layer and its blocks, but for void. [W m⁻¹ K⁻¹]"""
    each = (_conductivity(m.conductivity) for m in (layer.material, *(block.material for block in layer.blocks)))
    return min((k for k in each if k > 0), default=math.inf)


def _conductivity(k: tuple[float, float, float]) -> float:
    """That which a corner across the plane and through the height turns with. [W m⁻¹ K⁻¹]"""
    return math.sqrt(min(k[0], k[1]) * k[2])
