"""The program as a user calls it: commands, exit codes, messages, files."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import meshio
import numpy as np
import pytest
import xarray as xr
from in_process import exit_code

from stack3d.guests import hidden

ROOT = Path(__file__).parents[2]
SMALL = """\
scenario: small
geometry:
  footprint: ["1 mm", "1 mm"]
  layers:
    - {name: die, thickness: "0.3 mm", material: silicon}
    - {name: lid, thickness: "0.5 mm", material: copper, contact_resistance: "2 mm^2*K/W"}
power:
  sources:
    - {name: spot, layer: die, x: ["0.2 mm", "0.4 mm"], y: ["0.2 mm", "0.4 mm"], power: "1 W"}
cooling: {top: {film_coefficient: "1e4 W/m^2/K"}, ambient: "300 K"}
probes:
  - {name: centre, layer: die, x: "0.5 mm", y: "0.5 mm"}
solver: ci
"""


def stack3d(*args: str, cwd: Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "stack3d", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert code is None or done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    folder = tmp_path_factory.mktemp("quickstart")
    done = stack3d("run", str(ROOT / "scenarios" / "quickstart.yaml"), "-o", "out", cwd=folder)
    return folder, done.stdout, done.stderr


def test_quickstart_prints_nine_lines(quickstart: tuple[Path, str, str]) -> None:
    _, out, err = quickstart
    lines = [line.strip() for line in out.splitlines() if line.startswith("  ")]
    assert [line.split("  ")[0] for line in lines] == [
        "peak temperature",
        "between tiers",
        "accuracy",
        "lasts",
        "energy",
        "conventional",
        "mapping",
        "limited today",
        "limited by",
    ]
    assert "today" in lines[2] and "after 1 year" in lines[2] and "after 10 years" in lines[2]
    assert "epoch" in err and "mesh" in err  # progress, as plain lines in a pipe


def test_quickstart_dataset_keeps_the_contract(quickstart: tuple[Path, str, str]) -> None:
    from stack3d import fields

    folder, _, _ = quickstart
    tree = xr.open_datatree(folder / "out" / "quickstart" / "result.nc")
    assert set(tree.children) == {"thermal", "power", "reliability", "mvm"}
    contract = {
        "thermal/temperature": ("tier", "y", "x"), "thermal/temperature_max": ("tier",), "thermal/layer_temperature_mean": ("layer",),
        "power/tile_power": ("tile",), "power/power_density": ("tier", "y", "x"), "reliability/equivalent_time": ("time", "tier"),
        "reliability/conductance_error_std": ("time", "tier"), "mvm/accuracy": ("time", "sample"),
        "mvm/time_to_accuracy_loss": ("sample",), "thermal/heat_in": (), "power/latency": (), "mvm/accuracy_ideal": (),
    }  # fmt: skip
    for path, dims in contract.items():
        assert tree[path].dims == dims, path
    for group in tree.children.values():
        for name, variable in group.data_vars.items():
            entry = fields.field(f"{group.name}/{name}")
            assert variable.attrs["units"] == entry.units and variable.attrs["long_name"] == entry.long_name
    assert tree["mvm/accuracy"].sizes == {"time": 13, "sample": 32}
    assert tree["thermal/temperature"].sizes["tier"] == 8
    total = tree["power/component_power"].sum("component")
    assert float(abs(total - tree["power/total_power"]).max()) < 1e-9 * float(total.max())
    assert float(tree["thermal/heat_balance_error"]) < 1e-9
    for name in ("resolved_scenario", "content_hash", "versions", "seed", "history", "references"):
        assert name in tree.attrs
    assert "MFIT" in tree.attrs["references"]


def test_quickstart_record(quickstart: tuple[Path, str, str]) -> None:
    folder, _, _ = quickstart
    record = json.loads((folder / "out" / "quickstart" / "run.json").read_text())
    assert record["status"] == "done" and record["versions"]["stack3d"]
    assert record["statistics"]["thermal"]["backend"] == "fem" and record["statistics"]["seconds"]["heat"] > 0


def test_the_readme_shows_this_output(quickstart: tuple[Path, str, str]) -> None:
    """Numbers of the worked example lie within 3 % of what the program says, which rounding and other machines explain."""
    shown = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for line in quickstart[1].splitlines()[1:]:
        label = line[:21]
        [found] = [s for s in shown if s.startswith(label)]
        ours, theirs = (re.findall(r"\d+\.?\d*", s) for s in (line, found))
        assert [float(v) for v in theirs] == pytest.approx([float(v) for v in ours], rel=0.03, abs=0.3), label


def test_second_run_is_skipped_and_the_same(quickstart: tuple[Path, str, str]) -> None:
    folder, first, _ = quickstart
    again = stack3d("run", str(ROOT / "scenarios" / "quickstart.yaml"), "-o", "out", cwd=folder)
    assert "done before, unchanged" in again.stdout
    assert again.stdout.splitlines()[1:] == first.splitlines()[1:]


def test_five_mistakes_are_five_lines(small: Path) -> None:
    broken = (
        SMALL.replace('"0.3 mm"', "0.3").replace("copper", "coper").replace('"1 W"', '"1 m"').replace('"300 K"', '"-300 degC"')
    ).replace("solver: ci", "solvr: ci")
    (small / "small.yaml").write_text(broken)
    started = time.monotonic()
    done = stack3d("validate", "small.yaml", cwd=small, code=2)
    elapsed = time.monotonic() - started
    lines = done.stderr.splitlines()
    assert len(lines) == 5, done.stderr
    assert [line.split(": ")[1] for line in lines] == [f"small.yaml:{n}" for n in (5, 6, 9, 10, 13)]
    assert elapsed < 30  # a hang, not a speed, is what this line is for


HEAVY = ("dask", "dolfinx", "gmsh", "matplotlib", "petsc4py", "pint", "scipy.optimize", "scipy.sparse", "xarray")


@pytest.mark.parametrize("words", [("validate", "small.yaml"), ("validate", "quickstart"), ("show", "quickstart"), ("list",)])
def test_a_look_imports_nothing_heavy(small: Path, words: tuple[str, ...]) -> None:
    code = (
        "import sys; from stack3d.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        f"print('heavy:', [m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=small, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []", done.stdout


def test_a_run_loads_no_package_for_arrays_that_nobody_has(small: Path) -> None:
    """xarray, for a page, asks Dask, pint and pyarrow for theirs and so loads them; a caller's own xarray goes on asking them."""
    words = ["stack3d", "run", "small.yaml", "--report", "page.html"]
    program = f"import atexit, sys; from stack3d.__main__ import main; {{}}; sys.argv = {words}; main()"
    told = "atexit.register(lambda: print(sorted({'dask', 'distributed', 'pint', 'pyarrow', 'xarray'} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", program.format(told)], cwd=small, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "['xarray']", done.stdout + done.stderr
    with hidden():
        import dask.array

        assert xr.DataArray(dask.array.ones(3)).chunks == ((3,),)


def test_mistakes_that_show_only_together(small: Path) -> None:
    (small / "small.yaml").write_text(
        SMALL.replace("layer: die, x: [", "layer: dye, x: [").replace(
            '{name: centre, layer: die, x: "0.5 mm"', '{name: centre, layer: die, x: "5 mm"'
        )
    )
    done = stack3d("validate", "small.yaml", cwd=small, code=2)
    assert "small.yaml:9: power.sources[0].layer: no layer 'dye' (did you mean 'die'?)" in done.stderr
    assert "small.yaml:12: probes[0]: probe 'centre' lies outside" in done.stderr


def test_thermal_run_and_overrides(small: Path) -> None:
    done = stack3d("run", "small.yaml", "--set", "cooling.ambient=310 K", "--set", "cooling.ambient=320 K", cwd=small)
    assert "peak temperature" in done.stdout
    tree = xr.open_datatree(small / "results" / "small" / "result.nc")
    assert float(tree["thermal/probe_temperature"][0]) > 320
    assert json.loads(tree.attrs["overrides"]) == ["cooling.ambient: 300 K -> 310 K", "cooling.ambient: 310 K -> 320 K"]


@pytest.mark.slow
def test_backends_agree_through_the_door(small: Path) -> None:
    values = []
    for backend in ("fem", "tensor"):
        stack3d("run", "small.yaml", "-o", backend, "--set", f"solver.backend={backend}", cwd=small)
        values.append(float(xr.open_datatree(small / backend / "small" / "result.nc")["thermal/probe_temperature"][0]))
    assert abs(values[0] - values[1]) < 1e-7 * (values[0] - 300)


def test_one_bad_case_stops_nothing(small: Path) -> None:
    (small / "bad.yaml").write_text(SMALL.replace("small", "bad").replace("copper", "coper"))
    done = stack3d("run", "bad.yaml", "small.yaml", cwd=small, code=4)
    assert "bad.yaml:6" in done.stderr and "1 of 2 cases done, 1 failed" in done.stderr
    assert (small / "results" / "small" / "result.nc").exists()


@pytest.mark.slow
def test_compare_placements(tmp_path: Path) -> None:
    """A row per placement, coolest tiles first, the kelvin gained over `spread` twice, and the same in the dataset."""
    done = stack3d("compare-placements", "quickstart", "--set", "solver=ci", "-o", "placements.nc", cwd=tmp_path)
    head, *rows, left_out = done.stdout.splitlines()
    assert "a run with --set workload.placement=accuracy_aware compares it" in left_out
    assert head.split()[:1] == ["placement"] and "under spread" in head
    found = xr.open_dataset(tmp_path / "placements.nc")
    peaks = found["placement_tile_peak"]
    assert [row.split()[0] for row in rows] == found["placement"].values.tolist() and (np.diff(peaks) >= 0).all()
    for column, key in ((3, "tile_peak"), (7, "stack_peak")):
        peaks = found[f"placement_{key}"]
        gains = {row.split()[0]: float(row.split()[column]) * {"mK": 1e-3, "K": 1.0}[row.split()[column + 1]] for row in rows}
        assert gains["spread"] == 0.0 <= gains["thermal_aware"]
        np.testing.assert_allclose(
            [gains[n] for n in peaks["placement"].values], peaks.sel(placement="spread") - peaks, atol=1e-6
        )
    wrong = stack3d("compare-placements", "microchannels_2tier", cwd=tmp_path, code=2)
    assert "workload: is missing: only tiles of a network can be placed" in wrong.stderr


def test_sweep_runs_every_combination(small: Path) -> None:
    (small / "small.yaml").write_text(
        SMALL + 'sweep: {cooling.ambient: ["300 K", "310 K"], geometry.layers.lid.material: [copper, aluminium]}\n'
    )
    done = stack3d("run", "small.yaml", cwd=small)
    assert done.stdout.count("small [cooling.ambient=") == 4
    assert len(list((small / "results" / "small" / "cases").iterdir())) == 4


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["run", "nowhere.yaml"], 2, "no file 'nowhere.yaml'"),
        (["run", "small.yaml", "--set", "x"], 2, "KEY=VALUE"),
        (["run", "small.yaml", "--until", "lunch"], 2, "--until knows 'thermal'"),
        (["run", "small.yaml", "--set", "expect={heat_in: '[2, 3] W'}"], 1, "heat_in spans 1 to 1 W, expected [2, 3] W"),
        (
            ["run", "small.yaml", "--set", "solver.linear={preconditioner: jacobi, max_iterations: 1}"],
            3,
            "try solver.linear.method=direct",
        ),
        (["list", "material"], 2, "did you mean 'materials'"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_exit_codes(small: Path, args: list[str], code: int, words: str) -> None:
    done = stack3d(*args, cwd=small, code=code)
    assert words in done.stderr


def test_a_failed_case_is_recorded_and_tried_again(small: Path) -> None:
    stack3d("run", "small.yaml", "--set", "expect={heat_in: '[2, 3] W'}", cwd=small, code=1)
    [folder] = (small / "results" / "small" / "cases").iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    assert "done before" not in stack3d("run", "small.yaml", cwd=small).stdout
    assert json.loads((folder / "run.json").read_text())["status"] == "done"


def test_show_list_schema_mesh(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = stack3d("show", "small.yaml", cwd=small).stdout
    assert "lid" in shown and "2 mm2K/W" in shown and "unknowns" in shown
    capsys.readouterr()
    assert exit_code("list") == 0
    listed = capsys.readouterr().out
    for word in (
        "materials:",
        "silicon",
        "bulk_rram_8tier",
        "forced_air",
        "hfox_analog",
        "digits_mlp",
        "standard",
        "quickstart",
    ):
        assert word in listed
    assert exit_code("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["geometry"]["anyOf"]
    for suffix in ("msh", "vtu", "xdmf"):
        stack3d("mesh", "small.yaml", "-o", f"small.{suffix}", cwd=small)
        cells = [c for c in meshio.read(small / f"small.{suffix}").cells if c.type == "hexahedron"]
        assert sum(len(c.data) for c in cells) > 1000
