"""What levers have done: ranked, in words and as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d.errors import DeckError, Problem, ResultsError
from stack3d.layout import Floats
from stack3d.schema.scenario import Scenario
from stack3d.study.job import DONE
from stack3d.study.lever_list import Lever
from stack3d.study.lever_trials import FREE, Trial, trial_of
from stack3d.study.plan import Found
from stack3d.study.points import KeyValue
from stack3d.units import short

if TYPE_CHECKING:
    import xarray as xr

CHIPS = 16
"""Of a trial, unless ``monte_carlo.samples`` is set by hand."""
FEWEST = 4
"""Chips of a trial."""
MOST_TOLD = 3
"""Levers that are told on the terminal."""


def few_chips(scenario: Scenario, by_hand: Any, asks: str) -> list[KeyValue]:
    """What every trial sets: few chips, and nothing but the accuracy of them.

    Parameters
    ----------
    scenario : Scenario
    by_hand : int or None
        Chips, where they are set by hand.
    asks : str
        Who asks, for messages.

    Raises
    ------
    DeckError
        For a scenario without an accuracy, and too few chips.
    """
    if scenario.workload is None:
        raise DeckError(Problem("workload", f"{asks} weighs points of accuracy: it wants a workload and a device"))
    if by_hand is not None and scenario.monte_carlo.samples < FEWEST:
        raise DeckError(Problem("monte_carlo.samples", f"{asks} wants at least {FEWEST} chips to tell a gain from chance"))
    few: list[KeyValue] = [] if by_hand is not None else [("monte_carlo.samples", CHIPS)]
    if scenario.lifetime is not None:
        few += [("lifetime.attribution", False), ("lifetime.band", False)]
    return few


class LeverVerdict:
    """Trials of some levers on the same chips, the first case without any.

    Parameters
    ----------
    levers : sequence of Lever
    """

    def __init__(self, levers: Sequence[Lever]) -> None:
        self.levers = levers
        self.accuracy: list[Floats] = []
        self.energy: list[float] = []
        self.trials: list[Trial | None] = []
        self.reasons: list[str] = []

    def judge(self, found: Sequence[Found]) -> None:
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

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """What was found, a column each along the cases.

        Parameters
        ----------
        names : sequence of str
            Of the cases, the first as it is.
        """
        trials = [None, *self.trials] if self.trials else [None] * len(names)
        columns = {
            name: [math.nan if t is None else float(getattr(t, name)) for t in trials] for name in ("gain", "chance", "cost")
        }
        per_energy = [t.gain / t.cost if t and not t.is_free and t.cost > 0 else math.nan for t in trials]
        ranks = {id(trial): rank for rank, (_, trial) in enumerate(self.ranked, 1)}
        return {
            **columns,
            "gain_per_energy": per_energy,
            "is_lever": [int(bool(t and t.is_lever)) for t in trials],
            "rank": [ranks.get(id(t), 0) for t in trials],
            "lever": list(names),
            "verdict": self.verdict(),
        }


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
