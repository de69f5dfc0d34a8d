"""Places whose temperature is asked: points and boxes; SI units."""

from __future__ import annotations

from dataclasses import dataclass

from stack3d.errors import DeckError
from stack3d.layout import Rectangle, Stack


@dataclass(frozen=True)
class Probe:
    """A point: layer, x, y, and height `z` (the mid-plane of the layer unless given). [m]"""

    layer: str
    x: float
    y: float
    z: float | None = None


@dataclass(frozen=True)
class Box:
    """A rectangle through the full thickness of a layer, of which the volume mean is asked."""

    layer: str
    extent: Rectangle


Place = Probe | Box


def height_in_layer(stack: Stack, place: Place) -> float | None:
    """Height of a probe over the bottom of its layer, None for the mean of a box; raises DeckError outside. [m]"""
    slab = stack.layer(place.layer)
    if isinstance(place, Box):
        return None
    height = 0.5 * slab.thickness if place.z is None else place.z - slab.z0
    if not -1e-9 * slab.thickness <= height <= (1 + 1e-9) * slab.thickness:
        raise DeckError(f"probe at z = {place.z:g} m is outside layer {place.layer!r}")
    return height
