"""Mistakes that were told without file, line or key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import small_study as studies
import xarray as xr
from in_process import exit_code
from test_commands_refused import PACKAGE

from stack3d import storage
from stack3d.errors import ResultsError
from stack3d.results.netcdf import write_tree

LINES = studies.STUDY.splitlines()


def line_of(word: str) -> int:
    return next(n for n, line in enumerate(LINES, 1) if word in line)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *command: str, code: int = 2) -> str:
    assert exit_code(*command) == code
    return capsys.readouterr().err


def changed(old: str, new: str, more: str = "") -> str:
    """The small study with a text changed, and more at its end."""
    assert old in studies.STUDY
    Path("c.yaml").write_text(studies.STUDY.replace(old, new) + more)
    return "c.yaml"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("pipe.csv", "pipe.csv: cannot be read: no ordinary file"),
        ("/dev/zero", "a floorplan ends in .yaml, .yml, .csv, .flp, not nothing"),
        ("none.csv", "none.csv: cannot be read: No such file or directory"),
        ("empty.flp", "empty.flp: holds no unit"),
    ],
)
def test_a_floorplan_that_is_no_file_has_the_line_that_names_it(capsys, file: str, words: str) -> None:
    os.mkfifo("pipe.csv")
    Path("empty.flp").touch()
    said = told(capsys, "validate", changed("role: rram,", f"role: rram, floorplan: {file},"))
    assert f"error: c.yaml:{line_of('name: rram')}: floorplan: " in said and words in said, said


@pytest.mark.parametrize("size", ["-1 GB", "1 W", "1e-9 MB", "", "0 GB"])
def test_a_memory_that_is_none_names_its_option(capsys, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = changed("300 K", "300 K")
    assert told(capsys, "validate", path, "--memory", size).startswith("error: --memory: wants a size such as '8 GB'")
    monkeypatch.setenv("STACK3D_MEMORY", size or "x")
    assert "STACK3D_MEMORY: wants a size such as '8 GB'" in told(capsys, "validate", path)


def test_less_memory_than_any_case_takes_names_its_option(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK3D_MEMORY", "1 MB")
    said = told(capsys, "validate", changed("300 K", "300 K"))
    assert "--memory: a case wants more than there is: any case 35 MB" in said and ":1: any case" not in said, said


def test_mistakes_of_a_trace_name_the_model_or_the_table(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("small.yaml").write_text(PACKAGE)
    Path("steady.yaml").write_text(studies.STUDY)
    for name in ("small", "steady"):
        assert exit_code("compact", f"{name}.yaml", "-o", f"{name}.nc") == 0
    Path("p.csv").write_text("time [s],spot [W]\n0,1\n1,2\n2,0\n")
    Path("other.csv").write_text("time [s],spo [W]\n0,1\n1,2\n")
    capsys.readouterr()
    for model, table, more, words in (
        ("small", "other", [], "other.csv: the compact model has no source 'spo'"),
        ("small", "p", ["--film", "top=1 W/m^2/K"], "small.nc: film of top = 1 W/m^2/K lies outside"),
        ("small", "p", ["--film", "x=1 W/m^2/K"], "small.nc: the compact model has no face 'x'"),
        ("small", "p", ["--ambient", "2000 K"], "small.nc: ambient = 2000 K lies outside"),
        ("small", "p", ["--rainflow", "x"], "small.nc: counted: the compact model shows no place 'x'"),
        ("steady", "p", [], "steady.nc: the compact model is one of steady states"),
    ):
        said = told(capsys, "trace", f"{model}.nc", f"{table}.csv", "-o", "t.nc", *more)
        assert said.startswith(f"error: {words}"), said


@pytest.mark.parametrize("name", ["a.stk", "a.flp", "a.lcf"])
def test_an_empty_file_of_another_tool_has_its_first_line(capsys, name: str) -> None:
    Path(name).touch()
    Path("a.ptrace").touch()
    more = [] if name == "a.stk" else ["a.ptrace"]
    assert f"error: {name}:1: " in told(capsys, "import", name, *more, "-o", "out.yaml")


@pytest.mark.parametrize("key", ["", "....", ".a", "a.", "a..b", "a\\n", " "])
def test_an_empty_key_of_a_sweep_is_shown(capsys, key: str) -> None:
    said = told(capsys, "validate", changed("300 K", "300 K", f'sweep:\n  "{key}": [1, 2]\n'))
    assert f"c.yaml:{len(LINES) + 1}: sweep: sets {key.encode().decode('unicode_escape')!r}, which is no dotted key" in said, (
        said
    )


def test_a_name_of_a_dimension_is_taken_or_told(capsys) -> None:
    sweep = 'sweep:\n  power.sources.spot.power: ["1 W", "2 W"]\n  names: {power.sources.spot.power: temperature}\n'
    said = told(capsys, "validate", changed("300 K", "300 K", sweep))
    words = "'temperature' cannot name the dimension of power.sources.spot.power: it is the name of an output variable"
    assert f"c.yaml:{len(LINES) + 3}: sweep.names.power.sources.spot.power: {words}" in said, said


def test_long_names_are_cut(capsys) -> None:
    sweep = f"sweep:\n  variants: {{{'v' * 1000}: {{tier_map: [2, 2]}}, w: {{tier_map: [0, 2]}}}}\n"
    assert exit_code("validate", changed("300 K", "300 K", sweep)) == 2
    said = capsys.readouterr()
    assert "variant=vvv" in said.out and max(map(len, (said.out + said.err).splitlines())) < 400, said


@pytest.mark.parametrize(
    ("full", "words"),
    [
        (True, "(No space left on device); free some space"),
        (False, "(NetCDF: HDF error: the disk or your share of it may be full)"),
    ],
)
def test_a_full_disk_is_called_so_whatever_the_library_says(
    work: Path, full: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object, **more: object) -> None:
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fails)
    monkeypatch.setattr(storage, "is_full", lambda folder: full)
    with pytest.raises(ResultsError) as caught:
        write_tree(work / "a.nc", xr.DataTree())
    assert f"a.nc cannot be written {words}" in str(caught.value)


def test_a_missing_deck_says_which_command_lists_them(tmp_path: Path, capfd) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text("\n".join(line for line in LINES if not line.startswith("solver")))
    assert exit_code("validate", str(path)) == 2
    assert "solver: is missing: `stack3d list solvers` has names for it" in capfd.readouterr().err
    assert exit_code("list", "geometries") == 0
