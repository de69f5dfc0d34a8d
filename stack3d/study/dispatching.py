"""Where cases run: in this process, in local worker processes, or on a cluster that is there already."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from stack3d import decks
from stack3d.errors import ResultsError, Terminated
from stack3d.heat.solvers import Backends
from stack3d.progress import Observer, Silent, StudyObserver
from stack3d.study.job import Job, Report, lost_on_its_way, noted, record_failure, run_job
from stack3d.study.ranks import Ranks

MEMORY_PER_WORKER = 1.5e9
"""Memory below which no further local worker is started; DOLFINx, Gmsh and a mesh of 50 000 nodes take half of it. [B]"""
AHEAD = 1
"""Cases handed to a worker beyond the one it works on, so that it never waits."""
MOST_DEATHS = 3
"""Workers that a case may lose before it is given up."""
KILLED = "each worker that ran this case died; it may need more memory than a worker has: fewer --workers, or a coarser mesh"
GATHER = 10.0
"""How long the report of an ended case may take; its worker may die just then. [s]"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment of local workers. Dask's own also trims the heap at every turn, which doubles the time of array work."""
PATIENCE = 60.0
"""How long a cluster may be without any worker. [s]"""


GUARD = 'put the call of stack3d below `if __name__ == "__main__":`, since every worker imports the script; or set workers=1'
"""What a script does whose workers cannot start."""


def leave_if_a_worker_starts() -> None:
    """End a worker whose script calls for a study again while it is imported: the process that started it tells why."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    """A ResultsError where no worker starts, in place of what Dask and its workers say."""
    import logging

    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("Nanny failed"):
            raise
        logging.disable(logging.CRITICAL)
        raise ResultsError(f"no worker starts. In a script {GUARD}") from None


def workers_for(n_cases: int) -> int:
    """Local workers for a number of cases: one per core, as many as memory holds."""
    if n_cases <= 1:
        return 1  # without Dask, which takes a quarter of a second to load
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    return int(max(1, min(n_cases, CPU_COUNT, MEMORY_LIMIT // MEMORY_PER_WORKER)))


def here(queue: Queue, watch: StudyObserver, ranks: Ranks, observer: Observer, *, alone: bool) -> Iterator[Report]:
    """Run cases one after the other in this process; more may join the queue after each report.

    Several cases get one BLAS thread whatever the environment says, as in a worker, so that numbers do not depend on where
    a case ran.

    Parameters
    ----------
    queue : Queue
    watch : StudyObserver
        Told of cases.
    ranks : Ranks
    observer : Observer
        Told of the stages of a case.
    alone : bool
        Whether there is one case, which may have the threads that the environment names.
    """
    backends = Backends()
    with nullcontext() if alone else _one_thread():
        while queue:
            job = queue.next()
            watch.started(job.label)
            with noted(job, ranks):
                report = run_job(job, job.made(), observer, backends, ranks)
            yield report


def _one_thread() -> AbstractContextManager[Any]:
    """One BLAS thread, whatever the environment says."""
    import scipy.linalg  # noqa: F401  (brings the BLAS whose threads are limited)
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def in_worker(job: Job, case: decks.Case) -> Report:
    """Run a case in a Dask worker, one at a time per process, with the solver kept there."""
    from distributed import get_worker

    worker: Any = get_worker()
    kept = worker.__dict__.setdefault("stack3d", (threading.Lock(), Backends()))
    lock, backends = kept
    with lock:
        return run_job(job, case, Silent(), backends, Ranks())


def _start_fork_server() -> None:
    """Let a process beside this one import what cases need; workers are forked from it and need not import it each."""
    from multiprocessing import forkserver, get_context

    chosen = {
        **ONE_THREAD,
        "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
    }  # what a killed run left is cleared, not news
    before = {name: os.environ.get(name) for name in chosen}
    get_context("forkserver").set_forkserver_preload(["stack3d.study.preload"])
    os.environ.update(chosen)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def on_workers(queue: Queue, watch: StudyObserver, n: int) -> Iterator[Report]:
    """Run cases in `n` local processes of one thread each."""
    _start_fork_server()  # at work while this process imports Dask
    import logging

    import dask.config
    from distributed import Client, LocalCluster
    from distributed.system import MEMORY_LIMIT

    with (
        _told_in_one_line(),
        _quiet_end(),
        dask.config.set(
            {"distributed.nanny.pre-spawn-environ": ONE_THREAD, "distributed.worker.multiprocessing-method": "forkserver"}
        ),
        LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any free port: one that is taken would be told of
            scheduler_kwargs={"dashboard": False},
            memory_limit=int(MEMORY_LIMIT / n),
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield from dispatch(queue, watch, client)


@contextmanager
def _quiet_end() -> Iterator[None]:
    """What Dask says of its own parts while they are taken down in the middle of something is no news to anybody."""
    import logging

    try:
        yield
    except (KeyboardInterrupt, Terminated):
        logging.disable(logging.CRITICAL)
        threading.excepthook = lambda _: None
        raise


def on_cluster(queue: Queue, watch: StudyObserver, address: str) -> Iterator[Report]:
    """Run cases on the workers of a running scheduler; raises ResultsError when it cannot be reached."""
    from distributed import Client

    try:
        client = Client(address, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise ResultsError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        yield from dispatch(queue, watch, client)


class Queue:
    """Cases not handed out yet; a worker gets one of the group it had last when there is one.

    Parameters
    ----------
    jobs : iterable of Job
        Those of a group are handed out in this order.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.groups: dict[str, deque[tuple[int, Job]]] = {}
        self.last: dict[str, str] = {}
        self._count = 0
        self.add(jobs)

    def add(self, jobs: Iterable[Job]) -> None:
        """Put cases at the end."""
        for job in jobs:
            self.groups.setdefault(job.group, deque()).append((self._count, job))
            self._count += 1

    def __iter__(self) -> Iterator[Job]:
        return (job for group in self.groups.values() for _, job in group)

    @property
    def is_swept(self) -> bool:
        """Whether the case that has waited longest belongs to a sweep."""
        return min(itertools.chain(*self.groups.values()), key=lambda found: found[0])[1].is_swept

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def next(self) -> Job:
        """Take the case that has waited longest."""
        return self._taken(min(self.groups, key=lambda g: self.groups[g][0][0]))

    def next_for(self, worker: str) -> Job:
        """Take a case: of the worker's group, else of a group nobody has, else of any; of the one with most work left."""
        group = self.last.get(worker)
        if group not in self.groups:
            free = [g for g in self.groups if g not in self.last.values()]
            group = max(free or self.groups, key=lambda g: sum(job.size for _, job in self.groups[g]))
        self.last[worker] = group
        return self._taken(group)

    def _taken(self, group: str) -> Job:
        _, job = self.groups[group].popleft()
        if not self.groups[group]:
            del self.groups[group]
        return job


def dispatch(queue: Queue, watch: StudyObserver, client: Any) -> Iterator[Report]:
    """Hand out cases as workers get free, and those of a lost worker again; more may join the queue after each report.

    Each case is bound to the worker it is given to and given anew when that one has gone: Dask itself never wakes a case
    that preferred a worker when all had gone for a moment. What was on a lost worker runs again at the end, one case alone
    on a worker, so that a case that kills its worker is found out and recorded as failed.
    """
    return _Hands(queue, watch, client).reports()


class _Hands:
    """What is on which worker, and what was on workers that have gone."""

    def __init__(self, queue: Queue, watch: StudyObserver, client: Any) -> None:
        self.queue, self.watch, self.client = queue, watch, client
        self.suspects: list[Job] = []
        self.deaths: Counter[str] = Counter()
        self.running: dict[Any, tuple[Job, str]] = {}

    def reports(self) -> Iterator[Report]:
        seen = time.monotonic()
        while self.queue or self.suspects or self.running:
            workers = _workers(self.client, time.monotonic() - seen)
            seen = time.monotonic() if workers else seen
            yield from self._missed(workers)
            for worker in workers:
                self._fill(worker)
            if self.running:
                yield from self._ended()
            else:
                time.sleep(0.1)

    def _missed(self, workers: Sequence[str]) -> Iterator[Report]:
        """Take back what was on workers that have gone."""
        for future in [f for f, (_, worker) in self.running.items() if worker not in workers and not f.done()]:
            job, _ = self.running.pop(future)
            future.cancel(force=True)
            yield from self._lost(job)

    def _lost(self, job: Job) -> Iterator[Report]:
        self.deaths[job.digest] += 1
        if self.deaths[job.digest] < MOST_DEATHS:
            self.suspects.append(job)
        else:
            yield record_failure(job, KILLED, "KilledWorker")

    def _fill(self, worker: str) -> None:
        """Hand out cases to a worker; one that lost a worker before is alone there."""
        mine = [job for job, w in self.running.values() if w == worker]
        while self.queue and len(mine) < 1 + AHEAD and not any(self.deaths[job.digest] for job in mine):
            mine.append(self.queue.next_for(worker))
            self._submit(mine[-1], worker)
        if self.suspects and not mine:
            self._submit(self.suspects.pop(0), worker)

    def _submit(self, job: Job, worker: str) -> None:
        case, key = job.made(), f"stack3d-{job.digest[:12]}-{uuid.uuid4().hex[:8]}"
        future = self.client.submit(in_worker, job, case, workers=[worker], pure=False, key=key)
        self.running[future] = (job, worker)
        if not self.deaths[job.digest]:
            self.watch.started(job.label)

    def _ended(self) -> Iterator[Report]:
        """Reports of what ends within a second."""
        from distributed import wait

        try:
            ended = wait(list(self.running), timeout=1.0, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            return
        for future in ended:
            job, _ = self.running.pop(future)
            report = _outcome(future, job)
            if report is None:
                yield from self._lost(job)
            else:
                yield report


def _workers(client: Any, without: float) -> list[str]:
    """Workers that are there; raises ResultsError when there have been none for too long [s], or the scheduler has gone."""
    if client.status != "running":
        raise ResultsError("the Dask scheduler has gone; what is done is kept, run again to go on")
    workers = list(client.scheduler_info(n_workers=-1)["workers"])
    if not workers and without > PATIENCE:
        raise ResultsError(f"the cluster has had no worker for {PATIENCE:.0f} s; what is done is kept, run again to go on")
    return workers


def _outcome(future: Any, job: Job) -> Report | None:
    """Report of a case; None when it was lost with its worker."""
    from distributed import KilledWorker

    try:
        report: Report = future.result(timeout=GATHER)
        return report
    except (KilledWorker, TimeoutError):
        return None
    except Exception as error:  # the case itself records its own; this is the transport
        return lost_on_its_way(job, error)
