"""Geometry deck: materials, layers, blocks, repeated tiers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from stack3d.layout import FILL
from stack3d.schema.base import (
    ArealResistance,
    Conductivity,
    Count,
    DeckModel,
    Density,
    FilmCoefficient,
    FlowRate,
    HeatCapacity,
    Length,
    Number,
    SpecificHeat,
    Temperature,
    Thickness,
    Viscosity,
    bare,
    quantity_schema,
    sourced,
)
from stack3d.schema.material_laws import WRITTEN, MaterialLaw, PowerOfTemperature, ValueOrLawSchema, is_law, law_of

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_\-]*$", max_length=100)]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_\-]*(\.[A-Za-z][A-Za-z0-9_\-]*)?$", max_length=201)]
"""Of a layer, or of one of a part: ``part.layer``."""
MOST_SITES = 512
"""Of tiles, along x or y of a layer."""
Interval = tuple[Length, Length]
Size = tuple[Thickness, Thickness]
Diagonal = tuple[float, float, float]


def _three(value: Any) -> Any:
    value = bare(value)
    return (value,) * 3 if isinstance(value, (str, int, float)) else value


_ONE = quantity_schema("conductivity")
_THREE = {"type": "array", "items": _ONE, "minItems": 3, "maxItems": 3}
_K_SCHEMA = ValueOrLawSchema("conductivity", {"anyOf": [_ONE, _THREE]})


def _two(value: Any) -> Any:
    value = bare(value)
    return (value,) * 2 if isinstance(value, (str, int, float)) else value


_EDGE = quantity_schema("length")
_TWO_SCHEMA = WithJsonSchema(sourced({"anyOf": [_EDGE, {"type": "array", "items": _EDGE, "minItems": 2, "maxItems": 2}]}))

_Diagonal = Annotated[tuple[Conductivity, Conductivity, Conductivity], BeforeValidator(_three)]
_DIAGONAL: TypeAdapter[Diagonal] = TypeAdapter(_Diagonal)


def _conductivity(value: Any) -> Any:
    """Three values, or a law."""
    return law_of(value, "conductivity", anisotropic=True) if is_law(value) else _DIAGONAL.validate_python(value)


def _or_law(kind: Any, dimension: str) -> Any:
    """One value of a kind, or a law."""
    plain: TypeAdapter[float] = TypeAdapter(kind)
    check = PlainValidator(lambda v: law_of(v, dimension) if is_law(v) else plain.validate_python(v))
    return Annotated[Any, check, WRITTEN, ValueOrLawSchema(dimension, quantity_schema(dimension))]


if TYPE_CHECKING:
    ConductivityOrLaw = Diagonal | MaterialLaw
    HeatCapacityOrLaw = float | MaterialLaw
    SpecificHeatOrLaw = float | MaterialLaw
else:
    ConductivityOrLaw = Annotated[Any, PlainValidator(_conductivity), WRITTEN, _K_SCHEMA]
    HeatCapacityOrLaw = _or_law(HeatCapacity, "heat_capacity")
    SpecificHeatOrLaw = _or_law(SpecificHeat, "specific_heat")


class MaterialDeck(DeckModel):
    """A solid: conductivity (one value or [kx, ky, kz]) and heat capacity per volume or per mass; or cylinders in a host.

    Either property may follow the temperature by a law: `{law: table, …}`.
    """

    name: str = "inline"
    title: str | None = None
    conductivity: ConductivityOrLaw | None = None
    """Thermal conductivity at 300 K: one value, or [kx, ky, kz]; or a law, `{law: …}`."""
    conductivity_exponent: Number = 0.0
    """n of k(T) = k(300 K) (T/300 K)^n; short for the law `power`."""
    heat_capacity: HeatCapacityOrLaw | None = None
    """Heat capacity per volume at 300 K, or a law; or give density and specific_heat."""
    density: Density | None = None
    specific_heat: SpecificHeatOrLaw | None = None
    """At 300 K, or a law."""
    cylinders: CylindersDeck | None = None
    """Instead of all the above: vias or bumps through the layer, homogenised by mixing rules."""

    @model_validator(mode="after")
    def _one_capacity(self) -> Self:
        if self.cylinders is not None:
            given = [n for n in ("conductivity", "heat_capacity", "density", "specific_heat") if getattr(self, n) is not None]
            if given:
                raise ValueError(f"has cylinders, whose host and fill say all; leave out {', '.join(given)}")
            return self
        if self.conductivity is None:
            raise ValueError("wants a conductivity, or cylinders in a host")
        if self.conductivity_exponent and isinstance(self.conductivity, MaterialLaw):
            raise ValueError("conductivity has a law; leave out conductivity_exponent")
        try:
            _ = self.conducts
        except ValidationError as error:
            raise ValueError(f"conductivity_exponent: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
        by_mass = self.density is not None and self.specific_heat is not None
        if (self.heat_capacity is None) != by_mass:
            raise ValueError("wants either heat_capacity, or density and specific_heat together")
        return self

    @property
    def conducts(self) -> MaterialLaw | None:
        """Law of the conductivity; None where it is constant."""
        if isinstance(self.conductivity, MaterialLaw):
            return self.conductivity
        exponent = self.conductivity_exponent
        return PowerOfTemperature(value=1.0, exponent=exponent) if exponent else None

    @property
    def stores(self) -> MaterialLaw | None:
        """Law of the heat capacity; None where it is constant."""
        given = self.specific_heat if self.heat_capacity is None else self.heat_capacity
        return given if isinstance(given, MaterialLaw) else None

    @property
    def diagonal(self) -> Diagonal:
        """Conductivity kx, ky, kz at 300 K; NaN of cylinders in a host, which have none of their own. [W m⁻¹ K⁻¹]"""
        if isinstance(self.conductivity, MaterialLaw):
            one = self.conductivity.at_reference
            return one[0], one[-1 if len(one) == 1 else 1], one[-1]
        return self.conductivity or (math.nan, math.nan, math.nan)

    @property
    def volumetric_heat_capacity(self) -> float:
        """Per volume, at 300 K; NaN of cylinders in a host, which have none of their own. [J m⁻³ K⁻¹]"""
        given = self.specific_heat if self.heat_capacity is None else self.heat_capacity
        one = given.at_reference[0] if isinstance(given, MaterialLaw) else given or math.nan
        return one if self.density is None or self.heat_capacity is not None else self.density * one


class CylindersDeck(DeckModel):
    """Cylinders on a square lattice through the whole layer: through-silicon vias, micro-bumps."""

    host: MaterialDeck
    fill: MaterialDeck
    diameter: Thickness
    pitch: Thickness
    insulated: bool = False
    """Whether a liner stops heat from entering them sideways."""
    end_resistance: ArealResistance = 0.0
    """Of both ends of a cylinder together, on its own area: dielectric between a bump and the silicon."""
    resolved: bool = False
    """Whether every cylinder is meshed, instead of homogenised by mixing rules; wants tetrahedra (`solver.mesh.cells`)."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.diameter >= self.pitch:
            raise ValueError(
                f"cylinders touch: diameter has to be less than pitch, got {self.diameter:g} m and {self.pitch:g} m"
            )
        return self


MaterialDeck.model_rebuild()


class BlockDeck(DeckModel):
    """A rectangle of another material through the full thickness of its layer."""

    name: Name
    x: Interval
    y: Interval
    material: MaterialDeck


class CoolantDeck(DeckModel):
    """A single-phase liquid."""

    name: str = "inline"
    title: str | None = None
    heat_capacity: HeatCapacity
    """Per volume."""
    conductivity: Conductivity | None = None
    viscosity: Viscosity | None = None
    """Dynamic; with the conductivity it gives film coefficient and pressure drop."""
    density: Density | None = None
    """With the viscosity it gives the Reynolds number, which is checked against the range of the correlations."""
    boiling_point: Temperature | None = None
    """At the pressure in the channels; a run warns where a wall or the outlet is hotter."""


class ChannelsDeck(DeckModel):
    """Parallel coolant channels through the full thickness of a layer; its material is that of the walls."""

    direction: Literal["x", "y"] = "y"
    """The coolant flows towards larger x or y."""
    count: Annotated[Count, Field(ge=1, le=2048)]
    width: Thickness
    wall_width: Thickness
    """Between two channels."""
    edge_wall_width: Annotated[Size, BeforeValidator(_two), _TWO_SCHEMA] | None = None
    """Outside the first and the last channel, one value or [first, last]; absent = what is left, in equal parts."""
    coolant: CoolantDeck
    flow_rate: FlowRate
    """Of all channels together."""
    inlet_temperature: Temperature
    wall_film_coefficient: Annotated[FilmCoefficient, Field(gt=0)] | None = None
    """On all four sides of a channel; absent = laminar, fully developed (Shah and London 1978)."""
    floor_film_coefficient: Annotated[FilmCoefficient, Field(gt=0)] | None = None
    """On floors, where it differs from that of the walls beside them."""
    ceiling_film_coefficient: Annotated[FilmCoefficient, Field(gt=0)] | None = None
    """On ceilings, where it differs from that of the walls beside them."""

    @model_validator(mode="after")
    def _film_known(self) -> Self:
        ends = self.floor_film_coefficient, self.ceiling_film_coefficient
        if self.wall_film_coefficient is None and ends != (None, None):
            raise ValueError("floor_film_coefficient and ceiling_film_coefficient want wall_film_coefficient beside them")
        if self.wall_film_coefficient is None and (self.coolant.conductivity is None or self.coolant.viscosity is None):
            raise ValueError("wants wall_film_coefficient, or a coolant with conductivity and viscosity")
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
    """Between this layer and the one below."""
    role: Literal["", "rram", "periphery", "logic"] = ""
    """What the layer carries: crossbar tiles, their converters, the host logic."""
    tile_sites: tuple[Count, Count] | None = None
    """Equal boxes [nx, ny] of an rram layer, each the place of one tile."""
    blocks: tuple[BlockDeck, ...] = ()
    floorplan: str | None = None
    """A `.yaml`, `.csv` or HotSpot `.flp` file: units with a material become blocks, those with a power heat sources."""
    channels: ChannelsDeck | None = None
    """Coolant channels; between two other layers."""

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
        if self.channels is not None and (self.blocks or self.contact_resistance):
            raise ValueError("has channels, so it can have neither blocks nor a contact_resistance")
        return self


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
    """Of every layer without its own."""
    layers: tuple[LayerDeck, ...] = ()
    """From the bottom up."""

    @model_validator(mode="after")
    def _one_stack(self) -> Self:
        if self.name == FILL:
            raise ValueError(f"{FILL!r} is the name of what lies between the parts; choose another")
        if (self.deck is None) == (not self.layers) or (self.size is None) != (self.deck is not None):
            raise ValueError("wants either deck, or size and layers together")
        if self.deck is not None and (self.deck.mesh is not None or self.deck.parts):
            raise ValueError("its deck wants layers, or below, tiers and above; neither a mesh nor parts")
        for layer in self.stack.every_layer:
            if layer.channels is not None or layer.floorplan is not None:
                key = "channels" if layer.floorplan is None else "a floorplan"
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
    parts: tuple[PartDeck, ...] = ()
    """Stacks side by side on the highest layer of `below`, under the lowest of `above`."""
    fill: MaterialDeck | None = None
    """Between, beside and over the parts, as far as the footprint reaches and the highest part."""
    above: tuple[LayerDeck, ...] = ()
    mesh: str | None = None
    """A file that meshio reads, with named regions and faces: tetrahedra, also curved ones of order 2, or hexahedra."""
    mesh_unit: Thickness = 1.0
    """Length of one unit of that file."""
    materials: dict[str, MaterialDeck] = {}
    """Region of that mesh → what fills it."""

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
        if (self.fill is None) != (not self.parts):
            raise ValueError("parts and fill go together: fill is the material between the parts")
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
