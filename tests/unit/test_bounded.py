"""What is told and looked at is bounded, whatever the deck: overlaps, mistakes, names, positions of an axis."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_study

from stack3d import decks, study
from stack3d.errors import MOST_MISTAKES, DeckError, Problem, nearest_names
from stack3d.layout import Rectangle, overlapping
from stack3d.study import checks, expect
from stack3d.study.points import Points, ends_first, in_order


def test_overlaps_are_those_of_every_pair() -> None:
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 1, (200, 2))
    boxes = np.hstack([corner, corner + rng.uniform(0, 0.15, (200, 2))])
    made = [Rectangle(x0, x1, y0, y1) for x0, y0, x1, y1 in boxes]
    wanted = {(i, j) for i in range(200) for j in range(i) if made[i].overlaps(made[j])}
    found = list(overlapping(boxes))
    assert len(found) == len(set(found)) and set(found) == wanted and len(wanted) > 100


def test_rectangles_that_touch_do_not_overlap() -> None:
    boxes = np.array([[0, 0, 1, 1], [1, 0, 2, 1], [0, 1, 1, 2], [0.5, 0.5, 1.5, 1.5]], float)
    assert sorted(overlapping(boxes)) == [(3, 0), (3, 1), (3, 2)]


def test_of_many_mistakes_the_first_are_told_and_the_others_counted() -> None:
    error = DeckError([Problem(f"k{i}", "is wrong", "a.yaml", i + 1) for i in range(5000)])
    assert len(error.problems) == MOST_MISTAKES + 1
    assert str(error.problems[-1]) == f"a.yaml:{MOST_MISTAKES + 1}: k{MOST_MISTAKES}: and {5000 - MOST_MISTAKES} more mistakes"
    assert len(str(Problem("k", "known: " + ", ".join(map(str, range(10**5)))))) < 2000


def test_a_thousand_blocks_on_one_place_are_told_once_each(tmp_path: Path) -> None:
    block = '{{name: b{i}, x: ["0.1 mm", "0.2 mm"], y: ["0.1 mm", "0.2 mm"], material: silicon}}'
    path = small_study.write(tmp_path, "{}")
    blocks = ", ".join(block.format(i=i) for i in range(1000))
    path.write_text(path.read_text().replace("role: rram,", f"role: rram, blocks: [{blocks}],"))
    [one] = study.checked(path)
    assert one.error is not None and len(one.error.problems) == MOST_MISTAKES + 1
    assert "overlaps block" in str(one.error.problems[0])


@pytest.mark.parametrize("n", [1, 2, 3, 10, 257])
def test_positions_come_ends_first_and_once(n: int) -> None:
    found = list(ends_first(n))
    assert sorted(found) == list(range(n)) and set(found[:2]) == {0, n - 1}


def test_a_large_study_is_checked_in_part_unless_all_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_VALUES", 1000)
    sweep = "{power.sources.spot.power: {values}, cooling.ambient: ['290 K', '300 K']}"
    values = [f"{1 + i / 1000:.3f} W" for i in range(40)]
    values[17] = "1 K"
    path = small_study.write(tmp_path, sweep.replace("{values}", str(values)))
    [told] = [one.error for one in study.checked(path, every=True) if one.error]
    assert "'K' is no unit of power" in str(told)
    part = list(study.checked(path))
    assert len(part) == 1


@pytest.mark.parametrize(("count", "limit"), [(1_000_000, "0 K"), (1_000_000, "290.0001 K"), (300, "0 K")])
def test_conditions_that_drop_nearly_all_are_asked_a_bounded_number_of_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, limit: str
) -> None:
    sample = f"{{count: {count}, keys: {{cooling.ambient: {{from: 290 K, to: 300 K}}}}}}"
    path = small_study.write(tmp_path, f"{{sample: {sample}, where: \"ambient < '{limit}'\"}}")
    asked: list[int] = []
    at = Points.at
    monkeypatch.setattr(Points, "at", lambda points, index: asked.append(1) or at(points, index))
    [one] = study.checked(path)
    assert len(asked) < 25_000
    if count == 300:
        assert one.error is not None and "drops all 300 cases" in str(one.error)
    else:
        assert one.error is None and one.warning is not None
        assert re.search(r"\d+ of its 1000000 cases were looked at, and sweep.where drops each of them", one.warning)


def test_what_a_point_sets_comes_in_the_order_of_its_keys() -> None:
    """Each key before those below it, the others as they were; of a thousand in as many steps."""
    assert in_order([("a.b.c", 1), ("x", 2), ("a.b", 3), ("a", 4), ("a.bc", 5)]) == (
        ("x", 2),
        ("a", 4),
        ("a.b", 3),
        ("a.bc", 5),
        ("a.b.c", 1),
    )
    counted = sum(1 for _ in traced(lambda: in_order([(f"limits.die{i}", i) for i in range(1000)])))
    assert counted < 20_000


def traced(call: Callable[[], object]) -> list[str]:
    """Events of Python while something is called."""
    events: list[str] = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        call()
    finally:
        sys.setprofile(None)
    return events


def test_near_names_of_a_great_many_are_sought_among_a_part() -> None:
    assert nearest_names("silicone", ["silicon", *(f"n{i}" for i in range(10**5))]) == ["silicon"]


def _many(line: str, n: int, before: str = "", after: str = "") -> str:
    return before + "".join(line.format(i=i, x=i / 1000) for i in range(n)) + after


SHAPES: dict[str, Callable[[int], str]] = {
    "layers": lambda n: small_study.STUDY.replace(
        "  tiers:\n", _many('    - {{name: l{i}, thickness: "1 um", material: silicon}}\n', n, after="  tiers:\n")
    ),
    "sources": lambda n: small_study.STUDY.replace(
        "cooling:", _many('    - {{name: s{i}, layer: die, power: "1 mW"}}\n', n, after="cooling:")
    ),
    "aliases": lambda n: small_study.STUDY + _many("  k{i}: *a\n", n, before="junk: &a {x: 1}\nmore:\n"),
    "swept values": lambda n: small_study.STUDY + _many("  - 1{i} K\n", n, before="sweep:\n  cooling.ambient:\n"),
    "designs": lambda n: (
        small_study.STUDY
        + _many('"1{i:04} K", ', n, before="optimise: {minimise: heat_in, budget: 4, vary: {cooling.ambient: [", after="]}}\n")
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_work_goes_with_the_size_of_a_deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str) -> None:
    """Steps that Python takes, which no clock tells: of a deck of twice the size about twice as many."""
    monkeypatch.setattr(checks, "MOST_VALUES", 1)
    path = tmp_path / "deck.yaml"

    def steps(n: int) -> int:
        path.write_text(SHAPES[shape](n))
        count = 0

        def counted(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(counted)
        try:
            list(study.checked(path))
        finally:
            sys.setprofile(None)
        return count

    steps(2)  # what is read once is read now
    one, two, four = steps(40), steps(80), steps(160)
    assert four - two < 2.3 * (two - one) + 1000, (one, two, four)


def test_of_a_search_among_thousands_as_many_cases_are_checked_as_of_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deck.yaml"
    path.write_text(SHAPES["designs"](5000))
    made, resolve = [], decks.resolve
    monkeypatch.setattr(checks, "MOST_VALUES", 10_000)
    monkeypatch.setattr(decks, "resolve", lambda *given: made.append(1) or resolve(*given))
    [told] = study.checked(path)
    assert told.error is None and "a search among 5000 designs" in told.label and "evenly chosen" in told.label
    assert 30 < len(made) < 100


def test_names_alike_are_sought_for_the_mistakes_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(expect, "did_you_mean", lambda name, names: asked.append(list(names)) or "")
    expected = {f"nothing_{i}": "[1, 2] K" for i in range(2000)}
    scenario = decks.load("quickstart").scenario.model_copy(update={"expect": expected})
    assert len(expect.mistakes(scenario)) == 2000
    assert sum(map(bool, asked)) == MOST_MISTAKES
