"""Cooling deck and the faces of a stack."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from stack3d.schema.base import (
    ArealResistance,
    DeckModel,
    FilmCoefficient,
    HeatFlux,
    Temperature,
    ThermalResistance,
)
from stack3d.schema.geometry import Interval, Name


class Face(DeckModel):
    """Condition on an outer face; give exactly one of the first four, or none for an adiabatic face."""

    name: str = "inline"
    title: str | None = None
    film_coefficient: FilmCoefficient | None = None
    """h of the area of the face."""
    resistance: ThermalResistance | None = None
    """Whole-face resistance to ambient; h = 1 / (R A)."""
    areal_resistance: ArealResistance | None = None
    """Resistance times area; h = 1 / R''."""
    temperature: Temperature | None = None
    """Fixed temperature."""
    flux: HeatFlux | None = None
    """Heat pushed into the face, on top of the above."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = ("film_coefficient", "resistance", "areal_resistance", "temperature")
        given = [k for k in kinds if getattr(self, k) is not None]
        if len(given) > 1:
            raise ValueError(f"wants one of {', '.join(kinds)} (got {' and '.join(given)})")
        return self


def _adiabatic(value: Any) -> Any:
    return {"name": "adiabatic"} if value == "adiabatic" else value


CooledFace = Annotated[Face, BeforeValidator(_adiabatic)]


class Patch(DeckModel):
    """An exposed part of the top or bottom of a layer with a condition of its own."""

    name: Name
    layer: Name
    face: Literal["top", "bottom"] = "top"
    x: Interval | None = None
    """Absent = the whole layer."""
    y: Interval | None = None
    condition: CooledFace


class Cooling(DeckModel):
    """Conditions on the outer faces; every face that is not named is adiabatic."""

    top: CooledFace = Face(name="adiabatic")
    bottom: CooledFace = Face(name="adiabatic")
    sides: CooledFace = Face(name="adiabatic")
    patches: tuple[Patch, ...] = ()
    """Parts of faces, in place of the condition of the outer face there; all that the outer faces do not reach."""
    ambient: Temperature
    """Temperature of the surroundings."""

    @property
    def has_way_out(self) -> bool:
        """Whether some face is cooled."""
        ways = ("film_coefficient", "resistance", "areal_resistance", "temperature")
        faces = (self.top, self.bottom, self.sides, *(patch.condition for patch in self.patches))
        return any(getattr(face, way) is not None and face.film_coefficient != 0 for face in faces for way in ways)
