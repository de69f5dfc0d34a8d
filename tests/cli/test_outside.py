"""Names never lead out of the output folder; SIGTERM, a full disk and a lost home are one sentence."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_study as studies

from stack3d import storage
from stack3d.errors import DeckError

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


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "stack3d.cli", *args]


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
def test_no_scenario_writes_outside(tmp_path: Path, name: str, swept: bool) -> None:
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    path = studies.write(work, "{power.sources.spot.power: [1 W, bad]}" if swept else "{}")
    text = path.read_text()
    assert "scenario: small" in text
    path.write_text(text.replace("scenario: small", f"scenario: {name}"))
    before = files(tmp_path)
    done = subprocess.run(command("run", str(path), "-o", str(work / "out")), capture_output=True, text=True, cwd=work)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert {f for f in files(tmp_path) - before if not f.startswith("a/b/out")} == set()


def test_figures_are_not_drawn_outside(tmp_path: Path) -> None:
    path = studies.write(tmp_path, "{}")
    assert subprocess.run(command("run", str(path), "-o", "out"), cwd=tmp_path, capture_output=True).returncode == 0
    before = files(tmp_path)
    for more in (["--figure", "../../x"], ["--format", "png/../../x.png"]):
        done = subprocess.run(
            command("plot", "out/small", "-o", "figures/here", *more), cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr, done.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("wait", [0.0, 2.5, 5.0])
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
