"""Measurements in CSV files: columns named and with units in the header, mistakes told with line and column."""

from __future__ import annotations

import csv
import hashlib
import math
import sys
import warnings
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import units, yamlfile
from stack3d.constants import ZERO_CELSIUS
from stack3d.devices.fitting.column_titles import DIMENSIONS, POSITIVE, Title, dimension, header
from stack3d.devices.fitting.table_mistakes import Mistakes
from stack3d.errors import DeckError, Problem, ValidityWarning
from stack3d.layout import Floats

MOST_BYTES = 200_000_000
"""Of a file, some ten million measurements."""
CODES = {
    "censored": {0: "failed", 1: "still alive"},
    "stuck": {0: "works", 1: "at the lowest conductance", 2: "at the highest conductance"},
}
"""Columns of codes: the numbers that are allowed, and what they mean."""
COLDEST, LEAST_HOT = 173.15, 546.15
"""Below the first a column of temperatures is asked about; and where it begins above the other, 273 written for degC. [K]"""
MOST_CONDUCTING = 1.0
"""Of a cell: a column above it is asked about, as one of milliohm where megohm is meant. [S]"""
THOUSANDTHS = ("mohm", "mΩ", "milliohm")
"""Beginnings of units of a resistance that no cell has, and that megaohms are easily written as."""
MOST_APART = 100.0
"""Times that the conductances of a file lie from the levels that were written, by the medians."""
SIGNED = ("change", "low", "high")
"""A change, and its 1st and 99th percentile."""
OF_WINDOWS = ("damage", "cycles")
"""Columns beside which `low` and `high` are the ends of a window, and above zero."""
WHOLE = ("layer", "row", "column")
MOST_PLACES = 1_000_000
"""Of a line of cells."""


@dataclass(frozen=True)
class Table:
    """Columns of one file, in SI."""

    path: Path
    columns: Mapping[str, Floats]
    cell: tuple[str, ...] = ()
    """Names of the cells; empty = every row is a mean over cells."""
    titles: Mapping[str, Title] = field(default_factory=dict)
    """What the columns are called in the file."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(next(iter(self.columns.values())).size)

    @property
    def digest(self) -> str:
        """First digits of the file's SHA-256."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]

    def lines(self) -> list[int]:
        """Line of every row in the file, which is read again for it."""
        return [line for line, _ in _rows_of(csv.reader(yamlfile.lines_of(self.path, MOST_BYTES)))][1:]


def read_table(path: str | Path) -> Table:
    """Read a CSV file; lines that begin with ``#`` are comments.

    Raises
    ------
    DeckError
        With file, line and column of the first mistake of every kind, and how many rows have it too.
    """
    path = Path(path)
    reader = csv.reader(yamlfile.lines_of(path, MOST_BYTES))
    try:
        return _of_rows(_rows_of(reader), path)
    except csv.Error as error:
        raise DeckError(Problem("", f"cannot be read: {error}", str(path), reader.line_num)) from None


def _rows_of(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV reader that hold anything but a comment, with their lines; the header first."""
    return ((reader.line_num, row) for row in reader if any(c.strip() for c in row) and not row[0].lstrip().startswith("#"))


def _of_rows(rows: Iterator[tuple[int, list[str]]], path: Path) -> Table:
    """The table of rows with their lines, the header first; raises DeckError, and csv.Error."""
    head, titles = next(rows, (0, []))
    if said := yamlfile.other_separator(titles):
        raise DeckError(Problem("", said, str(path), head))
    columns = header(titles, str(path), head)
    values = {name: array("d") for name in columns if name != "cell"}
    above = {*POSITIVE, *(SIGNED if any(name in columns for name in OF_WINDOWS) else ())}
    cells: list[str] = []
    mistakes = Mistakes(str(path))
    for line, row in rows:
        if mistakes.enough:
            break
        if len(row) != len(titles):
            hint = yamlfile.decimal_comma(row, len(titles))
            mistakes.add(line, "", f"has {len(row)} columns; the header has {len(titles)}{hint}")
            continue
        for where, said in dict(_wrong(row, columns, values, cells, above)).items():
            mistakes.add(line, where, said)
    if mistakes.counted:
        raise DeckError(mistakes.problems)
    if not cells and not any(v for v in values.values()):
        raise DeckError(Problem("", "holds no rows below a header", str(path)))
    arrays = {name: np.array(v) for name, v in values.items()}
    _ask(arrays, columns, path, head)
    return Table(path, arrays, _apart(cells, values), columns)


def _wrong(
    row: Sequence[str],
    columns: Mapping[str, Title],
    values: Mapping[str, array[float]],
    cells: list[str],
    above: Collection[str],
) -> Iterator[tuple[str, str]]:
    """What is wrong in a row, by column; what is right joins the columns.

    Parameters
    ----------
    row : sequence of str
    columns : mapping of str to Title
    values : mapping of str to array
        [SI]
    cells : list of str
        Names.
    above : collection of str
        Columns of numbers above zero.
    """
    told = False
    for place, (text, (name, title)) in enumerate(zip(map(str.strip, row), columns.items()), 1):
        if name == "cell":
            cells.append(sys.intern(text))
            if not text:
                yield f"column {place} (cell)", "is empty: a cell has a name or a number"
            continue
        try:
            values[name].append(_number(text, name, title.unit, above))
        except ValueError as error:
            told = True
            yield f"column {place} ({title.written})", str(error)
    if not told and "low" in values and "high" in values and values["low"][-1] > values["high"][-1]:
        yield "column low", "lies above column high"


def _ask(values: Mapping[str, Floats], titles: Mapping[str, Title], path: Path, head: int) -> None:
    """Warn of columns whose unit is hardly meant.

    Parameters
    ----------
    values : mapping of str to ndarray
        In SI.
    titles : mapping of str to Title
    path : Path
    head : int
        Line of the header.
    """
    units_of = {name: title.unit for name, title in titles.items()}
    for name, said in _odd(values, units_of):
        told = Problem(f"column {list(titles).index(name) + 1} ({titles[name].written})", said, str(path), head)
        warnings.warn(ValidityWarning(str(told)), stacklevel=4)


def _odd(values: Mapping[str, Floats], units_of: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Columns whose unit is hardly meant, by what they hold, and what is told of each."""
    kelvin = values.get("temperature", np.zeros(0))
    if kelvin.size and kelvin.min() < COLDEST:
        said = f"[{units_of['temperature']}] begins at {kelvin.min():.4g} K, which is {kelvin.min() - ZERO_CELSIUS:.4g} degC"
        yield "temperature", f"{said}: are degrees Celsius meant?"
    if kelvin.size and kelvin.min() > LEAST_HOT:
        said = f"[{units_of['temperature']}] holds nothing below {kelvin.min() - ZERO_CELSIUS:.4g} degC"
        yield "temperature", f"{said}, which are {kelvin.min():.4g} K: are kelvin meant?"
    yield from _odd_conductances(values, units_of)


def _odd_conductances(values: Mapping[str, Floats], units_of: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Conductances far from the level beside them; else those that no cell reaches."""
    first = next((name for name in ("level", "target") if name in values), "")
    for name in POSITIVE:
        if name not in values or DIMENSIONS[name] != "conductance" or not values[name].size:
            continue
        if units_of[name].startswith(THOUSANDTHS):
            yield name, f"[{units_of[name]}] is read as thousandths of an ohm: a megaohm is written Mohm"
            continue
        middle = float(np.median(values[name]))
        ratio = float(np.median(values[first])) / middle if first and name in ("conductance", "mean") else 1.0
        if not 1 / MOST_APART < ratio < MOST_APART:
            more = f"{max(ratio, 1 / ratio):.3g} times {'below' if ratio > 1 else 'above'} {first} [{units_of[first]}]"
            yield name, f"[{units_of[name]}] lies {more}, by the medians: are both units right?"
        elif middle > MOST_CONDUCTING:
            text = f"makes {middle:.3g} S, by the median: no cell conducts so well; is the unit right?"
            yield name, f"[{units_of[name]}] {text}"


def _number(text: str, name: str, unit: str, above: Collection[str]) -> float:
    """A number of a column [SI]; raises ValueError with what is wrong.

    Parameters
    ----------
    text, name, unit : str
        The number as it stands, its column, and the unit of that.
    above : collection of str
        Columns of numbers above zero.
    """
    try:
        plain = float(text)
    except ValueError:
        plain = math.nan
    if not math.isfinite(plain):
        raise ValueError(f"{text!r} is no finite number")
    value = units.parse(f"{plain!r} {unit}".strip(), dimension(name, unit))  # says what is wrong, as absolute zero
    if value > 0 and dimension(name, unit) != DIMENSIONS[name]:
        value = 1 / value
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no finite number")
    if said := _unfit(value, name, above):
        raise ValueError(f"{text} {said}")
    return value


def _unfit(value: float, name: str, above: Collection[str]) -> str:
    """Why a number cannot stand in a column; empty where it can."""
    if name in CODES and value not in CODES[name]:
        return f"is none of {', '.join(f'{code} ({means})' for code, means in CODES[name].items())}"
    if name in WHOLE and not (value.is_integer() and 0 <= value <= MOST_PLACES):
        return f"is no whole number from 0 to {MOST_PLACES}"
    if name in above and value <= 0:
        return "is not above zero"
    return "is negative" if value < 0 and name not in SIGNED else ""


def _apart(cells: list[str], values: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    """Names of cells: in a series one of one level at one temperature, the same name elsewhere is another cell."""
    is_series = "time" in values or "reads" in values
    keys = [values[k] for k in ("temperature", "level", "target") if is_series and k in values]
    return tuple("/".join([c, *(f"{k[i]:g}" for k in keys)]) for i, c in enumerate(cells))
