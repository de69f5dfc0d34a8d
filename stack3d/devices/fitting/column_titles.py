"""Titles of columns: what is measured, and its unit; what others write, and how it is written here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import NamedTuple

from stack3d import units
from stack3d.errors import DeckError, Problem, did_you_mean

DIMENSIONS = {
    "temperature": "temperature",
    "level": "conductance",
    "target": "conductance",
    "conductance": "conductance",
    "mean": "conductance",
    "sd": "conductance",
    "time": "time",
    "voltage": "voltage",
    "cycles": "fraction",
    "censored": "fraction",
    "cells": "fraction",
    "change": "conductance",
    "low": "conductance",
    "high": "conductance",
    "reads": "fraction",
    "damage": "fraction",
    "layer": "fraction",
    "row": "fraction",
    "column": "fraction",
    "stuck": "fraction",
    "power": "power",
    "rise": "temperature_difference",
}
"""Column → dimension; `cell` is a name, those of dimension `fraction` are plain numbers (`censored`: 1 = still alive).

`resistance`, and a conductance in ohms, is read as 1/R.
"""
POSITIVE = ("level", "target", "conductance", "mean", "temperature", "cycles", "cells", "power", "rise")
USUAL = {
    **dict.fromkeys(("device", "sample", "chip", "die"), "cell"),
    **dict.fromkeys(("r0", "g0", "initial", "start", "g start", "g initial", "r start", "r initial"), "level"),
    **dict.fromkeys(("g end", "g final", "g after", "g read"), "conductance"),
    **dict.fromkeys(("r end", "r final", "r after", "r read"), "resistance"),
    "t": "temperature",
    "temp": "temperature",
    "r": "resistance",
    "g": "conductance",
}
"""What others call a column: the one that is meant."""
OHMS = re.compile(r"([kKMG]?)\s*(?:ohms?|Ω)", re.IGNORECASE)
"""A resistance as others write it; `k` and `K` are both a thousand."""
WRITTEN = {
    "temperature": dict.fromkeys(("c", "°c", "℃", "deg c", "deg", "degc", "degree_c", "celsius"), "degC") | {"k": "K"},
    "time": {"hrs": "h", "mins": "min", "secs": "s", "yrs": "year"},
    "conductance": {"ms": "mS", "us": "uS", "µs": "uS", "μs": "uS", "ns": "nS", "ps": "pS", "s": "S", "siemens": "S"},
    "voltage": {"v": "V", "mv": "mV"},
}
"""Units as others write them, by dimension and in small letters: as they are written here."""


class Title(NamedTuple):
    """What a column is called in its file."""

    written: str
    """Its name there, ``resistance`` where that stands for a conductance."""
    unit: str

    def told(self, name: str, value: float) -> str:
        """A value [SI] of the column `name`, as the file would have it."""
        of = dimension(name, self.unit)
        value = 1 / value if of != DIMENSIONS[name] else value
        return f"{value / units.parse(f'1 {self.unit}', of):.4g} {self.unit}"


@cache
def dimension(name: str, unit: str) -> str:
    """What the numbers of a column are: those of a conductance above zero may be resistances."""
    if DIMENSIONS[name] == "conductance" and name in POSITIVE:
        with suppress(ValueError):
            units.parse(f"1 {unit}".strip(), "resistance")
            return "resistance"
    return DIMENSIONS[name]


def header(titles: list[str], file: str, line: int) -> dict[str, Title]:
    """What every column is called, by name; raises DeckError."""
    columns: dict[str, Title] = {}
    problems: list[Problem] = []
    for place, title in enumerate(titles, 1):
        plain, _, unit = title.strip().removesuffix("]").partition("[")
        written, unit = plain.strip().lower(), unit.strip()
        name = "conductance" if written == "resistance" else written
        where = f"column {place}"
        if name != "cell" and name not in DIMENSIONS:
            is_told = any("known:" in problem.message for problem in problems)
            problems.append(Problem(where, _unknown(title.strip(), with_known=not is_told), file, line))
        elif name in columns:
            problems.append(Problem(where, f"{name} is there twice", file, line))
        elif name != "cell" and (said := _wrong_unit(written, name, unit)):
            problems.append(Problem(f"{where} ({plain.strip()})", said, file, line))
        columns[name] = Title(plain.strip(), unit)
    if problems:
        raise DeckError(problems)
    return columns


def _wrong_unit(written: str, name: str, unit: str) -> str:
    """What is wrong with the unit of a column; empty where nothing is."""
    if written == "resistance" and _parses(unit, "conductance"):
        return f"{unit!r} is a unit of conductance: write it as 'conductance [{unit}]', or give ohms"
    try:
        units.parse(f"1 {unit}".strip(), dimension(name, unit))
    except ValueError as error:
        meant = _unit(written, unit)
        if unit and meant:
            return f"{unit!r} is no unit of {written}: write it as '{written} [{meant}]'"
        return f"the header needs a unit, as in '{written} [{_example(written)}]': {error}"
    return ""


def _parses(unit: str, dimension_name: str) -> bool:
    with suppress(ValueError):
        units.parse(f"1 {unit}".strip(), dimension_name)
        return bool(unit)
    return False


def _unit(name: str, text: str) -> str:
    """A unit of a column as it is written here, from what others write; empty where it is not understood."""
    of = "resistance" if name == "resistance" else DIMENSIONS.get(name, "")
    if of in ("resistance", "conductance") and (ohms := OHMS.fullmatch(text)):
        if ohms[1] == "m" or (name in DIMENSIONS and name not in POSITIVE):  # a thousandth, or a spread of resistances
            return ""
        return f"{ohms[1] if ohms[1] == 'M' else ohms[1].lower().replace('g', 'G')}ohm"
    if of == "fraction" or not text:
        return ""
    if _parses(text, of):
        return text
    written = WRITTEN.get(of, {}).get(text.lower(), "")
    return written or (text.lower() if _parses(text.lower(), of) else "")


def _parted(title: str) -> Iterator[tuple[str, str]]:
    """Name and unit that a title may be made of, both as they stand: with brackets, or one ending after another."""
    for mark, end in (("[", " ]"), ("(", " )")):
        if mark in title:
            name, _, unit = title.partition(mark)
            yield name.strip(), unit.strip(end)
            return
    yield title, ""
    for at in (i for i, letter in enumerate(title) if letter in "_ /"):
        yield title[:at].strip(), title[at + 1 :].strip()


def _meant(name: str, unit: str) -> tuple[str, str]:
    """Column and unit that a name and a unit mean; the column is empty where the name is not understood."""
    plain = " ".join(name.lower().replace("_", " ").split())
    if plain == "t" and unit and _unit("time", unit) and unit.lower() not in ("k", "c"):
        return "time", _unit("time", unit)
    meant = USUAL.get(plain, plain)
    if meant not in ("resistance", "cell", *DIMENSIONS):
        return "", ""
    if meant == "conductance" and OHMS.fullmatch(unit):
        meant = "resistance" if plain in ("r", "g") else meant
    return meant, _unit(meant, unit)


def _unknown(title: str, *, with_known: bool = True) -> str:
    """What is wrong with the title of a column, and which one is meant; all that there are where that is told once."""
    for name, unit in _parted(title):
        meant, found = _meant(name, unit)
        has_unit = meant and (found or not unit or DIMENSIONS.get(meant) == "fraction" or meant == "cell")
        if has_unit:
            example = found or _example(meant)
            return f"unknown column {title!r}: write it as '{meant}{f' [{example}]' if example else ''}'"
        if meant and any(mark in title for mark in "[("):
            return f"unknown column {title!r}: {unit!r} is no unit of {meant}; write it as, say, '{meant} [{_example(meant)}]'"
    known = ["resistance", *DIMENSIONS, "cell"]
    names = "'temperature [degC],time [h],level [uS],conductance [uS],cell'"
    more = f"; known: {', '.join(known)}; a header is, say, {names}" if with_known else ""
    return f"unknown column {title!r}{did_you_mean(title.partition('[')[0].partition('(')[0].strip().lower(), known)}{more}"


def _example(name: str) -> str:
    """A unit of a column; empty where it has none."""
    if name in ("cell", "resistance"):
        return "kohm" if name == "resistance" else ""
    return {
        "temperature": "degC",
        "time": "s",
        "conductance": "uS",
        "voltage": "V",
        "power": "uW",
        "temperature_difference": "K",
    }.get(DIMENSIONS[name], "")
