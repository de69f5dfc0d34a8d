"""Which levers a scenario has: changes of a list, the packaged one or one's own, that its decks have a place for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack3d import decks, yamlfile
from stack3d.decks import Case
from stack3d.errors import DeckError, label_of
from stack3d.schema.levers import ChangeDeck, LeverDeck, LeverListDeck
from stack3d.schema.sweep import NUMBER
from stack3d.study.points import SHORT

PACKAGED = Path(__file__).resolve().parents[1] / "library" / "levers.yaml"
"""The list that comes with the program."""


@dataclass(frozen=True)
class Lever:
    """One change of a scenario.

    Parameters
    ----------
    name : str
        Of its list.
    told : str
        What it changes, in words.
    sets : mapping of str to value
        Dotted key → value.
    """

    name: str
    told: str
    sets: Mapping[str, Any]


def read_levers(path: Path) -> dict[str, LeverDeck]:
    """Levers of a list; raises DeckError with every mistake and its line."""
    from pydantic import ValidationError

    tree = yamlfile.read(path)
    try:
        return LeverListDeck.model_validate(tree).levers
    except ValidationError as error:
        raise DeckError(decks.translate(error, tree, LeverListDeck)) from None


def levers_for(case: Case, levers: Mapping[str, LeverDeck]) -> list[Lever]:
    """Levers whose keys the scenario has something for; whether what they make is a valid case is not yet known."""
    return [lever for name, deck in levers.items() for lever in _levers(case, name, deck)]


def _levers(case: Case, name: str, deck: LeverDeck) -> Iterator[Lever]:
    if not all(_present(case, key) for key in deck.wants):
        return
    values = [list(_values(case, key, change)) for key, change in deck.change.items()]
    for chosen in itertools.product(*values):
        sets = dict(zip(deck.change, chosen))
        said = [f"{SHORT.get(k, k.rpartition('.')[2])} {label_of(v)}" for k, v in sets.items() if not isinstance(v, Mapping)]
        yield Lever(name, f"{deck.title} ({', '.join(said)})" if said else deck.title, sets)


def _values(case: Case, key: str, change: ChangeDeck) -> Iterator[Any]:
    """What a key may become; nothing where the scenario has no place for it."""
    section = key.partition(".")[0]
    if getattr(case.scenario, section, None) is None:
        return
    now = _present(case, key)
    if change.to is not None:
        if now is None or not isinstance(change.to, Mapping):
            yield change.to
    elif change.of is not None:
        yield from filter(None, (_present(case, change.of),))
    elif change.add is not None:
        yield from _added(now, change.add)
    elif change.times is not None:
        yield from _multiplied(decks.value_at(case.tree, key), change.times)
    else:
        entries = change.next or change.others or []
        at = next((i for i, entry in enumerate(entries) if entry == now), None)
        if at is not None:
            yield from entries[at + 1 : at + 2] if change.next else [*entries[:at], *entries[at + 1 :]]


def _added(now: Any, more: float) -> Iterator[Any]:
    """A number and more; a whole one stays whole."""
    if isinstance(now, int | float) and not isinstance(now, bool):
        yield int(now + more) if isinstance(now, int) and more == int(more) else now + more


def _multiplied(written: Any, factor: float) -> Iterator[Any]:
    """A number as written times a factor, with its unit."""
    match = NUMBER.match(str(written)) if isinstance(written, str | int | float) else None
    if match is not None and not isinstance(written, bool):
        number = float(match[1]) * factor
        yield f"{number:.9g} {match[2]}" if match[2] else number


def _present(case: Case, key: str) -> Any:
    """What a scenario has at a dotted key, defaults included; the name of a deck; None where there is nothing."""
    node: Any = case.scenario
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else getattr(node, part, None)
    return node if isinstance(node, Mapping) else getattr(node, "name", node)
