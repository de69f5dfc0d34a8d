"""The one place where units are parsed; everything behind it is SI and kelvin."""

from __future__ import annotations

import json
import math
import re
import sys
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from stack3d.errors import brief, told

if TYPE_CHECKING:
    import pint

SI: dict[str, str] = {
    "length": "m",
    "area": "m^2",
    "volume": "m^3",
    "areal_density": "1/m^2",
    "time": "s",
    "rate": "1/s",
    "temperature": "K",
    "temperature_difference": "K",
    "power": "W",
    "energy": "J",
    "voltage": "V",
    "current": "A",
    "conductance": "S",
    "resistance": "ohm",
    "conductivity": "W/m/K",
    "electrical_conductivity": "S/m",
    "heat_capacity": "J/m^3/K",
    "specific_heat": "J/kg/K",
    "density": "kg/m^3",
    "film_coefficient": "W/m^2/K",
    "heat_flux": "W/m^2",
    "areal_thermal_resistance": "m^2*K/W",
    "thermal_resistance": "K/W",
    "thermal_capacity": "J/K",
    "thermal_capacitance": "J/K",
    "flow_rate": "m^3/s",
    "velocity": "m/s",
    "pressure": "Pa",
    "viscosity": "Pa*s",
    "diffusivity": "m^2/s",
    "concentration": "mol/m^3",
    "inverse_temperature": "1/K",
    "inverse_length": "1/m",
    "activation_energy": "eV",
    "fraction": "",
}
"""Dimension name → the unit that a parsed quantity of it is returned in (energies of activation stay in eV)."""

EXAMPLE: dict[str, str] = {
    "length": "50 um",
    "time": "10 year",
    "rate": "2e5 1/s",
    "temperature": "85 degC",
    "temperature_difference": "5 K",
    "power": "0.2 W",
    "conductance": "1 uS",
    "film_coefficient": "25 W/m^2/K",
    "areal_thermal_resistance": "2 mm^2*K/W",
    "thermal_resistance": "0.1 K/W",
    "thermal_capacity": "140 J/K",
    "activation_energy": "1.1 eV",
    "flow_rate": "42 ml/min",
}


MOST = {
    "length": 1e3, "area": 1e6, "volume": 1e9, "time": 1e18, "temperature": 1e6, "temperature_difference": 1e6, "power": 1e12,
    "energy": 1e15, "voltage": 1e12, "film_coefficient": 1e18, "heat_flux": 1e18, "flow_rate": 1e6, "velocity": 3e8,
}  # fmt: skip
"""Beyond any stack and any life: largest magnitude that is read of a dimension, in the unit of `SI`."""
MOST_OF_OTHERS, LEAST = 1e100, 1e-100
"""Largest and smallest magnitude, where no other is said: products of a few stay numbers."""
MOST_TEXT = 200
"""Characters of a quantity; the longest of any deck has 30."""
MOST_POWER = 12
"""Largest exponent of a unit."""
MOST_FACTORS = 12
"""Units in one product."""


@cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=None)


_NUMBER = re.compile(r"^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf)\s*(.*)$")
_TOKEN = re.compile(
    r"\s*(?:(\*\*|\^)\s*([+-]?[0-9]{1,3})"  # an exponent
    r"|([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})"  # a raised one
    r"|([*·⋅/()])"
    r"|(per(?=\s)|(?:[^\W\d]|°)[^\W⁰¹²³⁴⁵⁶⁷⁸⁹]*|%|‰|1(?![0-9.\w])))"  # a unit
)
_RAISED = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")


def _wanted(dimension: str) -> str:
    if dimension == "fraction":
        return "a number, or per cent as '3 %'"
    unit = SI[dimension]
    example = EXAMPLE.get(dimension, f"1 {unit}")
    return f"{dimension.replace('_', ' ')} with a unit, for example {example!r}"


def _is_angular(unit: str) -> bool:
    return any(word in unit for word in ("radian", "degree", "revolution", "turn", "grade", "arc"))


class _Product:
    """A product of units as it is read, token by token."""

    def __init__(self) -> None:
        self.powers: dict[str, int] = {}
        self.sign = 1
        self.outer = 0
        """Sign before the open bracket; 0 outside of brackets."""
        self.last = ""
        self.previous = "start"
        """What was read before: ``start``, ``unit``, ``power``, ``operator`` or ``)``."""

    @property
    def is_whole(self) -> bool:
        """Whether what was read so far may end here."""
        return self.previous in ("unit", "power", ")")

    def read(self, token: re.Match[str]) -> None:
        exponent, mark, word = token[2] or (token[3] or "").translate(_RAISED), token[4], token[5]
        if exponent:
            self._raise(int(exponent))
        elif mark == "(":
            self._open()
        elif mark == ")":
            self._close()
        elif mark or word == "per":
            self._join(mark or word)
        else:
            self._add(word)

    def _raise(self, exponent: int) -> None:
        if self.previous != "unit" or abs(exponent) > MOST_POWER:
            raise ValueError(f"a unit has one whole exponent up to {MOST_POWER}")
        self.powers[self.last] += (exponent - 1) * self.sign
        self.previous, self.sign = "power", self.outer or 1

    def _open(self) -> None:
        if self.outer or self.is_whole:
            raise ValueError("brackets go one level deep, after '*' or '/'")
        self.outer, self.previous = self.sign, "start"

    def _close(self) -> None:
        if not self.outer or self.previous not in ("unit", "power"):
            raise ValueError("a bracket is closed that holds no unit")
        self.outer, self.sign, self.previous = 0, 1, ")"

    def _join(self, operator: str) -> None:
        if not self.is_whole:
            raise ValueError(f"{operator!r} wants a unit before it")
        self.sign, self.previous = (self.outer or 1) * (-1 if operator in ("/", "per") else 1), "operator"

    def _add(self, unit: str) -> None:
        if self.is_whole:
            self.sign = self.outer or 1
        self.last, self.previous = unit, "unit"
        self.powers[unit] = self.powers.get(unit, 0) + self.sign
        if len(self.powers) > MOST_FACTORS:
            raise ValueError(f"more than {MOST_FACTORS} units in one product")

    def ended(self) -> dict[str, int]:
        if self.outer or not self.is_whole:
            raise ValueError("a bracket is left open" if self.outer else "a unit is missing at the end")
        return {name: power for name, power in self.powers.items() if power and name != "1"}


def factors_of(text: str) -> dict[str, int]:
    """Units and their whole exponents in a product such as ``W/m^2/K``, ``J/(kg K)`` or ``m²``, in the order written.

    A product has units or ``1`` joined by ``*``, ``/``, ``per`` or a space, each with at most one exponent; brackets go one
    level deep.

    Raises
    ------
    ValueError
        With what cannot be read.
    """
    product, at = _Product(), 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"{text[at:].strip()[:20]!r} cannot be read")
        at = token.end()
        product.read(token)
    return product.ended()


_NAMES = {"%": "percent", "‰": "permille"}


@lru_cache(maxsize=4096)
def _unit(text: str) -> pint.Unit | str:
    """The unit that a text stands for, or why it is none."""
    import pint

    registry = _registry()
    try:
        powers = factors_of(text)
        container = registry.UnitsContainer({})
        for name, power in powers.items():
            known = registry.get_name(_NAMES.get(name, name.replace("°", "degree")))
            if not known:
                continue
            scale = registry._units[known]
            if not scale.is_multiplicative and (len(powers) > 1 or power != 1):
                known = f"delta_{known}"
            container = container.add(known, power)  # type: ignore[arg-type]
        if any(registry._units[name].is_logarithmic for name in container):
            return "is logarithmic"
        return registry.Unit(container)
    except pint.UndefinedUnitError:
        return ""
    except (pint.PintError, KeyError, ValueError) as error:
        return str(error)


_POWER = re.compile(r"(?<=[A-Za-z])(-?\d+)(?![\w.])")


def why_no_unit(text: str) -> str | None:
    """What keeps a text from being a unit as outputs carry it, ``W m-2`` or ``W/m^2``; None where nothing does."""
    unit = _unit(_POWER.sub(r"^\1", text)) if text else "is empty"
    return (unit or "no such unit") if isinstance(unit, str) else None


USUAL = Path(__file__).with_name("library") / "units.json"
"""What pint says of the usual units, so that their decks are read without it: text of a unit → dimension → multiplier.

``make schemas`` makes it; a temperature with an offset has ``[offset]`` in place of the multiplier.
"""


@cache
def _usual() -> dict[str, dict[str, float | list[float]]]:
    usual: dict[str, dict[str, float | list[float]]] = json.loads(USUAL.read_text(encoding="utf-8"))
    return usual


def _factor(unit: str, dimension: str) -> float | list[float] | None:
    """Multiplier from `unit` to the SI unit of `dimension`, from the table of usual units or from pint."""
    known = _usual().get(unit, {}).get(dimension)
    return multiplier(unit, dimension) if known is None else known


@lru_cache(maxsize=4096)
def multiplier(unit: str, dimension: str) -> float | None:
    """What pint says: the multiplier from `unit` to the SI unit of `dimension`; None when an offset is involved.

    Raises
    ------
    ValueError
        When the unit is unknown or one of another dimension.
    """
    registry = _registry()
    parsed = _unit(unit)
    if isinstance(parsed, str):
        raise ValueError(f"unknown unit {unit!r}{f' ({parsed})' if parsed else ''}; wanted: {_wanted(dimension)}")
    target = registry.parse_units(SI[dimension])
    odd = (
        "delta_" in str(parsed)
        if dimension == "temperature"
        else dimension in ("rate", "fraction") and _is_angular(str(parsed))
    )
    if odd or parsed.dimensionality != target.dimensionality:
        raise ValueError(f"{unit!r} is no unit of {dimension.replace('_', ' ')}; wanted: {_wanted(dimension)}")
    if dimension == "temperature" and parsed != registry.parse_units("K"):
        return None
    if dimension == "temperature_difference" and str(parsed) in ("degree_Celsius", "degree_Fahrenheit"):
        parsed = registry.parse_units(f"delta_{parsed}")
    return float(registry.Quantity(1.0, parsed).to(target).magnitude)


def parse(value: object, dimension: str) -> float:
    """Turn ``"50 um"`` into SI.

    Parameters
    ----------
    value : object
        Text of a number and a unit. Plain numbers are accepted for the dimension ``fraction`` only
        (``"3 %"`` works there too).
    dimension : str
        A key of `SI`.

    Returns
    -------
    float
        In the unit that `SI` names.

    Raises
    ------
    ValueError
        With one sentence that says what came and what is wanted.
    """
    number, unit = _read(value, dimension)
    if unit:
        number = _in_si(number, unit, dimension)
    if math.isnan(number):
        raise ValueError(f"got {value!r}, which is not a number")
    if dimension == "temperature" and number < 0:
        raise ValueError(f"got {value!r}, which lies below absolute zero")
    if dimension != "fraction" and math.isfinite(number):
        _check_magnitude(number, dimension, value)
    return number


def most_of(dimension: str) -> float:
    """Largest magnitude of a dimension, in the unit of `SI`."""
    return MOST.get(dimension, MOST_OF_OTHERS)


def _check_magnitude(number: float, dimension: str, value: object) -> None:
    """Raise ValueError for a quantity that nothing on earth has."""
    most = most_of(dimension)
    kind = f"{'an' if dimension[0] in 'aei' else 'a'} {dimension.replace('_', ' ')}"
    if abs(number) > most:
        raise ValueError(f"got {told(value)}; {kind} is at most {most:g} {SI[dimension]}")
    if 0 < abs(number) < LEAST:
        raise ValueError(f"got {told(value)}; {kind} is zero, or at least {LEAST:g} {SI[dimension]}")


def _read(value: object, dimension: str) -> tuple[float, str]:
    """Number and unit as written; only a fraction has no unit."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"got {told(value)}; wanted: {_wanted(dimension)}")
    if isinstance(value, (int, float)):
        if dimension == "fraction" and abs(value) <= sys.float_info.max:
            return float(value), ""
        raise ValueError(f"got the bare number {brief(value)}; wanted: {_wanted(dimension)}")
    match = _NUMBER.match(value) if len(value) <= MOST_TEXT else None
    if match is None:
        raise ValueError(f"got {told(value)}; wanted: {_wanted(dimension)}")
    number, unit = float(match[1]), match[2].strip()
    if not unit and dimension != "fraction":
        raise ValueError(f"got {value!r} without a unit; wanted: {_wanted(dimension)}")
    return number, unit


def _in_si(number: float, unit: str, dimension: str) -> float:
    factor = _factor(unit, dimension)
    if factor is None:
        return float(_registry().Quantity(number, _unit(unit)).to("K").magnitude)
    if isinstance(factor, list):
        return number + factor[0]
    inverse = round(1 / factor) if 0 < factor < 1 else 0
    exact = inverse and abs(inverse * factor - 1) < 1e-12  # 50 um is 5e-05 m and not 4.9999999999999996e-05 m
    return number / inverse if exact else number * factor


def quantity(value: object) -> tuple[float, str] | None:
    """SI value and unit of a text such as ``"25 degC"`` whose dimension is not known; None when it is no quantity."""
    return _quantity(value) if isinstance(value, str) and len(value) <= MOST_TEXT else None


@lru_cache(maxsize=65536)
def _quantity(value: str) -> tuple[float, str] | None:
    match = _NUMBER.match(value)
    for dimension in _dimensions_with(match[2].strip()) if match is not None else ():
        try:
            return parse(value, dimension), SI[dimension]
        except ValueError:
            continue
    return None


@lru_cache(maxsize=1024)
def _dimensions_with(unit: str) -> tuple[str, ...]:
    """Dimensions that a unit may measure."""
    if not unit or isinstance(_unit(unit), str):
        return ()
    found = list[str]()
    for dimension in SI:
        with suppress(ValueError):
            _factor(unit, dimension)
            found.append(dimension)
    return tuple(found)


@lru_cache(maxsize=1024)
def dimensions_of(unit: str) -> tuple[tuple[str, float], ...]:
    """Base dimensions and exponents of a unit as the catalogue of outputs writes it: ``W m-2`` as ``W/m^2``."""
    if unit in ("", "1"):
        return ()
    if unit == "byte":
        return (("byte", 1.0),)  # pint counts bits, without a dimension
    parts = [re.fullmatch(r"([A-Za-z]+)(-?)([0-9]*)", word) for word in unit.split()]
    if all(parts):
        unit = "".join(f"{'/' if m[2] else '*'}{m[1]}^{m[3] or 1}" for m in parts if m)
        unit = f"1{unit}".removeprefix("1*")
    found = _unit(unit)
    if isinstance(found, str):
        raise ValueError(f"unknown unit {unit!r}")
    return tuple(sorted((str(name), float(str(power))) for name, power in found.dimensionality.items()))


def parse_range(value: object, dimension: str) -> tuple[float, float]:
    """Turn ``"[300, 400] K"`` into (300.0, 400.0); raises ValueError."""
    text = value if isinstance(value, str) and len(value) <= MOST_TEXT else ""
    match = re.match(r"^\s*\[\s*([^,\]]+),\s*([^,\]]+)\]\s*(.*)$", text)
    if match is None:
        raise ValueError(f"got {told(value)}; wanted a range like '[300, 400] {SI[dimension]}'")
    low, high = (parse(f"{match[i].strip()} {match[3]}".strip(), dimension) for i in (1, 2))
    if low > high:
        raise ValueError(f"got {value!r}, whose lower end lies above its upper one")
    return low, high
