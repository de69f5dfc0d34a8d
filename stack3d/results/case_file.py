"""The dataset of a case as a file, without xarray: loading that takes as long as all else that a small case does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import fields
from stack3d.case.run import Outcome
from stack3d.decks import Case
from stack3d.record import Record
from stack3d.results.case_tree import attributes_of, coordinate_attributes, root_attributes
from stack3d.results.netcdf import written


def write_case(path: Path, case: Case, outcome: Outcome) -> None:
    """Write the dataset of a case as netCDF, as `write_tree` writes what `to_tree` makes of it.

    Parameters
    ----------
    path : Path
    case : Case
    outcome : Outcome

    Raises
    ------
    ResultsError
        Where it cannot be written.
    """
    import netCDF4

    with written(path) as scratch, netCDF4.Dataset(scratch, "w") as file:
        file.setncatts(root_attributes(case, outcome))
        for group in outcome.record.groups:
            _write_group(file.createGroup(group), outcome.record, group)


def _write_group(group: Any, record: Record, name: str) -> None:
    """Variables of a group, then the coordinates of their dimensions."""
    paths = [path for path in record if fields.field(path).group == name]
    beside_dims: dict[str, None] = {}
    for path in paths:
        dims = record.dims(path)
        beside = [name for name, _ in _beside(record, dims)]
        beside_dims |= dict.fromkeys(beside)
        attributes = attributes_of(record, path) | ({"coordinates": " ".join(beside)} if beside else {})
        _write(group, fields.field(path).name, dims, record[path], attributes)
    for dim in (dim for dim in list(group.dimensions) if dim in record.coordinates):
        _write(group, dim, (dim,), record.coordinates[dim], coordinate_attributes(dim))
    for label in beside_dims:
        dim, values = record.coordinates[label]
        _write(group, label, (dim,), values, coordinate_attributes(label))


def _beside(record: Record, dims: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Coordinates that stand beside those of some dimensions."""
    for name, labels in record.coordinates.items():
        if isinstance(labels, tuple) and labels[0] in dims:
            yield name, labels


def _write(group: Any, name: str, dims: tuple[str, ...], values: Any, attributes: Mapping[str, str]) -> None:
    """A variable in a group, whose dimensions are made where they are new."""
    array: NDArray[Any] = np.asarray(values)
    for dim, size in zip(dims, array.shape):
        if dim not in group.dimensions:
            group.createDimension(dim, size)
    extra = {"dtype": "bool"} if array.dtype.kind == "b" else {}
    if extra:
        array = array.astype(np.int8)
    kind = str if array.dtype.kind in "UO" else array.dtype
    variable = group.createVariable(name, kind, dims, fill_value=np.nan if array.dtype.kind == "f" else None)
    variable.setncatts({**attributes, **extra})
    variable[...] = array.astype(object) if kind is str else array
