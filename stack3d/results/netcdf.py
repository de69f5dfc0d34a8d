"""Files that are never seen half written: each is written beside and renamed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import guests, storage
from stack3d.decks import is_scenario
from stack3d.errors import DeckError
from stack3d.signals import unheard
from stack3d.storage import beside

if TYPE_CHECKING:
    import xarray as xr


@contextmanager
def _without_locks_of_dask() -> Iterator[None]:
    """Else xarray asks a Dask cluster for locks; where Dask is hidden there is none to ask."""
    if guests.are_hidden():
        yield
        return
    import dask.config

    with dask.config.set(scheduler="synchronous"):
        yield


def plain(value: Any) -> Any:
    """Python numbers and containers only."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def refuse_scenario(path: Path, wanted: str, command: str) -> None:
    """Raise DeckError for a scenario in place of what a command makes of it; of another place words of the reader tell."""
    if is_scenario(path):
        raise DeckError(f"{path} is a scenario, not {wanted}; `stack3d {command.format(path)}` makes it")


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with beside(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a mapping with the digest of its values."""
    content = json.loads(json.dumps(plain(facts), default=str))  # as it will be read
    write_text(path, json.dumps(storage.sealed(content), indent=2, ensure_ascii=False) + "\n")


def write_record(folder: Path, **facts: Any) -> None:
    """Write ``run.json``."""
    write_json(folder / "run.json", facts)


def write_tree(path: Path, tree: xr.DataTree) -> None:
    """Write a dataset; the suffix chooses netCDF or Zarr. Raises ResultsError where it cannot be written."""
    is_folder = path.suffix == ".zarr"
    with guests.hidden(), _without_locks_of_dask(), written(path, is_folder=is_folder) as scratch:
        if is_folder:
            tree.to_zarr(scratch, consolidated=False)
        else:
            tree.to_netcdf(scratch, engine="netcdf4")


@contextmanager
def written(path: Path, *, is_folder: bool = False) -> Iterator[Path]:
    """A file beside another, which the netCDF library writes and which takes its place then; see `write_tree`."""
    with unheard(), beside(path, is_folder=is_folder) as scratch:  # unheard, else a request to end may leave a lock locked
        try:
            yield scratch
        except RuntimeError as error:  # as the netCDF library calls a full disk
            is_full = storage.is_full(path.parent)
            reason = os.strerror(errno.ENOSPC) if is_full else f"{error}: the disk or your share of it may be full"
            raise storage.cannot_write(path, OSError(errno.ENOSPC, reason)) from None


@contextmanager
def netcdf(path: Path) -> Iterator[Any]:
    """A netCDF file, read into memory and opened there.

    HDF5 shares what it knows of a file between all who have it open in a process: closing it here would end the process of a
    caller who has it open too. Raises OSError and ValueError for what is no such file, or claims more values than it can hold.
    """
    import netCDF4

    storage.check_ordinary(path)
    with netCDF4.Dataset(path.name, memory=path.read_bytes()) as file:
        storage.check_claims(file, path.stat().st_size)
        yield file


def read_tree(path: Path) -> xr.DataTree:
    """Read a whole netCDF file, groups and all."""
    with guests.hidden(waits=False), unheard(), netcdf(path) as file:
        import xarray as xr
        from xarray.backends import NetCDF4DataStore

        groups = {"/": file}
        for group in (waiting := list(file.groups.values())):
            groups[group.path] = group
            waiting.extend(group.groups.values())
        stores = {name: NetCDF4DataStore(group) for name, group in groups.items()}  # type: ignore[no-untyped-call]
        return xr.DataTree.from_dict({name: xr.open_dataset(store).load() for name, store in stores.items()})
