"""Run scenarios: lock, skip what is done, run the rest, join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stack3d import results, storage
from stack3d.errors import DeckError, ResultsError, Stack3dError
from stack3d.progress import Observer, Silent, StudyObserver
from stack3d.study.case import FAILED, SKIPPED, Job, Report
from stack3d.study.engine import here, on_cluster, on_workers, workers_for
from stack3d.study.lock import locked
from stack3d.study.plan import Plan, case_folder, plan, write_manifest
from stack3d.study.ranks import Ranks


def run(
    paths: Sequence[str],
    root: Path,
    watch: StudyObserver,
    *,
    overrides: Sequence[tuple[str, Any]] = (),
    force: bool = False,
    until: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    observer: Observer | None = None,
) -> Iterator[Report]:
    """Run every case of every scenario that is not done yet, and join each study.

    Parameters
    ----------
    paths : sequence of str
        Scenario files or names.
    root : Path
        Of the results.
    watch : StudyObserver
        Told how the study as a whole goes.
    overrides : sequence of (key, value)
        Of every case, before what a sweep sets.
    force : bool
        Run cases that are done, too.
    until : {"thermal"}, optional
    workers : int, optional
        Local processes; by default as many as cores and memory allow. One works in this process.
    scheduler : str, optional
        Address of a running Dask scheduler, whose workers see the same file system.
    observer : Observer, optional
        Told what happens inside a case, when there is one only.

    Yields
    ------
    Report
        Per case, as they end; what is skipped first.
    """
    ranks = Ranks.here()
    if ranks.is_parallel and (workers not in (None, 1) or scheduler):
        raise DeckError("with MPI all processes work on one case after the other: leave --workers and --scheduler away")
    with ExitStack() as held:
        plans: dict[Path, Plan] = {}
        pending: list[Job] = []
        before: list[Report] = []
        for path in paths:
            try:
                found = plan(path, overrides)
                folder = storage.inside(root, found.name).resolve()
                if folder in plans:
                    if plans[folder].source == found.source:
                        continue
                    raise ResultsError(f"scenario {found.name!r} is also the name of {plans[folder].source}; rename one")
                if ranks.is_first:
                    held.enter_context(locked(folder))
                    storage.clear_scratch(folder)
                    if found.is_swept:
                        write_manifest(folder, found, until)
            except Stack3dError as error:
                before.append(Report(str(path), FAILED, None, tuple(str(error).splitlines()), error.exit_code))
                continue
            plans[folder] = found
            jobs, done = ranks.share(found.jobs(folder, until, force=force))
            pending += jobs
            for entry, record in done:
                place, lines = case_folder(folder, entry.digest), tuple(record.get("summary", ()))
                before.append(Report(entry.label, SKIPPED, place, lines, is_swept=found.is_swept))
            for entry in found.entries:
                if entry.error is not None:
                    lines = tuple(str(entry.error).splitlines())
                    before.append(Report(entry.label, FAILED, None, lines, entry.error.exit_code, is_swept=True))
        if ranks.is_first:
            for job in pending:
                storage.clear_scratch(job.folder)
        watch.begin(len(before) + len(pending), len(pending))
        try:
            for report in before:
                watch.ended(report.name, report.status, report.lines)
                yield report
            for report in _run(pending, watch, ranks, workers, scheduler, observer):
                watch.ended(report.name, report.status, report.lines)
                yield report
        finally:
            watch.finish()
            if ranks.is_first:
                for folder, found in plans.items():
                    _finish(folder, found)


def _run(
    jobs: list[Job], watch: StudyObserver, ranks: Ranks, workers: int | None, scheduler: str | None, observer: Observer | None
) -> Iterator[Report]:
    if not jobs:
        return
    if scheduler is not None:
        yield from on_cluster(jobs, watch, scheduler)
        return
    n = 1 if ranks.is_parallel else min(workers or workers_for(len(jobs)), len(jobs))
    if n > 1:
        yield from on_workers(jobs, watch, n)
    else:
        inner = observer if observer is not None and len(jobs) == 1 and ranks.is_first else Silent()
        yield from here(jobs, watch, ranks, inner)


def _finish(folder: Path, plan: Plan) -> None:
    """Join a study; make the result of a single case reachable as ``results/<scenario>/result.nc``."""
    if plan.is_swept:
        results.write_study(folder)
        return
    place = case_folder(folder, plan.entries[0].digest)
    if not (place / "result.nc").is_file():
        return
    for name in ("result.nc", "run.json"):
        with storage.beside(folder / name) as link:
            link.symlink_to((place / name).relative_to(folder))
