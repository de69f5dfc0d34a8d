"""One noun, one meaning: no type name comes twice, classes of decks say so, and absence is a type, not an assertion."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from program_trees import trees

NO_DECKS = {"DeckModel", "Described", "ValueOrLawSchema", "RegisteredKeys", "SweepModel", "Scenario"}
"""What decks are made of, and what is run: a whole file of decks."""


def type_names(tree: ast.Module) -> Iterator[str]:
    """Classes but private ones, and aliases of types: assigned names that begin with a capital and hold small letters."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            if not node.name.startswith("_"):
                yield node.name
            continue
        named = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(named, ast.Name) and named.id[0].isupper() and not named.id.isupper():
            yield named.id


def test_no_type_name_comes_twice() -> None:
    places = defaultdict(list)
    for path, tree in trees().items():
        for name in type_names(tree):
            places[name].append(str(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_file_name_comes_twice() -> None:
    """``lifetime`` keeps the names of files that version 0.1 had."""
    places = defaultdict(list)
    for path in trees():
        if path.parts[0] != "lifetime" and not path.stem.startswith("__"):
            places[path.stem].append(str(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_classes_of_decks_say_so() -> None:
    wrong = []
    for path, tree in trees().items():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and path.parts[0] == "schema"]
        for node in classes:
            is_law = node.name.endswith("Law") or any(ast.unparse(base).endswith("Law") for base in node.bases)
            if not (is_law or node.name in NO_DECKS or node.name.startswith("_") or node.name.endswith("Deck")):
                wrong.append(f"{path}: {node.name}")
    assert wrong == []


def test_nothing_is_asserted() -> None:
    """What may be absent is another type; ``python -O`` leaves assertions out."""
    found = [f"{path}:{n.lineno}" for path, tree in trees().items() for n in ast.walk(tree) if isinstance(n, ast.Assert)]
    assert found == []
