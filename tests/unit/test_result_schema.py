"""A result file says which schema it has, and one of a newer program is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

import stack3d
from stack3d.errors import ResultsError
from stack3d.results.case_tree import SCHEMA


def test_a_newer_schema_is_named_and_an_older_one_opens(tmp_path: Path) -> None:
    for version, name in ((SCHEMA + 1, "newer.nc"), (None, "older.nc")):
        attrs = {} if version is None else {"schema": version}
        xr.DataTree(xr.Dataset({"x": 1.0}, attrs=attrs)).to_netcdf(tmp_path / name, engine="netcdf4")
    assert float(stack3d.open_result(tmp_path / "older.nc")["x"]) == 1.0
    with pytest.raises(ResultsError, match=rf"schema {SCHEMA + 1}; this stack3d reads up to {SCHEMA}"):
        stack3d.open_result(tmp_path / "newer.nc")


def test_a_file_that_is_open_already_is_read_and_stays_usable(tmp_path: Path) -> None:
    """HDF5 shares what it knows of an open file, and a second one who closes it used to end the process."""
    parts = {"/": xr.Dataset({"x": ("n", [1.0, 2.0])}), "/inner/most": xr.Dataset({"y": 3.0})}
    files = [tmp_path / f"{i}.nc" for i in range(4)]
    for file in files:
        xr.DataTree.from_dict(parts).to_netcdf(file, engine="netcdf4")
    held = [xr.open_datatree(file) for file in files]
    for _ in range(3):
        found = [stack3d.open_result(file) for file in files]
    for tree, other in zip(held, found):
        xr.testing.assert_identical(tree.load(), other)
        tree.close()
