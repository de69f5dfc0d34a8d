"""Maps of values over a plane from files: what they hold, and the rectangles of equal values in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stack3d import yamlfile
from stack3d.errors import DeckError, Problem, brief
from stack3d.floorplans import MOST_BYTES, number, rows_of
from stack3d.layout import Floats

MOST_VALUES = 1_000_000
"""Of a map."""

EqualCells = tuple[int, int, int, int]
"""Rows j0 to j1 and columns i0 to i1 of a map, the ends not included."""


def read(path: Path, what: str) -> Floats:
    """Values of 0 or more of a map of `what`, shape (ny, nx), from a NumPy file or a CSV of bare numbers.

    Raises
    ------
    DeckError
        With the file, and the line of a CSV.
    """
    if path.suffix not in (".csv", ".npy"):
        raise DeckError(f"a map of {what} ends in .csv or .npy, not {path.suffix or 'nothing'}")
    values = _from_numpy(path) if path.suffix == ".npy" else _from_csv(path)
    shown = yamlfile.shown(path)
    if values.ndim != 2 or not 0 < values.size <= MOST_VALUES:
        raise DeckError(f"{shown}: a map has rows and columns, at most {MOST_VALUES} values; got shape {values.shape}")
    if not np.isfinite(values).all() or values.min() < 0:
        said = (
            f"got {values.min():g} to {values.max():g}" if np.isfinite(values).all() else "got some that are no finite numbers"
        )
        raise DeckError(f"{shown}: a map has values of 0 or more; {said}")
    return values


def _from_numpy(path: Path) -> Floats:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DeckError(f"{yamlfile.shown(path)}: is larger than {MOST_BYTES // 1_000_000} MB")
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        if values.dtype.kind not in "fiu":
            raise DeckError(f"{yamlfile.shown(path)}: wants numbers, got an array of {values.dtype}")
        return np.array(values, dtype=float)
    except (OSError, ValueError) as error:
        raise DeckError(f"{yamlfile.shown(path)}: cannot be read as .npy: {brief(str(error))}") from None


def _from_csv(path: Path) -> Floats:
    rows: list[list[float]] = []
    for line, row in rows_of(path):
        if said := yamlfile.other_separator(row):
            raise DeckError(Problem("map", said, yamlfile.shown(path), line))
        if rows and len(row) != len(rows[0]):
            raise DeckError(Problem("map", f"wants {len(rows[0])} values, got {len(row)}", yamlfile.shown(path), line))
        rows.append([number(text, path, line, "map") for text in row])
        if len(rows) * len(row) > MOST_VALUES:
            raise DeckError(Problem("map", f"has more than {MOST_VALUES} values", yamlfile.shown(path), line))
    return np.array(rows, ndmin=2)


def rectangles(values: Floats, without: float) -> list[EqualCells]:
    """Rectangles of equal values, but those of one value: runs along rows, one over another where they match."""
    open_runs: dict[tuple[int, int, float], int] = {}
    done: list[EqualCells] = []
    for j in range(values.shape[0] + 1):
        runs = {}
        if j < values.shape[0]:
            runs = {(i0, i1, v): open_runs.get((i0, i1, v), j) for i0, i1, v in _runs(values[j]) if v != without}
        done += [(j0, j, *key[:2]) for key, j0 in open_runs.items() if key not in runs]
        open_runs = runs
    return sorted(done)


def _runs(row: Floats) -> Iterator[tuple[int, int, float]]:
    """First and last column, and the value, of every run of equal values."""
    ends = np.flatnonzero(np.diff(row, prepend=np.nan, append=np.nan) != 0)
    yield from ((int(a), int(b), float(row[a])) for a, b in zip(ends, ends[1:]))
