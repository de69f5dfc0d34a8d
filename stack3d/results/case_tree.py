"""The dataset of a case: an xarray DataTree with units, provenance and a record of the run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack3d import __version__, fields, signals, storage, yamlfile
from stack3d.case.run import Outcome
from stack3d.decks import Case, portable
from stack3d.errors import ResultsError, ValidityWarning, reason_of
from stack3d.record import Record
from stack3d.results.netcdf import plain, read_tree, refuse_scenario, write_text

if TYPE_CHECKING:
    import xarray as xr

SCHEMA = 2
"""Of the result file: 2 since accuracies are read before writes and energies count all that the chip draws."""
RESOLVED = "resolved.yaml"
"""Scenario of a case, every deck spelled out, for who wants to read it: the result holds the same."""
MANIFEST, STUDY_FILE = "study.json", "study.nc"
CHECKPOINT = "checkpoint.npz"
"""In the folder of a case that is under way."""
OWN = ("result.nc", "run.json", RESOLVED, CHECKPOINT, MANIFEST, STUDY_FILE, "chosen.yaml")
"""Names of files that a run writes."""
PACKAGES = ("dolfinx-solver-real", "fenics-dolfinx", "gmsh", "numpy", "scipy", "xarray", "onnx", "pydantic", "pint")


def versions() -> dict[str, str]:
    """Versions of stack3d, Python and the packages that numbers depend on."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"stack3d": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def sources_of(tree: Any, key: str = "") -> dict[str, str]:
    """Every ``source:`` and ``assumed:`` of a resolved scenario by dotted key."""
    found: dict[str, str] = {}
    if isinstance(tree, Mapping):
        for kind in ("source", "assumed"):
            if isinstance(tree.get(kind), str):
                found[key] = f"{kind}: {tree[kind]}"
        for name, value in tree.items():
            found |= sources_of(value, f"{key}.{name}" if key else str(name))
    elif isinstance(tree, Sequence) and not isinstance(tree, str):
        for i, value in enumerate(tree):
            label = value.get("name", i) if isinstance(value, Mapping) else i
            found |= sources_of(value, f"{key}.{label}")
    return found


def attributes_of(record: Record, path: str) -> dict[str, str]:
    """Units and meaning of a variable by its catalogue entry, and how it was found."""
    entry = fields.field(path)
    attributes = {"units": entry.units, "long_name": entry.long_name}
    return attributes | ({"comment": record.notes[path]} if path in record.notes else {})


def coordinate_attributes(name: str) -> dict[str, str]:
    """Units and meaning of a coordinate; nothing where the catalogue says nothing."""
    return dict(zip(("units", "long_name"), fields.COORDINATES.get(name, ())))


def root_attributes(case: Case, outcome: Outcome) -> dict[str, Any]:
    """What a dataset says of its case: whence it is, what was run, and a record of the run."""
    return {
        "title": case.scenario.title or case.name,
        "Conventions": "CF-1.11",
        "schema": SCHEMA,
        "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} stack3d {__version__}: run of scenario {case.name}",
        "scenario": case.name,
        "content_hash": case.digest(),
        "resolved_scenario": resolved_yaml(case),
        "overrides": json.dumps([str(o) for o in case.overrides]),
        "versions": json.dumps(versions()),
        "seed": case.scenario.monte_carlo.seed,
        "references": json.dumps(sources_of(case.tree), ensure_ascii=False),
        "statistics": json.dumps(plain(outcome.statistics)),
        "summary": "\n".join(outcome.summary),
        "warnings": "\n".join(outcome.warnings),
    }


def to_tree(case: Case, outcome: Outcome) -> xr.DataTree:
    """Build the dataset of a case; every variable carries the units and meaning of its catalogue entry."""
    import xarray as xr

    record = outcome.record
    groups: dict[str, xr.Dataset] = {}
    for path, array in record.items():
        entry, dims = fields.field(path), record.dims(path)
        coords = {d: record.coordinates[d] for d in dims if d in record.coordinates}
        for name, coordinate in record.coordinates.items():
            if isinstance(coordinate, tuple) and coordinate[0] in dims:
                coords[name] = coordinate
        variable = xr.DataArray(array, dims=dims, coords=coords, attrs=attributes_of(record, path))
        groups.setdefault(entry.group, xr.Dataset())[entry.name] = variable
    for dataset in groups.values():
        for label in dataset.coords:
            dataset[label].attrs.update(coordinate_attributes(str(label)))
    root = xr.Dataset(attrs=root_attributes(case, outcome))
    return xr.DataTree.from_dict({"/": root, **{f"/{g}": groups[g] for g in record.groups}})


def resolved_yaml(case: Case) -> str:
    """The scenario with every deck spelled out, as YAML; files of the package are named by their place in its library."""
    return "".join(_yaml_lines(portable(plain(case.tree)), 0))


_PLAIN_TEXT = re.compile(r"^[A-Za-z_][\w./*^+\-]*( [\w./*^+\-]+)*$")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def _yaml_scalar(value: Any) -> str:
    """As JSON, which YAML 1.2 includes; simple text without quotes."""
    if isinstance(value, str) and _PLAIN_TEXT.match(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _yaml_lines(value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, item in value.items() if isinstance(value, dict) else [(None, item) for item in value]:
        head = f"{indent}-" if key is None else f"{indent}{_yaml_scalar(key)}:"
        nested = isinstance(item, dict) or (isinstance(item, list) and any(isinstance(i, (dict, list)) for i in item))
        if not (item and nested):
            yield f"{head} {_yaml_scalar(item)}\n"
        elif key is None:
            first, *rest = _yaml_lines(item, depth + 1)
            yield f"{head} {first.lstrip()}"
            yield from rest
        else:
            yield f"{head}\n"
            yield from _yaml_lines(item, depth + 1)


_KINDS: Mapping[str, type] = {"status": str, "versions": dict, "result_sha256": str, "resolved_sha256": str, "statistics": dict}
"""Of what a record holds where it holds it; another kind comes from elsewhere, and the record counts as none."""


def is_old(record: Mapping[str, Any]) -> bool:
    """Whether a record is of version 0.1, which knew no digests."""
    made_by = str(record.get("versions", {}).get("stack3d", ""))
    return made_by.startswith("0.1.") and not {storage.DIGEST, "result_sha256", "resolved_sha256"} & set(record)


def is_whole_study(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the ``study.json`` of a folder is as it was written; one of version 0.1 counts."""
    if storage.DIGEST in manifest:
        return storage.is_intact(manifest)
    records = [read_record(place.parent) for place in folder.glob("cases/*/run.json")]
    return bool(records) and all(map(is_old, records))


def read_record(folder: Path) -> dict[str, Any]:
    """Content of ``run.json``; empty when there is none, or none that is as it was written."""
    try:
        yamlfile.check_ordinary(folder / "run.json")
        content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        is_sound = isinstance(content, dict) and all(isinstance(content.get(k, kind()), kind) for k, kind in _KINDS.items())
        return content if is_sound and (storage.is_intact(content) or is_old(content)) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def is_damaged(folder: Path, record: Mapping[str, Any]) -> bool:
    """Whether the ``result.nc`` of a case is another than its record was written for; one that names none vouches for none."""
    try:
        return not is_old(record) and storage.digest_of(folder / "result.nc") != record.get("result_sha256")
    except OSError:
        return True


def is_damaged_study(file: Path) -> bool:
    """Whether a joined dataset is another than the ``study.json`` beside it, if there is one, was written for."""
    if not (file.parent / MANIFEST).exists():
        return False
    try:
        yamlfile.check_ordinary(file.parent / MANIFEST)
        manifest = json.loads((file.parent / MANIFEST).read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or not is_whole_study(file.parent, manifest):
            return True
        return storage.DIGEST in manifest and storage.digest_of(file) != manifest.get("study_sha256")
    except (OSError, ValueError, RecursionError):
        return True


def is_vouched(path: Path) -> bool:
    """Whether the record beside a result says what it was written as: one from elsewhere may hold anything."""
    file = path / "result.nc" if path.is_dir() else path
    return file.name == "result.nc" and "result_sha256" in read_record(file.parent)


def deck_is_damaged(folder: Path, record: Mapping[str, Any]) -> bool:
    """Whether the ``resolved.yaml`` of a case that is done is gone, or another than its record was written for."""
    try:
        return not is_old(record) and storage.digest_of(folder / RESOLVED) != record.get("resolved_sha256")
    except OSError:
        return True


def prepare(folder: Path) -> None:
    """Clear what a killed run left in a folder, and put aside what stands where files will be and is none; says so."""
    storage.clear_scratch(folder)
    for path in (folder / name for name in OWN):
        if path.exists() and not path.is_file() and (aside := storage.put_aside(path)) is not None:
            text = f"{path} was no ordinary file: it is {aside.name} now"
            warnings.warn(ValidityWarning(text), stacklevel=2)


def mend_deck(folder: Path) -> None:
    """Put a damaged ``resolved.yaml`` aside and write it again as the result has it; says so."""
    aside = storage.put_aside(folder / RESOLVED) if os.path.lexists(folder / RESOLVED) else None
    write_text(folder / RESOLVED, str(open_result(folder).attrs["resolved_scenario"]))
    told = f"was damaged: it is {aside.name} now, and" if aside is not None else "was gone:"
    text = f"{folder / RESOLVED} {told} what the result says is written there again"
    warnings.warn(ValidityWarning(text), stacklevel=2)


def warn_of_deck(folder: Path, record: Mapping[str, Any]) -> None:
    """Say of a case that its ``resolved.yaml`` is there, but damaged; the result, which is read, holds the scenario too."""
    if record and os.path.lexists(folder / RESOLVED) and deck_is_damaged(folder, record):
        text = f"{folder / RESOLVED} is damaged; the result holds the scenario too, and running the case again mends the file"
        warnings.warn(ValidityWarning(text), stacklevel=2)


def open_result(path: str | Path) -> xr.DataTree:
    """Read a result file, or the ``result.nc`` of a folder, and close it; raises ResultsError, DeckError for a scenario."""
    file = Path(path)
    refuse_scenario(file, "a result", "run {}")
    file = file / "result.nc" if file.is_dir() else file
    if not file.is_file():
        raise ResultsError(f"no result at {file}")
    record = read_record(file.parent) if file.name == "result.nc" else {}
    if file.name == "result.nc" and os.path.lexists(file.parent / "run.json") and is_damaged(file.parent, record):
        raise ResultsError(f"{file} is damaged: it is not what its run.json was written for; run the case again")
    if file.name == STUDY_FILE and is_damaged_study(file):
        raise ResultsError(
            f"{file} is damaged: it is not what {MANIFEST} was written for; name its folder, or run the study again"
        )
    warn_of_deck(file.resolve().parent, record)
    try:
        found = read_tree(file)
        schema = int(found.attrs.get("schema", 1))
    except Exception as error:  # the libraries below raise what they like
        signals.heed()
        text = f"{file} cannot be read as a dataset, it may be cut off or of another kind: {reason_of(error)}"
        raise ResultsError(f"{text}; take another copy, or run its case again") from None
    if schema > SCHEMA:
        raise ResultsError(f"{file} has schema {schema}; this stack3d reads up to {SCHEMA}: a newer one wrote it")
    return found
