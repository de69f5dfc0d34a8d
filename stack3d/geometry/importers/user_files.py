"""Files of other tools: where they lie, their lines, and mistakes in them with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from stack3d import units, yamlfile
from stack3d.errors import DeckError, Problem, few
from stack3d.floorplans import MOST_BYTES
from stack3d.yamlfile import FileLine
from stack3d.yamltree import WATCHED

UNITS_TOLD = 256
"""Units from one word to who watches to the next."""

LEAST = units.LEAST
"""Of a quantity that is above zero, in the unit of `units.SI`."""


def place_of(path: Path, line: int = 1) -> FileLine:
    """File, as a user would type it, and line."""
    return yamlfile.shown(path), line


def ending(path: Path) -> str:
    """By which a file is known, in small letters: ``.def`` of ``CHIP.DEF`` too."""
    return path.suffix.lower()


def told[Unit](units: Sequence[Unit], file: str) -> Iterator[Unit]:
    """The units of a file one after the other, and now and then a word to who watches."""
    watch = WATCHED.get()
    for n, unit in enumerate(units, 1):
        if watch is not None and n % UNITS_TOLD == 0:
            watch(f"reading {file}, {n} of {len(units)} units", n, len(units))
        yield unit


def mistake(place: FileLine, key: str, message: str) -> DeckError:
    """Error at a place."""
    return DeckError(Problem(key, message, *place))


def within(value: float, dimension: str, place: FileLine, named: tuple[str, str, str], *, least: float | None = LEAST) -> float:
    """A quantity that is not below `least` and no larger than anything is, as decks hold them; raises DeckError.

    Parameters
    ----------
    value : float
        [SI]
    dimension : str
        As in `units.SI`.
    place : (file, line)
    named : (str, str, str)
        Key, for the message; what is counted, empty where the key says so; the number as the file has it.
    least : float or None
        [SI], LEAST for what is above zero, 0 for zero or more, None for either sign.
    """
    key, what, text = named
    most, said = units.most_of(dimension), f"{what} " if what else ""
    if least is not None and value < least:
        raise mistake(place, key, f"{said}wants {'0 or more' if least == 0 else 'a number above zero'}, got {text}")
    if not abs(value) <= most:
        raise mistake(place, key, f"{said}is at most {most:g} {units.SI[dimension]}, got {text}")
    return value


def find_file(name: str, place: FileLine, key: str) -> Path:
    """The file that is named at a place: beside the file that names it, else in the working folder; raises DeckError."""
    tried = [Path(place[0]).parent / name, Path(name)]
    for path in tried:
        if path.is_file():
            return path
    if folder := next((path for path in tried if path.is_dir()), None):
        raise mistake(place, key, f"{few(str(folder))} is a folder, no file")
    folders = " and in ".join(dict.fromkeys(str(path.parent) for path in tried))
    raise mistake(place, key, f"there is no file {few(Path(name).name)} in {folders}")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without comments (``#`` to the end) and without empty ones, one after the other; raises DeckError."""
    for n, line in enumerate(yamlfile.lines_of(path, MOST_BYTES), 1):
        if text := line.partition("#")[0].rstrip():
            yield n, text
