"""The file of a case is what xarray would have written, to the last attribute."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import small_study
import xarray as xr

from stack3d import decks, results
from stack3d.case import run_case
from stack3d.progress import Silent


def described(tree: xr.DataTree) -> dict[str, Any]:
    """Groups, variables with dimensions, types, attributes and encoding, and attributes of the root."""
    found: dict[str, Any] = {"attrs": {k: v for k, v in tree.attrs.items() if k != "history"}, "groups": set(tree.children)}
    for group, node in tree.children.items():
        found[group] = {
            name: (v.dims, v.dtype, v.attrs, v.encoding.get("_FillValue"), v.encoding.get("coordinates"), name in node.coords)
            for name, v in node.variables.items()
        }
    return found


def test_a_case_is_written_as_xarray_writes_it(tmp_path: Path) -> None:
    """Numbers, whole numbers, words, a scalar, notes, labels of dimensions and beside them, and what is true or not."""
    case = decks.load(small_study.write(tmp_path, "{cooling.top.film_coefficient: [1e4 W/m^2/K]}"))
    outcome = run_case(case.scenario, Silent())
    record = outcome.record
    record.put("power/tile_power", np.array([1.0, np.nan]), "as somebody says")
    record.put("mvm/confusion", np.arange(4).reshape(2, 2))
    record.put("mvm/accuracy_ideal", np.array(True))
    record.along("tile", ["a", "été"])
    record.beside("tile_site", "tile", ["0.0", "0.1"])
    record.beside("tile_x", "tile", [0.1, 0.2])
    results.write_case(tmp_path / "one.nc", case, outcome)
    results.write_tree(tmp_path / "two.nc", results.to_tree(case, outcome))
    one, two = (results.open_result(tmp_path / name) for name in ("one.nc", "two.nc"))
    xr.testing.assert_identical(one["power"].to_dataset(), two["power"].to_dataset())
    np.testing.assert_equal(described(one), described(two))
    assert one["mvm/accuracy_ideal"].dtype == bool and one["power/tile_power"].attrs["comment"] == "as somebody says"


def test_a_case_runs_without_what_it_does_not_need(tmp_path: Path) -> None:
    """xarray and pandas take longer to load than a small case to run; NumPy's tools for Fortran and tests are there afterwards."""
    path = tmp_path / "small.yaml"
    path.write_text(small_study.STUDY)
    code = f"""
import sys
sys.modules.update(dict.fromkeys(("xarray", "pandas", "gmsh", "dolfinx", "numpy.f2py")))
from stack3d.__main__ import main
sys.argv = ["stack3d", "run", {str(path)!r}, "-o", {str(tmp_path / "out")!r}, "--progress", "none"]
try:
    main()
finally:
    import numpy
    numpy.testing.assert_equal("numpy.testing" in sys.modules, True)
    del sys.modules["numpy.f2py"]
    print(numpy.f2py.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "peak temperature" in done.stdout, done.stderr
    assert done.stdout.endswith("numpy.f2py\n")
    assert len(list(tmp_path.glob("out/small/cases/*/result.nc"))) == 1
