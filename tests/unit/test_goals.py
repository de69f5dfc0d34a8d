"""Goals and conditions on a small dataset whose numbers are known by heart; what makes no sense is refused as it is written."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import small_study
import xarray as xr

from stack3d import study
from stack3d.errors import DeckError, ResultsError
from stack3d.study.conditions import dotted_name, expression_of
from stack3d.study.goals import Goal, Limit, check_limits_agree

ACCURACY = np.array([[0.98, 0.96, 0.97, 0.97], [0.90, 0.94, 0.96, 0.80]])
ENERGY = np.array([[3e-9, 1e-9], [4e-9, 2e-9]])


@pytest.fixture(scope="module")
def case() -> xr.DataTree:
    mvm = xr.Dataset(
        {
            "accuracy": (("time", "sample"), ACCURACY),
            "time_to_accuracy_loss": ("sample", [2e6, np.nan, np.nan, 1e6]),
            "logit_error": (("time", "sample"), np.full((2, 4), np.nan)),
        },
        {"time": [1.0, 3e6]},
    )
    power = xr.Dataset(
        {
            "energy_per_inference": (("time", "component"), ENERGY),
            "latency": ((), 2e-3),
            "total_power": ("time", [1.0, 1.5]),
            "area": ("area_part", [1e-6, 2e-6]),
        },
        {"component": ["array", "adc"], "area_part": ["cells", "adc"]},
    )
    thermal = xr.Dataset({"temperature_max": ("tier", [350.0, 360.0]), "layer_temperature_max": ("layer", [340.0, 362.0])})
    thermal = thermal.assign_coords(layer=["logic", "rram"])
    good = xr.Dataset({"yield": ("yield_part", [0.9, 0.8])}, {"yield_part": ["bonds", "all"]})
    return xr.DataTree.from_dict({"/mvm": mvm, "/power": power, "/thermal": thermal, "/reliability": good})


@pytest.mark.parametrize(
    ("text", "minimise", "value", "unit"),
    [
        ("energy_per_inference@end", True, 6e-9, "J"),  # components are added up
        ("energy_per_inference@start", True, 4e-9, "J"),
        ("energy_per_inference", True, 6e-9, "J"),  # the worst time
        ("energy_per_inference", False, 4e-9, "J"),
        ("power/energy_per_inference[adc]@end", True, 2e-9, "J"),
        ("energy_per_inference@end * latency", True, 12e-12, "J s"),
        ("max(energy_per_inference)", True, 4e-9, "J"),
        ("accuracy@end", False, 0.90, ""),  # the mean of the chips
        ("min(accuracy@end)", False, 0.80, ""),
        ("1 - accuracy@end", True, 0.1, ""),
        ("layer_temperature_max[logic]", True, 340.0, "K"),
        ("yield[all]", False, 0.8, ""),  # a word of Python
        ("yield", True, 0.8, ""),  # all together, not the best part
        ("area", True, 3e-6, "m2"),  # its parts are added up
        ("area[cells]", True, 1e-6, "m2"),
        ("reliability/yield[bonds] * 2", False, 1.8, ""),
        ("temperature_max - 300 K", True, 60.0, "K"),
        ("-total_power@end + 2 W", False, 0.5, "W"),
        ("time_to_accuracy_loss", False, (2e6 + 1e6 + 3e6 + 3e6) / 4, "s"),  # what does not come counts as long as the run
    ],
)
def test_goals(case: xr.DataTree, text: str, minimise: bool, value: float, unit: str) -> None:
    goal = Goal.parse(text, minimise=minimise)
    assert goal.of(case) == pytest.approx(value, rel=1e-12) and goal.unit == unit


def test_names_may_be_words_of_python() -> None:
    found = expression_of("sources.in.power < '2. in W' and lambda.pass in [1] and not is.x", "k")
    assert {dotted_name(n) for n in ast.walk(found) if isinstance(n, ast.Attribute)} >= {
        "sources.in.power",
        "lambda.pass",
        "is.x",
    }
    assert [n.value for n in ast.walk(found) if isinstance(n, ast.Constant)] == ["2. in W", 1]


@pytest.mark.parametrize(
    ("text", "missed"),
    [
        ("temperature_max <= 85 degC", 360.0 - 358.15),
        ("temperature_max <= 90degC", 360.0 - 363.15),
        ("layer_temperature_max[logic] <= 340 K", 0.0),
        ("300 K <= temperature_max <= 355 K", 5.0),
        ("accuracy@end >= 95 %", 0.05),
        ("accuracy >= 95 %", 0.05),  # at every time
        ("accuracy@start >= 0.95", -0.02),
        ("2 * accuracy@start >= 1.9", -0.04),  # no share
        ("accuracy@end >= 0.9 for 75 % of the chips", 0.0),  # three of four have 0.9
        ("accuracy@end >= 0.9 for 76 % of the chips", 0.1),
        ("accuracy@end >= 0.9 for all chips", 0.1),
        ("accuracy >= 0.94 for 50 % of the chips", 0.0),  # the second and the third, at both times
        ("latency < 1 ms", 1e-3),
        ("latency == 2 ms", 0.0),
        ("yield[all] >= 0.9", 0.1),
        ("latency < 1 ms or temperature_max <= 90 degC", -3.15 / 50),  # joined: as shares of the limits, 50 K each
        ("latency < 1 ms and temperature_max <= 90 degC", 1.0),
        ("accuracy@start - accuracy@end <= 7 %", 0.0),  # in floats 0.97 - 0.90 is a little more
    ],
)
def test_limits(case: xr.DataTree, text: str, missed: float) -> None:
    limit = Limit.parse(text)
    assert limit.missed_by(case, scaled=limit.unit is None) == pytest.approx(missed, rel=1e-9, abs=1e-12)
    assert (limit.missed_by(case) > 0) == (missed > 0)


def test_the_line_of_a_limit_in_a_figure() -> None:
    """An output as a whole beside a constant has a line, an expression, a place and the beginning have none."""
    lines = {
        "temperature_max <= 85 degC": ("temperature_max", 358.15),
        "accuracy@end >= 95 % for 90 % of the chips": ("accuracy", 0.95),
        "power/latency < 1 ms": ("latency", 1e-3),
    }
    for text, (name, value) in lines.items():
        found = Limit.parse(text).line
        assert found[0] == name and found[1] == pytest.approx(value)
    for text in ("accuracy@start >= 95 %", "accuracy@start - accuracy@end <= 1 %", "layer_temperature_max[a] <= 300 K"):
        assert Limit.parse(text).line[0] == ""
    assert Limit.parse("300 K <= temperature_max <= 310 K").line[0] == ""


def test_what_a_case_does_not_have(case: xr.DataTree) -> None:
    """No number is made up: NaN, a missing output and a missing place are told."""
    with pytest.raises(ResultsError, match="logit_error is nan"):
        Goal.parse("logit_error", minimise=True).of(case)
    with pytest.raises(ResultsError, match="writes is not among the outcomes"):
        Goal.parse("writes", minimise=True).of(case)
    with pytest.raises(ResultsError, match=r"no 'ram' \(did you mean 'rram'\?\)"):
        Goal.parse("layer_temperature_max[ram]", minimise=True).of(case)
    with pytest.raises(ResultsError, match="not a number"):
        Limit.parse("logit_error <= 0.1 for all chips").missed_by(case)
    assert math.isclose(Goal.parse("latency / total_power@end", minimise=True).of(case), 2e-3 / 1.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("temperature_max <= 85", "compares K with a number without unit"),
        ("temperature_max <= 85 W", "compares K with W"),
        ("temperature_max + latency <= 85 K", "adds K with s"),
        ("acuracy >= 0.9", "did you mean 'accuracy'"),
        (
            "accuracy >= 96.8",
            "compares accuracy, a share from 0 to 1, with 96.8: per cent are written with their sign, as 96.8 %",
        ),
        ("96.8 <= min(mvm/accuracy@end) for 90 % of the chips", "compares accuracy, a share from 0 to 1, with 96.8"),
        ("yield[all] >= 90 and accuracy@end >= 0.9", "compares yield, a share from 0 to 1, with 90"),
        (
            "accuracy_ideal - accuracy@end <= 2",
            "compares accuracy_ideal, a share from 0 to 1, with 2: per cent are written with their sign, as 2 %",
        ),
        ("100 - accuracy@end <= 5", "compares accuracy, a share from 0 to 1, with 5: per cent"),
        ("inference_energy <= 1 nJ", "since 0.2 power/energy_per_inference says it"),
        ("latency@end <= 1 s", "'@end' of latency, which has no time"),
        ("accuracy@last >= 0.9", "may end with '@end' or '@start'"),
        ("accuracy[3] >= 0.9", "no places to choose from"),
        ("temperature_max", "wants a comparison"),
        ("accuracy >= 0.9 for 0 % of the chips", "above 0 and up to 100 %"),
        ("latency <= 1 s for all chips", "no output that differs between them"),
        ("median(accuracy) >= 1", "knows max(…), min(…), mean(…), sum(…)"),
        ("accuracy >= 5 parsecs/foo", "is neither"),
        ("(accuracy >= 0.9) + 1 >= 1", "computes with a comparison"),
        ("accuracy >=", "cannot be read"),
        ("latency / 0 <= 1 s", "divides by zero"),
        ("1 <= latency / (2 s - 2 s)", "divides by zero"),
        ("__import__('os').system('x') >= 1", "is something else"),
        ("accuracy in [1, 2]", "is something else"),
        ("conventional_memory <= 5 kB", "compares byte with a number without unit"),
        ("(" * 300 + "latency" + ")" * 300 + " <= 1 s", "operations inside each other"),
    ],
)
def test_nonsense_is_refused(text: str, said: str) -> None:
    with pytest.raises(DeckError) as caught:
        Limit.parse(text)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "texts",
    [
        ("temperature_max <= 60 degC", "temperature_max >= 80 degC"),
        ("80 degC <= temperature_max <= 60 degC",),
        ("latency <= 1 s and accuracy@end >= 0.9", "0.8 >= accuracy@end"),
        ("latency == 1 s", "latency == 2 s"),
    ],
)
def test_contradictions_are_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(DeckError, match="contradicts"):
        check_limits_agree([Limit.parse(text) for text in texts])


def test_what_can_be_met_together_is_not_refused() -> None:
    texts = ("accuracy >= 0.9 for 90 % of the chips", "accuracy <= 0.8", "latency <= 1 s or latency >= 2 s", "latency <= 0.5 s")
    check_limits_agree([Limit.parse(text) for text in texts])
    with pytest.raises(DeckError, match="wants a number; conditions stand under 'subject to'"):
        Goal.parse("latency <= 1 s", minimise=True)


def test_a_condition_on_designs_that_cannot_be_computed_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    vary = '{cooling.ambient: [290 K, "300 elephants"], where: "ambient < 295"}'
    path.write_text(small_study.STUDY + f"optimise:\n  vary: {vary}\n  minimise: layer_temperature_max\n  budget: 2\n")
    [told] = study.checked(path)
    assert f"{path}:18: optimise.vary.where: " in str(told.error) and "cannot be compared" in str(told.error)


LABELS = [
    (
        "layer_temperature_max[dye]",
        "chooses 'dye' of layer_temperature_max (did you mean 'die'?); there is: die, t0_bond, t0_rram",
    ),
    ("probe_temperature", "names probe_temperature, which comes of probes: the scenario has none"),
    ("accuracy@end", "names accuracy, which comes of workload: the scenario has none"),
]


@pytest.mark.parametrize(("goal", "said"), LABELS)
@pytest.mark.parametrize("kind", ["optimise", "uncertain"])
def test_what_no_case_can_have_is_told_before_the_first_one(tmp_path: Path, goal: str, said: str, kind: str) -> None:
    path = tmp_path / "small.yaml"
    key = "minimise" if kind == "optimise" else "outputs"
    rest = "vary: {cooling.ambient: [290 K, 300 K]}\n  budget: 2"
    if kind == "uncertain":
        rest = 'keys: {cooling.ambient: {uniform: ["290 K", "310 K"]}}\n  count: 4'
    path.write_text(small_study.STUDY + f"{kind}:\n  {key}: ['{goal}']\n  {rest}\n")
    [told] = study.checked(path)
    assert str(told.error) == f"{path}:18: {kind}.{key}: '{goal}' {said}"
    with pytest.raises(DeckError, match="chooses|names"):
        study.plan(path)


def test_a_place_that_one_of_the_designs_has_is_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    vary = "vary: {geometry.tiers.repeat: [1, 2]}"
    goal = "minimise: 'layer_temperature_max[t1_rram]'"
    path.write_text(small_study.STUDY + f"optimise:\n  {vary}\n  {goal}\n  budget: 2\n")
    assert [told.error for told in study.checked(path)] == [None]


def test_an_expectation_in_per_cent_without_the_sign_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(small_study.STUDY + "expect: {accuracy: '[96, 98]'}\n")
    told = list(study.checked(path))
    assert "accuracy is a share from 0 to 1: per cent are written with their sign" in str(told[0].error)
