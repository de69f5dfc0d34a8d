"""Every mistake of a study without running it; of a large one its values and a part of its cases, made as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat, zip_longest
from os.path import isfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stack3d import memory
from stack3d.case import check, odd_values, warning_of
from stack3d.decks import Case, named_paths
from stack3d.errors import DeckError, Problem, UntriedError
from stack3d.study.expect import mistakes
from stack3d.study.optimising import Optimisation
from stack3d.study.plan import SECTIONS, StudyDraft, n_layers
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
MOST_LETTERS = 30_000_000
"""Of conditions, read again for every combination that is looked at."""
LOOK = 1500
"""Letters of conditions that count as much as making a combination."""
LAYER = 2
"""Values that a layer of a stack counts as, with those that a repetition makes."""
LETTERS = 80
"""Of a text that count as a value."""


@dataclass(frozen=True)
class Checked:
    """What is known of one case, or of the study.

    Parameters
    ----------
    label : str
    error : DeckError or None
    warning : str or None
        What there is to say of a case without mistakes.
    odd : tuple of str
        Values that are hardly meant, with their places.
    """

    label: str
    error: DeckError | None = None
    warning: str | None = None
    odd: tuple[str, ...] = ()


class _Seen(NamedTuple):
    """Of one case: its mistakes, or what there is to say of it; and how many layers it has."""

    error: DeckError | None
    warning: str | None = None
    layers: int = 0
    odd: tuple[str, ...] = ()


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
    weight = _weight(draft)
    most = _most(draft, every or len(draft.points) <= FEW, weight)
    is_large = len(draft.points) > most
    told: set[str] = set()
    waiting: dict[str, None] = {}
    n = n_wrong = 0
    left, point, looks = MOST_VALUES, None, Looks(draft)
    for point in _watched(islice(looks.chosen(), most) if is_large else iter(draft), draft.name, min(most, len(draft.points))):
        if point.dropped is not None:
            continue
        n += 1
        error, warning, layers, odd = _mistakes(draft, point)
        n_wrong += error is not None
        waiting |= dict.fromkeys(odd)
        if error is not None and str(error) not in told:
            told.add(str(error))
            yield Checked(draft.label(point), error)
        elif error is None and not is_large:
            yield Checked(draft.label(point), warning=warning, odd=odd)
        left -= max(weight, LAYER * layers)
        if is_large and n >= FEW and left < 0:
            break
    if n == 0:
        yield _none(draft, point, looks)
    elif is_large and not n_wrong:
        said = f"{draft.name}: {len(draft.points)} cases, {n} of them in full; --all and a run check every case"
        yield Checked(said, odd=tuple(waiting))


def _watched(points: Iterator[Point], name: str, total: int) -> Iterator[Point]:
    """The points, with a word on how far the check is."""
    watch = WATCHED.get()
    for looked, point in enumerate(points):
        if watch is not None and looked % CASES_TOLD == CASES_TOLD - 1:
            watch(f"checking {name}", looked, total)
        yield point


def _none(draft: StudyDraft, point: Point | None, looks: Looks) -> Checked:
    """What is said where no case was found that the conditions leave."""
    if looks.are_all or point is None:
        return Checked(draft.name, draft.all_dropped(point) if point is not None else None)
    said = f"{looks.made} of its {len(draft.points)} cases were looked at, and sweep.where drops each of them"
    return Checked(draft.name, warning=f"{said}; --all and a run look at every case")


def _shown(study: Optimisation | UncertaintyStudy, every: bool) -> Iterator[Checked]:
    """Mistakes of cases that show every value, each told once; of very many the first; else one line on what was checked."""
    study.check_ends()
    told: set[str] = set()
    waiting: dict[str, None] = {}
    most, watch, n = _most(study.draft, False, _weight(study.draft)), WATCHED.get(), 0
    points = (point for point in study.shown() if point.dropped is None)
    for n, point in enumerate(points if every else islice(points, most), 1):
        if watch is not None and n % CASES_TOLD == 0:
            watch(f"checking {study.name}", n, max(most, n))
        error, *_, odd = _mistakes(study.draft, point)
        waiting |= dict.fromkeys(odd)
        if error is not None and str(error) not in told:
            told.add(str(error))
            yield Checked(f"{study.name} [{point.text}]", error)
    if not told:
        which = "that show every value" if next(points, None) is None else "evenly chosen; --all and a run check every value"
        yield Checked(f"{study.name}: {study.told}, {n} of them checked, {which}", odd=tuple(waiting))


def _most(draft: StudyDraft, every: bool, weight: int) -> int:
    """Cases that are checked in full."""
    return len(draft.points) if every else max(FEW, MOST_VALUES // weight)


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
    if isinstance(node, str):
        return 1 + len(node) // LETTERS
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + sum(map(_values, inside))


def _mistakes(draft: StudyDraft, point: Point) -> _Seen:
    """All mistakes of one case, or warnings; and how many layers it has."""
    case: Case | None = None
    warning, layers, odd = None, 0, list[Problem]()
    try:
        case = draft.case(point)
        layers = n_layers(case)
        wrong = mistakes(case.scenario)
        try:
            with memory.sparing():
                chip = check(case.scenario)
                warning, odd = warning_of(chip), odd_values(chip)
        except UntriedError as error:
            warning = f"has a network that was not tried, nor what follows from it: {error}"
        except DeckError as error:
            wrong += error.problems
        if wrong:
            return _Seen(draft.in_sweep(DeckError(case.locate(wrong))), layers=layers)
        return _Seen(None, warning, layers, tuple(map(str, case.locate(odd))))
    except DeckError as error:
        return _Seen(error, layers=layers)


class Looks:
    """Combinations of a large study that its conditions leave, as far as they are found in `MOST_LETTERS`.

    Parameters
    ----------
    draft : StudyDraft
    """

    def __init__(self, draft: StudyDraft) -> None:
        self.draft, self.points = draft, draft.points
        self.most = max(TRIES, MOST_LETTERS // (LOOK + sum(len(c.text) for c in self.points.conditions)))
        self.made = 0
        self.rng = np.random.default_rng(1)
        self._last: Point | None = None

    @property
    def are_all(self) -> bool:
        """Whether every combination was looked at, or could have been."""
        return len(self.points) <= self.most

    def chosen(self) -> Iterator[Point]:
        """Points that show the values of the axes in turn, evenly, the ends first, each with others by chance; then by chance.

        Where none is found, the last one that was looked at, with the condition that drops it.
        """
        seen: set[tuple[int, ...]] = set()
        places = ((axis, at) for axis, at in self._in_turn() if at is not None)
        for axis, position in chain(places, repeat((0, None), len(self.points))):
            if self.made >= self.most:
                break
            found = next((p for p in self._by_chance(axis, position) if p.dropped is None), None)
            if found is not None and found.index not in seen:
                seen.add(found.index)
                yield found
        if not seen and self.are_all:
            yield from islice((p for p in self.draft if p.dropped is None), 1)
        if not seen and self._last is not None:
            yield self._last

    def _in_turn(self) -> Iterator[tuple[int, int | None]]:
        for positions in zip_longest(*(ends_first(n) for n in self.points.shape)):
            yield from enumerate(positions)

    def _by_chance(self, axis: int, position: int | None) -> Iterator[Point]:
        for _ in range(min(TRIES, self.most - self.made)):
            index = [int(self.rng.integers(n)) for n in self.points.shape]
            if position is not None:
                index[axis] = position
            self.made += 1
            self._last = self.draft.at(tuple(index))
            yield self._last
