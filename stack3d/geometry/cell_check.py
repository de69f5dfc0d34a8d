"""What keeps the cells of a mesh, from a file or of a kind of another package, from being solved on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import brief
from stack3d.fe.elements import quadrature, shapes
from stack3d.layout import Floats, Rectangle, Stack
from stack3d.materials import Material
from stack3d.meshes import CUBE, EDGES, SIDES, CellMesh, Ints

NODES = {"tetra": 4, "tetra10": 10, "hexahedron": 8}
"""Nodes of a cell by its kind."""
THINNEST = 1e-12
"""Jacobian at a node of a cell over the cube of its longest edge, below which the cell counts as flat."""
OFF = 1e-6
"""Share by which volumes and areas may differ from those of the boxes of a stack, and places by that share of its size: far
more than the rounding of coordinates, far less than a row of cells."""
CLOSE = 1e-6, 1e-3
"""Two facets lie in one plane up to these shares: of the size of a facet, and of the height of the cells on it."""
_TETRAHEDRON = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
NO_FACES: Mapping[str, float] = MappingProxyType({})
_PART = 2**13
"""Cells that are looked at together, so that their numbers stay in the cache."""


def cells_objection(mesh: CellMesh, stack: Stack | None = None, areas: Mapping[str, float] = NO_FACES) -> str | None:
    """What is wrong with the cells of a mesh, with the number of the first bad one and what was expected; None if nothing is.

    Looked at are the arrays, indices and points; the order and shape of every cell by the Jacobian at its nodes, where a
    mirrored cell counts as good: it is the same cell; that cells meet in whole sides, that they hang together, and that named
    facets are sides of one cell each.

    Parameters
    ----------
    mesh : CellMesh
    stack : Stack, optional
        That the cells fill with whole layers: each region then has the name, the material, the box and the volume of its layer,
        up to `OFF`.
    areas : mapping of str to float
        Faces of the stack that are asked for, and their areas; facets lie where their face is. [m²]
    """
    if (wrong := _arrays(mesh)) is not None:
        return wrong
    twisted, flat, volumes = _shapes(mesh)
    if twisted.any():
        return f"{_first(mesh, twisted, 'tangled')}; wanted its {NODES[mesh.kind]} nodes in the order of VTK"
    if flat.any():
        return f"{_first(mesh, flat, 'flat')}; wanted cells with a volume"
    if stack is None:
        owner, sides = outer_sides(mesh)
        return _connection(mesh) or _meeting(mesh, owner, sides) or _facets(mesh, sides)
    if (wrong := _filling(mesh, stack, volumes)) is not None:
        return wrong
    owner, sides = outer_sides(mesh, _planes(mesh, stack))
    is_whole = abs(float(_areas(mesh.points[sides]).sum()) / _surface(stack) - 1) <= OFF
    found = (None if is_whole else _meeting(mesh, owner, sides)) or _facets(mesh, sides) or _faces(mesh, stack, areas)
    return found or _spare(mesh)


def _spare(mesh: CellMesh) -> str | None:
    """Points that no cell has, for which there is no equation."""
    spare = np.setdiff1d(np.arange(len(mesh.points)), mesh.cells)
    return f"has point {spare[0]} in no cell; wanted the points of its cells alone" if spare.size else None


def _arrays(mesh: CellMesh) -> str | None:
    """Kinds, shapes and contents of arrays."""
    fields = {name: getattr(mesh, name, None) for name in ("points", "cells", "region", "facets", "face")}
    if lists := [name for name, array in fields.items() if not isinstance(array, np.ndarray)]:
        return f"has {lists[0]} as {brief(fields[lists[0]])}; wanted an array, of a CellMesh"
    return _sizes(mesh)


def _sizes(mesh: CellMesh) -> str | None:
    """Arrays of other shapes, or that point to nothing."""
    if mesh.kind not in NODES:
        return f"has cells of kind {mesh.kind!r}; wanted {', '.join(NODES)}"
    nodes, across = NODES[mesh.kind], len(SIDES[mesh.kind][0])
    points, cells, facets = mesh.points, mesh.cells, mesh.facets
    if (wrong := _coordinates(points)) is not None:
        return wrong
    if cells.ndim != 2 or cells.shape[1] != nodes or not len(cells):
        return f"has cells of shape {cells.shape}; wanted (cells, {nodes}): each {mesh.kind} has {nodes} nodes"
    if facets.ndim != 2 or (len(facets) and facets.shape[1] != across):
        return f"has facets of shape {facets.shape}; wanted (facets, {across}): each side of a {mesh.kind} has {across} corners"
    return (
        _index("cell", "cells", cells, len(points), "points")
        or _index("facet", "facets", facets, len(points), "points")
        or _index("cell", "region", mesh.region, len(mesh.names), "names", (len(cells),))
        or _index("facet", "face", mesh.face, len(mesh.faces), "faces", (len(facets),))
        or _words(mesh)
    )


def _coordinates(points: NDArray[Any]) -> str | None:
    """Points that are nowhere."""
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype != np.float64:
        return f"has points of shape {points.shape} and type {points.dtype}; wanted (points, 3) of float64"
    if not np.isfinite(points).all():
        i = int(np.argwhere(~np.isfinite(points))[0, 0])
        return f"has point {i} at {points[i].tolist()} m; wanted finite numbers"
    return None


def _index(name: str, what: str, index: NDArray[Any], bound: int, of: str, shape: tuple[int, ...] | None = None) -> str | None:
    """Numbers that point to nothing."""
    if index.dtype.kind not in "iu":
        return f"has {what} of type {index.dtype}; wanted whole numbers, an index into {of}"
    if shape not in (None, index.shape):
        return f"has {what} of shape {index.shape}; wanted one number for each {name}, shape {shape}"
    if not index.size or (index.min() >= 0 and index.max() < bound):
        return None
    at = np.argwhere((index < 0) | (index >= bound))[0].tolist()
    return f"has {name} {at[0]} with {what}{at} = {index[tuple(at)]}; wanted 0 to {bound - 1}, an index into {of}"


def _words(mesh: CellMesh) -> str | None:
    """Names and materials."""
    for what, names in (("names", mesh.names), ("faces", mesh.faces)):
        if len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
            return f"has {what} {names!r}; wanted different words"
    if len(mesh.materials) != len(mesh.names) or not all(isinstance(m, Material) for m in mesh.materials):
        return f"has materials {mesh.materials!r}; wanted a Material for each of the {len(mesh.names)} regions"
    return None


def _shapes(mesh: CellMesh) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """Which cells have nodes in a wrong order, which are flat, and the volumes of all, shapes (cells,). [m³]"""
    cells, points = mesh.cells.T, np.ascontiguousarray(mesh.points.T)
    parts = [_shapes_of(mesh.kind, points[:, cells[:, i : i + _PART]]) for i in range(0, len(mesh.cells), _PART)]
    twisted, flat, volumes = (np.concatenate(each) for each in zip(*parts))
    return twisted, flat, volumes


def _shapes_of(kind: str, nodes: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """`_shapes` of some cells of nodes (3, nodes, cells): Jacobians of both signs, or middles out of place; and one of zero."""
    twisted = np.zeros(nodes.shape[2], dtype=bool)
    if kind == "hexahedron":
        jacobians, ends = _at_corners(nodes), [nodes[:, k] - nodes[:, 0] for k in (1, 3, 4, 6)]
        volumes = _of_hexahedra(*(nodes[:, k] for k in (0, 1, 3, 2, 4, 5, 7, 6)))
    else:
        ends = [nodes[:, j] - nodes[:, i] for i, j in EDGES]
        jacobians = [_dot(ends[0], _cross(ends[2], ends[3]))]
        volumes = jacobians[0] / 6
    if kind == "tetra10":
        at = np.concatenate([_TETRAHEDRON, _TETRAHEDRON[np.array(EDGES)].mean(axis=1)])
        jacobians = [_jacobian(nodes, gradient) for gradient in shapes(kind, at)[1]]
        inside, weights = quadrature(kind)
        volumes = sum(w * _jacobian(nodes, g) for w, g in zip(weights, shapes(kind, inside)[1]))
        twisted = _is_misplaced(nodes)
    thinnest = THINNEST * np.sqrt(np.max([_dot(end, end) for end in ends], axis=0)) ** 3
    twisted |= (np.min(jacobians, axis=0) < -thinnest) & (np.max(jacobians, axis=0) > thinnest)
    return twisted, ~twisted & (np.min(np.abs(jacobians), axis=0) <= thinnest), np.abs(volumes)


def _jacobian(nodes: Floats, gradient: Floats) -> Floats:
    a, b, c = np.tensordot(gradient, nodes, axes=(0, 1))
    return _dot(a, _cross(b, c))


def _at_corners(nodes: Floats) -> list[Floats]:
    """Jacobians at the corners of hexahedra, then that in the middle."""
    place = {tuple(corner): i for i, corner in enumerate(CUBE.tolist())}
    out = []
    for i, corner in enumerate(CUBE.tolist()):
        beside = [place[tuple(c ^ (k == axis) for k, c in enumerate(corner))] for axis in range(3)]
        a, b, c = (nodes[:, j] - nodes[:, i] for j in beside)
        out.append((-1.0) ** sum(corner) * _dot(a, _cross(b, c)))
    across = [nodes[:, CUBE[:, axis] == 1].mean(axis=1) - nodes[:, CUBE[:, axis] == 0].mean(axis=1) for axis in range(3)]
    return [*out, _dot(across[0], _cross(across[1], across[2]))]


def _is_misplaced(nodes: Floats) -> NDArray[Any]:
    """Whether two middle nodes of tetrahedra lie nearer to the middles of each other's edges than to their own."""
    middle = nodes[:, EDGES].mean(axis=2)
    away = np.sqrt(np.square(nodes[:, 4:, None] - middle[:, None]).sum(axis=0))
    own = np.einsum("iic->ic", away)
    return np.asarray((away + away.transpose(1, 0, 2) < own[:, None] + own[None]).any(axis=(0, 1)))


def _dot(a: Floats, b: Floats) -> Floats:
    """Of vectors, components first; far quicker than of rows."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def _cross(a: Floats, b: Floats) -> Floats:
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _first(mesh: CellMesh, bad: NDArray[Any], word: str) -> str:
    cell = int(bad.argmax())
    where = ", ".join(f"{1e3 * x:.6g}" for x in mesh.points[mesh.corners[cell]].mean(axis=0))
    first = f"the first one cell {cell} of region {_region(mesh, cell)} at ({where}) mm"
    return f"has {int(bad.sum())} of {len(bad)} cells {word}, {first}"


def _region(mesh: CellMesh, cell: int) -> str:
    return repr(mesh.names[mesh.region[cell]])


def _connection(mesh: CellMesh) -> str | None:
    """Parts that share no node."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    cells, width = mesh.corners, mesh.corners.shape[1]
    size = len(cells) + len(mesh.points)  # cells, then points
    starts = np.minimum(np.arange(size + 1), len(cells)) * width
    links = csr_array((np.ones(cells.size), cells.ravel() + len(cells), starts), shape=(size, size))
    label = connected_components(links, directed=True, connection="weak")[1]
    parts = len(np.unique(label[: len(cells)]))
    if parts == 1:
        return None
    return f"falls into {parts} parts that share no node: fragment the volumes, or merge nodes that coincide"


def _chance(count: int) -> NDArray[np.uint64]:
    """A number for each point, so large and random that sums of a few are the same for the same points alone."""
    return np.random.default_rng(0).integers(0, 2**64, count, dtype=np.uint64)


def _keys(rows: Ints, chance: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number for each row of points, the same for rows of the same points in any order."""
    return np.asarray(chance[rows].sum(axis=1))


def outer_sides(mesh: CellMesh, planes: NDArray[np.uint64] | None = None) -> tuple[Ints, Ints]:
    """Sides that no other cell has: their cells, shape (n,), and their corners, shape (n, 3) or (n, 4).

    Sides that more than two cells have are among them, each once for a cell.

    Parameters
    ----------
    mesh : CellMesh
    planes : ndarray of uint64, shape (points,), optional
        Bits of the planes that a point lies on, where only sides on a plane should be lone. All other sides are then not
        compared: it is enough that their keys cancel each other, which those of two cells each do.
    """
    chance, corners = _chance(len(mesh.points)), mesh.corners.T
    rest, owners, rows, keys = np.uint64(0), [], [], []
    for start in range(0, len(mesh.cells), _PART):
        block = corners[:, start : start + _PART]
        random = chance[block]
        on = None if planes is None else planes[block]
        for side in SIDES[mesh.kind]:
            key = random[list(side)].sum(axis=0)
            mine = np.ones(len(key), dtype=bool) if on is None else np.bitwise_and.reduce(on[list(side)], axis=0) != 0
            rest ^= np.bitwise_xor.reduce(np.where(mine, np.uint64(0), key))
            owners.append(start + np.flatnonzero(mine))
            rows.append(block[list(side)][:, mine].T)
            keys.append(key[mine])
    if rest:
        return outer_sides(mesh)
    owner, row, key = (np.concatenate(each) for each in (owners, rows, keys))
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    lone = counts[inverse] != 2
    return owner[lone], row[lone]


def _across(corners: Floats) -> Floats:
    """Normals of facets with corners (facets, 3 or 4, 3), of twice their areas. [m²]"""
    beside = (corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.cross(*(beside if corners.shape[1] == 3 else (corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])))


def _areas(corners: Floats) -> Floats:
    """Of facets. [m²]"""
    return np.asarray(0.5 * np.linalg.norm(_across(corners), axis=1))


def _surface(stack: Stack) -> float:
    """Of layers that touch each other in whole. [m²]"""
    total = 0.0
    for layer in stack.layers:
        box = layer.extent
        total += 2 * box.area + 2 * layer.thickness * (box.x1 - box.x0 + box.y1 - box.y0)
    for a, b in ((below.extent, above.extent) for below, above in zip(stack.layers[:-1], stack.layers[1:])):
        shared = max(0.0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0.0, min(a.y1, b.y1) - max(a.y0, b.y0))
        total -= 2 * shared
    return total


def _planes(mesh: CellMesh, stack: Stack) -> NDArray[np.uint64] | None:
    """Bits of the planes on which layers begin or end that each point lies on; None where there are more than bits."""
    boxes = [layer.extent for layer in stack.layers]
    heights = {stack.layers[0].z0, stack.layers[-1].z1}
    heights |= {above.z0 for below, above in zip(stack.layers[:-1], stack.layers[1:]) if below.extent != above.extent}
    places = [{v for b in boxes for v in (b.x0, b.x1)}, {v for b in boxes for v in (b.y0, b.y1)}, heights]
    planes = [(axis, place) for axis, mine in enumerate(places) for place in sorted(mine)]
    if len(planes) > 64:
        return None
    on, slack = np.zeros(len(mesh.points), dtype=np.uint64), OFF * _size(stack)
    for bit, (axis, place) in enumerate(planes):
        on |= (np.abs(mesh.points[:, axis] - place) <= slack).astype(np.uint64) << np.uint64(bit)
    return on


def _meeting(mesh: CellMesh, owner: Ints, sides: Ints) -> str | None:
    """Cells that touch without sharing whole sides: two outer sides that lie on each other."""
    from scipy.spatial import cKDTree

    keys = _keys(sides, _chance(len(mesh.points)))
    order = np.argsort(keys)
    twice = keys[order][1:] == keys[order][:-1]
    if twice.any():
        one, other = owner[order[int(twice.argmax()) :][:2]].tolist()
        return _touching(mesh, one, other, "have one side with a third cell; wanted two cells on a side at most")
    corners = mesh.points[sides]
    centre = corners.mean(axis=1)
    normal = _across(corners)
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    inward = mesh.points[mesh.corners[owner]].mean(axis=1) - centre
    height = np.abs(np.einsum("fa,fa->f", inward, normal))
    normal *= -np.sign(np.einsum("fa,fa->f", inward, normal))[:, None]
    radius = np.linalg.norm(corners - centre[:, None], axis=2).max(axis=1)
    tree = cKDTree(centre)
    near = tree.query_ball_point(centre, radius, return_length=True)
    if near.max(initial=0) > 1:
        large = np.flatnonzero(near > 1)
        found = tree.query_ball_point(centre[large], radius[large])
        big, small = np.repeat(large, near[large]), np.concatenate([np.asarray(f, dtype=np.intp) for f in found])
        facing = np.einsum("fa,fa->f", normal[big], normal[small]) < 0
        big, small = big[facing], small[facing]
        apart = np.abs(np.einsum("fa,fa->f", centre[small] - centre[big], normal[big]))
        slack = np.minimum(CLOSE[0] * radius[big], CLOSE[1] * np.minimum(height[big], height[small]))
        big, small = big[apart <= slack], small[apart <= slack]
        inside = _is_in(corners[big], normal[big], centre[small], CLOSE[0] * radius[big])
        if inside.any():
            i = int(inside.argmax())
            text = "touch without sharing the nodes of a whole side; wanted cells that meet side on side"
            return _touching(mesh, int(owner[big[i]]), int(owner[small[i]]), text)
    return None


def _touching(mesh: CellMesh, one: int, other: int, text: str) -> str:
    return f"has cells {one} and {other} (regions {_region(mesh, one)} and {_region(mesh, other)}) that {text}"


def _is_in(corners: Floats, normal: Floats, point: Floats, slack: Floats) -> NDArray[Any]:
    """Whether points of the plane of convex facets lie in them."""
    turn = [np.cross(normal, corners[:, (k + 1) % corners.shape[1]] - corners[:, k]) for k in range(corners.shape[1])]
    away = np.array(
        [np.einsum("fa,fa->f", t, point - corners[:, k]) / np.linalg.norm(t, axis=1) for k, t in enumerate(turn)]
    ).reshape(len(turn), -1)
    return np.asarray((away >= -slack).all(axis=0) | (away <= slack).all(axis=0))


def _facets(mesh: CellMesh, sides: Ints) -> str | None:
    """Named facets that are no outer side of a cell, or stand twice on one face."""
    if not len(mesh.facets):
        return None
    chance = _chance(len(mesh.points))
    keys = _keys(np.asarray(mesh.facets), chance)
    strange = ~np.isin(keys, _keys(sides, chance))
    if strange.any():
        i = int(strange.argmax())
        return f"has facet {i} of face {mesh.faces[mesh.face[i]]!r}, which is no outer side of a cell; wanted one"
    of_face = keys + np.asarray(mesh.face).astype(np.uint64)
    _, first, counts = np.unique(of_face, return_index=True, return_counts=True)
    if (counts > 1).any():
        i = int(first[counts > 1][0])
        return f"has facet {i} of face {mesh.faces[mesh.face[i]]!r} twice; wanted each facet once"
    return None


def _filling(mesh: CellMesh, stack: Stack, volumes: Floats) -> str | None:
    """Regions that are not the layers of a stack."""
    layers = {layer.name: layer for layer in stack.layers}
    if strange := [name for name in mesh.names if name not in layers]:
        return f"has a region {strange[0]!r}; wanted the layers of the stack: {', '.join(layers)}"
    filled = np.bincount(mesh.region, volumes, len(mesh.names))
    for name, layer in layers.items():
        box, wanted = layer.extent, layer.extent.area * (layer.z1 - layer.z0)
        if layer.material.conductivity[2] <= 0:
            wanted = 0.0
        index = mesh.names.index(name) if name in mesh.names else -1
        volume = float(filled[index]) if index >= 0 else 0.0
        if abs(volume - wanted) > OFF * layer.extent.area * (layer.z1 - layer.z0):
            return f"fills {volume:.6g} m3 of layer {name!r}; wanted {wanted:.6g} m3, its box, by nodes in the order of VTK"
        if not wanted:
            continue
        if mesh.materials[index] != layer.material:
            return f"has region {name!r} of {mesh.materials[index].name!r}; wanted the material of its layer"
        there = np.zeros(len(mesh.points), dtype=bool)
        there[mesh.cells[mesh.region == index]] = True
        inside = mesh.points[there]
        bounds = np.array([[box.x0, box.y0, layer.z0], [box.x1, box.y1, layer.z1]])
        if np.abs(np.array([inside.min(axis=0), inside.max(axis=0)]) - bounds).max() > OFF * _size(stack):
            low, high = (", ".join(f"{1e3 * x:.6g}" for x in corner) for corner in (inside.min(axis=0), inside.max(axis=0)))
            return f"has region {name!r} from ({low}) to ({high}) mm; wanted the box of its layer"
    return None


def _of_hexahedra(a: Floats, b: Floats, c: Floats, d: Floats, e: Floats, f: Floats, g: Floats, h: Floats) -> Floats:
    """Volumes of hexahedra with ruled sides, as their shape functions integrate to, corners by steps along x, y and z.

    J. Grandy, Efficient computation of volume of hexahedral cells, UCRL-ID-128886 (1997). [m³]
    """
    first = _dot((h - b) + (g - a), _cross(h - c, d - a))
    second = _dot(g - a, _cross((h - c) + (f - a), h - e))
    third = _dot(h - b, _cross(f - a, (h - e) + (d - a)))
    return np.asarray((first + second + third) / 12)


def _size(stack: Stack) -> float:
    """Of its box. [m]"""
    return max(stack.layers[-1].z1 - stack.layers[0].z0, stack.footprint.x1 - stack.footprint.x0)


def _faces(mesh: CellMesh, stack: Stack, areas: Mapping[str, float]) -> str | None:
    """Faces that are asked for: their areas, and that their facets lie on the outside that they name."""
    for face, wanted in areas.items():
        area = mesh.face_areas.get(face, 0.0)
        if abs(area - wanted) > OFF * wanted:
            return f"marks {area:.6g} m2 as face {face!r}; wanted {wanted:.6g} m2, all of it"
        facets = mesh.points[mesh.facets[mesh.face == mesh.faces.index(face)]]
        if not _lies(facets, face, stack, OFF * _size(stack)).all():
            return f"has a facet of face {face!r} that does not lie there"
    return None


def _lies(facets: Floats, face: str, stack: Stack, slack: float) -> NDArray[Any]:
    """Whether facets lie on the top, the bottom, or the lateral bounds of a stack."""
    if face in ("top", "bottom"):
        height = stack.layers[-1].z1 if face == "top" else stack.layers[0].z0
        return np.asarray((np.abs(facets[..., 2] - height) <= slack).all(axis=1))
    boxes: list[Rectangle] = [layer.extent for layer in stack.layers]
    on = np.zeros(len(facets), dtype=bool)
    for axis, low, high in ((0, "x0", "x1"), (1, "y0", "y1")):
        for bound in (min(getattr(b, low) for b in boxes), max(getattr(b, high) for b in boxes)):
            on |= (np.abs(facets[..., axis] - bound) <= slack).all(axis=1)
    return on
