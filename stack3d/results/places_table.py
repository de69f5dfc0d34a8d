"""Temperatures of a result back on blocks, cells and tiles, as a table for tools of leakage and timing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d.errors import ResultsError, brief

if TYPE_CHECKING:
    import xarray as xr

Placed = Iterator[tuple[dict[str, int], list[Any]]]
"""Place of each row among the dimensions of its variable, and its first cells."""
EDGES = ["x0 [m]", "x1 [m]", "y0 [m]", "y1 [m]"]


def places_table(tree: xr.DataTree, kind: str) -> str:
    """Temperatures of one kind of places as CSV: names or boxes, temperature [K] and its error [K], of a transient by time.

    Parameters
    ----------
    tree : xarray.DataTree
        Of one case.
    kind : {"blocks", "cells", "layers", "probes"}
        Boxes of the heat sources (`maps.sources`), boxes of the maps (`maps.layers`), means of layers, or probes.

    Raises
    ------
    ResultsError
        For another kind, and for a result that has none of it.
    """
    if kind not in KINDS:
        raise ResultsError(f"--of {brief(kind)}: there are {', '.join(KINDS)}")
    name, head, rows, asked = KINDS[kind]
    thermal = tree["thermal"].to_dataset() if "thermal" in tree.children else None
    if thermal is None or name not in thermal:
        raise ResultsError(f"the result has no {kind}{asked}")
    if kind == "cells" and "map_extent" not in thermal:
        raise ResultsError("the result does not say where its cells are: an older stack3d wrote it; run it again")
    errors = thermal.get(f"{name}_error", np.nan * thermal[name])
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    times = thermal["time"].values if "time" in thermal[name].dims else None
    table.writerow([*([] if times is None else ["time [s]"]), *head, "temperature [K]", "error [K]"])
    for at, first in _instants(times):
        for index, cells in rows(thermal):
            value, error = (float(each.isel(at | index)) for each in (thermal[name], errors))
            table.writerow([*first, *cells, f"{value:.6f}", f"{error:.2g}"])
    return out.getvalue()


def _instants(times: Any) -> Placed:
    """One row without a time where there are none."""
    if times is None:
        yield {}, []
    else:
        yield from (({"time": i}, [f"{time:.9g}"]) for i, time in enumerate(times))


def _named(dim: str) -> Callable[[xr.Dataset], Placed]:
    def rows(thermal: xr.Dataset) -> Placed:
        yield from (({dim: i}, [str(name)]) for i, name in enumerate(thermal[dim].values))

    return rows


def _blocks(thermal: xr.Dataset) -> Placed:
    layers = thermal["layer"].values[thermal["block_layer"].values.astype(int)]
    for i, (name, layer) in enumerate(zip(thermal["block"].values, layers)):
        yield {"block": i}, [str(name), str(layer), *(f"{edge:.9g}" for edge in thermal["block_extent"].values[i])]


def _cells(thermal: xr.Dataset) -> Placed:
    nx, ny = thermal.sizes["map_x"], thermal.sizes["map_y"]
    for k, layer in enumerate(thermal["map_layer"].values):
        x0, x1, y0, y1 = thermal["map_extent"].values[k]
        xs, ys = ([f"{edge:.9g}" for edge in np.linspace(a, b, n + 1)] for a, b, n in ((x0, x1, nx), (y0, y1, ny)))
        for j, i in product(range(ny), range(nx)):
            yield {"map_layer": k, "map_y": j, "map_x": i}, [str(layer), xs[i], xs[i + 1], ys[j], ys[j + 1]]


KINDS: dict[str, tuple[str, list[str], Callable[[xr.Dataset], Placed], str]] = {
    "blocks": ("block_temperature", ["block", "layer", *EDGES], _blocks, "; put maps: {sources: true} into its scenario"),
    "cells": ("map_temperature", ["layer", *EDGES], _cells, "; put maps: {layers: […], grid: […]} into its scenario"),
    "layers": ("layer_temperature_mean", ["layer"], _named("layer"), ""),
    "probes": ("probe_temperature", ["probe"], _named("probe"), "; put probes into its scenario"),
}
"""By word: variable, heads of the first columns, rows, and what a scenario lacks without it."""
