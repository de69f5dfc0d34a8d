"""Decks with anything in them are answered by file and line; failures of the past are replayed."""

from pathlib import Path
from typing import Any

import pytest
from harness import SHORT_RUN, assert_answered, count, problems_of
from hypothesis import given, settings
from mutations import BASES, stuffed, torn, trees, written

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yaml"))


def assert_survived(folder: Path, content: bytes) -> None:
    path = folder / "deck.yaml"
    path.write_bytes(content)
    assert_answered(path)
    assert [p.name for p in folder.iterdir()] == ["deck.yaml"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decks")


@pytest.mark.parametrize("tree", BASES, ids=lambda tree: tree["scenario"])
def test_the_decks_before_their_mutation_are_sound(folder: Path, tree: dict[str, Any]) -> None:
    path = folder / "deck.yaml"
    path.write_text(written(tree))
    assert problems_of(path) == []


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_failures_of_the_past(path: Path) -> None:
    assert_answered(path)


@SHORT_RUN
@given(tree=trees())
def test_odd_values(folder: Path, tree: dict[str, Any]) -> None:
    assert_survived(folder, written(tree).encode("utf-8", "surrogatepass"))


@settings(SHORT_RUN, max_examples=10)
@given(content=stuffed())
def test_much_of_one_thing(folder: Path, content: bytes) -> None:
    assert_survived(folder, content)


@SHORT_RUN
@given(content=torn())
def test_torn_text(folder: Path, content: bytes) -> None:
    assert_survived(folder, content)


@pytest.mark.fuzz
@pytest.mark.parametrize("number", [1, 2, 3])
def test_odd_values_for_long(folder: Path, number: int) -> None:
    count(
        "values",
        number,
        folder,
        1700,
        trees(),
        lambda tree: assert_survived(folder, written(tree).encode("utf-8", "surrogatepass")),
    )


@pytest.mark.fuzz
@pytest.mark.parametrize("number", [1, 2, 3])
def test_torn_text_for_long(folder: Path, number: int) -> None:
    count("torn", number, folder, 1700, torn(), lambda content: assert_survived(folder, content))


@pytest.mark.fuzz
@pytest.mark.parametrize("number", [1, 2, 3])
def test_much_of_one_thing_for_long(folder: Path, number: int) -> None:
    count("stuffed", number, folder, 340, stuffed(), lambda content: assert_survived(folder, content))
