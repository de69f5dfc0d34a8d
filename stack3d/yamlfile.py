"""YAML 1.2 mappings that remember the file and line of each of their keys."""

from __future__ import annotations

from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

from stack3d.errors import DeckError, Problem

Place = tuple[str, int | None]


class Mapping(dict[str, Any]):
    """A YAML mapping; `places` holds (file, line) per key, `here` its own."""

    def __init__(self, here: Place) -> None:
        super().__init__()
        self.here = here
        self.places: dict[str, Place] = {}

    def put(self, key: str, value: Any, place: Place) -> None:
        """Set a key and where it comes from."""
        self[key] = value
        self.places[key] = place


class Items(list[Any]):
    """A YAML sequence; `places` holds (file, line) per item."""

    def __init__(self, here: Place) -> None:
        super().__init__()
        self.here = here
        self.places: list[Place] = []


def wrapped(value: Any, place: Place) -> Any:
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
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)


def _convert(node: Any, file: str, here: Place) -> Any:
    if isinstance(node, dict):
        out = Mapping(here)
        for key, value in node.items():
            line = node.lc.data[key][0] + 1 if key in (node.lc.data or {}) else here[1]  # type: ignore[attr-defined]
            place = (file, line)
            if not isinstance(key, str):
                raise DeckError(Problem(str(key), f"keys are text, got {key!r}", file, line))
            out.put(str(key), _convert(value, file, place), place)
        return out
    if isinstance(node, list):
        items = Items(here)
        for i, value in enumerate(node):
            data = getattr(node, "lc", None) and node.lc.data  # type: ignore[attr-defined]
            place = (file, data[i][0] + 1) if data and i in data else here
            items.append(_convert(value, file, place))
            items.places.append(place)
        return items
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def copy_of(node: Any) -> Any:
    """Deep copy of a parsed tree, with its places."""
    if isinstance(node, Mapping):
        out = Mapping(node.here)
        out.update((key, copy_of(value)) for key, value in node.items())
        out.places = dict(node.places)
        return out
    if isinstance(node, Items):
        items = Items(node.here)
        items.extend(copy_of(value) for value in node)
        items.places = list(node.places)
        return items
    return node


def parse_text(text: str, file: str) -> Any:
    """Parse YAML 1.2 text; raises DeckError with the line of a syntax error or a repeated key."""
    return copy_of(_parsed(text, file))


@lru_cache(maxsize=256)
def _parsed(text: str, file: str) -> Any:
    """Parse once: the cases of a study read the same decks over and over."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        node = YAML(typ="rt", pure=True).load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        problem = str(error.problem or error).splitlines()[0]
        raise DeckError(Problem("", f"not valid YAML: {problem}", file, line)) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise DeckError(Problem("", f"not valid YAML: {str(error).splitlines()[0]}", file)) from None
    return _convert(node, file, (file, 1))


def read(path: Path) -> Mapping:
    """Read one deck file; raises DeckError when it is missing, unreadable or no mapping."""
    name = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DeckError(Problem("", f"cannot be read: {reason}", name)) from None
    tree = parse_text(text, name)
    if not isinstance(tree, Mapping):
        came = "a list" if isinstance(tree, Items) else "nothing" if tree is None else f"{tree!r}"
        raise DeckError(Problem("", f"wants a mapping of keys at the top, got {came}", name, 1))
    return tree


def locate(tree: Any, path: tuple[str | int, ...]) -> Place | None:
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
