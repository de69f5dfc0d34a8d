"""Every mistake of a study without running it; of a large one its values and a part of its cases, made as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from os.path import isfile
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.case import check, warning_of
from stack3d.decks import Case, named_paths
from stack3d.errors import DeckError
from stack3d.study.expect import mistakes
from stack3d.study.optimising import Optimisation
from stack3d.study.plan import SECTIONS, StudyDraft
from stack3d.study.planning import adaptive
from stack3d.study.points import KeyValue, Point, ends_first
from stack3d.study.uncertainty import UncertaintyStudy
from stack3d.yamltree import WATCHED

MOST_VALUES = 25_000
"""Values of decks, spelled out, that are checked of a study: those of 31 cases of a chip, of 300 small thermal ones."""
SHARED = 30
"""Values of what all cases share, which count as one."""
BYTES = 200
"""Of files that a case reads, which count as a value."""
FEW = 2
"""Cases that are checked however large."""
CASES_TOLD = 100
"""Cases from one word on how far the check is to the next."""
TRIES = 20
"""Combinations asked for a value until one is not dropped."""


@dataclass(frozen=True)
class Checked:
    """What is known of one case, or of the study.

    Parameters
    ----------
    label : str
    error : DeckError or None
    warning : str or None
        What there is to say of a case without mistakes.
    """

    label: str
    error: DeckError | None = None
    warning: str | None = None


def checked(path: str | Path, overrides: Sequence[KeyValue] = (), *, every: bool = False) -> Iterator[Checked]:
    """Check the cases of a scenario; a mistake that all of them share is told once.

    Parameters
    ----------
    path : str or Path
    overrides : sequence of (key, value)
    every : bool
        Check every case of a large study, however long it takes.

    Yields
    ------
    Checked
        Per case; of a study with more than `MOST_VALUES`, per mistake, and at the end one line on what was checked.
    """
    try:
        draft = StudyDraft(path, overrides)
        found = adaptive(draft, path, overrides)
        yield from _checked(draft, every) if found is None else _shown(found, every)
    except DeckError as error:
        yield Checked(str(path), error)


def _checked(draft: StudyDraft, every: bool) -> Iterator[Checked]:
    most = _most(draft, every or len(draft.points) <= FEW)
    is_large = len(draft.points) > most
    told: set[str] = set()
    n = n_wrong = 0
    point, watch = None, WATCHED.get()
    for looked, point in enumerate(islice(_chosen(draft), most) if is_large else draft):
        if watch is not None and looked % CASES_TOLD == CASES_TOLD - 1:
            watch(f"checking {draft.name}", looked, min(most, len(draft.points)))
        if point.dropped is not None:
            continue
        n += 1
        error, warning = _mistakes(draft, point)
        n_wrong += error is not None
        if error is not None and str(error) not in told:
            told.add(str(error))
            yield Checked(draft.label(point), error)
        elif error is None and not is_large:
            yield Checked(draft.label(point), warning=warning)
    if n == 0:
        yield Checked(draft.name, draft.all_dropped(point) if point is not None else None)
    elif is_large and not n_wrong:
        yield Checked(f"{draft.name}: {len(draft.points)} cases, {n} of them in full; --all and a run check every case")


def _shown(study: Optimisation | UncertaintyStudy, every: bool) -> Iterator[Checked]:
    """Mistakes of cases that show every value, each told once; of very many the first; else one line on what was checked."""
    study.check_ends()
    told: set[str] = set()
    most, watch, n = _most(study.draft, False), WATCHED.get(), 0
    points = (point for point in study.shown() if point.dropped is None)
    for n, point in enumerate(points if every else islice(points, most), 1):
        if watch is not None and n % CASES_TOLD == 0:
            watch(f"checking {study.name}", n, max(most, n))
        error, _ = _mistakes(study.draft, point)
        if error is not None and str(error) not in told:
            told.add(str(error))
            yield Checked(f"{study.name} [{point.text}]", error)
    if not told:
        which = "that show every value" if next(points, None) is None else "evenly chosen; --all and a run check every value"
        yield Checked(f"{study.name}: {study.told}, {n} of them checked, {which}")


def _most(draft: StudyDraft, every: bool) -> int:
    """Cases that are checked in full."""
    return len(draft.points) if every else max(FEW, MOST_VALUES // _weight(draft))


def _weight(draft: StudyDraft) -> int:
    """Values of the first case that is not dropped, decks spelled out, its files counted."""
    point = next((p for p in islice(draft, TRIES) if p.dropped is None), None)
    try:
        tree = draft.tree if point is None else draft.case(point).tree
    except DeckError:
        tree = draft.tree
    named = [Path(node[last]) for _, node, last in named_paths.named_files(tree)]
    own = sum(_values(value) for key, value in tree.items() if key not in SECTIONS)
    shared = sum(_values(tree.get(key)) for key in SECTIONS)
    return own + shared // SHARED + sum(file.stat().st_size for file in named if isfile(file)) // BYTES


def _values(node: Any) -> int:
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + sum(map(_values, inside))


def _mistakes(draft: StudyDraft, point: Point) -> tuple[DeckError | None, str | None]:
    """All mistakes of one case, or a warning."""
    case: Case | None = None
    warning = None
    try:
        case = draft.case(point)
        wrong = mistakes(case.scenario)
        try:
            warning = warning_of(check(case.scenario))
        except DeckError as error:
            wrong += error.problems
        return (DeckError(case.locate(wrong)), None) if wrong else (None, warning)
    except DeckError as error:
        return error, None


def _chosen(draft: StudyDraft) -> Iterator[Point]:
    """Points that show the values of the axes in turn, evenly, the ends first, each with others by chance; then by chance."""
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

    orders = [ends_first(n) for n in points.shape]
    for positions in zip_longest(*orders):
        for axis, position in enumerate(positions):
            if position is not None:
                yield from fresh(by_chance(axis, position))
    for _ in range(len(points)):
        yield from fresh(by_chance())
    if not seen:
        yield draft.at(tuple(0 for _ in points.shape))
