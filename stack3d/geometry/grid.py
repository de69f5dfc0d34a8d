"""Lines of the tensor grid: on every edge of a layer, block or source, as fine between them as a profile asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from stack3d.layout import Floats, Grid, HeatSource, Rectangle, Stack
from stack3d.schema.scenario import Mesh

MERGE = 1e-3
"""Edges closer than this share of the target size become one line; sources stay exact all the same."""


def _lines(edges: Iterable[float], hard: Iterable[float], target: float) -> Floats:
    """Lines through `edges`, subdivided to `target`; soft edges that nearly meet another are dropped."""
    fixed = sorted(set(hard))
    kept = list(fixed)
    for edge in sorted(set(edges)):
        if fixed[0] < edge < fixed[-1] and min(abs(edge - k) for k in kept) > MERGE * target:
            kept.append(edge)
    kept.sort()
    parts = [np.linspace(a, b, max(1, int(np.ceil((b - a) / target - 1e-9))) + 1)[:-1] for a, b in zip(kept[:-1], kept[1:])]
    return np.concatenate([*parts, [kept[-1]]])


def build_grid(stack: Stack, sources: Sequence[HeatSource | Rectangle], mesh: Mesh) -> Grid:
    """Make the grid of a stack for a mesh profile.

    Parameters
    ----------
    stack : Stack
    sources : sequence of HeatSource or Rectangle
        Their edges become lines where they do not crowd each other.
    mesh : Mesh
        Targets: elements across the longer side, elements per layer, largest aspect ratio.

    Returns
    -------
    Grid
        Layers are cut into equal elements, `mesh.per_layer` or as many as keep the element no thicker than
        `mesh.aspect` lateral sizes.
    """
    boxes = [s if isinstance(s, Rectangle) else s.extent for s in sources]
    extents = [layer.extent for layer in stack.layers] + [b.extent for layer in stack.layers for b in layer.blocks]
    low_x, high_x = min(e.x0 for e in extents), max(e.x1 for e in extents)
    low_y, high_y = min(e.y0 for e in extents), max(e.y1 for e in extents)
    target = max(high_x - low_x, high_y - low_y) / mesh.lateral
    x = _lines([v for b in boxes for v in (b.x0, b.x1)], [v for e in extents for v in (e.x0, e.x1)], target)
    y = _lines([v for b in boxes for v in (b.y0, b.y1)], [v for e in extents for v in (e.y0, e.y1)], target)
    z, owner = [stack.layers[0].z0], []
    for i, layer in enumerate(stack.layers):
        if layer.contact_resistance > 0 and i > 0:
            z.append(layer.z0)
            owner.append(i)
        n = max(mesh.per_layer, int(np.ceil(layer.thickness / (mesh.aspect * target) - 1e-9)))
        z.extend(np.linspace(layer.z0, layer.z1, n + 1)[1:])
        owner.extend([i] * n)
    return Grid(x, y, np.array(z), np.array(owner, dtype=np.intp))
