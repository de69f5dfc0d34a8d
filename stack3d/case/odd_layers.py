"""Layers that a deck may hold but hardly means: too thick for the narrow heat in them, or for what they are."""

from __future__ import annotations

import math
import re
from itertools import groupby

from stack3d.chip import Chip
from stack3d.errors import Problem
from stack3d.layout import HeatSource, Layer, Material

NARROW = 6.0
"""Width of a source over the thickness of its layer, below which heat is told to fill that thickness; assumed. [-]"""
HIDES = 0.5
"""What that has to take off the peak to be told; assumed. [K]"""
WORKING = 358.15
"""Temperature of the conductivity behind the figure. [K]"""
SQUARE = 0.5611
"""Rise in the middle of a square on half a space, times conductivity and side over power (Carslaw and Jaeger 1959). [-]"""
THICKEST_JOINT = 1e-3
"""Of an interface material, from which on a slip of the unit is asked for; assumed, some pads are thicker. [m]"""
JOINT = re.compile(r"(?:.*[_.])?tim\d*(?:_.*)?")
"""Names of interface materials and of their layers."""


def odd_layers(chip: Chip) -> list[Problem]:
    """Layers whose thickness is hardly meant, by their keys: under narrow sources, and of interface materials."""
    return [*_narrow_sources(chip), *_thick_joints(chip)]


def hidden_rise(power: float, width: float, depth: float, thickness: float, conductivity: float) -> float:
    """About what a source that fills a layer is cooler in the middle than the same heat on one face. [K]

    A wide source loses half of the drop P t / (k A) over its layer, a narrow one nearly all of its rise on half a space,
    0.56 P / (k √A). The two in a row follow solved stacks from half to eight times the thickness: within 5 % for a die of
    0.5 mm, 11 to 26 % above them for one of 0.1 mm, whose active layer of 5 um is a twentieth of it
    (`tests/unit/test_odd_layers.py`).

    Parameters
    ----------
    power : float
        [W]
    width, depth : float
        Of the source along x and y. [m]
    thickness : float
        Of the layer. [m]
    conductivity : float
        Of the layer. [W m⁻¹ K⁻¹]
    """
    area = width * depth
    wide, narrow = 0.5 * thickness / area, SQUARE / math.sqrt(area)
    return abs(power) / conductivity * wide * narrow / (wide + narrow)


def _narrow_sources(chip: Chip) -> list[Problem]:
    """Sources that are narrow beside the thickness of the layer that they fill, one message for a layer."""
    layers = {layer.name: layer for layer in chip.stack.named}
    found = []
    for name, group in groupby(sorted(chip.sources, key=lambda s: s.layer), key=lambda s: s.layer):
        layer = layers[name]
        hides = {source.name: (_hides(source, layer), source) for source in group}
        caught = {n: pair for n, pair in hides.items() if pair[0] > HIDES and _side(pair[1]) < NARROW * layer.thickness}
        if caught:
            found.append(_told(layer, *max(caught.values(), key=lambda pair: pair[0]), len(caught)))
    return found


def _told(layer: Layer, most: float, source: HeatSource, how_many: int) -> Problem:
    others = f", and {how_many - 1} more in this layer" if how_many > 1 else ""
    text = (
        f"source {source.name!r} is {1e3 * _side(source):.4g} mm wide and heats the whole {1e6 * layer.thickness:.4g} um of"
        f" layer {layer.name!r}{others}; transistors heat one face of it, and the peak would be about {most:.2g} K higher: give"
        ' the heat a layer of its own on that face, as {name: active, thickness: "5 um", …}'
    )
    return Problem("power.sources", text)


def _side(source: HeatSource) -> float:
    """The shorter side of a source. [m]"""
    return min(source.extent.x1 - source.extent.x0, source.extent.y1 - source.extent.y0)


def _hides(source: HeatSource, layer: Layer) -> float:
    """`hidden_rise` of a source in its layer, by the best conductivity of the three at 85 degC; 0 where it has none. [K]"""
    conductivity = max(_material(source, layer).held_at(WORKING).conductivity)
    if not conductivity > 0:
        return 0.0
    box = source.extent
    return hidden_rise(source.power, box.x1 - box.x0, box.y1 - box.y0, layer.thickness, conductivity)


def _material(source: HeatSource, layer: Layer) -> Material:
    """What fills a layer where a source lies: the layer's, or that of the block around it."""
    return next((block.material for block in layer.blocks if block.extent.contains(source.extent)), layer.material)


def _thick_joints(chip: Chip) -> list[Problem]:
    """Interface materials that are thicker than any joint."""
    return [
        Problem(
            f"geometry.layers.{layer.name}.thickness",
            f"{1e3 * layer.thickness:.4g} mm of interface material ({layer.material.name}), more than"
            f" {1e3 * THICKEST_JOINT:g} mm: is um meant?",
        )
        for layer in chip.stack.named
        if layer.thickness > THICKEST_JOINT * (1 + 1e-9) and any(map(JOINT.fullmatch, (layer.name, layer.material.name)))
    ]
