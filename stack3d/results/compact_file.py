"""The file of a compact model: netCDF with units, names, ranges, provenance and the digest of all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import signals
from stack3d.decks import Case
from stack3d.errors import ResultsError, reason_of
from stack3d.layout import Floats
from stack3d.results.case_tree import resolved_yaml, versions
from stack3d.results.netcdf import read_tree, refuse_scenario, write_tree
from stack3d.thermal.compact.compact_model import CompactModel, FilmFace
from stack3d.thermal.compact.mesh_over_time import MeshOverTime
from stack3d.thermal.compact.model_in_time import ModelInTime
from stack3d.thermal.compact.steady_model import SteadyModel

if TYPE_CHECKING:
    import xarray as xr

VERSION = 1
"""Of the file."""
STEADY = {
    "lowest": (("varied",), "W m-2 K-1", "lowest film"),
    "films": (("varied", "mode", "other_mode"), "K m2 W-1", "face integral of two modes"),
    "loads": (("load", "mode"), "K0.5 W-0.5", "load of 1 W of a source, or of 1 W/m2 into a face, on a mode"),
    "shown": (("place", "mode"), "K0.5 W-0.5", "what a place sees of a mode"),
    "parts": (("part", "answer"), "", "parts of a residual on answers"),
    "on_faces": (("varied", "answer", "other_answer"), "K m2 W-1", "face integral of two answers"),
}
IN_TIME = {
    "stiffness": (("time_mode", "other_time_mode"), "s-1", "conduction and lowest films between two modes"),
    "films": (("varied", "time_mode", "other_time_mode"), "K m2 W-1 s-1", "face integral of two modes"),
    "loads": (("load", "time_mode"), "K0.5 J-0.5", "load of 1 W of a source, or of 1 W/m2 into a face, on a mode"),
    "shown": (("place", "time_mode"), "K0.5 J-0.5", "what a place sees of a mode"),
    "still": (("time_mode",), "J0.5 K-0.5", "a rise of 1 K everywhere"),
}

OVER_TIME = {
    "still": (("film_share", "load", "place"), "K W-1", "largest error of a response by the mesh; of faces per W/m2"),
    "moving": (("film_share", "load", "place"), "K W-1", "all that this error ever changes by; of faces per W/m2"),
}


def write_compact(path: Path, model: CompactModel, case: Case | None = None) -> None:
    """Write a model, with the scenario that it was made from; raises ResultsError where it cannot be written."""
    write_tree(path, _tree(model, case))


def _tree(model: CompactModel, case: Case | None) -> xr.DataTree:
    import xarray as xr

    def variables(part: Any, table: Mapping[str, Any]) -> dict[str, Any]:
        entries = table.items()
        return {name: (dims, getattr(part, name), {"units": unit, "long_name": said}) for name, (dims, unit, said) in entries}

    loads = [*model.sources, *(f"face:{face.name}" for face in model.faces)]
    root = xr.Dataset(
        {
            "power": (("source",), model.powers, {"units": "W", "long_name": "power of the scenario"}),
            "highest": (("varied",), model.highest, {"units": "W m-2 K-1", "long_name": "highest film"}),
            "bow": (("place", "source"), model.bow, {"units": "K W-1", "long_name": "what elements cannot hold of a mean"}),
            "mesh_error": (("place",), model.mesh_error, {"units": "K", "long_name": "estimated error of the mesh"}),
        },
        coords={"source": list(model.sources), "place": list(model.places)},
    )
    groups = {"/": root, "/steady": xr.Dataset(variables(model.steady, STEADY), coords={"load": loads})}
    facts: dict[str, Any] = {
        "faces": [asdict(face) for face in model.faces],
        "fixed": model.fixed,
        "varied": list(model.varied),
        "ambient": list(model.ambient),
        "shortest": model.shortest if model.in_time is not None else None,
        "estimate": None if model.in_time is None else model.in_time.estimate,
    }
    if model.in_time is not None:
        groups["/in_time"] = xr.Dataset(variables(model.in_time, IN_TIME))
    if model.mesh_over_time is not None:
        groups["/mesh_over_time"] = xr.Dataset(variables(model.mesh_over_time, OVER_TIME))
    root.attrs = {
        "compact_model": VERSION,
        "facts": json.dumps(facts),
        "versions": json.dumps(versions()),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "accuracy": "steady: bound against the full solve on its mesh; in_time: tested estimate; mesh_error: estimate",
    }
    if case is not None:
        root.attrs |= {"scenario": case.name, "content_hash": case.digest(), "resolved": resolved_yaml(case)}
    tree = xr.DataTree.from_dict(groups)
    root.attrs["sha256"] = tree.attrs["sha256"] = _digest(tree)
    return tree


def _digest(tree: xr.DataTree) -> str:
    """Of all names, values and attributes but itself."""
    found = hashlib.sha256()
    for group in sorted(tree.groups):
        node = tree[group]
        for key, value in sorted(node.attrs.items()):
            if key != "sha256":
                found.update(f"{group}@{key}={value}\n".encode())
        for name in sorted(map(str, node.variables)):
            values = np.asarray(node[name].values)
            text = values.dtype.kind in "OUT"
            content = json.dumps([str(v) for v in values.ravel()]).encode() if text else np.ascontiguousarray(values).tobytes()
            found.update(f"{group}/{name}{values.shape}".encode() + content)
    return found.hexdigest()


def read_compact(path: str | Path) -> CompactModel:
    """Read a model; raises ResultsError for a file that is missing, damaged, newer or no model, DeckError for a scenario."""
    file = Path(path)
    refuse_scenario(file, "a compact model", "compact {} -o model.nc")
    if not file.is_file():
        raise ResultsError(f"no compact model at {file}")
    try:
        tree = read_tree(file)
    except Exception as error:  # the libraries below raise what they like
        signals.heed()
        raise ResultsError(
            f"{file} cannot be read, it may be cut off or of another kind: {reason_of(error)}; make it again"
        ) from None
    version = str(tree.attrs.get("compact_model"))
    if not version.isdecimal():
        raise ResultsError(f"{file} is no compact model; `stack3d compact SCENARIO -o {file.name}` makes one")
    if int(version) > VERSION:
        raise ResultsError(f"{file} has version {version}; this stack3d reads up to {VERSION}: a newer one wrote it")
    if tree.attrs.get("sha256") != _digest(tree):
        raise ResultsError(f"{file} is damaged: its values are not those that were written; make it again")
    try:
        return _model_of(tree)
    except (LookupError, TypeError, ValueError) as error:
        raise ResultsError(
            f"{file} lacks what a compact model of this version has ({reason_of(error)}); make it again"
        ) from None


def _model_of(tree: xr.DataTree) -> CompactModel:
    facts, root, steady = json.loads(tree.attrs["facts"]), tree.to_dataset(), tree["steady"].to_dataset()
    in_time = tree["in_time"].to_dataset() if "in_time" in tree.children else None
    low, given = steady["lowest"].values, facts["ambient"]
    return CompactModel(
        tuple(map(str, root["source"].values)),
        tuple(map(str, root["place"].values)),
        root["power"].values,
        tuple(FilmFace(**face) for face in facts["faces"]),
        facts["fixed"],
        tuple(facts["varied"]),
        root["highest"].values,
        (given[0], given[1], given[2]),
        root["bow"].values,
        SteadyModel(*(steady[name].values for name in STEADY)),
        None if in_time is None else _in_time(low, in_time, facts["estimate"]),
        np.inf if facts["shortest"] is None else facts["shortest"],
        root["mesh_error"].values,
        None if in_time is None else _over_time(tree["mesh_over_time"].to_dataset()),
    )


def _in_time(lowest: Floats, found: xr.Dataset, estimate: float) -> ModelInTime:
    stiffness, films, loads, shown, still = (found[name].values for name in IN_TIME)
    return ModelInTime(lowest, stiffness, films, loads, shown, still, estimate)


def _over_time(found: xr.Dataset) -> MeshOverTime:
    """Of files from before films were told apart the worst of all films, which then counts at each."""
    return MeshOverTime(*(found[name].values.reshape(-1, *found[name].values.shape[-2:]) for name in OVER_TIME))
