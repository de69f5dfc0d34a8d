"""What one change of the chosen design would give, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.report.change_charts import changes as drawn_changes
from stack3d.report.chart import COLOURS, DrawnBox
from stack3d.schema.optimise import VaryDeck
from stack3d.study.designing.changes import changes, changes_told, ties_told
from stack3d.study.designing.designs import DesignSpace
from stack3d.study.designing.judged import JudgedDesign, front_of
from stack3d.study.designing.outcomes import DesignOutcome
from stack3d.study.goals import Goal, Limit
from stack3d.unit_text import in_points, off_by, value_told

xr = pytest.importorskip("xarray")

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


def test_a_design_that_rounding_alone_keeps_on_the_front_leaves_it() -> None:
    """Energies within a millionth count as equal, so that the second goal decides; farther apart both stay."""
    goals = [(1.0 + 1e-8, 2.0), (1.0, 3.0), (1.0 - 1e-4, 3.0), (5.0, 1.0)]
    judged = [JudgedDesign((i,), g, ()) for i, g in enumerate(goals)]
    assert front_of(judged[:2]) == [0] and front_of(judged) == [0, 2, 3]
    chain = [JudgedDesign((i,), g, ()) for i, g in enumerate([(0.0, 0.7, 1.4), (0.7, 1.4, 0.0), (1.4, 0.0, 0.7)])]
    near = [JudgedDesign(one.design, tuple(1 + 1e-6 * g for g in one.goals), ()) for one in chain]
    assert front_of(near) == [0, 1, 2]  # two by two each would better the next within that tolerance, and none be left


def test_accuracies_are_told_in_per_cent_and_change_by_points() -> None:
    space = DesignSpace(VaryDeck.model_validate(VARY))
    goal = Goal.parse("accuracy@end", minimise=False)
    done = [DesignOutcome(JudgedDesign((1, i), (-a,), ()), (a,), ()) for i, a in enumerate((0.953, 0.941, 0.95302))]
    assert changes_told(space, done, [goal], [], 0) == [
        "one change: tiers 8: accuracy@end = 95.3 % (the same)",
        "one change: tiers 4: accuracy@end = 94.1 % (1.20 points worse)",
        "one change: 1 of 3 designs that differ in one choice have no result in full",
    ]
    for text in ("accuracy@start - accuracy_worst@end", "yield[all]", "mean(accuracy)", "energy <= 5 %"):
        assert in_points("", text)
    for text in ("accuracy / 2", "logit_error", "accuracy - logit_error", "2"):
        assert not in_points("", text)
    assert off_by(0.0123, "", "accuracy@end >= 0.95") == "1.23 points" and value_told(0.5, "", "endurance_used") == "0.5"


def test_a_time_that_does_not_come_within_the_run_is_at_least_that() -> None:
    goal = Goal.parse("time_to_accuracy_loss", minimise=False)
    times = xr.DataArray([[np.nan, 3e8], [1e8, 2e8]], dims=("case", "sample"))

    def case(i: int) -> xr.DataTree:
        mvm = xr.Dataset({"time_to_accuracy_loss": times[i]}, {"time": ("time", [1.0, 3e8])})
        return xr.DataTree.from_dict({"/mvm": mvm})

    assert [goal.is_at_least(case(i)) for i in range(2)] == [True, False]
    assert goal.told(goal.of(case(0)), at_least=True) == "at least 9.51 years"
    one = DesignOutcome(JudgedDesign((0, 0), (-3e8,), ()), (3e8,), (), is_at_least=(True,))
    assert one.told([goal]) == ["time_to_accuracy_loss = at least 9.51 years"]


def test_bars_say_no_change_where_there_is_none() -> None:
    """A gain of 1e-8 % has no bar and says so; one that is worse is not green, though it meets every condition."""
    found = xr.Dataset(
        {
            "value": (("case", "goal"), [[4e-9], [4e-9 * (1 - 1e-10)], [5e-9], [3e-9]]),
            "missed": (("case", "condition"), [[-5.0], [-5.0 + 1e-9], [-8.0], [2.0]]),
            **{name: ("case", v) for name, v in (("feasible", [1, 1, 1, 0]), ("chosen", [1, 0, 0, 0]))},
            "change_rank": ("case", [0, 1, 2, 3]),
        },
        {
            "change": ("case", ["", "a", "b", "c"]), "goal": ["energy_per_inference"], "goal_unit": ("goal", ["J"]),
            "goal_minimised": ("goal", [1]), "condition": ["peak_temperature <= 85 degC"], "condition_unit": ("condition", ["K"]),
        },
    )  # fmt: skip
    goal, limit = drawn_changes(xr.DataTree.from_dict({"/optimise": found})).panels
    boxes = [[m for m in panel.marks if isinstance(m, DrawnBox)] for panel in (goal, limit)]
    assert [(b.x0, b.x1, b.text) for b in boxes[0]] == [
        (0, 0, "no change"),
        (pytest.approx(-25), 0, ""),
        (0, pytest.approx(25), ""),
    ]
    assert boxes[0][1].colour == COLOURS[1] != COLOURS[2] == boxes[1][1].colour
    worse = found.sel(case=[0, 1, 2])
    assert drawn_changes(xr.DataTree.from_dict({"/optimise": worse})).panels[0].x.share(0) < 0.8  # the words have room
    assert [(b.x0, b.x1) for b in boxes[1]] == [(0, 0), (0, pytest.approx(3)), (pytest.approx(-7), 0)]
