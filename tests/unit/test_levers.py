"""Levers: which apply, what they set, and when a gain is more than chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from stack3d import decks
from stack3d.errors import DeckError
from stack3d.layout import Floats
from stack3d.study.lever_list import PACKAGED, Lever, levers_for, read_levers
from stack3d.study.lever_study import LeverStudy
from stack3d.study.lever_trials import Measured, Trial, trial_of
from stack3d.study.lever_verdict import LeverVerdict

LISTED = """\
levers:
  a: {title: a bit more, change: {mvm.adc_bits: {add: 1}}}
  b: {title: twice as often, change: {lifetime.refresh.period: {times: 0.5}}}
  c: {title: cooler, change: {cooling.top: {next: [natural_convection, forced_air, cold_plate]}}}
  d: {title: another, change: {device: {others: [taox, bulk_rram_ucsd, cmo_hfox]}}}
  e: {title: spares, change: {lifetime.spares: {to: {columns: 2}}}}
  f: {title: both ends, wants: [mvm.wire_resistance], change: {mvm.word_line_ends: {to: 2}}}
  g: {title: of what is not there, change: {transient.until: {times: 2}}}
  h: {title: exact inputs get a bit, change: {mvm.dac_bits: {add: 1}}}
  i: {title: other film, change: {cooling.bottom: {next: [forced_air, cold_plate]}}}
"""


def test_what_applies_to_a_scenario(tmp_path: Path) -> None:
    """Numbers keep their units, names go on in their list, and what the scenario has no place for is left out."""
    path = tmp_path / "own.yaml"
    path.write_text(LISTED)
    sets = [("lifetime.refresh", {"period": "30 day"}), ("mvm.dac_bits", None)]
    found = levers_for(decks.load("quickstart", sets), read_levers(path))
    assert [(lever.name, dict(lever.sets)) for lever in found] == [
        ("a", {"mvm.adc_bits": 9}),
        ("b", {"lifetime.refresh.period": "15 day"}),
        ("c", {"cooling.top": "cold_plate"}),
        ("d", {"device": "taox"}),
        ("d", {"device": "cmo_hfox"}),
        ("e", {"lifetime.spares": {"columns": 2}}),
    ]
    assert [lever.told for lever in found][2:4] == ["cooler (cooling cold_plate)", "another (device taox)"]
    wired = decks.load("quickstart", [("mvm.wire_resistance", "1 ohm"), ("lifetime.spares", {"columns": 1})])
    assert [lever.name for lever in levers_for(wired, read_levers(path))] == ["a", "c", "d", "d", "f", "h"]


def test_every_packaged_lever_applies_somewhere() -> None:
    """With a change that it has a place for, each makes another valid case of some scenario."""
    listed, left = read_levers(PACKAGED), set(read_levers(PACKAGED))
    some = [
        ("quickstart", [("mvm.wire_resistance", "1 ohm")]),
        ("quickstart", [("train.trained", "digits_cnn")]),
        (
            "quickstart",
            [("lifetime.refresh", {"period": "30 day"}), ("cooling.top", "forced_air_plate"), ("device", "pcm_gst")],
        ),
    ]
    for name, sets in some:
        base = decks.load(name, sets)
        for lever in levers_for(base, listed):
            if decks.load(name, [*sets, *lever.sets.items()]).digest() != base.digest():
                left.discard(lever.name)
    assert not left


def test_a_network_that_was_trained_is_a_lever() -> None:
    """By its file, as `stack3d train` writes it, with the data of the scenario; without one there is no such lever."""
    onnx = str(PACKAGED.parent / "networks" / "digits_cnn.onnx")
    listed = {"retrained": read_levers(PACKAGED)["retrained"]}
    assert levers_for(decks.load("quickstart"), listed) == []
    sets = [("workload.data", "digits"), ("train.trained", onnx)]
    (lever,) = levers_for(decks.load("quickstart", sets), listed)
    assert lever.told == f"network retrained with the noise of its cells (network {onnx})"
    assert decks.load("quickstart", [*sets, *lever.sets.items()]).scenario.workload.network.file == onnx


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "{title: x, change: {a.b: {add: 1, times: 2}}}",
            r"own.yaml:2: levers.x.change.*wants one of add, times, to, of, next, others",
        ),
        ("{title: x, change: {a.b: {}}}", r"wants one of .*got none"),
        ("{title: x, change: {}}", r"own.yaml:2: levers.x.change"),
        ("{change: {a: {to: 1}}}", r"levers.x.title"),
        ("{title: x, change: {a: {next: [1]}}}", r"levers.x.change.a.next"),
        ("{title: x, change: {a: {times: -1}}}", r"levers.x.change.a.times"),
    ],
)
def test_a_wrong_list_is_told_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"levers:\n  x: {line}\n")
    with pytest.raises(DeckError, match=said):
        read_levers(path)


MANY = 10**4
"""Test inputs, of which chance says nothing."""


def told(accuracy: Floats, energy: float = 1.0, by_input: Floats | None = None) -> Measured:
    """Of so many inputs that they add nothing to chance, unless they are given."""
    return Measured(accuracy, np.zeros(MANY) if by_input is None else by_input, energy)


def test_a_gain_is_a_lever_where_it_is_more_than_chance() -> None:
    """Against SciPy's paired test at the level that Bonferroni asks for, where test inputs are beyond number."""
    rng = np.random.default_rng(5)
    base = 0.9 + 0.02 * rng.standard_normal(16)
    for shift in (0.0, 0.004, 0.02):
        changed = base + shift + 0.005 * rng.standard_normal(16)
        trial = trial_of(told(base, 1e-9), told(changed, 2e-9), 10)
        paired = stats.ttest_rel(changed, base)
        low, high = paired.confidence_interval(1 - 0.05 / 10)
        np.testing.assert_allclose((trial.gain - trial.chance, trial.gain + trial.chance), (low, high), rtol=0.01)
        assert trial.is_lever == (low > 0)
    assert not trial_of(told(base), told(base), 10).is_lever


def test_one_ranking_has_one_unit_of_energy() -> None:
    """Of two levers, 5 nJ and 20 pJ more, so that their points per energy can be compared."""
    base = 0.9 + 0.001 * np.random.default_rng(1).standard_normal(16)
    levers = [Lever(name, name, {}) for name in "ab"]
    verdict = LeverVerdict(levers)
    verdict.measured = [told(base, 4e-9), told(base + 0.02, 9e-9), told(base + 0.01, 4.02e-9)]
    verdict.trials = [trial_of(verdict.measured[0], one, 2) for one in verdict.measured[1:]]
    lines = [line for line in verdict.verdict() if line[:2] in ("1.", "2.")]
    assert len(lines) == 2 and all(line.endswith(" points per nJ") for line in lines), lines
    assert (
        " 0.0200 nJ more" in lines[0] and " 50 points" in lines[0] and " 5.00 nJ more" in lines[1] and " 0.4 points" in lines[1]
    )


@pytest.mark.parametrize("n_inputs", [40, 400])
def test_one_test_input_that_all_chips_gain_is_no_lever(n_inputs: int) -> None:
    """All chips the same, one answer more: a gain of one input, which another test set may not have."""
    without = np.ones(n_inputs)
    without[:3] = 0.0
    for more in (0, 1, 3):
        right = without.copy()
        right[:more] = 1.0
        trial = trial_of(*(told(np.full(8, b.mean()), by_input=b) for b in (without, right)), 1)
        assert trial.gain == pytest.approx(more / n_inputs) and trial.chance > max(1, more) / n_inputs and not trial.is_lever
    blind = [told(np.full(8, b.mean()), by_input=np.full(n_inputs, np.nan)) for b in (without, right)]
    assert not trial_of(*blind, 1).is_lever  # where the task does not tell inputs apart, the net change does


@pytest.mark.parametrize("n_chips", [4, 16])
def test_an_interval_holds_over_chips_and_test_inputs(n_chips: int) -> None:
    """Chips and inputs drawn anew each time, all sharing what makes an input hard: 95 % of the intervals hold the true gain."""
    rng, held, n, n_inputs = np.random.default_rng(3), 0, 400, 60
    for _ in range(n):
        input_gain, chip_gain = 0.2 * rng.standard_normal(n_inputs), 0.03 * rng.standard_normal((n_chips, 1))
        odds = 0.7 + np.stack([np.zeros((n_chips, n_inputs)), np.clip(input_gain + chip_gain, -0.6, 0.3)])
        right = rng.random((n_chips, n_inputs)) < odds
        cases = [told(one.mean(axis=1), by_input=one.mean(axis=0)) for one in right.astype(float)]
        trial = trial_of(*cases, 1)
        true = np.mean(np.clip(0.2 * rng.standard_normal(20_000) + 0.03 * rng.standard_normal(20_000), -0.6, 0.3))
        held += abs(trial.gain - true) <= trial.chance
    assert held / n >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / n)


def test_chance_alone_makes_no_levers() -> None:
    """Of 200 lists of ten levers that do nothing, at most one in twenty names one, within four standard errors."""
    rng = np.random.default_rng(1)
    names = 0
    for _ in range(200):
        base = rng.standard_normal(16)
        names += any(trial_of(told(base), told(base + rng.standard_normal(16)), 10).is_lever for _ in range(10))
    assert names / 200 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


def test_what_costs_nothing_comes_first_then_points_per_joule() -> None:
    """Free ones by their gain, paid ones by gain per energy, chance last whatever its gain."""
    free, cheap = Trial(0.01, 0.001, 0.0, True, True), Trial(0.02, 0.001, 1e-9, True, False)
    dear, luck = Trial(0.05, 0.001, 1e-8, True, False), Trial(0.2, 0.3, 0.0, False, True)
    assert sorted([luck, dear, cheap, free], key=lambda t: t.order) == [free, cheap, dear, luck]


def test_tiles_are_placed_by_accuracy_only_where_they_age() -> None:
    listed = read_levers(PACKAGED)
    for sets, applies in (([], True), ([("lifetime", None)], False)):
        found = [lever.name for lever in levers_for(decks.load("quickstart", sets), listed)]
        assert ("placement_by_accuracy" in found) is applies


def test_levers_of_ones_own_that_are_not_tried_are_told(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "levers:\n"
        "  typo: {title: t, change: {mvm.adc_bitts: {to: 9}}}\n"
        "  same: {title: t, change: {mvm.adc_bits: {to: 8}}}\n"
        "  none: {title: t, change: {transient.until: {times: 2}}}\n"
        "  more: {title: t, change: {mvm.adc_bits: {to: 12}}}\n"
    )
    found = LeverStudy("quickstart", more=path).left_out
    assert list(found) == ["typo", "same", "none"] and "unknown key 'adc_bitts' (did you mean 'adc_bits'" in found["typo"]
    assert found["same"] == "it changes nothing" and found["none"] == "the scenario has nothing that it changes"


@pytest.mark.parametrize("way", ["add: .nan", "times: .inf"])
def test_a_lever_wants_a_finite_number(tmp_path: Path, way: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"levers: {{a: {{title: t, change: {{mvm.adc_bits: {{{way}}}}}}}}}\n")
    with pytest.raises(DeckError, match="a number that is finite|finite number"):
        read_levers(path)
