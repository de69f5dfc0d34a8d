"""The stack in Gmsh: hexahedra on the lines of a grid, with named volumes and faces."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stack3d import signals, storage
from stack3d.errors import DeckError, MissingDependencyError
from stack3d.geometry.hexahedra import layered_cells
from stack3d.grids import Grid
from stack3d.layout import Material, Stack, Surface
from stack3d.meshes import CellMesh, Ints, Kind

MSH_ENDS = (b"$EndElements", b"$EndPeriodic", b"$EndNodeData", b"$EndElementData")
"""Last word of a file of Gmsh that is whole."""


class Region(NamedTuple):
    """A named volume of a mesh: its physical tag and what fills it."""

    tag: int
    material: Material


class NamedMesh(NamedTuple):
    """A mesh in the open Gmsh model and the names of its physical groups."""

    gmsh: Any
    volumes: dict[str, Region]
    faces: dict[str, int]


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


@contextmanager
def gmsh_model(name: str) -> Iterator[Any]:
    """An empty Gmsh model, silent, removed in the end; raises MissingDependencyError when gmsh cannot be loaded."""
    gmsh = load_gmsh()
    started_here = not gmsh.isInitialized()
    if started_here:
        with signals.handlers_kept():
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


def through_gmsh(mesh: CellMesh) -> CellMesh:
    """The same cells as Gmsh holds them: points, cells, regions and faces read back from its model.

    Raises
    ------
    MissingDependencyError
        When gmsh cannot be loaded.
    """
    solid, flat = TYPES[mesh.kind]
    order = np.argsort(_GMSH_ORDER[mesh.kind]) if mesh.kind in _GMSH_ORDER else slice(None)
    with named_model(mesh) as named:
        model = named.gmsh.model
        tags, points, _ = model.mesh.getNodes()
        lines = np.argsort(tags)
        regions = [name for name in mesh.names if name in named.volumes]
        cells = _elements(model, 3, [named.volumes[name].tag for name in regions], solid, mesh.cells.shape[1])
        faces = [name for name in mesh.faces if name in named.faces]
        facets = _elements(model, 2, [named.faces[name] for name in faces], flat, mesh.facets.shape[1])
        return replace(
            mesh,
            points=np.asarray(points, dtype=np.float64).reshape(-1, 3)[lines],
            cells=cells.nodes[:, order],
            region=np.array([mesh.names.index(name) for name in regions], dtype=np.intp)[cells.group],
            facets=facets.nodes,
            face=np.array([mesh.faces.index(name) for name in faces], dtype=np.intp)[facets.group],
        )


class _Elements(NamedTuple):
    nodes: Ints
    group: Ints


def _elements(model: Any, dimension: int, groups: Sequence[int], kind: int, size: int) -> _Elements:
    """Nodes of the elements of some physical groups, and the group of each, in the order of their tags."""
    tags, nodes, group = [], [], []
    for number, physical in enumerate(groups):
        for entity in model.getEntitiesForPhysicalGroup(dimension, physical):
            found, corners = model.mesh.getElementsByType(kind, int(entity))
            tags.append(found)
            nodes.append(np.asarray(corners, dtype=np.intp).reshape(-1, size) - 1)
            group.append(np.full(len(found), number, dtype=np.intp))
    lines = np.argsort(np.concatenate(tags), kind="stable")
    return _Elements(np.concatenate(nodes)[lines], np.concatenate(group)[lines])


@contextmanager
def layered_hexahedra(stack: Stack, grid: Grid, surfaces: Sequence[Surface] = ()) -> Iterator[NamedMesh]:
    """The hexahedra of `layered_cells` in Gmsh, one volume per layer, block and contact.

    Raises
    ------
    MissingDependencyError
        When gmsh cannot be loaded.
    """
    with named_model(layered_cells(stack, grid, surfaces)[0]) as named:
        yield named


TYPES: dict[Kind, tuple[int, int]] = {"hexahedron": (5, 3), "tetra": (4, 2), "tetra10": (11, 2)}
"""Gmsh's numbers of a kind of cell and of its facets by their corners."""
_GMSH_ORDER = {"tetra10": [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]}
"""Nodes in the order of Gmsh where it is not that of VTK."""


@contextmanager
def named_model(mesh: CellMesh) -> Iterator[NamedMesh]:
    """Cells in Gmsh, one volume per region and one surface per face.

    Raises
    ------
    MissingDependencyError
        When gmsh cannot be loaded.
    """
    solid, flat = TYPES[mesh.kind]
    order = _GMSH_ORDER.get(mesh.kind, slice(None))
    with gmsh_model("stack") as gmsh:
        volumes, faces = {}, {}
        host = entity = gmsh.model.addDiscreteEntity(3)
        gmsh.model.mesh.addNodes(3, host, np.arange(1, len(mesh.points) + 1), mesh.points.ravel())
        for index, name in enumerate(mesh.names):  # the tags of elements are their places in the mesh, facets after cells
            mine = np.flatnonzero(mesh.region == index)
            if not mine.size:
                continue
            entity = entity or gmsh.model.addDiscreteEntity(3)
            gmsh.model.mesh.addElementsByType(entity, solid, mine + 1, (mesh.cells[mine][:, order] + 1).ravel())
            volumes[name] = Region(gmsh.model.addPhysicalGroup(3, [entity], name=name), mesh.materials[index])
            entity = 0
        for index, name in enumerate(mesh.faces):
            mine = np.flatnonzero(mesh.face == index)
            entity = gmsh.model.addDiscreteEntity(2)
            if not mine.size:
                continue
            tags = len(mesh.cells) + mine + 1
            gmsh.model.mesh.addElementsByType(entity, flat, tags, (mesh.facets[mine] + 1).ravel())
            faces[name] = gmsh.model.addPhysicalGroup(2, [entity], name=name)
        yield NamedMesh(gmsh, volumes, faces)


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
        with storage.beside(path, ".msh") as scratch:
            _write_msh(mesh, scratch)
        return
    if path.suffix not in meshio.extension_to_filetypes:
        known = " ".join(sorted(meshio.extension_to_filetypes))
        raise DeckError(f"{path}: no mesh format has the suffix {path.suffix!r}; known: {known}")
    with storage.together(path) as scratch:
        _write_by_meshio(mesh, scratch)


def _write_msh(mesh: NamedMesh, path: Path) -> None:
    """Write a mesh by Gmsh, which says nothing of a disk that is full; raises OSError for a file without its end."""
    mesh.gmsh.write(str(path))
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        if not file.read().rstrip().endswith(MSH_ENDS):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_by_meshio(mesh: NamedMesh, path: Path) -> None:
    """Write a mesh in the format of the suffix."""
    import meshio

    middle = path.with_suffix(".middle.msh")
    _write_msh(mesh, middle)
    whole = meshio.read(middle)
    middle.unlink()
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
        above = next(tree.iter("UnstructuredGrid"))
    else:
        entries = ElementTree.Element("main")
        for number, name in enumerate(names):
            ElementTree.SubElement(entries, "map", {"key": name, "dim": "3"}).text = str(number)
        holder = ElementTree.Element("Information", {"Name": "Information", "Value": str(len(names))})
        holder.text = ElementTree.tostring(entries, encoding="unicode")
        above = next(tree.iter("Grid"))
    above.insert(0, holder)
    tree.write(path, xml_declaration=True, encoding="utf-8")
