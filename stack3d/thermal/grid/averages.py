"""How far the layers of a stack are from uniform, and the uniform layers nearest to them; SI units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stack3d.layout import Floats, Rectangle, Stack
from stack3d.thermal.grid.cell_properties import CellProperties
from stack3d.thermal.grid.diagonalisation import SeparableLayers
from stack3d.thermal.problem import ThermalProblem

LOW_CONTRAST = 25.0
"""Largest ratio of conductivities within one layer up to which laterally averaged layers cost less than multigrid: iterations
grow with its square root, and one of multigrid costs about five of theirs (table in benchmarks/README.md)."""


def contrast(cells: CellProperties) -> float:
    """Largest ratio of conductivities along one direction within one layer; infinite beside void. [-]"""
    ends = [(k.max(axis=(1, 2)), k.min(axis=(1, 2))) for k in cells.conductivity]
    return float(max(np.divide(high, low, out=np.full_like(high, np.inf), where=low > 0).max() for high, low in ends))


def averages_well(stack: Stack) -> bool:
    """Whether laterally averaged layers will precondition the grid of a stack without patches, which takes less memory."""
    return _least_contrast(stack) <= LOW_CONTRAST


def _least_contrast(stack: Stack) -> float:
    """`contrast` as a stack alone tells it, before there is a grid: of the parts of a layer, infinite beside void. [-]"""
    extents = [layer.extent for layer in stack.layers]
    box = Rectangle(*(side(getattr(e, n) for e in extents) for n, side in (("x0", min), ("x1", max), ("y0", min), ("y1", max))))
    found = 1.0
    for layer in stack.layers:
        k = np.array([layer.material.conductivity, *(block.material.conductivity for block in layer.blocks)])
        if not layer.extent.contains(box, slack=1e-9 * (box.x1 - box.x0)) or not k.all():
            return float("inf")
        found = max(found, float((k.max(axis=0) / k.min(axis=0)).max()))
    return found


def solves_at_once(problem: ThermalProblem) -> bool:
    """Whether the tensor solver needs one application of its inverse."""
    return averages_well(problem.stack) and is_separable(problem, problem.cells)


def is_separable(problem: ThermalProblem, cells: CellProperties) -> bool:
    """Whether the layers are laterally uniform and the sides adiabatic, fixed, or beside one kx and one ky only."""
    if not (cells.is_uniform and cells.is_linear) or problem.patches:
        return False
    sides = problem.sides
    lateral = np.array([k[:2, 0, 0] for k in cells.conductivity])
    return sides.is_fixed or sides.film_coefficient == 0 or bool(np.all(lateral == lateral[0]))


def at_rate(problem: ThermalProblem, layers: SeparableLayers, rate: float) -> SeparableLayers:
    """Layers whose bottom and top films carry `rate` times the heat capacity of those faces."""
    top, bottom = layers.top + rate * problem.top.capacity, layers.bottom + rate * problem.bottom.capacity
    return replace(layers, top=top, bottom=bottom)


def averaged_layers(problem: ThermalProblem, cells: CellProperties) -> SeparableLayers:
    """Area means of every layer's cells, void included."""
    area = np.outer(np.diff(problem.grid.y), np.diff(problem.grid.x))
    area /= area.sum()

    def mean(values: Floats) -> float:
        return float(values[0, 0]) if values.shape == (1, 1) else float((values * area).sum())

    return SeparableLayers.of(
        problem,
        np.array([[mean(k) for k in triple] for triple in cells.conductivity]),
        np.array([mean(c) for c in cells.capacity]),
        np.array([mean(c) for c in cells.contact]),
    )
