"""Standard output that is full, closed or read no further, and requests to end while the program loads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import small_study as studies
from in_process import exit_code

import stack3d

QUICK = {
    "list": ["materials"],
    "show": ["small.yaml"],
    "validate": ["small.yaml"],
    "schema": ["devices"],
    "run": ["small.yaml", "-o", "out", "--progress", "plain"],
    "new": ["mine", "--kind", "chip"],
    "report": ["done/small", "-o", "page.html"],
    "import": ["a.stk", "-o", "imported.yaml"],
}
LONG = {
    "validate-models": [],
    "compact": ["small.yaml", "-o", "model.nc"],
    "mesh": ["small.yaml", "-o", "stack.msh"],
    "verify": ["small.yaml"],
    "plot": ["done/small", "-o", "figures"],
    "compare-placements": ["quickstart", "--set", "solver=ci"],
}
COMMANDS = [
    *([name, *words] for name, words in QUICK.items()),
    *(pytest.param([name, *words], marks=pytest.mark.slow) for name, words in LONG.items()),
]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study that is done."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "small.yaml").write_text(studies.STUDY)
    stack3d.sweep(folder / "small.yaml", output=folder / "done", workers=1)
    return folder


@pytest.fixture
def work(tmp_path: Path, done: Path, reference: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(studies.STUDY)
    (tmp_path / "done").symlink_to(done / "done")
    for file in (Path(__file__).parents[1] / "imports" / "ice_die").iterdir():
        (tmp_path / ("a.stk" if file.suffix == ".stk" else file.name)).write_bytes(file.read_bytes())
    return tmp_path


def _full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def _unread() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def ended(command: list[str], place: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of a command whose standard output takes nothing."""
    stream = os.fdopen(place, "w", encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    try:
        return exit_code(*command)
    finally:
        with suppress(OSError):
            stream.close()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_full_standard_output_is_called_so(
    work: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(command, _full(), monkeypatch) == 5
    said = capsys.readouterr().err
    assert "error: standard output cannot be written (No space left on device); free some space" in said, said
    assert said.count("error:") == 1 and "working folder" not in said, said


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_reader_that_has_gone_ends_a_command_quietly(work: Path, command: list[str]) -> None:
    """In a process of its own, whose standard output is a pipe that nobody reads."""
    writer = _unread()
    run = subprocess.run([sys.executable, "-m", "stack3d", *command], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert run.returncode == 141 and b"error" not in run.stderr, run.stderr


@pytest.mark.parametrize(
    ("place", "backend"),
    [
        (_full, "tensor"),
        (_unread, "fem"),
        pytest.param(_unread, "tensor", marks=pytest.mark.slow),
        pytest.param(_full, "fem", marks=pytest.mark.slow),
    ],
)
def test_progress_that_nobody_takes_costs_no_case(work: Path, place, backend: str) -> None:
    """Also where Gmsh and PETSc, as they start, let a pipe without a reader end the process."""
    stream = place()
    words = ["run", "small.yaml", "-o", "out", "--progress", "plain", "--workers", "1", "--set", f"solver.backend={backend}"]
    run = subprocess.run([sys.executable, "-m", "stack3d", *words], stderr=stream)
    os.close(stream)
    assert run.returncode == 0 and (work / "out" / "small" / "result.nc").is_file()


def test_a_closed_standard_output_is_no_file_of_the_run(work: Path) -> None:
    run = subprocess.run(
        f"exec '{sys.executable}' -m stack3d run small.yaml -o out --progress none >&-", shell=True, stderr=subprocess.PIPE
    )
    assert run.returncode == 0 and run.stderr == b""
    assert stack3d.open_result(work / "out" / "small")["thermal"]["temperature"].size


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGTERM, b"asked to end before the work began"), (signal.SIGINT, b"interrupted before the work")],
)
def test_a_request_while_the_program_loads_is_one_sentence(number: int, words: bytes) -> None:
    """The request falls into the import of the program."""
    script = f"""
import os, sys
class Asking:
    def find_spec(self, name, *more):
        if name == "stack3d.cli":
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Asking())
from stack3d.__main__ import main
main()
"""
    run = subprocess.run([sys.executable, "-c", script, "list"], capture_output=True)
    assert run.returncode == 128 + number and words in run.stderr and run.stderr.count(b"\n") == 1, run.stderr
    assert run.stdout == b""
