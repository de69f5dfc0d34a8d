"""Stacks whose properties do not follow the temperature, so that temperatures superpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from stack3d.layout import Block, Stack
from stack3d.materials import REFERENCE


def linear_stack(stack: Stack, temperatures: Mapping[str, float] = MappingProxyType({})) -> Stack:
    """The stack with its properties held at their value at a temperature of each layer, 300 K unless given. [K]"""
    at = {layer.name: temperatures.get(layer.name, REFERENCE) for layer in stack.layers}
    layers = tuple(
        replace(
            layer,
            material=layer.material.held_at(at[layer.name]),
            blocks=tuple(Block(b.name, b.extent, b.material.held_at(at[layer.name])) for b in layer.blocks),
        )
        for layer in stack.layers
    )
    return Stack(layers, stack.footprint)
