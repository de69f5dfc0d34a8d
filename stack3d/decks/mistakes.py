"""Mistakes of a deck with file, line and dotted key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stack3d import yamlfile
from stack3d.errors import MOST_MISTAKES, Problem, brief
from stack3d.yamlfile import Mapping


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
    problems = []
    errors = error.errors(include_url=False)
    n_left_out = max(0, len(errors) - MOST_MISTAKES)
    errors = errors[:MOST_MISTAKES]
    misspelt = _misspelt(errors, model)
    for item in errors:
        if item["type"] == "missing" and item["loc"] in misspelt:
            continue
        path = _path(item)
        full = (*at, *path)
        if isinstance(path[-1] if path else None, int) and not isinstance(_value(tree, full[:-1]), list):
            full = full[:-1]  # one number that stands for several
        place = yamlfile.locate(tree, full) or (None, None)
        problems.append(Problem(dotted(full), _message(item, path, model), *place))
    if n_left_out:
        problems.append(Problem("", f"and {n_left_out} more mistakes", *(getattr(tree, "here", None) or (None, None))))
    return list(dict.fromkeys(problems))


def _misspelt(errors: Sequence[Any], model: Any) -> set[tuple[str | int, ...]]:
    """Places of keys that are missing only because their name is misspelt."""
    from stack3d.schema.usual_words import meant

    found: set[tuple[str | int, ...]] = set()
    for item in errors:
        if item["type"] == "extra_forbidden":
            *parents, wrong = item["loc"]
            found |= {(*parents, near) for near in meant(str(wrong), _keys_at(model, parents), most=1)}
    return found


def _path(item: Any) -> tuple[str | int, ...]:
    """Keys that lead to a mistake, without the branches of a choice, which end in a bracket."""
    *parents, last = item["loc"] or ("",)
    path = tuple(p for p in parents if isinstance(p, int) or not p.endswith("]"))
    if item["type"] == "extra_forbidden" or isinstance(last, int) or not last.endswith("]"):
        return (*path, last) if item["loc"] else ()
    return path


def _message(item: Any, path: Sequence[str | int], model: Any) -> str:
    from stack3d.schema.usual_words import did_you_mean

    message, kind = str(item["msg"]), item["type"]
    if kind == "extra_forbidden":
        allowed = _keys_at(model, path[:-1])
        return f"unknown key {brief(path[-1])}{did_you_mean(str(path[-1]), allowed)}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in ("too_short", "too_long") and "ctx" in item:
        short = kind == "too_short"
        wanted = item["ctx"]["min_length" if short else "max_length"]
        return f"wants {wanted} {'or more' if short else 'at most'}, got {item['ctx'].get('actual_length', 'more')}"
    if not isinstance(item["input"], (dict, list)):
        return f"{message[0].lower()}{message[1:]} (got {brief(item['input'])})"
    return message


def _value(tree: Any, path: Sequence[str | int]) -> Any:
    """What stands at a path, None where nothing does."""
    for part in path:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _keys_at(model: Any, path: Sequence[str | int]) -> list[str]:
    """Keys allowed at a path below a model, found by walking its annotations."""
    from typing import get_args

    from stack3d.schema.base import Described, names_of

    def models_in(annotation: Any) -> list[Any]:
        if isinstance(annotation, type) and issubclass(annotation, Described):
            return [annotation]
        return [m for a in get_args(annotation) for m in models_in(a)]

    current = [model]
    for part in path:
        if isinstance(part, str):
            steps = [m.annotation_of(part) for m in current]
            current = [m for s in steps for m in models_in(s)] or current
    return [name for m in current for name in names_of(m)]


def index_of(part: str) -> int | str:
    """Part of a dotted key as an index where it is one."""
    return int(part) if len(part) < 10 and part.isascii() and part.isdigit() else part


def placed(problem: Problem, tree: Mapping) -> Problem:
    """Problem with the file and line of its key, unless it has them."""
    if not problem.key:
        return problem
    pieces = problem.key.replace("]", "").replace("[", ".").split(".")
    place = yamlfile.locate(tree, tuple(index_of(p) for p in pieces)) or (None, None)
    return problem if problem.file else Problem(problem.key, problem.message, *place)
