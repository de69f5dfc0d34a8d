"""Channels side by side as one porous body, and the same channels one by one; SI units."""

from __future__ import annotations

from dataclasses import replace

from stack3d.errors import DeckError
from stack3d.layout import Block, Channels, Fins, Layer, Material, Pins, Rectangle, Stack

VOID = Material("void", (0.0, 0.0, 0.0), 0.0)


def homogenised(channels: Channels, wall: float, extent: Rectangle) -> Channels:
    """Straight channels as a porous body, from half a wall before the first to half a wall behind the last.

    Parameters
    ----------
    channels : Channels
    wall : float
        Width of the walls. [m]
    extent : Rectangle
        Of the layer. [m]

    Raises
    ------
    DeckError
        Where the walls outside are thinner than half of those between.
    """
    first, last, along_y = channels.outlines[0], channels.outlines[-1], channels.direction == "y"
    slack, half = 1e-6 * channels.width, 0.5 * wall
    if along_y:
        low, high, outer = first.x0 - half, last.x1 + half, (extent.x0, extent.x1)
    else:
        low, high, outer = first.y0 - half, last.y1 + half, (extent.y0, extent.y1)
    if low < outer[0] - slack or high > outer[1] + slack:
        raise DeckError("homogenised channels want edge walls of half a wall_width at least")
    low, high = (near if abs(near - at) <= slack else at for at, near in zip((low, high), outer))
    whole = replace(extent, x0=low, x1=high) if along_y else replace(extent, y0=low, y1=high)
    fins = Fins(len(channels.outlines), channels.width, wall)
    return replace(channels, outlines=(whole,), width=high - low, pins=fins)


def porous(material: Material, channels: Channels) -> Material:
    """What pins or fins conduct and store, over the whole area: from floor to ceiling, fins along the flow too."""
    pins = channels.pins
    if pins is None:
        return material
    kx, ky, kz = (pins.share * k for k in material.conductivity)
    if isinstance(pins, Pins):
        kx = ky = 0.0
    elif channels.direction == "y":
        kx = 0.0
    else:
        ky = 0.0
    return Material(material.name, (kx, ky, kz), pins.share * material.heat_capacity, material.conducts, material.stores)


def is_homogenised(stack: Stack) -> bool:
    """Whether channels are taken as a porous body."""
    return any(layer.channels is not None and isinstance(layer.channels.pins, Fins) for layer in stack.layers)


def resolved(stack: Stack) -> Stack:
    """The stack with every channel of its own."""
    return replace(stack, layers=tuple(_resolved_layer(layer) for layer in stack.layers))


def _resolved_layer(layer: Layer) -> Layer:
    if layer.channels is None or not isinstance(layer.channels.pins, Fins):
        return layer
    ducts = layer.channels.ducts
    return replace(layer, blocks=tuple(Block(f"channel{j}", box, VOID) for j, box in enumerate(ducts.outlines)), channels=ducts)
