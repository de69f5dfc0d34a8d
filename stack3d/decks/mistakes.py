"""Mistakes of a deck with file, line and dotted key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stack3d import yamlfile
from stack3d.errors import MOST_MISTAKES, Problem
from stack3d.yamlfile import Mapping

SET = "--set"
"""Stands for a file in the places of what overrides set."""


def dotted(path: Sequence[str | int]) -> str:
    """Key as it is written with dots and indices."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def translate(error: Any, tree: Any, model: Any, at: tuple[str | int, ...] = ()) -> list[Problem]:
    """Turn a pydantic ValidationError below `at` into problems with file and line.

    Parameters
    ----------
    error : pydantic.ValidationError
    tree : Mapping
        What was validated, with its lines.
    model : type of DeckModel
        By which it was validated.
    at : tuple of str or int
        Keys that lead from the root to `tree`.
    """
    from stack3d.decks.wording import MISSING, lacking_in, message_of, path_of

    problems = []
    errors = error.errors(include_url=False)
    n_left_out = max(0, len(errors) - MOST_MISTAKES)
    errors = _without_short(errors[:MOST_MISTAKES])
    lacking = lacking_in(errors, model)
    for item in sorted(errors, key=lambda one: one["type"] == "missing"):  # beside an unknown key is told what is lacking
        path = path_of(item)
        message = message_of(item, path, model, lacking)
        if message is None:
            continue
        if item["type"] == "missing" and not message.startswith(MISSING):
            path = path[:-1]
        full = (*at, *path)
        if isinstance(path[-1] if path else None, int) and not isinstance(_value(tree, full[:-1]), list):
            full = full[:-1]  # one number that stands for several
        place = _set_below(tree, full) or yamlfile.locate(tree, full) or (None, None)
        problems.append(Problem(dotted(full), message, *place))
    if n_left_out:
        problems.append(Problem("", f"and {n_left_out} more mistakes", *(getattr(tree, "here", None) or (None, None))))
    return list(dict.fromkeys(problems))


def _set_below(tree: Any, path: Sequence[str | int]) -> yamlfile.FileLine | None:
    """Where keys of a mapping come from of which some were set on the command line: they do not go with the others."""
    node = _value(tree, path)
    places = node.places.values() if isinstance(node, Mapping) else ()
    return next((place for place in places if place[0] == SET), None)


def _without_short(errors: Sequence[Any]) -> list[Any]:
    """Mistakes without lists that are too short only because items of theirs are wrong."""
    below = {item["loc"][:depth] for item in errors for depth in range(len(item["loc"]))}
    return [item for item in errors if item["type"] != "too_short" or item["loc"] not in below]


def _value(tree: Any, path: Sequence[str | int]) -> Any:
    """What stands at a path, None where nothing does."""
    for part in path:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def index_of(part: str) -> int | str:
    """Part of a dotted key as an index where it is one."""
    return int(part) if len(part) < 10 and part.isascii() and part.isdigit() else part


DOTTED = ("limits", "transient.initial")
"""Keys whose own keys may hold a dot: names of layers of parts, and of blocks."""


def steps_of(key: str) -> list[str]:
    """Keys and indices of a dotted key; the names below those in `DOTTED` are whole."""
    plain = key.replace("[", ".").replace("]", "")
    for above in DOTTED:
        if plain.startswith(f"{above}."):
            return [*above.split("."), plain.removeprefix(f"{above}.")]
    return plain.split(".")


def placed(problem: Problem, tree: Mapping) -> Problem:
    """Problem with the file and line of its key, unless it has them, or its key is an option of the command line."""
    if not problem.key or problem.key.startswith("-"):
        return problem
    place = yamlfile.locate(tree, tuple(index_of(p) for p in steps_of(problem.key))) or (None, None)
    return problem if problem.file else Problem(problem.key, problem.message, *place)
