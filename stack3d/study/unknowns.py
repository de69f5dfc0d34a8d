"""The numbers of a scenario that are not known: found in its decks or named, and drawn from shares of 0 to 1."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from stack3d import units
from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema.sweep import NUMBER
from stack3d.schema.uncertain import MOST_UNKNOWNS, DistributionDeck

TAIL = 1e-6
"""Of a distribution without ends, that is cut off on either side."""
TEMPERATURES = ("K", "degC", "°C")
"""Units of numbers that are not counted from nothing."""
APART = 0.999
"""Of the correlations of a posterior, so that numbers that go together wholly can still be drawn."""
LEFT_OUT = ("sweep", "optimise", "uncertain", "solver", "monte_carlo", "expect", "limits", "probes", "maps")
"""Sections of a scenario that hold settings, not numbers of what is built."""
OVER_TIME = ("transient", "mission", "impedance")
"""Sections with which a case goes over time."""
CAPACITY = re.compile(r"(geometry\..*\.(density|specific_heat|heat_capacity)|cooling\.\w+\.heat_capacity)(\.value)?")
"""Keys of numbers that heat is stored by."""


@dataclass(frozen=True)
class Unknown:
    """A number that is not known.

    Parameters
    ----------
    key : str
        Dotted.
    shape : str
        Of its distribution: one of a deck, or ``posterior``, whose draws have straight lines between them.
    numbers : tuple of float
        Of the shape.
    unit : str
        In which it is written.
    values : tuple of float
        Of a number that stands for several, those that one drawn factor multiplies; empty for a single one.
    """

    key: str
    shape: str
    numbers: tuple[float, ...]
    unit: str
    values: tuple[float, ...] = ()

    def at(self, share: float) -> Any:
        """Value to set at a share of the distribution, 0 to 1."""
        drawn = _quantile(self.shape, self.numbers, float(np.clip(share, TAIL, 1 - TAIL)))
        return [self._written(drawn * value) for value in self.values] if self.values else self._written(drawn)

    def _written(self, value: float) -> Any:
        number = float(f"{value:.9g}")
        return f"{number!r} {self.unit}" if self.unit else number


def _quantile(shape: str, numbers: Sequence[float], share: float) -> float:
    from scipy.special import ndtri

    low, *others = numbers
    if shape == "uniform":
        return low + share * (others[0] - low)
    if shape == "normal":
        return low + float(ndtri(share)) * others[0]
    if shape == "lognormal":
        return float(low * others[0] ** float(ndtri(share)))
    if shape == "table":
        return sorted(numbers)[int(share * len(numbers))]
    if shape == "posterior":
        return float(np.quantile(numbers, share))
    mode, high = others
    rising = (mode - low) / (high - low)
    if share <= rising:
        return low + math.sqrt(share * (high - low) * (mode - low))
    return high - math.sqrt((1 - share) * (high - low) * (high - mode))


def named(keys: Mapping[str, DistributionDeck]) -> list[Unknown]:
    """Unknowns with distributions of their own."""
    return [Unknown(key, d.shape, d.numbers, d.unit) for key, d in keys.items()]


def assumed(tree: Mapping[str, Any], spread: float) -> list[Unknown]:
    """Every number of a resolved scenario that is marked as assumed, or has a band or a posterior, and that the case reads.

    Raises
    ------
    DeckError
        When there is none, or too many.
    """
    unread = unread_capacities(tree, spread)
    found = [u for u in _marked(tree, spread) if u.key not in unread]
    fitted = [u for posterior in posteriors(tree) for u in posterior.unknowns()]
    known = {unknown.key for unknown in fitted}
    found = [u for u in found if u.key.removesuffix(".value") not in known]
    unique = list({unknown.key: unknown for unknown in [*found, *fitted]}.values())
    if not 1 <= len(unique) <= MOST_UNKNOWNS:
        raise DeckError(Problem("uncertain.keys", f"all-assumed finds {len(unique)} numbers; wanted 1 to {MOST_UNKNOWNS}"))
    return unique


def unread_capacities(tree: Mapping[str, Any], spread: float) -> list[str]:
    """Keys of such heat capacities of solids and faces, and of densities beside them, where nothing goes over time.

    A steady case has the same temperatures whatever they are; what a coolant carries away is read.
    """
    solver = tree.get("solver")
    is_compact = isinstance(solver, Mapping) and solver.get("backend") == "compact"
    if is_compact or any(tree.get(word) for word in OVER_TIME):
        return []
    keys = [u.key for u in _marked(tree, spread)]
    return [key for key in keys if CAPACITY.fullmatch(key) and not {"coolant", "flow"} & set(key.split("."))]


def _marked(tree: Mapping[str, Any], spread: float) -> Iterator[Unknown]:
    for name, node in tree.items():
        if name not in LEFT_OUT:
            yield from _below(node, str(name), spread)


def up_to_one(found: Sequence[Unknown], makes_case: Callable[[str, Any], bool]) -> list[Unknown]:
    """Unknowns of `assumed`: a share that may not be more than one varies as far as one, and as far below its value.

    Parameters
    ----------
    found : sequence of Unknown
    makes_case : callable
        Whether the scenario is still one with a key set to a value.
    """
    return [_up_to_one(u) if _passes_one(u) and not makes_case(u.key, u.at(1.0)) else u for u in found]


def _one(unknown: Unknown) -> float | None:
    """1 in the unit in which an unknown is written; None where that is no share."""
    if not unknown.unit:
        return 1.0
    size = units.quantity(f"1 {unknown.unit}")
    return None if size is None or units.dimensions_of(size[1]) else 1.0 / size[0]


def _passes_one(unknown: Unknown) -> bool:
    if unknown.shape != "uniform" or unknown.values or (one := _one(unknown)) is None:
        return False
    low, high = unknown.numbers
    return high > one >= 0.5 * (low + high)


def _up_to_one(unknown: Unknown) -> Unknown:
    low, high = unknown.numbers
    middle, one = 0.5 * (low + high), _one(unknown) or 1.0
    return replace(unknown, numbers=(2 * middle - one, one)) if middle < one else replace(unknown, numbers=(low, one))


@dataclass(frozen=True)
class Posterior:
    """What a fit knows of numbers of a law together.

    Parameters
    ----------
    keys, units : tuple of str
    draws : ndarray, shape (draw, key)
        As likely.
    covariance : ndarray, shape (key, key)
    """

    keys: tuple[str, ...]
    units: tuple[str, ...]
    draws: Floats
    covariance: Floats

    @classmethod
    def read(cls, node: Mapping[str, Any], law: str) -> Self:
        """Of a mapping of a deck, below the key of its law."""
        titles = [re.fullmatch(r"(.*?)(?: \[(.*)\])?", str(title)) for title in node["parameters"]]
        keys, units = zip(*((f"{law}.{title[1]}", title[2] or "") for title in titles if title))
        return cls(keys, units, np.array(node["draws"], float), np.array(node["covariance"], float))

    def unknowns(self) -> Iterator[Unknown]:
        """Those that differ between the draws."""
        for key, unit, values in zip(self.keys, self.units, self.draws.T):
            if np.ptp(values) > 0:
                yield Unknown(key, "posterior", tuple(values.tolist()), unit)

    def correlations(self) -> Iterator[tuple[str, str, float]]:
        """Of every two."""
        spread = np.sqrt(np.diag(self.covariance))
        for i, j in zip(*np.triu_indices(len(self.keys), 1)):
            if spread[i] > 0 and spread[j] > 0:
                yield self.keys[i], self.keys[j], APART * float(self.covariance[i, j] / (spread[i] * spread[j]))


def posteriors(tree: Any, key: str = "") -> Iterator[Posterior]:
    """Those of all laws of a resolved scenario."""
    if isinstance(tree, Mapping):
        if isinstance(tree.get("posterior"), Mapping):
            yield Posterior.read(tree["posterior"], key)
        for name, value in tree.items():
            if name not in (*LEFT_OUT, "posterior"):
                yield from posteriors(value, f"{key}.{name}" if key else str(name))


def _below(node: Any, key: str, spread: float) -> Iterator[Unknown]:
    if isinstance(node, Mapping):
        if "value" in node:
            yield from _valued(node, key, spread)
        elif "assumed" in node:
            for name, value in node.items():
                if (read := _read(value)) and read[1]:
                    yield Unknown(f"{key}.{name}", "uniform", _around(read[0], spread), read[1])
        for name, value in node.items():
            if name != "posterior":
                yield from _below(value, f"{key}.{name}", spread)
    elif isinstance(node, list):
        for i, item in enumerate(node):
            label = item.get("name") if isinstance(item, Mapping) else None
            yield from _below(item, f"{key}.{label}" if isinstance(label, str) else f"{key}[{i}]", spread)


def _valued(node: Mapping[str, Any], key: str, spread: float) -> Iterator[Unknown]:
    """A number, or several, with what is said of it."""
    value, key, band = _read(node["value"]), f"{key}.value", _band(node)
    if band:
        yield Unknown(key, "triangular", *band)
    elif value and "assumed" in node:
        yield Unknown(key, "uniform", _around(value[0], spread), value[1])
    elif "assumed" in node and isinstance(node["value"], list):
        numbers = [number for number in map(_read, node["value"]) if number]
        if len(numbers) == len(node["value"]) and len({unit for _, unit in numbers}) == 1:
            values = tuple(number for number, _ in numbers)
            yield Unknown(key, "uniform", (1 - spread, 1 + spread), numbers[0][1], values)


def _band(node: Mapping[str, Any]) -> tuple[tuple[float, float, float], str] | None:
    """Low, value and high, and their unit; in SI where these differ."""
    written = [node.get(word) for word in ("low", "value", "high")]
    found = [number for number in map(_number, written) if number is not None]
    if len(found) < len(written):
        return None
    if len({unit for _, unit in found}) > 1:
        found = [size for size in map(units.quantity, written) if size is not None]
    low, value, high = (number for number, _ in found)
    return ((low, min(max(value, low), high), high), found[0][1]) if low < high else None


def _around(value: float, spread: float) -> tuple[float, float]:
    return (value - spread * abs(value), value + spread * abs(value))


def _read(value: Any) -> tuple[float, str] | None:
    """Number and unit as written; None for texts, whole numbers, zero and temperatures, of which no share makes sense."""
    found = _number(value)
    return None if found is None or found[0] == 0.0 or found[1] in TEMPERATURES else found


def _number(value: Any) -> tuple[float, str] | None:
    """Number and unit as written; None for texts and whole numbers."""
    if isinstance(value, float):
        return value, ""
    match = NUMBER.match(value) if isinstance(value, str) else None
    return None if match is None or units.quantity(value) is None else (float(match[1]), match[2])
