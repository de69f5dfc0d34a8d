"""Lines of the tensor grid: on every edge of a layer, block or source, finer towards the edges of sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats, Grid, HeatSource, Rectangle, Stack
from stack3d.schema.numerics import Mesh

MOST_ELEMENTS = 20_000
"""Along one interval; more come from a misplaced unit."""

MERGE = 1e-3
"""Edges closer than this share of the target size become one line; sources stay exact all the same."""


def _size(position: Floats, focus: Floats, largest: float, smallest: float, growth: float) -> Floats:
    """Element size wanted at each position: `smallest` at a focus point, growing linearly away from it. [m]."""
    if focus.size == 0:
        return np.full(position.shape, largest)
    after = np.searchsorted(focus, position).clip(1, focus.size - 1) if focus.size > 1 else np.zeros(position.shape, dtype=int)
    distance = np.abs(position - focus[after])
    if focus.size > 1:
        distance = np.minimum(distance, np.abs(position - focus[after - 1]))
    return np.asarray(np.minimum(largest, smallest + growth * distance))


def _between(a: float, b: float, focus: Floats, largest: float, smallest: float, growth: float, fewest: int) -> Floats:
    """Lines from a to b, both included, whose spacing follows the wanted size."""
    sample = np.linspace(a, b, 257)
    density = 1.0 / _size(0.5 * (sample[1:] + sample[:-1]), focus, largest, smallest, growth)
    elements = np.concatenate([[0.0], np.cumsum(density * np.diff(sample))])
    n = max(fewest, int(np.ceil(elements[-1] - 1e-9)))
    if n > MOST_ELEMENTS:
        raise DeckError(
            Problem(
                "geometry",
                f"{n} elements between {a:.4g} m and {b:.4g} m, at most {MOST_ELEMENTS}; is a size in the right unit?",
            )
        )
    lines = np.interp(np.linspace(0.0, elements[-1], n + 1), elements, sample)
    lines[0], lines[-1] = a, b
    return lines


def _lateral(edges: Iterable[float], hard: Iterable[float], points: Iterable[float], target: float, mesh: Mesh) -> Floats:
    """Lines through `hard` and, where they do not crowd another, through `edges` and `points`; finer towards `edges`."""
    kept = sorted(set(hard))
    low, high = kept[0], kept[-1]
    inner = [e for e in sorted(set(edges)) if low < e < high]
    for edge in [*inner, *(p for p in sorted(set(points)) if low < p < high)]:
        if min(abs(edge - k) for k in kept) > MERGE * target:
            kept.append(edge)
    kept.sort()
    focus = np.array(inner)
    parts = [_between(a, b, focus, target, target / mesh.refinement, mesh.growth, 1)[:-1] for a, b in zip(kept[:-1], kept[1:])]
    return np.concatenate([*parts, [high]])


def build_grid(stack: Stack, sources: Sequence[HeatSource], mesh: Mesh, points: Sequence[tuple[float, float]] = ()) -> Grid:
    """Make the grid of a stack for a mesh profile.

    Parameters
    ----------
    stack : Stack
    sources : sequence of HeatSource
        Their edges become lines where they do not crowd each other, and elements are smaller towards them, in the
        plane and through the height.
    mesh : Mesh
    points : sequence of (x, y)
        Lines go through them too: a temperature at a node is more accurate than one between nodes.

    Returns
    -------
    Grid
        A line on every face of a layer or block; a repeated z where a contact resistance lies.
    """
    extents = [layer.extent for layer in stack.layers] + [b.extent for layer in stack.layers for b in layer.blocks]
    boxes = [s.extent for s in sources]
    width = max(e.x1 for e in extents) - min(e.x0 for e in extents)
    depth = max(e.y1 for e in extents) - min(e.y0 for e in extents)
    target = max(width, depth) / mesh.lateral
    x = _lateral(
        [v for b in boxes for v in (b.x0, b.x1)],
        [v for e in extents for v in (e.x0, e.x1)],
        [p[0] for p in points],
        target,
        mesh,
    )
    y = _lateral(
        [v for b in boxes for v in (b.y0, b.y1)],
        [v for e in extents for v in (e.y0, e.y1)],
        [p[1] for p in points],
        target,
        mesh,
    )
    heated = [stack.layer(s.layer) for s in sources if not _covers(s.extent, stack.layer(s.layer).extent)]
    focus = np.unique([v for layer in heated for v in (layer.z0, layer.z1)])
    smallest = target / mesh.refinement
    z, owner = [np.array([stack.layers[0].z0])], []
    for i, layer in enumerate(stack.layers):
        if layer.contact_resistance > 0 and i > 0:
            z.append(np.array([layer.z0]))
            owner.append(i)
        lines = _between(
            layer.z0, layer.z1, focus, mesh.aspect * target, mesh.aspect * smallest, mesh.aspect * mesh.growth, mesh.per_layer
        )
        z.append(lines[1:])
        owner += [i] * (lines.size - 1)
    return Grid(x, y, np.concatenate(z), np.array(owner, dtype=np.intp))


def _covers(source: Rectangle, extent: Rectangle) -> bool:
    """Whether a source fills its layer, so that it calls for no refinement."""
    return source.contains(extent)
