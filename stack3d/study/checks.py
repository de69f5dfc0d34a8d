"""Every mistake of a study without running it; of a large one its values and a part of its cases, made as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stack3d.case import check
from stack3d.decks import Case
from stack3d.errors import DeckError
from stack3d.study.expect import mistakes
from stack3d.study.plan import Draft
from stack3d.study.points import Override, Point

MOST_CHECKED = 1000
"""Cases of a study that are all checked."""
VALUES, COMBINATIONS = 300, 100
"""Of a larger study: cases that show its values one by one, and combinations by chance."""
TRIES = 20
"""Combinations asked for a value until one is not dropped."""


@dataclass(frozen=True)
class Checked:
    """What is known of one case, or of the study.

    Parameters
    ----------
    label : str
    error : DeckError or None
    """

    label: str
    error: DeckError | None = None


def checked(path: str | Path, overrides: Sequence[Override] = ()) -> Iterator[Checked]:
    """Check the cases of a scenario; a mistake that all of them share is told once.

    Yields
    ------
    Checked
        Per case; of a study of more than `MOST_CHECKED` cases, per mistake, and at the end one line on what was checked.
    """
    try:
        yield from _checked(Draft(path, overrides))
    except DeckError as error:
        yield Checked(str(path), error)


def _checked(draft: Draft) -> Iterator[Checked]:
    is_large = len(draft.points) > MOST_CHECKED
    told: set[str] = set()
    n = n_wrong = 0
    point = None
    for point in _chosen(draft) if is_large else draft:
        if point.dropped is not None:
            continue
        n += 1
        error = _mistakes(draft, point)
        n_wrong += error is not None
        if error is not None and str(error) not in told:
            told.add(str(error))
            yield Checked(draft.label(point), error)
        elif error is None and not is_large:
            yield Checked(draft.label(point))
    if n == 0:
        yield Checked(draft.name, draft.all_dropped(point) if point is not None else None)
    elif is_large and not n_wrong:
        yield Checked(f"{draft.name}: {len(draft.points)} cases; their values, and {n} cases in full; a run checks every case")


def _mistakes(draft: Draft, point: Point) -> DeckError | None:
    """All mistakes of one case."""
    case: Case | None = None
    try:
        case = draft.case(point)
        wrong = mistakes(case.scenario.expect)
        try:
            check(case.scenario)
        except DeckError as error:
            wrong += error.problems
        return DeckError(case.locate(wrong)) if wrong else None
    except DeckError as error:
        return error


def _chosen(draft: Draft) -> Iterator[Point]:
    """Points that show every value of each axis, evenly fewer of a long one, then combinations by chance."""
    points, rng = draft.points, np.random.default_rng(1)
    seen: set[tuple[int, ...]] = set()

    def by_chance(axis: int = 0, position: int | None = None) -> Iterator[Point]:
        for _ in range(TRIES):
            index = [int(rng.integers(n)) for n in points.shape]
            if position is not None:
                index[axis] = position
            yield draft.at(tuple(index))

    def fresh(candidates: Iterator[Point]) -> Iterator[Point]:
        found = next((p for p in candidates if p.dropped is None), None)
        if found is not None and found.index not in seen:
            seen.add(found.index)
            yield found

    each = max(2, VALUES // len(points.shape))
    for axis, n in enumerate(points.shape):
        for position in np.unique(np.linspace(0, n - 1, min(n, each)).round().astype(int)).tolist():
            yield from fresh(by_chance(axis, position))
    for _ in range(COMBINATIONS):
        yield from fresh(by_chance())
    if not seen:
        yield draft.at(tuple(0 for _ in points.shape))
