"""Outcomes on disk: an xarray DataTree per case, with units, provenance and a record of the run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import __version__, fields
from stack3d.decks import Case
from stack3d.errors import ResultsError
from stack3d.lifetime.run import Outcome

if TYPE_CHECKING:
    import xarray as xr

GROUPS = ("thermal", "power", "reliability", "mvm")
PACKAGES = ("dolfinx-solver-real", "fenics-dolfinx", "gmsh", "numpy", "scipy", "xarray", "onnx", "pydantic", "pint")


def versions() -> dict[str, str]:
    """Versions of stack3d, Python and the packages that numbers depend on."""
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


def to_tree(case: Case, outcome: Outcome) -> xr.DataTree:
    """Build the dataset of a case; every variable carries the units and meaning of its catalogue entry."""
    import xarray as xr

    groups: dict[str, xr.Dataset] = {}
    for path, value in outcome.values.items():
        entry = fields.field(path)
        array = np.asarray(value)
        attrs = {"units": entry.units, "long_name": entry.long_name}
        dims = entry.dims[len(entry.dims) - array.ndim :] if array.ndim < len(entry.dims) else entry.dims
        coords = {d: outcome.coordinates[d] for d in dims if d in outcome.coordinates}
        for name, coordinate in outcome.coordinates.items():
            if isinstance(coordinate, tuple) and coordinate[0] in dims:
                coords[name] = coordinate
        variable = xr.DataArray(array, dims=dims, coords=coords, attrs=attrs)
        groups.setdefault(entry.group, xr.Dataset())[entry.name] = variable
    for dataset in groups.values():
        for name, (unit, meaning) in fields.COORDINATES.items():
            if name in dataset.coords:
                dataset[name].attrs.update(units=unit, long_name=meaning)
    root = xr.Dataset(
        attrs={
            "title": case.scenario.title or case.name,
            "Conventions": "CF-1.11",
            "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} stack3d {__version__}: run of scenario {case.name}",
            "scenario": case.name,
            "content_hash": case.digest(),
            "resolved_scenario": resolved_yaml(case),
            "overrides": json.dumps([str(o) for o in case.overrides]),
            "versions": json.dumps(versions()),
            "seed": case.scenario.monte_carlo.seed,
            "references": json.dumps(sources_of(case.tree), ensure_ascii=False),
            "statistics": json.dumps(_plain(outcome.statistics)),
            "summary": "\n".join(outcome.summary),
            "warnings": "\n".join(outcome.warnings),
        }
    )
    return xr.DataTree.from_dict({"/": root, **{f"/{g}": groups[g] for g in GROUPS if g in groups}})


def _plain(value: Any) -> Any:
    """Python numbers and containers only."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def resolved_yaml(case: Case) -> str:
    """The scenario with every deck spelled out, as YAML."""
    from io import StringIO

    from ruamel.yaml import YAML

    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    out = StringIO()
    writer.dump(_plain(case.tree), out)
    return out.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def write_tree(path: Path, tree: xr.DataTree) -> None:
    """Write a dataset beside and rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        tree.to_netcdf(scratch, engine="h5netcdf" if _has("h5netcdf") else "netcdf4")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def write_record(folder: Path, **facts: Any) -> None:
    """Write ``run.json``."""
    write_text(folder / "run.json", json.dumps(_plain(facts), indent=2, ensure_ascii=False) + "\n")


def read_record(folder: Path) -> dict[str, Any]:
    """Content of ``run.json``; empty when there is none, or none that can be read."""
    try:
        content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}


def open_result(path: str | Path) -> xr.DataTree:
    """Open one result file, or the ``result.nc`` of a folder; raises ResultsError."""
    import xarray as xr

    file = Path(path)
    file = file / "result.nc" if file.is_dir() else file
    if not file.is_file():
        raise ResultsError(f"no result at {file}")
    return xr.open_datatree(file)
