"""Many cases: expand sweeps, skip what is done, run the rest, and let one bad case stop nothing."""

from __future__ import annotations

import itertools
import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack3d import __version__, decks, results
from stack3d.decks import Case
from stack3d.errors import DeckError, Stack3dError, unknown_name
from stack3d.lifetime import run_case
from stack3d.progress import Observer

DONE, FAILED, SKIPPED = "done", "failed", "skipped"


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
    error : Exception or None
    """

    name: str
    status: str
    folder: Path | None
    lines: tuple[str, ...]
    exit_code: int = 0
    error: Exception | None = None


def expand(path: str | Path, overrides: Sequence[tuple[str, Any]] = ()) -> Iterator[tuple[str, Case | Exception]]:
    """Cases of a scenario, one per combination of its swept values; a bad combination yields its error."""
    try:
        base = decks.load(path, overrides)
    except DeckError as error:
        yield str(path), error
        return
    sweep = base.scenario.sweep
    if not sweep:
        yield base.name, base
        return
    for values in itertools.product(*sweep.values()):
        chosen = list(zip(sweep, values))
        label = ", ".join(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in chosen)
        try:
            yield f"{base.name} [{label}]", decks.load(path, [*overrides, *chosen])
        except Stack3dError as error:
            yield f"{base.name} [{label}]", error


def check_expectations(case: Case, tree: Any) -> list[str]:
    """Sentences for output variables outside the range that ``expect`` gives."""
    from stack3d import fields, units

    problems = []
    for key, text in case.scenario.expect.items():
        name, _, where = key.partition("@")
        paths = [p for p in fields.FIELDS if p == name or p.endswith(f"/{name}")]
        if not paths:
            raise unknown_name("output variable", name, [f.name for f in fields.FIELDS.values()])
        entry = fields.FIELDS[paths[0]]
        dimension = next((d for d, u in units.SI.items() if u == _pint_unit(entry.units)), "fraction")
        low, high = units.parse_range(text, dimension)
        array = tree[paths[0]]
        if where == "end" and "time" in array.dims:
            array = array.isel(time=-1).mean()
        worst_low, worst_high = float(array.min()), float(array.max())
        if worst_low < low or worst_high > high:
            problems.append(f"{key} spans {worst_low:.6g} to {worst_high:.6g} {entry.units}, expected {text}")
    return problems


def _pint_unit(unit: str) -> str:
    return {"W m-2": "W/m^2", "K W-1": "K/W", "s-1": "1/s", "1": ""}.get(unit, unit)


def case_folder(root: Path, case: Case) -> Path:
    """Folder of a case: the scenario's own, or one by content hash when it is part of a sweep."""
    return root / case.name / "cases" / case.digest()[:12]


def run_one(case: Case, label: str, root: Path, observer: Observer, *, force: bool = False, until: str | None = None) -> Report:
    """Run, or skip, one case; errors that stack3d raises are recorded and returned, never lost."""
    folder = case_folder(root, case)
    record = results.read_record(folder)
    same = all(record.get(key) == value for key, value in (("content_hash", case.digest()), ("until", until)))
    same = same and record.get("versions", {}).get("stack3d") == __version__
    if not force and same and record.get("status") == DONE and (folder / "result.nc").is_file():
        return Report(label, SKIPPED, folder, tuple(record.get("summary", ())))
    facts: dict[str, Any] = {
        "scenario": label,
        "content_hash": case.digest(),
        "until": until,
        "overrides": [str(o) for o in case.overrides],
        "versions": results.versions(),
        "started": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    results.write_text(folder / "resolved.yaml", results.resolved_yaml(case))
    results.write_record(folder, status="running", **facts)
    try:
        outcome = run_case(case.scenario, observer, until=until)
        tree = results.to_tree(case, outcome)
        results.write_tree(folder / "result.nc", tree)
        facts |= {"statistics": outcome.statistics, "summary": outcome.summary}
        missed = check_expectations(case, tree)
        if missed:
            raise Stack3dError("; ".join(missed))
    except Stack3dError as error:
        if isinstance(error, DeckError):
            error = DeckError(case.locate(error.problems))
        results.write_record(
            folder, status=FAILED, error=str(error), kind=type(error).__name__, traceback=traceback.format_exc(), **facts
        )
        return Report(label, FAILED, folder, tuple(str(error).splitlines()), error.exit_code, error)
    finally:
        observer.finish()
    results.write_record(folder, status=DONE, finished=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **facts)
    return Report(label, DONE, folder, outcome.summary)


def run(
    paths: Sequence[str],
    root: Path,
    observer_for: Callable[[str], Observer],
    *,
    overrides: Sequence[tuple[str, Any]] = (),
    force: bool = False,
    until: str | None = None,
) -> Iterator[Report]:
    """Run every case of every scenario, one after the other."""
    for path in paths:
        for label, case in expand(path, overrides):
            if isinstance(case, Exception):
                code = case.exit_code if isinstance(case, Stack3dError) else 1
                yield Report(label, FAILED, None, tuple(str(case).splitlines()), code, case)
                continue
            report = run_one(case, label, root, observer_for(label), force=force, until=until)
            if not case.scenario.sweep and report.folder and (report.folder / "result.nc").is_file():
                _publish(report.folder, root / case.name)
            yield report


def _publish(folder: Path, target: Path) -> None:
    """Make the result of a single case reachable as ``results/<scenario>/result.nc``."""
    import os

    for name in ("result.nc", "run.json"):
        link = target / f".{name}.{os.getpid()}.tmp"
        link.unlink(missing_ok=True)
        link.symlink_to((folder / name).relative_to(target))
        link.replace(target / name)
