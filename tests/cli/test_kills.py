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
from stack3d import study
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


def write(folder: Path, kind: str) -> Path:
    path = studies.write(folder, SWEEP)
    if kind == "life":
        path.write_text(LIFE + 'sweep: {cooling.ambient: ["60 degC", "80 degC"]}\n')
    return path


def forked(path: Path, out: Path) -> int:
    """Run a study in a copy of this process, which has imported everything."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        failed = 1
        try:
            failed = int(any(r.status == study.FAILED for r in study.run([str(path)], out, Silent(), workers=1)))
        finally:
            os._exit(failed)
    return pid


def called(path: Path, out: Path, *more: str) -> int:
    """Run a study in a process, and a session, of its own."""
    command = [sys.executable, "-m", "stack3d.cli", "run", str(path), "-o", str(out), "--progress", "none", *more]
    quiet = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_WRONLY, 0) for n in (1, 2)]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=quiet, setsid=True)


def until_done(
    start: Callable[[], int], kills: int, longest: float, rng: np.random.Generator, again: Callable[[], None]
) -> int:
    """Start, kill after a random time, start again; begin anew when it is done before; returns the kills."""
    n = 0
    while n < kills:
        pid = start()
        time.sleep(rng.uniform(0, longest))
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(code) == 0
            again()
            continue
        (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        n += 1
    assert os.waitstatus_to_exitcode(os.waitpid(start(), 0)[1]) == 0
    again()
    return n


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills", "longest"), [("study", 80, 0.6), ("life", 80, 1.5), ("workers", 25, 8.0)])
def test_killed_at_random_moments(tmp_path: Path, kind: str, kills: int, longest: float) -> None:
    path, out = write(tmp_path, kind), tmp_path / "out"
    expected = stack3d.sweep(path, output=tmp_path / "undisturbed", workers=1)
    rounds = []

    def same() -> None:
        """What is there equals the undisturbed run, and nothing else lies in the folder; then all begins anew."""
        studies.assert_same(stack3d.open_results(out / "small"), expected)
        left = [p.name for p in out.rglob("*") if p.name.startswith((".", "damaged", "checkpoint")) and p.name != ".lock"]
        assert left == []
        rounds.append(1)
        out.rename(tmp_path / f"done{len(rounds)}")

    start = (lambda: called(path, out, "--workers", "2")) if kind == "workers" else (lambda: forked(path, out))
    assert until_done(start, kills, longest, np.random.default_rng(5), same) == kills
    print(f"{kind}: {kills} kills, {len(rounds)} studies done, all equal")


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
            pid = called(path, out, "--scheduler", address)
            while os.waitpid(pid, os.WNOHANG)[0] == 0:
                time.sleep(rng.uniform(2.0, 6.0))
                gone = workers.pop(0)
                os.killpg(gone.pid, signal.SIGKILL)
                gone.wait()
                workers.append(worker())
                kills += 1
            subprocess.run(
                [sys.executable, "-m", "stack3d.cli", "run", str(path), "-o", str(out), "--workers", "1"], check=True
            )
            studies.assert_same(stack3d.open_results(out / "small"), expected)
            out.rename(tmp_path / f"done{kills}")
    finally:
        for process in (*workers, scheduler):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    print(f"dask workers: {kills} kills, all equal")
