"""The resolved stack that every physics room speaks: layers, blocks, heat sources, surfaces; SI units.

z points up, metres; x and y count from the lower left corner of the footprint. Everything here is plain
frozen data: no file, no mesh generator and no solver is needed to make or read it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np

from stack3d.cavities import CHANNEL_PARTS as CHANNEL_PARTS
from stack3d.cavities import ChannelPart as ChannelPart
from stack3d.cavities import Channels as Channels
from stack3d.cavities import Fins as Fins
from stack3d.cavities import Inlet as Inlet
from stack3d.cavities import Pins as Pins
from stack3d.errors import unknown_name
from stack3d.materials import REFERENCE as REFERENCE
from stack3d.materials import Floats as Floats
from stack3d.materials import Material as Material
from stack3d.rectangles import Rectangle as Rectangle
from stack3d.rectangles import overlapping as overlapping

SAME_PLACE = 1e-9
"""Maxima of neighbouring layers this near are one, on their common face. [K]"""


@dataclass(frozen=True)
class Block:
    """A rectangle of another material through the full thickness of its layer."""

    name: str
    extent: Rectangle
    material: Material


@dataclass(frozen=True)
class Cylinders:
    """Cylinders through the full thickness of a layer, resolved by the mesh, on a square lattice in the middle of an extent.

    Parameters
    ----------
    name : str
        Of the block that they stand in, or of the layer.
    extent : Rectangle
        As many whole cells of the lattice as fit carry a cylinder.
    diameter, pitch : float
        [m]
    material : Material
    """

    name: str
    extent: Rectangle
    diameter: float
    pitch: float
    material: Material

    @property
    def counts(self) -> tuple[int, int]:
        """How many along x and y."""
        e = self.extent
        return int((e.x1 - e.x0) / self.pitch + 1e-9), int((e.y1 - e.y0) / self.pitch + 1e-9)

    @property
    def centres(self) -> Floats:
        """Axes, shape (n, 2). [m]"""
        (nx, ny), (cx, cy) = self.counts, self.extent.centre
        x = cx + self.pitch * (np.arange(nx) - 0.5 * (nx - 1))
        y = cy + self.pitch * (np.arange(ny) - 0.5 * (ny - 1))
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


FILL = "fill"
"""Part that the layers between parts belong to."""


@dataclass(frozen=True)
class Layer:
    """One slab of the stack.

    Parameters
    ----------
    name : str
    z0, z1 : float
        Bottom and top. [m]
    extent : Rectangle
        Lateral extent. [m]
    material : Material
        Fills the extent where no block does.
    contact_resistance : float
        Between this layer's bottom face and the layer below. [m² K W⁻¹]
    tier : int or None
        Index of the repeated tier it belongs to, from the bottom.
    role : str
        ``"rram"`` carries crossbar tiles, ``"periphery"`` their converters, ``"logic"`` the host; ``""`` nothing.
    blocks : tuple of Block
        Those of a material of no conductivity are void.
    channels : Channels or None
        Their outlines are void blocks, but for a cavity with pins.
    cylinders : tuple of Cylinders
        Resolved ones; only tetrahedra can have them.
    sites : tuple of int
        Equal boxes along x and y of an rram layer, each the place of one tile.
    part : str
        Of the package that it belongs to; `FILL` of a layer that parts lie in as blocks, ``""`` where it is common to all.
    """

    name: str
    z0: float
    z1: float
    extent: Rectangle
    material: Material
    contact_resistance: float = 0.0
    tier: int | None = None
    role: str = ""
    blocks: tuple[Block, ...] = ()
    channels: Channels | None = None
    cylinders: tuple[Cylinders, ...] = ()
    sites: tuple[int, int] = (1, 1)
    part: str = ""

    def name_of(self, block: Block | None = None) -> str:
        """Of what fills it, ``layer`` or ``layer.block``; of a layer that is cut by parts, `FILL` or ``part.layer``."""
        if self.part == FILL:
            return FILL if block is None else block.name
        return self.name if block is None else f"{self.name}.{block.name}"

    def owner(self, region: str) -> str:
        """Name of the layer that what fills it belongs to, by the name of a region of a mesh: its own, or ``part.layer``."""
        if self.part != FILL or region == self.name:
            return self.name
        return ".".join(region.removeprefix(f"{self.name}.").split(".")[:2])

    @property
    def thickness(self) -> float:
        """Thickness. [m]"""
        return self.z1 - self.z0

    @property
    def volume(self) -> float:
        """Volume. [m³]"""
        return self.thickness * self.extent.area


@dataclass(frozen=True)
class Stack:
    """Layers from the bottom up, touching each other.

    Parameters
    ----------
    layers : tuple of Layer
        What fills the heights, one over the other.
    footprint : Rectangle
    parts : tuple of Layer
        Layers of parts that stand side by side. Each lies as a block in one of the `layers` or in several, which are cut
        wherever one of them begins or ends.
    """

    layers: tuple[Layer, ...]
    footprint: Rectangle
    parts: tuple[Layer, ...] = ()

    @cached_property
    def named(self) -> tuple[Layer, ...]:
        """What is spoken of: the layers in whole from the bottom up, in place of those that parts cut the layers of parts."""
        base = next((i for i, layer in enumerate(self.layers) if layer.part == FILL), 0)
        whole = [layer for layer in self.layers if layer.part != FILL]
        return (*whole[:base], *self.parts, *whole[base:])

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each among the `named`."""
        return {layer.name: i for i, layer in enumerate(self.named)}

    @cached_property
    def slabs(self) -> dict[str, range]:
        """Positions of the layers that each name takes in, itself or those that a part lies in."""
        found = {layer.name: range(i, i + 1) for i, layer in enumerate(self.layers)}
        start = {layer.z0: i for i, layer in enumerate(self.layers)}
        stop = {layer.z1: i + 1 for i, layer in enumerate(self.layers)}
        return found | {part.name: range(start[part.z0], stop[part.z1]) for part in self.parts}

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in (*self.layers, *self.parts)}

    def layer(self, name: str) -> Layer:
        """The layer called `name`; raises UnknownNameError."""
        if name not in self._by_name:
            raise unknown_name("layer", name, self.index)
        return self._by_name[name]

    @property
    def regions(self) -> dict[str, str]:
        """What fills the layers and blocks of a mesh, by the names of its regions, as it is spoken of."""
        whole = {layer.name: layer.name_of() for layer in self.layers}
        return whole | {f"{layer.name}.{b.name}": layer.name_of(b) for layer in self.layers for b in layer.blocks}

    def edges(self, name: str) -> tuple[Rectangle, ...]:
        """Where gradients may jump sideways within a layer: its own outline, and those of what lies in it or beside it."""
        beside = [self.layers[i] for i in self.slabs[name]]
        boxes = [e for layer in beside for e in (layer.extent, *(block.extent for block in layer.blocks))]
        return tuple(dict.fromkeys(boxes))

    def held_at(self, temperatures: Mapping[str, float] = MappingProxyType({})) -> Stack:
        """The stack with properties held at a temperature of each layer, 300 K unless given [K], so that rises superpose.

        Those of a part that lies in several layers, and of the fill in each of these, are those of its name in `slabs`.
        """

        def held(layer: Layer, region: str, material: Material) -> Material:
            return material.held_at(temperatures.get(layer.owner(region), REFERENCE))

        def blocks(layer: Layer) -> tuple[Block, ...]:
            return tuple(replace(b, material=held(layer, f"{layer.name}.{b.name}", b.material)) for b in layer.blocks)

        def all_of(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
            return tuple(replace(la, material=held(la, la.name, la.material), blocks=blocks(la)) for la in layers)

        return replace(self, layers=all_of(self.layers), parts=all_of(self.parts))

    @property
    def n_tiers(self) -> int:
        """Number of repeated tiers, of all parts together."""
        return len({(layer.part, layer.tier) for layer in self.named if layer.tier is not None})

    @property
    def height(self) -> float:
        """Total height. [m]"""
        return self.layers[-1].z1 - self.layers[0].z0

    def _repr_html_(self) -> str:
        """Layers as a table, top first."""
        from html import escape

        head = (
            "<tr><th>layer</th><th>bottom [µm]</th><th>thickness [µm]</th><th>material</th><th>k [W/m/K]</th><th>role</th></tr>"
        )
        rows = "".join(
            f"<tr><td>{escape(layer.name)}</td><td>{layer.z0 * 1e6:.2f}</td><td>{layer.thickness * 1e6:g}</td>"
            f"<td>{escape(layer.material.name)}</td><td>{', '.join(f'{k:g}' for k in layer.material.conductivity)}</td>"
            f"<td>{escape(layer.role)}</td></tr>"
            for layer in reversed(self.named)
        )
        return f"<table>{head}{rows}</table>"

    def with_role(self, role: str) -> tuple[Layer, ...]:
        """Layers of one role, bottom first; of parts, one part after the other."""
        return tuple(layer for layer in self.named if layer.role == role)


@dataclass(frozen=True)
class HeatSource:
    """Power spread uniformly over a rectangle times the full thickness of a layer."""

    name: str
    layer: str
    extent: Rectangle
    power: float
    """[W]"""


def hottest_layer(maxima: Floats, heated: Collection[int]) -> int:
    """Index of the hottest layer; of those that share the hottest place, which lies on their face, the first that is heated.

    Parameters
    ----------
    maxima : ndarray, shape (layers,)
        NaN where unknown, but not everywhere. [K] or [degC]
    heated : collection of int
        Layers with a source of heat.
    """
    first = int(np.nanargmax(maxima))
    alike = np.flatnonzero(maxima >= maxima[first] - SAME_PLACE).tolist()
    return next((i for i in alike if i in heated), first)


@dataclass(frozen=True)
class Surface:
    """A named part of the surface through which heat may leave.

    Parameters
    ----------
    name : str
    layer : str
    side : {"top", "bottom", "channels"}
        Exposed part of a face of the layer; or floors, ceilings and walls of channels through the whole layer.
    extents : tuple of Rectangle
        On the face, or outlines of the channels.
    direction : {"x", "y"}
        Along which channels run.
    parts : tuple of {"floor", "ceiling", "walls"}
        Of channels that it takes in.
    pins : Pins or Fins or None
        In the place of side walls.
    """

    name: str
    layer: str
    side: Literal["top", "bottom", "channels"]
    extents: tuple[Rectangle, ...]
    direction: Literal["x", "y"] = "y"
    parts: tuple[ChannelPart, ...] = CHANNEL_PARTS
    pins: Pins | Fins | None = None
