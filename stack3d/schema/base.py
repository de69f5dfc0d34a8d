"""Base model and quantity types of every deck."""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from stack3d import units
from stack3d.errors import OutOfRange, brief
from stack3d.registry import Registry


@cache
def _said_in(module: str) -> dict[tuple[str, str], str]:
    """Class and key → the text below the key, of every class of a module."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):  # typed into a console
        return {}
    found = {}
    for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for key, text in pairwise(kind.body):
            match key, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[kind.name, name] = inspect.cleandoc(said)
    return found


class Described(BaseModel):
    """A model whose keys are described by the text below each. That text is read only when a JSON Schema is made."""

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """Key → what the text below it says; of the nearest class that says something."""
        kinds = [(kind, _said_in(kind.__module__)) for kind in cls.__mro__ if issubclass(kind, Described)]
        texts = {
            key: [said[kind.__name__, key] for kind, said in kinds if (kind.__name__, key) in said] for key in cls.model_fields
        }
        return {key: of[0] for key, of in texts.items() if of}

    @classmethod
    def field_of(cls, key: str) -> FieldInfo | None:
        """What is said of a key as decks write it; None where there is none."""
        named = (field for name, field in cls.model_fields.items() if (field.alias or name) == key)
        return next(named, None)

    @classmethod
    def annotation_of(cls, key: str) -> Any:
        """Annotation of what stands under a key, with its validators; None where nothing does."""
        field = cls.field_of(key)
        if field is None or not field.metadata:
            return field and field.annotation
        return Annotated[(field.annotation, *field.metadata)]

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler(schema)
        keys = handler.resolve_ref_schema(made).get("properties", {})
        for key, text in cls.descriptions().items():
            keys.get(cls.model_fields[key].alias or key, {}).setdefault("description", text)
        return made


class DeckModel(Described):
    """A part of a deck. Unknown keys are refused. It may say where its numbers come from, or why they are assumed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    source: str | None = None
    """Where the numbers beside it come from."""
    assumed: str | None = None
    """Why the numbers beside it are assumed."""


class CostDeck(DeckModel):
    """What a part costs. All decks of a scenario use one currency. It needs a source, or why it is assumed."""

    value: Annotated[float, Field(ge=0, le=1e15)]

    @model_validator(mode="after")
    def _is_founded(self) -> Self:
        if self.source is None and self.assumed is None:
            raise ValueError("wants a source, or assumed with the reason")
        return self


class RegisteredKeys(DeckModel):
    """A deck whose keys, beside its own, name entries of a registry. What stands below such a key is checked as that entry."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any] = {}
    registry: ClassVar[Registry[Any]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Its own keys cannot name entries of other packages."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.registry.reserved |= {*cls.model_fields, *(name for name in dir(cls) if not name.startswith("_"))}

    @model_validator(mode="wrap")
    @classmethod
    def _with_registered(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Keys that are not the deck's own are those of other packages."""
        if not isinstance(value, Mapping):
            return handler(value)
        given, wrong = dict(value), []
        for key in [key for key in given if key not in cls.model_fields]:
            if key not in cls.registry:
                wrong.append(InitErrorDetails(type="extra_forbidden", loc=(str(key),), input=given.pop(key)))
                continue
            try:
                given[key] = cls.registry[key].model_validate(given[key])
            except ValidationError as error:
                wrong += _below(key, error)
                del given[key]
        try:
            found = handler(given)
        except ValidationError as error:
            wrong += _below(None, error)
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return found

    @classmethod
    def annotation_of(cls, key: str) -> Any:
        """Annotation of what stands under a key, a registered entry among them."""
        return cls.registry[key] if key not in cls.model_fields and key in cls.registry else super().annotation_of(key)


def _below(key: str | None, error: ValidationError) -> list[InitErrorDetails]:
    """Mistakes of a validation, under a key."""
    at = () if key is None else (key,)
    return [
        InitErrorDetails(type=e["type"], loc=(*at, *e["loc"]), input=e["input"], ctx=e.get("ctx", {}))
        for e in error.errors(include_url=False)
    ]


def bare(value: Any, dimension: str | None = None) -> Any:
    """Strip ``{value: …, low: …, high: …, source: …}`` down to the value; raises ValueError where low and high do not fit."""
    if not isinstance(value, Mapping) or "value" not in value or not set(value) <= {"value", *_BAND, "source", "assumed"}:
        return value
    if any(word in value for word in _BAND):
        _check_band(value, dimension)
    return value["value"]


_BAND = ("low", "high")


def _check_band(value: Mapping[str, Any], dimension: str | None) -> None:
    missing = [word for word in _BAND if word not in value]
    if missing:
        raise ValueError(f"wants low and high beside value, {missing[0]} is missing")
    told = [value[word] for word in ("low", "value", "high")]
    if any(isinstance(one, (list, tuple)) for one in told):
        raise ValueError("wants one value beside low and high, got a list")
    if dimension is None and not all(isinstance(one, (int, float)) for one in told):
        raise ValueError(f"wants numbers as low, value and high, got {', '.join(map(brief, told))}")
    low, middle, high = told if dimension is None else (units.parse(one, dimension) for one in told)
    if not low <= middle <= high:
        raise ValueError(f"wants low, value and high to rise, got {', '.join(map(brief, told))}")


class _Convert:
    """Text with a unit → number in SI."""

    def __init__(self, dimension: str) -> None:
        self.dimension = dimension

    def __call__(self, value: Any) -> Any:
        return units.parse(bare(value, self.dimension), self.dimension)


def _quantity(dimension: str) -> BeforeValidator:
    return BeforeValidator(_Convert(dimension))


def dimension_of(field: FieldInfo) -> str | None:
    """Dimension of the quantity that a field holds; None for plain numbers and everything else."""
    return next(iter(dimensions_in(field.metadata)), None)


def sourced(plain: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema of a value that may be written ``{value: …, low: …, high: …, source: …}``."""
    told = {word: {"type": "string"} for word in ("source", "assumed")}
    wrapped = {
        "type": "object",
        "properties": {"value": plain, "low": plain, "high": plain, **told},
        "required": ["value"],
        "additionalProperties": False,
    }
    return {"anyOf": [plain, wrapped]}


def quantity_schema(dimension: str) -> dict[str, Any]:
    """JSON Schema of a quantity as text."""
    unit = units.SI[dimension]
    example = units.EXAMPLE.get(dimension, f"1 {unit}")
    text: dict[str, Any] = {"type": "string", "description": f"{dimension.replace('_', ' ')} with a unit, e.g. {example!r}"}
    return {"type": ["number", "string"], "description": "a number, or per cent as '3 %'"} if dimension == "fraction" else text


def _schema(dimension: str) -> WithJsonSchema:
    return WithJsonSchema(sourced(quantity_schema(dimension)))


def given_as(*forms: str) -> Discriminator:
    """Chooses among the forms ``mapping[]``, ``list[]`` and, for the rest, the last one; brackets keep them out of keys."""

    def form(value: Any) -> str:
        found = "mapping[]" if isinstance(value, Mapping | BaseModel) else "list[]" if isinstance(value, (list, tuple)) else ""
        return found if found in forms else forms[-1]

    return Discriminator(form)


class _Check:
    """Test of a value, with words for what passes it."""

    def __init__(self, test: Callable[[float], bool], words: str) -> None:
        self.test, self.words = test, words

    def __call__(self, value: float) -> float:
        if not self.test(value):
            raise OutOfRange(f"must be {self.words} (got {value:g} in SI units)")
        return value


def dimensions_in(metadata: Iterable[Any]) -> list[str]:
    """Dimensions of the quantities that validators make."""
    return [m.func.dimension for m in metadata if isinstance(m, BeforeValidator) and isinstance(m.func, _Convert)]


def dimensions_below(annotation: Any) -> list[str]:
    """Dimensions of the quantities that an annotation holds, in lists, mappings and choices too; none of decks below it."""
    inner = () if isinstance(annotation, type) and issubclass(annotation, BaseModel) else get_args(annotation)
    return dimensions_in(inner) + [found for one in inner for found in dimensions_below(one)]


def words_in(metadata: Iterable[Any]) -> list[str]:
    """Ranges that validators ask for, in words."""
    return [m.func.words for m in metadata if isinstance(m, AfterValidator) and isinstance(m.func, _Check)]


POSITIVE = AfterValidator(_Check(lambda v: v > 0, "greater than zero"))
ZERO_OR_MORE = "zero or more"
NOT_NEGATIVE = AfterValidator(_Check(lambda v: v >= 0, ZERO_OR_MORE))
UNIT_INTERVAL = AfterValidator(_Check(lambda v: 0 <= v <= 1, "between 0 and 1"))

LEAST_THICKNESS = 1e-12
"""Of what is built, far below an atom. [m]"""


def _solid(value: float) -> float:
    if value < LEAST_THICKNESS:
        raise ValueError(f"wants at least {LEAST_THICKNESS:g} m, got {value:g} m")
    return value


Length = Annotated[float, _quantity("length"), _schema("length")]
Thickness = Annotated[float, _quantity("length"), POSITIVE, AfterValidator(_solid), _schema("length")]
Area = Annotated[float, _quantity("area"), POSITIVE, _schema("area")]
ArealDensity = Annotated[float, _quantity("areal_density"), NOT_NEGATIVE, _schema("areal_density")]
Time = Annotated[float, _quantity("time"), NOT_NEGATIVE, _schema("time")]
Duration = Annotated[float, _quantity("time"), POSITIVE, _schema("time")]
Rate = Annotated[float, _quantity("rate"), NOT_NEGATIVE, _schema("rate")]
Frequency = Annotated[float, _quantity("rate"), POSITIVE, _schema("rate")]
Temperature = Annotated[float, _quantity("temperature"), POSITIVE, _schema("temperature")]
TemperatureDifference = Annotated[float, _quantity("temperature_difference"), _schema("temperature_difference")]
Power = Annotated[float, _quantity("power"), _schema("power")]
Energy = Annotated[float, _quantity("energy"), NOT_NEGATIVE, _schema("energy")]
Voltage = Annotated[float, _quantity("voltage"), _schema("voltage")]
Conductance = Annotated[float, _quantity("conductance"), NOT_NEGATIVE, _schema("conductance")]
ConductanceChange = Annotated[float, _quantity("conductance"), _schema("conductance")]
Resistance = Annotated[float, _quantity("resistance"), NOT_NEGATIVE, _schema("resistance")]
Conductivity = Annotated[float, _quantity("conductivity"), POSITIVE, _schema("conductivity")]
ThermalCapacity = Annotated[float, _quantity("thermal_capacity"), POSITIVE, _schema("thermal_capacity")]
ElectricalConductivity = Annotated[float, _quantity("electrical_conductivity"), POSITIVE, _schema("electrical_conductivity")]
Diffusivity = Annotated[float, _quantity("diffusivity"), POSITIVE, _schema("diffusivity")]
Concentration = Annotated[float, _quantity("concentration"), NOT_NEGATIVE, _schema("concentration")]
HeatCapacity = Annotated[float, _quantity("heat_capacity"), POSITIVE, _schema("heat_capacity")]
SpecificHeat = Annotated[float, _quantity("specific_heat"), POSITIVE, _schema("specific_heat")]
Density = Annotated[float, _quantity("density"), POSITIVE, _schema("density")]
FilmCoefficient = Annotated[float, _quantity("film_coefficient"), NOT_NEGATIVE, _schema("film_coefficient")]
HeatFlux = Annotated[float, _quantity("heat_flux"), _schema("heat_flux")]
ArealResistance = Annotated[float, _quantity("areal_thermal_resistance"), NOT_NEGATIVE, _schema("areal_thermal_resistance")]
ThermalResistance = Annotated[float, _quantity("thermal_resistance"), POSITIVE, _schema("thermal_resistance")]
Velocity = Annotated[float, _quantity("velocity"), POSITIVE, _schema("velocity")]
FlowRate = Annotated[float, _quantity("flow_rate"), POSITIVE, _schema("flow_rate")]
FlowOrNone = Annotated[float, _quantity("flow_rate"), NOT_NEGATIVE, _schema("flow_rate")]
"""A flow rate that may be zero."""
Pressure = Annotated[float, _quantity("pressure"), NOT_NEGATIVE, _schema("pressure")]
Viscosity = Annotated[float, _quantity("viscosity"), POSITIVE, _schema("viscosity")]
ActivationEnergy = Annotated[float, _quantity("activation_energy"), NOT_NEGATIVE, _schema("activation_energy")]
InverseTemperature = Annotated[float, _quantity("inverse_temperature"), _schema("inverse_temperature")]
InverseLength = Annotated[float, _quantity("inverse_length"), _schema("inverse_length")]
Fraction = Annotated[float, _quantity("fraction"), UNIT_INTERVAL, _schema("fraction")]
Number = Annotated[float, _quantity("fraction"), _schema("fraction")]
Positive = Annotated[Number, POSITIVE]
MOST_COUNT = 2**53
"""Largest whole number that every file and array keeps exactly."""


def _countable(value: int) -> int:
    if abs(value) > MOST_COUNT:
        raise ValueError(f"wants a whole number of at most 2^53, got {brief(value)}")
    return value


def _whole(value: Any) -> Any:
    value = bare(value)
    if isinstance(value, bool):
        raise ValueError(f"wants a whole number, got {value}")
    return value


Count = Annotated[int, BeforeValidator(_whole), AfterValidator(_countable), WithJsonSchema(sourced({"type": "integer"}))]


def names_of(model: type[BaseModel]) -> list[str]:
    """Keys that a model allows, provenance keys last."""
    keys = [field.alias or name for name, field in model.model_fields.items()]
    own = [key for key in keys if key not in ("source", "assumed")]
    registered = [n for n in model.registry if n not in own] if issubclass(model, RegisteredKeys) else []
    return [*own, *registered, *(key for key in ("source", "assumed") if key in keys)]


def too_many(deck: DeckModel, what: str, each: float, most: int, key: tuple[str, ...]) -> ValidationError:
    """The mistake of more repetitions until the end of a deck than are computed, under its own key.

    Parameters
    ----------
    deck : DeckModel
        With the end, `until`.
    what : str
        Is repeated.
    each : float
        Length of one. [s]
    most : int
    key : tuple of str
        Of the length, below the deck.
    """
    until: float = deck.until  # type: ignore[attr-defined]
    least = f"at most {most}, so the shortest {key[-1]} is {until / most:.12g} s"
    n = until / each
    told = f"makes {math.ceil(n) if math.isfinite(n) else 'beyond 1e308'} {what} until the end; {least}"
    error = PydanticCustomError("value_error", "{text}", {"text": told})
    return ValidationError.from_exception_data(type(deck).__name__, [InitErrorDetails(type=error, loc=key, input=each)])
