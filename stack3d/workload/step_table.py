"""Tables of numbers over time, `.csv` or `.parquet`: the titles are looked at first, rows are read a few thousand at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import memory, yamlfile
from stack3d.errors import DeckError, MissingDependencyError, Problem, brief, few, to_install
from stack3d.layout import Floats

MOST_BYTES = 1_000_000_000
"""Of a table, some thirty million rows."""
AT_ONCE = 10_000
"""Rows that are read at a time."""
COPIES = 3.0
"""Memory of a table while it is read and used, over that of its numbers."""

CheckTitles = Callable[[list[str]], None]
"""Raises DeckError for titles that are none."""


@dataclass(frozen=True, eq=False)
class StepTable:
    """A table as it was read.

    Parameters
    ----------
    path : Path
    header : list of str
    values : ndarray, shape (rows, columns)
        As written, without units.
    lines : ndarray of int, shape (rows,)
        Of the file.
    called : str
        What a line is called in messages.
    """

    path: Path
    header: list[str]
    values: Floats
    lines: NDArray[np.int64]
    called: str

    def place(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.path.name} {self.called} {self.lines[row]}"


def read_table(path: Path, key: str, check: CheckTitles) -> StepTable:
    """Read a table.

    Parameters
    ----------
    path : Path
    key : str
        Of the deck, for messages.
    check : callable
        Looks at the titles before any row is read.

    Raises
    ------
    DeckError
        With the place of the first row that does not fit the titles, or of the first value that is no finite number.
    """
    return _parquet(path, key, check) if path.suffix == ".parquet" else _csv(path, key, check)


def _csv(path: Path, key: str, check: CheckTitles) -> StepTable:
    reader = csv.reader(yamlfile.lines_of(path, MOST_BYTES), skipinitialspace=True)
    try:
        return _rows_below_titles(reader, path, key, check)
    except DeckError as error:
        if error.problems[0].key:
            raise
        [problem] = error.problems
        line = "" if problem.line is None else f" line {problem.line}"
        raise DeckError(Problem(key, f"{path.name}{line} {problem.message}")) from None
    except csv.Error as error:
        raise DeckError(Problem(key, f"{path.name} line {reader.line_num} cannot be read as .csv: {error}")) from None


def _rows_below_titles(reader: Any, path: Path, key: str, check: CheckTitles) -> StepTable:
    """What a CSV reader gives; raises DeckError, and csv.Error."""
    rows = ((row, reader.line_num) for row in reader if row and not row[0].startswith("#"))
    header, _ = next(rows, ([], 0))
    if said := yamlfile.other_separator(header):
        raise DeckError(Problem(key, f"{path.name}: {said}"))
    check(header)
    parts, lines = [np.empty((0, len(header)))], [np.empty(0, np.int64)]
    while block := list(islice(rows, AT_ONCE)):
        lines.append(np.array([line for _, line in block]))
        parts.append(_numbers([row for row, _ in block], header, [f"{path.name} line {n}" for n in lines[-1]], key))
        _afford(path, key, sum(map(len, lines)), len(header))
    return StepTable(path, header, np.concatenate(parts), np.concatenate(lines), "line")


def _parquet(path: Path, key: str, check: CheckTitles) -> StepTable:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MissingDependencyError(
            f"{path.name}: reading .parquet needs pyarrow: {to_install('parquet')}, or save the table as .csv"
        ) from None
    try:
        yamlfile.check_ordinary(path)
        file = parquet.ParquetFile(path)
        header, count = [str(name) for name in file.schema_arrow.names], file.metadata.num_rows
        check(header)
        _afford(path, key, count, len(header))
        values, first = np.empty((count, len(header))), 0
        for batch in file.iter_batches(AT_ONCE):
            rows = list(zip(*(column.to_pylist() for column in batch.columns)))
            places = [f"{path.name} row {first + i + 2}" for i in range(len(rows))]
            values[first : first + len(rows)] = _numbers(rows, header, places, key)
            first += len(rows)
    except (OSError, ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DeckError(Problem(key, f"{path.name} cannot be read as .parquet: {reason}")) from None
    return StepTable(path, header, values[:first], np.arange(first) + 2, "row")


def _afford(path: Path, key: str, rows: int, columns: int) -> None:
    """Raise DeckError for a table that takes more memory than there is."""
    if (wanted := COPIES * 8.0 * rows * columns) > (there := memory.available()):
        text = f"{path.name}: {rows} rows and more take {memory.size(wanted)}, and {memory.size(there)} are there"
        raise DeckError(Problem(key, text))


def _numbers(rows: list[Any], header: list[str], places: list[str], key: str) -> Floats:
    """Cells of rows, shape (rows, columns); raises DeckError at the first that is no finite number."""
    if all(len(row) == len(header) for row in rows):
        with suppress(ValueError, TypeError):
            table = np.array(rows, dtype=float)
            if np.isfinite(table).all():
                return table
    table = np.empty((len(rows), len(header)))
    for i, j, text in _cells(rows, header, places, key):
        try:
            table[i, j] = float(text)
        except (ValueError, TypeError):
            what, hint = brief(text), ""
            if isinstance(text, str):
                what, hint = few(text), yamlfile.decimal_comma([text], 1)
            raise DeckError(Problem(key, f"{places[i]}, {header[j]!r}: {what} is no number{hint}")) from None
        if not np.isfinite(table[i, j]):
            raise DeckError(Problem(key, f"{places[i]}, {header[j]!r}: is not finite"))
    return table


def _cells(rows: list[Any], header: list[str], places: list[str], key: str) -> Iterator[tuple[int, int, Any]]:
    """Row, column and content of every cell; raises DeckError for rows of another length."""
    for i, row in enumerate(rows):
        if len(row) > len(header):
            raise DeckError(
                Problem(
                    key, f"{places[i]}: {len(row)} values for {len(header)} columns{yamlfile.decimal_comma(row, len(header))}"
                )
            )
        for j, title in enumerate(header):
            if j >= len(row):
                raise DeckError(Problem(key, f"{places[i]}, {title!r}: nothing is no number"))
            yield i, j, row[j]
