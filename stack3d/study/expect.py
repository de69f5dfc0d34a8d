"""What a scenario expects of its own outcome: checked for sense before the run, and for truth after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import fields, units
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import MOST_MISTAKES, Problem, did_you_mean
from stack3d.record import INSTANT, Record
from stack3d.schema import Scenario
from stack3d.study.absent import missing_section

ALWAYS = {"temperature_max": "temperature_peak", "layer_temperature_max": "layer_temperature_peak"}
"""Maxima at the outputs of a transient → those of all its instants, which an expectation is held to as well."""
_PINT = {"W m-2": "W/m^2", "K W-1": "K/W", "s-1": "1/s", "1": ""}


ByName = Mapping[str, fields.Variable]
"""Output variables by path, and the first of a name by its name alone."""


def _known() -> ByName:
    return {name: found for found in reversed([*fields.FIELDS.values()]) for name in (found.name, found.path)}


def _read(key: str, text: str, known: ByName, *, helps: bool = True) -> tuple[fields.Variable, str, float, float]:
    """(field, "" or "end", low, high) of one expectation; raises ValueError, which `helps` by names that are alike."""
    name, _, where = key.partition("@")
    found = known.get(name)
    if found is None:
        names = [f.name for f in fields.FIELDS.values()] if helps else ()
        raise ValueError(f"no output variable {name!r}{fields.instead_of(name) or did_you_mean(name, names)}")
    if where not in ("", "end"):
        raise ValueError(f"{key!r} ends with {where!r}; a variable over time may end with '@end'")
    wanted = _PINT.get(found.units, found.units)
    dimension = next((d for d, unit in units.SI.items() if unit == wanted), "fraction")
    low, high = units.parse_range(text, dimension)
    if fields.is_share(found) and low > 1:
        raise ValueError(
            f"got {text!r}, and {found.name} is a share from 0 to 1: per cent are written with their sign, as '[96, 98] %'"
        )
    return found, where, low, high


def mistakes(scenario: Scenario) -> list[Problem]:
    """Unknown variables, those that the scenario cannot have, and ranges that are none."""
    problems, known = list[Problem](), _known()
    for key, text in scenario.expect.items():
        try:
            found, *_ = _read(key, text, known, helps=len(problems) < MOST_MISTAKES)
            if (section := missing_section(found, scenario)) is not None:
                raise ValueError(f"{found.name} comes of {section}: the scenario has none")
        except ValueError as error:
            problems.append(Problem(f"expect.{key}", str(error)))
    return problems


def missed(expect: Mapping[str, str], record: Record, *, is_whole: bool = True) -> list[str]:
    """One sentence per variable that is not a number, outside its range or, in a whole run, missing; `name@end` is the end."""
    out, known = [], _known()
    for key, text in expect.items():
        entry, where, low, high = _read(key, text, known)
        path = f"{entry.group}/{entry.name}"
        if path not in record:
            out += [f"{key} is not among the outcomes of this case"] * is_whole
            continue
        values = record[path].astype(float)
        if where == "end" and INSTANT in record.dims(path):
            values = np.asarray(_numbers(values[-1]).mean())
        smallest, largest = float(_numbers(values).min()), float(_numbers(values).max())
        peak = record.get(f"{entry.group}/{ALWAYS.get(entry.name)}")
        if peak is not None and where == "":
            largest = max(largest, float(_numbers(peak).max()))
        if not (smallest >= low and largest <= high) or np.isnan(values).any():
            off, unit = (ZERO_CELSIUS, "degC") if fields.is_temperature(path) else (0.0, entry.units)
            out.append(f"{key} spans {smallest - off:.6g} to {largest - off:.6g} {unit}, expected {text}")
    return out


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Those values that are numbers, or one that is none."""
    found = values[~np.isnan(values)]
    return found if found.size else np.array([np.nan])
