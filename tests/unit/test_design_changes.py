"""What one change of the chosen design would give, by hand."""

from __future__ import annotations

from stack3d.schema.optimise import VaryDeck
from stack3d.study.designing.changes import changes, changes_told, ties_told
from stack3d.study.designing.designs import DesignSpace
from stack3d.study.designing.judged import JudgedDesign
from stack3d.study.designing.outcomes import DesignOutcome
from stack3d.study.goals import Goal, Limit

VARY = {"cooling.top": ["forced_air", "cold_plate"], "geometry.tiers.repeat": [2, 4, 8]}


def outcome(design: tuple[int, int], watts: float, missed: float) -> DesignOutcome:
    return DesignOutcome(JudgedDesign(design, (watts,), (missed / 50,)), (watts,), (missed,))


def test_one_change_away_and_what_it_gives() -> None:
    """Better and feasible first; what differs in two choices, and what has no value, is left out."""
    space = DesignSpace(VaryDeck.model_validate(VARY))
    goal, limit = Goal.parse("heat_in", minimise=True), Limit.parse("temperature_max <= 85 degC")
    done = [outcome((1, 1), 2.0, -5.0), outcome((1, 0), 1.0, -1.0), outcome((0, 1), 0.5, 30.0), outcome((0, 2), 9.0, -9.0)]
    done += [outcome((1, 2), 4.0, -7.0), DesignOutcome(JudgedDesign((0, 1), (), ()), reason="fails")]
    found = changes(space, done, [goal], 0)
    assert [(c.case, c.gains, c.is_feasible) for c in found] == [(1, (1.0,), True), (4, (-2.0,), True), (2, (1.5,), False)]
    assert changes_told(space, done, [goal], [limit], 0) == [
        "one change: tiers 2: heat_in = 1 W (50.0 % better)",
        "one change: tiers 8: heat_in = 4 W (100.0 % worse)",
        "one change: cooling forced_air: heat_in = 500 mW (75.0 % better), misses temperature_max <= 85 degC by 30 K",
    ]


def test_designs_as_good_as_the_chosen_one_are_told() -> None:
    """Within a thousandth, conditions met: what they set in place of what the chosen one does."""
    space = DesignSpace(VaryDeck.model_validate(VARY))
    done = [outcome((1, 2), 4.0, -1.0), outcome((1, 0), 4.003, -1.0), outcome((1, 1), 4.0, -1.0)]
    done += [outcome((0, 1), 4.2, -1.0), outcome((0, 0), 4.0, 0.1)]
    goals = [Goal.parse("heat_in", minimise=True)]
    assert ties_told(space, done, goals, 0) == ["a tie: 2 other designs are as good within 0.1 %: tiers 2; tiers 4"]
    assert ties_told(space, done, goals, 3) == []
