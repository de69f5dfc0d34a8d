"""How far conditions may be off for few chips and test inputs: against closed forms, and against made-up chips without end."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from scipy.special import betaincinv, ndtri, stdtrit

from stack3d.errors import DeckError, ResultsError
from stack3d.study.doubts import chips_wanted, surely
from stack3d.study.goals import Goal, Limit


def case(right: np.ndarray, before: np.ndarray | None = None, **more: np.ndarray) -> xr.DataTree:
    """Chips whose answers are right or wrong, shape (sample, input), at the end and before."""
    start = right if before is None else before
    both = np.stack([start, right]).astype(float)
    mvm = {
        "accuracy": (("time", "sample"), both.mean(axis=2)),
        "accuracy_worst": (("time", "sample"), both.mean(axis=2)),
        "input_accuracy": (("time", "test_input"), both.mean(axis=1)),
        "input_accuracy_worst": ("test_input", right.mean(axis=0)),
        **{name: (("time", "sample"), np.stack([v, v])) for name, v in more.items()},
    }
    power = xr.Dataset({"latency": ((), 2e-3)})
    return xr.DataTree.from_dict({"/mvm": xr.Dataset(mvm, {"time": [1.0, 2.0]}), "/power": power})


def answers(chips: int, inputs: int, seed: int, share: float = 0.9) -> np.ndarray:
    return np.random.default_rng(seed).random((chips, inputs)) < share


def test_a_mean_over_chips_and_inputs() -> None:
    right = answers(6, 200, 1)
    by_chip, by_input = right.mean(axis=1), right.mean(axis=0)
    expected = math.hypot(
        stdtrit(5, 0.95) * by_chip.std(ddof=1) / math.sqrt(6), ndtri(0.95) * by_input.std(ddof=1) / math.sqrt(200)
    )
    doubt = Limit.parse("accuracy@end >= 95 %").doubt(case(right))
    assert doubt.size == pytest.approx(expected, rel=1e-6) and doubt.of == "6 chips and 200 test inputs"
    half = Limit.parse("accuracy@end >= 95 %").doubt(case(right), scaled=True)
    assert half.size == pytest.approx(expected / 0.95, rel=1e-6)  # as a share of the limit
    assert Limit.parse("latency <= 1 s").doubt(case(right)) == (0.0, 0, 0)


def test_what_chips_and_inputs_share_cancels() -> None:
    """A difference of two accuracies of the same chips on the same inputs, of which two answers changed."""
    before = answers(8, 100, 2)
    after = before.copy()
    after[:, :2] = ~after[:, :2]
    limit = "accuracy@start - accuracy_worst@end <= 1 %"
    changes = before.mean(axis=0) - after.mean(axis=0)
    by_chip = (before - 1.0 * after).mean(axis=1)
    expected = math.hypot(
        stdtrit(7, 0.95) * by_chip.std(ddof=1) / math.sqrt(8), ndtri(0.95) * changes.std(ddof=1) / math.sqrt(100)
    )
    assert Limit.parse(limit).doubt(case(after, before)).size == pytest.approx(expected, rel=1e-6)
    same = Limit.parse(limit).doubt(case(before, before)).size  # that none changed does not say that none ever does
    assert same == pytest.approx(ndtri(0.95) * math.sqrt(0.99) / 100, rel=1e-6)


def test_met_with_confidence_is_right_as_often_as_it_says() -> None:
    """Chips of unlike quality whose mean over all there could be is the limit: 5 of 100 cases at most meet it by more."""
    rng, wrong = np.random.default_rng(3), 0
    limit = Limit.parse("accuracy@end >= 90 % with a confidence of 95 %")
    n = 150
    for _ in range(n):
        quality = np.clip(0.9 + 0.03 * rng.standard_normal(6), 0, 1)
        hard = rng.beta(18, 2, 60) / 0.9  # inputs are unlike too
        wrong += limit.missed_by(case(rng.random((6, 60)) < np.clip(quality[:, None] * hard, 0, 1))) <= 0
    assert wrong <= 0.05 * n + 4 * math.sqrt(0.05 * 0.95 * n)


def test_a_confidence_asks_for_room() -> None:
    right = answers(6, 200, 4, 0.96)
    plain, sure = Limit.parse("accuracy@end >= 95 %"), Limit.parse("accuracy@end >= 95 % with 95 % confidence")
    doubt = plain.doubt(case(right))
    assert sure.missed_by(case(right), scaled=False) == pytest.approx(plain.missed_by(case(right), scaled=False) + doubt.size)
    assert sure.doubt(case(right)).size == 0.0
    said = plain.doubt_told(plain.missed_by(case(right), scaled=False), doubt)
    assert said.startswith(", but 6 chips and 200 test inputs cannot tell: ± ") and said.endswith(" with a confidence of 95 %")
    assert plain.doubt_told(-0.5, doubt) == "" == plain.doubt_told(math.nan, doubt)


def test_a_share_of_the_chips() -> None:
    """Of 29 chips all have to meet a condition for 90 % of all to, with a confidence of 95 %: 0.9**29 is below 5 %."""
    assert chips_wanted(0.9, 0.95) == 29 and surely(29, 0.9, 0.95) == 29 and surely(28, 0.9, 0.95) is None
    assert surely(46, 0.9, 0.95) == 45
    limit = Limit.parse("logit_error@end <= 5 for 90 % of the chips with a confidence of 95 %")
    for n, last in ((29, 28), (46, 44)):
        values = np.arange(n) / 10
        assert limit.missed_by(case(answers(n, 10, 5), logit_error=values), scaled=False) == pytest.approx(values[last] - 5)
    with pytest.raises(ResultsError, match=r"wants at least 29 chips, and has 6 \(monte_carlo.samples\)"):
        limit.missed_by(case(answers(6, 10, 5), logit_error=np.arange(6.0)))
    plain = Limit.parse("logit_error@end <= 5 for 90 % of the chips")
    doubt = plain.doubt(case(answers(6, 10, 5), logit_error=np.arange(6.0)))
    assert math.isinf(doubt.size) and plain.doubt_told(-1.0, doubt) == ", but 6 chips cannot tell: 29 chips would be needed"
    of_all = Limit.parse("logit_error@end <= 5 for all chips")
    assert of_all.doubt(case(answers(6, 10, 5), logit_error=np.arange(6.0))).size == 0.0


def made(right: np.ndarray, whole: float = 0.5) -> xr.DataTree:
    """Chips that count as good where they lose one answer of ten at most; the float network is always right."""
    tree, room = case(right), right.mean(axis=1) - 0.9
    ideal = {"accuracy_ideal": ((), 1.0), "input_accuracy_ideal": ("test_input", np.ones(right.shape[1]))}
    tree["mvm"] = xr.DataTree(tree["mvm"].to_dataset().assign(ideal))
    cells = np.mean(room >= -1e-12)
    shares = xr.Dataset({"yield": ("yield_part", [whole, 1.0, cells, whole * cells]), "fresh_room": ("sample", room)})
    tree["reliability"] = xr.DataTree(shares.assign_coords(yield_part=["defects", "bonds", "cells", "all"]))
    return tree


def test_a_share_of_good_chips() -> None:
    """Eight chips far from the limit: as many good as there are, and no more is known than chance of eight chips leaves."""
    right = np.ones((8, 400), dtype=bool)
    right[6:, :200] = False
    low, high = betaincinv(6, 3, 0.025), betaincinv(7, 2, 0.975)  # Clopper and Pearson, half of 5 % each
    at_least, at_most = Limit.parse("yield >= 30 %"), Limit.parse("yield[cells] <= 90 %")
    doubt = at_least.doubt(made(right))
    assert doubt.size == pytest.approx(0.5 * (0.75 - low), rel=1e-6) and doubt.of == "8 chips and 400 test inputs"
    assert at_most.doubt(made(right)).size == pytest.approx(high - 0.75, rel=1e-6)
    assert Limit.parse("yield[defects] >= 30 %").doubt(made(right)) == (0.0, 0, 0)
    assert Goal.parse("yield", minimise=True).by_inputs(made(right)) == pytest.approx(0.5 * (0.75 - low), rel=1e-6)
    sure = Limit.parse("yield >= 30 % with a confidence of 95 %")
    assert sure.missed_by(made(right), scaled=False) == pytest.approx(0.3 - 0.5 * low, rel=1e-6)
    assert at_least.missed_by(made(right)) < 0 < sure.missed_by(made(right))
    wanted = " wants at least 4 chips, and has 3 (monte_carlo.samples)"  # 0.025 ** (1 / 4) is above 0.3, 0.025 ** (1 / 3) below
    assert sure.too_few(4) == "" and sure.too_few(3) == sure.text + wanted


def test_chips_near_the_limit_are_good_and_bad_by_chance() -> None:
    """One answer more or less of a hundred: the share of good chips may be anything."""
    right = np.ones((8, 100), dtype=bool)
    right[:, :10] = False
    right[4:, 10] = False
    limit = Limit.parse("yield[cells] >= 40 %")
    assert limit.missed_by(made(right), scaled=False) == pytest.approx(-0.1) and limit.doubt(made(right)).size == pytest.approx(
        0.5
    )


def test_a_share_of_good_chips_is_met_as_surely_as_it_says() -> None:
    """Chips of unlike quality of which the share of the limit is good: 5 of 100 cases at most meet it by more than the doubt."""
    rng, wrong, n = np.random.default_rng(6), 0, 100
    limit = Limit.parse("yield[cells] >= 70 % with a confidence of 95 %")
    for _ in range(n):
        quality = np.where(rng.random(40) < 0.7, 0.95, 0.86)
        wrong += limit.missed_by(made(rng.random((40, 150)) < quality[:, None])) <= 0
    assert wrong <= 0.05 * n + 4 * math.sqrt(0.05 * 0.95 * n)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accuracy@end >= 95 % with a confidence of 40 %", "wants a confidence of 50 % or more"),
        ("accuracy@end >= 95 % with a confidence of 100 %", "below 100 %"),
        ("accuracy@end >= 95 % with 95 % confidence with 90 % confidence", "speaks of its confidence twice"),
        ("accuracy@end >= 95 % for all chips with 95 % confidence", "no number of chips is sure"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(DeckError, match=said):
        Limit.parse(text)
    with pytest.raises(DeckError, match="wants a number"):
        Goal.parse("accuracy@end with 95 % confidence", minimise=False)


def test_in_any_order() -> None:
    for text in (
        "for 90 % of the chips for 80 % of the draws with 95 % confidence",
        "with a confidence of 95 % for 80 % of draws",
    ):
        found = Limit.parse(f"accuracy@end >= 95 % {text}").expression
        assert (found.sure, found.draws) == (0.95, 0.8)
