"""Materials of layers and blocks: solids, cylinders in a host, patterns of two solids."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationError, model_validator

from stack3d.schema.base import (
    ArealResistance,
    Conductivity,
    DeckModel,
    Density,
    HeatCapacity,
    Number,
    SpecificHeat,
    Thickness,
    bare,
    quantity_schema,
)
from stack3d.schema.material_laws import WRITTEN, MaterialLaw, PowerOfTemperature, ValueOrLawSchema, is_law, law_of

Diagonal = tuple[float, float, float]


def _three(value: Any) -> Any:
    value = bare(value, "conductivity")
    return (value,) * 3 if isinstance(value, (str, int, float)) else value


_ONE = quantity_schema("conductivity")
_THREE = {"type": "array", "items": _ONE, "minItems": 3, "maxItems": 3}
_K_SCHEMA = ValueOrLawSchema("conductivity", {"anyOf": [_ONE, _THREE]})


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
    """A solid: conductivity (one value or [kx, ky, kz]) and heat capacity per volume or per mass; or several solids in one.

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
    """Heat capacity per mass at 300 K, or a law."""
    cylinders: CylindersDeck | None = None
    """Instead of all the above: vias or bumps through the layer, homogenised by mixing rules."""
    pattern: PatternDeck | None = None
    """Instead of all the above: a layer of two solids side by side, as of traces and resin, homogenised by mixing rules."""

    @model_validator(mode="after")
    def _parts_are_homogenised(self) -> Self:
        mixed = [deck for deck in (self.cylinders, self.pattern) if deck is not None]
        parts = {key: getattr(deck, key, None) for deck in mixed for key in ("host", "fill", "core")}
        for key, part in parts.items():
            if part is not None and part.cylinders is not None and part.cylinders.resolved:
                raise ValueError(f"{key} has cylinders that are resolved, which a layer or block as a whole can have alone")
            if part is not None and part.is_mapped:
                raise ValueError(f"{key} has a map, which the material of a layer alone can have")
        return self

    @model_validator(mode="after")
    def _one_capacity(self) -> Self:
        mixed = [key for key in ("cylinders", "pattern") if getattr(self, key) is not None]
        if mixed:
            own = ("conductivity", "conductivity_exponent", "heat_capacity", "density", "specific_heat")
            given = [n for n in own if getattr(self, n)] + mixed[1:]
            if given:
                raise ValueError(
                    f"has {'a ' * (mixed[0] == 'pattern')}{mixed[0]}, whose host and fill say all; leave out {', '.join(given)}"
                )
            return self
        if self.conductivity is None:
            raise ValueError("wants a conductivity, or cylinders in a host")
        if self.conductivity_exponent and isinstance(self.conductivity, MaterialLaw):
            raise ValueError("conductivity has a law; leave out conductivity_exponent")
        try:
            _ = self.conducts
        except ValidationError as error:
            raise ValueError(f"conductivity_exponent: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
        by_mass = [self.density is not None, self.specific_heat is not None]
        if any(by_mass) if self.heat_capacity is not None else not all(by_mass):
            steady = (
                "" if any(by_mass) else "; steady temperatures do not depend on it: any number does for them, marked as assumed"
            )
            raise ValueError(f"wants either heat_capacity, or density and specific_heat together{steady}")
        return self

    @property
    def is_mapped(self) -> bool:
        """Whether its share differs from cell to cell."""
        return self.pattern is not None and self.pattern.map is not None

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
    """Resistance, times area, of both ends of a cylinder together, as of dielectric between a bump and the silicon."""
    resolved: bool = False
    """Whether every cylinder is meshed, instead of homogenised by mixing rules; wants tetrahedra (`solver.mesh.cells`)."""
    wall: Thickness | None = None
    """Thickness of the fill around the core of plated, hollow cylinders."""
    core: MaterialDeck | None = None
    """Material inside hollow cylinders; absent = nothing that conducts."""

    @model_validator(mode="after")
    def _hollow(self) -> Self:
        if self.wall is None and self.core is not None:
            raise ValueError("core wants wall: the thickness of the fill around it")
        if self.wall is not None and 2 * self.wall >= self.diameter:
            raise ValueError(f"wall has to be less than half the diameter, got {self.wall:g} m of {self.diameter:g} m")
        if self.wall is not None and self.resolved:
            raise ValueError("hollow cylinders are homogenised; leave out wall or resolved")
        return self

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.diameter >= self.pitch:
            raise ValueError(
                f"cylinders touch: diameter has to be less than pitch, got {self.diameter:g} m and {self.pitch:g} m"
            )
        return self


class PatternDeck(DeckModel):
    """Two solids side by side through the whole layer: copper that covers a share of a layer of a board."""

    host: MaterialDeck
    fill: MaterialDeck
    share: Annotated[Number, Field(ge=0, le=1)] | None = None
    """Share of the area that the fill covers."""
    map: str | None = None
    """Instead of one share those of equal cells over the whole layer: `.npy` or `.csv` of bare numbers, rows from the lowest y
    on. Of a layer's own material alone."""
    sideways: Literal["islands", "mixed", "planes", "lines_x", "lines_y"] = "mixed"
    """How a better fill conducts sideways: in islands (the least it can without a direction), in planes with holes (the most),
    or between; or in lines along x or y from end to end."""

    @model_validator(mode="after")
    def _one_share(self) -> Self:
        if (self.share is None) == (self.map is None):
            raise ValueError("wants either share, or map with the share of each cell")
        return self


MaterialDeck.model_rebuild()
