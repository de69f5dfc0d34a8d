"""Names never lead out of the output folder; SIGTERM, a full disk and a lost home are one sentence."""

import contextlib
import errno
import functools
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_study as studies
from in_process import exit_code

import stack3d
from stack3d import results, signals, storage, study
from stack3d.errors import DeckError, DiskFullError
from stack3d.progress import Silent

HOSTILE = [
    "..",
    ".",
    "../x",
    "../../x",
    "/tmp/x",
    "a/b",
    "a\\b",
    "",
    "con",
    "NUL.txt",
    "x" * 300,
    "a\0b",
    "a\nb",
    "\u202ex",
    ".hidden",
    "-o",
    "é",
]


LIFE = """\
scenario: life
geometry: bulk_rram_8tier
cooling: {top: forced_air, bottom: board, ambient: "60 degC"}
workload: {network: digits_mlp, rate: "2e5 1/s", tile: [32, 32], placement: spread, periphery: cmos_adc_8bit, test_samples: 40}
power: {sources: [{name: host, layer: logic, power: "150 mW"}]}
device: bulk_rram_ucsd
mvm: {dac_bits: 8, adc_bits: 8}
lifetime: {until: "10 year", epochs: 6, attribution: false}
monte_carlo: {samples: 20, seed: 1}
solver: {backend: tensor, mesh: {lateral: 8, per_layer: 1}, error_promise: 0.5}
"""


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "stack3d", *args]


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


@pytest.mark.parametrize("name", HOSTILE)
def test_one_function_makes_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeckError, match="cannot name a file"):
        storage.inside(tmp_path, name)


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "small").symlink_to(tmp_path)
    with pytest.raises(DeckError, match="leads out"):
        storage.inside(tmp_path / "out", "small")


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", "x/y"])
@pytest.mark.parametrize("swept", [False, True])
def test_no_scenario_writes_outside(
    tmp_path: Path, name: str, swept: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    path = studies.write(work, "{power.sources.spot.power: [1 W, bad]}" if swept else "{}")
    text = path.read_text()
    assert "scenario: small" in text
    path.write_text(text.replace("scenario: small", f"scenario: {name}"))
    before = files(tmp_path)
    monkeypatch.chdir(work)
    monkeypatch.setattr(signals, "listen", lambda: None)
    assert exit_code("run", str(path), "-o", str(work / "out")) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert {f for f in files(tmp_path) - before if not f.startswith("a/b/out")} == set()


def test_figures_are_not_drawn_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = studies.write(tmp_path, "{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signals, "listen", lambda: None)
    assert exit_code("run", str(path), "-o", "out", "--progress", "none") == 0
    before = files(tmp_path)
    for more in (["--figure", "../../x"], ["--format", "png/../../x.png"]):
        assert exit_code("plot", "out/small", "-o", "figures/here", *more) in (1, 2)
        assert "Traceback" not in capsys.readouterr().err
    assert files(tmp_path) == before


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("wait", [0.0, 2.5, pytest.param(5.0, marks=pytest.mark.slow)])
def test_sigterm_ends_with_a_sentence(tmp_path: Path, workers: str, wait: float) -> None:
    path = studies.write(tmp_path, "{sample: {count: 400, keys: {power.sources.spot.power: {from: 1 W, to: 2 W}}}}")
    process = subprocess.Popen(
        command("run", str(path), "-o", "out", "--workers", workers),
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (tmp_path / "out" / "small" / ".lock").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    time.sleep(wait)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "Traceback" not in said and said.strip().splitlines()[-1].startswith("error: asked to end"), said


LONG = {
    "validate": ["validate", "small.yaml", "--all"],
    "compare-placements": ["compare-placements", "server_isaac_like", "-o", "placements.nc"],
    "trace": ["trace", "model.nc", "trace.csv", "--until", "100 year", "-o", "trace.nc"],
    "view": ["view", "server_isaac_like", "-o", "field.vtu"],
    "compact": ["compact", "flip_chip.yaml", "-o", "model.nc"],
}


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("name", LONG)
def test_sigterm_ends_other_commands_with_a_sentence(tmp_path: Path, name: str, wait: float) -> None:
    """Whatever they are at: the code, one sentence, nothing half written; what they would have written they write again."""
    studies.write(tmp_path, "{sample: {count: 100000, keys: {power.sources.spot.power: {from: 1 W, to: 2 W}}}}")
    (tmp_path / "flip_chip.yaml").write_text(
        "scenario: flip\ngeometry: flip_chip_package\npower: {sources: [{name: core, layer: active, x: [5 mm, 15 mm], y: [5 mm, 15 mm], power: 30 W}]}\n"
        "cooling: {top: cold_plate, ambient: 300 K}\nsolver: draft\ncompact: {shortest: 1 ms, conductivity: held}\n"
    )
    (tmp_path / "trace.csv").write_text("time [s],spot [W]\n0,1\n1,2\n2,0\n")
    if name == "trace":
        (tmp_path / "once.yaml").write_text(studies.STUDY + 'compact: {shortest: "1 ms"}\n')
        subprocess.run(command("compact", "once.yaml", "-o", "model.nc"), cwd=tmp_path, check=True, capture_output=True)
    before = files(tmp_path)
    process = subprocess.Popen(command(*LONG[name]), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(wait)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, (process.returncode, said)
    assert "Traceback" not in said and said.strip().splitlines()[-1].startswith("error: asked to end"), said
    assert files(tmp_path) == before


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: writing fails in the same call."""
    path = studies.write(tmp_path, "{}")

    def little() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        command("run", str(path), "-o", "out"), cwd=tmp_path, capture_output=True, text=True, preexec_fn=little
    )
    assert done.returncode == 5 and "Traceback" not in done.stderr and "cannot be written" in done.stderr, done.stderr
    assert not list((tmp_path / "out").rglob(".*.tmp"))


def _least(room: int) -> None:
    """No file of this process may be larger: writing more fails as on a full disk, for any user and without a disk of its own."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))


WRITERS = {
    "study": (["run", "{deck}", "-o", "out", "--progress", "none", "--workers", "1"], "{sweep}"),
    "search": (["run", "{deck}", "-o", "out", "--progress", "none", "--workers", "1"], "{search}"),
    "report": (["report", "{done}", "-o", "page.html"], "{}"),
    "plot": (["plot", "{done}", "-o", "figures"], "{}"),
    "mesh": (["mesh", "{deck}", "-o", "stack.msh"], "{}"),
    "view": (["view", "{deck}", "-o", "field.vtu"], "{}"),
    "new": (["new", "mine"], "{}"),
    "placements": (["compare-placements", "quickstart", "-o", "placements.nc"], "{}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("room", [700, 20_000])
@pytest.mark.parametrize("kind", WRITERS)
def test_every_command_on_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, kind: str, room: int) -> None:
    arguments, sweep = WRITERS[kind]
    path = studies.write(tmp_path, "{power.sources.spot.power: [1 W, 2 W]}" if sweep == "{sweep}" else "{}")
    if sweep == "{search}":
        path.write_text(studies.STUDY + studies.OPTIMISE)
    done = tmp_path / "before"
    if "{done}" in arguments:
        assert subprocess.run(command("run", str(path), "-o", str(done)), capture_output=True).returncode == 0
    asked = [word.format(deck=path, done=done / "small") for word in arguments]
    before = files(tmp_path)
    full = subprocess.run(
        command(*asked), cwd=tmp_path, capture_output=True, text=True, preexec_fn=functools.partial(_least, room)
    )
    assert full.returncode in (0, 4, 5) and "Traceback" not in full.stderr and "internal failure" not in full.stderr, (
        full.stderr
    )
    if full.returncode:
        assert "cannot be written" in full.stderr and "choose another folder" in full.stderr, full.stderr
    else:
        assert all((tmp_path / name).stat().st_size <= room for name in files(tmp_path) - before)
    left = [name for name in files(tmp_path) - before if name.rpartition("/")[2].startswith(".") and not name.endswith(".lock")]
    assert left == []
    again = subprocess.run(command(*asked), cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0 or "is there already" in again.stderr, again.stderr


@pytest.mark.slow
def test_a_small_disk(tmp_path: Path) -> None:
    """Where a user may not mount one, a limit on the size of files stands for it: `_least`."""
    small = tmp_path / "disk"
    small.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)], capture_output=True).returncode == 0
    )
    limit = functools.partial(_least, 20_000)
    try:
        path = studies.write(tmp_path, "{sample: {count: 8, keys: {power.sources.spot.power: {from: 1 W, to: 2 W}}}}")
        asked = command("run", str(path), "-o", str(small / "out"), "--progress", "none", "--workers", "1")
        if mounted:
            full = subprocess.run(asked, capture_output=True, text=True)
        else:
            full = subprocess.run(asked, capture_output=True, text=True, preexec_fn=limit)
        assert full.returncode in (4, 5) and "Traceback" not in full.stderr, full.stderr
        assert "cannot be written" in full.stderr and "free some space" in full.stderr, full.stderr
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=30m", str(small)], check=True)
        assert subprocess.run(asked, capture_output=True, text=True).returncode == 0
        assert not [p for p in small.rglob(".*") if p.name != ".lock"]
        undisturbed = stack3d.sweep(path, output=tmp_path / "undisturbed", workers=1)
        studies.assert_same(stack3d.open_results(small / "out" / "small"), undisturbed)
    finally:
        if mounted:
            subprocess.run(["umount", str(small)], check=True)


def test_a_study_without_room_begins_no_further_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would be computed for nothing; what is done stays, and goes on where there is room."""
    path = studies.write(tmp_path, "{power.sources.spot.power: [1 W, 2 W, 3 W, 4 W]}")
    written, known = [], results.write_case

    def write(file: Path, *what: Any) -> None:
        written.append(file)
        if len(written) == 2:
            raise storage.cannot_write(file, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        known(file, *what)

    monkeypatch.setattr(results, "write_case", write)
    reports = []
    with pytest.raises(DiskFullError, match=r"has no room for more: 2 cases are not begun; free some space and run again"):
        for report in study.run([str(path)], tmp_path / "out", Silent(), workers=1):
            reports.append(report)
    assert [report.status for report in reports] == ["done", "failed"] and reports[1].exit_code == 5
    again = list(study.run([str(path)], tmp_path / "out", Silent(), workers=1))
    assert sorted(report.status for report in again) == ["done", "done", "done", "skipped"]


@pytest.mark.parametrize(("bad", "code"), [(1, 4), (2, 5)])
def test_a_batch_ends_with_the_code_of_the_machine_where_it_stops_every_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: int, code: int
) -> None:
    path = studies.write(tmp_path, "{power.sources.spot.power: [1 W, 2 W]}")
    left, known = [bad], results.write_case

    def write(file: Path, *what: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise storage.cannot_write(file, OSError(errno.EROFS, os.strerror(errno.EROFS)))
        known(file, *what)

    monkeypatch.setattr(results, "write_case", write)
    monkeypatch.setattr(signals, "listen", lambda: None)
    assert exit_code("run", str(path), "-o", str(tmp_path / "out"), "--workers", "1", "--progress", "none") == code


@pytest.mark.slow
def test_a_disk_that_fills_while_a_life_runs(tmp_path: Path) -> None:
    """The checkpoint stays, and the life goes on from it to the bit where there is room again."""
    small, deck = tmp_path / "disk", tmp_path / "life.yaml"
    small.mkdir()
    deck.write_text(LIFE)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("may not mount a disk")
    asked = command("run", str(deck), "-o", str(small / "out"), "--progress", "plain")
    try:
        with subprocess.Popen(asked, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
            while not list(small.rglob("checkpoint.npz")) and run.poll() is None:
                time.sleep(0.02)
            with (small / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            said = run.communicate()[1].splitlines()
        errors = [line for line in said if line.startswith("error")]
        assert run.returncode == 5 and len(errors) == 1 and "cannot be written (No space left" in errors[0], said
        assert len(list(small.rglob("checkpoint.npz"))) == 1
        (small / "filler").unlink()
        done = subprocess.run(asked, capture_output=True, text=True)
        assert done.returncode == 0 and re.search(r"resume  epochs=[1-9]", done.stderr), done.stderr
        asked[asked.index("-o") + 1] = str(tmp_path / "whole")
        assert subprocess.run(asked, capture_output=True).returncode == 0
        found, whole = (stack3d.open_result(place / "life") for place in (small / "out", tmp_path / "whole"))
        for name in ("mvm/accuracy", "thermal/temperature"):
            assert np.array_equal(found[name].values, whole[name].values)
        assert not [p for p in small.rglob(".*") if p.name != ".lock"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.slow
def test_a_read_only_disk_is_one_line(tmp_path: Path) -> None:
    """What the system keeps for itself may not be written by anyone, not even the administrator."""
    path = studies.write(tmp_path, "{}")
    for place in ("/proc/stack3d", "/sys/stack3d"):
        done = subprocess.run(command("run", str(path), "-o", place), capture_output=True, text=True)
        assert done.returncode == 5 and len(done.stderr.splitlines()) == 1 and "cannot be written" in done.stderr, done.stderr


def test_no_home_and_no_working_folder(tmp_path: Path) -> None:
    path = studies.write(tmp_path, "{}")
    bare = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "STACK3D_CACHE")}
    done = subprocess.run(command("validate", str(path)), cwd=tmp_path, capture_output=True, text=True, env=bare)
    assert done.returncode == 0, done.stderr
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"import os, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); os.execv(sys.executable, {command('validate', 'x.yaml')!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 5 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
