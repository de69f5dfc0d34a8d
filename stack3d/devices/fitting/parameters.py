"""Which parameters of a law are free, where a search begins, and how a vector of numbers becomes a law."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from stack3d import decks, units
from stack3d.devices.laws import Law
from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.schema.base import POSITIVE, dimension_of

Floats = NDArray[np.float64]
STARTS = {"activation_energy": (1.0, 0.7), "fraction": (0.3, 1.5), "voltage": (1.0, 0.7), "inverse_temperature": (1e-3, 1.5)}
"""Start and width (of the logarithm) by dimension."""
WIDE = 2.5
"""Width of the logarithm of a time, a conductance or a count."""


@dataclass(frozen=True)
class Free:
    """A parameter that a fit finds."""

    key: str
    """Dotted, below the law."""
    dimension: str
    start: float
    """[SI]"""
    width: float
    """Standard deviation of what is assumed before the data: of the logarithm, or of the value where `linear`."""
    linear: bool = False

    @property
    def unit(self) -> str:
        """Unit of the value; empty for plain numbers."""
        return units.SI.get(self.dimension, "")

    def value(self, coordinate: float) -> float:
        """Value [SI] at a coordinate of the search, in which the assumption is standard normal."""
        if self.linear:
            return self.start + self.width * coordinate
        return self.start * math.exp(min(max(self.width * coordinate, -60.0), 60.0))

    def text(self, value: float) -> str | float:
        """Value as a deck holds it."""
        return f"{value:.6g} {self.unit}" if self.unit else float(f"{value:.6g}")


@dataclass(frozen=True)
class Scales:
    """Sizes of the data, from which searches begin."""

    temperature: float = 300.0
    """Hottest. [K]"""
    time: float = 1.0
    """[s]"""
    conductance: float = 1e-6
    """Largest. [S]"""
    cycles: float = 1e6


@dataclass(frozen=True)
class Parameters:
    """A law's class with its free and held parameters."""

    law: type[Law]
    free: tuple[Free, ...]
    held: Mapping[str, Any]
    """As a deck writes them, dotted."""

    def content(self, values: Sequence[float]) -> dict[str, Any]:
        """Parameters as a deck holds them, at `values` [SI] of the free ones."""
        flat = dict(self.held) | {f.key: f.text(v) for f, v in zip(self.free, values)}
        return _nested(flat)

    def build(self, values: Sequence[float]) -> Law:
        """Law at `values` [SI]; raises ValueError outside what the law allows."""
        flat = dict(self.held) | {f.key: f"{v!r} {f.unit}".strip() if f.unit else v for f, v in zip(self.free, values)}
        return self.law.model_validate(_nested(flat))

    def values(self, coordinates: Floats) -> list[float]:
        """Values [SI] of the free parameters."""
        return [f.value(float(x)) for f, x in zip(self.free, coordinates)]


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, last = key.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        name, _, index = last.partition("[")
        if index:
            place.setdefault(name, []).append(value)
        else:
            place[last] = value
    return tree


def parameters(
    law: type[Law], scales: Scales, *, given: Mapping[str, Any], hold: Mapping[str, Any], columns: Sequence[str]
) -> Parameters:
    """Free and held parameters of a law.

    Parameters
    ----------
    law : type of Law
    scales : Scales
    given : mapping
        Parameters of a deck to begin with, nested, as written.
    hold : mapping
        Dotted key → value as written; not fitted.
    columns : sequence of str
        Of the data: a voltage is free only where it was varied.

    Raises
    ------
    DeckError
        For an unknown key in `hold`, tables, or laws with nothing to fit.
    """
    free: list[Free] = []
    held: dict[str, Any] = {}
    _walk(law, "", scales, given, dict(law.conventions) | dict(hold), columns, law.also_fitted, free, held)
    known = {f.key.partition("[")[0] for f in free} | set(held)
    for key in hold:
        if key not in known:
            raise DeckError(
                Problem(key, f"no parameter of the law{did_you_mean(key, known)}; known: {', '.join(sorted(known))}")
            )
    if not free:
        raise DeckError(f"the law {law.__name__} has no number to fit: its tables are the measurement")
    found = Parameters(law, tuple(free), held)
    try:
        found.build([f.start for f in free])
    except ValidationError as error:
        raise DeckError(decks.translate(error, {}, law)) from None
    return found


def _walk(
    model: type[BaseModel],
    at: str,
    scales: Scales,
    given: Any,
    hold: Mapping[str, Any],
    columns: Sequence[str],
    also: Sequence[str],
    free: list[Free],
    held: dict[str, Any],
) -> None:
    for name, field in model.model_fields.items():
        key = f"{at}{name}"
        if name in ("source", "assumed", "valid"):
            continue
        start = _plain(given.get(name)) if isinstance(given, Mapping) else None
        inner = field.annotation
        if key in hold:
            held[key] = hold[key]
            continue
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            if name == "table":
                if start is None:
                    raise DeckError(Problem(key, "is a table, which no fit makes: name a deck that has it by --start"))
                held[key] = start
                continue
            _walk(inner, f"{key}.", scales, start or {}, hold, columns, also, free, held)
            continue
        dimension = dimension_of(field)
        if not field.is_required() and key not in also:
            if start is not None:
                held[key] = start
            continue
        if isinstance(start, list):
            free += [Free(f"{key}[{i}]", "factor", float(v), max(abs(float(v)), 0.1), linear=True) for i, v in enumerate(start)]
        elif dimension is None and _is_tuple(inner):
            free += [Free(f"{key}[{i}]", "factor", v, 1.0, linear=True) for i, v in enumerate((0.02, 0.0))]
        elif dimension is None and inner is not float:
            if start is None:
                raise DeckError(Problem(key, "cannot be fitted: give it by --hold, or a deck that has it by --start"))
            held[key] = start
        else:
            _number(key, name, dimension, field, start, scales, columns, free, held)


def _number(
    key: str,
    name: str,
    dimension: str | None,
    field: Any,
    start: Any,
    scales: Scales,
    columns: Sequence[str],
    free: list[Free],
    held: dict[str, Any],
) -> None:
    """Sort one number into the free and the held."""
    if dimension == "temperature":
        held[key] = start or f"{scales.temperature!r} K"
        return
    if name.startswith("reference") or name in ("unit", "range", "read_time", "time_offset"):
        default = {"conductance": "1 uS", "time": "1 s"}.get(dimension or "", "1")
        held[key] = start if start is not None else default
        return
    if name == "stuck_low_resistance" or (dimension in ("voltage", "length") and "voltage" not in columns):
        held[key] = start if start is not None else {"voltage": "1 V", "length": "100 nm"}.get(dimension or "", "0.5")
        return
    linear = dimension is None
    sizes = {"time": scales.time, "conductance": 0.01 * scales.conductance, "resistance": 100 / scales.conductance}
    begin, width = STARTS.get(dimension or "", (sizes.get(dimension or "", 0.01), 0.1 if linear else WIDE))
    if dimension == "activation_energy" and name.endswith("_sd"):
        begin, width = 0.05, 1.0
    if dimension == "fraction" and (name.startswith("cycles") or name == "decades"):
        begin, width = (scales.cycles, WIDE) if name != "decades" else (math.log10(scales.cycles), 0.5)
    elif dimension == "fraction" and POSITIVE in field.metadata:
        begin, width = 1.0, 0.7
    if dimension == "inverse_temperature" and name.endswith("isokinetic_temperature"):
        begin, width = 1 / scales.temperature, 0.5
    if start is not None:
        begin = units.parse(start, dimension) if dimension else float(start)
        width = max(abs(begin), 0.1) if linear else width
    if not linear and begin <= 0:
        linear, width = True, 1.0 if dimension == "fraction" else 0.1 * begin or 0.1
    free.append(Free(key, dimension or "factor", begin, width, linear))


def _plain(value: Any) -> Any:
    """Value of ``{value: …}`` or of a band, as written."""
    return value["value"] if isinstance(value, Mapping) and "value" in value else value


def _is_tuple(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is tuple
