"""Arrays of a mesh handed to DOLFINx, with what belongs to each name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.meshes import Integers, NamedArrays
from stack3d.thermal.fem.library import import_dolfinx

SHAPES = {8: "hexahedron", 4: "tetrahedron"}
"""Cell by number of corners."""


class HandedOver(NamedTuple):
    """A DOLFINx mesh and where its parts lie in the arrays."""

    mesh: Any
    cells: Integers
    """Index in the arrays of each local cell."""
    corners: Integers
    """Points of each local cell in the order of DOLFINx."""
    facets: dict[str, NDArray[np.int32]]
    """Own cells and their local facets on each named face, shape (n_facets, 2)."""

    def measure(self, quadrature: dict[str, Any]) -> dict[str, Any]:
        """The surface measure of each face."""
        import ufl

        domains = [(i, pairs.reshape(-1)) for i, pairs in enumerate(self.facets.values())]
        ds = ufl.Measure("ds", domain=self.mesh, subdomain_data=domains, metadata=quadrature)
        return {name: ds(i) for i, name in enumerate(self.facets)}

    def dofs(self, space: Any, name: str) -> NDArray[np.int32]:
        """Local unknowns on a face, those of neighbouring processes included."""
        from dolfinx import fem, la

        closure = space.element.basix_element.entity_closure_dofs[2]
        marker = fem.Function(space)
        for facet, local in enumerate(closure):
            cells = self.facets[name][self.facets[name][:, 1] == facet, 0]
            marker.x.array[space.dofmap.list[cells][:, local]] = 1.0
        marker.x.scatter_reverse(la.InsertMode.add)
        marker.x.scatter_forward()
        return np.flatnonzero(marker.x.array).astype(np.int32)


def handed_over(arrays: NamedArrays) -> HandedOver:
    """The mesh in DOLFINx, the same arrays given on every process.

    In one process cells and points keep their order: no graph is built and no facet searched for, which would take longer than
    everything else, and the matrix of a grid is filled quicker in the grid's own order.

    Raises
    ------
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """
    dolfinx = import_dolfinx()
    import basix.ufl
    import ufl
    from dolfinx.io.gmsh import cell_perm_array
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    shape = SHAPES[arrays.cells.shape[1]]
    element = basix.ufl.element("Lagrange", shape, 1, shape=(3,))
    kind = dolfinx.mesh.to_type(shape)
    corners = arrays.cells[:, cell_perm_array(kind, arrays.cells.shape[1])]
    if comm.size == 1:
        mesh = _as_they_lie(dolfinx, arrays.points, corners, kind, ufl.Mesh(element))
        cells = np.arange(len(corners))
    else:
        part, whole = comm.rank, np.linspace(0.0, 1.0, comm.size + 1)
        mine = [slice(*(whole[part : part + 2] * len(a)).astype(int)) for a in (corners, arrays.points)]
        mesh = dolfinx.mesh.create_mesh(comm, corners[mine[0]], ufl.Mesh(element), arrays.points[mine[1]])
        cells = mesh.topology.original_cell_index
        corners = corners[cells]
    own = mesh.topology.index_map(3).size_local
    local = basix.topology(element.cell_type)[2]
    return HandedOver(mesh, cells, corners, _facets(corners[:own], local, len(arrays.points), arrays.faces))


def _as_they_lie(dolfinx: Any, points: Any, corners: Integers, kind: Any, domain: Any) -> Any:
    """A mesh of one process without reordering."""
    from mpi4py import MPI

    comm, cpp = MPI.COMM_WORLD, dolfinx.cpp
    vertices, cells = (dolfinx.common.IndexMap(comm, len(a)) for a in (points, corners))
    links = np.ascontiguousarray(corners, dtype=np.int32)
    inputs = np.arange(len(points), dtype=np.int64)
    topology = cpp.mesh.Topology(
        kind, vertices, cells, dolfinx.graph.adjacencylist(links)._cpp_object, np.arange(len(corners), dtype=np.int64)
    )
    map_ = dolfinx.fem.coordinate_element(domain.ufl_coordinate_element().basix_element)
    geometry = dolfinx.mesh.create_geometry(vertices, links, map_, np.ascontiguousarray(points), inputs)
    return dolfinx.mesh.Mesh(cpp.mesh.Mesh_float64(comm, topology, geometry._cpp_object), domain)


def _facets(
    corners: Integers, local: list[list[int]], n_points: int, faces: Mapping[str, Integers]
) -> dict[str, NDArray[np.int32]]:
    """Cell and local facet of those facets of each face that belong to these cells, shape (n_facets, 2)."""
    named = np.zeros(n_points, dtype=bool)
    for facets in faces.values():
        named[facets] = True
    near = np.flatnonzero(np.count_nonzero(named[corners], axis=1) >= len(local[0]))
    at = corners[near]
    pairs = np.concatenate([np.column_stack([near, np.full(len(near), f)]) for f in range(len(local))]).astype(np.int32)
    rows = np.concatenate([at[:, vertices] for vertices in local])
    there = named[rows].all(axis=1)
    pairs, rows = pairs[there], rows[there]
    number = _numbered(np.concatenate([*faces.values(), rows]))
    mine = number[len(number) - len(rows) :]
    out, begin = {}, 0
    for name, facets in faces.items():
        wanted = np.zeros(len(number), dtype=bool)
        wanted[number[begin : begin + len(facets)]] = True
        out[name] = pairs[wanted[mine]]
        begin += len(facets)
    return out


def _numbered(rows: Integers) -> Integers:
    """A number per row, the same for rows of the same points."""
    rows = np.sort(rows, axis=1)
    order = np.lexsort(rows.T)
    ordered = rows[order]
    number = np.empty(len(rows), dtype=np.int64)
    number[order] = np.concatenate([[0], np.cumsum((ordered[1:] != ordered[:-1]).any(axis=1))])
    return number
