"""Bands of every output of a study of unknowns, over its independent draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d.chances import left_out
from stack3d.errors import ResultsError

if TYPE_CHECKING:
    import xarray as xr

ENDS = ("low", "median", "high")


def bands(tree: xr.DataTree) -> xr.DataTree:
    """Low end, median and high end of every number of a study of unknowns, each by itself.

    Parameters
    ----------
    tree : DataTree
        As `stack3d.open_results` gives it.

    Returns
    -------
    DataTree
        The groups of the study, with ``end`` in front in place of the cases; ``held`` says which share of what the unknowns
        allow lies between the ends, with a confidence of 95 %, and ``drawn`` of how many draws. NaN where a draw has no value.

    Raises
    ------
    ResultsError
        For anything but a study of unknowns that has come to its indices.
    """
    import xarray as xr

    found = tree.children["uncertain"].dataset if "uncertain" in tree.children else {}
    if "independent" not in found or not found["independent"].values.any():
        raise ResultsError(f"{tree.attrs.get('scenario')} has no independent draws of unknowns, which bands are of")
    case = str(found["independent"].dims[0])
    known = tree.dataset["status"].values == "done"
    rows = np.flatnonzero((found["independent"].values == 1) & known)
    beyond, held = left_out(rows.size)
    groups: dict[str, Any] = {"/": xr.Dataset({"held": held, "drawn": rows.size})}
    for name, group in tree.children.items():
        drawn = {key: one.isel({case: rows}) for key, one in group.data_vars.items() if _is_drawn(one, case)}
        kept = {key: _band(one, case, beyond) for key, one in drawn.items()}
        if kept and name != "uncertain":
            groups[f"/{name}"] = xr.Dataset(kept)
    return xr.DataTree.from_dict(groups)


def _is_drawn(array: xr.DataArray, case: str) -> bool:
    """Whether it has numbers that differ from case to case."""
    return case in array.dims and array.dtype.kind in "fiu"


def _band(array: xr.DataArray, case: str, beyond: int) -> xr.DataArray:
    """Ends and median along the cases, shape (end, ...)."""
    import xarray as xr

    moved = array.transpose(case, ...)
    ordered = np.sort(moved.values.astype(float), axis=0)
    n = len(ordered)
    out = np.stack([ordered[beyond], np.median(ordered, axis=0), ordered[n - 1 - beyond]])
    out[:, np.isnan(ordered).any(axis=0)] = np.nan
    coordinates = {str(k): v for k, v in moved.coords.items() if case not in v.dims}
    return xr.DataArray(out, {**coordinates, "end": list(ENDS)}, ("end", *moved.dims[1:]), attrs=array.attrs)
