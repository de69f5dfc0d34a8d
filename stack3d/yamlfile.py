"""Deck files: read within limits, copied, and searched for the line of a key."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence, Set
from errno import EINVAL
from functools import lru_cache
from os.path import realpath
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from stack3d.errors import DeckError, Problem, few
from stack3d.yamltree import MOST_BYTES, FileLine, GrammarError, Items, Mapping, parsed

__all__ = [
    "GrammarError",
    "Items",
    "Mapping",
    "FileLine",
    "check_ordinary",
    "copy_of",
    "decimal_comma",
    "lines_of",
    "locate",
    "other_separator",
    "parse_text",
    "read",
    "read_text",
    "shown",
    "wrapped",
]

KEPT = 200_000
"""Characters of a text whose tree is kept for the next case."""


def wrapped(value: Any, place: FileLine) -> Any:
    """Plain dictionaries and lists as mappings and items of one place; what has places already stays."""
    if isinstance(value, (Mapping, Items)):
        return value
    if isinstance(value, dict):
        out = Mapping(place)
        for key, item in value.items():
            out.put(str(key), wrapped(item, place), place)
        return out
    if isinstance(value, (list, tuple)):
        items = Items(place)
        for item in value:
            items.append(wrapped(item, place))
            items.places.append(getattr(item, "here", place))
        return items
    return value


def shown(path: Path) -> str:
    """Path as a user would type it: relative to the working directory when below it."""
    try:
        return str(Path(realpath(path)).relative_to(realpath(Path.cwd())))
    except ValueError:
        return str(path)


def copy_of(node: Any, but: Set[str] = frozenset()) -> Any:
    """Deep copy of a parsed tree, with its places; what stands under the keys `but` of a mapping is shared."""
    if isinstance(node, Mapping):
        out = Mapping(node.here)
        out.update((key, value if key in but else copy_of(value)) for key, value in node.items())
        out.places = dict(node.places)
        return out
    if isinstance(node, Items):
        items = Items(node.here)
        items.extend(copy_of(value) for value in node)
        items.places = list(node.places)
        return items
    return node


def parse_text(text: str, file: str) -> Any:
    """Parse YAML 1.2 text; raises DeckError with the line of a syntax error, a repeated key or a limit of `yamltree`."""
    return copy_of(_parsed(text, file) if len(text) <= KEPT else parsed(text, file))


_parsed = lru_cache(maxsize=256)(parsed)
"""Parsed once: the cases of a study read the same decks over and over."""


def read(path: Path) -> Mapping:
    """Read one deck file; raises DeckError when it is missing, unreadable, too large or no mapping."""
    name = shown(path)
    tree = parse_text(read_text(path), name)
    if not isinstance(tree, Mapping):
        came = "a list" if isinstance(tree, Items) else "nothing" if tree is None else few(str(tree))
        raise DeckError(Problem("", f"wants a mapping of keys at the top, got {came}", name, 1))
    return tree


def title(path: Path) -> str:
    """Title of a deck file, empty where it has none; read from its one line where it stands on one.

    Raises
    ------
    DeckError
        When the file cannot be read.
    """
    plain = re.search(r"^title: +([^\W\d][^:#\n]*)$", read_text(path), re.MULTILINE)
    return plain[1].strip() if plain else str(read(path).get("title") or "")


def check_ordinary(path: Path) -> None:
    """Refuse to read a pipe or a device, which may have no end; raises OSError."""
    mode = path.stat().st_mode
    if not (S_ISREG(mode) or S_ISDIR(mode)):
        raise OSError(EINVAL, "no ordinary file")


def _not_waiting(path: str, flags: int) -> int:
    """Opens what has nothing to read yet, as some files of the system do, so that reading fails."""
    return os.open(path, flags | os.O_NONBLOCK)


MOST_OF_LINE = 1_000_000
"""Bytes of a line of a file that is read line by line."""


def lines_of(path: Path, most: int) -> Iterator[str]:
    """Lines of a UTF-8 file of at most so many bytes, one after the other; raises DeckError with file and line."""
    name, number = shown(path), 0
    try:
        check_ordinary(path)
        with open(path, "rb", opener=_not_waiting) as file:
            if os.fstat(file.fileno()).st_size > most:
                raise DeckError(Problem("", f"is larger than {most / 1e6:g} MB, the most that is read", name))
            while content := file.readline(MOST_OF_LINE + 1):
                number += 1
                if len(content) > MOST_OF_LINE:
                    raise DeckError(Problem("", f"has more than {MOST_OF_LINE} bytes", name, number))
                text = content.decode("utf-8-sig" if number == 1 else "utf-8")
                yield from re.split(r"\r\n?|\n", text.removesuffix("\n").removesuffix("\r"))
    except UnicodeDecodeError:
        raise DeckError(Problem("", "cannot be read: not UTF-8 text", name, number)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DeckError(Problem("", f"cannot be read: {reason}", name)) from None


def other_separator(titles: Sequence[str]) -> str:
    """What is said of the titles of a table that no commas tell apart; empty where there is nothing to say."""
    found = next(
        (f"{sign}s" for sign, mark in (("semicolon", ";"), ("tab", "\t")) if len(titles) == 1 and mark in titles[0]), ""
    )
    return found and f"{found} stand between its columns; put commas there, and points into its numbers"


def decimal_comma(row: Sequence[str], columns: int) -> str:
    """What is said of a row of so many columns whose numbers seem to have a comma in place of a point; else empty."""
    seems = len(row) > columns or any(re.fullmatch(r"\s*[-+]?\d+,\d+([eE][-+]?\d+)?\s*", text) for text in row)
    return "; numbers have a point, and no comma" if seems else ""


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """UTF-8 text of a file of at most so many bytes, without its byte order mark; raises DeckError with file and line."""
    name = shown(path)
    try:
        check_ordinary(path)
        with open(path, "rb", opener=_not_waiting) as file:
            content = file.read(most + 1) or b""  # None from what has nothing yet
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DeckError(Problem("", f"cannot be read: {reason}", name)) from None
    if len(content) > most:
        raise DeckError(Problem("", f"is larger than {most / 1e6:g} MB, the most that is read", name))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DeckError(Problem("", "cannot be read: not UTF-8 text", name, line)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def locate(tree: Any, path: tuple[str | int, ...]) -> FileLine | None:
    """(file, line) of the deepest part of `path` that exists in the tree."""
    node, place = tree, getattr(tree, "here", None)
    for part in path:
        if isinstance(node, Mapping) and part in node:
            place, node = node.places[str(part)], node[str(part)]
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node):
            place, node = node.places[part], node[part]
        else:
            break
    return place
