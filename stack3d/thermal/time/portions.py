"""Parts of a body that begin at temperatures of their own, as one temperature at the nodes; SI units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import REFERENCE, Floats, HeatSource, Material, Rectangle

SAME = 1e-9
"""Spread of the temperatures about a node, over the largest, below which they are one. [-]"""


@dataclass(frozen=True)
class Portion:
    """A part of a body.

    Parameters
    ----------
    layer : str
    extent : Rectangle
        Through the full thickness of the layer.
    volume : float
        [m³]
    material : Material
    temperature : float
        [K]
    """

    layer: str
    extent: Rectangle
    volume: float
    material: Material
    temperature: float

    @property
    def capacity(self) -> float:
        """At its temperature. [J K⁻¹]"""
        return self.volume * self.material.held_at(self.temperature).heat_capacity

    @property
    def heat(self) -> float:
        """Over that at 300 K. [J]"""
        kelvin = self.temperature - REFERENCE
        if self.material.stores is not None:
            kelvin = float(self.material.stores.integral(np.asarray(self.temperature)))
        return self.volume * self.material.heat_capacity * kelvin

    def loaded(self, amount: float) -> HeatSource:
        """An amount of anything, spread over it."""
        return HeatSource("", self.layer, self.extent, amount)


def blended(
    load: Callable[[Sequence[HeatSource]], Floats], portions: Sequence[Portion], base: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Temperature at the nodes with the heat that portions bring along, none beyond theirs, and which nodes lie between two.

    A node takes the mean of the portions about it by the heat capacity that they give it: the sum over all nodes is that over
    all portions, and nothing swings beside a jump.

    Parameters
    ----------
    load : callable
        Sources → their load at the nodes.
    portions : sequence of Portion
    base : float
        Temperature where there is none. [K]
    """
    capacity, first, second = (
        load([p.loaded(p.capacity * (p.temperature - base) ** power) for p in portions]) for power in (0, 1, 2)
    )
    there = capacity != 0
    rise, square = (np.divide(part, capacity, out=np.zeros_like(part), where=there) for part in (first, second))
    return base + rise, square - rise**2 > SAME * square.max(initial=0.0)
