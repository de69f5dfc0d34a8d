"""Unstructured meshes as plain arrays: cells with named regions and faces, and triangles of the plane carried through heights.

Geometry makes them, the solvers read them; neither Gmsh nor DOLFINx is needed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats, Material, Rectangle

Ints = NDArray[np.intp]
Kind = Literal["tetra", "tetra10", "hexahedron"]

VOID = -1
CORNERS: dict[str, int] = {"tetra": 4, "tetra10": 4, "hexahedron": 8}
"""Corners of a cell by its kind; they come first in its nodes."""
SIDES: dict[str, tuple[tuple[int, ...], ...]] = {
    "tetra": ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)),
    "hexahedron": ((0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
}
SIDES["tetra10"] = SIDES["tetra"]
CUBE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]])
"""Corners of the unit cube in the order of a hexahedron."""
EDGES = ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))
"""Edges of a tetrahedron in the order of the middle nodes of a ``tetra10``."""
TETRAHEDRA = ((0, 1, 2, 5), (0, 1, 4, 5), (0, 3, 4, 5))
"""A prism (bottom 0 1 2, top 3 4 5) as three tetrahedra; diagonals rise towards the larger index, so neighbours match."""


def rows_in(rows: Ints, table: Ints) -> Ints:
    """Position in `table` of each of `rows` as sets of numbers, -1 where it is not there; shapes (n, k), (m, k) → (n,)."""
    both = np.sort(np.concatenate([table, rows]), axis=1)
    _, first, inverse = np.unique(both, axis=0, return_index=True, return_inverse=True)
    found = first[inverse.reshape(-1)[len(table) :]]
    return np.where(found < len(table), found, -1)


@dataclass(frozen=True, eq=False)
class CellMesh:
    """Cells of one kind, each in a named region, and named faces of the outside.

    Parameters
    ----------
    kind : {"tetra", "tetra10", "hexahedron"}
    points : ndarray, shape (n, 3)
        [m]
    cells : ndarray of int, shape (m, nodes)
        In the order of VTK.
    region : ndarray of int, shape (m,)
        Index into `names`.
    names : tuple of str
    materials : tuple of Material
        Of the regions.
    facets : ndarray of int, shape (f, 3) or (f, 4)
        Corners of the facets that have a name.
    face : ndarray of int, shape (f,)
        Index into `faces`.
    faces : tuple of str
    """

    kind: Kind
    points: Floats
    cells: Ints
    region: Ints
    names: tuple[str, ...]
    materials: tuple[Material, ...]
    facets: Ints
    face: Ints
    faces: tuple[str, ...]

    @property
    def n_nodes(self) -> int:
        """Number of points."""
        return len(self.points)

    def unknowns(self, order: int) -> int:
        """Unknowns of Lagrange elements of an order, which are its nodes."""
        return self.node_count(order)

    def joined(self, names: Mapping[str, str]) -> CellMesh:
        """The same cells with regions called as they are spoken of, those of one name made one; others keep their names."""
        spoken = [names.get(name, name) for name in self.names]
        first = {name: spoken.index(name) for name in dict.fromkeys(spoken)}
        number = {name: i for i, name in enumerate(first)}
        to = np.array([number[name] for name in spoken], dtype=np.intp)
        return replace(
            self, region=to[self.region], names=tuple(first), materials=tuple(self.materials[i] for i in first.values())
        )

    @property
    def corners(self) -> Ints:
        """Corner nodes of the cells."""
        return self.cells[:, : CORNERS[self.kind]]

    @cached_property
    def edges(self) -> Ints:
        """Edges of tetrahedra, lower corner first, shape (edges, 2)."""
        return np.asarray(np.unique(np.sort(self.corners[:, EDGES].reshape(-1, 2), axis=1), axis=0))

    def edge_index(self, pairs: Ints) -> Ints:
        """Position of corner pairs among the edges, shape (n, 2) → (n,)."""
        low, high = pairs.min(axis=1), pairs.max(axis=1)
        key = self.edges[:, 0] * len(self.points) + self.edges[:, 1]
        return np.asarray(np.searchsorted(key, low * len(self.points) + high))

    def node_count(self, order: int) -> int:
        """Nodes of Lagrange elements of an order, unused points included: points, then edges."""
        return len(self.points) + (len(self.edges) if order == 2 else 0)

    def node_points(self, order: int) -> Floats:
        """Positions of these nodes, shape (nodes, 3); edges count as straight. [m]"""
        return self.points if order == 1 else np.concatenate([self.points, self.points[self.edges].mean(axis=1)])

    def cell_nodes(self, order: int) -> Ints:
        """Nodes of each cell, corners first, then edges in the order of `EDGES`; shape (m, nodes)."""
        if order == 1:
            return self.corners
        edges = self.edge_index(self.corners[:, EDGES].reshape(-1, 2)).reshape(-1, len(EDGES))
        return np.concatenate([self.corners, len(self.points) + edges], axis=1)

    @cached_property
    def face_areas(self) -> dict[str, float]:
        """Area of each face, its facets taken as flat. [m²]"""
        p = self.points[self.facets]
        area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1)
        if self.facets.shape[1] == 4:
            area = area + np.linalg.norm(np.cross(p[:, 2] - p[:, 0], p[:, 3] - p[:, 0]), axis=1)
        return dict(zip(self.faces, 0.5 * np.bincount(self.face, area, len(self.faces))))

    @property
    def fingerprint(self) -> tuple[bytes, ...]:
        """Equal for equal meshes."""
        return self.points.tobytes(), self.cells.tobytes(), self.region.tobytes(), self.facets.tobytes(), self.face.tobytes()


def refined(mesh: CellMesh) -> CellMesh:
    """Hexahedra cut in eight at the middles of their edges, facets in four; regions and names stay."""
    corners, facets, count = mesh.cells, mesh.facets, len(mesh.points)
    lattice = np.argwhere(np.ones((3, 3, 3)))
    parts = [np.flatnonzero(np.all((point == 1) | (point == 2 * CUBE), axis=1)) for point in lattice]
    nodes = np.empty((len(corners), 27), dtype=np.intp)
    points, tables = [mesh.points], {}
    for size in (2, 4, 8):  # middles of edges, sides and cells
        mine = [i for i, part in enumerate(parts) if part.size == size]
        rows = np.sort(corners[:, [parts[i] for i in mine]].reshape(-1, size), axis=1)
        table, inverse = np.unique(rows, axis=0, return_inverse=True)
        nodes[:, mine] = count + inverse.reshape(-1, len(mine))
        tables[size] = count, table
        points.append(mesh.points[table].mean(axis=1))
        count += len(table)
    at_corner = [i for i, part in enumerate(parts) if part.size == 1]
    nodes[:, at_corner] = corners[:, [int(parts[i][0]) for i in at_corner]]
    place = {tuple(point): i for i, point in enumerate(lattice.tolist())}
    children = [[place[tuple(low + corner)] for corner in CUBE] for low in CUBE]

    def middle(rows: Ints) -> Ints:
        start, table = tables[rows.shape[1]]
        return start + rows_in(rows, table)

    centre = middle(facets)
    halves = [middle(facets[:, [k, (k + 1) % 4]]) for k in range(4)]
    quarters = np.stack([np.column_stack([facets[:, k], halves[k], centre, halves[k - 1]]) for k in range(4)], axis=1)
    return replace(
        mesh,
        points=np.concatenate(points),
        cells=nodes[:, children].reshape(-1, 8),
        region=np.repeat(mesh.region, 8),
        facets=quarters.reshape(-1, 4),
        face=np.repeat(mesh.face, 4),
    )


@dataclass(frozen=True, eq=False)
class Pieces:
    """Triangles that a set of boxes cuts out of a triangulation.

    Parameters
    ----------
    box, triangle : ndarray of int, shape (n,)
        Which box, and of which triangle it is a part.
    corners : ndarray, shape (n, 3, 3)
        Barycentric coordinates of its corners in that triangle.
    area : ndarray, shape (n,)
        [m²]
    """

    box: Ints
    triangle: Ints
    corners: Floats
    area: Floats


@dataclass(frozen=True, eq=False)
class Columns:
    """Triangles of the plane carried through the heights of a stack; each column of prisms is cut into tetrahedra.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        [m]
    triangles : ndarray of int, shape (m, 3)
        Ascending in each row.
    z : ndarray, shape (nz+1,)
        Heights; a repeated one is a contact. [m]
    opened : ndarray, shape (nz+1,)
        The same with contacts given a small thickness. [m]
    layer : ndarray of int, shape (nz,)
        Index into the layers of the stack, per slab of prisms.
    region : ndarray of int, shape (nz, m)
        Index into `names`, `VOID` where nothing is.
    names : tuple of str
        Layers, blocks as ``layer.block``, resolved cylinders as ``….cylinders``, contacts as ``contact_layer``.
    materials : tuple of Material
    faces : mapping of str to ndarray of int, shape (f, 3)
        Facets of each named face: corners as ``level * n + point``.
    """

    points: Floats
    triangles: Ints
    z: Floats
    opened: Floats
    layer: Ints
    region: Ints
    names: tuple[str, ...]
    materials: tuple[Material, ...]
    faces: dict[str, Ints]

    @property
    def n_nodes(self) -> int:
        """Nodes of elements of order 1."""
        return self.used.size

    def unknowns(self, order: int) -> int:
        """Unknowns of Lagrange elements of an order on its tetrahedra."""
        return self.cells.unknowns(order)

    def slabs_of(self, layers: range) -> Ints:
        """Slabs of prisms of layers that lie one over the other, without their contacts."""
        return np.flatnonzero((self.layer >= layers.start) & (self.layer < layers.stop) & (np.diff(self.z) > 0))

    def solid(self, layers: range) -> NDArray[np.bool_]:
        """Triangles in which the lowest of the layers is solid, shape (m,)."""
        return np.asarray(self.region[self.slabs_of(layers)[0]] != VOID)

    @cached_property
    def used(self) -> Ints:
        """Points of the tetrahedra as ``level * n + point``, ascending."""
        slab, triangle = self.prisms
        n = len(self.points)
        low = self.triangles[triangle] + (slab * n)[:, None]
        return np.unique(np.concatenate([low, low + n]))

    def node_of(self, points: Ints) -> Ints:
        """Number among the `used` of points ``level * n + point``, -1 in the void."""
        at = np.minimum(np.searchsorted(self.used, points), self.used.size - 1)
        return np.where(self.used[at] == points, at, -1)

    @cached_property
    def cells(self) -> CellMesh:
        """The tetrahedra: three for each solid prism, bottom first, then by triangle."""
        n = len(self.points)
        slab, triangle = self.prisms
        prism = np.concatenate([self.triangles, self.triangles + n], axis=1)[triangle] + (slab * n)[:, None]
        corners = prism[:, TETRAHEDRA].reshape(-1, 4)
        points = np.column_stack([self.points[self.used % n], self.opened[self.used // n]])
        names = [name for name, facets in self.faces.items() if len(facets)]
        return CellMesh(
            "tetra",
            points,
            self.node_of(corners),
            np.repeat(self.region[slab, triangle], 3),
            self.names,
            self.materials,
            self.node_of(np.concatenate([np.empty((0, 3), dtype=np.intp), *(self.faces[name] for name in names)])),
            np.repeat(np.arange(len(names)), [len(self.faces[name]) for name in names]),
            tuple(names),
        )

    @cached_property
    def prisms(self) -> tuple[Ints, Ints]:
        """(slab, triangle) of each solid prism, in the order of `cells`."""
        slab, triangle = np.nonzero(self.region != VOID)
        return slab, triangle

    @cached_property
    def areas(self) -> Floats:
        """Areas of the triangles, shape (m,). [m²]"""
        p = self.points[self.triangles]
        (ax, ay), (bx, by) = (p[:, 1] - p[:, 0]).T, (p[:, 2] - p[:, 0]).T
        return np.asarray(0.5 * np.abs(ax * by - ay * bx))

    def pieces(self, boxes: Sequence[Rectangle]) -> Pieces:
        """What the boxes cut out of the triangles, exactly."""
        corner = self.points[self.triangles]
        low, high = corner.min(axis=1), corner.max(axis=1)
        reach = [
            np.flatnonzero((high[:, 0] > b.x0) & (low[:, 0] < b.x1) & (high[:, 1] > b.y0) & (low[:, 1] < b.y1)) for b in boxes
        ]
        box = np.repeat(np.arange(len(boxes)), [r.size for r in reach])
        triangle = np.concatenate(reach) if reach else np.empty(0, dtype=np.intp)
        part = np.tile(np.eye(3), (box.size, 1, 1))
        for axis, sign, bound in ((0, 1.0, "x0"), (0, -1.0, "x1"), (1, 1.0, "y0"), (1, -1.0, "y1")):
            limit = np.array([getattr(b, bound) for b in boxes])
            inside = sign * (np.einsum("pij,pj->pi", part, corner[triangle][:, :, axis]) - limit[box][:, None])
            part, kept = _clipped(part, inside)
            box, triangle = box[kept], triangle[kept]
        area = np.abs(np.linalg.det(part)) * self.areas[triangle] if box.size else np.empty(0)
        full = area > 0
        return Pieces(box[full], triangle[full], part[full], area[full])

    @property
    def fingerprint(self) -> tuple[bytes, ...]:
        """Equal for equal meshes."""
        arrays = (self.points, self.triangles, self.z, self.layer, self.region, *self.faces.values())
        return tuple(a.tobytes() for a in arrays)


def _clipped(part: Floats, inside: Floats) -> tuple[Floats, Ints]:
    """Triangles cut at a line; `inside` is a signed distance at their corners.

    Returns
    -------
    part : ndarray, shape (n, 3, 3)
    kept : ndarray of int, shape (n,)
        Which triangle each comes from.
    """
    positive = inside > 0
    count = positive.sum(axis=1)
    whole = np.flatnonzero(count == 3)
    out, kept = [part[whole]], [whole]
    for lone in (1, 2):  # one corner inside: a triangle stays; two: a quadrilateral, cut in two
        index = np.flatnonzero(count == lone)
        if not index.size:
            continue
        first = np.argmax(positive[index] if lone == 1 else ~positive[index], axis=1)  # the corner alone on its side
        turn = (first[:, None] + np.arange(3)) % 3
        p = np.take_along_axis(part[index], turn[:, :, None], axis=1)
        d = np.take_along_axis(inside[index], turn, axis=1)
        share = (d[:, :1] / (d[:, :1] - d[:, 1:]))[:, :, None]  # of the way from that corner to the line
        on_line = p[:, :1] + share * (p[:, 1:] - p[:, :1])
        if lone == 1:
            out.append(np.concatenate([p[:, :1], on_line], axis=1))
            kept.append(index)
        else:
            out.append(np.stack([on_line[:, 0], p[:, 1], p[:, 2]], axis=1))
            out.append(np.stack([on_line[:, 0], p[:, 2], on_line[:, 1]], axis=1))
            kept += [index, index]
    return np.concatenate(out), np.concatenate(kept)
