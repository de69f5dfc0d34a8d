"""Cooling deck and the faces of a stack."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from stack3d import films
from stack3d.errors import PackageError, Problem, RangeError, brief
from stack3d.registry import Registry, is_outside
from stack3d.schema.base import (
    ArealResistance,
    CostDeck,
    DeckModel,
    FilmCoefficient,
    FlowOrNone,
    FlowRate,
    Fraction,
    HeatFlux,
    Pressure,
    RegisteredKeys,
    Temperature,
    ThermalCapacity,
    ThermalResistance,
    Thickness,
    Velocity,
)
from stack3d.schema.geometry import Interval, LayerName, Name

MOST_POINTS = 1000
"""Of a pump curve."""


class CoolingLaw(DeckModel):
    """A way in which heat leaves a face to the surroundings: fields are what a deck gives, `film` is the law."""

    reference: ClassVar[str] = ""
    """Where the law comes from."""
    valid: ClassVar[str] = ""
    """Where it holds; a law refuses what lies outside."""
    follows_surface: ClassVar[bool] = False
    """Whether the film changes with the temperature of the face, which is then found together with the heat."""
    may_hold: ClassVar[bool] = False
    """Whether an infinite film is meant, which holds the face at ambient."""

    @abstractmethod
    def film(self, surface: float, ambient: float, area: float) -> float:
        """Mean film coefficient over a face. [W m⁻² K⁻¹].

        Parameters
        ----------
        surface : float
            Mean temperature of the face. [K]
        ambient : float
            [K]
        area : float
            Of the face. [m²]
        """


def _one_number(given: tuple[Any, ...], film: Any) -> str | None:
    """What keeps a film from being one number; which one it may be is asked where its face is known."""
    found = np.asarray(film)
    return None if found.ndim == 0 and found.dtype.kind in "iuf" else f"{brief(film)}; wanted one number [W/m2/K]"


cooling_laws: Registry[type[CoolingLaw]] = Registry("cooling law", CoolingLaw, {"film": _one_number})
"""By the key that names them in a face; other packages announce theirs in the entry-point group ``stack3d.cooling_law``."""


@cooling_laws.register("film_coefficient")
class FixedFilm(CoolingLaw):
    """A film that is given."""

    reference = "definition"
    valid = "any film"

    value: FilmCoefficient
    """Heat per area and per kelvin between face and ambient."""

    def film(self, surface: float, ambient: float, area: float) -> float:
        """As given. [W m⁻² K⁻¹]"""
        return self.value


@cooling_laws.register("resistance")
class FaceResistance(CoolingLaw):
    """A resistance of the whole face, spread over it."""

    reference = "definition"
    valid = "any resistance"

    value: ThermalResistance
    """Resistance from the whole face to ambient."""

    def film(self, surface: float, ambient: float, area: float) -> float:
        """1 / (R A). [W m⁻² K⁻¹]"""
        return 1.0 / (self.value * area)


@cooling_laws.register("areal_resistance")
class AreaResistance(CoolingLaw):
    """A resistance times area."""

    reference = "definition"
    valid = "any resistance; none at all holds the face at ambient"
    may_hold = True

    value: ArealResistance
    """Resistance from the face to ambient, times its area."""

    def film(self, surface: float, ambient: float, area: float) -> float:
        """1 / R''. [W m⁻² K⁻¹]"""
        return 1.0 / self.value if self.value > 0 else math.inf


@cooling_laws.register("natural")
class Natural(CoolingLaw):
    """Still air on the bare face."""

    reference = "Churchill and Chu 1975, doi:10.1016/0017-9310(75)90243-4; Lloyd and Moran 1974, doi:10.1115/1.3450224"
    valid = "Rayleigh number up to 1e11"
    follows_surface = True

    facing: Literal["up", "down", "vertical"]
    length: Thickness
    """Of a level face its area over its perimeter, of a vertical one its height."""

    def film(self, surface: float, ambient: float, area: float) -> float:
        """Mean film of still air on an isothermal plate. [W m⁻² K⁻¹]"""
        return films.natural_convection(surface - ambient, self.length, self.facing, ambient=ambient)


@cooling_laws.register("stream")
class Stream(CoolingLaw):
    """Air that flows along the bare face."""

    reference = "Pohlhausen 1921; Incropera, eqs. 7.30 and 7.38"
    valid = "Reynolds number from 1e2 to 1e8"

    velocity: Velocity
    length: Thickness
    """Length of the face along the flow."""

    def film(self, surface: float, ambient: float, area: float) -> float:
        """Mean film of air along an isothermal plate. [W m⁻² K⁻¹]"""
        return films.forced_air(self.velocity, self.length)


class ThermoelectricDeck(DeckModel):
    """A Peltier cooler at constant current, per area of the face: heat pumped = peltier T + conductance (T - hot) - joule."""

    peltier: FilmCoefficient
    """Seebeck coefficient times current, per area of the face."""
    conductance: FilmCoefficient
    joule: HeatFlux
    """Half of the heat that the current makes, which returns to the cold face."""
    hot_side: Temperature


WARMER = 10.0
"""Step at which a film is asked again that says to stay as it is. [K]"""
WAYS = ("film_coefficient", "resistance", "areal_resistance", "temperature", "natural", "stream", "thermoelectric")


class FaceDeck(RegisteredKeys):
    """Condition on an outer face; give at most one of the ways from film_coefficient to thermoelectric."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    registry: ClassVar[Registry[type[CoolingLaw]]] = cooling_laws

    name: str = "inline"
    title: str | None = None
    film_coefficient: FilmCoefficient | None = None
    """Film coefficient h: heat per area and per kelvin over ambient."""
    resistance: ThermalResistance | None = None
    """Resistance R from the whole face of area A to ambient; h = 1 / (R A)."""
    areal_resistance: ArealResistance | None = None
    """Resistance R'' from the face to ambient, times area; h = 1 / R''."""
    temperature: Temperature | None = None
    """Temperature at which the face is held."""
    natural: Natural | None = None
    """Film of still air, by correlation; it follows the temperature of the face."""
    stream: Stream | None = None
    """Film of air that flows along the face, by the correlation for a flat plate."""
    thermoelectric: ThermoelectricDeck | None = None
    heat_capacity: ThermalCapacity | None = None
    """Heat capacity of a heat sink on the whole face. It stores heat at the temperature of the face; steady states ignore
    it."""
    emissivity: Fraction | None = None
    """Emissivity for radiation to surroundings at ambient; it comes on top of the keys above."""
    flux: HeatFlux | None = None
    """Heat pushed into the face; it comes on top of the keys above."""
    largest_flux: HeatFlux | None = None
    """A run warns of a larger heat flux out of the face, as the critical heat flux of boiling or the reach of a heat pipe."""
    largest_temperature: Temperature | None = None
    """A run warns of a hotter face, as where a single-phase liquid boils."""
    cost: CostDeck | None = None
    """Cost of what cools the face; `power/cost` adds up what is stated."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [k for k in (*WAYS, *(self.model_extra or {})) if getattr(self, k) is not None]
        if len(given) > 1:
            known = ", ".join(dict.fromkeys((*WAYS, *cooling_laws)))
            raise ValueError(f"wants one of {known} (got {' and '.join(given)})")
        if self.emissivity is not None and (self.temperature is not None or self.thermoelectric is not None):
            raise ValueError(f"emissivity does not go with {given[0]}")
        if self.heat_capacity is not None and self.temperature is not None:
            raise ValueError("heat_capacity does not go with temperature, which never changes")
        return self

    @property
    def law(self) -> CoolingLaw | None:
        """How heat leaves to the surroundings; None where it does not, or where the face has a temperature of its own."""
        for key in (*WAYS, *(self.model_extra or {})):
            given = getattr(self, key)
            if given is not None and key in cooling_laws:
                return given if isinstance(given, CoolingLaw) else cooling_laws[key].model_construct(value=given)
        return None

    @property
    def follows_surface(self) -> bool:
        """Whether the film changes with the temperature of the face."""
        return bool(self.emissivity) or (self.law is not None and self.law.follows_surface)

    def film(self, surface: float, ambient: float, area: float, where: str = "cooling") -> float:
        """Film coefficient of the law with radiation on top. [W m⁻² K⁻¹]

        Parameters
        ----------
        surface, ambient : float
            [K]
        area : float
            Of the face. [m²]
        where : str
            Key of the face, for messages.

        Raises
        ------
        RangeError, PackageError
            Where the law does not hold, or gives no film that can be.
        """
        total = films.radiation(surface, ambient, self.emissivity) if self.emissivity else 0.0
        if (law := self.law) is None:
            return total
        try:
            film = float(law.film(surface, ambient, area))
        except PackageError as error:
            raise PackageError(f"{where}: {error}") from error
        except RangeError as error:
            raise RangeError([replace(p, key=p.key or where) for p in error.problems]) from error
        if 0 <= film < math.inf or (film > 0 and law.may_hold):
            self._check_still(law, film, surface, ambient, area, where)
            return total + film
        text = f"{cooling_laws.told(type(law))} gives a film of {film:g} W/m2/K at a surface of {surface:.6g} K"
        wrong = Problem(where, f"{text}; wanted zero or more, and finite")
        raise PackageError(str(wrong)) if is_outside(type(law)) else RangeError(wrong)

    @staticmethod
    def _check_still(law: CoolingLaw, film: float, surface: float, ambient: float, area: float, where: str) -> None:
        """Raise PackageError for a law of another package that follows its surface and does not say so."""
        if not is_outside(type(law)) or law.follows_surface:
            return
        try:
            warmer = float(law.film(surface + WARMER, ambient, area))
        except RangeError:
            return
        if warmer != film:
            text = f"{cooling_laws.told(type(law))} gives {film:g} W/m2/K at {surface:.6g} K and {warmer:g} {WARMER:g} K above"
            raise PackageError(f"{where}: {text}; a film that changes with its surface says follows_surface = True")

    @property
    def is_cooled(self) -> bool:
        """Whether heat can leave."""
        has_way = self.law is not None or self.temperature is not None or self.thermoelectric is not None
        return bool(self.emissivity) or (has_way and self.film_coefficient != 0)

    @property
    def is_adiabatic(self) -> bool:
        """Whether nothing goes through the face, and nothing is stored on it."""
        return not self.is_cooled and not self.flux and self.heat_capacity is None


def _adiabatic(value: Any) -> Any:
    return {"name": "adiabatic"} if value == "adiabatic" else value


CooledFace = Annotated[FaceDeck, BeforeValidator(_adiabatic)]


class PatchDeck(DeckModel):
    """An exposed part of the top or bottom of a layer with a condition of its own."""

    name: Name
    layer: LayerName
    face: Literal["top", "bottom"] = "top"
    x: Interval | None = None
    """Absent = the whole layer."""
    y: Interval | None = None
    condition: CooledFace


class PumpCurveDeck(DeckModel):
    """Pressure that a pump gives over its flow rate, linear between the points."""

    flow_rate: Annotated[tuple[FlowOrNone, ...], Field(min_length=2, max_length=MOST_POINTS)]
    """Flow rates, ascending."""
    pressure: Annotated[tuple[Pressure, ...], Field(min_length=2, max_length=MOST_POINTS)]
    """Pressures, falling: a pump gives less the more it moves."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        flows, pressures = self.flow_rate, self.pressure
        if len(flows) != len(pressures):
            raise ValueError(f"wants as many pressures as flow rates, got {len(pressures)} and {len(flows)}")
        if any(b <= a for a, b in pairwise(flows)) or any(b >= a for a, b in pairwise(pressures)):
            raise ValueError("wants flow rates that ascend and pressures that fall")
        return self


class PumpDeck(DeckModel):
    """What drives coolant through cavities side by side: all have its pressure, and share its flow."""

    name: Name
    feeds: Annotated[tuple[LayerName, ...], Field(min_length=1)]
    """Layers with channels or pins, one inlet of these as `layer.inlet`, a layer of the tiers in all of them."""
    flow_rate: FlowRate | None = None
    """Flow through all that it feeds together; or give a curve."""
    curve: PumpCurveDeck | None = None
    """Pressure over flow. The pump works where the curve meets the pressure drop of what it feeds."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.flow_rate is None) == (self.curve is None):
            raise ValueError("wants either a flow_rate or a curve")
        return self


class CoolingDeck(DeckModel):
    """Conditions on the outer faces; every face that is not named is adiabatic."""

    top: CooledFace = FaceDeck(name="adiabatic")
    bottom: CooledFace = FaceDeck(name="adiabatic")
    sides: CooledFace = FaceDeck(name="adiabatic")
    patches: tuple[PatchDeck, ...] = ()
    """Parts of faces with a condition of their own, which replaces that of the outer face there."""
    faces: dict[str, CooledFace] = {}
    """Faces that a mesh of your own names, in place of top, bottom, sides and patches."""
    pumps: Annotated[tuple[PumpDeck, ...], Field(max_length=256)] = ()
    """Pumps of layers with channels or pins that give no flow_rate of their own."""
    ambient: Temperature
    """Temperature of the surroundings."""

    @property
    def has_way_out(self) -> bool:
        """Whether some face is cooled."""
        return any(face.is_cooled for face in self.conditions.values())

    @property
    def keys(self) -> dict[str, str]:
        """Where each condition stands, by face and patch."""
        patches = {patch.name: f"cooling.patches[{i}].condition" for i, patch in enumerate(self.patches)}
        outer = {name: f"cooling.{name}" for name in ("top", "bottom", "sides")}
        return {name: f"cooling.faces.{name}" for name in self.faces} or {**outer, **patches}

    @property
    def conditions(self) -> dict[str, FaceDeck]:
        """Condition by face and patch."""
        outer = {"top": self.top, "bottom": self.bottom, "sides": self.sides}
        return self.faces or {**outer, **{patch.name: patch.condition for patch in self.patches}}
