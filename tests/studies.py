"""A joined study made from the result of one case by shifts that are known."""

from __future__ import annotations

import numpy as np
import xarray as xr

COOLING = ["natural_convection", "forced_air", "air_heat_sink", "cold_plate"]
TIERS = [2, 4, 8]
WARMER = np.array([60.0, 20.0, 5.0, 0.0])
"""By cooling; three kelvin more for every step in tiers. [K]"""
LOSS = np.array([0.12, 0.06, 0.015, 0.0])
"""Of accuracy by cooling; three points more for every step in tiers."""
FAILED = (2, 0)


def joined(case: xr.DataTree) -> xr.DataTree:
    """Dimensions ``tiers`` and ``cooling`` in front of every variable; the case of most tiers and least cooling failed."""
    shape = (len(TIERS), len(COOLING))
    step = np.arange(len(TIERS))[:, None]
    groups = {}
    for group in case.children.values():
        out = xr.Dataset(coords=group.to_dataset().coords)
        for name, variable in group.data_vars.items():
            values = np.broadcast_to(variable.values, (*shape, *variable.shape)).astype(float)
            shift = (
                3.0 * step + WARMER
                if "temperature" in str(name)
                else -0.03 * step - LOSS
                if str(name) in ("accuracy", "accuracy_mean", "accuracy_worst")
                else np.zeros(shape)
            )
            values = values + shift.reshape(*shape, *[1] * variable.ndim)
            if name == "temperature_mean":
                for i, n in enumerate(TIERS):
                    values[i, :, n:] = np.nan
            values[FAILED] = np.nan
            out[name] = (("tiers", "cooling", *variable.dims), values, variable.attrs)
        groups[f"/{group.name}"] = out
    status, message = np.full(shape, "done", dtype="<U8"), np.full(shape, "", dtype="<U32")
    status[FAILED], message[FAILED] = "failed", "leakage runs away"
    dims = ("tiers", "cooling")
    root = xr.Dataset({"status": (dims, status), "message": (dims, message)}, coords={"tiers": TIERS, "cooling": COOLING})
    root.attrs = {k: v for k, v in case.attrs.items() if k in ("title", "scenario", "versions", "references", "history")}
    return xr.DataTree.from_dict({"/": root, **groups})
