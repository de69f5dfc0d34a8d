"""Killed at random moments, again and again, until it is done: equal to the undisturbed run to the bit, folders clean."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_study as studies

import stack3d
from stack3d import cli, signals, study
from stack3d.errors import Terminated
from stack3d.progress import Silent

SWEEP = "{power.sources.spot.power: [1 W, 2 W, 3 W], geometry.tiers.repeat: [1, 2, 3]}"
LIFE = """\
scenario: small
geometry: bulk_rram_8tier
cooling: {top: forced_air, bottom: board, ambient: "60 degC"}
workload: {network: digits_mlp, rate: "2e5 1/s", tile: [32, 32], placement: spread, periphery: cmos_adc_8bit, test_samples: 40}
power: {sources: [{name: host, layer: logic, power: "150 mW"}]}
device: bulk_rram_ucsd
mvm: {dac_bits: 8, adc_bits: 8}
lifetime: {until: "10 year", epochs: 8, attribution: false}
monte_carlo: {samples: 4, seed: 1}
solver: {backend: tensor, mesh: {lateral: 8, per_layer: 1}, error_promise: 0.5}
"""

UNCERTAIN = """\
uncertain:
  keys:
    power.sources.spot.power: {normal: ["1 W", "0.1 W"]}
    cooling.ambient: {uniform: ["290 K", "310 K"]}
  outputs: [layer_temperature_max]
  count: 4
"""
CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130}
"""How a run ends that is asked to, or killed."""
BEFORE = 77
"""Code of a copy that is asked to end before its command begins."""
SAID = {
    signal.SIGTERM: "error: asked to end; what is done is kept, and the same command goes on\n",
    signal.SIGINT: "error: interrupted; what is done is kept, and the same command goes on\n",
}
EARLY = {
    signal.SIGTERM: "error: asked to end before the work began; run the same command again\n",
    signal.SIGINT: "error: interrupted before the work began; run the same command again\n",
}
"""While Python loads."""
DECKS = {
    "study": studies.STUDY + f"sweep: {SWEEP}\n",
    "elements": LIFE.replace("backend: tensor", "backend: fem"),
    "life": LIFE + 'sweep: {cooling.ambient: ["60 degC", "80 degC"]}\n',
    "optimise": studies.STUDY + studies.OPTIMISE,
    "uncertain": studies.STUDY + UNCERTAIN,
}


def write(folder: Path, kind: str) -> Path:
    path = folder / "small.yaml"
    path.write_text(DECKS[kind])
    return path


def forked(path: Path, out: Path, said: Path) -> int:
    """Run a study by the command line in a copy of this process, which has imported everything."""
    signal.pthread_sigmask(signal.SIG_BLOCK, CODES.keys() - {signal.SIGKILL})  # none is lost before the copy listens
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            signals.listen()
            with said.open("w") as file:
                os.dup2(file.fileno(), 2)
            sys.stderr, sys.stdout = open(2, "w", closefd=False), open(os.devnull, "w")  # noqa: SIM115
            sys.argv = ["stack3d", "run", str(path), "-o", str(out), "--progress", "none", "--workers", "1"]
            signal.pthread_sigmask(signal.SIG_UNBLOCK, CODES.keys())
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        except (Terminated, KeyboardInterrupt):
            code = BEFORE
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, CODES.keys())
    return pid


def called(path: Path, out: Path, said: Path, *more: str) -> int:
    """Run a study in a process, and a session, of its own."""
    command = [sys.executable, "-m", "stack3d", "run", str(path), "-o", str(out), "--progress", "none", *more]
    files = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    files += [(os.POSIX_SPAWN_OPEN, 2, str(said), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=files, setsid=True)
    while not listens(pid):
        time.sleep(0.001)
    return pid


def statuses(out: Path) -> set[str]:
    """How the records say that their cases ended."""
    return {json.loads(path.read_text())["status"] for path in out.rglob("run.json")}


def listens(pid: int) -> bool:
    """Whether a process hears SIGTERM: from the first moment of the program on, and ever after."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def end(pid: int, number: signal.Signals, said: Path, *, begins: bool) -> int | None:
    """Send a signal and wait; the code, checked, of a process that had not ended before.

    A process that `begins` may get it while it loads the program.
    """
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        if number == signal.SIGKILL and os.getpgid(pid) == pid:
            os.killpg(pid, number)  # its workers too
        else:
            os.kill(pid, number)
        status = os.waitpid(pid, 0)[1]
    code, text = os.waitstatus_to_exitcode(status), said.read_text() if said.exists() else ""
    if ended or code == 0:  # it was just about to end
        assert code == 0, (code, text)
        return None
    if code == BEFORE:
        return code
    assert code == CODES[number] and "Traceback" not in text and "Error" not in text, (number, code, text)
    assert number == signal.SIGKILL or text == SAID[number] or (begins and text == EARLY[number]), text
    return code


def until_done(
    start: Callable[[], int], said: Path, kills: int, longest: float, seed: int, again: Callable[[], None], *, begins: bool
) -> dict[str, int]:
    """Start, end after a random time, start again; begin anew when it is done before; returns how often by which signal."""
    rng, sent = np.random.default_rng(seed), dict.fromkeys((number.name for number in CODES), 0)
    while sum(sent.values()) < kills:
        pid, number = start(), list(CODES)[rng.integers(len(CODES))]
        time.sleep(rng.uniform(0, longest))
        if end(pid, number, said, begins=begins) is None:
            again()
        else:
            sent[number.name] += 1
    assert os.waitstatus_to_exitcode(os.waitpid(start(), 0)[1]) == 0, said.read_text()
    again()
    return sent


ASKED = """
import contextlib, os, signal, sys
from stack3d import cli, signals
turn, number, *words = sys.argv[1:]
kept, turns = signals.handlers_kept, []


@contextlib.contextmanager
def asking():
    with kept():
        yield
    turns.append(1)
    if len(turns) == int(turn):
        os.kill(os.getpid(), int(number))


signals.handlers_kept = asking
sys.argv = ["stack3d", *words]
cli.main()
"""
MOMENTS = [(signal.SIGTERM, 2), *((number, turn) for turn in (1, 3, 4) for number in (signal.SIGTERM, signal.SIGINT))]
"""A run on finite elements starts MPI, Gmsh, DOLFINx and PETSc."""


@pytest.mark.parametrize(("number", "turn"), [MOMENTS[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in MOMENTS[1:])])
def test_a_run_is_asked_to_end_right_after_a_library_has_started(tmp_path: Path, number: signal.Signals, turn: int) -> None:
    (tmp_path / "small.yaml").write_text(studies.STUDY.replace("backend: tensor", "backend: fem"))
    words = ["run", "small.yaml", "-o", "out", "--progress", "none"]
    script = [sys.executable, "-c", ASKED, str(turn), str(number.value), *words]
    ended = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (CODES[number], SAID[number]) and statuses(tmp_path) <= {"interrupted"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "workers", "kills", "longest"),
    [
        ("study", 1, 50, 0.6),
        ("life", 1, 50, 1.5),
        ("optimise", 1, 50, 1.2),
        ("uncertain", 1, 40, 1.2),
        ("elements", 1, 40, 5.0),
        ("study", 2, 25, 8.0),
        ("optimise", 2, 15, 8.0),
    ],
)
def test_ended_at_random_moments(tmp_path: Path, kind: str, workers: int, kills: int, longest: float) -> None:
    path, out, said = write(tmp_path, kind), tmp_path / "out", tmp_path / "said.txt"
    list(study.run([str(path)], tmp_path / "undisturbed", Silent(), workers=1))
    expected = stack3d.open_results(tmp_path / "undisturbed" / "small")
    rounds = []

    def same() -> None:
        """What is there equals the undisturbed run, and nothing else lies in the folder; then all begins anew."""
        found = stack3d.open_results(out / "small")
        studies.assert_same(found, expected)
        assert all(found[name].attrs == expected[name].attrs for name in ("optimise", "uncertain") if name in expected.children)
        chosen = [folder / "small" / "chosen.yaml" for folder in (out, tmp_path / "undisturbed")]
        assert not chosen[1].exists() or chosen[0].read_bytes() == chosen[1].read_bytes()
        left = [p.name for p in out.rglob("*") if p.name.startswith((".", "damaged", "checkpoint")) and p.name != ".lock"]
        assert left == []
        assert set(stack3d.open_results(out / "small")["status"].values.ravel()) == {"done"} and statuses(out) == {"done"}
        rounds.append(1)
        out.rename(tmp_path / f"done{len(rounds)}")

    if workers == 1 and kind != "elements":
        sent = until_done(lambda: forked(path, out, said), said, kills, longest, 5, same, begins=False)
    else:  # in a process of its own, where libraries start
        more = ("--workers", str(workers))
        sent = until_done(lambda: called(path, out, said, *more), said, kills, longest, 5, same, begins=True)
    told = ", ".join(f"{n} {name}" for name, n in sent.items())
    print(f"{kind}, {workers} workers: {sum(sent.values())} ends ({told}), {len(rounds)} studies done, all equal")


@pytest.mark.slow
def test_dask_workers_killed_at_random_moments(tmp_path: Path) -> None:
    """Workers of a cluster are killed while cases run on them; others take over."""
    path, out = write(tmp_path, "life"), tmp_path / "out"
    expected = stack3d.sweep(path, output=tmp_path / "undisturbed", workers=1)
    rng, kills = np.random.default_rng(6), 0
    file = tmp_path / "scheduler.json"

    def begin(*command: str) -> subprocess.Popen[bytes]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([sys.executable, "-m", *command], start_new_session=True, **quiet)

    def worker() -> subprocess.Popen[bytes]:
        return begin(
            "distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-nanny", "--nthreads", "1", "--no-dashboard"
        )

    scheduler = begin("distributed.cli.dask_scheduler", "--scheduler-file", str(file), "--port", "0", "--no-dashboard")
    workers = [worker(), worker()]
    try:
        while not file.exists() or not file.read_text().rstrip().endswith("}"):
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        while kills < 15:
            pid = called(path, out, tmp_path / "said.txt", "--scheduler", address)
            while os.waitpid(pid, os.WNOHANG)[0] == 0:
                time.sleep(rng.uniform(2.0, 6.0))
                gone = workers.pop(0)
                os.killpg(gone.pid, signal.SIGKILL)
                gone.wait()
                workers.append(worker())
                kills += 1
            subprocess.run([sys.executable, "-m", "stack3d", "run", str(path), "-o", str(out), "--workers", "1"], check=True)
            studies.assert_same(stack3d.open_results(out / "small"), expected)
            out.rename(tmp_path / f"done{kills}")
    finally:
        for process in (*workers, scheduler):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    print(f"dask workers: {kills} kills, all equal")
