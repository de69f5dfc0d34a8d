"""Temperatures of the tiles: within each, and where its periphery leaks."""

from __future__ import annotations

import numpy as np

from stack3d.chip.chip import ComputingChip
from stack3d.layout import Floats, Rectangle
from stack3d.thermal.backend import ThermalSolution


def tile_boxes(chip: ComputingChip, subgrid: tuple[int, int]) -> list[tuple[str, list[Rectangle]]]:
    """Layer and nx by ny equal boxes of every tile, row after row."""
    nx, ny = subgrid
    out = []
    for layer, box in chip.computer.places:
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        out.append((layer, [Rectangle(xs[a], xs[a + 1], ys[b], ys[b + 1]) for b in range(ny) for a in range(nx)]))
    return out


def tile_field(chip: ComputingChip, solution: ThermalSolution, subgrid: tuple[int, int]) -> Floats:
    """Mean temperature of nx by ny equal boxes of every tile, shape (tiles, ny, nx). [K]"""
    parts = tile_boxes(chip, subgrid)
    out = np.empty((len(parts), *subgrid[::-1]))
    for layer in {name for name, _ in parts}:
        mine = [i for i, (name, _) in enumerate(parts) if name == layer]
        boxes = [box for i in mine for box in parts[i][1]]
        out[mine] = solution.field.box_means(layer, boxes).reshape(len(mine), *subgrid[::-1])
    return out


def periphery_means(chip: ComputingChip, solution: ThermalSolution) -> Floats:
    """Mean temperature where each tile leaks, shape (tiles,). [K]"""
    homes = chip.homes("leakage")
    out = np.empty(len(homes))
    for layer in {name for name, _ in homes}:
        mine = [i for i, (name, _) in enumerate(homes) if name == layer]
        out[mine] = solution.field.box_means(layer, [homes[i][1] for i in mine])
    return out
