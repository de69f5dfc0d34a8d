"""Heat on unstructured meshes: the problem, and the temperature of extruded stacks and of a user's own mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stack3d.errors import DeckError
from stack3d.layout import Floats, HeatSource, LineRecovery, Rectangle, Stack
from stack3d.meshes import CellMesh, Columns, Ints
from stack3d.thermal.elements import cell_at, field_kind, node_integrals, shapes
from stack3d.thermal.problem import Face, Field, reference_of

_SIDES = np.array([[0, 1], [1, 2], [0, 2]])
"""Edges of a triangle."""


@dataclass(frozen=True, eq=False)
class MeshProblem:
    """Stack, mesh and the conditions on named faces of the mesh; the power is given to the solver apart.

    Parameters
    ----------
    stack : Stack
        Of a user's mesh, a layer per region.
    body : Columns or CellMesh
    faces : mapping of str to Face
        Faces of the mesh that are not named are adiabatic.
    """

    stack: Stack
    body: Columns | CellMesh
    faces: Mapping[str, Face]

    def __post_init__(self) -> None:
        if not any(f.film_coefficient > 0 for f in self.faces.values()):
            raise DeckError("cooling: every face is adiabatic, so no steady temperature exists; cool at least one face")

    @cached_property
    def mesh(self) -> CellMesh:
        """The cells."""
        return self.body.cells if isinstance(self.body, Columns) else self.body

    @property
    def reference(self) -> float:
        """Temperature that rises count from. [K]"""
        return reference_of(self.faces)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for problems that differ in films, fluxes and references alone."""
        return self.stack, *self.body.fingerprint

    def area(self, face: str) -> float:
        """Area that the condition of a face holds on. [m²]"""
        return self.mesh.face_areas.get(face, 0.0)

    def with_films(self, films: Mapping[str, float]) -> MeshProblem:
        """The same problem with other film coefficients by face. [W m⁻² K⁻¹]"""
        faces = {n: replace(f, film_coefficient=films.get(n, f.film_coefficient)) for n, f in self.faces.items()}
        return replace(self, faces=faces)

    def cell_powers(self, sources: Sequence[HeatSource]) -> Floats:
        """Power in each cell, shape (cells,); the sum is that of the sources. [W]

        Inside a cell that the edge of a source cuts, its share is spread over the whole cell. Raises DeckError for a source
        where nothing solid is.
        """
        out = np.zeros(len(self.mesh.cells))
        for source in sources:
            cells, share = self._share(source.layer, source.extent)
            if not cells.size:
                raise DeckError(f"power: source {source.name!r} lies where layer {source.layer!r} is not solid")
            out[cells] += source.power * share
        return out

    @cached_property
    def _shares(self) -> dict[tuple[str, Rectangle], tuple[Ints, Floats]]:
        return {}

    def _share(self, layer: str, box: Rectangle) -> tuple[Ints, Floats]:
        """Cells of a layer within a box, and the share of the volume in each."""
        key = (layer, box)
        if key not in self._shares:
            if isinstance(self.body, Columns):
                self._shares[key] = _share_of_columns(self.body, self.stack.index[layer], box)
            else:
                cells = np.flatnonzero(self.body.region == self.body.names.index(layer))
                volume = self.volumes[cells]
                self._shares[key] = cells, volume / volume.sum()
        return self._shares[key]

    @cached_property
    def volumes(self) -> Floats:
        """Of the cells, shape (cells,). [m³]"""
        return np.asarray(node_integrals(self.mesh, 1).sum(axis=1))

    def field(self, values: Floats, order: int) -> Field:
        """Field of the temperatures at the nodes of the mesh, shape (nodes,). [K]"""
        if isinstance(self.body, Columns):
            nodes = self._nodes(order)
            return ColumnField(self.stack, self.body, np.where(nodes < 0, self.reference, values[nodes]), order)
        return MeshField(self.stack, self.body, values, order)

    def at_nodes(self, values: Floats, order: int) -> Floats:
        """Values at the nodes of the mesh of what a field holds, or of one number; shape (nodes,)."""
        if np.ndim(values) == 0 or not isinstance(self.body, Columns):
            return np.broadcast_to(values, (self.mesh.node_count(order),))
        nodes = self._nodes(order)
        out = np.empty(self.mesh.node_count(order))
        out[nodes[nodes >= 0]] = values[nodes >= 0]
        return out

    @cached_property
    def _column_nodes(self) -> dict[int, Ints]:
        return {}

    def _nodes(self, order: int) -> Ints:
        """Node of the mesh at each place in the values of a field of columns."""
        assert isinstance(self.body, Columns)
        if order not in self._column_nodes:
            self._column_nodes[order] = ColumnField.nodes(self.body, order)
        return self._column_nodes[order]


def _share_of_columns(body: Columns, layer: int, box: Rectangle) -> tuple[Ints, Floats]:
    """Tetrahedra of a layer within a box through its whole height, and the share of the volume in each."""
    pieces = body.pieces([box])
    area = np.bincount(pieces.triangle, pieces.area, len(body.triangles)) * body.solid(layer)
    slabs, triangles = body.slabs_of(layer), np.flatnonzero(area)
    if not triangles.size:
        return triangles, area[triangles]
    heights = np.diff(body.z)[slabs]
    share = np.outer(heights / heights.sum(), area[triangles] / area.sum())
    prism = np.full(body.region.shape, -1, dtype=np.intp)
    prism[body.prisms] = np.arange(body.prisms[0].size)
    cells = 3 * prism[np.ix_(slabs, triangles)][..., None] + np.arange(3)
    return cells.ravel(), np.repeat(share.ravel() / 3, 3)


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
        pairs = columns.triangles[:, _SIDES].reshape(-1, 2)
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
        return np.concatenate([at * (2 * at - 1), 4 * at[:, _SIDES[:, 0]] * at[:, _SIDES[:, 1]]], axis=1)

    def _levels(self, layer: str) -> tuple[Ints, Floats]:
        """Levels of a layer and the heights of its slabs' bounds."""
        slabs = self.columns.slabs_of(self.stack.index[layer])
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
    def _kept_weights(self) -> dict[tuple[int, tuple[Rectangle, ...]], tuple[csr_array, Floats]]:
        return {}

    def _weights(self, layer: int, boxes: tuple[Rectangle, ...]) -> tuple[csr_array, Floats]:
        """Integrals of the plane's shape functions over the solid part of boxes, and its area; (boxes, nodes), (boxes,)."""
        pieces = self.columns.pieces(boxes)
        inside = self.columns.solid(layer)[pieces.triangle]
        box, triangle, area = pieces.box[inside], pieces.triangle[inside], pieces.area[inside]
        corners = pieces.corners[inside]
        middles = 0.5 * (corners + np.roll(corners, 1, axis=1))  # exact for degree 2
        weight = sum(self._shapes(middles[:, i]) for i in range(3)) / 3 * area[:, None]
        nodes = self._plane_nodes[triangle]
        rows = np.broadcast_to(box[:, None], nodes.shape)
        shape = (len(boxes), self.values.shape[1])
        matrix = csr_array((np.asarray(weight).ravel(), (rows.ravel(), nodes.ravel())), shape=shape)
        return matrix, np.bincount(box, area, len(boxes))

    def box_means(self, layer: str, boxes: Sequence[Rectangle]) -> Floats:
        """Volume means over boxes through the full thickness of a layer, where it is solid; shape (len(boxes),). [K]"""
        weights, area = self._weights(self.stack.index[layer], tuple(boxes))
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

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y) and height `z`, by default the mid-plane of `layer`; NaN where it is not solid. [K]"""
        levels, lines = self._levels(layer)
        height = 0.5 * (lines[0] + lines[-1]) if z is None else z
        corner = self.columns.points[self.columns.triangles]
        span = corner[:, 1:] - corner[:, :1]
        offset = np.array([x, y]) - corner[:, 0]
        twice = span[:, 0, 0] * span[:, 1, 1] - span[:, 0, 1] * span[:, 1, 0]
        b = (offset[:, 0] * span[:, 1, 1] - offset[:, 1] * span[:, 1, 0]) / twice
        c = (span[:, 0, 0] * offset[:, 1] - span[:, 0, 1] * offset[:, 0]) / twice
        inside = np.minimum(1 - b - c, np.minimum(b, c))
        inside[~self.columns.solid(self.stack.index[layer])] = -np.inf
        i = int(inside.argmax())
        if inside[i] < -1e-9:
            return float("nan")
        line = self.values[np.ix_(levels, self._plane_nodes[i])] @ self._shapes(np.array([[1 - b[i] - c[i], b[i], c[i]]]))[0]
        if self.order == 1:
            return float(LineRecovery(lines).value(height) @ line)
        k = int(np.clip(np.searchsorted(lines, height, side="right") - 1, 0, lines.size - 2))
        t = (height - lines[k]) / (lines[k + 1] - lines[k])
        return float(np.array([(1 - t) * (1 - 2 * t), 4 * t * (1 - t), t * (2 * t - 1)]) @ line[2 * k : 2 * k + 3])

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of the solid part of a layer and its (x, y, z). [K], [m]"""
        levels, lines = self._levels(layer)
        nodes = np.unique(self._plane_nodes[self.columns.solid(self.stack.index[layer])])
        part = self.values[np.ix_(levels, nodes)]
        k, i = np.unravel_index(int(part.argmax()), part.shape)
        z = lines if self.order == 1 else np.interp(np.arange(levels.size), np.arange(0, levels.size, 2), lines)
        points = self.columns.points
        if self.order == 2:
            points = np.concatenate([points, points[self.edges(self.columns)[0]].mean(axis=1)])
        return float(part[k, i]), (float(points[nodes[i], 0]), float(points[nodes[i], 1]), float(z[k]))

    def face_peak(self, face: str) -> float | None:
        """Largest nodal temperature of ``top`` or ``bottom``. [K]"""
        ends = {"top": self.stack.layers[-1], "bottom": self.stack.layers[0]}
        if face not in ends:
            return None
        nodes = np.unique(self._plane_nodes[self.columns.solid(self.stack.index[ends[face].name])])
        return float(self.values[-1 if face == "top" else 0, nodes].max())


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
        return np.flatnonzero(self.mesh.region == self.mesh.names.index(region))

    @cached_property
    def _nodes(self) -> Ints:
        return self.mesh.cell_nodes(self.order)

    @cached_property
    def _integrals(self) -> Floats:
        return node_integrals(self.mesh, self.order)

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y, z) in a region; NaN outside it. [K]"""
        box = self.stack.layer(layer)
        height = 0.5 * (box.z0 + box.z1) if z is None else z
        found = cell_at(self.mesh, self._cells(layer), np.array([x, y, height]))
        if found is None:
            return float("nan")
        values, _ = shapes(field_kind(self.mesh.kind, self.order), found[1][None])
        return float(values[0] @ self.values[self._nodes[found[0]]])

    def layer_mean(self, layer: str) -> float:
        """Volume mean of a region. [K]"""
        cells = self._cells(layer)
        weights = self._integrals[cells]
        return float((weights * self.values[self._nodes[cells]]).sum() / weights.sum())

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of a region and its (x, y, z). [K], [m]"""
        nodes = np.unique(self._nodes[self._cells(layer)])
        hottest = int(nodes[self.values[nodes].argmax()])
        x, y, z = self.mesh.node_points(self.order)[hottest].tolist()
        return float(self.values[hottest]), (x, y, z)

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
