"""Which parameters of a law are free, where a search begins, and how a vector of numbers becomes a law."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from stack3d import decks, units
from stack3d.constants import BOLTZMANN
from stack3d.devices.fitting.data_sizes import Scales
from stack3d.devices.fitting.law_fields import end_of, is_tuple, item_of, part_of, plain
from stack3d.devices.laws import Law
from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.layout import Floats
from stack3d.schema.base import NOT_NEGATIVE, POSITIVE, dimension_of

WIDE = 2.5
"""Width of the logarithm of a time, a conductance or a count."""
MOST_ROWS = 3
"""Of polynomials over the level, each for one time."""
STARTS = {
    "activation_energy": (1.0, 0.7), "fraction": (0.3, 1.5), "voltage": (1.0, 0.7), "inverse_temperature": (1e-3, 1.5),
    "thermal_resistance": (3e6, WIDE), "conductivity": (1.0, 1.5),
}  # fmt: skip
"""Start and width (of the logarithm) by dimension."""
FACTOR = (0.01, 0.1)
"""Start and width of plain numbers, over what they are small beside."""
REFERENCES = {"conductance": "1 uS", "voltage": "0.2 V", "time": "1 s"}
USUAL = dict.fromkeys(("unit", "range", "time_offset"), REFERENCES) | {"read_time": {**REFERENCES, "time": "1 us"}}
"""What a law counts from, by name and dimension; of names that begin with ``reference`` by dimension alone."""
CONVENTION = "by convention: it says what the other numbers mean; --hold sets another"
ASSUMED = "assumed, for data of this kind do not tell it; --hold sets another"
ASSUMED_END = "assumed: that is where a cell ends; --hold sets another"
NOT_FITTED = "the law's default, which is not fitted: what is fitted holds for it; --hold sets another"
FROM_START = "as in the deck to begin with"
FROM_LAW = "what the law takes where nothing is said; --hold sets another"
REFERRED = ("reference", "anchor")
"""What names of temperatures begin with that a law counts from: the data have their own, whatever the law takes else."""
COUNTED_FROM = ("temperature", "time", "rate")
"""Dimensions of what the numbers of a law count from: what a law takes where nothing is said is told."""
UNTOLD: dict[str, str] = {"lowest_voltage": "1.4 V", "highest_voltage": "2.4 V", "voltage": "1 V", "length": "100 nm"}
"""What data at one voltage do not tell, by name or dimension."""


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
    above: float = 0.0
    """What the value is counted from, where not `linear`. [SI]"""

    @property
    def unit(self) -> str:
        """Unit of the value; empty for plain numbers."""
        return units.SI.get(self.dimension, "")

    def value(self, coordinate: float) -> float:
        """Value [SI] at a coordinate of the search, in which the assumption is standard normal."""
        if self.linear:
            return self.start + self.width * coordinate
        return self.above + (self.start - self.above) * math.exp(min(max(self.width * coordinate, -60.0), 60.0))

    def text(self, value: float) -> str | float:
        """Value as a deck holds it."""
        return f"{value:.6g} {self.unit}" if self.unit else float(f"{value:.6g}")


@dataclass(frozen=True)
class Parameters:
    """A law's class with its free and held parameters."""

    law: type[Law]
    free: tuple[Free, ...]
    held: Mapping[str, Any]
    """As a deck writes them, dotted."""
    reasons: Mapping[str, tuple[Any, str]] = dataclasses.field(default_factory=dict)
    """Held numbers that no data tell: the value, and why it is held."""

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
            name, _, index = parent.removesuffix("]").partition("[")
            if index:
                rows = place.setdefault(name, [])
                rows += [{} for _ in range(int(index) + 1 - len(rows))]
                place = rows[int(index)]
            else:
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
    sorting = _Sorted(scales, columns, law.temperatures_needed, law.usual)
    sorting.reasons |= {key: (value, CONVENTION) for key, value in law.conventions.items()}
    sorting.reasons |= {k: (v, ASSUMED_END if k.startswith("final_") else ASSUMED) for k, v in law.assumptions.items()}
    sorting.reasons |= {key: (value, "as asked by --hold") for key, value in hold.items()}
    sorting.walk(law, "", given, {**law.conventions, **law.assumptions, **hold}, law.also_fitted)
    free, held = sorting.free, sorting.held
    known = {f.key.partition("[")[0] for f in free} | set(held)
    for key in hold:
        if key not in known:
            raise DeckError(
                Problem(key, f"no parameter of the law{did_you_mean(key, known)}; known: {', '.join(sorted(known))}")
            )
    if not free:
        raise DeckError(f"the law {law.__name__} has no number to fit: its tables are the measurement")
    reasons = {key: sorting.reasons[key] for key in [*held, *sorting.left_out] if key in sorting.reasons}
    found = Parameters(law, tuple(free), held, reasons)
    try:
        found.build([f.start for f in free])
    except ValidationError as error:
        raise DeckError(decks.translate(error, {}, law)) from None
    return found


@dataclass
class _Sorted:
    """Numbers of a law as they are met: free ones, to be fitted, and held ones, as written."""

    scales: Scales
    columns: Sequence[str]
    temperatures_needed: Mapping[str, int]
    usual: Mapping[str, float]
    free: list[Free] = dataclasses.field(default_factory=list)
    held: dict[str, Any] = dataclasses.field(default_factory=dict)
    left_out: list[str] = dataclasses.field(default_factory=list)
    """Numbers that keep their default."""
    reasons: dict[str, tuple[Any, str]] = dataclasses.field(default_factory=dict)
    """Held number → its value, and why it is held."""
    size: float = 1.0
    """What plain numbers of a law are small beside: the largest conductance, in the unit that the law counts in. [-]"""

    def walk(self, model: type[BaseModel], at: str, given: Any, hold: Mapping[str, Any], also: Sequence[str]) -> None:
        """Sort every field of a model whose keys begin with `at`; `also` are sorted though they may be absent."""
        if "unit" in model.model_fields:
            self.size = self._in_units({name: hold.get(f"{at}{name}", (given or {}).get(name)) for name in ("unit", "range")})
        for name, field in model.model_fields.items():
            key = f"{at}{name}"
            if name in ("source", "assumed", "valid"):
                continue
            if key in hold:
                self.held[key] = hold[key]
                continue
            start = plain(given.get(name)) if isinstance(given, Mapping) else None
            inner = part_of(field.annotation) if key in also else field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                self._part(inner, key, name, start, hold, also)
                continue
            self._plain_field(key, name, field, inner, start, key in also)

    def _in_units(self, told: Mapping[str, Any]) -> float:
        """The largest conductance, or that of the measurement, in the unit of a law. [-]"""
        unit, largest = (
            None if plain(told[name]) is None else units.parse(plain(told[name]), "conductance") for name in ("unit", "range")
        )
        return (largest or self.scales.conductance) / (unit or units.parse(USUAL["unit"]["conductance"], "conductance"))

    def _plain_field(self, key: str, name: str, field: Any, inner: Any, start: Any, also: bool) -> None:
        """A field that is no part: rows, a number to fit or to hold, or a word."""
        rows = get_args(inner)[0] if is_tuple(inner) else None
        if start is None and isinstance(rows, type) and issubclass(rows, BaseModel):
            self._rows(rows, key)
        elif start is None and also and self._too_few(key, field.default):
            return
        elif field.is_required() or also:
            self._value(key, name, field, inner, start, also)
        elif start is not None:
            self.held[key] = start
            self.reasons[key] = start, FROM_START
        else:
            self._by_default(key, name, dimension_of(field) or "", field.default)

    def _by_default(self, key: str, name: str, dimension: str, default: Any) -> None:
        """A number that has a default and is not fitted: told where others count from it, and then of the data if it can be."""
        if dimension not in COUNTED_FROM or default is None:
            if isinstance(default, float) and name != "boltzmann":
                self.left_out.append(key)
                self.reasons[key] = f"{default:.6g} {units.SI.get(dimension, '')}".strip(), NOT_FITTED
            return
        measured = dimension == "temperature" and name.startswith(REFERRED)
        self.held[key] = f"{self.scales.temperature!r} K" if measured else f"{default:.6g} {units.SI[dimension]}"
        self.reasons[key] = self.held[key], self._why(name, dimension) if measured else FROM_LAW

    def _part(
        self, model: type[BaseModel], key: str, name: str, start: Any, hold: Mapping[str, Any], also: Sequence[str]
    ) -> None:
        """Fields of a part of the law; a table that is not given takes its rows from the data."""
        if name != "table":
            usual = {f"{key}.{n}": v for n, v in getattr(model, "conventions", {}).items() if n not in (start or {})}
            self.reasons |= {k: (v, CONVENTION) for k, v in usual.items() if k not in hold}
            self.walk(model, f"{key}.", start or {}, usual | dict(hold), also)
        elif start is None:
            self._table(model, f"{key}.")
        else:
            self.held[key] = start

    def _rows(self, model: type[BaseModel], key: str) -> None:
        """A row for each of the times of the data."""
        for i, time in enumerate([t for t in self.scales.times if t > 0][:MOST_ROWS]):
            told = {f"{key}[{i}].time": f"{time!r} s"}
            self.held |= told
            self.walk(model, f"{key}[{i}].", {}, told, tuple(n for n in model.model_fields if n != "time"))

    def _value(self, key: str, name: str, field: Any, inner: Any, start: Any, may_be_absent: bool) -> None:
        """A number, a list of coefficients, or a word, which has to be given."""
        dimension = dimension_of(field) or (item_of((inner,)) if may_be_absent else None)
        w = FACTOR[1] * self.size
        if isinstance(start, list):
            values = [float(v) for v in start]
            self.free += [Free(f"{key}[{i}]", "factor", v, max(abs(v), w), linear=True) for i, v in enumerate(values)]
        elif dimension is None and is_tuple(inner):
            self.free += [Free(f"{key}[{i}]", "factor", v * self.size, w, linear=True) for i, v in enumerate((FACTOR[0], 0.0))]
        elif dimension is None and inner is not float:
            if start is None:
                raise DeckError(Problem(key, "cannot be fitted: give it by --hold, or a deck that has it by --start"))
            self.held[key] = start
        else:
            self._number_or_held(key, name, dimension, field, start, asked=may_be_absent and name.startswith("reference"))

    def _number_or_held(self, key: str, name: str, dimension: str | None, field: Any, start: Any, *, asked: bool) -> None:
        """A number to fit, or one that is held; `asked`: what others count from, this law asks a fit for."""
        known = None if asked else self._known(key, name, dimension, start)
        if known is None:
            self._number(key, name, dimension, field, start)
            return
        self.held |= known
        if known:
            self.reasons[key] = known[key], FROM_START if start is not None else self._why(name, dimension or "")

    def _too_few(self, key: str, default: Any) -> bool:
        """Whether the data have too few temperatures to tell a number, which then keeps its default."""
        needed = self.temperatures_needed.get(key, 0)
        if self.scales.temperatures >= needed:
            return False
        self.left_out.append(key)
        self.reasons[key] = default, f"fewer than {needed} temperatures cannot tell it; a deck in --start frees it"
        return True

    def _known(self, key: str, name: str, dimension: str | None, start: Any) -> dict[str, Any] | None:
        """What a number is held at that the data say nothing of, empty for one that is left out; None for one to fit."""
        dim, columns = dimension or "", self.columns
        usual: str | float
        if dim == "time" and "time" not in columns and "power" in columns:
            return {}
        if dim == "temperature":
            return {key: start or f"{self.scales.temperature!r} K"}
        if name.startswith("reference") or name in USUAL:
            usual = USUAL.get(name, REFERENCES).get(dim, "1")
        elif name == "stuck_low_resistance" or (dim in ("voltage", "length") and "voltage" not in columns):
            usual = UNTOLD.get(name) or UNTOLD.get(dim) or 0.5
        else:
            return None
        return {key: usual if start is None else start}

    def _why(self, name: str, dimension: str) -> str:
        """Why a number that the fit does not find is held."""
        if dimension == "temperature":
            return "the hottest of the data, to count from"
        if name in USUAL or name.startswith("reference"):
            return "assumed, to count from; --hold sets another"
        missing = f"without {dimension}s" if dimension in ("voltage", "length") else "nothing of it"
        return f"assumed, for the data are {missing}; --hold or --start gives yours".replace("are nothing", "say nothing")

    def _guess(self, key: str, name: str, dimension: str | None, field: Any) -> tuple[float, float, bool]:
        """Where the search for a number begins, how wide it is, and whether it goes by the number or its logarithm."""
        dim = dimension or ""
        if name.endswith("isokinetic_temperature"):  # where none is said it is zero: no logarithm
            return 1 / self.scales.temperature, 1 / self.scales.temperature, True
        if dim == "fraction" and "stuck" in self.columns:
            return (0.5, 1.0, False) if "." in key and name == "low_resistance" else (0.005, 2.0, False)
        if name == "coefficient" and "reads" in self.columns:
            return 0.1 / self.scales.cycles, WIDE, False
        if dimension is None and NOT_NEGATIVE in field.metadata:
            return FACTOR[0] * self.size, WIDE, False
        begin, width = self._usual(name, dim, field)
        return self.usual.get(key, begin), width, dimension is None

    def _usual(self, name: str, dimension: str, field: Any) -> tuple[float, float]:
        """Start and width of a number by its name and dimension, in the scales of the data."""
        scales = self.scales
        if name == "threshold":
            return 0.1, 1.5
        if (name.startswith("reference") or name == "time_scale") and dimension == "time":
            return next((t for t in scales.times if t > 0), 1.0), WIDE
        if dimension == "fraction":
            if name.startswith(("cycles", "first_reads")):
                return scales.cycles, WIDE
            if name == "decades":
                return math.log10(scales.cycles), 0.5
            if POSITIVE in field.metadata:
                return 1.0, 0.7
        if dimension == "activation_energy" and name.endswith("_sd"):
            return 0.05, 1.0
        sizes = {"time": scales.time, "conductance": 0.01 * scales.conductance, "resistance": 100 / scales.conductance}
        if not dimension:
            return FACTOR[0] * self.size, FACTOR[1] * self.size
        return STARTS.get(dimension, (sizes.get(dimension, 0.01), WIDE))

    def _number(self, key: str, name: str, dimension: str | None, field: Any, start: Any) -> None:
        """One number to fit, counted from the end that the law states."""
        begin, width, linear = self._guess(key, name, dimension, field)
        if start is not None:
            begin = units.parse(start, dimension) if dimension else float(start)
            width = max(abs(begin), width) if linear else width
        above, end = 0.0, end_of(field)
        if end is not None:
            above, beside = end
            begin = beside if start is None else begin
            linear, width = False, 1.5
        elif not linear and begin <= 0:
            linear, width = True, 1.0 if dimension == "fraction" else 0.1 * begin or 0.1
        self.free.append(Free(key, dimension or "factor", begin, width, linear, above))

    def _table(self, model: type[BaseModel], at: str) -> None:
        """Sort the columns of a table: a row for every level of the data, and where it has times for each of them."""
        scales = self.scales
        later = [t for t in scales.times if t > 0]
        times = sorted({later[0], later[-1]}) if "time" in model.model_fields and later else [0.0]
        grid = [(t, g) for t in times for g in scales.levels]
        if len(scales.levels) < 2:
            said = "needs data of two levels or more, or a deck that has it by --start"
            raise DeckError(Problem(at.rstrip("."), said, scales.path or None))
        rows = {"level": [f"{g!r} S" for _, g in grid], "time": [f"{t!r} s" for t, _ in grid]}
        rows["target"] = rows["level"]
        for name, field in model.model_fields.items():
            if name in rows:
                self.held[f"{at}{name}"] = rows[name]
            elif field.is_required():
                item = item_of(field.annotation)
                for i, (_, g) in enumerate(grid):
                    self._cell(f"{at}{name}[{i}]", name, item, g)

    def _cell(self, key: str, name: str, dimension: str | None, level: float) -> None:
        """One number of a table."""
        scales, free = self.scales, self.free
        if dimension == "activation_energy":  # what has just been crossed in the hottest data
            begin = BOLTZMANN * scales.temperature * math.log(1e13 * scales.time)
            free.append(Free(key, dimension, begin, 0.15))
        elif dimension == "conductance" and name.endswith("sd"):
            free.append(Free(key, dimension, (0.005 if name.startswith("core") else 0.03) * scales.conductance, 1.5))
        elif dimension == "conductance":
            free.append(Free(key, dimension, level if name == "mean" else 0.0, 0.1 * scales.conductance, linear=True))
        else:
            free.append(Free(key, dimension or "factor", 0.3 if dimension else 0.0, 0.5, linear=dimension is None))
