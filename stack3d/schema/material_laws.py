"""How conductivity and heat capacity follow the temperature: one law a class, for arrays and for UFL expressions; SI units."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from stack3d import units
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import AnswerError, Stack3dError, brief
from stack3d.materials import REFERENCE, Floats
from stack3d.registry import Registry, is_outside
from stack3d.schema.base import DeckModel, Number, Temperature, bare, names_of, quantity_schema, sourced
from stack3d.schema.usual_words import did_you_mean

NODES, WEIGHTS = (tuple(part.tolist()) for part in np.polynomial.legendre.leggauss(12))
"""Of the quadrature that integrates laws without an integral of their own."""
MOST_ROWS = 64
PROPERTIES = ("conductivity", "heat_capacity", "specific_heat")
"""What a law may stand under."""

Amount = Annotated[float, Field(gt=0)]
"""A value of the property itself: its unit is that of the key that the law stands under."""


def larger(a: Any, b: float) -> Any:
    """The larger of a value and a number, of arrays and of UFL expressions."""
    if hasattr(a, "ufl_shape"):
        import ufl

        return ufl.max_value(a, b)
    return np.maximum(a, b)


def smaller(a: Any, b: float) -> Any:
    """The smaller of a value and a number, of arrays and of UFL expressions."""
    return -larger(-a, -b)


def logarithm(a: Any) -> Any:
    """Natural logarithm of arrays and of UFL expressions."""
    if hasattr(a, "ufl_shape"):
        import ufl

        return ufl.ln(a)
    return np.log(a)


def exponential(a: Any) -> Any:
    """Power of e, of arrays and of UFL expressions."""
    if hasattr(a, "ufl_shape"):
        import ufl

        return ufl.exp(a)
    return np.exp(a)


class MaterialLaw(DeckModel):
    """How a property of a material follows the temperature. The keys are what a deck gives; `shape` is the law.

    Only the ratio of `shape` to its value at 300 K counts, so it may have any scale. Write it with operators, `larger`,
    `smaller`, `logarithm` and `exponential`: then it takes arrays and UFL expressions alike.
    """

    reference: ClassVar[str] = ""
    """Where the law comes from."""
    range: ClassVar[tuple[float, float]] = (0.0, np.inf)
    """Where it holds unless the deck says less; a run warns outside. [K]"""
    is_held: ClassVar[bool] = False
    """Whether the value at the end of the range stands beyond it."""
    absolute: ClassVar[bool] = False
    """Whether `shape` gives the property itself, so that `value` may be left out."""
    properties: ClassVar[tuple[str, ...]] = PROPERTIES
    """What it is a law of."""
    amounts: ClassVar[tuple[str, ...]] = ("value",)
    """Keys whose numbers have the unit of the property."""

    value: Amount | tuple[Amount, Amount, Amount] | None = None
    """Value at 300 K; of a conductivity one value, or [kx, ky, kz]."""
    valid: tuple[Temperature, Temperature] | None = None
    """Temperatures between which the law holds. A run warns outside. Absent = as the source of the law says."""

    @abstractmethod
    def shape(self, temperature: Any) -> Any:
        """The law at temperatures [K], of any shape, or of a UFL expression; any scale."""

    def primitive(self, temperature: Any) -> Any:
        """Integral of `shape` from 300 K; by Gauss-Legendre quadrature unless the law knows it. [K times its scale]"""
        half = 0.5 * (temperature - REFERENCE)
        return sum(w * self.shape(REFERENCE + half * (1 + x)) for x, w in zip(NODES, WEIGHTS)) * half

    @model_validator(mode="after")
    def _positive_where_valid(self) -> Self:
        if self.valid is not None and not self.valid[0] < self.valid[1]:
            raise ValueError(f"valid wants two ascending temperatures, got {self.valid[0]:g} K and {self.valid[1]:g} K")
        if self.value is None and not self.absolute:
            raise ValueError("wants the value at 300 K")
        if not is_outside(type(self)):
            self._check_values()
            return self
        try:
            self._check_range()
            self._check_values()
        except ValueError as error:
            raise ValueError(f"{material_laws.told(type(self))} {error}") from error
        return self

    def _check_range(self) -> None:
        """Raise ValueError where the class does not say where it holds."""
        found = self.range
        is_pair = isinstance(found, tuple) and len(found) == 2 and all(isinstance(end, float | int) for end in found)
        if not (is_pair and 0 <= found[0] < found[1]):
            raise ValueError(f"has the range {brief(found)}; wanted two ascending temperatures in kelvin, as (200.0, 400.0)")

    def _check_values(self) -> None:
        """Raise ValueError where the law is not positive in its range, or gives another value for the same temperature."""
        low, high = self.limits
        probes = np.linspace(low, high, 201) if np.isfinite(high) else np.geomspace(max(low, 200.0), max(1000.0, 2 * low), 201)
        if probes[0] <= 0:
            probes = probes[1:]
        with np.errstate(all="ignore"):
            values = np.broadcast_to(self.shape(probes), probes.shape)
            alone = np.array([float(self.shape(np.array(at))) for at in probes[::50]])
        if not (np.isfinite(values).all() and (values > 0).all()):
            at = float(probes[np.flatnonzero(~(np.isfinite(values) & (values > 0)))[0]])
            raise ValueError(f"is not positive at {celsius(at)}, inside its valid range")
        if (off := np.flatnonzero(~np.isclose(alone, values[::50], rtol=1e-9))).size:
            at = float(probes[50 * off[0]])
            raise ValueError(f"gives another value at {celsius(at)} alone than among other temperatures")
        if is_outside(type(self)):
            self._check_expression(probes[::50], alone)
        self._check_primitive(probes)

    def _check_expression(self, probes: Floats, wanted: Floats) -> None:
        """Raise ValueError where the law gives another value as an expression of UFL than for arrays."""
        import ufl

        for at, value in zip(probes.tolist(), wanted.tolist()):
            found = float(ufl.as_ufl(self.shape(ufl.as_ufl(at)))(()))
            if not np.isclose(found, value, rtol=1e-9):
                raise ValueError(f"gives {found:.6g} at {celsius(at)} as an expression of UFL, {value:.6g} for arrays")

    def _check_primitive(self, probes: Floats) -> None:
        """Raise ValueError where an integral of its own is not that of the law."""
        if type(self).primitive is MaterialLaw.primitive or not is_outside(type(self).primitive):
            return
        for at in (float(probes[0]), float(probes[-1])):
            fine = np.linspace(REFERENCE, at, 2001)
            wanted, found = float(np.trapezoid(self.shape(fine), fine)), float(self.primitive(np.array(at)))
            if not abs(found - wanted) <= 1e-3 * abs(wanted) + 1e-9:
                text = f"primitive gives {found:.6g} at {celsius(at)}, the integral of shape from 300 K is {wanted:.6g}"
                raise ValueError(text)

    @property
    def limits(self) -> tuple[float, float]:
        """Where it holds. [K]"""
        return self.range if self.valid is None else self.valid

    @cached_property
    def _at_reference(self) -> float:
        return float(self.shape(self._within(np.array(REFERENCE))))

    @property
    def at_reference(self) -> tuple[float, ...]:
        """The property at 300 K: one value, or three along x, y and z. [SI]"""
        if self.value is None:
            return (self._at_reference,)
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def _within(self, temperature: Any) -> Any:
        if not self.is_held:
            return temperature
        low, high = self.limits
        return larger(smaller(temperature, high), low)

    def factor(self, temperature: Any) -> Any:
        """Property over its value at 300 K, for temperatures [K] of any shape or for a UFL expression. [-]"""
        value = self.shape(self._within(temperature))
        if isinstance(value, float | int):  # a constant
            value = value + 0.0 * temperature
        return self._sound(temperature, value) / self._at_reference

    def _sound(self, temperature: Any, value: Any) -> Any:
        """The value, where it is above zero; raises AnswerError for a law of another package that is not, at a temperature."""
        if not is_outside(type(self)) or not isinstance(temperature, np.ndarray) or not temperature.size:
            return value
        values = np.asarray(value)
        if values.min() > 0:
            return value
        bad = ~(np.broadcast_to(values, temperature.shape) > 0)
        at, found = temperature[bad][0], np.broadcast_to(values, temperature.shape)[bad][0]
        text = f"gives {found:.6g} at {celsius(float(at))}; wanted more than zero, or a range that leaves it out"
        raise AnswerError(f"{material_laws.told(type(self))} {text}")

    def integral(self, temperature: Any) -> Any:
        """Integral of `factor` from 300 K: stored heat over the capacity at 300 K. [K]"""
        within = self._within(temperature)
        inside = self.primitive(within)
        if within is not temperature:
            inside = inside + (temperature - within) * self.shape(within)
        return inside / self._at_reference


def _alike(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps values from being one for each temperature, or for all of them; expressions of UFL go unseen."""
    if not isinstance(given[0], np.ndarray):
        return None
    values = np.asarray(found)
    if values.dtype.kind not in "iuf":
        return f"{brief(found)}; wanted real numbers"
    shape = given[0].shape
    return None if values.shape in ((), shape) else f"an array of shape {values.shape} for temperatures of shape {shape}"


material_laws: Registry[type[MaterialLaw]] = Registry("material law", MaterialLaw, {"shape": _alike, "primitive": _alike})
"""By the word under ``law``; other packages announce theirs in the entry-point group ``stack3d.material_law``."""


@material_laws.register("power")
class PowerOfTemperature(MaterialLaw):
    """A power of the temperature: the property goes as (T / 300 K)ⁿ."""

    reference = "definition"

    exponent: Number
    """Exponent n."""

    def shape(self, temperature: Any) -> Any:
        """(T / 300 K)ⁿ."""
        ratio = temperature / REFERENCE
        return ratio**self.exponent if hasattr(ratio, "ufl_shape") else np.power(ratio, self.exponent)

    def factor(self, temperature: Any) -> Any:
        """As `shape`, which is 1 at 300 K. [-]"""
        return self.shape(temperature)

    def primitive(self, temperature: Any) -> Any:
        """300 K ((T / 300 K)ⁿ⁺¹ - 1) / (n + 1), or a logarithm."""
        power = self.exponent + 1
        if power == 0:
            return REFERENCE * logarithm(temperature / REFERENCE)
        return (REFERENCE / power) * ((temperature / REFERENCE) ** power - 1)


@material_laws.register("table")
class TableOfTemperature(MaterialLaw):
    """Values at given temperatures, with straight lines between them. Beyond the table the outermost value holds."""

    reference = "definition"
    is_held = True
    absolute = True
    amounts = ("value", "values")

    temperatures: Annotated[tuple[Temperature, ...], Field(min_length=2, max_length=MOST_ROWS)]
    """Temperatures, ascending."""
    values: Annotated[tuple[Amount, ...], Field(min_length=2, max_length=MOST_ROWS)]
    """A value for each temperature."""

    @model_validator(mode="after")
    def _rows(self) -> Self:
        if len(self.values) != len(self.temperatures):
            raise ValueError(f"has {len(self.temperatures)} temperatures and {len(self.values)} values")
        if any(b <= a for a, b in zip(self.temperatures, self.temperatures[1:])):
            raise ValueError(f"temperatures have to ascend, got {', '.join(f'{t:g} K' for t in self.temperatures[:6])}")
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """First and last temperature. [K]"""
        ends = self.temperatures[0], self.temperatures[-1]
        return ends if self.valid is None else (max(ends[0], self.valid[0]), min(ends[1], self.valid[1]))

    @property
    def _ramps(self) -> list[tuple[float, float]]:
        """Temperature at which the slope changes, and by how much."""
        slopes = np.diff(self.values) / np.diff(self.temperatures)
        return list(zip(self.temperatures, np.diff(slopes, prepend=0.0).tolist()))

    def shape(self, temperature: Any) -> Any:
        """First value, and ramps from each temperature on."""
        return self.values[0] + sum(bend * larger(temperature - at, 0.0) for at, bend in self._ramps)

    def _area(self, temperature: Any) -> Any:
        ramps = (0.5 * bend * larger(temperature - at, 0.0) ** 2 for at, bend in self._ramps)
        return self.values[0] * (temperature - REFERENCE) + sum(ramps)

    def primitive(self, temperature: Any) -> Any:
        """Of first value and ramps."""
        return self._area(temperature) - float(self._area(np.array(REFERENCE)))


@material_laws.register("polynomial")
class PolynomialOfTemperature(MaterialLaw):
    """A polynomial of T. Beyond the valid range the value at its end holds."""

    reference = "definition"
    is_held = True

    coefficients: Annotated[tuple[float, ...], BeforeValidator(bare), Field(min_length=1, max_length=12)]
    """Coefficients of ascending powers of T in kelvin. Any unit will do: only the ratio to the sum at 300 K counts."""
    first_power: Annotated[int, Field(ge=-4, le=4)] = 0
    """Power of T of the first coefficient."""
    valid: tuple[Temperature, Temperature]
    """Where the polynomial holds."""

    def shape(self, temperature: Any) -> Any:
        """The sum."""
        return sum(c * temperature ** float(self.first_power + i) for i, c in enumerate(self.coefficients))

    def primitive(self, temperature: Any) -> Any:
        """Of each term."""
        out: Any = 0.0
        for i, c in enumerate(self.coefficients):
            power = self.first_power + i + 1
            if power == 0:
                out = out + c * logarithm(temperature / REFERENCE)
            else:
                out = out + (c / power) * (temperature ** float(power) - REFERENCE**power)
        return out


@material_laws.register("doped_silicon")
class DopedSilicon(MaterialLaw):
    """Conductivity of doped silicon. The dopants add a resistance to heat that does not depend on temperature.

    1/k = 1/k₀ + b (T - 300 K) + c (T² - (300 K)²) with b and c of pure silicon [1]_. `value` is k₀, measured at 300 K on
    silicon of that doping; without it the silicon is pure. From 300 to 1600 K the curve of pure silicon lies within 4 % of
    the recommended values of [1]_. That dopants add a constant is an assumption (Matthiessen's rule).

    References
    ----------
    .. [1] C. J. Glassbrenner, G. A. Slack, Phys. Rev. 134 (1964) A1058. doi:10.1103/PhysRev.134.A1058; coefficients as in the
       device simulator GSS
    """

    reference = "Glassbrenner and Slack 1964, doi:10.1103/PhysRev.134.A1058"
    range = (250.0, 1600.0)
    absolute = True
    properties = ("conductivity",)

    value: Amount | None = None
    """Conductivity at 300 K, measured on silicon of that doping. Absent = pure silicon."""

    def shape(self, temperature: Any) -> Any:
        """Conductivity. [W m⁻¹ K⁻¹]"""
        added = 0.0 if self.value is None else 1.0 / self.value - _resistivity_of_silicon(REFERENCE)
        return 1.0 / (added + _resistivity_of_silicon(temperature))

    @field_validator("value")
    @classmethod
    def _not_above_pure(cls, value: float | None) -> float | None:
        pure = 1.0 / _resistivity_of_silicon(REFERENCE)
        if value is not None and value > pure:
            raise ValueError(f"is above that of pure silicon, {pure:.4g} W/m/K at 300 K")
        return value


def _resistivity_of_silicon(temperature: Any) -> Any:
    """Of pure silicon. [m K W⁻¹]"""
    return 3e-4 + 1.56e-5 * temperature + 1.65e-8 * temperature * temperature


def celsius(kelvin: float) -> str:
    """A temperature as messages say it."""
    return f"{kelvin - ZERO_CELSIUS:.4g} degC"


def is_law(value: Any) -> bool:
    """Whether a deck gives a law here."""
    return isinstance(value, MaterialLaw) or (isinstance(value, Mapping) and "law" in value)


def law_of(value: Any, dimension: str, *, anisotropic: bool = False) -> MaterialLaw:
    """The law of ``{law: …, …}`` for a property of a dimension; raises ValidationError with the place below of each
    mistake.
    """
    if isinstance(value, MaterialLaw):
        return value
    given = dict(value)
    word = given.pop("law")
    try:
        kind = material_laws[word if isinstance(word, str) else str(word)]
    except Stack3dError as error:
        raise _mistakes([("law", str(error), word)]) from None
    if dimension not in kind.properties:
        raise _mistakes([("law", f"{word!r} is a law of {' and '.join(kind.properties)} alone", word)])
    wrong = []
    known = names_of(kind)
    for key in [key for key in given if key not in known]:
        text = f"unknown key {key!r}{did_you_mean(str(key), known)}; allowed: law, {', '.join(known)}"
        wrong.append((str(key), text, given.pop(key)))
    for key in (key for key in kind.amounts if key in given):
        try:
            given[key] = _amount(given[key], dimension)
        except ValueError as error:
            wrong.append((key, str(error), given[key]))
    if wrong:
        raise _mistakes(wrong)
    law = kind.model_validate(given)
    if isinstance(law.value, tuple) and not anisotropic:
        raise _mistakes([("value", "wants one value", law.value)])
    return law


def _law_schemas(dimension: str) -> list[dict[str, Any]]:
    """JSON Schemas of the laws of this package for a property of a dimension; those of other packages may say anything."""
    one = sourced(quantity_schema(dimension))
    several = {"anyOf": [one, {"type": "array", "items": one}]}
    names = ("power", "table", "polynomial", "doped_silicon")
    kinds = {name: material_laws[name] for name in names if dimension in material_laws[name].properties}
    known = [
        {
            "type": "object",
            "title": kind.__name__,
            "properties": {
                "law": {"const": name},
                **{k: v for k, v in kind.model_json_schema()["properties"].items() if k not in kind.amounts},
                **dict.fromkeys(kind.amounts, several),
            },
            "required": ["law", *kind.model_json_schema().get("required", ())],
            "additionalProperties": False,
        }
        for name, kind in kinds.items()
    ]
    other = {"type": "object", "properties": {"law": {"type": "string", "not": {"enum": list(kinds)}}}, "required": ["law"]}
    return [*known, other]


@dataclass(frozen=True, eq=False)
class ValueOrLawSchema:
    """Annotation whose JSON Schema is that of a value or of a law of a dimension, made when it is asked for."""

    dimension: str
    value: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [sourced(dict(self.value)), *_law_schemas(self.dimension)]}


def _amount(value: Any, dimension: str) -> Any:
    """Texts with units → numbers in SI, lists entry by entry; raises ValueError."""
    value = bare(value, dimension)
    return tuple(_amount(v, dimension) for v in value) if isinstance(value, (list, tuple)) else units.parse(value, dimension)


def _written(value: Any) -> Any:
    """A law with its kind, any other value as it is."""
    return {"law": type(value).__name__, **value.model_dump(mode="json")} if isinstance(value, MaterialLaw) else value


WRITTEN = PlainSerializer(_written)


def _mistakes(wrong: list[tuple[str, str, Any]]) -> ValidationError:
    """Mistakes by key, as pydantic reports them."""
    details = [
        InitErrorDetails(type=PydanticCustomError("value_error", "{text}", {"text": text}), loc=(key,), input=value)
        for key, text, value in wrong
    ]
    return ValidationError.from_exception_data("MaterialLaw", details)
