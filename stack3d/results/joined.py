"""All cases of a study in one dataset: one dimension per swept key, ragged parts padded, failed cases NaN."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stack3d import __version__, fields, signals, storage
from stack3d.errors import ResultsError, ValidityWarning
from stack3d.results.case_tree import MANIFEST, STUDY_FILE, is_damaged, is_whole_study, open_result, read_record, warn_of_deck
from stack3d.results.findings import study_groups
from stack3d.results.netcdf import netcdf, refuse_scenario, write_json, write_tree

if TYPE_CHECKING:
    import xarray as xr

LARGE = 1 << 30
"""Size from which a joined dataset is written as Zarr. [B]"""
PLACES = ("x", "y", "map_x", "map_y")
"""Dimensions of positions: where they differ between cases they are counted, not merged."""

ABOUT = ("status", "message", "case_hash", "summary")
"""Texts of each case of a study."""

AnyArray = NDArray[Any]
StoredVariable = tuple[tuple[str, ...], AnyArray, dict[str, Any]]


@dataclass(frozen=True)
class Content:
    """A case read back.

    Parameters
    ----------
    index : tuple of int
        Where it lies in the study.
    variables : mapping of (group, name) to (dimensions, values, attributes)
        Coordinates too.
    attrs : mapping
        Of the root.
    """

    index: tuple[int, ...]
    variables: Mapping[tuple[str, str], StoredVariable]
    attrs: Mapping[str, Any]

    def labels(self, group: str, dimension: str) -> AnyArray | None:
        """Coordinate of a dimension; None when it has none."""
        found = self.variables.get((group, dimension))
        return None if found is None else found[1]


def _read(path: Path, index: tuple[int, ...]) -> Content:
    variables: dict[tuple[str, str], StoredVariable] = {}
    with netcdf(path) as file:
        for group, content in file.groups.items():
            content.set_auto_mask(False)
            for name, variable in content.variables.items():
                attrs = {k: variable.getncattr(k) for k in variable.ncattrs() if k in ("units", "long_name")}
                variables[group, name] = (variable.dimensions, np.asarray(variable[...]), attrs)
        attrs = {name: file.getncattr(name) for name in ("title", "versions", "references", "seed") if name in file.ncattrs()}
    return Content(index, variables, attrs)


def merged(lists: Iterable[Sequence[Any]]) -> list[Any]:
    """Every label once, in an order that keeps that of the longest list and places the others after what they followed."""
    out: list[Any] = []
    for labels in sorted(lists, key=len, reverse=True):
        place = 0
        for label in labels:
            if label in out:
                place = out.index(label) + 1
            else:
                out.insert(place, label)
                place += 1
    return out


class Union:
    """Common dimensions of many cases.

    Parameters
    ----------
    contents : sequence of Content
    """

    def __init__(self, contents: Sequence[Content]) -> None:
        self.labels: dict[str, AnyArray] = {}
        self.sizes: dict[str, int] = {}
        self.places_differ: set[str] = set()
        seen: dict[str, dict[bytes, AnyArray]] = {}
        for content in contents:
            for (group, _), (dims, values, _) in content.variables.items():
                for dimension, size in zip(dims, values.shape):
                    self.sizes[dimension] = max(self.sizes.get(dimension, 0), size)
                    labels = content.labels(group, dimension)
                    if labels is not None:
                        key = "\0".join(labels).encode() if labels.dtype.kind == "O" else labels.tobytes()
                        seen.setdefault(dimension, {})[key] = labels
        for dimension, different in seen.items():
            lists = list(different.values())
            if dimension in PLACES and len(lists) > 1:
                self.places_differ.add(dimension)
                continue
            if lists[0].dtype.kind in "OUS":
                self.labels[dimension] = np.array(merged([list(labels) for labels in lists]), dtype=str)
            else:
                self.labels[dimension] = np.unique(np.concatenate(lists))
            self.sizes[dimension] = len(self.labels[dimension])
        self._positions = {d: {label: i for i, label in enumerate(labels.tolist())} for d, labels in self.labels.items()}

    def positions(self, content: Content, group: str, dimension: str, size: int) -> AnyArray:
        """Where the entries of a case lie along a common dimension.

        Parameters
        ----------
        content : Content
            Of the case.
        group, dimension : str
        size : int
            Entries of the case along it.
        """
        labels = content.labels(group, dimension)
        if labels is None or dimension not in self._positions:
            return np.arange(size)
        return np.array([self._positions[dimension][label] for label in labels.tolist()])


def _padded(
    contents: Sequence[Content], path: tuple[str, str], union: Union, shape: tuple[int, ...], first: StoredVariable
) -> tuple[tuple[str, ...], AnyArray]:
    """One variable of all cases, shape (study, own dimensions); NaN or an empty text where a case has nothing."""
    dims, values, _ = first
    sizes = tuple(union.sizes[d] for d in dims)
    is_text = values.dtype.kind in "OUS"
    out: AnyArray = np.full(shape + sizes, "", dtype=object) if is_text else np.full(shape + sizes, np.nan)
    for content in contents:
        found = content.variables.get(path)
        if found is None:
            continue
        part = out[content.index] if dims else out
        where = [union.positions(content, path[0], d, n) for d, n in zip(dims, found[1].shape)]
        part[np.ix_(*where) if dims else content.index] = found[1]
    return dims, out.astype(str) if is_text else out


def _group(contents: Sequence[Content], group: str, union: Union, study: Mapping[str, int]) -> xr.Dataset | None:
    import xarray as xr

    firsts: dict[str, StoredVariable] = {}
    for content in contents:
        for (owner, name), variable in content.variables.items():
            if owner == group:
                firsts.setdefault(name, variable)
    if not firsts:
        return None
    swept, shape = tuple(study), tuple(study.values())
    data, coordinates = {}, {}
    for name, first in firsts.items():
        if name in union.labels:
            coordinates[name] = xr.Variable((name,), union.labels[name], first[2])
            continue
        dims, values = _padded(contents, (group, name), union, shape, first)
        if "long_name" in first[2] and name not in fields.COORDINATES:
            data[name] = xr.Variable((*swept, *dims), values, first[2])
            continue
        own = [values[content.index] for content in contents]
        if name in union.places_differ:
            coordinates[f"{name}_centre"] = xr.Variable((*swept, *dims), values, first[2])
        elif _agree(own):
            coordinates[name] = xr.Variable(dims, _common(own), first[2])
        else:
            coordinates[name] = xr.Variable((*swept, *dims), values, first[2])
    return xr.Dataset(data, coordinates)


def _agree(arrays: Sequence[AnyArray]) -> bool:
    """Whether all cases say the same wherever they say something."""
    common = _common(arrays)
    missing = (lambda a: a == "") if common.dtype.kind == "U" else np.isnan
    return all(bool(np.all(missing(a) | (a == common))) for a in arrays)


def _common(arrays: Sequence[AnyArray]) -> AnyArray:
    out = arrays[0].copy()
    for array in arrays[1:]:
        gaps = out == "" if out.dtype.kind == "U" else np.isnan(out)
        out = np.where(gaps, array, out)
    return out


def join(folder: Path) -> xr.DataTree:
    """Join the cases of a results folder.

    Parameters
    ----------
    folder : Path
        Of a scenario: with ``study.json``, or with ``cases`` alone, which are then listed along ``case``.

    Returns
    -------
    DataTree
        The groups of a case with the swept dimensions in front, and ``status``, ``message``, ``case_hash``,
        ``summary`` and ``wall_time`` over these alone.

    Raises
    ------
    ResultsError
        When there are no cases.
    """
    import xarray as xr

    manifest = _manifest(folder)
    dimensions = manifest["dimensions"]
    study = {d["name"]: len(d["labels"]) for d in dimensions}
    shape = tuple(study.values())
    about: dict[str, AnyArray] = {name: np.full(shape, "", dtype=object) for name in ABOUT}
    seconds = np.full(shape, np.nan)
    contents = []
    for entry in manifest["cases"]:
        index = tuple(entry["index"])
        status, message, record = _status(folder, entry)
        about["status"][index], about["message"][index], about["case_hash"][index] = status, message, entry["case"] or ""
        if status == "done":
            try:
                contents.append(_read(_place(folder, entry) / "result.nc", index))
                warn_of_deck(_place(folder, entry), record)
                seconds[index] = record.get("wall_time", np.nan)
                about["summary"][index] = "\n".join(map(str, record.get("summary") or ()))
            except Exception as error:  # the library raises what it likes; the other cases are told all the same
                signals.heed()
                about["status"][index], about["message"][index] = "damaged", f"its result cannot be read: {error}"
    root = xr.Dataset({name: (tuple(study), values.astype(str)) for name, values in about.items()})
    root["wall_time"] = (tuple(study), seconds)
    for name, (unit, meaning) in fields.STUDY.items():
        root[name].attrs.update(units=unit, long_name=meaning)
    root = root.assign_coords(_swept(dimensions))
    root.attrs = _attributes(manifest, contents)
    union = Union(contents)
    names = merged([list(dict.fromkeys(group for group, _ in content.variables)) for content in contents])
    groups = {f"/{name}": _group(contents, name, union, study) for name in names}
    whole = {name: group for name, group in groups.items() if group is not None}
    return xr.DataTree.from_dict({"/": root, **whole, **study_groups(manifest)})


def _swept(dimensions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Coordinates of a study: the labels of each dimension, and the values of its keys beside them."""
    found: dict[str, Any] = {}
    for dimension in dimensions:
        found[dimension["name"]] = np.array(dimension["labels"])
        for name, values in dimension["beside"].items():
            attrs = {"units": values["units"]} if "units" in values else {}
            found[name] = (dimension["name"], _column(values["values"]), attrs)
    return found


def _column(values: list[Any]) -> AnyArray:
    """Numbers with NaN, or texts with an empty one, where there is none."""
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values if v is not None):
        return np.array([np.nan if v is None else v for v in values])
    return np.array(["" if v is None else v if isinstance(v, str) else json.dumps(v) for v in values])


def _place(folder: Path, entry: Mapping[str, Any]) -> Path:
    return folder / "cases" / str(entry["case"])[:12]


def _is_hash(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch("[0-9a-f]{12,64}", name) is not None


def _status(folder: Path, entry: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Status, message and record of a point of a study."""
    if entry["dropped"]:
        return "dropped", f"where: {entry['dropped']}", {}
    if entry["error"]:
        return "failed", entry["error"], {}
    record = read_record(_place(folder, entry))
    if not record or record.get("content_hash") != entry["case"]:
        return "not_run", "", {}
    if record.get("status") == "failed":
        return "failed", str(record.get("error", "")), record
    is_whole = record.get("status") == "done" and (_place(folder, entry) / "result.nc").is_file()
    if is_whole and is_damaged(_place(folder, entry), record):
        return "damaged", "its result is not what its run.json was written for; run it again", record
    return ("done", "", record) if is_whole else ("cut_off", "", record)


def _attributes(manifest: Mapping[str, Any], contents: Sequence[Content]) -> dict[str, Any]:
    references: dict[str, str] = {}
    for text in {str(c.attrs["references"]): None for c in contents if "references" in c.attrs}:
        references |= json.loads(text)
    first = contents[0].attrs if contents else {}
    return {
        "title": first.get("title") or manifest.get("title") or manifest["scenario"],
        "Conventions": "CF-1.11",
        "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} stack3d {__version__}: study {manifest['scenario']} joined",
        "scenario": manifest["scenario"],
        "overrides": json.dumps(manifest["overrides"]),
        "versions": first.get("versions", "{}"),
        "references": json.dumps(references, ensure_ascii=False),
        "keys": json.dumps({d["name"]: d["keys"] for d in manifest["dimensions"]}),
    }


def _manifest(folder: Path) -> dict[str, Any]:
    """Content of ``study.json``, or the case folders one by one."""
    file = folder / MANIFEST
    if file.is_file():
        try:
            manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if _is_sound(folder, manifest):
                return manifest
        except (OSError, ValueError, RecursionError):
            pass
        text = f"{file} is damaged: its cases are listed one by one; run the study again to mend it"
        warnings.warn(ValidityWarning(text), stacklevel=2)
    places = [p.parent for p in sorted(folder.glob("cases/*/run.json")) if not p.parent.is_symlink()]
    records = {place.name: read_record(place) for place in places}
    if not records:
        raise ResultsError(f"no cases below {folder}")
    records = {n: r for n, r in records.items() if _is_hash(n) and _is_hash(r.get("content_hash", n))}
    labels = [str(record.get("scenario", name)) for name, record in records.items()]
    if len(set(labels)) < len(labels):
        labels = [f"{label} ({name})" for label, name in zip(labels, records)]
    cases = [
        {"index": [i], "case": record.get("content_hash", name), "dropped": None, "error": None}
        for i, (name, record) in enumerate(records.items())
    ]
    dimension = {"name": "case", "labels": labels, "keys": [], "beside": {}}
    return {"scenario": folder.name, "overrides": [], "dimensions": [dimension], "cases": cases}


def _is_sound(folder: Path, manifest: Any) -> bool:
    """Whether a manifest is as it was written, and every point of its study is there once."""
    if not isinstance(manifest, dict) or not is_whole_study(folder, manifest):
        return False
    try:
        shape = tuple(len(d["labels"]) for d in manifest["dimensions"])
        named = all(isinstance(d["name"], str) and None not in (d["keys"], d["beside"]) for d in manifest["dimensions"])
        headed = (type(manifest["scenario"]), type(manifest["overrides"])) == (str, list)
        cases = [(case["index"], case["case"], case["dropped"], case["error"]) for case in manifest["cases"]]
        points = {tuple(map(int, index)) for index, *_ in cases}
    except (KeyError, TypeError, ValueError):
        return False
    hashed = all(_is_hash(case) or not case for _, case, *_ in cases)
    return named and hashed and headed and len(cases) == math.prod(shape) and points == set(np.ndindex(shape))


def write_study(folder: Path) -> Path:
    """Join and write ``study.nc``, or ``study.zarr`` when it is large; returns its path."""
    storage.clear_scratch(folder)
    tree = join(folder)
    is_large = sum(dataset.nbytes for dataset in tree.subtree) > LARGE
    path, other = folder / STUDY_FILE, folder / "study.zarr"
    if is_large:
        path, other = other, path
    write_tree(path, tree)
    if other.is_dir():
        import shutil

        shutil.rmtree(other)
    else:
        other.unlink(missing_ok=True)
    if not is_large and (folder / MANIFEST).is_file():
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        write_json(folder / MANIFEST, {**manifest, "study_sha256": storage.digest_of(path)})
    return path


def open_results(path: str | Path) -> xr.DataTree:
    """Open results: a file, the folder of a case, or that of a scenario, whose case folders are joined as they are now.

    Examples
    --------
    >>> import stack3d
    >>> over = {"cooling.top": ["forced_air", "cold_plate"]}
    >>> done = stack3d.sweep("quickstart", over, overrides={"solver": "ci"}, until="thermal", workers=1)
    >>> open_results("results/quickstart")["thermal/temperature_max"].sel(cooling="cold_plate").dims
    ('tier',)

    Raises
    ------
    ResultsError
        When there is nothing of the kind.
    DeckError
        For a scenario.
    """
    import xarray as xr

    place = Path(path)
    if place.suffix == ".zarr" and place.is_dir():
        try:
            return xr.open_datatree(place, engine="zarr", consolidated=False)
        except Exception as error:  # the library raises what it likes
            raise ResultsError(f"{place} cannot be read as a dataset: {error}") from None
    if place.is_file():
        return open_result(place)
    refuse_scenario(place, "a result", "run {}")
    if not place.is_dir():
        raise ResultsError(f"no results at {place}")
    if (place / "result.nc").is_file() and not (place / "cases").is_dir():
        return open_result(place / "result.nc")
    below = [p.name for p in sorted(place.iterdir()) if (p / "cases").is_dir()]
    if below and not (place / "cases").is_dir():
        raise ResultsError(f"{place} holds the results of {', '.join(below)}; name one of them")
    return join(place)
