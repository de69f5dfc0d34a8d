"""What would mend a chip: every lever of a list tried at few chips, ranked by what its points of accuracy cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stack3d.errors import EXIT_SOME_FAILED, DeckError, Problem
from stack3d.study.job import DONE, FAILED, Report
from stack3d.study.lever_list import PACKAGED, Lever, levers_for, read_levers
from stack3d.study.lever_verdict import LeverVerdict, few_chips
from stack3d.study.plan import StudyDraft
from stack3d.study.points import KeyValue, Point
from stack3d.study.search import Search, Steps
from stack3d.study.sections import STUDIES, as_asked


class LeverStudy(Search):
    """A scenario of one case as it is, and with each lever that applies to it.

    Parameters
    ----------
    source : str or Path
        Scenario, by path or by name.
    overrides : sequence of (key, value)
        Of every case.
    more : Path, optional
        A list of levers beside the packaged one; a name that both have is that of this one.

    Raises
    ------
    DeckError
        For a scenario that is a study or has no accuracy, and a wrong list.
    """

    def __init__(self, source: str | Path, overrides: Sequence[KeyValue] = (), more: Path | None = None) -> None:
        draft = StudyDraft(source, overrides)
        studies = ["sweep"] * bool(draft.axes) + [word for word in STUDIES if as_asked(draft, word).get(word) is not None]
        if studies:
            raise DeckError(Problem(studies[0], f"--levers wants a single case: leave {studies[0]} away"))
        scenario = draft.case(Point((), (), "")).scenario
        few = few_chips(scenario, dict(overrides).get("monte_carlo.samples"), "--levers")
        super().__init__(source, self._walk, [*overrides, *few], draft.tree)
        self.name = f"{draft.name}_levers"
        self.base = self.draft.case(Point((), (), ""))
        own = {} if more is None else read_levers(more)
        listed, kept = read_levers(PACKAGED) | own, dict[str, Lever]()
        self.left_out = dict.fromkeys(own, "the scenario has nothing that it changes")
        """Levers of one's own that are not tried, and why."""
        for lever in levers_for(self.base, listed):
            try:
                kept[self._digest(lever)] = lever
            except DeckError as error:
                self.left_out |= {lever.name: str(error).partition("\n")[0]} if lever.name in own else {}
        self.left_out = {name: why for name, why in self.left_out.items() if name not in {one.name for one in kept.values()}}
        self.levers = list(kept.values())
        self.n_listed = len(listed)
        self.found = LeverVerdict(self.levers)

    def _digest(self, lever: Lever) -> str:
        """Of the case with a lever; raises DeckError where it makes none, or the same one."""
        digest = self.draft.case(Point((0,), tuple(lever.sets.items()), lever.name)).digest()
        if digest == self.base.digest():
            raise DeckError("it changes nothing")
        return digest

    @property
    def n_expected(self) -> int:
        """The case as it is, and one for each lever."""
        return len(self.levers) + 1

    def text_of(self, number: int, overrides: Sequence[KeyValue]) -> str:
        """Name of a case: its lever."""
        return self.levers[number - 1].told if number else "as it is"

    def _walk(self) -> Steps:
        found = yield [{}, *(dict(lever.sets) for lever in self.levers)]
        self.found.judge(found)

    def verdict(self) -> list[str]:
        """The strongest levers, and what is within chance."""
        return [*self.found.verdict(), *(f"lever {name} was not tried: {why}" for name, why in self.left_out.items())]

    def manifest(self, until: str | None) -> dict[str, Any]:
        """With what was found so far."""
        names = [self.text_of(i, ()) for i in range(len(self.entries))]
        return {**super().manifest(until), "levers": self.found.columns(names)}

    def conclude(self, folder: Path) -> Report:
        """Say what was found."""
        lines = tuple(self.verdict())
        if all(trial is None for trial in self.found.trials):
            return Report(self.name, FAILED, None, lines, EXIT_SOME_FAILED, is_verdict=True)
        return Report(self.name, DONE, folder, lines, is_verdict=True)
