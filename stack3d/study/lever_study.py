"""What would mend a chip: every lever of a list tried at few chips, ranked by what its points of accuracy cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d.errors import EXIT_SOME_FAILED, DeckError, Problem, ResultsError
from stack3d.layout import Floats
from stack3d.study.job import DONE, FAILED, Report
from stack3d.study.lever_list import PACKAGED, Lever, levers_for, read_levers
from stack3d.study.lever_trials import FREE, Trial, trial_of
from stack3d.study.plan import Found, StudyDraft
from stack3d.study.points import KeyValue, Point
from stack3d.study.search import Search, Steps
from stack3d.study.sections import STUDIES, as_asked
from stack3d.units import short

if TYPE_CHECKING:
    import xarray as xr

CHIPS = 16
"""Of a trial, unless ``monte_carlo.samples`` is set by hand."""
FEWEST = 4
"""Chips of a trial."""
MOST_TOLD = 3
"""Levers that are told on the terminal."""


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
        if scenario.workload is None:
            raise DeckError(Problem("workload", "--levers weighs points of accuracy: it wants a workload and a device"))
        by_hand = dict(overrides).get("monte_carlo.samples")
        if by_hand is not None and scenario.monte_carlo.samples < FEWEST:
            raise DeckError(
                Problem("monte_carlo.samples", f"--levers wants at least {FEWEST} chips to tell a gain from chance")
            )
        few: list[KeyValue] = [] if by_hand is not None else [("monte_carlo.samples", CHIPS)]
        if scenario.lifetime is not None:
            few += [("lifetime.attribution", False), ("lifetime.band", False)]
        super().__init__(source, self._walk, [*overrides, *few], draft.tree)
        self.name = f"{draft.name}_levers"
        self.base = self.draft.case(Point((), (), ""))
        listed = read_levers(PACKAGED) | ({} if more is None else read_levers(more))
        found = levers_for(self.base, listed)
        kept = {digest: lever for lever in found if (digest := self._digest(lever)) is not None}
        self.levers = list(kept.values())
        self.n_listed = len(listed)
        self.accuracy: list[Floats] = []
        self.energy: list[float] = []
        self.trials: list[Trial | None] = []
        self.reasons: list[str] = []

    def _digest(self, lever: Lever) -> str | None:
        """Of the case with a lever; None where it makes none, or the same one."""
        try:
            digest = self.draft.case(Point((0,), tuple(lever.sets.items()), lever.name)).digest()
        except DeckError:
            return None
        return None if digest == self.base.digest() else digest

    @property
    def n_expected(self) -> int:
        """The case as it is, and one for each lever."""
        return len(self.levers) + 1

    def text_of(self, number: int, overrides: Sequence[KeyValue]) -> str:
        """Name of a case: its lever."""
        return self.levers[number - 1].told if number else "as it is"

    def _walk(self) -> Steps:
        found = yield [{}, *(dict(lever.sets) for lever in self.levers)]
        self._judge(found)

    def _judge(self, found: Sequence[Found]) -> None:
        """Accuracy and energy of every case, and what each lever has done."""
        for one in found:
            accuracy, energy = np.full(0, np.nan), math.nan
            if one.status == DONE:
                accuracy, energy = measured(one.tree)
            else:
                self.reasons.append(one.error.partition("\n")[0])
            self.accuracy.append(accuracy)
            self.energy.append(energy)
        base = self.accuracy[0]
        tried = [bool(base.size) and one.size == base.size for one in self.accuracy[1:]]
        for i, is_whole in enumerate(tried, 1):
            pair = self.energy[0], self.energy[i]
            self.trials.append(trial_of(base, self.accuracy[i], pair, sum(tried)) if is_whole else None)

    @property
    def ranked(self) -> list[tuple[Lever, Trial]]:
        """Levers that ran, the best first, those within chance behind."""
        pairs = [(lever, trial) for lever, trial in zip(self.levers, self.trials) if trial is not None]
        return sorted(pairs, key=lambda pair: pair[1].order)

    def verdict(self) -> list[str]:
        """The strongest levers, and what is within chance."""
        if not self.trials or not self.accuracy[0].size:
            return [f"no lever was tried: {'; '.join(dict.fromkeys(self.reasons)) or 'none applies'}"]
        ranked, base = self.ranked, self.accuracy[0]
        real = [pair for pair in ranked if pair[1].is_lever]
        worse = sum(-trial.gain > trial.chance for _, trial in ranked)
        lines = [
            f"what would mend it: {len(ranked)} levers tried on {base.size} chips of {100 * base.mean():.2f} % at the end;"
            f" {len(real)} gain more than chance, {worse} lose more, {len(ranked) - len(real) - worse} lie within it"
        ]
        lines += [f"{i}. {lever.told}: {self.told(trial)}" for i, (lever, trial) in enumerate(real[:MOST_TOLD], 1)]
        lost = sum(trial is None for trial in self.trials)
        return lines + [f"{lost} levers have no result: {'; '.join(dict.fromkeys(self.reasons))}"] * bool(lost)

    def told(self, trial: Trial) -> str:
        """Gain, chance and price of a lever."""
        points = f"{100 * trial.gain:+.2f} ± {100 * trial.chance:.2f} points"
        if math.isnan(trial.cost):
            return points
        if trial.is_free:
            saved = -trial.cost > FREE * self.energy[0]
            return f"{points}, {f'saves {short(-trial.cost, "J")}' if saved else 'no more energy'} per inference"
        number, unit = short(trial.cost, "J").split()
        each = 100 * trial.gain / float(number)
        return f"{points} for {number} {unit} more per inference, {each:.3g} points per {unit}"

    def manifest(self, until: str | None) -> dict[str, Any]:
        """With what was found so far."""
        trials = [None, *self.trials] if self.trials else [None] * len(self.entries)
        columns = {
            name: [math.nan if t is None else float(getattr(t, name)) for t in trials] for name in ("gain", "chance", "cost")
        }
        per_energy = [t.gain / t.cost if t and not t.is_free and t.cost > 0 else math.nan for t in trials]
        ranks = {id(trial): rank for rank, (_, trial) in enumerate(self.ranked, 1)}
        found: dict[str, Any] = {
            **columns,
            "gain_per_energy": per_energy,
            "is_lever": [int(bool(t and t.is_lever)) for t in trials],
            "rank": [ranks.get(id(t), 0) for t in trials],
            "lever": [self.text_of(i, ()) for i in range(len(self.entries))],
            "verdict": self.verdict(),
        }
        return {**super().manifest(until), "levers": found}

    def conclude(self, folder: Path) -> Report:
        """Say what was found."""
        lines = tuple(self.verdict())
        if not self.trials or all(trial is None for trial in self.trials):
            return Report(self.name, FAILED, None, lines, EXIT_SOME_FAILED, is_verdict=True)
        return Report(self.name, DONE, folder, lines, is_verdict=True)


def measured(tree: xr.DataTree) -> tuple[Floats, float]:
    """Accuracy of each chip at the end, before the next periodic act, and the energy of an inference then; [-], [J]."""
    found = []
    for group, name in (("mvm", "accuracy_worst"), ("power", "energy_per_inference")):
        array = tree.children[group].dataset.get(name) if group in tree.children else None
        if array is None:
            raise ResultsError(f"the result has no {group}/{name}")
        found.append(array.isel(time=-1) if "time" in array.dims else array)
    accuracy, energy = found
    return np.atleast_1d(np.asarray(accuracy.values, dtype=np.float64)), float(energy.sum(skipna=False))
