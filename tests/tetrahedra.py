"""Columns of tetrahedra for tests: structured in the plane, so that a refinement halves every element."""

import numpy as np

from stack3d.layout import Rectangle, Stack
from stack3d.meshes import Columns


def structured(stack: Stack, nx: int, ny: int, per_layer: int | list[int]) -> Columns:
    """Columns on a plane of nx by ny rectangles cut in two; every layer has the extent of the footprint."""
    box: Rectangle = stack.footprint
    x, y = np.meshgrid(np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1))
    points = np.column_stack([x.ravel(), y.ravel()])
    index = np.arange(len(points)).reshape(ny + 1, nx + 1)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel()
    triangles = np.sort(np.concatenate([np.column_stack([a, b, d]), np.column_stack([a, c, d])]), axis=1)
    counts = [per_layer] * len(stack.layers) if isinstance(per_layer, int) else per_layer
    z = np.concatenate([[0.0], *(np.linspace(la.z0, la.z1, n + 1)[1:] for la, n in zip(stack.layers, counts))])
    layer = np.repeat(np.arange(len(counts)), counts)
    region = np.repeat(layer[:, None], len(triangles), axis=1)
    names, materials = tuple(la.name for la in stack.layers), tuple(la.material for la in stack.layers)
    faces = {"top": triangles + len(points) * (z.size - 1), "bottom": triangles}
    return Columns(points, triangles, z, z, layer, region, names, materials, faces)
