"""A scenario to start from, what there is to run, and what a shell completes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stack3d import cli, decks
from stack3d.case import check, odd_values, run_case
from stack3d.cli import arguments
from stack3d.decks.starting import start, starters
from stack3d.progress import Silent


@pytest.mark.parametrize("kind", starters())
def test_a_starting_point_is_a_scenario_with_comments_that_runs(kind: str, tmp_path: Path) -> None:
    path = start("mine", kind, tmp_path)
    text = path.read_text()
    assert "{" + "name}" not in text and text.count("#") > 8 and f"results/{path.stem}" in text
    case = decks.load(path, [("solver", "ci")])
    check(case.scenario)
    hottest = run_case(case.scenario, Silent(), until="thermal").values["thermal/layer_temperature_max"].max()
    rise = hottest - decks.load(path).scenario.cooling.ambient
    assert 1e-6 < rise < 100


def test_a_package_heats_a_thin_face_of_a_die_smaller_than_its_board(tmp_path: Path) -> None:
    """Nothing of it is odd; the commented figures and heating curves hold as soon as they are switched on."""
    path = start("mine", "package", tmp_path)
    text = path.read_text()
    for key in ("jedec", "impedance"):
        assert text.count(f"# {key}: {{") == 1
        text = text.replace(f"# {key}: {{", f"{key}: {{")
    path.write_text(text)
    chip = check(decks.load(path).scenario)
    assert odd_values(chip) == []
    board, die = chip.stack.layer("board"), chip.stack.layer("die")
    assert die.extent.area < 0.5 * board.extent.area
    assert chip.scenario.maps is not None
    assert {source.layer for source in chip.sources} == set(chip.scenario.maps.layers) == {"active"}
    junction, case = chip.scenario.probes
    assert junction.z == pytest.approx(chip.stack.layer("active").z0, abs=1e-12)
    assert case.z == pytest.approx(chip.stack.layers[-1].z1, abs=1e-12)


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["stack3d", *words])
    monkeypatch.setattr(cli.signals, "listen", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out + told.err


def test_new_never_writes_over_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(capsys, monkeypatch, "new", "mine", "--kind", "package") == (
        0,
        "mine.yaml: a package to change; stack3d validate mine.yaml, then stack3d run mine.yaml\n",
    )
    assert said(capsys, monkeypatch, "validate", "mine") == (0, "ok: mine\n")
    before = Path("mine.yaml").read_text()
    code, text = said(capsys, monkeypatch, "new", "mine")
    assert code == 2 and "mine.yaml is there already: choose another name" in text
    assert Path("mine.yaml").read_text() == before and os.listdir() == ["mine.yaml"]
    code, text = said(capsys, monkeypatch, "new", "other", "--kind", "pakage")
    assert code == 2 and "did you mean 'package'?" in text and os.listdir() == ["mine.yaml"]


def test_what_is_missing_names_the_help_of_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mychip.yaml").touch()
    assert said(capsys, monkeypatch, "report") == (2, "error: Missing argument 'RESULT...'; see `stack3d report --help`\n")
    assert said(capsys, monkeypatch, "run", "--no") == (2, "error: No such option: --no; see `stack3d run --help`\n")
    code, text = said(capsys, monkeypatch, "validate", "mychp")
    assert code == 2 and "no scenario 'mychp' (did you mean 'mychip'" in text


def test_run_without_a_scenario_says_what_there_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = said(capsys, monkeypatch, "run")
    assert code == 0 and all(f"  {name} " in text for name in decks.available("scenarios")) and "stack3d new NAME" in text


def test_a_shell_completes_names_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quiet.yaml").touch()
    Path(".quick.yaml").touch()
    assert arguments.decks_of("scenarios")("qui") == ["quickstart", "quiet.yaml"]
    assert ".quick.yaml" not in arguments.decks_of("scenarios")("")


OFFERED = {
    "stack3d ru": {"run"},
    "stack3d run quick": {"quickstart"},
    "stack3d run --unt": {"--until"},
    "stack3d run quickstart --until ": {"thermal"},
    "stack3d run quickstart --progress ": {"auto", "bar", "plain", "json", "none"},
    "stack3d new mine --kind ": {"chip", "device", "package"},
    "stack3d list ": {*decks.KINDS, "laws"},
    "stack3d schema ": set(decks.KINDS),
    "stack3d fit bakes.csv --progress ": set(arguments.SHOWN),
    "stack3d fit bakes.csv --law str": {"stretched_log_resistance"},
    "stack3d fit bakes.csv --start pcm": {"pcm_gst", "pcm_hermes_1dev", "pcm_hermes_2dev"},
    "stack3d plot results --format ": {"png", "svg", "pdf"},
    "stack3d export results --of ": {"blocks", "cells", "layers", "probes"},
}
"""By what is typed, what a shell offers."""


@pytest.mark.parametrize("typed", OFFERED)
def test_bash_offers_what_may_stand_there(typed: str, tmp_path: Path) -> None:
    """In bash itself, by the script that it gets."""
    words = [*typed.split(), *([""] if typed.endswith(" ") else [])]
    program = f"""
        export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH
        source <(_STACK3D_COMPLETE=source_bash stack3d)
        COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
        _stack3d_completion stack3d
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stdout.split()) == OFFERED[typed], done.stderr


def test_zsh_answers_the_tab_that_loads_its_script(tmp_path: Path) -> None:
    """That of typer defined itself at the first tab of a shell and answered at the second."""
    program = [sys.executable, "-c", "import sys; sys.argv[0] = 'stack3d'; from stack3d.__main__ import main; main()"]
    asked = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    words = ["--show-completion", "zsh"]
    script = subprocess.run([*program, *words], cwd=tmp_path, env=asked, capture_output=True, text=True, check=True).stdout
    assert "compdef _stack3d_completion stack3d\n" in script
    assert script.rstrip().endswith('if [[ "$funcstack[1]" = "_stack3d" ]]; then\n  _stack3d_completion "$@"\nfi')


def test_a_shell_is_answered_before_anything_large_is_loaded(tmp_path: Path) -> None:
    program = (
        "import atexit, sys; sys.argv = ['stack3d']; from stack3d.__main__ import main\n"
        "atexit.register(lambda: print('large:', sorted({'numpy', 'stack3d.schema', 'scipy'} & set(sys.modules))))\nmain()"
    )
    asked = {"_STACK3D_COMPLETE": "complete_bash", "COMP_WORDS": "stack3d run quick", "COMP_CWORD": "2"}
    (tmp_path / "quiet.yaml").write_text("scenario: quiet\n")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["quickstart", "large: []"], done.stderr


def test_a_word_for_progress_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bakes.csv").write_text("time [s],conductance [uS]\n1,10\n")
    for words in (("fit", "bakes.csv", "--law", "power_law"), ("train", "neurram_digits", "-o", "net.onnx")):
        code, text = said(capsys, monkeypatch, *words, "--progress", "plan")
        assert code == 2 and "unknown progress 'plan' (did you mean 'plain'?)" in text and "\n" not in text.strip()


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("bash", {"COMP_WORDS": "stack3d run quick", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "stack3d run quick"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "stack3d run quick", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_every_shell_asks_and_is_answered(shell: str, asked: dict[str, str], tmp_path: Path) -> None:
    """As the script that `--install-completion` writes does it."""
    program = [sys.executable, "-c", "import sys; sys.argv = ['stack3d']; from stack3d.__main__ import main; main()"]

    def answered(**more: str) -> str:
        done = subprocess.run(program, cwd=tmp_path, env=os.environ | more, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "quickstart" in answered(_STACK3D_COMPLETE=f"complete_{shell}", **asked)
    assert f"complete_{shell}" in answered(_STACK3D_COMPLETE=f"source_{shell}")
