"""What a scenario asks for: its cases, where each lies, and which of them have to run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stack3d import decks, results, yamlfile
from stack3d.decks import Case
from stack3d.errors import DeckError, Problem, Stack3dError
from stack3d.schema.sweep import Sweep
from stack3d.study.case import Job, why_run
from stack3d.study.points import Axis, Override, Point, axes_of, points_of
from stack3d.units import quantity

MESHED = ("geometry", "solver", "probes")
"""What a mesh is made from, but for the places of the sources and cooled patches."""


@dataclass(frozen=True)
class Entry:
    """A point of a study and its case, or why it has none."""

    point: Point
    label: str
    digest: str = ""
    group: str = ""
    films: str = ""
    size: int = 0
    error: Stack3dError | None = None
    expect: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A scenario spelled out.

    Parameters
    ----------
    name : str
        Of the scenario.
    source : Path
    overrides : tuple of (key, value)
        Of every case.
    axes : tuple of Axis
        Empty for a single case.
    entries : tuple of Entry
    """

    name: str
    source: Path
    overrides: tuple[Override, ...]
    axes: tuple[Axis, ...]
    entries: tuple[Entry, ...]

    @property
    def is_swept(self) -> bool:
        """Whether there is a sweep."""
        return bool(self.axes)

    def case(self, entry: Entry) -> Case:
        """Resolve the case of an entry."""
        return decks.load(self.source, [*self.overrides, *entry.point.overrides])

    def jobs(self, folder: Path, until: str | None, *, force: bool) -> tuple[list[Job], list[tuple[Entry, dict[str, Any]]]]:
        """Cases that have to run, large ones first, by mesh and films, and those that are done with their records."""
        pending: dict[str, tuple[tuple[int, str, str], Job]] = {}
        done: dict[str, tuple[Entry, dict[str, Any]]] = {}
        for entry in self.entries:
            if not entry.digest or entry.digest in pending or entry.digest in done:
                continue
            place = case_folder(folder, entry.digest)
            reason, record = why_run(place, entry.digest, until, entry.expect, force=force)
            if reason is None:
                done[entry.digest] = (entry, record)
                continue
            overrides = (*self.overrides, *entry.point.overrides)
            order = (-entry.size, entry.group, entry.films)
            job = Job(
                entry.label, place, entry.digest, self.source, overrides, entry.group, entry.size, until, reason, self.is_swept
            )
            pending[entry.digest] = (order, job)
        jobs = [job for _, job in sorted(pending.values(), key=lambda found: found[0])]
        return jobs, list(done.values())

    def manifest(self, until: str | None) -> dict[str, Any]:
        """What the joined dataset has to know, for ``study.json``."""
        return {
            "scenario": self.name,
            "until": until,
            "overrides": [f"{key}={value}" for key, value in self.overrides],
            "dimensions": [_dimension(axis) for axis in self.axes],
            "cases": [
                {
                    "index": list(entry.point.index),
                    "label": entry.label,
                    "case": entry.digest,
                    "dropped": entry.point.dropped,
                    "error": str(entry.error) if entry.error else None,
                }
                for entry in self.entries
            ],
        }


def _dimension(axis: Axis) -> dict[str, Any]:
    """Name, labels and further coordinates; quantities also as numbers in SI."""
    beside: dict[str, dict[str, Any]] = {}
    for name, labels in ((axis.name, axis.labels), *axis.beside.items()):
        if name != axis.name:
            beside[name] = {"values": list(labels)}
        found = [quantity(label) for label in labels]
        units = {f[1] for f in found if f is not None}
        if len(units) == 1 and all(f is not None for f in found):
            beside[f"{name}_value"] = {"values": [f[0] for f in found if f], "units": units.pop() or "1"}
    keys = list(dict.fromkeys(key for chosen in axis.overrides for key, _ in chosen))
    return {"name": axis.name, "keys": keys, "labels": list(axis.labels), "beside": beside}


def case_folder(folder: Path, digest: str) -> Path:
    """Folder of a case below that of its scenario."""
    return folder / "cases" / digest[:12]


def mesh_group(case: Case) -> str:
    """Cases that agree in this share a mesh; powers and films may differ."""
    scenario = case.scenario
    parts = scenario.model_dump(mode="json", include={*MESHED})
    parts["patches"] = [[p.layer, p.face, p.x, p.y] for p in scenario.cooling.patches]
    sources = [] if scenario.power is None else scenario.power.model_dump(mode="json")["sources"]
    parts["places"] = [[s["layer"], s["x"], s["y"]] for s in sources]
    parts["work"] = None if scenario.workload is None else scenario.workload.model_dump(mode="json", exclude={"rate"})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def size_of(case: Case) -> int:
    """Layers times lines across that they ask for: grows as the work does, and costs nothing to know."""
    stack, mesh = case.scenario.geometry, case.scenario.solver.mesh
    tiers = [layer for layer in stack.tiers.layers for _ in range(stack.tiers.repeat)] if stack.tiers else []
    layers = [*stack.layers, *stack.below, *tiers, *stack.above]
    lines: int = mesh.lateral + 2 * max((layer.channels.count for layer in layers if layer.channels), default=0)
    return len(layers) * lines


def _sweep_of(tree: yamlfile.Mapping, overrides: Sequence[Override]) -> Sweep:
    from pydantic import ValidationError

    given = next((value for key, value in reversed(overrides) if key == "sweep"), tree.get("sweep", {}))
    try:
        return Sweep.model_validate(given or {})
    except ValidationError as error:
        raise DeckError(decks.translate(error, tree, Sweep, ("sweep",))) from None


def plan(path: str | Path, overrides: Sequence[Override] = ()) -> Plan:
    """Spell out a scenario; a combination that makes no valid case keeps its error.

    Raises
    ------
    DeckError
        When the file cannot be read, or its sweep makes no sense, or it is no sweep and has mistakes.
    """
    source = decks.scenario_path(path)
    tree = yamlfile.read(source)
    sweep = _sweep_of(tree, overrides)
    axes = axes_of(sweep)
    name = str(dict(overrides).get("scenario", tree.get("scenario", source.stem)))
    draft = Plan(name, source, tuple(overrides), axes, ())
    entries = []
    for point in points_of(sweep, axes) if axes else [Point((), (), "")]:
        label = f"{name} [{point.text}]" if axes else name
        entry = Entry(point, label)
        if point.dropped is None:
            try:
                case = draft.case(entry)
                films, size = case.scenario.cooling.model_dump_json(), size_of(case)
                entry = Entry(point, label, case.digest(), mesh_group(case), films, size, expect=case.scenario.expect)
            except Stack3dError as error:
                if not axes:
                    raise
                entry = Entry(point, label, error=_in_sweep(error, tree, overrides))
        entries.append(entry)
    if entries and all(e.point.dropped for e in entries):
        where = yamlfile.locate(tree, ("sweep", "where")) or (None, None)
        raise DeckError(Problem("sweep.where", f"drops all {len(entries)} cases: {entries[0].point.dropped}", *where))
    errors = {str(e.error) for e in entries if e.error}
    if axes and len(errors) == 1 and all(e.error or e.point.dropped for e in entries):
        raise next(e.error for e in entries if e.error)  # a mistake of the scenario itself is told once
    return Plan(name, source, tuple(overrides), axes, tuple(entries))


def _in_sweep(error: Stack3dError, tree: yamlfile.Mapping, overrides: Sequence[Override]) -> Stack3dError:
    """The error with the line of the sweep for what a point of it set."""
    own = {key for key, _ in overrides}
    if not isinstance(error, DeckError) or "sweep" not in tree or "sweep" in own:
        return error
    problems = []
    for problem in error.problems:
        place = yamlfile.locate(tree, ("sweep", problem.key)) if problem.file == decks.SET and problem.key not in own else None
        problems.append(replace(problem, file=place[0], line=place[1]) if place else problem)
    return DeckError(problems)


def expand(path: str | Path, overrides: Sequence[Override] = ()) -> Iterator[tuple[str, Case | Exception]]:
    """Cases of a scenario, one per point of its sweep; a combination that makes no valid case yields its error."""
    try:
        whole = plan(path, overrides)
    except Stack3dError as error:
        yield str(path), error
        return
    for entry in whole.entries:
        if entry.error is not None:
            yield entry.label, entry.error
        elif entry.digest:
            yield entry.label, whole.case(entry)


def write_manifest(folder: Path, plan: Plan, until: str | None) -> None:
    """Write ``study.json``."""
    text = json.dumps(plan.manifest(until), indent=1, ensure_ascii=False, default=str)
    results.write_text(folder / results.MANIFEST, text + "\n")
