"""The time of a case is estimated by its terms before the work; who waits for a long answer is told how far it is."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import small_study as studies
from typer.testing import CliRunner

from stack3d import cli, decks, memory, study, yamlfile, yamltree
from stack3d.case import check, needs
from stack3d.case.duration import LONG, seconds_of, time_told, warning_of
from stack3d.case.needs import needs_of
from stack3d.chip import Chip
from stack3d.cli import app
from stack3d.errors import DeckError, ValidityWarning
from stack3d.heat.meshing import meshed
from stack3d.progress import Silent, Waiting
from stack3d.study import runner


def chip(*overrides: tuple[str, object]) -> Chip:
    return check(decks.load("quickstart", [("workload.test_samples", 20), *overrides]).scenario)


def test_terms_go_with_what_they_are_named_after() -> None:
    once = seconds_of(chip())
    chips = seconds_of(chip(("monte_carlo.samples", 64)))
    inputs = seconds_of(chip(("workload.test_samples", 40)))
    assert chips["monte_carlo.samples"] == pytest.approx(2 * once["monte_carlo.samples"])
    assert chips["workload.network"] == pytest.approx(2 * once["workload.network"])
    assert chips["solver.mesh"] == once["solver.mesh"]
    assert inputs["workload.network"] == pytest.approx(2 * once["workload.network"])
    assert "lifetime.attribution" not in seconds_of(chip(("lifetime.attribution", False)))
    assert seconds_of(chip(("lifetime.band", True)))["lifetime.band"] > 0


def test_a_case_of_days_is_told_and_named_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, "900 GB")
    long = chip(("monte_carlo.samples", 40_000), ("lifetime.epochs", 500))
    assert sum(seconds_of(long).values()) > LONG
    assert "more than a day" in str(warning_of(long)) and "lifetime.attribution" in time_told(long)
    assert warning_of(chip()) is None
    arguments = ["quickstart", "--set", "monte_carlo.samples=40000", "--set", "lifetime.epochs=500"]
    told = CliRunner().invoke(app, ["validate", *arguments])
    assert told.exit_code == 0 and "warning: quickstart takes more than a day" in told.stderr


def test_who_waits_is_told_after_a_while_and_not_before() -> None:
    out = io.StringIO()
    Waiting(out, patience=1e9)("reading a.yaml", 1, 2)
    assert out.getvalue() == ""
    Waiting(out, patience=0.0)("reading a.yaml", 1, 2)
    assert out.getvalue() == "reading a.yaml: 50 %\n"


def test_a_long_text_tells_how_far_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltree, "EVENTS_TOLD", 1000)
    path = studies.write(tmp_path, "{}")
    text = path.read_text() + "".join(f"# {i}\nk{i}: {i}\n" for i in range(3000))
    told: list[tuple[str, int, int]] = []
    before = yamltree.WATCHED.set(lambda *word: told.append(word))
    try:
        yamltree.parsed(text, "long.yaml")
    finally:
        yamltree.WATCHED.reset(before)
    done = [at for _, at, _ in told]
    assert len(done) >= 5 and done == sorted(done) and done[-1] <= len(text)
    assert {(what, total) for what, _, total in told} == {("reading long.yaml", len(text))}


def test_nobody_waits_once_validate_has_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What watches the parser is taken away again, whatever the answer is; it speaks to the standard error of its moment."""
    for name, code in (("quickstart", 0), ("no_such_scenario", 2)):
        monkeypatch.setattr(sys, "argv", ["stack3d", "validate", name])
        monkeypatch.setattr(cli.signals, "listen", lambda: None)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert int(ended.value.code or 0) == code and yamltree.WATCHED.get() is None
    waiting = Waiting(patience=0.0)
    capsys.readouterr()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    waiting("reading a.yaml", 1, 2)
    assert sys.stderr.getvalue() == "reading a.yaml: 50 %\n"


def test_workers_whose_cases_do_not_fit_side_by_side_are_refused_and_by_default_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = studies.write(tmp_path, "{power.sources.spot.power: [1 W, 2 W, 3 W]}")
    wanted = needs_of(decks.load(path, [("sweep", {})]).scenario)
    assert wanted is not None
    monkeypatch.setenv(memory.VARIABLE, f"{1.5 * wanted.memory / 1e3:.3f} kB")  # of one and a half
    told = CliRunner().invoke(app, ["run", str(path), "-o", str(tmp_path / "out"), "--workers", "2"])
    assert told.exit_code == 1 and isinstance(told.exception, DeckError)
    assert "--workers 2 want more memory" in str(told.exception) and "--workers 1 would fit" in str(told.exception)
    monkeypatch.setattr(runner, "workers_for", lambda n_cases: 2)
    monkeypatch.setattr(runner, "on_workers", None)
    assert [r.status for r in study.run([str(path)], tmp_path / "out", Silent())] == [study.DONE] * 3


def test_a_study_of_days_is_told_before_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = "{sample: {count: 40, keys: {power.sources.spot.power: {from: 1 W, to: 2 W}}}}"
    path = studies.write(tmp_path, many)
    wanted = needs_of(decks.load(path, [("sweep", {})]).scenario)
    assert wanted is not None
    monkeypatch.setattr(needs, "LONG", 39 * wanted.seconds)
    with pytest.warns(ValidityWarning, match=r"more than a day: .* for 40 cases"):
        next(study.run([str(path)], tmp_path / "out", Silent(), workers=1))
    search = "optimise: {vary: {power.sources.spot.power: {from: 1 W, to: 2 W}}, maximise: heat_in, budget: 300}\n"
    path.write_text(studies.STUDY + search)
    assert study.plan(path).n_expected == 300


def test_steps_over_uniform_layers_are_cheap() -> None:
    """Each is one application of an inverse; a block in one of the layers wants a hundred times that."""
    oxide, metal = ({"conductivity": f"{k} W/m/K", "heat_capacity": "1.6e6 J/m^3/K"} for k in (1.4, 200))
    layers = [{"name": n, "thickness": "200 um", "material": m} for n, m in (("die", oxide), ("lid", metal))]
    whole: dict[str, Any] = {"scenario": "bare", "geometry": {"footprint": ["4 mm", "4 mm"], "layers": layers}}
    whole["power"] = {"sources": [{"name": "s", "layer": "die", "power": "1 W"}]}
    whole["cooling"] = {"ambient": "300 K", "top": {"film_coefficient": "1000 W/m^2/K"}}
    whole |= {"transient": {"until": "1 s", "outputs": ["1 ms", "1 s"]}, "solver": "study"}
    block = [{"name": "b", "x": ["1 mm", "2 mm"], "y": ["1 mm", "2 mm"], "material": metal}]
    parted = {**whole, "geometry": {"footprint": ["4 mm", "4 mm"], "layers": [{**layers[0], "blocks": block}, layers[1]]}}
    told = [
        sum(seconds_of(check(decks.resolve(yamlfile.parse_text(json.dumps(d), "bare.yaml"), None, []).scenario)).values())
        for d in (whole, parted)
    ]
    assert 50 * told[0] < told[1]


def test_a_die_smaller_than_its_package_takes_longer_a_node() -> None:
    """Multigrid has two to three times the work of the averaged inverse; 15 s were told of a solve of 57."""
    cu, si = ({"conductivity": f"{k} W/m/K", "heat_capacity": "1.6e6 J/m^3/K"} for k in (400, 120))
    seconds = []
    for size in ("8 mm", "4 mm"):
        layers = [
            {"name": "lid", "thickness": "500 um", "material": cu},
            {"name": "die", "size": [size, size], "thickness": "200 um", "material": si},
        ]
        block = {"name": "hot", "x": ["3 mm", "4 mm"], "y": ["3 mm", "4 mm"], "material": cu}
        layers[1] |= {"blocks": [block]} if size == "8 mm" else {}
        deck: dict[str, Any] = {"scenario": "lidded", "geometry": {"footprint": ["8 mm", "8 mm"], "layers": layers}}
        deck["power"] = {"sources": [{"name": "s", "layer": "die", "power": "1 W"}]}
        deck["cooling"] = {"ambient": "300 K", "bottom": {"film_coefficient": "1000 W/m^2/K"}}
        chip = check(decks.resolve(yamlfile.parse_text(json.dumps(deck | {"solver": "study"}), "lid.yaml"), None, []).scenario)
        body = meshed(chip)
        seconds.append(seconds_of(chip, body)["solver.mesh"] / body.unknowns(chip.stack, 1))
    assert 2 * seconds[0] < seconds[1]
