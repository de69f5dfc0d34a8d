"""The stack in tetrahedra: a Gmsh triangulation of the plane, with an edge on every outline, carried through the heights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.geometry.gmsh_model import gmsh_model
from stack3d.geometry.grid import MERGE
from stack3d.geometry.heights import NOTHING, Heeded, element_heights
from stack3d.geometry.hexahedra import opened
from stack3d.geometry.mesh_cache import cached, fingerprint
from stack3d.grids import Grid
from stack3d.layout import Cylinders, Floats, HeatSource, Material, Rectangle, Stack, Surface
from stack3d.meshes import VOID, Columns, Ints
from stack3d.schema.numerics import MeshDeck

SCALE = 1e6
"""Gmsh's kernel works in micrometres: its tolerance of 1e-7 is too coarse for metres."""

MOST_SAMPLES = 1024
"""Points on one curve that distances from it are measured to."""

MOST_TETRAHEDRA = 6_000_000
"""More come from a misplaced unit, or want cylinders homogenised."""


@dataclass(frozen=True)
class Polygon:
    """A regular polygon of the area of a circle.

    Parameters
    ----------
    diameter : float
        Of the circle. [m]
    sides : int
    """

    diameter: float
    sides: int

    @property
    def radius(self) -> float:
        """Distance of its corners from the centre. [m]"""
        turn = 2 * np.pi / self.sides
        return float(0.5 * self.diameter * np.sqrt(turn / np.sin(turn)))

    @property
    def side(self) -> float:
        """Length of a side. [m]"""
        return float(2 * self.radius * np.sin(np.pi / self.sides))

    def around(self, centre: Floats) -> Floats:
        """Corners, shape (sides, 2). [m]"""
        angle = 2 * np.pi * np.arange(self.sides) / self.sides
        return np.asarray(centre + self.radius * np.column_stack([np.cos(angle), np.sin(angle)]))

    def holds(self, offset: Floats) -> NDArray[np.bool_]:
        """Whether points at an offset from the centre lie inside, shape (…, 2) → (…,)."""
        turn = 2 * np.pi / self.sides
        angle = np.mod(np.arctan2(offset[..., 1], offset[..., 0]), turn) - 0.5 * turn
        return np.asarray(np.hypot(offset[..., 0], offset[..., 1]) * np.cos(angle) < self.radius * np.cos(0.5 * turn))


def _snapped(boxes: Iterable[Rectangle], hard: Iterable[Rectangle], slack: float) -> list[Rectangle]:
    """Boxes whose bounds lie on those of hard ones, or of each other, where they are closer than `slack`."""
    bounds: list[list[float]] = [[], []]
    for e in hard:
        bounds[0] += [e.x0, e.x1]
        bounds[1] += [e.y0, e.y1]

    def snap(axis: int, value: float) -> float:
        near = min(bounds[axis], key=lambda v: abs(v - value))
        if abs(near - value) <= slack:
            return near
        bounds[axis].append(value)
        return value

    moved = [Rectangle(snap(0, b.x0), snap(0, b.x1), snap(1, b.y0), snap(1, b.y1)) for b in boxes]
    return [b for b in dict.fromkeys(moved) if b.area > 0]


@dataclass(frozen=True)
class PlaneSizes:
    """Element size wanted in the plane: as on the tensor grid, smallest at edges of sources and cylinders, growing away."""

    focus: tuple[tuple[Rectangle, float], ...]
    """Sources and the size at their edges."""
    cylinders: tuple[tuple[Cylinders, Polygon], ...]
    core: Rectangle
    largest: float
    growth: float

    @classmethod
    def of(cls, stack: Stack, sources: Iterable[Rectangle], mesh: MeshDeck, target: float) -> PlaneSizes:
        """Sizes of a profile; a source that fills a layer calls for none.

        Parameters
        ----------
        stack : Stack
        sources : iterable of Rectangle
        mesh : MeshDeck
        target : float
            Size where nothing calls for a smaller one. [m]
        """
        filled = {layer.extent for layer in stack.layers}
        focus = [
            (b, min(target / mesh.refinement, min(b.x1 - b.x0, b.y1 - b.y0) / mesh.per_source))
            for b in sources
            if b not in filled
        ]
        cylinders = [(field, Polygon(field.diameter, mesh.sides)) for layer in stack.layers for field in layer.cylinders]
        return cls(tuple(focus), tuple(cylinders), stack.footprint, target, mesh.growth)

    def impose(self, gmsh: Any) -> None:
        """Make it the background field of the open model."""
        for option in ("MeshSizeFromPoints", "MeshSizeFromCurvature", "MeshSizeExtendFromBoundary"):
            gmsh.option.setNumber(f"Mesh.{option}", 0)
        fields = gmsh.model.mesh.field
        chosen = [fields.add("MathEval")]
        fields.setString(chosen[0], "F", self._away_from_core())
        curves = np.array([tag for _, tag in gmsh.model.getEntities(1)])
        ends = np.array([[gmsh.model.getValue(0, p, [])[:2] for _, p in gmsh.model.getBoundary([(1, c)])] for c in curves])
        ends = ends / SCALE
        length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        for size, mine in self._near(ends):
            samples = 2 ** np.ceil(np.log2(np.clip(2 * length[mine] / size, 4, MOST_SAMPLES))).astype(int)
            for count in np.unique(samples):
                distance = fields.add("Distance")
                fields.setNumbers(distance, "CurvesList", curves[mine][samples == count])
                fields.setNumber(distance, "Sampling", count)
                chosen.append(fields.add("Threshold"))
                reach = 1e3 * self.largest  # further than anything
                for key, value in {
                    "InField": distance,
                    "SizeMin": SCALE * size,
                    "SizeMax": SCALE * (size + self.growth * reach),
                    "DistMin": 0.0,
                    "DistMax": SCALE * reach,
                }.items():
                    fields.setNumber(chosen[-1], key, value)
        smallest = fields.add("Min")
        fields.setNumbers(smallest, "FieldsList", chosen)
        fields.setAsBackgroundMesh(smallest)

    def _away_from_core(self) -> str:
        """Formula of the size that grows beyond the core."""
        core = self.core
        outside = [
            f"Fabs({axis} - {SCALE * middle:.15g}) - {SCALE * half:.15g}"
            for axis, middle, half in zip("xy", core.centre, (0.5 * (core.x1 - core.x0), 0.5 * (core.y1 - core.y0)))
        ]
        beyond = " + ".join(f"0.5 * ({d} + Fabs({d}))" for d in outside)
        return f"{SCALE * self.largest:.15g} + {self.growth:.15g} * ({beyond})"

    def _near(self, ends: Floats) -> Iterator[tuple[float, NDArray[np.bool_]]]:
        """(size, which curves have it), for edges of sources and of cylinders; ends of shape (curves, 2, 2)."""
        slack = 1e-9 * self.largest
        x, y = np.moveaxis(ends, -1, 0)
        sizes = np.full(len(ends), np.inf)
        for box, size in self.focus:
            inside = np.all((x > box.x0 - slack) & (x < box.x1 + slack) & (y > box.y0 - slack) & (y < box.y1 + slack), axis=1)
            for axis, bound in ((0, box.x0), (0, box.x1), (1, box.y0), (1, box.y1)):
                on = inside & np.all(np.abs(ends[..., axis] - bound) < slack, axis=1)
                sizes[on] = np.minimum(sizes[on], size)
        for size in np.unique(sizes[np.isfinite(sizes)]):
            yield float(size), sizes == size
        for field, polygon in self.cylinders:
            offset = _from_axis(ends.reshape(-1, 2), field)
            rim = np.abs(np.hypot(*offset.T) - polygon.radius).reshape(-1, 2).max(axis=1) < 1e-6 * polygon.radius
            if rim.any():
                yield polygon.side, rim


def _triangulate(boxes: Sequence[Rectangle], sizes: PlaneSizes) -> tuple[Floats, Ints]:
    """Points (n, 2) [m] and triangles (m, 3) of the plane, kept on disk; every outline is made of edges."""
    key = fingerprint("plane", version("gmsh"), tuple(boxes), sizes)
    arrays = cached(key, lambda: dict(zip(("points", "triangles"), _triangulated(boxes, sizes))))
    return arrays["points"], arrays["triangles"]


def _triangulated(boxes: Sequence[Rectangle], sizes: PlaneSizes) -> tuple[Floats, Ints]:
    with gmsh_model("plane") as gmsh:
        occ = gmsh.model.occ

        def surface(corners: Floats) -> tuple[int, int]:
            points = [occ.addPoint(SCALE * x, SCALE * y, 0.0) for x, y in corners]
            lines = [occ.addLine(a, b) for a, b in zip(points, [*points[1:], points[0]])]
            return 2, occ.addPlaneSurface([occ.addCurveLoop(lines)])

        shapes = [surface(np.array([[b.x0, b.y0], [b.x1, b.y0], [b.x1, b.y1], [b.x0, b.y1]])) for b in boxes]
        shapes += [surface(polygon.around(c)) for field, polygon in sizes.cylinders for c in field.centres]
        if len(shapes) > 1:
            occ.fragment(shapes[:1], shapes[1:])
        occ.synchronize()
        sizes.impose(gmsh)
        gmsh.option.setNumber("Mesh.Algorithm", 6)  # frontal Delaunay
        gmsh.model.mesh.generate(2)
        tags, flat, _ = gmsh.model.mesh.getNodes()
        _, nodes = gmsh.model.mesh.getElementsByType(2)
    points = flat.reshape(-1, 3)[:, :2] / SCALE
    position = np.empty(int(tags.max()) + 1, dtype=np.intp)
    position[tags.astype(np.intp)] = np.arange(tags.size)
    used, triangles = np.unique(position[nodes.astype(np.intp)], return_inverse=True)
    return points[used], np.sort(triangles.reshape(-1, 3), axis=1)


def _regions(stack: Stack, grid: Grid, centres: Floats, sides: int) -> tuple[tuple[str, ...], tuple[Material, ...], Ints]:
    """Names and materials of the regions, and the region of each slab and triangle (by its centre), shape (nz, m)."""
    names: list[str] = []
    materials: list[Material] = []
    number = np.full((grid.layer.size, len(centres)), VOID, dtype=np.intp)
    below = np.ones(len(centres), dtype=bool)
    heights = np.diff(opened(grid))

    def add(name: str, material: Material) -> int:
        names.append(name)
        materials.append(material)
        return len(names) - 1

    for index, layer in enumerate(stack.layers):
        plane = np.full(len(centres), VOID, dtype=np.intp)
        parts = [(layer.name, layer.extent, layer.material)]
        parts += [(f"{layer.name}.{block.name}", block.extent, block.material) for block in layer.blocks]
        for name, extent, material in parts:
            region = add(name, material)
            plane[_inside(centres, extent)] = region if material.conductivity[2] > 0 else VOID
        for field in layer.cylinders:
            region = add(f"{field.name}.cylinders", field.material)
            plane[Polygon(field.diameter, sides).holds(_from_axis(centres, field))] = region
        for slab in np.flatnonzero(grid.layer == index):
            if grid.z[slab] < grid.z[slab + 1]:
                number[slab] = plane
                continue
            through = Material(f"contact_{layer.name}", (0.0, 0.0, heights[slab] / layer.contact_resistance), 0.0)
            number[slab][(plane != VOID) & below] = add(through.name, through)
        below = plane != VOID
    return tuple(names), tuple(materials), number


def _inside(points: Floats, extent: Rectangle) -> NDArray[np.bool_]:
    x, y = points.T
    return np.asarray((extent.x0 < x) & (x < extent.x1) & (extent.y0 < y) & (y < extent.y1))


def _from_axis(points: Floats, field: Cylinders) -> Floats:
    """Offset of points from the nearest axis of a field, shape (n, 2). [m]"""
    first, counts = field.centres[0], np.array(field.counts)
    return np.asarray(points - first - field.pitch * np.clip(np.rint((points - first) / field.pitch), 0, counts - 1))


def _faces(body: Columns, stack: Stack, surfaces: Sequence[Surface], bounds: Rectangle) -> dict[str, Ints]:
    """Facets of top, bottom, sides and surfaces, corners as ``level * n + point``, shape (f, 3)."""
    n, triangles = len(body.points), body.triangles
    centres = body.points[triangles].mean(axis=1)
    never = np.zeros(len(triangles), dtype=bool)
    solid = [body.solid(range(i, i + 1)) for i in range(len(stack.layers))]
    solid.append(never)  # which also stands below the first
    ends = {"top": solid[-2].copy(), "bottom": solid[0].copy()}
    found: dict[str, Ints] = {}
    for surface in surfaces:
        layers = stack.slabs[surface.layer]
        slabs = body.slabs_of(layers)
        own, other = (layers.stop - 1, layers.stop) if surface.side == "top" else (layers.start, layers.start - 1)
        level = int(slabs[-1]) + 1 if surface.side == "top" else int(slabs[0])
        mine = np.any([_inside(centres, e) for e in surface.extents], axis=0) & solid[own] & ~solid[other]
        if level in (0, body.z.size - 1):
            ends[surface.side] &= ~mine
        found[surface.name] = triangles[mine] + n * level
    edges, _, inverse, count = np.unique(
        triangles[:, ((0, 1), (1, 2), (0, 2))].reshape(-1, 2),
        axis=0,
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    owner = np.repeat(np.arange(len(triangles)), 3)
    middle = body.points[edges].mean(axis=1)
    slack = 1e-9 * (bounds.x1 - bounds.x0)
    reach = np.abs(middle[:, None, :] - np.array([[bounds.x0, bounds.y0], [bounds.x1, bounds.y1]])).min(axis=1)
    rim = np.flatnonzero((count[inverse.reshape(-1)] == 1) & (reach.min(axis=1) < slack)[inverse.reshape(-1)])
    a, b = edges[inverse.reshape(-1)[rim]].T
    quads = []
    for slab in np.flatnonzero(np.diff(body.z) > 0):
        there = body.region[slab, owner[rim]] != VOID
        low = np.column_stack([a, b])[there] + n * slab
        quads += [np.column_stack([low, low[:, 1] + n]), np.column_stack([low[:, 0], low + n])]  # the diagonal rises to b
    sides = np.concatenate(quads) if quads else np.empty((0, 3), dtype=np.intp)
    whole = {"top": triangles[ends["top"]] + n * (body.z.size - 1), "bottom": triangles[ends["bottom"]]}
    return {**whole, "sides": sides, **found}


def plane_of(
    stack: Stack, sources: Sequence[HeatSource], mesh: MeshDeck, surfaces: Sequence[Surface]
) -> tuple[list[Rectangle], PlaneSizes]:
    """Outlines that become edges in the plane, and how large its triangles are.

    Parameters
    ----------
    stack : Stack
    sources : sequence of HeatSource
    mesh : MeshDeck
    surfaces : sequence of Surface
        All as `build_columns` has them.
    """
    core = stack.footprint
    target = max(core.x1 - core.x0, core.y1 - core.y0) / mesh.lateral
    hard = [e for layer in stack.layers for e in (layer.extent, *(b.extent for b in layer.blocks))]
    hard = list(dict.fromkeys([*hard, *(e for surface in surfaces for e in surface.extents)]))
    soft = _snapped((s.extent for s in sources), hard, MERGE * target)
    return list(dict.fromkeys([*hard, *soft])), PlaneSizes.of(stack, soft, mesh, target)


def moved_columns(columns: Columns, stack: Stack, points: Floats, z: Floats, sides: int) -> Columns:
    """Columns of the same triangles and slabs with their points elsewhere, of the materials of another stack.

    Parameters
    ----------
    columns : Columns
    stack : Stack
        Whose parts lie where those of the columns have moved to.
    points : ndarray, shape (n, 2)
        [m]
    z : ndarray, shape (nz+1,)
        [m]
    sides : int
        Of the polygon that stands for a circle.
    """
    across = [np.array([points[:, axis].min(), points[:, axis].max()]) for axis in (0, 1)]
    grid = Grid(across[0], across[1], z, columns.layer)
    names, materials, _ = _regions(stack, grid, points[columns.triangles].mean(axis=1), sides)
    return replace(columns, points=points, z=z, opened=opened(grid), names=names, materials=materials)


def build_columns(
    stack: Stack,
    sources: Sequence[HeatSource],
    mesh: MeshDeck,
    surfaces: Sequence[Surface] = (),
    heeded: Heeded = NOTHING,
) -> Columns:
    """Mesh a stack in columns of tetrahedra.

    Parameters
    ----------
    stack : Stack
    sources : sequence of HeatSource
        Their edges become edges of the mesh where they do not crowd another, and elements are smaller towards them, in the
        plane and through the height.
    mesh : MeshDeck
    surfaces : sequence of Surface
        Cooled parts of faces; their outlines are edges.
    heeded : Heeded

    Raises
    ------
    DeckError
        For coolant channels, and for more tetrahedra than any use needs.
    MissingDependencyError
        When gmsh cannot be loaded.
    """
    for layer in stack.layers:
        if layer.channels is not None:
            message = f"channels of layer {layer.name!r} want the lines of hexahedra: solver.mesh.cells: hex"
            raise DeckError(Problem("solver.mesh.cells", message))
    boxes, sizes = plane_of(stack, sources, mesh, surfaces)
    bounds = Rectangle(min(e.x0 for e in boxes), max(e.x1 for e in boxes), min(e.y0 for e in boxes), max(e.y1 for e in boxes))
    z, owner = element_heights(stack, sources, mesh, heeded)
    grid = Grid(np.array([bounds.x0, bounds.x1]), np.array([bounds.y0, bounds.y1]), z, owner)
    points, triangles = _triangulate(boxes, sizes)
    count = 3 * len(triangles) * owner.size
    if count > MOST_TETRAHEDRA:
        raise DeckError(
            Problem(
                "solver.mesh",
                f"{len(triangles)} triangles times {owner.size} slabs make {count} tetrahedra, at most"
                f" {MOST_TETRAHEDRA}: take a coarser profile, or homogenise cylinders",
            )
        )
    names, materials, region = _regions(stack, grid, points[triangles].mean(axis=1), mesh.sides)
    body = Columns(points, triangles, z, opened(grid), owner, region, names, materials, {})
    return replace(body, faces=_faces(body, stack, surfaces, bounds))
