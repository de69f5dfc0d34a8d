"""Levers of the design that a search has chosen: what each would give, whatever the search itself may vary."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from stack3d.errors import DeckError
from stack3d.study.lever_list import PACKAGED, Lever, levers_for, read_levers
from stack3d.study.lever_verdict import LeverVerdict, few_chips
from stack3d.study.plan import Found, StudyDraft
from stack3d.study.points import Point, in_order
from stack3d.study.search import Beside

ALONG = "trial"
"""Dimension of the trials, which are no cases of the search."""


class ChosenLevers:
    """Trials of the packaged levers on one design.

    Parameters
    ----------
    draft : StudyDraft
    point : Point
        A design of the search, whose scenario is asked for accuracy.

    Raises
    ------
    DeckError
        For a scenario without an accuracy.
    """

    def __init__(self, draft: StudyDraft, point: Point) -> None:
        self._draft = draft
        self._few = few_chips(draft.case(point).scenario, None, "this")
        self.found = LeverVerdict(())

    def steps(self, point: Point) -> Generator[Beside, list[Found], None]:
        """The design as it is and with each lever that makes another case of it."""
        base = self._draft.case(point)
        kept = dict[str, tuple[Lever, dict[str, Any]]]()
        for lever in levers_for(base, read_levers(PACKAGED)):
            sets = dict(in_order([*{**dict(point.overrides), **lever.sets}.items()]))
            try:
                kept.setdefault(self._digest(sets), (lever, sets))
            except DeckError:
                continue
        kept.pop(base.digest(), None)
        self.found = LeverVerdict([lever for lever, _ in kept.values()])
        sets_of_all = [dict(point.overrides), *(sets for _, sets in kept.values())]
        self.found.judge((yield Beside(sets_of_all, "lever", tuple(self._few), labels=self.names)))

    def _digest(self, sets: dict[str, Any]) -> str:
        return self._draft.case(Point((0,), tuple(sets.items()), "")).digest()

    @property
    def names(self) -> Sequence[str]:
        """Of the trials, the first as the design is."""
        return ["as chosen", *(lever.told for lever in self.found.levers)]

    @property
    def lines(self) -> list[str]:
        """What was found, in words; none before the trials have run."""
        return [f"the chosen design, {line}" for line in self.found.verdict()] if self.found.trials else []

    def columns(self) -> dict[str, Any]:
        """What was found, a column each along the trials; none before they have run."""
        return {**self.found.columns(self.names), "along": ALONG} if self.found.trials else {}
