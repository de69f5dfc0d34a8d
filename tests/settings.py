"""Scalar settings of decks as written, each changed by a fifth (zero: to a fifth of its unit), and the outputs of small cases."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import decks, yamlfile
from stack3d.case import run_case
from stack3d.errors import DeckError, Stack3dError
from stack3d.heat.solvers import Backends
from stack3d.progress import Silent

KEPT = Backends()
"""Solvers of all cases: most settings leave the mesh alone."""
NUMBER = re.compile(r"^\s*([+-]?\d[\d_.]*(?:[eE][+-]?\d+)?)(.*)$", re.S)
TEXT = ("source", "assumed", "title", "name", "scenario", "licence", "sha256")
"""Keys that only describe."""
Override = tuple[str, Any]


@dataclass(frozen=True)
class Setting:
    """A scalar of a deck, or a list of them, by its key within the deck."""

    kind: str
    deck: str
    key: str
    value: Any

    def __str__(self) -> str:
        return f"{self.kind}/{self.deck}:{self.key}"


def leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers, quantities and switches below a node of a deck, with their dotted keys."""
    if isinstance(node, Mapping):
        for name, child in node.items():
            if name not in TEXT:
                yield from leaves(child, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list) and any(isinstance(item, (Mapping, list)) for item in node):
        for i, item in enumerate(node):
            yield from leaves(item, f"{key}.{i}")
    elif changed(node, 1.2) is not None:
        yield key, node


def changed(value: Any, factor: float) -> Any:
    """A value times a factor, whole numbers by one at least, switches the other way; None for what is no number."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return max(int(np.ceil(factor * value)), value + 1) if factor > 1 else min(int(factor * value), value - 1)
    if isinstance(value, float):
        return value * factor if value else factor - 1.0
    if isinstance(value, list):
        new = [changed(item, factor) for item in value]
        return new if new and None not in new else None
    if isinstance(value, str):
        return _text(value, factor)
    return None


def _text(value: str, factor: float) -> str | None:
    """A quantity, or both ends of an interval."""
    if value.startswith("[") and "]" in value:
        ends, _, unit = value[1:].partition("]")
        new = [_text(end, factor) for end in ends.split(",")]
        return None if None in new else f"[{', '.join(map(str, new))}]{unit}"
    found = NUMBER.match(value)
    if not found:
        return None
    number = float(found[1].replace("_", ""))
    return f"{number * factor if number else factor - 1.0!r}{found[2]}"


def settings(kind: str) -> list[Setting]:
    """All of the packaged decks of a kind."""
    found = []
    for name, path in sorted(decks.available(kind).items()):
        tree = yamlfile.parse_text(Path(path).read_text(encoding="utf-8"), name)
        found += [Setting(kind, name, key, _plain(value)) for key, value in leaves(tree)]
    return found


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, list) else value


class Refusal(str):
    """The sentence that a deck was refused with: no output of a case."""


def outputs(scenario: str | Path, overrides: tuple[Override, ...], until: str | None) -> dict[str, Any] | str:
    """Every output variable and warning of a case; the sentence of its failure where it fails, a `Refusal` where it is no case."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case = decks.load(scenario, list(overrides)).scenario
            outcome = run_case(case, Silent(), backends=KEPT, until=until if until == "thermal" else None)
    except DeckError as error:
        return Refusal(error)
    except Stack3dError as error:
        return str(error)
    return {**outcome.values, "warnings": np.array(outcome.warnings), "summary": np.array(outcome.summary)}


def differ(one: dict[str, Any] | str, other: dict[str, Any] | str) -> bool:
    """Whether any output is another."""
    if isinstance(one, str) or isinstance(other, str):
        return bool(one != other)
    if one.keys() != other.keys():
        return True
    return any(
        np.shape(v) != np.shape(w) or not np.array_equal(v, w, equal_nan=v.dtype.kind == "f")
        for v, w in ((np.asarray(one[n]), np.asarray(other[n])) for n in one)
    )
