"""What levers have done: ranked, in words and as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d.errors import DeckError, Problem, ResultsError
from stack3d.schema.scenario import Scenario
from stack3d.study.job import DONE
from stack3d.study.lever_list import Lever
from stack3d.study.lever_trials import FREE, Measured, Trial, trial_of
from stack3d.study.plan import Found
from stack3d.study.points import KeyValue
from stack3d.unit_text import shared_prefix, short, significant

if TYPE_CHECKING:
    import xarray as xr

CHIPS = 16
"""Of a trial, unless ``monte_carlo.samples`` is set by hand."""
FEWEST = 4
"""Chips of a trial."""
MORE = "; more chips (monte_carlo.samples) and test inputs (workload.test_samples) make it smaller"
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
        self.measured: list[Measured] = []
        self.trials: list[Trial | None] = []
        self.reasons: list[str] = []

    def judge(self, found: Sequence[Found]) -> None:
        """Accuracy and energy of every case, and what each lever has done."""
        for one in found:
            if one.status == DONE:
                self.measured.append(measured(one.tree))
            else:
                self.reasons.append(one.error.partition("\n")[0])
                self.measured.append(Measured(np.empty(0), np.empty(0), math.nan))
        base, *others = self.measured
        tried = [bool(base.accuracy.size) and one.accuracy.size == base.accuracy.size for one in others]
        self.trials += [trial_of(base, one, sum(tried)) if is_whole else None for one, is_whole in zip(others, tried)]

    @property
    def ranked(self) -> list[tuple[Lever, Trial]]:
        """Levers that ran, the best first, those within chance behind."""
        pairs = [(lever, trial) for lever, trial in zip(self.levers, self.trials) if trial is not None]
        return sorted(pairs, key=lambda pair: pair[1].order)

    def verdict(self) -> list[str]:
        """The strongest levers, and what is within chance."""
        if not self.trials or not self.measured[0].accuracy.size:
            return [f"no lever was tried: {'; '.join(dict.fromkeys(self.reasons)) or 'none applies'}"]
        ranked, base = self.ranked, self.measured[0]
        real = [pair for pair in ranked if pair[1].is_lever]
        worse = sum(-trial.gain > trial.chance for _, trial in ranked)
        lines = [
            f"what would mend it: {len(ranked)} levers tried on {base.accuracy.size} chips, {base.by_input.size} test inputs,"
            f" {100 * base.accuracy.mean():.2f} % at the end; {len(real)} gain more than chance, {worse} lose more,"
            f" {len(ranked) - len(real) - worse} lie within it{'' if real else MORE}"
        ]
        lines += [f"{i}. {lever.told}: {self.told(trial)}" for i, (lever, trial) in enumerate(real[:MOST_TOLD], 1)]
        lost = sum(trial is None for trial in self.trials)
        return lines + [
            f"{lost} {'lever has' if lost == 1 else 'levers have'} no result: {'; '.join(dict.fromkeys(self.reasons))}"
        ] * bool(lost)

    def told(self, trial: Trial) -> str:
        """Gain, chance and price of a lever."""
        points = f"{100 * trial.gain:+.2f} ± {100 * trial.chance:.2f} points"
        if math.isnan(trial.cost):
            return points
        if trial.is_free:
            saved = -trial.cost > FREE * self.measured[0].energy
            return f"{points}, {f'saves {short(-trial.cost, "J")}' if saved else 'no more energy'} per inference"
        size, unit = self._unit
        each = 100 * trial.gain * size / trial.cost
        return f"{points} for {significant(trial.cost / size)} {unit} more per inference, {each:.3g} points per {unit}"

    @property
    def _unit(self) -> tuple[float, str]:
        """Of the costs of all levers that have one, so that their points per energy can be compared: its size, and its name."""
        return shared_prefix((t.cost for t in self.trials if t is not None and t.is_lever and not t.is_free), "J")

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


def measured(tree: xr.DataTree) -> Measured:
    """What a case tells at the end, before the next periodic act; raises ResultsError where it tells no accuracy."""
    found = []
    for group, name in (("mvm", "accuracy_worst"), ("power", "energy_per_inference")):
        array = tree.children[group].dataset.get(name) if group in tree.children else None
        if array is None:
            raise ResultsError(f"the result has no {group}/{name}")
        found.append(array.isel(time=-1) if "time" in array.dims else array)
    accuracy, energy = found
    chips = np.atleast_1d(np.asarray(accuracy.values, dtype=np.float64))
    by_input = tree["mvm"].dataset.get("input_accuracy_worst")
    if by_input is None:  # of a version that did not tell inputs apart
        by_input = np.full(int(tree["mvm/confusion"].isel(time=-1).sum()) // chips.size, np.nan)
    return Measured(chips, np.asarray(by_input, dtype=np.float64), float(energy.sum(skipna=False)))
