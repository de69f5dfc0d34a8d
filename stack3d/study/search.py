"""Plans that are not a sweep: cases that come up as results come in, and cases that are made already."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stack3d.decks import Case
from stack3d.errors import DeckError, Problem, ResultsError, label_of
from stack3d.study.absent import Named, check_present
from stack3d.study.plan import Entry, FixedPlan, Found, Plan, StudyDraft, Tree, with_case
from stack3d.study.points import Dimension, KeyValue, Point, columns_of, dimension_names


@dataclass(frozen=True)
class Beside:
    """Cases that help a search and do not count among its own.

    Parameters
    ----------
    sets : sequence of mapping
        What each of them sets.
    name : str
        Of what they are for.
    more : sequence of (key, value)
        Set after that.
    until : {"thermal"}, optional
        Where they stop.
    labels : sequence of str
        Of the cases, where what they set says it badly.
    """

    sets: Sequence[Mapping[str, Any]]
    name: str
    more: tuple[KeyValue, ...] = ()
    until: str | None = None
    labels: Sequence[str] = ()


Asked = Mapping[str, Any] | Sequence[Mapping[str, Any]] | Beside
"""What one case sets (dotted key → value), or each of several."""
Steps = Generator[Asked, list[Found], Any]
"""Yields what the next cases set, and is sent how they ended, in the same order."""


class Search(Plan):
    """Cases of a scenario that depend on the results of earlier ones: a bisection, an optimum, a sensitivity.

    The steps are run again from their beginning when a search is resumed: cases that are done answer at once, from their
    files. So nothing but the cases is stored, provided that the steps ask the same again for the same results: a random number
    comes from a seed.

    Parameters
    ----------
    source : str or Path
        Scenario, by path or by name; its own sweep is left aside.
    steps : callable
        Gives the generator of the steps.
    overrides : sequence of (key, value)
        Of every case.
    tree : Mapping, optional
        The scenario, where it is read already.

    Raises
    ------
    DeckError
        When the file cannot be read.
    """

    is_adaptive = True

    def __init__(
        self,
        source: str | Path,
        steps: Callable[[], Steps],
        overrides: Sequence[KeyValue] = (),
        tree: Tree | None = None,
    ) -> None:
        self.draft = StudyDraft(source, [*overrides, ("sweep", {})], tree)
        super().__init__(self.draft.name, self.draft.source, overrides)
        self.title = self.draft.title
        self._steps, self._entries, self._begun = steps(), list[Entry](), False

    def next(self, found: Sequence[Found]) -> Sequence[Entry]:
        """What the steps yield for these results."""
        try:
            asked = self._steps.send(list(found)) if self._begun else next(self._steps)
        except StopIteration:
            return ()
        self._begun = True
        if isinstance(asked, Beside):
            sets = [tuple(each.items()) for each in asked.sets]
            labels = asked.labels or [self.text_of(0, overrides) for overrides in sets]
            return [self._beside(asked, *each) for each in zip(sets, labels, strict=True)]
        several = [asked] if isinstance(asked, Mapping) else list(asked)
        if not several or not all(isinstance(each, Mapping) for each in several):
            raise ResultsError("search: a step yields a mapping of dotted keys, or a list of some; end the steps by return")
        new = [self._entry(len(self._entries) + i, tuple(each.items())) for i, each in enumerate(several)]
        self._entries += new
        return new

    def _entry(self, number: int, overrides: tuple[KeyValue, ...]) -> Entry:
        point = Point((number,), overrides, self.text_of(number, overrides))
        entry = Entry(point, f"{self.name} [{point.text}]")
        try:
            return with_case(entry, self.draft.case(point))
        except DeckError as error:
            return Entry(point, entry.label, error=error)

    def check_present(self, asked: Named, cases: Sequence[Case], place: Callable[[Problem], Problem]) -> None:
        """Refuse expressions that name what none of some cases can have; raises DeckError.

        Parameters
        ----------
        asked : sequence of Expression
        cases : sequence of Case
            That show what the search varies.
        place : callable
            Gives a problem its file and line.
        """
        check_present(asked, [case.scenario for case in cases], place)

    def _beside(self, asked: Beside, overrides: tuple[KeyValue, ...], text: str) -> Entry:
        point = Point((0,), overrides, f"{asked.name}: {text}")
        entry = Entry(point, f"{self.name} [{point.text}]", more=asked.more, until=asked.until)
        try:
            return with_case(entry, self.draft.case(replace(point, overrides=(*overrides, *asked.more))))
        except DeckError as error:
            return replace(entry, error=error)

    def text_of(self, number: int, overrides: Sequence[KeyValue]) -> str:
        """Name of a case: what it sets."""
        return _text(overrides)

    @property
    def entries(self) -> Sequence[Entry]:
        """Cases asked for so far."""
        return self._entries

    @property
    def axes(self) -> Sequence[Dimension]:
        """One: the cases in the order asked for, with what they set beside."""
        return (_listed([dict(entry.point.overrides) for entry in self._entries]),)


def plan_of_cases(cases: Sequence[Case]) -> FixedPlan:
    """Plan of cases of one name that are made already; several are listed along ``case``."""
    first = cases[0]
    many = len(cases) > 1
    entries = []
    for i, case in enumerate(cases):
        overrides = tuple((o.key, o.new) for o in case.overrides)
        point = Point((i,) if many else (), overrides, _text(overrides) or f"case {i}")
        entry = Entry(point, f"{case.name} [{point.text}]" if many else case.name, case=case)
        entries.append(with_case(entry, case))
    axes = (_listed([dict(e.point.overrides) for e in entries]),) if many else ()
    return FixedPlan(first.name, first.path or Path(f"{first.name}.yaml"), (), axes, entries)


def _text(overrides: Sequence[KeyValue]) -> str:
    return ", ".join(f"{key}={label_of(value)}" for key, value in overrides)


def _listed(sets: Sequence[Mapping[str, Any]]) -> Dimension:
    """Cases one after the other."""
    names = dimension_names(list(dict.fromkeys(key for chosen in sets for key in chosen)), {})
    return Dimension("case", "case", tuple(range(len(sets))), sets, lambda: columns_of(sets, names))
