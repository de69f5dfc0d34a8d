"""A study under everything that happens overnight: killed workers, killed runs, bad cases, two runs at once."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_study as studies
from small_study import assert_same

import stack3d
from stack3d import storage, study
from stack3d.errors import ResultsError
from stack3d.progress import Silent, StudyJson
from stack3d.storage import locked
from stack3d.study.dispatching import Queue

WIDE = "{{sample: {{count: {n}, keys: {{power.sources.spot.power: {{from: 1 W, to: 2 W}}}}}}}}"
PATCH = """\
import os, time
from stack3d.study import dispatching
def run_job(job, *args, plain=dispatching.run_job):
    time.sleep({sleep})
    if job.overrides[-1][1] == "poison":
        os._exit(1)
    return plain(job, *args)
dispatching.run_job = run_job
"""


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "stack3d", *args]


def run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*args), cwd=cwd, capture_output=True, text=True, timeout=300)


def statuses(folder: Path) -> dict[str, str]:
    return {p.parent.name: json.loads(p.read_text())["status"] for p in folder.glob("out/small/cases/*/run.json")}


def wait_for(condition: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A Dask scheduler with two worker processes, whose cases take at least the parameter's seconds."""
    from distributed import Client, LocalCluster

    (tmp_path / "patch.py").write_text(PATCH.format(sleep=request.param))
    preload = [str(tmp_path / "patch.py")]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50, preload=preload) as made,
        Client(made) as client,
    ):
        yield client


def test_a_checkpoint_that_a_kill_left_with_a_done_case_goes(tmp_path: Path) -> None:
    """Between the record of a case and the removal of its checkpoint lies an instant; the next run clears the folder."""
    path = studies.write(tmp_path, "{power.sources.spot.power: [1 W, 2 W]}")
    (first, *_) = study.run([str(path)], tmp_path / "out", Silent(), workers=1)
    (first.folder / "checkpoint.npz").write_bytes(b"left")
    again = list(study.run([str(path)], tmp_path / "out", Silent(), workers=1))
    assert [report.status for report in again] == [study.SKIPPED] * 2
    assert not list((tmp_path / "out").rglob("checkpoint*"))


@pytest.mark.parametrize("cluster", [0.2], indirect=True)
def test_a_killed_worker_loses_no_case(tmp_path: Path, cluster: Any) -> None:
    path = studies.write(tmp_path, WIDE.format(n=10))
    pids = cluster.run(os.getpid)
    assert len(pids) == 2
    reports = []
    for report in study.run([str(path)], tmp_path / "out", Silent(), scheduler=cluster.scheduler.address):
        reports.append(report)
        if len(reports) == 3:
            os.kill(next(iter(pids.values())), signal.SIGKILL)
    assert [r.status for r in reports] == [study.DONE] * 10
    serial = stack3d.sweep(path, output=tmp_path / "serial", workers=1)
    assert_same(stack3d.open_results(tmp_path / "out" / "small"), serial)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [0.2], indirect=True)
def test_a_killed_worker_loses_nothing_of_a_search(tmp_path: Path, cluster: Any) -> None:
    """A worker dies within the second batch: the same designs in the same order, and the same verdict, as in one process."""
    path = tmp_path / "small.yaml"
    path.write_text(studies.STUDY + studies.OPTIMISE)
    pids = cluster.run(os.getpid)
    reports = []
    for report in study.run([str(path)], tmp_path / "out", Silent(), scheduler=cluster.scheduler.address):
        reports.append(report)
        if len(reports) == 5:
            os.kill(next(iter(pids.values())), signal.SIGKILL)
    *cases, verdict = reports
    assert [r.status for r in cases] == [study.DONE] * 12
    *_, alone = study.run([str(path)], tmp_path / "serial", Silent(), workers=1)
    assert verdict.lines[:-1] == alone.lines[:-1]  # the last one names the folder
    trees = [stack3d.open_results(tmp_path / folder / "small") for folder in ("out", "serial")]
    assert_same(*trees)
    assert trees[0]["optimise"].attrs == trees[1]["optimise"].attrs


@pytest.mark.parametrize("cluster", [0.0], indirect=True)
def test_a_case_that_kills_its_workers_is_recorded_and_the_rest_go_on(tmp_path: Path, cluster: Any) -> None:
    path = studies.write(tmp_path, "{power.sources.spot.name: [one, poison, two]}")
    reports = list(study.run([str(path)], tmp_path / "out", Silent(), scheduler=cluster.scheduler.address))
    ended = {r.name.split("spot.name=")[1].rstrip("]") for r in reports if r.status == study.DONE}
    lost = [r for r in reports if r.status == study.FAILED]
    assert ended == {"one", "two"} and len(reports) == 3
    assert [r.lines[0].split(";")[0] for r in lost] == ["each worker that ran this case died"]
    assert json.loads((lost[0].folder / "run.json").read_text())["kind"] == "KilledWorker"


def test_a_run_killed_in_the_middle_resumes_to_the_same_dataset(tmp_path: Path) -> None:
    studies.write(tmp_path, WIDE.format(n=40))
    process = subprocess.Popen(
        command("run", "small.yaml", "-o", "out", "--workers", "1"),
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: list(statuses(tmp_path).values()).count("done") >= 5)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = statuses(tmp_path)
    done = [name for name, status in before.items() if status == "done"]
    assert 5 <= len(done) < 40
    # one more is made to look cut off while it was writing, and one as failed
    for name, status in ((done[0], "running"), (done[1], "failed")):
        record = tmp_path / "out" / "small" / "cases" / name / "run.json"
        facts = json.loads(record.read_text())
        del facts["sha256"]
        record.write_text(json.dumps(storage.sealed({**facts, "status": status, "kind": "SolverError"})))
    (tmp_path / "out" / "small" / "cases" / done[0] / ".result.nc.123.tmp").write_bytes(b"half")
    again = run("run", "small.yaml", "-o", "out", "--workers", "1", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("done before, unchanged") == len(done) - 2
    assert again.stdout.count("(cut off before)") == 1 + list(before.values()).count("running")
    assert again.stdout.count("(failed before (SolverError))") == 1
    assert not list(tmp_path.rglob(".*.tmp"))
    undisturbed = stack3d.sweep(tmp_path / "small.yaml", output=tmp_path / "undisturbed", workers=1)
    assert_same(stack3d.open_results(tmp_path / "out" / "small"), undisturbed)
    assert_same(stack3d.open_results(tmp_path / "out" / "small" / "study.nc"), undisturbed)


def test_the_same_study_twice_at_once(tmp_path: Path) -> None:
    path = studies.write(tmp_path, WIDE.format(n=2))
    with locked((tmp_path / "out" / "small").resolve()):
        second = run("run", "small.yaml", "-o", "out", cwd=tmp_path)
        with pytest.raises(ResultsError, match="is in use"):
            stack3d.sweep(path, output=tmp_path / "out")
    assert second.returncode == 5 and not (tmp_path / "out" / "small" / "cases").exists()
    assert f"is in use: process {os.getpid()} on" in second.stderr and "choose another -o" in second.stderr
    assert len(stack3d.sweep(path, output=tmp_path / "out", workers=1)["draw"]) == 2  # the lock is free again


def test_two_scenarios_of_one_name(tmp_path: Path) -> None:
    """The first runs; the second is told by both files, for its results would lie in one folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        studies.write(tmp_path / name, WIDE.format(n=2))
    files = [str(tmp_path / name / "small.yaml") for name in ("one", "two", "one")]
    *ran, told = sorted(study.run(files, tmp_path / "out", Silent(), workers=1), key=lambda r: r.status == study.FAILED)
    assert [r.status for r in ran] == [study.DONE] * 2
    assert told.exit_code == 2 and told.lines == (f"scenario 'small' is also the name of {files[0]}; rename one",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "taken"], "taken/small cannot be written .Not a directory.; a file stands where a folder is wanted"),
        (["-o", "/proc/nothing"], "cannot be written"),
        (["--scheduler", "nonsense"], "no Dask scheduler answers at nonsense: missing port"),
        pytest.param(
            ["--scheduler", "tcp://127.0.0.1:1"], "no Dask scheduler answers at tcp://127.0.0.1:1", marks=pytest.mark.slow
        ),
    ],
)
def test_a_place_that_is_not_there(tmp_path: Path, options: list[str], words: str) -> None:
    studies.write(tmp_path, WIDE.format(n=2))
    (tmp_path / "taken").write_text("a file")
    done = run("run", "small.yaml", "--progress", "none", *options, cwd=tmp_path)
    assert done.returncode == 5 and re.search(words, done.stderr) and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_values_of_a_sweep_that_make_no_sense(tmp_path: Path) -> None:
    """Each is one failed case, told with the line of the sweep; what makes sense goes on."""
    values = "['1 W', '-5 W', '1e9 W', '1 K', 'nan W', 3]"
    path = studies.write(tmp_path, f"{{power.sources.spot.power: {values}, names: {{power.sources.spot.power: heat}}}}")
    tree = stack3d.sweep(path, output=tmp_path / "out", workers=1)
    assert tree["status"].values.tolist() == ["done"] + ["failed"] * 5
    said = tree["message"].values.astype(str)
    words = [
        "",
        "negative, or in the wrong unit",
        "no material is solid",
        "'K' is no unit of power",
        "'nan W'",
        "bare number 3",
    ]
    assert all(word in text for word, text in zip(words, said))
    assert all("small.yaml:17" in text for text in said[3:])


def test_an_unexpected_error_is_one_failed_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stack3d.study import job

    plain = job.run_case

    def breaks(scenario: Any, *args: Any, **options: Any) -> Any:
        if scenario.geometry.tiers.repeat == 2:
            raise IndexError("list index out of range")
        return plain(scenario, *args, **options)

    monkeypatch.setattr(job, "run_case", breaks)
    path = studies.write(tmp_path, "{geometry.tiers.repeat: [1, 2, 3]}")
    reports = list(study.run([str(path)], tmp_path / "out", Silent(), workers=1))
    assert sorted(r.status for r in reports) == [study.DONE, study.DONE, study.FAILED]
    tree = stack3d.open_results(tmp_path / "out" / "small" / "study.nc")
    assert str(tree["message"].sel(tiers=2).values).startswith(
        "internal failure (IndexError: list index out of range); its trace is in "
    )
    record = json.loads(
        (tmp_path / "out" / "small" / "cases" / str(tree["case_hash"].sel(tiers=2).values)[:12] / "run.json").read_text()
    )
    assert "Traceback" in record["traceback"]


def test_a_wrong_key_in_every_case_is_told_once(tmp_path: Path) -> None:
    studies.write(tmp_path, "{geometry.tiers.repaet: [1, 2, 3]}")
    done = run("run", "small.yaml", cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "did you mean 'repeat'" in done.stderr


def test_json_lines_tell_everything(tmp_path: Path) -> None:
    studies.write(tmp_path, "{geometry.tiers.repeat: [1, 2], power.sources.spot.layer: [die, dye]}")
    done = run("run", "small.yaml", "--progress", "json", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 4
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [e["event"] for e in events if e["event"] in ("begin", "finish")] == ["begin", "finish"]
    assert events[0]["total"] == 4 and events[-1]["done"] == 2 and events[-1]["failed"] == 2


def test_one_mesh_serves_all_its_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve cases, two coolings, powers drawn: one solver, and three of other meshes that tell its error: narrower elements,
    and elements twice as wide, plain and flatter."""
    from stack3d.heat.meshing import Bricks

    made = []
    plain = Bricks.solver
    monkeypatch.setattr(Bricks, "solver", lambda *a: made.append(1) or plain(*a))
    sweep = "{sample: {count: 6, keys: {power.sources.spot.power: {from: 1 W, to: 2 W}}}, zip: {cooling.top: [cold_plate, lid_heat_sink]}}"
    tree = stack3d.sweep(studies.write(tmp_path, sweep), output=tmp_path / "out", workers=1)
    assert (tree["status"] == "done").all() and tree["status"].size == 12
    assert len(made) == 4


def test_two_local_workers_give_the_same_numbers_as_none(tmp_path: Path) -> None:
    """Forked workers, two meshes, the larger of which begins: equal to the last bit, and every case done once."""
    sweep = "{geometry.tiers.repeat: [1, 3], cooling.top: [cold_plate, lid_heat_sink]}"
    path = studies.write(tmp_path, sweep)
    watch = StudyJson(stream=io.StringIO())
    both = stack3d.sweep(path, output=tmp_path / "two", workers=2, watch=watch)
    events = [json.loads(line) for line in watch.stream.getvalue().splitlines()]
    begun = [e["case"] for e in events if e["event"] == "started"]
    assert len(begun) == len(set(begun)) == 4 and "repeat=3" in begun[0]
    assert_same(both, stack3d.sweep(path, output=tmp_path / "one", workers=1))


def test_workers_keep_to_their_group() -> None:
    """Two workers take the two groups apart; when one group is used up its worker helps with the other."""
    jobs = [study.Job(f"{g}{i}", Path(), "", Path(), (), g, 1, None, "", True) for g in "ab" for i in range(4)]
    queue = Queue(jobs)
    taken = [queue.next_for(w).group for w in ("one", "two", "one", "two")]
    assert taken[0] == taken[2] != taken[1] == taken[3]
    [queue.next_for("one") for _ in range(2)]
    assert queue.next_for("one").group == taken[1]
    queue.next_for("two")
    assert not queue


def test_time_left_is_that_of_the_pace_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("stack3d.progress.timing.time.monotonic", lambda: now[0])
    tally = StudyJson(stream=io.StringIO())
    tally.begin(10, 8)
    for status in ("skipped", "skipped"):
        tally.ended("x", status, ())
    assert tally.left is None
    now[0] = 6.0
    for status in ("done", "failed"):
        tally.started("x")
        tally.ended("x", status, ())
    assert tally.left == 18.0  # six cases at three seconds each
    assert tally.text() == "3 done, 1 failed, 0 running of 10, about 18 s left"


def test_two_mpi_processes_are_one_run(tmp_path: Path) -> None:
    """Same numbers as one process up to the tolerance of the solver; the first process alone speaks and writes."""
    mpiexec = Path(sys.executable).with_name("mpiexec")
    if not mpiexec.exists():
        pytest.skip("no mpiexec beside this Python")
    studies.write(tmp_path, "{}")
    options = ["--set", "solver.backend=fem", "--progress", "none"]
    both = subprocess.run(
        [str(mpiexec), "-n", "2", *command("run", "small.yaml", "-o", "two", *options)],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert both.returncode == 0, both.stderr
    assert both.stdout.count("small: ") == 1 and both.stdout.count("peak temperature") == 1
    assert run("run", "small.yaml", "-o", "one", *options, cwd=tmp_path).returncode == 0
    one, two = (stack3d.open_result(tmp_path / n / "small")["thermal/temperature_max"].values for n in ("one", "two"))
    np.testing.assert_allclose(two - 300, one - 300, rtol=1e-8)


def test_results_deleted_while_others_run_are_told_and_made_again(tmp_path: Path) -> None:
    path, out = studies.write(tmp_path, "{power.sources.spot.power: [1 W, 2 W, 3 W]}"), tmp_path / "out"
    reports = study.run([str(path)], out, Silent(), workers=1)
    shutil.rmtree(next(reports).folder)
    with pytest.raises(ResultsError, match="has gone while others ran; run again"):
        list(reports)
    assert sorted(r.status for r in study.run([str(path)], out, Silent(), workers=1)) == [study.DONE, *[study.SKIPPED] * 2]


def test_a_study_without_a_result_keeps_its_title(tmp_path: Path) -> None:
    path = studies.write(tmp_path, "{power.sources.spot.power: ['1e9 W', '2e9 W']}")
    path.write_text(f"title: Two that melt\n{path.read_text()}")
    tree = stack3d.sweep(path, output=tmp_path / "out", workers=1)
    assert set(tree["status"].values.tolist()) == {"failed"} and tree.attrs["title"] == "Two that melt"


def test_a_script_without_its_guard_is_told_in_one_line(tmp_path: Path) -> None:
    studies.write(tmp_path, WIDE.format(n=2))
    (tmp_path / "script.py").write_text("import stack3d\nstack3d.sweep('small.yaml', workers=2, output='out')\n")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("Traceback") == 1
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]
