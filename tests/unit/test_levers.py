"""Levers: which apply, what they set, and when a gain is more than chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from stack3d import decks
from stack3d.errors import DeckError
from stack3d.study.lever_list import PACKAGED, levers_for, read_levers
from stack3d.study.lever_trials import Trial, trial_of

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


def test_a_gain_is_a_lever_where_it_is_more_than_chance() -> None:
    """Against SciPy's paired test at the level that Bonferroni asks for."""
    rng = np.random.default_rng(5)
    base = 0.9 + 0.02 * rng.standard_normal(16)
    for shift in (0.0, 0.004, 0.02):
        changed = base + shift + 0.005 * rng.standard_normal(16)
        trial = trial_of(base, changed, (1e-9, 2e-9), 10)
        paired = stats.ttest_rel(changed, base)
        low, high = paired.confidence_interval(1 - 0.05 / 10)
        np.testing.assert_allclose((trial.gain - trial.chance, trial.gain + trial.chance), (low, high), rtol=1e-9)
        assert trial.is_lever == (low > 0)
    assert not trial_of(base, base, (1e-9, 1e-9), 10).is_lever


def test_chance_alone_makes_no_levers() -> None:
    """Of 200 lists of ten levers that do nothing, at most one in twenty names one, within four standard errors."""
    rng = np.random.default_rng(1)
    names = 0
    for _ in range(200):
        base = rng.standard_normal(16)
        names += any(trial_of(base, base + rng.standard_normal(16), (1.0, 1.0), 10).is_lever for _ in range(10))
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
