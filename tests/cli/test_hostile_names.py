"""Every command with hostile names in decks, results and arguments: one line or an answer, and no file outside."""

import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_study as studies

import stack3d
from stack3d import cli, storage

NAMES = ["..", "../../x", "/etc/stack3d-x", "con", "a\\b", "x" * 300, "a\nb", "\u202ex", "-o", "~root", "$HOME/x", "%2e%2e/x"]
COMMANDS = {
    "run": ["{deck}", "-o", "out", "--progress", "none", "--until", "thermal"],
    "validate": ["{deck}"],
    "show": ["{deck}"],
    "compare-placements": ["{deck}", "-o", "placements.nc"],
    "mesh": ["{deck}", "-o", "stack.msh"],
    "compact": ["{deck}", "-o", "model.nc"],
    "trace": ["{result}", "{csv}", "-o", "trace.nc", "--rainflow", "{name}"],
    "view": ["{deck}", "-o", "field.vtu"],
    "verify": ["{deck}"],
    "import": ["{stk}", "-o", "imported.yaml"],
    "fit": ["{csv}", "--law", "{name}", "-o", "fitted.yaml"],
    "report": ["{result}", "-o", "page.html"],
    "plot": ["{result}", "-o", "figures", "--figure", "{name}"],
    "export": ["{result}", "-o", "networks.cir"],
    "new": ["{name}"],
    "list": ["{name}"],
    "schema": ["{name}"],
    "train": ["{deck}", "-o", "net.onnx", "--calibrate-only", "--progress", "none"],
    "validate-models": [],
}
DECK = """\
scenario: {name}
geometry:
  footprint: ["1 mm", "1 mm"]
  layers:
    - {{name: {name}, thickness: "0.1 mm", material: silicon, role: rram, blocks: []}}
power: {{sources: [{{name: {name}, layer: {name}, power: "1 W"}}]}}
cooling: {{top: {{film_coefficient: "1e4 W/m^2/K"}}, ambient: "300 K"}}
probes: [{{name: {name}, layer: {name}, x: "0.5 mm", y: "0.5 mm"}}]
solver: {{backend: tensor, mesh: {{lateral: 4}}, error_promise: 0.5}}
"""
STK = "material {name} :\n thermal conductivity 1e-4 ;\n volumetric heat capacity 1e-12 ;\ndie {name} :\n source 10 {name} ;\n"


def files(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.lstat().st_mtime_ns for p in folder.rglob("*") if not p.is_dir()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("done")
    studies.write(folder, "{power.sources.spot.power: [1 W, 2 W]}")
    stack3d.sweep(folder / "small.yaml", output=folder / "out", workers=1)
    return folder / "out" / "small"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, two below the one that is watched."""
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    yield place
    assert not Path("/etc/stack3d-x").exists()


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["stack3d", *arguments])
    monkeypatch.setattr(cli.signals, "listen", lambda: None)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), capsys.readouterr().err


def test_every_command_is_asked() -> None:
    assert {c.name or c.callback.__name__ for c in cli.app.registered_commands} == set(COMMANDS)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "validate-models"])
def test_hostile_names(
    command: str, work: Path, done: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in NAMES:
        quoted = json.dumps(name)
        deck, stk, csv = work / "deck.yaml", work / "deck.stk", work / "data.csv"
        deck.write_text(DECK.format(name=quoted))
        stk.write_text(STK.format(name=name))
        csv.write_text(f"{name},time [s]\n1,2\n")
        before = files(work.parents[1])
        given = {"deck": str(deck), "stk": str(stk), "csv": str(csv), "name": name, "result": str(done)}
        code, said = told(monkeypatch, capsys, command, *(a.format(**given) for a in COMMANDS[command]))
        assert code in (0, 1, 2, 4, 5) and "internal failure" not in said and "Traceback" not in said, (name, said)
        assert code == 0 or (said.startswith("error: ") and said.replace("\n", "").isprintable()), (name, said)
        changed = {f for f, at in files(work.parents[1]).items() if before.get(f) != at}
        allowed = ("a/b/out/", "a/b/figures/", *(f"a/b/{a}" for a in COMMANDS[command] if "." in a))
        assert all(f.startswith(allowed) for f in changed), (name, changed)
        assert all(
            storage.inside(Path(f).parent, Path(f).name) for f in changed if "/out/" in f and not Path(f).name.startswith(".")
        )


@pytest.mark.parametrize("name", ["../../../../../secret", "/etc", "..", "a/b", "x" * 300, "link"])
@pytest.mark.parametrize("command", ["report", "plot"])
def test_a_study_that_says_its_cases_lie_elsewhere(
    command: str, name: str, work: Path, done: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies outside, or behind a link to there, is never read; the study's own cases are shown."""
    shutil.copytree(done, work / "small")
    secret = work.parents[1] / "secret"
    shutil.copytree(next((done / "cases").iterdir()), secret)
    (work / "small" / "cases" / "link").symlink_to(secret)
    manifest = json.loads((work / "small" / "study.json").read_text())
    (work / "small" / "study.nc").unlink(missing_ok=True)
    manifest["cases"][0]["case"] = name
    del manifest[storage.DIGEST]
    (work / "small" / "study.json").write_text(json.dumps(manifest))
    code, said = told(monkeypatch, capsys, command, "small", "-o", "page.html" if command == "report" else "figures")
    assert code in (0, 1, 2) and "internal failure" not in said, said
    tree = stack3d.open_results(work / "small")
    status = tree["status"].values.ravel().tolist()
    assert status == ["done", "done"], status


def test_links_in_a_result_folder_are_not_written_through(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    studies.write(work, "{}")
    outside = work.parents[1] / "outside"
    (outside / "cases").mkdir(parents=True)
    (work / "out" / "small").mkdir(parents=True)
    (work / "out" / "small" / "cases").symlink_to(outside / "cases")
    code, said = told(monkeypatch, capsys, "run", "small.yaml", "-o", "out", "--progress", "none")
    assert code == 2 and "leads out of" in said and os.listdir(outside / "cases") == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["validate", "run", "report"])
def test_hostile_names_in_a_search(
    command: str, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As keys, variants, goals and conditions, and as the scenario, whose name the deck of the chosen design takes."""
    for name in ["../../x", "/etc/stack3d-x", "a\nb", "\u202ex"]:
        quoted = json.dumps(name)
        variants = f"variants: {{{quoted}: {{cooling.ambient: 290 K}}, plain: {{cooling.ambient: 300 K}}}}"
        for scenario, vary, goal in (
            ("small", variants, "layer_temperature_max"),
            (quoted, variants, "layer_temperature_max"),
            ("small", f"{quoted}: [1, 2]", "layer_temperature_max"),
            ("small", "cooling.ambient: [290 K, 300 K]", quoted),
        ):
            search = f"optimise: {{vary: {{{vary}}}, minimise: {goal}, budget: 2}}\n"
            (work / "deck.yaml").write_text(studies.STUDY.replace("scenario: small", f"scenario: {scenario}") + search)
            shutil.rmtree(work / "out", ignore_errors=True)
            before = files(work.parents[1])
            more = {"run": ["deck.yaml", "-o", "out", "--progress", "none", "--workers", "1"], "validate": ["deck.yaml"]}
            if command == "report":
                told(monkeypatch, capsys, "run", *more["run"])
            code, said = told(monkeypatch, capsys, command, *more.get(command, ["out/small", "-o", "page.html"]))
            assert code in (0, 1, 2, 4, 5) and "internal failure" not in said and "Traceback" not in said, (name, said)
            assert code == 0 or said.replace("\n", "").isprintable(), said
            changed = {f for f, at in files(work.parents[1]).items() if before.get(f) != at}
            assert all(f.startswith(("a/b/out/", "a/b/page.html")) for f in changed), (name, changed)
