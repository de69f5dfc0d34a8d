"""One case in its folder: what is known of it, running it, and how it ended."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack3d import __version__, decks, results, signals, storage, yamlfile
from stack3d.case import run_case
from stack3d.decks import Case
from stack3d.errors import DeckError, DiskFullError, Stack3dError, Terminated
from stack3d.heat.solvers import Backends
from stack3d.progress import Observer
from stack3d.registry import kept_trace, told_failure
from stack3d.study.expect import missed, mistakes
from stack3d.study.ranks import Ranks
from stack3d.study.written_where import in_study

DONE, FAILED, SKIPPED = "done", "failed", "skipped"
RUNNING, INTERRUPTED = "running", "interrupted"
"""Of a case in its record alone: under way, unless its process was killed; and asked to end."""


@dataclass(frozen=True)
class Report:
    """How one case ended.

    Parameters
    ----------
    name : str
        Scenario, with the swept values.
    status : str
        ``done``, ``failed`` or ``skipped`` (done before and unchanged).
    folder : Path or None
    lines : tuple of str
        Summary, or the error.
    exit_code : int
    reason : str
        Why a case that has a folder already was run again.
    traceback : str
        Of an error.
    is_swept : bool
        Whether the case belongs to a sweep.
    is_verdict : bool
        Whether it says what a study as a whole has found; it is no case then.
    has_no_room : bool
        Whether it failed for want of room on the disk: others would, too.
    """

    name: str
    status: str
    folder: Path | None
    lines: tuple[str, ...]
    exit_code: int = 0
    reason: str = ""
    traceback: str = ""
    is_swept: bool = False
    is_verdict: bool = False
    has_no_room: bool = False


@dataclass(frozen=True)
class Job:
    """A case to run.

    Parameters
    ----------
    label : str
    folder : Path
    digest : str
        Content hash.
    source : Path
        Scenario file.
    overrides : tuple of (key, value)
    group : str
        Cases of one group want the same mesh.
    size : int
        Of the thermal problem beside others, to begin with the largest.
    until : str or None
    reason : str
        Why it is run again.
    is_swept : bool
    case : Case or None
        Where it is made already.
    """

    label: str
    folder: Path
    digest: str
    source: Path
    overrides: tuple[tuple[str, Any], ...]
    group: str
    size: int
    until: str | None
    reason: str
    is_swept: bool
    case: Case | None = None

    def made(self) -> Case:
        """The case; raises DeckError when its file has changed for the worse."""
        return decks.load(self.source, self.overrides) if self.case is None else self.case


def why_run(
    folder: Path, digest: str, until: str | None, expect: Mapping[str, str], *, force: bool
) -> tuple[str | None, dict[str, Any]]:
    """Why a case has to run (empty when it never did; None when it is done and unchanged), and its record.

    Parameters
    ----------
    folder : Path
        Of the case.
    digest : str
        Of its scenario now.
    until : str or None
        Where the run stops.
    expect : mapping of str to str
        Ranges that its answers have to lie in now.
    force : bool
        Run whatever is there.
    """
    record = results.read_record(folder)
    if not record and (folder / "run.json").exists():
        storage.put_aside(folder / "run.json")
        return "its record was damaged", record
    if not record:
        return "", record
    if record.get("status") == FAILED:
        return f"failed before ({record.get('kind', 'error')})", record
    if record.get("status") != DONE:
        return "interrupted before" if record.get("status") == INTERRUPTED else "cut off before", record
    if force:
        return "forced", record
    made_by = record.get("versions", {}).get("stack3d")
    if made_by != __version__:
        return f"made by stack3d {made_by}", record
    if record.get("content_hash") != digest:
        return "changed", record
    if record.get("until") not in (None, until):
        return f"ended after {record['until']} before", record
    if not (folder / "result.nc").is_file():
        return "its result is missing", record
    if results.is_damaged(folder, record):
        storage.put_aside(folder / "result.nc")
        return "its result was damaged", record
    if record.get("expect", {}) != dict(expect):
        return "its expectations changed", record
    if results.deck_is_damaged(folder, record):
        results.mend_deck(folder)
    return None, record


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def run_job(job: Job, case: Case, observer: Observer, backends: Backends, ranks: Ranks) -> Report:
    """Run a case in its folder; whatever goes wrong is recorded and returned, never lost.

    With MPI every rank computes and the first one writes.

    Parameters
    ----------
    job : Job
    case : Case
        Resolved again from the job's files.
    observer : Observer
    backends : Backends
        Solvers kept from the cases before.
    ranks : Ranks
    """
    facts: dict[str, Any] = {
        "scenario": job.label,
        "content_hash": job.digest,
        "until": job.until,
        "overrides": [str(o) for o in case.overrides],
        "expect": dict(case.scenario.expect),
        "versions": results.versions(),
        "started": _now(),
    }
    began = time.perf_counter()
    try:
        if case.digest() != job.digest:
            raise Stack3dError("a deck of this case was edited while the study ran; run it again")
        if ranks.is_first:
            results.write_text(job.folder / results.RESOLVED, results.resolved_yaml(case))
            facts["resolved_sha256"] = storage.digest_of(job.folder / results.RESOLVED)
            results.write_record(job.folder, status=RUNNING, **facts)
        bad = mistakes(case.scenario)
        if bad:
            raise DeckError(bad)
        resume = None if ranks.is_parallel else job.folder / results.CHECKPOINT  # all ranks begin at the same epoch
        outcome = run_case(
            case.scenario, observer, until=job.until, backends=backends, resume=resume, key=f"{__version__} {job.digest}"
        )
        facts |= {"statistics": outcome.statistics, "summary": outcome.summary}
        signals.heed()
        if ranks.is_first:
            results.write_case(job.folder / "result.nc", case, outcome)
            wrong = missed(case.scenario.expect, outcome.record, is_whole=job.until is None)
            facts["result_sha256"] = storage.digest_of(job.folder / "result.nc")
            if wrong:
                raise Stack3dError("; ".join(wrong))
    except Exception as error:
        signals.heed()
        return _failed(job, case, error, facts, ranks)
    finally:
        observer.finish()
    facts |= {"finished": _now(), "wall_time": time.perf_counter() - began}
    if ranks.is_first:
        results.write_record(job.folder, status=DONE, **facts)
        clear_checkpoint(job.folder)
    return Report(job.label, DONE, job.folder, outcome.summary, reason=job.reason, is_swept=job.is_swept)


@contextmanager
def noted(job: Job, ranks: Ranks) -> Iterator[None]:
    """Write down of a case that it was asked to end while it ran, where that is so."""
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        record = results.read_record(job.folder)
        if ranks.is_first and record.get("status") == RUNNING:
            with suppress(OSError, Stack3dError):
                results.write_record(job.folder, **{**record, "status": INTERRUPTED, "finished": _now()})
        raise


def clear_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a case that is done; a kill between its record and this leaves one behind."""
    with suppress(OSError):
        (folder / results.CHECKPOINT).unlink(missing_ok=True)


def _failed(job: Job, case: Case, error: Exception, facts: dict[str, Any], ranks: Ranks) -> Report:
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, DeckError):
        error = DeckError(case.locate(error.problems))
        with suppress(DeckError, OSError):
            error = in_study(yamlfile.read(job.source), error) if job.is_swept else error
    text, code = told_failure(error, lambda: f"its trace is in {job.folder / 'run.json'}")
    report = record_failure(job, text, type(error).__name__, code=code, trace=trace, facts=facts, writes=ranks.is_first)
    return replace(report, has_no_room=isinstance(error, DiskFullError))


def record_failure(
    job: Job, text: str, kind: str, *, code: int = 1, trace: str = "", facts: dict[str, Any] | None = None, writes: bool = True
) -> Report:
    """Write down, and report, that a case failed.

    Parameters
    ----------
    job : Job
    text : str
        What is said.
    kind : str
        Class of the error.
    code : int
        Exit code.
    trace : str
        Traceback, for the record.
    facts : dict, optional
        Entries of the record; absent = those of the job.
    writes : bool
        Whether this process writes the record.
    """
    facts = facts or {"scenario": job.label, "content_hash": job.digest, "until": job.until, "versions": results.versions()}
    if writes:
        results.write_record(job.folder, status=FAILED, error=text, kind=kind, traceback=trace, finished=_now(), **facts)
    lines = tuple(text.splitlines()) or (kind,)
    return Report(job.label, FAILED, job.folder, lines, code, job.reason, trace, job.is_swept)


def lost_on_its_way(job: Job, error: Exception) -> Report:
    """Write down, and report, that a case, or its report, failed on the way between processes."""
    text, code = told_failure(error, lambda: f"its trace is in {job.folder / 'run.json'}")
    return record_failure(job, text, type(error).__name__, code=code, trace="".join(traceback.format_exception(error)))


def never_run(label: str, error: Stack3dError, *, is_swept: bool = False) -> Report:
    """Report of a case, or a study, that cannot begin."""
    text, code = told_failure(error, lambda: kept_trace(error))
    return Report(label, FAILED, None, tuple(text.splitlines()), code, is_swept=is_swept)
