"""The stack in Gmsh: layered hexahedra on the lines of a grid, with named volumes and faces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stack3d.errors import DeckError, MissingDependencyError
from stack3d.layout import Floats, Grid, Stack

CONTACT_THICKNESS = 1e-3
"""Thickness of a contact element over the smallest real element height.

A contact conducts only through its thickness, with k_z = thickness / resistance, so its stiffness does not
depend on the thickness; only positions above it shift, and the solver takes positions from the grid."""


class NamedMesh(NamedTuple):
    """A mesh in the open Gmsh model and the names of its physical groups."""

    gmsh: Any
    volumes: dict[str, int]
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


def _opened(grid: Grid) -> Floats:
    """Heights with each contact cell given a small thickness."""
    steps = np.diff(grid.z)
    steps = np.where(steps > 0, steps, CONTACT_THICKNESS * steps[steps > 0].min())
    return np.concatenate([[grid.z[0]], grid.z[0] + np.cumsum(steps)])


def _relative(lines: Floats) -> list[float]:
    return list((lines[1:] - lines[0]) / (lines[-1] - lines[0]))


@contextmanager
def layered_hexahedra(stack: Stack, grid: Grid) -> Iterator[NamedMesh]:
    """Mesh the grid in Gmsh by extrusion: a point along x, the line along y, the surface along z layer by layer.

    Raises
    ------
    DeckError
        When the layers do not all fill the footprint, or carry blocks.
    MissingDependencyError
        When gmsh cannot be loaded.
    """
    whole = stack.footprint
    for layer in stack.layers:
        if layer.extent != whole or layer.blocks:
            raise DeckError(f"layer {layer.name!r} does not fill the footprint with one material, which layered hexahedra want")
    gmsh = load_gmsh()
    started_here = not gmsh.isInitialized()
    if started_here:
        gmsh.initialize(["-noenv"], readConfigFiles=False, interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.option.setNumber("Geometry.Tolerance", 1e-12)
    try:
        gmsh.model.add("stack")
        geo = gmsh.model.geo
        x, y, z = grid.x, grid.y, _opened(grid)
        n_x, n_y = x.size - 1, y.size - 1
        point = geo.addPoint(x[0], y[0], z[0])
        line = geo.extrude([(0, point)], x[-1] - x[0], 0, 0, [1] * n_x, _relative(x), recombine=True)
        edge = [tag for dim, tag in line if dim == 1]
        sheet = geo.extrude([(1, edge[0])], 0, y[-1] - y[0], 0, [1] * n_y, _relative(y), recombine=True)
        surface = next(tag for dim, tag in sheet if dim == 2)
        bottom, sides = surface, []
        volumes: dict[str, list[int]] = {}
        starts = np.flatnonzero(np.diff(np.where(np.diff(grid.z) > 0, grid.layer, -1 - grid.layer), prepend=-(10**6)))
        for first, last in zip(starts, [*starts[1:], grid.layer.size]):
            heights = z[first : last + 1]
            name = stack.layers[grid.layer[first]].name
            is_contact = grid.z[first] == grid.z[first + 1]
            if is_contact:
                name = f"contact_{name}"
            slab = geo.extrude(
                [(2, surface)], 0, 0, heights[-1] - heights[0], [1] * (last - first), _relative(heights), recombine=True
            )
            surface = slab[0][1]
            volumes.setdefault(name, []).append(slab[1][1])
            sides += [tag for dim, tag in slab[2:] if dim == 2 and not is_contact]
        geo.synchronize()
        tags = {name: gmsh.model.addPhysicalGroup(3, parts, name=name) for name, parts in volumes.items()}
        faces = {
            name: gmsh.model.addPhysicalGroup(2, parts, name=name)
            for name, parts in (("bottom", [bottom]), ("top", [surface]), ("sides", sides))
        }
        gmsh.model.mesh.generate(3)
        yield NamedMesh(gmsh, tags, faces, z)
    finally:
        gmsh.model.remove()
        if started_here:
            gmsh.finalize()


def write_mesh(stack: Stack, grid: Grid, path: Path) -> None:
    """Write the named mesh to `path`; the suffix chooses the format (msh, vtu, xdmf, …)."""
    with layered_hexahedra(stack, grid) as mesh:
        if path.suffix == ".msh":
            mesh.gmsh.write(str(path))
            return
        scratch = path.with_suffix(".tmp.msh")
        mesh.gmsh.write(str(scratch))
    try:
        import meshio

        whole = meshio.read(scratch)
        cells = [block for block in whole.cells if block.type == "hexahedron"]
        region = [d for block, d in zip(whole.cells, whole.cell_data["gmsh:physical"]) if block.type == "hexahedron"]
        names = {name: np.array([int(tag)]) for name, (tag, dim) in whole.field_data.items() if dim == 3}
        out = meshio.Mesh(whole.points, cells, cell_data={"region": region}, field_data=names)
        out.write(path)
    finally:
        scratch.unlink(missing_ok=True)
