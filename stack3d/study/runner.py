"""Run scenarios: lock, skip what is done, run the rest, join."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stack3d import results, storage
from stack3d.case.needs import needs_of
from stack3d.decks import Case
from stack3d.errors import DeckError, DiskFullError, ResultsError, Stack3dError
from stack3d.progress import Observer, Silent, StudyObserver
from stack3d.storage import locked
from stack3d.study.dispatching import Queue, here, leave_if_a_worker_starts, on_cluster, on_workers, workers_for
from stack3d.study.job import DONE, FAILED, SKIPPED, Job, Report, clear_checkpoint, never_run
from stack3d.study.plan import Entry, Found, Plan, write_manifest
from stack3d.study.planning import plan
from stack3d.study.ranks import Ranks
from stack3d.study.search import plan_of_cases

WORKERS_BEGIN = 3.0
"""Until the processes of this machine are ready for their first case, about. [s]"""
Item = str | Path | Case | Plan
"""A scenario by path or by name, a case that is made already, or a plan."""


class Underway:
    """A plan and how far it has come.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Of the scenario, in the results.
    until : str or None
    force : bool
        Run what is done, too.
    """

    def __init__(self, plan: Plan, folder: Path, until: str | None, *, force: bool) -> None:
        self.plan, self.folder, self._until, self._force = plan, folder, until, force
        self._batch: Sequence[Entry] = ()
        self._ended: dict[Path, tuple[str, Path | None, str]] = {}
        self._waiting: set[Path] = set()

    def advance(self) -> tuple[list[Report], list[Job]]:
        """Reports of cases that need not run, and the cases that do, until some have to be waited for."""
        reports: list[Report] = []
        while True:
            self._batch = self.plan.next([self._found(entry) for entry in self._batch])
            if self.plan.is_swept:
                write_manifest(self.folder, self.plan, self._until)
            if not self._batch:
                return reports, []
            fresh = [entry for entry in self._batch if not entry.digest or entry.folder(self.folder) not in self._ended]
            jobs, done = self.plan.jobs(fresh, self.folder, self._until, force=self._force)
            reports += [self._skipped(entry, record) for entry, record in done]
            reports += [never_run(entry.label, entry.error, is_swept=True) for entry in fresh if entry.error is not None]
            for job in jobs:
                results.prepare(job.folder)
            self._waiting = {job.folder for job in jobs}
            if jobs or not self.plan.is_adaptive:
                return reports, jobs

    def _skipped(self, entry: Entry, record: dict[str, Any]) -> Report:
        place, lines = entry.folder(self.folder), tuple(record.get("summary", ()))
        self._ended[place] = DONE, place, ""
        clear_checkpoint(place)
        return Report(entry.label, SKIPPED, place, lines, is_swept=self.plan.is_swept)

    def _found(self, entry: Entry) -> Found:
        never = FAILED, None, str(entry.error or entry.point.dropped)
        ended = self._ended.get(entry.folder(self.folder), never) if entry.digest else never
        return Found(dict(entry.point.overrides), *ended)

    def take(self, report: Report, job: Job) -> tuple[list[Report], list[Job]]:
        """What comes up when a case has ended; nothing while others of its batch still run."""
        error = "" if report.status == DONE else "\n".join(report.lines)
        self._ended[job.folder] = report.status, report.folder, error
        self._waiting.discard(job.folder)
        return ([], []) if self._waiting or not self.plan.is_adaptive else self.advance()


def run(
    items: Sequence[Item],
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
    items : sequence of str, Path, Case or Plan
        Scenario files or names; cases that are made already, those of one name a study; plans such as a `Search`.
    root : Path
        Of the results.
    watch : StudyObserver
        Told how the study as a whole goes.
    overrides : sequence of (key, value)
        Of every case of a scenario file or name, before what a sweep sets.
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
        Per case, as they end; what is skipped first. At the end what each search has found.
    """
    leave_if_a_worker_starts()
    ranks = Ranks.here()
    if ranks.is_parallel and (workers not in (None, 1) or scheduler):
        raise DeckError("with MPI all processes work on one case after the other: leave --workers and --scheduler away")

    def told(report: Report) -> Report:
        watch.ended(report.name, report.status, report.lines)
        return report

    with ExitStack() as held:
        begun = _Begun(root, ranks, held, until, force=force)
        before = [report for item in _grouped(items) for report in begun.reports_of(item, overrides)]
        watch.begin(len(before) + len(begun.queue), len(begun.queue))
        try:
            yield from map(told, before)
            for report in begun.run(watch, workers, scheduler, observer):
                yield told(report)
                skipped, n_new = begun.after(report)
                if skipped or n_new:
                    watch.grown(len(skipped) + n_new, n_new)
                yield from map(told, skipped)
                if report.has_no_room and begun.queue and not ranks.is_parallel:
                    text = f"{root} has no room for more: {len(begun.queue)} cases are not begun"
                    raise DiskFullError(f"{text}; free some space and run again, what is done is kept")
            begun.check_kept()
        finally:
            watch.finish()
            begun.finish()
        yield from begun.verdicts()


class _Begun:
    """The plans of one call, each in its locked folder, and the cases of theirs that wait."""

    def __init__(self, root: Path, ranks: Ranks, held: ExitStack, until: str | None, *, force: bool) -> None:
        self.root, self.ranks, self.held, self.until, self.force = root, ranks, held, until, force
        self.plans: dict[Path, Underway] = {}
        self.queue = Queue(())
        self._waiting: dict[Path, Job] = {}
        self._done: list[Path] = []

    @property
    def is_adaptive(self) -> bool:
        return any(underway.plan.is_adaptive for underway in self.plans.values())

    def reports_of(self, item: str | Path | Plan, overrides: Sequence[tuple[str, Any]]) -> list[Report]:
        """Begin with an item: its first cases join the queue; reports of what need not or cannot run."""
        try:
            return self._begin(plan(item, overrides) if isinstance(item, (str, Path)) else item)
        except Stack3dError as error:
            return [never_run(item.name if isinstance(item, Plan) else str(item), error)]

    def _begin(self, found: Plan) -> list[Report]:
        folder = Path(os.path.realpath(storage.inside(self.root, found.name)))
        if folder in self.plans:
            if self.plans[folder].plan.source == found.source and not found.is_adaptive:
                return []
            raise DeckError(f"scenario {found.name!r} is also the name of {self.plans[folder].plan.source}; rename one")
        if self.ranks.is_first:
            self.held.enter_context(locked(folder))
            results.prepare(folder)
        underway = Underway(found, folder, self.until, force=self.force)
        reports: list[Report]
        reports, jobs = self.ranks.share(underway.advance() if self.ranks.is_first else None)
        self.plans[folder] = underway
        self._add(jobs)
        return reports

    def _add(self, jobs: list[Job]) -> None:
        self.queue.add(jobs)
        self._waiting |= {job.folder: job for job in jobs}

    def run(
        self, watch: StudyObserver, workers: int | None, scheduler: str | None, observer: Observer | None
    ) -> Iterator[Report]:
        """Run what waits, where it was asked for."""
        if not self.queue:
            return
        if scheduler is not None:
            yield from on_cluster(self.queue, watch, scheduler)
            return
        is_adaptive = self.is_adaptive
        most = max(len(self.queue), workers or 1) if is_adaptive else len(self.queue)
        n = 1 if self.ranks.is_parallel else min(workers or workers_for(len(self.queue)), most)
        n = self._afforded(n, watch, is_chosen=workers is not None)
        if n > 1:
            yield from on_workers(self.queue, watch, n)
            return
        alone = len(self.queue) == 1 and not is_adaptive
        inner = observer if observer is not None and alone and self.ranks.is_first else Silent()
        yield from here(self.queue, watch, self.ranks, inner, alone=not self.queue.is_swept)

    def _afforded(self, n: int, watch: StudyObserver, *, is_chosen: bool) -> int:
        """Workers whose cases fit into memory side by side, the time of all told; raises DeckError for too many."""
        n_cases = sum(underway.plan.n_expected for underway in self.plans.values())
        if n == 1 and n_cases == 1:
            return n
        needs = needs_of(max(self.queue, key=lambda job: job.size).made().scenario)
        if needs is None:
            return n
        if not is_chosen:
            n = min(n, needs.fitting)
        needs.check_side_by_side(n)
        needs.tell_time(n_cases, n)
        begins = WORKERS_BEGIN if n > 1 else 0.0
        watch.expected(begins + needs.seconds * (n_cases if self.is_adaptive else len(self.queue)) / n)
        return n

    def after(self, report: Report) -> tuple[list[Report], int]:
        """What comes up when a case has ended: reports of what need not run, and how many cases joined the queue."""
        if report.status == DONE and report.folder is not None:
            self._done.append(report.folder)
        if not self.is_adaptive or report.folder is None:
            return [], 0
        underway, job = self.plans[report.folder.parents[1]], self._waiting.pop(report.folder)
        reports, jobs = self.ranks.share(underway.take(report, job) if self.ranks.is_first else None)
        self._add(jobs)
        return reports, len(jobs)

    def check_kept(self) -> None:
        """Raise ResultsError where results have gone since they were written: somebody deleted or moved their folder."""
        gone = [folder for folder in self._done if not (folder / "result.nc").is_file()] if self.ranks.is_first else []
        if gone:
            which = f"{gone[0]} has" if len(gone) == 1 else f"{len(gone)} results, as {gone[0]}, have"
            raise ResultsError(f"{which} gone while others ran; run again")

    def finish(self) -> None:
        """Join the studies."""
        if self.ranks.is_first:
            for folder, underway in self.plans.items():
                _finish(folder, underway.plan)

    def verdicts(self) -> Iterator[Report]:
        """What each study as a whole has found."""
        if self.ranks.is_first:
            yield from (found for folder, u in self.plans.items() if (found := u.plan.conclude(folder)) is not None)


def _grouped(items: Sequence[Item]) -> list[str | Path | Plan]:
    """The items, cases of one name as one plan where the first of them stands."""
    cases: dict[str, list[Case]] = {}
    out: list[str | Path | Plan | list[Case]] = []
    for item in items:
        if not isinstance(item, Case):
            out.append(item)
        elif item.name in cases:
            cases[item.name].append(item)
        else:
            cases[item.name] = [item]
            out.append(cases[item.name])
    return [plan_of_cases(item) if isinstance(item, list) else item for item in out]


def _finish(folder: Path, plan: Plan) -> None:
    """Join a study; make the result of a single case reachable as ``results/<scenario>/result.nc``."""
    if plan.is_swept:
        results.write_study(folder)
        return
    place = plan.entries[0].folder(folder)
    if not (place / "result.nc").is_file():
        return
    for name in ("result.nc", "run.json"):
        with storage.beside(folder / name) as link:
            link.symlink_to((place / name).relative_to(folder))
