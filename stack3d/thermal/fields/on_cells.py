"""Temperature on a user's own cells, asked by region; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import scipy

from stack3d.errors import DeckError, unknown_name
from stack3d.fe.elements import cell_at, field_kind, hottest_node, node_integrals, shapes
from stack3d.grids import Grid
from stack3d.layout import Floats, Rectangle, Stack
from stack3d.meshes import CellMesh, Ints
from stack3d.thermal.fields.weights import ordered
from stack3d.thermal.places import Box, Place


@dataclass(frozen=True, eq=False)
class MeshField:
    """Temperature on a user's own mesh, asked by region.

    Parameters
    ----------
    stack : Stack
        A layer per region.
    mesh : CellMesh
    values : ndarray, shape (nodes,)
        Nodal temperature: points, then for order 2 edges. [K]
    order : {1, 2}
    """

    stack: Stack
    mesh: CellMesh
    values: Floats
    order: int

    def _cells(self, region: str) -> Ints:
        if region not in self.mesh.names:
            raise unknown_name("region of the mesh", region, self.mesh.names)
        return np.flatnonzero(self.mesh.region == self.mesh.names.index(region))

    @cached_property
    def _nodes(self) -> Ints:
        return self.mesh.cell_nodes(self.order)

    @cached_property
    def _integrals(self) -> Floats:
        return node_integrals(self.mesh, self.order)

    def with_values(self, values: Floats) -> Self:
        """The same field with other nodal values of its shape. [K]"""
        return replace(self, values=values)

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y, z) in a region; NaN outside it. [K]"""
        found = self._at_point(layer, x, y, z)
        return float("nan") if found is None else float(found[1] @ self.values[found[0]])

    def _at_point(self, layer: str, x: float, y: float, z: float | None) -> tuple[Ints, Floats] | None:
        """Nodes of the cell that holds a point, and their weights."""
        box = self.stack.layer(layer)
        height = 0.5 * (box.z0 + box.z1) if z is None else z
        found = cell_at(self.mesh, self._cells(layer), np.array([x, y, height]))
        if found is None:
            return None
        return self._nodes[found[0]], shapes(field_kind(self.mesh.kind, self.order), found[1][None])[0][0]

    def _in_region(self, layer: str) -> tuple[Ints, Floats]:
        """Nodes of the cells of a region, and their weights in its mean."""
        cells = self._cells(layer)
        weights = self._integrals[cells]
        return self._nodes[cells].ravel(), (weights / weights.sum()).ravel()

    def layer_mean(self, layer: str) -> float:
        """Volume mean of a region. [K]"""
        nodes, weights = self._in_region(layer)
        return float(weights @ self.values[nodes])

    def weights(self, places: Sequence[Place]) -> scipy.sparse.csr_array:
        """Weights of the values in the temperature of each place, a box standing for its region; (places, values)."""
        parts: list[tuple[list[int], scipy.sparse.csr_array]] = []
        for i, place in enumerate(places):
            is_box = isinstance(place, Box)
            found = self._in_region(place.layer) if is_box else self._at_point(place.layer, place.x, place.y, place.z)  # type: ignore[union-attr]
            nodes, weights = found or (np.empty(0, dtype=np.intp), np.empty(0))
            row = scipy.sparse.csr_array((weights, (np.zeros(nodes.size, dtype=np.intp), nodes)), shape=(1, self.values.size))
            parts.append(([i], row))
        return ordered(parts, self.values.size)

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of a region and its (x, y, z). [K], [m]"""
        nodes = np.unique(self._nodes[self._cells(layer)])
        points = self.mesh.node_points(self.order)[nodes]
        x, y, z = points[hottest_node(self.values[nodes], points[:, 0], points[:, 1])].tolist()
        return float(self.values[nodes].max()), (x, y, z)

    def layer_max(self, layer: str) -> float:
        """Largest nodal temperature of a layer. [K]"""
        return self.layer_peak(layer)[0]

    def overshoot(self, layer: str) -> float:
        """Not sought on cells without lines: 0. [K]"""
        return 0.0

    def between_nodes(self, layer: str) -> float:
        """Not sought on cells without lines: 0. [K]"""
        return 0.0

    def between_levels(self, layer: str) -> float:
        """Not sought on cells without lines: 0. [K]"""
        return 0.0

    def on_lines(self, grid: Grid) -> Floats | None:
        """It has no lines: None."""
        return None

    def face_peak(self, face: str) -> float | None:
        """Largest temperature at the corners of a face. [K]"""
        if face not in self.mesh.faces:
            return None
        return float(self.values[self.mesh.facets[self.mesh.face == self.mesh.faces.index(face)]].max())

    def box_means(self, layer: str, boxes: Sequence[Rectangle]) -> Floats:
        """Mean of a region, when its bounding box is asked for; raises DeckError for parts of it. [K]"""
        if any(box != self.stack.layer(layer).extent for box in boxes):
            raise DeckError(f"a mesh of your own has means of whole regions only, not of boxes in {layer!r}")
        return np.full(len(boxes), self.layer_mean(layer))

    def map(self, layer: str, nx: int, ny: int, extent: Rectangle | None = None) -> Floats:
        """Mean of a region as a map of one box; raises DeckError for more. [K]"""
        if (nx, ny) != (1, 1):
            raise DeckError(f"a mesh of your own has no map of {layer!r}")
        return self.box_means(layer, [extent or self.stack.layer(layer).extent]).reshape(1, 1)
