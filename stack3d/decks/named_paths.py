"""Files that decks name: found, hashed, checked, and tables read into the deck."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from os import stat_result
from os.path import isdir, isfile, realpath
from pathlib import Path
from stat import S_ISREG
from typing import Any

from stack3d import yamlfile
from stack3d.decks.mistakes import SET, dotted
from stack3d.errors import DeckError, Problem, brief, repeated
from stack3d.yamlfile import FileLine, Mapping

_OF_STACK = (("layers",), ("below",), ("above",), ("tiers", "layers"))
PART = ("geometry", "parts", "*")
LAYER_LISTS = (*(("geometry", *of) for of in _OF_STACK), (*PART, "layers"), *((*PART, "deck", *of) for of in _OF_STACK))
"""Where layers are listed."""
FILES = (
    ("geometry", "mesh"),
    *((*path, "*", "material", "pattern", "map") for path in LAYER_LISTS),
    ("workload", "network", "file"),
    *(("workload", *of, "data", key) for of in (("network",), ()) for key in ("file", "inputs", "labels")),
    ("workload", "trace", "file"),
    ("power", "trace", "file"),
    ("transient", "initial", "result"),
    ("transient", "surroundings", "file"),
    ("mission", "*", "trace", "file"),
)
"""Keys that name a file whose content belongs to the case, `*` in each of a list; a relative name counts from its deck."""


SHIPPED = "stack3d:"
"""Before the name of a file that the package holds, counted from its library."""
_LIBRARY = Path(__file__).resolve().parents[1] / "library"
MOST_BYTES = 16e9
"""Of a file that a deck names."""
MOST_TABLE = 10e6
"""Largest table of a device. [byte]"""
MOST_SHOWN = 250
"""Letters of a path that a message repeats whole."""


def named_files(tree: Any) -> Iterator[tuple[tuple[str | int, ...], Any, str]]:
    """Path, holder and last key of every file that a tree, or the values of a scenario, names."""
    for *inner, last in FILES:
        found: list[tuple[tuple[str | int, ...], Any]] = [((), tree)]
        for part in inner:
            found = [((*path, key), node) for path, holder in found for key, node in _below(holder, part)]
        for path, node in found:
            if isinstance(node, dict) and isinstance(node.get(last), str):
                yield (*path, last), node, last


def _below(holder: Any, part: str) -> Iterator[tuple[str | int, Any]]:
    """What lies in a mapping under a key, or in a list under each index."""
    if part == "*":
        yield from enumerate(holder if isinstance(holder, list | tuple) else ())
    elif isinstance(holder, dict) and part in holder:
        yield part, holder[part]


def anchor(tree: Mapping, folder_of: Callable[[FileLine], Path]) -> None:
    """Make the names of files absolute; a name of an override that is not beside the deck counts from the working folder."""
    for _, node, last in named_files(tree):
        place, path = node.places[last], Path(node[last])
        if node[last].startswith(SHIPPED) and ".." not in path.parts:
            path = _LIBRARY / node[last].removeprefix(SHIPPED)
        beside = folder_of(place) / path
        is_here = place[0].startswith(SET) and not isfile(beside)
        if "\0" not in node[last]:
            node[last] = realpath(path if is_here else beside)


def portable(tree: Any) -> Any:
    """A plain tree whose files of the package are named as such, so that it can be read on another machine."""
    for _, node, last in named_files(tree):
        if (path := Path(node[last])).is_relative_to(_LIBRARY):
            node[last] = f"{SHIPPED}{path.relative_to(_LIBRARY).as_posix()}"
    return tree


def check(tree: Mapping) -> list[Problem]:
    """Files that cannot be read, or are not those that the deck states."""
    problems = []
    for path, node, last in named_files(tree):
        place, file = node.places[last], node[last]
        try:
            digest = file_digest(Path(file))
        except DeckError as error:
            shown = file if len(file) <= MOST_SHOWN and file.isprintable() else brief(file)
            problems.append(Problem(dotted(path), f"{shown} {error.problems[0].message}", *place))
            continue
        stated = node.get("sha256")
        if stated and last == "file" and digest != stated:
            problems.append(Problem(dotted(path), f"{file} has SHA-256 {digest[:12]}…, the deck says {stated[:12]}…", *place))
    return problems


def content_of(name: str) -> str:
    """Digest of a file that a deck names, with those that the file names in turn."""
    file = Path(name)
    return file_digest(file) + (_digest_beside(file) if file.suffix == ".onnx" else "")


@cache
def _digest(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


LOCATION = re.compile(rb"\x0a\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])")
"""How an ONNX file begins the name of a file that holds one of its weights: an entry of a map, then the length of the name."""


def _digest_beside(model: Path) -> str:
    """Digests of the files in and below a model's folder in which it keeps weights."""
    content, folder = model.read_bytes(), model.parent.resolve()
    found = set()
    for match in LOCATION.finditer(content):
        low, high = [*match[1], 0][:2]
        name = content[match.end() : match.end() + (low & 0x7F) + 128 * high]
        target = folder / name.decode(errors="replace")
        if isfile(target) and (target := target.resolve()).is_relative_to(folder):
            found.add(target)
    return "".join(file_digest(p) for p in sorted(found))


def file_digest(path: Path) -> str:
    """SHA-256 of a file; raises DeckError when it cannot be read."""
    try:
        status = _status(path)
        return _digest(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DeckError(Problem("", f"cannot be read: {reason}", yamlfile.shown(path))) from None


def _status(path: Path) -> stat_result:
    """Of an ordinary file that is not too large; raises OSError, and ValueError for a name that no file has."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise ValueError("no ordinary file" if not isdir(path) else "a folder")
    if status.st_size > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES / 1e9:g} GB, the most that is read")
    return status


def read_tables(device: Any) -> list[Problem]:
    """Replace every ``table: file.csv`` of a device's mechanisms by its columns; file names count from the deck.

    A column ``sd [uS]`` becomes ``sd: ["0.1 uS", …]``, as it could be written in the deck itself.
    """
    problems = []
    mechanisms = device.get("mechanisms") if isinstance(device, Mapping) else None
    for name, mechanism in mechanisms.items() if isinstance(mechanisms, Mapping) else ():
        table = mechanism.get("table") if isinstance(mechanism, Mapping) else None
        if isinstance(table, str):
            place = mechanism.places["table"]
            try:
                mechanism["table"] = _columns(Path(realpath(Path(place[0]).parent / table)))
            except (OSError, ValueError) as error:
                problems.append(Problem(f"mechanisms.{name}.table", f"{table} cannot be read as a table: {error}", *place))
    return problems


def _columns(path: Path) -> dict[str, list[str]]:
    """Name → cells with their unit; raises ValueError with the line of a row that does not fit the titles."""
    if _status(path).st_size > MOST_TABLE:
        raise ValueError(f"larger than {MOST_TABLE / 1e6:g} MB, the most that is read")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            lines = [(row, reader.line_num) for row in reader if row and not row[0].startswith("#")]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
    if not lines:
        raise ValueError("it is empty; wanted a line of titles and a line per row")
    (header, _), *rows = lines
    titles = [title.strip().removesuffix("]").partition(" [") for title in header]
    names = [name for name, _, _ in titles]
    if twice := repeated(names):
        raise ValueError(f"column {brief(twice[0])} comes twice")
    for row, line in rows:
        if len(row) != len(header):
            raise ValueError(f"line {line}: {len(row)} values for {len(header)} columns")
    return {name: [f"{row[index].strip()} {unit}".strip() for row, _ in rows] for index, (name, _, unit) in enumerate(titles)}
