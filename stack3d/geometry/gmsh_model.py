"""The stack in Gmsh: hexahedra on the lines of a grid, with named volumes and faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, MissingDependencyError
from stack3d.layout import Floats, Grid, Material, Plane, Stack, Surface, planes_of

CONTACT_THICKNESS = 1e-3
"""Thickness of a contact element over the smallest real element height.

A contact conducts only through its thickness, with k_z = thickness / resistance, so its stiffness does not
depend on the thickness; only positions above it shift, and the solver takes positions from the grid."""
VOID = -1


class Region(NamedTuple):
    """A named volume of a mesh: its physical tag and what fills it."""

    tag: int
    material: Material


class NamedMesh(NamedTuple):
    """A mesh in the open Gmsh model and the names of its physical groups."""

    gmsh: Any
    volumes: dict[str, Region]
    faces: dict[str, int]
    z: Floats
    """Node heights used for meshing: those of the grid, with contacts opened. [m]"""


def load_gmsh() -> Any:
    """Import gmsh; raises MissingDependencyError naming the system packages it needs."""
    try:
        import gmsh
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"gmsh cannot be loaded ({error}); install the system libraries it needs, on Debian or Ubuntu:"
            " apt-get install libglu1-mesa libxrender1 libxcursor1 libxft2 libxinerama1"
        ) from error
    return gmsh


def opened(grid: Grid) -> Floats:
    """Heights of the grid with each contact cell given a small thickness. [m]"""
    steps = np.diff(grid.z)
    steps = np.where(steps > 0, steps, CONTACT_THICKNESS * steps[steps > 0].min())
    return np.concatenate([[grid.z[0]], grid.z[0] + np.cumsum(steps)])


@dataclass(frozen=True, eq=False)
class CellRegions:
    """What fills each cell of a grid.

    Parameters
    ----------
    names : tuple of str
        Layers, blocks as ``layer.block``, contacts as ``contact_layer``.
    materials : tuple of Material
    number : ndarray of int, shape (nz, ny, nx)
        Index into the names; `VOID` outside every layer.
    """

    names: tuple[str, ...]
    materials: tuple[Material, ...]
    number: NDArray[np.intp]

    @classmethod
    def of(cls, stack: Stack, grid: Grid) -> CellRegions:
        """Regions of a stack whose edges are lines of the grid; a contact is where both sides are solid."""
        heights = np.diff(opened(grid))
        x, y = 0.5 * (grid.x[1:] + grid.x[:-1]), 0.5 * (grid.y[1:] + grid.y[:-1])
        names: list[str] = []
        materials: list[Material] = []
        number = np.full(grid.shape, VOID, dtype=np.intp)
        below = np.ones(grid.shape[1:], dtype=bool)
        for index, layer in enumerate(stack.layers):
            plane = np.full(grid.shape[1:], VOID, dtype=np.intp)
            parts = [(layer.name, layer.extent, layer.material)]
            parts += [(f"{layer.name}.{block.name}", block.extent, block.material) for block in layer.blocks]
            for name, extent, material in parts:
                solid = material.conductivity[2] > 0
                inside = np.ix_((extent.y0 < y) & (y < extent.y1), (extent.x0 < x) & (x < extent.x1))
                plane[inside] = len(names) if solid else VOID
                names.append(name)
                materials.append(material)
            for cell in np.flatnonzero(grid.layer == index):
                if grid.z[cell] < grid.z[cell + 1]:
                    number[cell] = plane
                    continue
                number[cell][(plane != VOID) & below] = len(names)
                names.append(f"contact_{layer.name}")
                materials.append(Material(names[-1], (0.0, 0.0, heights[cell] / layer.contact_resistance), 0.0))
            below = plane != VOID
        return cls(tuple(names), tuple(materials), number)


def _outer_faces(corners: NDArray[np.intp], solid: NDArray[np.bool_]) -> dict[str, NDArray[np.intp]]:
    """Nodes of the quadrilaterals of each outer face of solid cells, shape (faces, 4).

    `corners` has shape (8, nz, ny, nx) in Gmsh's order.
    """
    bottom, top = (0, 3, 2, 1), (4, 5, 6, 7)
    sides = [
        ((0, 1, 5, 4), np.s_[:, 0]),
        ((3, 7, 6, 2), np.s_[:, -1]),
        ((0, 4, 7, 3), np.s_[:, :, 0]),
        ((1, 2, 6, 5), np.s_[:, :, -1]),
    ]

    def quads(local: tuple[int, ...], where: Any) -> NDArray[np.intp]:
        return np.stack([corners[c][where][solid[where]] for c in local], axis=-1)

    return {
        "bottom": quads(bottom, np.s_[0]),
        "top": quads(top, np.s_[-1]),
        "sides": np.concatenate([quads(local, where) for local, where in sides]),
    }


def _quads(number: NDArray[np.intp], plane: Plane) -> NDArray[np.intp]:
    """Nodes of the cells of a plane that lie inside its area, shape (faces, 4)."""
    nodes = number[plane.where]
    for axis, at in enumerate(plane.where):
        if isinstance(at, np.ndarray):
            nodes = np.moveaxis(nodes, axis, 0)
    around = [nodes[..., :-1, :-1], nodes[..., :-1, 1:], nodes[..., 1:, 1:], nodes[..., 1:, :-1]]
    return np.stack(around, axis=-1)[plane.area > 0]


def _without(quads: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.intp]:
    """Quadrilaterals that are not among the others."""
    taken = {tuple(q) for q in np.sort(others, axis=1).tolist()}
    return quads[[tuple(q) not in taken for q in np.sort(quads, axis=1).tolist()]] if taken else quads


@contextmanager
def gmsh_model(name: str) -> Iterator[Any]:
    """An empty Gmsh model, silent, removed in the end; raises MissingDependencyError when gmsh cannot be loaded."""
    gmsh = load_gmsh()
    started_here = not gmsh.isInitialized()
    if started_here:
        gmsh.initialize(["-noenv"], readConfigFiles=False, interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.option.setNumber("Geometry.Tolerance", 1e-12)
    try:
        gmsh.model.add(name)
        yield gmsh
    finally:
        gmsh.model.remove()
        if started_here:
            gmsh.finalize()


@contextmanager
def layered_hexahedra(stack: Stack, grid: Grid, surfaces: Sequence[Surface] = ()) -> Iterator[NamedMesh]:
    """Mesh the solid cells of a grid in Gmsh, one volume per layer, block and contact.

    ``bottom`` and ``top`` are the faces at the least and largest z outside the `surfaces`, ``sides`` those on the lateral
    bounds of the grid; edges of surfaces are lines of the grid.

    Raises
    ------
    MissingDependencyError
        When gmsh cannot be loaded.
    """
    regions = CellRegions.of(stack, grid)
    solid = regions.number != VOID
    shape = tuple(n + 1 for n in grid.shape)
    number = np.arange(int(np.prod(shape))).reshape(shape)
    nz, ny, nx = grid.shape
    order = ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0))
    corners = np.stack([number[k : k + nz, j : j + ny, i : i + nx] for k, j, i in order])
    used = np.unique(corners[:, solid])
    heights = opened(grid)
    k, j, i = np.unravel_index(used, shape)
    corners = np.searchsorted(used, corners)  # numbers without gaps; those of void cells are not used
    with gmsh_model("stack") as gmsh:
        volumes, faces = {}, {}
        host = gmsh.model.addDiscreteEntity(3)
        gmsh.model.mesh.addNodes(
            3, host, np.arange(1, used.size + 1), np.column_stack([grid.x[i], grid.y[j], heights[k]]).ravel()
        )
        entity, first = host, 1
        for index, name in enumerate(regions.names):
            cells = (corners[:, regions.number == index].T + 1).ravel()
            if not cells.size:
                continue
            entity = entity or gmsh.model.addDiscreteEntity(3)
            gmsh.model.mesh.addElementsByType(entity, 5, np.arange(first, first + cells.size // 8), cells)
            volumes[name] = Region(gmsh.model.addPhysicalGroup(3, [entity], name=name), regions.materials[index])
            entity, first = 0, first + cells.size // 8
        solid[np.diff(grid.z) == 0] = False  # contacts have no outer face
        quads_of = _outer_faces(corners, solid)
        for surface in surfaces:
            mine = np.concatenate([_quads(np.searchsorted(used, number), p) for p in planes_of(surface, stack, grid)])
            for outer in ("top", "bottom"):
                quads_of[outer] = _without(quads_of[outer], mine)
            quads_of[surface.name] = mine
        for name, quads in quads_of.items():
            entity = gmsh.model.addDiscreteEntity(2)
            if not len(quads):
                continue
            gmsh.model.mesh.addElementsByType(entity, 3, np.arange(first, first + len(quads)), (quads + 1).ravel())
            faces[name] = gmsh.model.addPhysicalGroup(2, [entity], name=name)
            first += len(quads)
        yield NamedMesh(gmsh, volumes, faces, heights)


def write_mesh(mesh: NamedMesh, path: Path) -> None:
    """Write a named mesh; the suffix chooses the format (msh, vtu, xdmf, …).

    The cell data ``region`` number the regions; each name is a field datum (vtu) or an entry of ``Information`` (xdmf) that
    holds its number. A msh file holds names as physical groups.

    Raises
    ------
    DeckError
        For a suffix that no format answers to.
    """
    import meshio

    if path.suffix == ".msh":
        mesh.gmsh.write(str(path))
        return
    if path.suffix not in meshio.extension_to_filetypes:
        known = " ".join(sorted(meshio.extension_to_filetypes))
        raise DeckError(f"{path}: no mesh format has the suffix {path.suffix!r}; known: {known}")
    scratch = path.with_suffix(".tmp.msh")
    try:
        mesh.gmsh.write(str(scratch))
        whole = meshio.read(scratch)
    finally:
        scratch.unlink(missing_ok=True)
    dimension = {"hexahedron": 3, "tetra": 3, "tetra10": 3}
    parts = [i for i, block in enumerate(whole.cells) if block.type in dimension]
    tags = [region.tag for region in mesh.volumes.values()]
    position = {tag: i for i, tag in enumerate(tags)}
    region = [np.array([position[t] for t in whole.cell_data["gmsh:physical"][i]]) for i in parts]
    out = meshio.Mesh(whole.points, [whole.cells[i] for i in parts], cell_data={"region": region})
    out.write(path)
    if path.suffix in (".vtu", ".xdmf"):
        _write_names(path, list(mesh.volumes))


def _write_names(path: Path, names: list[str]) -> None:
    """Put the region names into a vtu or xdmf file, where meshio and ParaView read them, but meshio does not write them."""
    from xml.etree import ElementTree

    tree = ElementTree.parse(path)
    if path.suffix == ".vtu":
        holder = ElementTree.Element("FieldData")
        for number, name in enumerate(names):
            attributes = {"type": "Int64", "Name": name, "NumberOfTuples": "1", "format": "ascii"}
            ElementTree.SubElement(holder, "DataArray", attributes).text = str(number)
        above = tree.find("UnstructuredGrid")
    else:
        entries = ElementTree.Element("main")
        for number, name in enumerate(names):
            ElementTree.SubElement(entries, "map", {"key": name, "dim": "3"}).text = str(number)
        holder = ElementTree.Element("Information", {"Name": "Information", "Value": str(len(names))})
        holder.text = ElementTree.tostring(entries, encoding="unicode")
        above = tree.find("Domain/Grid")
    assert above is not None
    above.insert(0, holder)
    tree.write(path, xml_declaration=True, encoding="utf-8")
