"""What a compact model says of a trace, as a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stack3d.results.case_tree import versions
from stack3d.thermal.compact.long_trace import TraceAnswer

if TYPE_CHECKING:
    import xarray as xr

KELVIN = {
    "highest": "highest temperature at the end of any step and within",
    "lowest": "lowest temperature at the end of any step and within",
    "mean": "mean temperature over time",
    "final": "temperature at the end",
    "of_model": "tested estimate of the error of the compact model against its mesh; no bound",
    "estimate": "estimated error: that of the compact model against its mesh, and that of the mesh over time",
}


def to_trace_tree(answer: TraceAnswer, limits: list[float]) -> xr.DataTree:
    """The dataset of a trace, cycles in a group of their own."""
    import xarray as xr

    variables = {name: (("place",), getattr(answer, name), {"units": "K", "long_name": said}) for name, said in KELVIN.items()}
    for name in ("highest", "lowest"):
        said = {"units": "s", "long_name": f"when the {name} temperature was"}
        variables[f"{name}_at"] = (("place",), getattr(answer, f"{name}_at"), said)
    root = xr.Dataset(
        {
            **variables,
            "temperature": (("time", "place"), answer.temperature, {"units": "K", "long_name": "sampled temperature"}),
            "time_above": (("limit", "place"), answer.above, {"units": "s", "long_name": "time above a limit"}),
        },
        coords={
            "place": list(answer.places),
            "time": ("time", answer.times, {"units": "s"}),
            "limit": ("limit", np.array(limits, dtype=float), {"units": "K"}),
        },
        attrs={"steps": answer.steps, "duration": answer.duration, "versions": str(versions())},
    )
    groups = {"/": root}
    for name, table in answer.cycles.items():
        said = {"units": "1", "long_name": f"rainflow cycles of {name} (ASTM E1049-85), halves as such"}
        means = {"units": "K", "long_name": "mean temperature of the cycles of a range"}
        groups[f"/cycles/{name}"] = xr.Dataset(
            {"cycles": (("range",), table[:, 1], said), "cycle_mean": (("range",), table[:, 2], means)},
            coords={"range": ("range", table[:, 0], {"units": "K"})},
        )
    return xr.DataTree.from_dict(groups)
