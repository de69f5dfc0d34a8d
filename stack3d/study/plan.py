"""What a scenario asks for: its cases, where each lies, and which of them have to run."""

from __future__ import annotations

import hashlib
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack3d import decks, results, storage, yamlfile
from stack3d.decks import Case
from stack3d.errors import DeckError, Problem, ResultsError, Stack3dError
from stack3d.schema.sweep import STUDIES, SweepDeck
from stack3d.study.job import DONE, Job, Report, why_run
from stack3d.study.points import Dimension, KeyValue, Point, Points, axes_of
from stack3d.study.written_where import in_study
from stack3d.units import quantity

if TYPE_CHECKING:
    import xarray as xr

MESHED = ("geometry", "solver", "probes")
"""What a mesh is made from, but for the places of the sources and cooled patches."""


SECTIONS = frozenset(STUDIES)
"""Keys of a scenario that say which cases there are."""


Tree = yamlfile.Mapping
"""A scenario as it was read."""

MOST_TOLD = 200
"""Letters of what a case sets that are told with its name."""


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
    case: Case | None = None
    """Where it is the only one, or is not made from the file of the scenario; others are made again when they run."""
    more: tuple[KeyValue, ...] = ()
    """Set after what the point sets, for a case that stands beside those of the study."""
    until: str | None = None
    """Where a case that stands beside those of the study stops."""

    def folder(self, study: Path) -> Path:
        """Of its case below that of the study."""
        place = case_folder(study, self.digest)
        return place if self.until is None else place.with_name(f"{place.name}-{self.until}")


@dataclass(frozen=True)
class Found:
    """How a case that a plan asked for has ended.

    Parameters
    ----------
    overrides : mapping of str to value
        What the plan set.
    status : str
        ``done`` (also where it was before) or ``failed``.
    folder : Path or None
        Of the case.
    error : str
        Of a failed case.
    """

    overrides: Mapping[str, Any]
    status: str
    folder: Path | None
    error: str = ""

    @property
    def tree(self) -> xr.DataTree:
        """Its dataset; raises ResultsError for a failed case."""
        if self.status != DONE or self.folder is None:
            raise ResultsError(f"the case has no result: {self.error}")
        return results.open_result(self.folder / "result.nc")


class Plan(ABC):
    """Cases of one scenario, all at once or batch by batch as results come in.

    Parameters
    ----------
    name : str
        Of the scenario.
    source : Path
    overrides : sequence of (key, value)
        Of every case.
    """

    title = ""
    """Of the scenario, empty where it has none."""
    is_adaptive = False
    """Whether later cases depend on the results of earlier ones."""

    def __init__(self, name: str, source: Path, overrides: Sequence[KeyValue] = ()) -> None:
        self.name, self.source, self.overrides = name, source, tuple(overrides)

    @abstractmethod
    def next(self, found: Sequence[Found]) -> Sequence[Entry]:
        """Cases to run now that those asked for last have ended; none at the end.

        The same results have to give the same cases: so a search that was cut off goes on from what is done.
        """

    @property
    @abstractmethod
    def entries(self) -> Sequence[Entry]:
        """Cases asked for so far; of a plan that is not adaptive, all."""

    @property
    @abstractmethod
    def axes(self) -> Sequence[Dimension]:
        """Dimensions of the joined dataset; none for a single case."""

    @property
    def n_expected(self) -> int:
        """Cases that there will be, as far as is known."""
        return len(self.entries)

    @property
    def is_swept(self) -> bool:
        """Whether there may be several cases."""
        return bool(self.axes)

    def conclude(self, folder: Path) -> Report | None:
        """What the study as a whole has found, once all cases have ended and lie joined in its folder."""
        return None

    def jobs(
        self, entries: Sequence[Entry], folder: Path, until: str | None, *, force: bool
    ) -> tuple[list[Job], list[tuple[Entry, dict[str, Any]]]]:
        """Cases that have to run, large ones first, by mesh and films, and those that are done with their records.

        Parameters
        ----------
        entries : sequence of Entry
        folder : Path
            Of the study.
        until : str or None
            Where the runs stop.
        force : bool
            Run whatever is there.
        """
        pending: dict[Path, tuple[tuple[int, str, str], Job]] = {}
        done: dict[Path, tuple[Entry, dict[str, Any]]] = {}
        for entry in entries:
            if not entry.digest or (place := entry.folder(folder)) in pending or place in done:
                continue
            ends = entry.until or until
            reason, record = why_run(place, entry.digest, ends, entry.expect, force=force)
            if reason is None:
                done[place] = (entry, record)
                continue
            overrides = (*self.overrides, *entry.point.overrides, *entry.more)
            order = (-entry.size, entry.group, entry.films)
            job = Job(
                entry.label,
                place,
                entry.digest,
                self.source,
                overrides,
                entry.group,
                entry.size,
                ends,
                reason,
                self.is_swept,
                entry.case,
            )
            pending[place] = (order, job)
        jobs = [job for _, job in sorted(pending.values(), key=lambda found: found[0])]
        return jobs, list(done.values())

    def manifest(self, until: str | None) -> dict[str, Any]:
        """What the joined dataset has to know, for ``study.json``."""
        return {
            "scenario": self.name,
            "title": self.title,
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


class FixedPlan(Plan):
    """A plan whose cases are all known before the first one runs.

    Parameters
    ----------
    name, source, overrides
        See `Plan`.
    axes : sequence of Dimension
    entries : sequence of Entry
    """

    def __init__(
        self, name: str, source: Path, overrides: Sequence[KeyValue], axes: Sequence[Dimension], entries: Sequence[Entry]
    ) -> None:
        super().__init__(name, source, overrides)
        self._axes, self._entries, self._given = tuple(axes), tuple(entries), False

    def next(self, found: Sequence[Found]) -> Sequence[Entry]:
        """All, once."""
        out = () if self._given else self._entries
        self._given = True
        return out

    @property
    def entries(self) -> Sequence[Entry]:
        """All cases."""
        return self._entries

    @property
    def axes(self) -> Sequence[Dimension]:
        """Of the sweep."""
        return self._axes


def _dimension(axis: Dimension) -> dict[str, Any]:
    """Name, labels and further coordinates; quantities also as numbers in SI."""
    beside: dict[str, dict[str, Any]] = {}
    for name, labels in ((axis.name, axis.labels), *axis.beside.items()):
        if name != axis.name:
            beside[name] = {"values": list(labels)}
        found = [quantity(label) for label in labels]
        units = {f[1] for f in found if f is not None}
        if len(units) == 1 and all(f is not None for f in found):
            beside[f"{name}_value"] = {"values": [f[0] for f in found if f], "units": units.pop() or "1"}
    return {"name": axis.name, "keys": axis.keys, "labels": list(axis.labels), "beside": beside}


def case_folder(folder: Path, digest: str) -> Path:
    """Folder of a case below that of its scenario."""
    return storage.inside(storage.inside(folder, "cases"), digest[:12])


def mesh_group(case: Case) -> str:
    """Cases that agree in this share a mesh; powers and films may differ."""
    scenario = case.scenario
    parts = scenario.model_dump(mode="json", include={*MESHED})
    parts["patches"] = [[p.layer, p.face, p.x, p.y] for p in scenario.cooling.patches]
    sources = [] if scenario.power is None else scenario.power.model_dump(mode="json")["sources"]
    parts["places"] = [[s["layer"], s["x"], s["y"]] for s in sources]
    parts["work"] = None if scenario.workload is None else scenario.workload.model_dump(mode="json", exclude={"rate"})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def n_layers(case: Case) -> int:
    """Layers of a stack, those of every tier."""
    return case.scenario.geometry.n_layers


def size_of(case: Case) -> int:
    """Layers times lines across that they ask for: grows as the work does, and costs nothing to know."""
    mesh, layers = case.scenario.solver.mesh, case.scenario.geometry.every_layer
    lines: int = mesh.lateral + 2 * max((layer.channels.count for layer in layers if layer.channels), default=0)
    return n_layers(case) * lines


class StudyDraft:
    """A scenario and its sweep as written; cases are made one at a time.

    Parameters
    ----------
    path : str or Path
        Of the scenario, or its name.
    overrides : sequence of (key, value)
        Of every case.
    tree : Mapping, optional
        The scenario, where it is read already.

    Raises
    ------
    DeckError
        When the file cannot be read, or its sweep makes no sense or too many cases.
    """

    def __init__(self, path: str | Path, overrides: Sequence[KeyValue] = (), tree: Tree | None = None) -> None:
        self.source = decks.scenario_path(path)
        self.tree = yamlfile.read(self.source) if tree is None else tree
        self.overrides = tuple(overrides)
        self.name = str(dict(overrides).get("scenario", self.tree.get("scenario", self.source.stem)))
        self.title = str(dict(overrides).get("title", self.tree.get("title") or ""))
        self.known: decks.Known = {}
        try:
            sweep = self._sweep()
            self.axes = axes_of(sweep)
            self.points = Points(sweep, self.axes)
        except DeckError as error:
            raise DeckError([self._placed(p) for p in error.problems]) from None

    def _sweep(self) -> SweepDeck:
        from pydantic import ValidationError

        given = next((value for key, value in reversed(self.overrides) if key == "sweep"), self.tree.get("sweep", {}))
        try:
            return SweepDeck.model_validate(given or {})
        except ValidationError as error:
            raise DeckError(decks.translate(error, self.tree, SweepDeck, ("sweep",))) from None

    def _placed(self, problem: Problem) -> Problem:
        """Problem of the sweep with its line; a swept key is one key with dots in it."""
        head, _, key = problem.key.partition(".")
        if problem.file or head != "sweep" or "sweep" not in self.tree or any(key == "sweep" for key, _ in self.overrides):
            return problem
        place = yamlfile.locate(self.tree, ("sweep", key) if key in self.tree["sweep"] else ("sweep", *key.split(".")))
        return replace(problem, file=place[0], line=place[1]) if place else problem

    def at(self, index: tuple[int, ...]) -> Point:
        """One combination; raises DeckError, with its line, when a condition cannot be computed."""
        try:
            return self.points.at(index)
        except DeckError as error:
            raise DeckError([self._placed(p) for p in error.problems]) from None

    def __iter__(self) -> Iterator[Point]:
        """Every combination, in C order."""
        return map(self.at, itertools.product(*map(range, self.points.shape)))

    def label(self, point: Point) -> str:
        """Name of a case, cut where what it sets is long."""
        text = point.text if len(point.text) <= MOST_TOLD else f"{point.text[:MOST_TOLD]}…"
        return f"{self.name} [{text}]" if self.axes else self.name

    def case(self, point: Point) -> Case:
        """Resolve the case of a point."""
        overrides = [*self.overrides, *point.overrides]
        try:
            return decks.resolve(self._copy(overrides), self.source, overrides, self.known)
        except DeckError as error:
            raise self.in_sweep(error) from None

    def makes_case(self, point: Point, key: str, value: Any) -> bool:
        """Whether a point is still a case with one more key set."""
        try:
            self.case(replace(point, overrides=(*point.overrides, (key, value))))
        except DeckError:
            return False
        return True

    def _copy(self, overrides: Sequence[KeyValue]) -> yamlfile.Mapping:
        """The tree for a case; long lists of what there is to try are shared, but for those that a key below is set in."""
        below = {key.partition(".")[0] for key, _ in overrides if "." in key}
        tree: yamlfile.Mapping = yamlfile.copy_of(self.tree, but=SECTIONS - below)
        return tree

    def entry(self, point: Point) -> Entry:
        """A point with its case; one of a sweep that makes no valid case keeps its error, alone it raises Stack3dError."""
        entry = Entry(point, self.label(point))
        if point.dropped is not None:
            return entry
        try:
            case = self.case(point)
            return replace(with_case(entry, case), case=None if self.axes else case)
        except Stack3dError as error:
            if not self.axes:
                raise
            return replace(entry, error=error)

    def in_sweep(self, error: DeckError) -> DeckError:
        """The error with the line of the sweep for what a point of it set."""
        return in_study(self.tree, error, {key for key, _ in self.overrides})

    def all_dropped(self, point: Point) -> DeckError:
        """Error of a study whose conditions leave no case."""
        return DeckError(self._placed(Problem("sweep.where", f"drops all {len(self.points)} cases: {point.dropped}")))


def with_case(entry: Entry, case: Case) -> Entry:
    """The entry with what the engine has to know of its case."""
    films, size = case.scenario.cooling.model_dump_json(), size_of(case)
    return replace(entry, digest=case.digest(), group=mesh_group(case), films=films, size=size, expect=case.scenario.expect)


def spelled_out(draft: StudyDraft) -> FixedPlan:
    """All cases of a scenario; a combination that makes no valid case keeps its error.

    Raises
    ------
    DeckError
        When its sweep makes no sense, or it is no sweep and has mistakes.
    """
    entries = [draft.entry(point) for point in draft]
    dropped = [entry for entry in entries if entry.point.dropped]
    if entries and len(dropped) == len(entries):
        raise draft.all_dropped(entries[0].point)
    errors = [entry.error for entry in entries if entry.error]
    if draft.axes and len(dropped) + len(errors) == len(entries) and len(set(map(str, errors))) == 1:
        raise errors[0]  # a mistake of the scenario itself is told once
    found = FixedPlan(draft.name, draft.source, draft.overrides, draft.axes, entries)
    found.title = draft.title
    return found


def write_manifest(folder: Path, plan: Plan, until: str | None) -> None:
    """Write ``study.json``."""
    results.write_json(folder / results.MANIFEST, plan.manifest(until))
