"""Maps of power from files: each becomes heat sources of its layer, one for every rectangle of equal values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import units, yamlfile
from stack3d.errors import DeckError, Problem, brief
from stack3d.floorplans import MOST_BYTES, MOST_UNITS, in_deck, number, rows_of
from stack3d.layout import Floats
from stack3d.yamlfile import FileLine, Items, Mapping

MOST_VALUES = 1_000_000
"""Of a map."""


def expand(tree: Mapping, folder_of: Callable[[FileLine], Path]) -> list[Problem]:
    """Replace every source that has a ``map`` by sources of its cells; equal neighbours become one rectangle.

    Rows of the map go from the lowest y on, columns from the lowest x on. `folder_of` is where a name written at a place counts
    from. The values share the ``power`` of the source.
    """
    power = tree.get("power")
    sources = power.get("sources") if isinstance(power, Mapping) else None
    if not isinstance(sources, Items):
        return []
    problems: list[Problem] = []
    found, places = list[Any](), list[FileLine]()
    for i, source in enumerate(sources):
        if not (isinstance(source, Mapping) and "map" in source):
            found.append(source)
            places.append(sources.places[i])
            continue
        place = source.places["map"]
        try:
            for cell in _cells(source, f"power.sources[{i}]", folder_of(place)):
                found.append(cell)
                places.append(place)
        except DeckError as error:
            problems += [p if p.line else in_deck(p, f"power.sources[{i}].map", place) for p in error.problems]
        except ValueError as error:
            problems.append(Problem(f"power.sources[{i}].map", str(error), *place))
    sources[:] = found
    sources.places = places
    return problems


def _cells(source: Mapping, key: str, folder: Path) -> Iterator[Mapping]:
    """Sources of a map: names, x, y and powers."""
    place, file = source.places["map"], source["map"]
    if not isinstance(file, str):
        raise ValueError(f"wants the name of a .csv or .npy file, got {brief(file)}")
    (x0, x1), (y0, y1) = (_span(source, axis, key) for axis in ("x", "y"))
    values = read(folder / file)
    ny, nx = values.shape
    try:
        share = units.parse(source.get("power"), "power") / values.sum()
    except ValueError as error:
        raise DeckError(Problem(f"{key}.power", str(error), *source.places.get("power", place))) from None
    said = {name: source[name] for name in ("source", "assumed") if name in source}
    rectangles = _rectangles(values)
    if len(rectangles) > MOST_UNITS:
        wanted = f"{MOST_UNITS} are the most that is read; give it fewer cells or round its values"
        raise ValueError(f"has {len(rectangles)} rectangles of equal values; {wanted}")
    for j0, j1, i0, i1 in rectangles:
        cell = Mapping(place)
        entries = {
            "name": f"{source.get('name')}_{j0}_{i0}",
            "layer": source.get("layer"),
            "x": [f"{x0 + (x1 - x0) * i / nx!r} m" for i in (i0, i1)],
            "y": [f"{y0 + (y1 - y0) * j / ny!r} m" for j in (j0, j1)],
            "power": f"{float(values[j0, i0] * share * (j1 - j0) * (i1 - i0))!r} W",
            **said,
        }
        for name, value in entries.items():
            cell.put(name, yamlfile.wrapped(value, place), place)
        yield cell


def _span(source: Mapping, axis: str, key: str) -> tuple[float, float]:
    """Ends of a map along an axis. [m]"""
    ends = source.get(axis)
    if not isinstance(ends, Items) or len(ends) != 2:
        raise ValueError(f"wants the {axis} that it spans, [lower, upper], got {brief(ends)}")
    try:
        low, high = (units.parse(end, "length") for end in ends)
    except ValueError as error:
        raise DeckError(Problem(f"{key}.{axis}", str(error), *source.places[axis])) from None
    if not low < high:
        raise DeckError(Problem(f"{key}.{axis}", f"wants [lower, upper], got {brief(ends)}", *source.places[axis]))
    return low, high


def read(path: Path) -> Floats:
    """Values of a map, shape (ny, nx), from a NumPy file or a CSV of bare numbers.

    Raises
    ------
    DeckError
        With the file, and the line of a CSV.
    """
    if path.suffix not in (".csv", ".npy"):
        raise DeckError(f"a map of power ends in .csv or .npy, not {path.suffix or 'nothing'}")
    values = _from_numpy(path) if path.suffix == ".npy" else _from_csv(path)
    shown = yamlfile.shown(path)
    if values.ndim != 2 or not 0 < values.size <= MOST_VALUES:
        raise DeckError(f"{shown}: a map has rows and columns, at most {MOST_VALUES} values; got shape {values.shape}")
    if not np.isfinite(values).all() or values.min() < 0 or not values.any():
        said = (
            f"got {values.min():g} to {values.max():g}" if np.isfinite(values).all() else "got some that are no finite numbers"
        )
        raise DeckError(f"{shown}: a map has values of 0 or more, some of them above; {said}")
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


def _rectangles(values: Floats) -> list[tuple[int, int, int, int]]:
    """Rows j0 to j1 and columns i0 to i1 of equal values above zero: runs along rows, one over another where they match."""
    open_runs: dict[tuple[int, int, float], int] = {}
    done: list[tuple[int, int, int, int]] = []
    for j in range(values.shape[0] + 1):
        runs = {(i0, i1, v): open_runs.get((i0, i1, v), j) for i0, i1, v in _runs(values[j])} if j < values.shape[0] else {}
        done += [(j0, j, *key[:2]) for key, j0 in open_runs.items() if key not in runs]
        open_runs = runs
    return sorted(done)


def _runs(row: Floats) -> Iterator[tuple[int, int, float]]:
    """First and last column, and the value, of every run of equal values above zero."""
    ends = np.flatnonzero(np.diff(row, prepend=np.nan, append=np.nan) != 0)
    yield from ((int(a), int(b), float(row[a])) for a, b in zip(ends, ends[1:]) if row[a] > 0)
