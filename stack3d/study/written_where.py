"""Where a scenario says what a case of its study sets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from stack3d import decks, yamlfile
from stack3d.errors import DeckError
from stack3d.yamlfile import FileLine, Mapping

WAYS = (("sweep",), ("optimise", "vary"), ("uncertain", "keys"))
"""Sections of which each case takes a value for every key."""


def in_study(tree: Mapping, error: DeckError, own: Collection[str] = ()) -> DeckError:
    """The error with the line of the study for what one of its points set.

    Parameters
    ----------
    tree : Mapping
        The scenario as written.
    error : DeckError
    own : collection of str
        Keys that were set by hand.
    """
    way = next((w for w in WAYS if w[0] in tree and w[0] not in own), None)
    if way is None:
        return error
    problems = []
    for problem in error.problems:
        is_swept = problem.file == decks.SET and problem.key not in own
        place = _place(tree, way, problem.key) if is_swept else None
        problems.append(replace(problem, file=place[0], line=place[1]) if place else problem)
    return type(error)(problems)


def _place(tree: Mapping, way: tuple[str, ...], key: str) -> FileLine | None:
    """Where a section names a key, or one above it; the section itself where several places do, or none."""
    section: Any = tree
    for part in way:
        section = section.get(part) if isinstance(section, dict) else None
    parts = key.replace("[", ".").replace("]", "").split(".")
    for name in (key, *(".".join(parts[:n]) for n in range(len(parts), 0, -1))):
        if found := list(_named(section, name)):
            return found[0] if len(found) == 1 else yamlfile.locate(tree, way)
    return yamlfile.locate(tree, way)


def _named(node: Any, name: str) -> Iterator[FileLine]:
    """Places of a key below a node."""
    if isinstance(node, Mapping) and name in node:
        yield node.places[name]
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _named(child, name)
