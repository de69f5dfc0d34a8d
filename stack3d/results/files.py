"""Files that are never seen half written: each is written beside and renamed."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def plain(value: Any) -> Any:
    """Python numbers and containers only."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield a scratch path next to `path` that takes its place at the end, and is gone after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield scratch
        if path.is_dir():  # a directory cannot be replaced in one step
            shutil.rmtree(path)
        scratch.replace(path)
    finally:
        if scratch.is_dir():
            shutil.rmtree(scratch)
        scratch.unlink(missing_ok=True)


def clear_scratch(folder: Path) -> None:
    """Remove scratch files that a killed process left in a folder."""
    for scratch in folder.glob(".*.tmp"):
        scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with beside(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_record(folder: Path, **facts: Any) -> None:
    """Write ``run.json``."""
    write_text(folder / "run.json", json.dumps(plain(facts), indent=2, ensure_ascii=False) + "\n")


def write_tree(path: Path, tree: xr.DataTree) -> None:
    """Write a dataset; the suffix chooses netCDF or Zarr."""
    import dask.config

    with dask.config.set(scheduler="synchronous"), beside(path) as scratch:  # else xarray asks a Dask cluster for locks
        if path.suffix == ".zarr":
            tree.to_zarr(scratch, consolidated=False)
        else:
            tree.to_netcdf(scratch, engine="netcdf4")
