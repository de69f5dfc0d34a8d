"""The arrays of a mesh handed to DOLFINx, and where their parts lie there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import unknown_name
from stack3d.fe.library import import_dolfinx
from stack3d.meshes import CORNERS, CellMesh, Ints

SHAPES = {"tetra": ("tetrahedron", 1), "tetra10": ("tetrahedron", 2), "hexahedron": ("hexahedron", 1)}
"""Name and degree of a cell in DOLFINx by its kind."""


class HandedOver(NamedTuple):
    """A DOLFINx mesh and where its parts lie in the arrays."""

    mesh: Any
    cells: Ints
    """Index in the arrays of each local cell."""
    corners: Ints
    """Points at the corners of each local cell, in the order of DOLFINx."""
    facets: dict[str, NDArray[np.int32]]
    """Own cells and their local facets on each named face, shape (n_facets, 2)."""
    domains: list[tuple[int, NDArray[np.int32]]]
    """The same as DOLFINx wants them, numbered in the order of the names."""

    def measure(self, name: str, quadrature: dict[str, int]) -> Any:
        """The measure of a face for surface integrals; raises UnknownNameError."""
        import ufl

        number = self._known(name)
        return ufl.Measure("ds", domain=self.mesh, subdomain_data=self.domains, metadata=quadrature)(number)

    def _known(self, name: str) -> int:
        """Number of a face; raises UnknownNameError."""
        if name not in self.facets:
            raise unknown_name("face of the mesh", name, self.facets)
        return list(self.facets).index(name)

    def unknowns(self, space: Any, name: str) -> NDArray[np.int32]:
        """Local unknowns on a face, also where the facet itself is another process's; raises UnknownNameError."""
        from dolfinx import fem, la

        self._known(name)
        marker = fem.Function(space)
        cells, facets = self.facets[name].T
        for facet, local in enumerate(space.element.basix_element.entity_closure_dofs[2]):
            marker.x.array[space.dofmap.list[cells[facets == facet]][:, local]] = 1.0
        marker.x.scatter_reverse(la.InsertMode.add)
        marker.x.scatter_forward()
        return np.flatnonzero(marker.x.array).astype(np.int32)


def handed_over(arrays: CellMesh, names: Iterable[str] = ()) -> HandedOver:
    """The mesh in DOLFINx; `names` are faces that the solver asks for, whether the mesh has facets there or not.

    Every process gives the same arrays. In one process cells and points keep their order: no graph is built and no facet
    searched for, which would take longer than everything else, and the matrix of a grid is filled quicker in the grid's order.

    Raises
    ------
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """
    dolfinx = import_dolfinx()
    import basix.ufl
    import ufl
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    shape, degree = SHAPES[arrays.kind]
    element = basix.ufl.element("Lagrange", shape, degree, shape=(3,))
    kind = dolfinx.mesh.to_type(shape)
    nodes = np.ascontiguousarray(arrays.cells[:, dolfinx.cpp.io.perm_vtk(kind, arrays.cells.shape[1])])
    if comm.size == 1 and degree == 1:
        mesh = _as_they_lie(dolfinx, arrays.points, nodes, kind, ufl.Mesh(element))
        cells = np.arange(len(nodes))
    else:
        bounds = np.linspace(0.0, 1.0, comm.size + 1)[comm.rank : comm.rank + 2]
        mine, own_points = (slice(*(bounds * len(a)).astype(int)) for a in (nodes, arrays.points))
        mesh = dolfinx.mesh.create_mesh(comm, nodes[mine], ufl.Mesh(element), arrays.points[own_points])
        cells = mesh.topology.original_cell_index
    corners = nodes[cells][:, : CORNERS[arrays.kind]]
    own = mesh.topology.index_map(3).size_local
    facets = _facets(arrays, corners[:own], basix.topology(element.cell_type)[2])
    facets |= {name: np.empty((0, 2), dtype=np.int32) for name in names if name not in facets}
    return HandedOver(mesh, cells, corners, facets, [(i, pairs.reshape(-1)) for i, pairs in enumerate(facets.values())])


def _as_they_lie(dolfinx: Any, points: Any, corners: Ints, kind: Any, domain: Any) -> Any:
    """A mesh of one process in the order of its arrays."""
    from mpi4py import MPI

    comm, cpp = MPI.COMM_WORLD, dolfinx.cpp
    vertices, cells = (dolfinx.common.IndexMap(comm, len(a)) for a in (points, corners))
    links, inputs = corners.astype(np.int32), np.arange(len(points), dtype=np.int64)
    adjacency = dolfinx.graph.adjacencylist(links)._cpp_object
    topology = cpp.mesh.Topology(kind, vertices, cells, adjacency, np.arange(len(corners), dtype=np.int64))
    coordinates = dolfinx.fem.coordinate_element(domain.ufl_coordinate_element().basix_element)
    geometry = dolfinx.mesh.create_geometry(vertices, links, coordinates, np.ascontiguousarray(points), inputs)
    return dolfinx.mesh.Mesh(cpp.mesh.Mesh_float64(comm, topology, geometry._cpp_object), domain)


def _facets(arrays: CellMesh, corners: Ints, local: list[list[int]]) -> dict[str, NDArray[np.int32]]:
    """Cell and local facet of those named facets that belong to these cells, shape (n_facets, 2), by face."""
    named = np.zeros(len(arrays.points), dtype=bool)
    named[arrays.facets] = True
    near = np.flatnonzero(np.count_nonzero(named[corners], axis=1) >= len(local[0]))
    pairs = np.concatenate([np.column_stack([near, np.full(len(near), f)]) for f in range(len(local))]).astype(np.int32)
    rows = np.concatenate([corners[near][:, vertices] for vertices in local])
    there = named[rows].all(axis=1)
    pairs, rows = pairs[there], rows[there]
    number = _numbered(np.concatenate([arrays.facets, rows]))
    mine = number[len(arrays.facets) :]
    out = {}
    for index, name in enumerate(arrays.faces):
        wanted = np.zeros(len(number), dtype=bool)
        wanted[number[: len(arrays.facets)][arrays.face == index]] = True
        out[name] = pairs[wanted[mine]]
    return out


def _numbered(rows: Ints) -> Ints:
    """A number per row, the same for rows of the same points."""
    rows = np.sort(rows, axis=1)
    order = np.lexsort(rows.T)
    ordered = rows[order]
    number = np.zeros(len(rows), dtype=np.intp)
    number[order[1:]] = np.cumsum((ordered[1:] != ordered[:-1]).any(axis=1))
    return number
