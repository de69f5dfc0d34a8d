"""Geometry deck: materials, layers, blocks, repeated tiers."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from stack3d.layout import FILL
from stack3d.schema.base import (
    ArealResistance,
    Conductivity,
    CostDeck,
    Count,
    DeckModel,
    Density,
    FilmCoefficient,
    FlowRate,
    HeatCapacity,
    Length,
    Temperature,
    Thickness,
    Viscosity,
    bare,
    quantity_schema,
    sourced,
)
from stack3d.schema.solids import MaterialDeck

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_\-]*$", max_length=100)]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_\-]*(\.[A-Za-z][A-Za-z0-9_\-]*)?$", max_length=201)]
# Of a layer, or of one of a part, as part.layer; as a docstring its pattern would be read as links.
MOST_IN_PARTS = 2000
"""Layers of all parts of a package."""
MOST_SITES = 512
"""Of tiles, along x or y of a layer."""
Interval = tuple[Length, Length]
Size = tuple[Thickness, Thickness]


def _two(value: Any) -> Any:
    value = bare(value, "length")
    return (value,) * 2 if isinstance(value, (str, int, float)) else value


_EDGE = quantity_schema("length")
_TWO_SCHEMA = WithJsonSchema(sourced({"anyOf": [_EDGE, {"type": "array", "items": _EDGE, "minItems": 2, "maxItems": 2}]}))


class BlockDeck(DeckModel):
    """A rectangle of another material through the full thickness of its layer."""

    name: Name
    x: Interval
    y: Interval
    material: MaterialDeck

    @model_validator(mode="after")
    def _of_one_share(self) -> Self:
        if self.material.is_mapped:
            raise ValueError("material has a map, which the material of a layer alone can have")
        return self


class CoolantDeck(DeckModel):
    """A single-phase liquid."""

    name: str = "inline"
    title: str | None = None
    heat_capacity: HeatCapacity
    """Heat capacity per volume."""
    conductivity: Conductivity | None = None
    viscosity: Viscosity | None = None
    """Dynamic viscosity; with the conductivity it gives film coefficient and pressure drop."""
    density: Density | None = None
    """Density; with the viscosity it gives the Reynolds number, which is checked against the range of the correlations."""
    boiling_point: Temperature | None = None
    """Boiling point at the pressure in the channels; a run warns where a wall or the outlet is hotter."""


class FlowDeck(DeckModel):
    """Coolant that flows through a layer."""

    direction: Literal["x", "y", "-x", "-y"] = "y"
    """The coolant flows towards larger x or y, or with a sign towards smaller."""
    coolant: CoolantDeck
    flow_rate: FlowRate | None = None
    """Flow through the whole layer; absent = a pump of `cooling.pumps` gives it."""
    inlet_temperature: Temperature
    floor_film_coefficient: Annotated[FilmCoefficient, Field(gt=0)] | None = None
    """Film on floors, where it differs from that of the walls or pins beside them."""
    ceiling_film_coefficient: Annotated[FilmCoefficient, Field(gt=0)] | None = None
    """Film on ceilings, where it differs from that of the walls or pins beside them."""


class InletDeck(DeckModel):
    """Where the coolant of neighbouring channels comes in."""

    name: Name
    count: Annotated[Count, Field(ge=1, le=2048)]
    """Number of channels. Those of the first inlet begin at the lowest x or y."""
    flow_rate: FlowRate | None = None
    """Flow through these channels together; absent = their share of that of the layer, or from a pump."""
    inlet_temperature: Temperature | None = None
    """Temperature of the coolant that comes in; absent = that of the layer."""
    reverse: bool = False
    """Whether it flows against the direction of the layer."""


class ChannelsDeck(FlowDeck):
    """Parallel coolant channels through the full thickness of a layer; its material is that of the walls."""

    count: Annotated[Count, Field(ge=1, le=2048)]
    width: Thickness
    wall_width: Thickness
    """Thickness of the wall between two channels."""
    edge_wall_width: Annotated[Size, BeforeValidator(_two), _TWO_SCHEMA] | None = None
    """Wall outside the first and the last channel, one value or [first, last]; absent = what is left, in equal parts."""
    wall_film_coefficient: Annotated[FilmCoefficient, Field(gt=0)] | None = None
    """Film on all four sides of a channel; absent = that of the law."""
    passes: Annotated[Count, Field(ge=1, le=2048)] = 1
    """How often the coolant goes to and fro: after each pass it turns round into the channels beside it."""
    inlets: Annotated[tuple[InletDeck, ...], Field(max_length=256)] = ()
    """Inlets of groups of channels; absent = one for all."""
    law: str | None = None
    """Law of film and pressure drop, by its registered name; absent = `straight`, with several passes `serpentine`."""
    homogenised: bool = False
    """Whether walls and coolant are one porous body, so that no channel is meshed; errors tell what that changes."""

    @model_validator(mode="after")
    def _inlets_fit(self) -> Self:
        counts = [inlet.count for inlet in self.inlets] or [self.count]
        if sum(counts) != self.count:
            raise ValueError(f"inlets feed {sum(counts)} channels, there are {self.count}")
        if odd := [n for n in counts if n % self.passes]:
            raise ValueError(f"wants a multiple of passes: {odd[0]} channels make no {self.passes} passes")
        names = [inlet.name for inlet in self.inlets]
        if len(set(names)) < len(names):
            raise ValueError("wants inlets of different names")
        own = [inlet.name for inlet in self.inlets if inlet.flow_rate is not None]
        if self.flow_rate is not None and own:
            raise ValueError(f"has a flow_rate and its inlet {own[0]!r} another; give one of the two")
        return self

    @model_validator(mode="after")
    def _straight_where_homogenised(self) -> Self:
        if self.homogenised and (self.inlets or self.passes > 1):
            more = "inlets" if self.inlets else "passes"
            raise ValueError(f"homogenised channels have one inlet and one pass; leave out {more}")
        return self

    @model_validator(mode="after")
    def _film_known(self) -> Self:
        ends = self.floor_film_coefficient, self.ceiling_film_coefficient
        if self.wall_film_coefficient is None and ends != (None, None):
            raise ValueError("floor_film_coefficient and ceiling_film_coefficient want wall_film_coefficient beside them")
        if self.wall_film_coefficient is None and (self.coolant.conductivity is None or self.coolant.viscosity is None):
            raise ValueError("wants wall_film_coefficient, or a coolant with conductivity and viscosity")
        return self


class PinsDeck(FlowDeck):
    """Round pins through the full thickness of a layer, coolant between them; its material is that of the pins."""

    arrangement: Literal["in_line", "staggered"]
    """in_line: one pin behind the other; staggered: every second row shifted by half a pitch."""
    diameter: Thickness
    pitch: Annotated[Size, BeforeValidator(_two), _TWO_SCHEMA]
    """Distance from pin to pin within a row across the flow, and from row to row: one value or [across, along]."""
    film_coefficient: Annotated[FilmCoefficient, Field(gt=0)] | None = None
    """Film on pins, floor and ceiling; absent = that of the law."""
    law: str | None = None
    """Law of films and pressure drop, by its registered name; absent = `pins_in_line` or `pins_staggered`."""

    @model_validator(mode="after")
    def _pins_apart(self) -> Self:
        across, along = self.pitch
        if self.diameter >= across:
            raise ValueError("wants a pitch across the flow larger than the diameter: pins of a row must not touch")
        nearest = math.hypot(0.5 * across, along) if self.arrangement == "staggered" else along
        if self.diameter >= nearest:
            raise ValueError("wants rows further apart: pins of neighbouring rows must not touch")
        ends = self.floor_film_coefficient, self.ceiling_film_coefficient
        if self.film_coefficient is None and ends != (None, None):
            raise ValueError("floor_film_coefficient and ceiling_film_coefficient want film_coefficient beside them")
        return self


class LayerDeck(DeckModel):
    """One slab, listed from the bottom up."""

    name: Name
    thickness: Thickness
    material: MaterialDeck
    size: Size | None = None
    """Lateral size [x, y]; absent = the footprint."""
    offset: tuple[Length, Length] | None = None
    """Corner of the layer from the corner of the footprint; absent = centred."""
    contact_resistance: ArealResistance = 0.0
    """Resistance, times area, between this layer and the one below."""
    role: Literal["", "rram", "periphery", "logic"] = ""
    """What the layer carries: crossbar tiles, their converters, the host logic."""
    tile_sites: tuple[Count, Count] | None = None
    """Equal boxes [nx, ny] of an rram layer, each the place of one tile."""
    blocks: tuple[BlockDeck, ...] = ()
    floorplan: str | None = None
    """A `.yaml`, `.csv` or HotSpot `.flp` file: units with a material become blocks, those with a power heat sources."""
    floorplan_from: Literal["footprint", "layer"] | None = None
    """Corner that x and y of the floorplan count from: that of the footprint (absent = this), or that of the layer."""
    channels: ChannelsDeck | None = None
    """Coolant channels; between two other layers."""
    pins: PinsDeck | None = None
    """Pins in a coolant; between two other layers."""

    @field_validator("floorplan_from")
    @classmethod
    def _of_a_floorplan(cls, value: str | None) -> str | None:
        if value is not None:  # a floorplan takes it with it when it is read
            raise ValueError("wants a floorplan beside it")
        return value

    @field_validator("tile_sites")
    @classmethod
    def _sites_positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and not 1 <= min(value) <= max(value) <= MOST_SITES:
            raise ValueError(f"wants 1 to {MOST_SITES} sites in x and in y (got {list(value)})")
        return value

    @model_validator(mode="after")
    def _rram_has_sites(self) -> Self:
        if (self.role == "rram") != (self.tile_sites is not None):
            raise ValueError("role: rram and tile_sites go together: an rram layer says how many tiles fit on it")
        if self.channels is not None and self.pins is not None:
            raise ValueError("has channels and pins; give one of the two")
        if self.material.is_mapped and (self.flow is not None or self.blocks):
            what = "blocks" if self.flow is None else "pins" if self.channels is None else "channels"
            raise ValueError(f"material has a map, whose cells fill the layer, so it can have no {what}")
        if self.flow is not None and (self.blocks or self.contact_resistance):
            what = "pins" if self.channels is None else "channels"
            raise ValueError(f"has {what}, so it can have neither blocks nor a contact_resistance")
        return self

    @property
    def flow(self) -> ChannelsDeck | PinsDeck | None:
        """Coolant in the layer."""
        return self.channels or self.pins


class TiersDeck(DeckModel):
    """Layers that repeat; in the stack their names become ``t0_…``, ``t1_…``"""

    repeat: Annotated[Count, Field(ge=1, le=256)]
    layers: Annotated[tuple[LayerDeck, ...], Field(min_length=1)]


class PartDeck(DeckModel):
    """A stack that stands beside others, on what is common to all or on another part."""

    name: Name
    at: tuple[Length, Length]
    """Its lower left corner, from that of the footprint; of a part on another, from that of the other."""
    on: Name | None = None
    """Part that it stands on; absent = the highest layer of `below`."""
    deck: GeometryDeck | None = None
    """A geometry with a footprint; or give size and layers."""
    size: Size | None = None
    """Size of every layer without one of its own."""
    layers: tuple[LayerDeck, ...] = ()
    """Layers from the bottom up."""

    @model_validator(mode="after")
    def _one_stack(self) -> Self:
        if self.name == FILL:
            raise ValueError(f"{FILL!r} is the name of what lies between the parts; choose another")
        if (self.deck is None) == (not self.layers) or (self.size is None) != (self.deck is not None):
            raise ValueError("wants either deck, or size and layers together")
        if self.deck is not None and (self.deck.mesh is not None or self.deck.parts):
            raise ValueError("its deck wants layers, or below, tiers and above; neither a mesh nor parts")
        for layer in self.stack.every_layer:
            if layer.flow is not None or layer.floorplan is not None:
                key = ("pins" if layer.channels is None else "channels") if layer.floorplan is None else "a floorplan"
                raise ValueError(f"layer {layer.name!r} of a part has {key}; only layers common to all parts can")
        return self

    @property
    def stack(self) -> GeometryDeck:
        """Its layers."""
        return self.deck or GeometryDeck.model_construct(footprint=self.size, layers=self.layers)


class GeometryDeck(DeckModel):
    """A stack: `layers`, or `below`, `tiers` or `parts`, `above`, all from the bottom up; or a `mesh` of your own."""

    name: str = "inline"
    title: str | None = None
    footprint: Size | None = None
    """Size of every layer without its own; x, y count from its lower left corner."""
    layers: tuple[LayerDeck, ...] = ()
    below: tuple[LayerDeck, ...] = ()
    tiers: TiersDeck | None = None
    parts: Annotated[tuple[PartDeck, ...], Field(max_length=256)] = ()
    """Stacks side by side on the highest layer of `below`, under the lowest of `above`."""
    fill: MaterialDeck | None = None
    """Material between, beside and over the parts, up to the edge of the footprint and the top of the highest part."""
    above: tuple[LayerDeck, ...] = ()
    mesh: str | None = None
    """A file that meshio reads, with named regions and faces: tetrahedra, also curved ones of order 2, or hexahedra."""
    mesh_unit: Thickness = 1.0
    """Length of one unit of that file."""
    materials: dict[str, MaterialDeck] = {}
    """Region of that mesh → what fills it."""
    cost: CostDeck | None = None
    """Cost of the stack and its package; `power/cost` adds up what is stated."""

    @model_validator(mode="after")
    def _layers_or_tiers(self) -> Self:
        if self.mesh is not None:
            given = [key for key in ("footprint", "layers", "below", "tiers", "parts", "fill", "above") if getattr(self, key)]
            if given:
                raise ValueError(f"has a mesh, which says where everything is; leave out {', '.join(given)}")
            return self
        if self.footprint is None:
            raise ValueError("wants a footprint, or a mesh of your own")
        if self.materials:
            raise ValueError("materials name the regions of a mesh; layers have each its own material")
        split = bool(self.below or self.tiers or self.parts or self.above)
        if bool(self.layers) == split:
            raise ValueError("wants either layers, or below, tiers and above")
        return self

    @model_validator(mode="after")
    def _parts_have_room(self) -> Self:
        if self.parts and self.tiers:
            raise ValueError("has parts and tiers; tiers stand in the deck of a part")
        if self.parts and not self.below:
            raise ValueError("parts want a common base: below")
        if (count := sum(part.stack.n_layers for part in self.parts)) > MOST_IN_PARTS:
            raise ValueError(f"parts have {count} layers, those of every tier, at most {MOST_IN_PARTS}")
        if (self.fill is None) != (not self.parts):
            raise ValueError("parts and fill go together: fill is the material between the parts")
        if self.fill is not None and self.fill.cylinders is not None and self.fill.cylinders.resolved:
            raise ValueError("fill cannot have resolved cylinders; leave out resolved")
        if mapped := [key for key, one in (("fill", self.fill), *self.materials.items()) if one is not None and one.is_mapped]:
            raise ValueError(f"{mapped[0]} has a map, which the material of a layer alone can have")
        return self

    @property
    def every_layer(self) -> tuple[LayerDeck, ...]:
        """Those of tiers once, those of parts with them."""
        inner = [layer for part in self.parts for layer in part.stack.every_layer]
        return (*self.layers, *self.below, *(self.tiers.layers if self.tiers else ()), *inner, *self.above)

    @property
    def n_layers(self) -> int:
        """How many there are, those of every tier."""
        repeated = self.tiers.repeat * len(self.tiers.layers) if self.tiers else 0
        own = len(self.layers) + len(self.below) + repeated + len(self.above)
        return own + sum(part.stack.n_layers for part in self.parts)

    @property
    def n_tiers(self) -> int:
        """How many tiers there are, those of all parts together."""
        return (self.tiers.repeat if self.tiers else 0) + sum(part.stack.n_tiers for part in self.parts)


PartDeck.model_rebuild()
GeometryDeck.model_rebuild()
