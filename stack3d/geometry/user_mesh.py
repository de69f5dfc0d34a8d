"""A mesh of the user's own: any file that meshio reads with named regions and faces."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import memory
from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.geometry.cell_check import cells_objection
from stack3d.geometry.mixing import material_of
from stack3d.layout import Layer, Material, Rectangle, Stack
from stack3d.meshes import CORNERS, SIDES, CellMesh, Ints, Kind, rows_in
from stack3d.schema.geometry import GeometryDeck

FLAT = {"triangle": 3, "triangle6": 3, "quad": 4, "quad8": 4, "quad9": 4}
"""Corners of the cells of surfaces."""
OF_FILE = 10
"""Memory that a mesh takes while it is read, over the size of its file."""
SOLID = ("tetra", "tetra10", "hexahedron")
OTHER_SOLIDS = (
    "wedge",
    "pyramid",
    "hexahedron20",
    "hexahedron24",
    "hexahedron27",
    "wedge15",
    "wedge18",
    "pyramid13",
    "tetra20",
)
NOT_USED = Material("none", (1.0, 1.0, 1.0), 1.0)


@dataclass(frozen=True)
class _Named:
    """Cells of one dimension with the number of a name each, -1 without; and the names."""

    cells: Ints
    number: Ints
    names: tuple[str, ...]


def read_mesh(geometry: GeometryDeck) -> CellMesh:
    """The mesh of a geometry deck with its materials.

    Raises
    ------
    DeckError
        For a file that cannot be read or carries no names, for cells of several or other kinds, cells without a region, flat
        cells, parts that do not touch, and regions without a material; all that can be seen at once.
    """
    if geometry.mesh is None:
        raise DeckError(Problem("geometry.mesh", "is missing: a stack has layers, no mesh of your own"))
    path = Path(geometry.mesh)
    try:
        status = path.stat()
    except OSError as error:
        raise DeckError(Problem("geometry.mesh", f"{geometry.mesh} cannot be read: {error.strerror}")) from None
    bare = _read(path, status.st_mtime_ns, geometry.mesh_unit)
    problems = [
        Problem("geometry.materials", f"region {name!r} of {path.name} has no material")
        for name in bare.names
        if name not in geometry.materials
    ] + [
        Problem(
            f"geometry.materials.{name}",
            f"{path.name} has no region {name!r}{did_you_mean(name, bare.names)}; regions: {', '.join(bare.names)}",
        )
        for name in geometry.materials
        if name not in bare.names
    ]
    problems += [
        Problem(f"geometry.materials.{name}", "cylinders cannot be resolved in a mesh of your own; mesh them yourself")
        for name, deck in geometry.materials.items()
        if deck.cylinders is not None and deck.cylinders.resolved
    ]
    if problems:
        raise DeckError(problems)
    heights = {layer.name: layer.thickness for layer in region_stack(bare).layers}
    return replace(bare, materials=tuple(material_of(geometry.materials[name], heights[name]) for name in bare.names))


def region_stack(mesh: CellMesh) -> Stack:
    """A layer per region, from the bottom up: its bounding box."""
    layers = []
    for i, (name, material) in enumerate(zip(mesh.names, mesh.materials)):
        inside = mesh.points[np.unique(mesh.cells[mesh.region == i])]
        (x0, y0, z0), (x1, y1, z1) = inside.min(axis=0).tolist(), inside.max(axis=0).tolist()
        layers.append(Layer(name, z0, z1, Rectangle(x0, x1, y0, y1), material))
    layers.sort(key=lambda layer: (layer.z0, layer.z1))
    boxes = [layer.extent for layer in layers]
    bounds = (min(b.x0 for b in boxes), max(b.x1 for b in boxes), min(b.y0 for b in boxes), max(b.y1 for b in boxes))
    return Stack(tuple(layers), Rectangle(*bounds))


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, unit: float) -> CellMesh:
    """The mesh in metres, without materials."""
    import meshio

    if OF_FILE * path.stat().st_size > (left := memory.available()):
        large = memory.size(path.stat().st_size)
        raise _wrong(path, f"of {large} wants about {OF_FILE:g} times as much memory to be read; there is {memory.size(left)}")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # meshio tells the terminal what it does not know
            whole = meshio.read(path)
    except (Exception, SystemExit) as error:
        known = " ".join(sorted(meshio.extension_to_filetypes))
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DeckError(Problem("geometry.mesh", f"{path.name} cannot be read: {text}; endings known: {known}")) from None
    kind = _kind(path, {block.type for block in whole.cells})
    solid = _named(whole, (kind,), 3)
    flat = _named(whole, tuple(FLAT), 2)
    if not solid.names:
        raise _wrong(path, "names no region; in Gmsh, make a physical volume of each")
    if nameless := int((solid.number < 0).sum()):
        raise _wrong(path, f"has {nameless} of {len(solid.cells)} cells in no named region ({', '.join(solid.names)})")
    used, cells = np.unique(solid.cells, return_inverse=True)
    cells = cells.reshape(solid.cells.shape)
    place = np.full(len(whole.points), -1, dtype=np.intp)
    place[used] = np.arange(used.size)
    points = unit * np.asarray(whole.points, dtype=np.float64)[used]
    there = flat.number >= 0
    facets, face = place[flat.cells[there]], flat.number[there]
    outside = _outside(facets, cells[:, : CORNERS[kind]], kind)
    facets, face = facets[outside], face[outside]
    materials = (NOT_USED,) * len(solid.names)
    mesh = CellMesh(kind, points, cells, solid.number, solid.names, materials, facets, face, flat.names)
    if wrong := cells_objection(mesh):
        raise _wrong(path, wrong)
    return mesh


def _wrong(path: Path, text: str) -> DeckError:
    return DeckError(Problem("geometry.mesh", f"{path.name} {text}"))


def _kind(path: Path, types: set[str]) -> Kind:
    """The one kind of solid cells of a mesh."""
    solid = sorted(types & {*SOLID, *OTHER_SOLIDS})
    if len(solid) != 1 or solid[0] not in SOLID:
        came = " and ".join(solid) or f"no cells of three dimensions ({', '.join(sorted(types)) or 'no cells at all'})"
        raise _wrong(path, f"has {came}; wants one kind of {', '.join(SOLID)}")
    return solid[0]  # type: ignore[return-value]


def _named(whole: Any, types: tuple[str, ...], dimension: int) -> _Named:
    """Corners or nodes of the cells of some types, and to which name each belongs.

    Names are Gmsh's physical groups of the dimension, or else the cell sets of other formats.
    """
    blocks = [i for i, block in enumerate(whole.cells) if block.type in types]
    widths = {FLAT[whole.cells[i].type] for i in blocks} if dimension == 2 else set[int]()
    width = max(widths, default=3) if dimension == 2 else None
    if len(widths) > 1:
        blocks = []
    cells = [np.asarray(whole.cells[i].data, dtype=np.intp)[:, :width] for i in blocks]
    numbers = [np.full(len(c), -1, dtype=np.intp) for c in cells]
    names: list[str] = []
    for name, hits in _physical(whole, blocks, dimension):
        _enter(names, numbers, name, hits)
    if not names:
        for name, hits in _sets(whole, blocks):
            _enter(names, numbers, name, hits)
    return _Named(_joined(cells, (0, width or 0)), _joined(numbers, (0,)), tuple(names))


def _joined(parts: Sequence[Ints], empty: tuple[int, ...]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(empty, dtype=np.intp)


def _physical(whole: Any, blocks: Sequence[int], dimension: int) -> Iterator[tuple[str, list[Any]]]:
    """Physical groups of a dimension, and which cells of each block belong to them."""
    physical = whole.cell_data.get("gmsh:physical")
    if physical is None:
        return
    for name, value in whole.field_data.items():
        if len(np.atleast_1d(value)) >= 2 and int(value[1]) == dimension:
            yield name, [np.asarray(physical[i]) == int(value[0]) for i in blocks]


def _sets(whole: Any, blocks: Sequence[int]) -> Iterator[tuple[str, list[Any]]]:
    """Cell sets, and which cells of each block belong to them."""
    for name, sets in whole.cell_sets.items():
        hits = []
        for i in blocks:
            mine = np.zeros(len(whole.cells[i].data), dtype=bool)
            if sets[i] is not None and len(sets[i]):
                mine[np.asarray(sets[i], dtype=np.intp)] = True
            hits.append(mine)
        yield name, hits


def _enter(names: list[str], numbers: list[Ints], name: str, hits: list[Any]) -> None:
    if any(hit.any() for hit in hits):
        for number, hit in zip(numbers, hits):
            number[hit] = len(names)
        names.append(name)


def _outside(facets: Ints, corners: Ints, kind: Kind) -> Any:
    """Which facets bound exactly one cell."""
    if not len(facets):
        return np.zeros(0, dtype=bool)
    touched = np.zeros(int(corners.max()) + 1, dtype=bool)
    touched[facets[facets >= 0]] = True
    near = corners[np.count_nonzero(touched[corners], axis=1) >= facets.shape[1]]
    sides = np.concatenate([near[:, side] for side in SIDES[kind]])
    found = rows_in(sides, facets)
    return np.bincount(found[found >= 0], minlength=len(facets)) == 1
