"""`stack3d run --levers`: from a list to what is told, in the dataset and on the page; resumed; bad input."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import stack3d
from stack3d import cli, study
from stack3d.progress import Silent
from stack3d.report import chart, possible, report_page
from stack3d.study import chosen_levers, lever_study

LISTED = """\
levers:
  bits: {title: a bit less, change: {mvm.adc_bits: {add: -5}}}
  none: {title: the same, change: {mvm.adc_bits: {to: 8}}}
  refresh: {title: refreshed, change: {lifetime.refresh: {to: {period: "30 day"}}}}
  wrong: {title: too many, change: {mvm.slices: {add: 99}}}
"""
SMALL = [
    ("lifetime.epochs", 2),
    ("workload.test_samples", 40),
    ("monte_carlo.samples", 6),
    ("geometry.tiers.repeat", 2),
    ("solver", {"backend": "tensor", "mesh": {"lateral": 2, "per_layer": 1}, "error_promise": 0.5}),
]


@pytest.fixture
def short_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "short.yaml"
    path.write_text(LISTED)
    monkeypatch.setattr(lever_study, "PACKAGED", path)


def test_from_a_list_to_the_page_and_again(tmp_path: Path, short_list: None) -> None:
    """What applies is run beside the case as it is; gains are those of the same chips; run again, nothing runs."""
    plan = study.LeverStudy("quickstart", SMALL)
    assert [lever.name for lever in plan.levers] == ["bits", "refresh"]
    *cases, verdict = study.run([plan], tmp_path / "out", Silent(), workers=1)
    assert verdict.is_verdict and [case.status for case in cases] == [study.DONE] * 3
    tree = stack3d.open_results(tmp_path / "out" / "quickstart_levers")
    found = tree["levers"].to_dataset()
    worst = tree["mvm/accuracy_worst"].isel(time=-1).values
    np.testing.assert_allclose(found["gain"].values[1:], (worst[1:] - worst[0]).mean(axis=-1), atol=1e-12)
    right = tree["mvm/input_accuracy_worst"].values
    np.testing.assert_allclose(right.mean(axis=-1), worst.mean(axis=-1), atol=1e-12)
    assert (found["chance"].values[1:] > 2 / 40 * np.sqrt(1 - 1 / 40)).all()  # one input of 40, and never less
    energy = tree["power/energy_per_inference"].isel(time=-1).sum("component").values
    np.testing.assert_allclose(found["cost"].values[1:], energy[1:] - energy[0], rtol=1e-9)
    assert found["lever"].values.tolist() == ["as it is", "a bit less (adc_bits 3)", "refreshed"]
    assert verdict.lines[0].startswith("what would mend it: 2 levers tried on 6 chips, 40 test inputs, ")
    assert found.attrs["verdict"] == "\n".join(verdict.lines)
    assert possible(tree) == ["levers", "trade_offs"] and len(chart(tree, "levers").panels[0].marks) == 4
    page = report_page([tree])
    assert "What would mend it" in page and "a bit less (adc_bits 3)" in page
    again = study.LeverStudy("quickstart", SMALL)
    *cases, repeated = study.run([again], tmp_path / "out", Silent(), workers=1)
    assert [case.status for case in cases] == [study.SKIPPED] * 3 and repeated.lines == verdict.lines


@pytest.mark.slow
def test_the_page_of_a_case_with_levers(tmp_path: Path, short_list: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is that of the case; levers have results of their own, which `report` draws."""
    given = [f"{key}={value}" for key, value in SMALL[:-1]]
    given += ["solver.backend=tensor", "solver.mesh.lateral=2", "solver.mesh.per_layer=1", "solver.error_promise=0.5"]
    words = ["run", "quickstart", "--levers", "--report", str(tmp_path / "page.html"), "-o", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["stack3d", *words, *(word for one in given for word in ("--set", one))])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert "What would mend it" not in (tmp_path / "page.html").read_text()
    assert (tmp_path / "out" / "quickstart_levers").is_dir()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["architect_choice", "--levers"], "optimise: --levers wants a single case"),
        (["layers_vs_cooling", "--levers"], "sweep: --levers wants a single case"),
        (["silicon_heat_sink_1981", "--levers"], "--levers weighs points of accuracy"),
        (["quickstart", "--levers", "--until", "thermal"], "leave --until away"),
        (["quickstart", "--lever-list", "own.yaml"], "--lever-list goes with --levers"),
        (["quickstart", "--levers", "--lever-list", "own.yaml"], "own.yaml"),
        (["quickstart", "--levers", "--set", "monte_carlo.samples=2"], "monte_carlo.samples: --levers wants at least 4"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stack3d", "run", *arguments, "--progress", "none"])
    monkeypatch.setattr(cli.signals, "listen", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    error = capsys.readouterr().err
    assert ended.value.code == 2 and said in error and len(error.splitlines()) == 1
    assert not (tmp_path / "results").exists()


SEARCHED = {"vary": {"mvm.adc_bits": [4, 8]}, "minimise": "energy_per_inference@end", "budget": 9, "levers": True}


def test_levers_of_the_chosen_design_of_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tried once the design is known, beside its cases: in the dataset, told, on the page; run again, nothing runs."""
    path = tmp_path / "short.yaml"
    path.write_text(LISTED)
    monkeypatch.setattr(chosen_levers, "PACKAGED", path)
    wanted = [*SMALL, ("optimise", SEARCHED)]
    *cases, verdict = study.run(["quickstart"], tmp_path, Silent(), overrides=wanted, workers=1)
    assert [case.status for case in cases] == [study.DONE] * 5
    tree = stack3d.open_results(tmp_path / "quickstart")
    found = tree["levers"].to_dataset()
    assert found["lever"].values.tolist() == ["as chosen", "the same (adc_bits 8)", "refreshed"]  # 4 - 5 bits are none
    assert tree.sizes["case"] == 2 and tree["optimise"]["chosen"].values.tolist().count(1) == 1
    first = [line for line in verdict.lines if line.startswith("the chosen design, ")]
    assert first[0].startswith("the chosen design, what would mend it: 2 levers tried on 16 chips, 40 test inputs, ")
    assert (
        np.isfinite(found["gain"].values[1:]).all()
        and possible(tree)[:2] == ["front", "changes"]
        and "levers" in possible(tree)
    )
    page = report_page([tree])
    assert "The next-best designs" in page and "What would mend it" in page and ">refreshed<" in page
    *cases, again = study.run(["quickstart"], tmp_path, Silent(), overrides=wanted, workers=1)
    assert [case.status for case in cases] == [study.SKIPPED] * 5 and again.lines == verdict.lines


def test_a_search_without_accuracy_has_no_levers(tmp_path: Path) -> None:
    heat = {"vary": {"cooling.ambient": ["20 degC", "30 degC"]}, "minimise": "temperature_max", "budget": 2, "levers": True}
    (report,) = study.run(["silicon_heat_sink_1981"], tmp_path, Silent(), overrides=[("optimise", heat)])
    assert report.exit_code == 2 and len(report.lines) == 1
    assert "--set: optimise.levers: this weighs points of accuracy" in report.lines[0]
