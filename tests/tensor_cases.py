"""Grids and reference stacks for the tests of the tensor backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from stack3d.layout import Grid, HeatSource, Layer, Material, Rectangle, Stack
from stack3d.thermal.problem import Face


def lines(edges: list[float], cells: int, *, total: float | None = None) -> NDArray[np.float64]:
    """Lines through all edges, about `cells` equal cells over the whole length."""
    edges = sorted(set(edges))
    size = (total or edges[-1] - edges[0]) / cells
    parts = [np.linspace(a, b, max(1, round((b - a) / size)) + 1)[1:] for a, b in zip(edges[:-1], edges[1:])]
    return np.concatenate([[edges[0]], *parts])


def z_cells(stack: Stack, per_layer: list[int]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    z, layer = [stack.layers[0].z0], []
    for index, (slab, n) in enumerate(zip(stack.layers, per_layer)):
        if slab.contact_resistance > 0:
            z.append(z[-1])
            layer.append(index)
        z.extend(np.linspace(slab.z0, slab.z1, n + 1)[1:])
        layer.extend([index] * n)
    return np.array(z), np.array(layer)


def grid(stack: Stack, nx: int, ny: int, per_layer: list[int], *, x_edges: list[float] = (), y_edges: list[float] = ()) -> Grid:
    f = stack.footprint
    z, layer = z_cells(stack, per_layer)
    return Grid(lines([f.x0, f.x1, *x_edges], nx), lines([f.y0, f.y1, *y_edges], ny), z, layer)


def stack(size: tuple[float, float], slabs: list[dict[str, Any]]) -> Stack:
    """Slabs bottom first: thickness, k (number or three), and any other field of Layer."""
    footprint = Rectangle(0.0, size[0], 0.0, size[1])
    layers, z = [], 0.0
    for i, slab in enumerate(slabs):
        slab = dict(slab)
        k = slab.pop("k")
        material = Material(
            f"m{i}", tuple(k) if isinstance(k, list | tuple) else (k, k, k), slab.pop("c", 1.66e6), slab.pop("exponent", 0.0)
        )
        thickness, extent = slab.pop("thickness"), slab.pop("extent", footprint)
        layers.append(Layer(slab.pop("name", f"l{i}"), z, z + thickness, extent, material, **slab))
        z += thickness
    return Stack(tuple(layers), footprint)


def reference_case(folder: Path, name: str) -> tuple[Stack, list[HeatSource], Face, dict[str, Any], dict[str, Any]]:
    """Stack, sources, top face, neutral input and exact values of a reference case."""
    data = YAML(typ="safe", pure=True).load(folder / "thermal" / f"{name}.yaml")
    exact = json.loads((folder / "thermal" / f"{name}.reference.json").read_text())
    slabs = [{"name": s["name"], "thickness": s["thickness"], "k": s["k"], "c": s["c_vol"]} for s in data["layers"]]
    built = stack((data["domain"]["lx"], data["domain"]["ly"]), slabs)
    sources = [
        HeatSource(s["name"], s["layer"], Rectangle(s["x0"], s["x1"], s["y0"], s["y1"]), s["power"]) for s in data["sources"]
    ]
    top = data["boundary"]["top"]
    return built, sources, Face(top["h"], top["t_ambient"]), data, exact
