"""Cooling deck and the faces of a stack."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from stack3d.schema.base import (
    ArealResistance,
    DeckModel,
    FilmCoefficient,
    Fraction,
    HeatFlux,
    Temperature,
    ThermalCapacity,
    ThermalResistance,
    Thickness,
    Velocity,
)
from stack3d.schema.geometry import Interval, Name


class Natural(DeckModel):
    """Still air on the bare face."""

    facing: Literal["up", "down", "vertical"]
    length: Thickness
    """Area over perimeter of a level face, height of a vertical one."""


class Stream(DeckModel):
    """Air that flows along the bare face."""

    velocity: Velocity
    length: Thickness
    """Along the flow."""


class Thermoelectric(DeckModel):
    """A Peltier cooler at constant current, per area of the face: heat pumped = peltier T + conductance (T - hot) - joule."""

    peltier: FilmCoefficient
    """Seebeck coefficient times current, per area."""
    conductance: FilmCoefficient
    joule: HeatFlux
    """Half of the heat that the current makes, which returns to the cold face."""
    hot_side: Temperature


WAYS = ("film_coefficient", "resistance", "areal_resistance", "temperature", "natural", "stream", "thermoelectric")


class Face(DeckModel):
    """Condition on an outer face; give at most one of the ways from film_coefficient to thermoelectric."""

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
    natural: Natural | None = None
    """Film by the correlations for still air, which follows the temperature of the face."""
    stream: Stream | None = None
    """Film by the correlation for a flat plate."""
    thermoelectric: Thermoelectric | None = None
    heat_capacity: ThermalCapacity | None = None
    """Of a heat sink on the whole face, spread over it: stores heat at the temperature of the face; steady states ignore it."""
    emissivity: Fraction | None = None
    """Radiation to surroundings at ambient, on top of the above."""
    flux: HeatFlux | None = None
    """Heat pushed into the face, on top of the above."""
    largest_flux: HeatFlux | None = None
    """Heat flux out of the face beyond which a run warns: the critical heat flux of boiling, the reach of a heat pipe."""
    largest_temperature: Temperature | None = None
    """Temperature of the face beyond which a run warns: boiling of a single-phase liquid."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [k for k in WAYS if getattr(self, k) is not None]
        if len(given) > 1:
            raise ValueError(f"wants one of {', '.join(WAYS)} (got {' and '.join(given)})")
        if self.emissivity is not None and (self.temperature is not None or self.thermoelectric is not None):
            raise ValueError(f"emissivity does not go with {given[0]}")
        if self.heat_capacity is not None and self.temperature is not None:
            raise ValueError("heat_capacity does not go with temperature, which never changes")
        return self

    @property
    def is_cooled(self) -> bool:
        """Whether heat can leave."""
        return bool(self.emissivity) or (any(getattr(self, way) is not None for way in WAYS) and self.film_coefficient != 0)


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
    faces: dict[str, CooledFace] = {}
    """Faces that a mesh of your own names, in place of top, bottom, sides and patches."""
    ambient: Temperature
    """Temperature of the surroundings."""

    @property
    def has_way_out(self) -> bool:
        """Whether some face is cooled."""
        return any(face.is_cooled for face in self.conditions.values())

    @property
    def conditions(self) -> dict[str, Face]:
        """Condition by face and patch."""
        outer = {"top": self.top, "bottom": self.bottom, "sides": self.sides}
        return self.faces or {**outer, **{patch.name: patch.condition for patch in self.patches}}
