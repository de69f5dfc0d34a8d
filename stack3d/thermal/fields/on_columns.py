"""Temperature on columns of tetrahedra, asked by layer; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import scipy
from numpy.typing import NDArray

from stack3d.fe.elements import hottest_node
from stack3d.fe.lines import LineRecovery
from stack3d.grids import Grid
from stack3d.layout import Floats, Rectangle, Stack
from stack3d.meshes import Columns, Ints
from stack3d.thermal.fields.weights import SIDES_OF_TRIANGLE, AtPoint, ordered
from stack3d.thermal.places import Box, Place, height_in_layer


@dataclass(frozen=True, eq=False)
class ColumnField:
    """Temperature on columns of tetrahedra, its values and means.

    Every node of order 1 or 2 lies above a node of the plane, so that a field is a plane of nodes times heights. Means through
    the height are those along the vertical lines, exact for order 2 and with the curvature recovered for order 1; in the plane
    the elements are integrated over exactly the box that is asked for, where it is solid.

    Parameters
    ----------
    stack : Stack
    columns : Columns
    values : ndarray, shape (levels, plane nodes)
        Order 1: heights by points; order 2: heights and their middles by points and edges. [K]
    order : {1, 2}
    """

    stack: Stack
    columns: Columns
    values: Floats
    order: int

    @staticmethod
    def edges(columns: Columns) -> tuple[Ints, Ints]:
        """Edges of the triangles, shape (edges, 2), and those of each triangle, shape (m, 3)."""
        pairs = columns.triangles[:, SIDES_OF_TRIANGLE].reshape(-1, 2)
        edges, inverse = np.unique(pairs, axis=0, return_inverse=True)
        return np.asarray(edges), np.asarray(inverse.reshape(-1, 3))

    @staticmethod
    def nodes(columns: Columns, order: int) -> Ints:
        """Node of the tetrahedra at each level and plane node, -1 in the void."""
        n, levels = len(columns.points), columns.z.size
        corner = columns.node_of(np.arange(levels * n)).reshape(levels, n)
        if order == 1:
            return corner
        mesh, (edges, _) = columns.cells, ColumnField.edges(columns)
        out = np.empty((2 * levels - 1, n + len(edges)), dtype=np.intp)
        out[::2, :n] = corner
        lower, upper = corner[:, edges[:, 0]], corner[:, edges[:, 1]]

        def middle(a: Ints, b: Ints) -> Ints:
            pairs = np.stack([a, b], axis=-1).reshape(-1, 2)
            index = np.minimum(mesh.edge_index(pairs), len(mesh.edges) - 1)
            there = np.all(mesh.edges[index] == np.sort(pairs, axis=1), axis=1)
            return np.where(there, len(mesh.points) + index, -1).reshape(a.shape)

        out[1::2, :n] = middle(corner[:-1], corner[1:])
        out[::2, n:] = middle(lower, upper)
        out[1::2, n:] = middle(lower[:-1], upper[1:])  # diagonals rise towards the larger index
        return out

    @cached_property
    def _plane_nodes(self) -> Ints:
        """Plane nodes of each triangle, shape (m, 3) or (m, 6)."""
        if self.order == 1:
            return self.columns.triangles
        return np.concatenate([self.columns.triangles, len(self.columns.points) + self.edges(self.columns)[1]], axis=1)

    def _shapes(self, at: Floats) -> Floats:
        """Shape functions of the triangles at barycentric points, shape (q, 3) → (q, 3 or 6)."""
        if self.order == 1:
            return at
        return np.concatenate([at * (2 * at - 1), 4 * at[:, SIDES_OF_TRIANGLE[:, 0]] * at[:, SIDES_OF_TRIANGLE[:, 1]]], axis=1)

    def _levels(self, layer: str) -> tuple[Ints, Floats]:
        """Levels of a layer and the heights of its slabs' bounds."""
        slabs = self.columns.slabs_of(self.stack.slabs[layer])
        first, last = int(slabs[0]), int(slabs[-1]) + 1
        return np.arange(self.order * first, self.order * last + 1), self.columns.z[first : last + 1]

    def _through(self, z: Floats) -> Floats:
        """Weights of the levels of a layer in its mean through the height."""
        if self.order == 1:
            return np.asarray(LineRecovery(z).integral(z[0], z[-1]) / (z[-1] - z[0]))
        out = np.zeros(2 * z.size - 1)
        for part, weight in ((slice(0, -2, 2), 1), (slice(1, None, 2), 4), (slice(2, None, 2), 1)):  # Simpson
            out[part] += weight / 6 * np.diff(z) / (z[-1] - z[0])
        return out

    def plane_mean(self, layer: str) -> Floats:
        """Mean through the height of a layer at each node of the plane. [K]"""
        levels, z = self._levels(layer)
        return np.asarray(self._through(z) @ self.values[levels])

    @cached_property
    def _centres(self) -> Floats:
        return np.asarray(self.columns.points[self.columns.triangles].mean(axis=1))

    def _solid(self, layer: str) -> NDArray[np.bool_]:
        """Whether each triangle of the plane lies in the solid part of a layer."""
        box, (x, y) = self.stack.layer(layer).extent, self._centres[:, :2].T
        inside = (box.x0 < x) & (x < box.x1) & (box.y0 < y) & (y < box.y1)
        return np.asarray(inside & self.columns.solid(self.stack.slabs[layer]))

    def _weights(self, layer: str, boxes: tuple[Rectangle, ...]) -> tuple[scipy.sparse.csr_array, Floats]:
        """Integrals of the plane's shape functions over the solid part of boxes, and its area; (boxes, nodes), (boxes,)."""
        pieces = self.columns.pieces(boxes)
        inside = self._solid(layer)[pieces.triangle]
        box, triangle, area = pieces.box[inside], pieces.triangle[inside], pieces.area[inside]
        corners = pieces.corners[inside]
        middles = 0.5 * (corners + np.roll(corners, 1, axis=1))  # exact for degree 2
        weight = sum(self._shapes(middles[:, i]) for i in range(3)) / 3 * area[:, None]
        nodes = self._plane_nodes[triangle]
        rows = np.broadcast_to(box[:, None], nodes.shape)
        shape = (len(boxes), self.values.shape[1])
        matrix = scipy.sparse.csr_array((np.asarray(weight).ravel(), (rows.ravel(), nodes.ravel())), shape=shape)
        return matrix, np.bincount(box, area, len(boxes))

    def box_means(self, layer: str, boxes: Sequence[Rectangle]) -> Floats:
        """Volume means over boxes through the full thickness of a layer, where it is solid; shape (len(boxes),). [K]"""
        weights, area = self._weights(layer, tuple(boxes))
        with np.errstate(invalid="ignore"):
            return np.asarray(weights @ self.plane_mean(layer) / area)

    def map(self, layer: str, nx: int, ny: int, extent: Rectangle | None = None) -> Floats:
        """Volume means over ny by nx equal boxes of a layer, NaN where it is not solid; shape (ny, nx). [K]"""
        box = extent or self.stack.layer(layer).extent
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        boxes = [Rectangle(xs[i], xs[i + 1], ys[j], ys[j + 1]) for j in range(ny) for i in range(nx)]
        return self.box_means(layer, boxes).reshape(ny, nx)

    def layer_mean(self, layer: str) -> float:
        """Volume mean over the solid part of a layer. [K]"""
        return float(self.box_means(layer, [self.stack.layer(layer).extent])[0])

    def with_values(self, values: Floats) -> Self:
        """The same field with other nodal values of its shape. [K]"""
        return replace(self, values=values)

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y) and height `z`, by default the mid-plane of `layer`; NaN where it is not solid. [K]"""
        point = self._at_point(layer, x, y, z)
        if point is None:
            return float("nan")
        return float(point.levels @ self.values[np.ix_(point.rows, point.nodes)] @ point.plane)

    def _at_point(self, layer: str, x: float, y: float, z: float | None) -> AtPoint | None:
        levels, lines = self._levels(layer)
        height = 0.5 * (lines[0] + lines[-1]) if z is None else z
        corner = self.columns.points[self.columns.triangles]
        span = corner[:, 1:] - corner[:, :1]
        offset = np.array([x, y]) - corner[:, 0]
        twice = span[:, 0, 0] * span[:, 1, 1] - span[:, 0, 1] * span[:, 1, 0]
        b = (offset[:, 0] * span[:, 1, 1] - offset[:, 1] * span[:, 1, 0]) / twice
        c = (span[:, 0, 0] * offset[:, 1] - span[:, 0, 1] * offset[:, 0]) / twice
        inside = np.minimum(1 - b - c, np.minimum(b, c))
        inside[~self._solid(layer)] = -np.inf
        i = int(inside.argmax())
        if inside[i] < -1e-9:
            return None
        plane = self._shapes(np.array([[1 - b[i] - c[i], b[i], c[i]]]))[0]
        if self.order == 1:
            return AtPoint(levels, LineRecovery(lines).value(height), self._plane_nodes[i], plane)
        k = int(np.clip(np.searchsorted(lines, height, side="right") - 1, 0, lines.size - 2))
        t = (height - lines[k]) / (lines[k + 1] - lines[k])
        through = np.array([(1 - t) * (1 - 2 * t), 4 * t * (1 - t), t * (2 * t - 1)])
        return AtPoint(levels[2 * k : 2 * k + 3], through, self._plane_nodes[i], plane)

    def weights(self, places: Sequence[Place]) -> scipy.sparse.csr_array:
        """Weights of the values, flat, in the temperature of each place; none where it is not solid; (places, values)."""
        n_levels, n_plane = self.values.shape
        parts: list[tuple[list[int], scipy.sparse.csr_array]] = []
        for name in dict.fromkeys(place.layer for place in places):
            mine = [i for i, p in enumerate(places) if isinstance(p, Box) and p.layer == name]
            if not mine:
                continue
            levels, z = self._levels(name)
            through = np.zeros((1, n_levels))
            through[0, levels] = self._through(z)
            plane, area = self._weights(name, tuple(places[i].extent for i in mine))  # type: ignore[union-attr]
            share = np.divide(1.0, area, out=np.zeros_like(area), where=area > 0)
            rows = scipy.sparse.kron(scipy.sparse.csr_array(through), plane * share[:, None], format="csr")
            parts.append((mine, scipy.sparse.csr_array(rows)))
        for i, place in enumerate(places):
            if isinstance(place, Box):
                continue
            height_in_layer(self.stack, place)
            point = self._at_point(place.layer, place.x, place.y, place.z)
            row = scipy.sparse.csr_array((1, n_levels * n_plane))
            if point is not None:
                at = (point.rows[:, None] * n_plane + point.nodes).ravel()
                weight = np.outer(point.levels, point.plane).ravel()
                row = scipy.sparse.csr_array((weight, (np.zeros(at.size, dtype=np.intp), at)), shape=row.shape)
            parts.append(([i], row))
        return ordered(parts, n_levels * n_plane)

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of the solid part of a layer and its (x, y, z). [K], [m]"""
        levels, lines = self._levels(layer)
        nodes = np.unique(self._plane_nodes[self._solid(layer)])
        part = self.values[np.ix_(levels, nodes)]
        z = lines if self.order == 1 else np.interp(np.arange(levels.size), np.arange(0, levels.size, 2), lines)
        points = self.columns.points
        if self.order == 2:
            points = np.concatenate([points, points[self.edges(self.columns)[0]].mean(axis=1)])
        x, y = points[nodes, :2].T
        k, i = np.unravel_index(hottest_node(part, x, y), part.shape)
        return float(part.max()), (float(x[i]), float(y[i]), float(z[k]))

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
        """Largest nodal temperature of ``top`` or ``bottom``. [K]"""
        ends = {"top": self.stack.layers[-1], "bottom": self.stack.layers[0]}
        if face not in ends:
            return None
        nodes = np.unique(self._plane_nodes[self._solid(ends[face].name)])
        return float(self.values[-1 if face == "top" else 0, nodes].max())
