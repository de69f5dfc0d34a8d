"""Stacks whose conductivity does not follow the temperature, so that temperatures superpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from stack3d.layout import Block, Material, Stack


def linear(material: Material, temperature: float) -> Material:
    """A material whose conductivity stays at its value at a temperature [K]."""
    factor = float(material.conductivity_factor(np.asarray(temperature)))
    kx, ky, kz = (factor * k for k in material.conductivity)
    return replace(material, conductivity=(kx, ky, kz), exponent=0.0)


def linear_stack(stack: Stack, temperatures: Mapping[str, float] = MappingProxyType({})) -> Stack:
    """The stack with conductivities held at their value at a temperature of each layer, 300 K unless given. [K]"""
    at = {layer.name: temperatures.get(layer.name, 300.0) for layer in stack.layers}
    layers = tuple(
        replace(
            layer,
            material=linear(layer.material, at[layer.name]),
            blocks=tuple(Block(b.name, b.extent, linear(b.material, at[layer.name])) for b in layer.blocks),
        )
        for layer in stack.layers
    )
    return Stack(layers, stack.footprint)
