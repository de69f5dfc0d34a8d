"""Columns of numbers over time, each in units of its own kind, `.csv` or `.parquet`; SI units behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stack3d import units
from stack3d.errors import DeckError, Problem, brief
from stack3d.layout import Floats
from stack3d.schema import SurroundingsDeck
from stack3d.schema.numerics import MOST_OUTPUTS
from stack3d.workload.step_table import StepTable, read_table

AMBIENT, FILM = "ambient", "films."
"""Title of a column of ambient temperatures, and how that of a film begins: a face or patch follows."""
_TITLE = re.compile(r"^\s*(.*?)\s*(?:\[([^\]]*)\])?\s*$")
"""Name of a column, and its unit in square brackets."""
NOT_BELOW = {"temperature": 0.0, "film_coefficient": 0.0}
"""Smallest value that there is, in SI units."""

KindOf = Callable[[str], str]
"""Name of a column → dimension of its unit; raises ValueError for a column that is none."""


@dataclass(frozen=True, eq=False)
class StepColumns:
    """Values at times.

    Parameters
    ----------
    times : ndarray, shape (rows,)
        Ascending from 0. [s]
    values : ndarray, shape (rows, columns)
        In SI units.
    names : tuple of str
        Of the columns.
    place : callable
        Row, and column among the names → file, line and title, for messages.
    """

    times: Floats
    values: Floats
    names: tuple[str, ...]
    place: Callable[[int, int], str]


def read_columns(path: Path, key: str, kind_of: KindOf, wanted: str, least: int) -> StepColumns:
    """Read a table with a first column ``time [s]``.

    Units in square brackets are converted; a column without one is in seconds, or in the SI unit of its kind, but for
    temperatures, which want theirs.

    Parameters
    ----------
    path : Path
    key : str
        Of the deck, for messages.
    kind_of : callable
    wanted : str
        What the table wants, for messages.
    least : int
        Rows that it has at least.

    Raises
    ------
    DeckError
        With the column of a unit of another kind or of a name that comes twice, or the row and the column of the first value
        that is no number or that nothing has, or the first time that does not rise.
    """
    scales: list[tuple[str, float, float]] = []

    def check(header: list[str]) -> None:
        names = [_TITLE.sub(r"\1", title) for title in header]
        if not header or names[0] != "time" or len(header) < 2:
            raise DeckError(Problem(key, f"{path.name} {wanted}"))
        if twice := [name for i, name in enumerate(names) if name in names[:i]]:
            raise DeckError(Problem(key, f"{path.name}: column {brief(twice[0])} comes twice"))
        for i, title in enumerate(header):
            try:
                scales.append(_scale(title, kind_of(names[i]) if i else "time"))
            except ValueError as error:
                raise DeckError(Problem(key, f"{path.name}, column {brief(title)}: {error}")) from None

    found = read_table(path, key, check)
    if len(found.values) < least:
        raise DeckError(Problem(key, f"{path.name} {wanted}"))
    table = found.values * [factor for _, factor, _ in scales] + [zero for *_, zero in scales]
    _check_magnitudes(table, found, [kind for kind, *_ in scales], key)
    times = table[:, 0]
    falling = np.flatnonzero(np.diff(times) <= 0)
    if times[0] != 0 or falling.size:
        at = int(falling[0]) + 1 if times[0] == 0 else 0
        raise DeckError(Problem(key, f"{found.place(at)}: times start at 0 and rise, got {times[at]:g} s"))
    names = tuple(_TITLE.sub(r"\1", title) for title in found.header[1:])
    return StepColumns(times, table[:, 1:], names, lambda row, column: f"{found.place(row)}, {found.header[column + 1]!r}")


def _scale(title: str, kind: str) -> tuple[str, float, float]:
    """Kind of a column, SI value of one of its unit over that of none, and that of none; raises ValueError."""
    unit = _TITLE.sub(r"\2", title)
    if not unit:
        if kind == "temperature":
            raise ValueError(f"wants its unit, as '{title} [degC]'")
        return kind, 1.0, 0.0
    zero = units.parse(f"0 {unit}", kind) if kind == "temperature" else 0.0
    return kind, units.parse(f"1 {unit}", kind) - zero, zero


def _check_magnitudes(table: Floats, found: StepTable, kinds: list[str], key: str) -> None:
    """Raise DeckError at the first value, in SI units, that nothing has."""
    for j, (title, kind) in enumerate(zip(found.header, kinds)):
        most, least = units.most_of(kind), NOT_BELOW.get(kind, -np.inf)
        if (beyond := np.flatnonzero((np.abs(table[:, j]) > most) | (table[:, j] < least))).size:
            at, unit = int(beyond[0]), units.SI[kind]
            limit = f"at least {least:g}" if table[at, j] < least else f"at most {most:g}"
            text = f"{found.place(at)}, {title!r}: is {table[at, j]:g} {unit}".rstrip()
            raise DeckError(Problem(key, f"{text}; {limit} {unit}".rstrip()))


def kind_of_surroundings(name: str) -> str:
    """Dimension of a column of ambient or of a film; raises ValueError for another name."""
    if name == AMBIENT:
        return "temperature"
    if name.startswith(FILM):
        return "film_coefficient"
    raise ValueError(f"is neither {AMBIENT!r} nor '{FILM}' and a face, as '{FILM}top [W/m^2/K]'")


@dataclass(frozen=True, eq=False)
class Driven:
    """What a compact model is driven by: rows that hold until the next, the last of which closes the period.

    Parameters
    ----------
    times : ndarray, shape (rows,)
        Ascending from 0. [s]
    powers : ndarray, shape (rows, sources)
        [W]
    sources : tuple of str
    ambient : ndarray, shape (rows,), or None
        [K]
    films : mapping of str to ndarray, shape (rows,)
        By face. [W m⁻² K⁻¹]
    period : float
        [s]
    place : callable
        Row, and name of a column → file, line and title, for messages.
    """

    times: Floats
    powers: Floats
    sources: tuple[str, ...]
    ambient: Floats | None
    films: Mapping[str, Floats]
    period: float
    place: Callable[[int, str], str]


def read_driven(path: Path, key: str, sources: Sequence[str]) -> Driven:
    """Read powers, and where there are such columns ambient and films, over time; raises DeckError.

    Parameters
    ----------
    path : Path
    key : str
        Of messages.
    sources : sequence of str
        A column that is called as one is its power, whatever else it could be.
    """

    def kind_of(name: str) -> str:
        is_air = name not in sources and (name == AMBIENT or name.startswith(FILM))
        return kind_of_surroundings(name) if is_air else "power"

    found = read_columns(path, key, kind_of, "wants a first column 'time [s]', a column per source and two rows or more", 2)
    kinds = [kind_of(name) for name in found.names]
    powers = [i for i, kind in enumerate(kinds) if kind == "power"]
    columns = dict(zip(zip(found.names, kinds), found.values[:-1].T))
    films = {name.removeprefix(FILM): column for (name, kind), column in columns.items() if kind == "film_coefficient"}
    ambient = columns.get((AMBIENT, "temperature"))
    names = tuple(found.names[i] for i in powers)

    def place(row: int, name: str) -> str:
        return found.place(row, -1 if name == "time" else found.names.index(name))

    return Driven(found.times[:-1], found.values[:-1, powers], names, ambient, films, float(found.times[-1]), place)


def read_surroundings(deck: SurroundingsDeck, key: str) -> SurroundingsDeck:
    """The deck with the columns of its file, where it names one; raises DeckError."""
    if deck.file is None:
        return deck
    path, key = Path(deck.file), f"{key}.file"
    wanted = f"wants a first column 'time [s]', and '{AMBIENT} [degC]' or '{FILM}FACE [W/m^2/K]'"
    found = read_columns(path, key, kind_of_surroundings, wanted, 1)
    if (rows := len(found.times)) > MOST_OUTPUTS:
        raise DeckError(Problem(key, f"{path.name} has {rows} rows; at most {MOST_OUTPUTS} times may change a transient"))
    columns = {name: tuple(values.tolist()) for name, values in zip(found.names, found.values.T)}
    films = {name.removeprefix(FILM): values for name, values in columns.items() if name.startswith(FILM)}
    table = {"times": tuple(found.times.tolist()), "ambient": columns.get(AMBIENT), "films": films}
    return deck.model_copy(update={**table, "file": None})
