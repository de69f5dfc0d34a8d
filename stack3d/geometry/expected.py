"""How many triangles and tetrahedra a profile will make of a stack, told from its sizes before Gmsh makes any."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from stack3d.geometry.heights import NOTHING, Heeded, element_heights
from stack3d.geometry.tetrahedra import PlaneSizes, Polygon, plane_of
from stack3d.layout import HeatSource, Rectangle, Stack, Surface
from stack3d.schema.numerics import MeshDeck

EQUILATERAL = math.sqrt(3) / 4
"""Area of a triangle over the square of its side."""
STEPS = 200
"""Of an integral along a distance."""


def _along(ends: float, start: float, growth: float, length: float, turn: float) -> float:
    """Triangles beside a line, as far as `ends`, of sides that grow from `start`.

    Parameters
    ----------
    ends : float
        Distance. [m]
    start : float
        Side at the line. [m]
    growth : float
        Of the side over the distance.
    length, turn : float
        Of lines at a distance d: ``length + turn d``. [m], [-]
    """
    if ends <= 0:
        return 0.0
    d = np.linspace(0.0, ends, STEPS)
    return float(np.trapezoid(np.maximum(length + turn * d, 0.0) / (start + growth * d) ** 2, d) / EQUILATERAL)


def _around(box: Rectangle) -> float:
    return 2 * (box.x1 - box.x0 + box.y1 - box.y0)


def _bounds(boxes: Iterable[Rectangle]) -> Rectangle:
    x0, x1, y0, y1 = zip(*((b.x0, b.x1, b.y0, b.y1) for b in boxes))
    return Rectangle(min(x0), max(x1), min(y0), max(y1))


def _of_sizes(sizes: PlaneSizes, boxes: Sequence[Rectangle]) -> float:
    """Triangles of the plane: of the core, beyond it, at the edges of sources and around cylinders."""
    core, largest, growth = sizes.core, sizes.largest, sizes.growth
    bounds = _bounds(boxes)
    beyond = max(core.x0 - bounds.x0, bounds.x1 - core.x1, core.y0 - bounds.y0, bounds.y1 - core.y1)
    found = core.area / (EQUILATERAL * largest**2) + _along(beyond, largest, growth, _around(core), 8.0)
    for box, size in sizes.focus:
        reach = max(largest - size, 0.0) / growth
        inner = min(reach, 0.5 * min(box.x1 - box.x0, box.y1 - box.y0))
        outer = min(reach, max(bounds.x1 - bounds.x0, bounds.y1 - bounds.y0))
        found += _along(inner, size, growth, _around(box), -8.0) + _along(outer, size, growth, _around(box), 2 * math.pi)
    for field, polygon in sizes.cylinders:
        radius, side = 0.5 * field.diameter, Polygon(field.diameter, polygon.sides).side
        apart = max(field.pitch / math.sqrt(math.pi) - radius, 0.0)
        rim = 2 * math.pi * radius
        each = _along(radius, side, growth, rim, -2 * math.pi) + _along(apart, side, growth, rim, 2 * math.pi)
        found += len(field.centres) * max(each, 2.0 * polygon.sides)
    return found


def expected_points(
    stack: Stack, sources: Sequence[HeatSource], mesh: MeshDeck, surfaces: Sequence[Surface] = (), heeded: Heeded = NOTHING
) -> float:
    """Points of the columns of tetrahedra that `build_columns` makes of the same.

    Parameters
    ----------
    stack : Stack
    sources : sequence of HeatSource
    mesh : MeshDeck
    surfaces : sequence of Surface
    heeded : Heeded
    """
    boxes, sizes = plane_of(stack, sources, mesh, surfaces)
    heights, _ = element_heights(stack, sources, mesh, heeded)
    return 0.5 * _of_sizes(sizes, boxes) * heights.size
