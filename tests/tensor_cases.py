"""Grids and reference stacks for the tests of the tensor backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from stack3d.layout import Block, Grid, HeatSource, Layer, Material, Rectangle, Stack
from stack3d.thermal.problem import Face, ThermalProblem


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


def flip_chip(cells: int, per_layer: int, *, sink: float = 40e-3) -> tuple[ThermalProblem, list[HeatSource]]:
    """Die in mold under a lid of the package's outline and a `sink` that may be wider; conductivities 0.4 to 400 W/m/K."""
    mm = 1e-3
    package, die = Rectangle(0.0, 20 * mm, 0.0, 20 * mm), Rectangle(5 * mm, 15 * mm, 5 * mm, 15 * mm)
    rim = (sink - 20 * mm) / 2
    wide = Rectangle(-rim, 20 * mm + rim, -rim, 20 * mm + rim)
    slabs = [  # name, thickness, conductivity, of a block on the die, z cells
        ("substrate", 1.0, (20.7, 20.7, 0.38), None, 3),
        ("bumps", 0.07, 0.4, (1.0, 1.0, 5.0), 2),
        ("active", 0.01, 0.9, 148.0, 1),
        ("bulk", 0.29, 0.9, 148.0, 3),
        ("tim1", 0.05, 0.9, 4.0, 2),
        ("lid", 1.0, 398.0, None, 4),
        ("tim2", 0.05, 3.0, None, 2),
        ("sink", 5.0, 237.0, None, 5),
    ]

    def material(k: Any) -> Material:
        return Material("m", tuple(k) if isinstance(k, tuple) else (k, k, k), 2e6)

    layers, z = [], 0.0
    for name, thickness, k, core, _ in slabs:
        blocks = () if core is None else (Block("core", die, material(core)),)
        extent = wide if name == "sink" else package
        layers.append(Layer(name, z, z + thickness * mm, extent, material(k), blocks=blocks))
        z += thickness * mm
    built = Stack(tuple(layers), package)
    x = lines([wide.x0, package.x0, die.x0, die.x1, package.x1, wide.x1], cells)
    heights, owner = z_cells(built, [per_layer * slab[-1] for slab in slabs])
    sources = [
        HeatSource("die", "active", die, 20.0),
        HeatSource("hot", "active", Rectangle(7 * mm, 8 * mm, 7 * mm, 8 * mm), 10.0),
    ]
    return ThermalProblem(built, Grid(x, x, heights, owner), Face(500.0, 300.0), Face(10.0, 300.0)), sources
