"""Lagrange elements on a mesh in DOLFINx: unknowns, coefficients, measures, assembled loads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError
from stack3d.fe.forms import compiled
from stack3d.fe.hand_over import handed_over
from stack3d.fe.library import import_dolfinx, import_mpi
from stack3d.layout import Floats
from stack3d.meshes import CORNERS, CellMesh, Ints

_BASIX_EDGES = ((2, 3), (1, 3), (1, 2), (0, 3), (0, 2), (0, 1))
"""Corners of the edges of a tetrahedron in the order of the unknowns of order 2."""


class Space:
    """Lagrange elements of one order on a mesh, and what weak forms on it are made of.

    Every process gives the same mesh and holds a part of the unknowns: its own first, then those of neighbours.

    Parameters
    ----------
    mesh : CellMesh
    order : {1, 2}
    faces : iterable of str
        Names that are asked for, whether the mesh has facets there or not.
    degree : int, optional
        Of polynomials that quadrature is exact for. By default what coefficients constant by cell need on straight cells;
        the degree that UFL would guess is far higher.
    counts : Counter, optional
        Where ``meshes`` counts this one.

    Raises
    ------
    DeckError
        For order 2 on hexahedra.
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """

    def __init__(
        self,
        mesh: CellMesh,
        order: int = 1,
        *,
        faces: Iterable[str] = (),
        degree: int | None = None,
        counts: Counter[str] | None = None,
    ) -> None:
        if order == 2 and mesh.kind == "hexahedron":
            raise DeckError("solver.order: 2 wants tetrahedra; hexahedra have order 1")
        self.dolfinx = import_dolfinx()
        import ufl

        self.mesh, self.order, self.ufl = mesh, order, ufl
        default = {"tetra": 2 * order, "tetra10": 2 * order + 2, "hexahedron": 3}[mesh.kind]
        self.quadrature = {"quadrature_degree": default if degree is None else degree}
        self.handed = handed_over(mesh, faces)
        if counts is not None:
            counts["meshes"] += 1
        self.domain = self.handed.mesh
        self.functions = self.dolfinx.fem.functionspace(self.domain, ("Lagrange", order))
        self.u, self.v = ufl.TrialFunction(self.functions), ufl.TestFunction(self.functions)
        self.dx = ufl.dx(metadata=self.quadrature)

    # unknowns

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return int(self.functions.dofmap.index_map.size_global)

    @property
    def own(self) -> int:
        """Number of unknowns of this process."""
        return int(self.functions.dofmap.index_map.size_local)

    @cached_property
    def nodes(self) -> Ints:
        """Node of the mesh at each local unknown: points, then edges."""
        dofs, corners, first = self.functions.dofmap.list, self.handed.corners, CORNERS[self.mesh.kind]
        index_map = self.functions.dofmap.index_map
        nodes = np.empty(index_map.size_local + index_map.num_ghosts, dtype=np.intp)
        nodes[dofs[:, :first]] = corners
        if self.order == 2:
            edges = self.mesh.edge_index(corners[:, _BASIX_EDGES].reshape(-1, 2)).reshape(-1, len(_BASIX_EDGES))
            nodes[dofs[:, first:]] = len(self.mesh.points) + edges
        return nodes

    def unknowns(self, face: str) -> NDArray[np.int32]:
        """Local unknowns on a face, those of neighbours included."""
        return self.handed.unknowns(self.functions, face)

    def sum(self, values: Any) -> float:
        """Sum over the unknowns of all processes of what each holds of its own."""
        return float(self.domain.comm.allreduce(float(np.sum(values))))

    def least(self, values: Floats) -> float:
        """Smallest value over all processes."""
        return float(self.domain.comm.allreduce(float(values.min(initial=np.inf)), op=import_mpi().MIN))

    def gathered(self, own: Floats, nodes: Ints | None = None, shape: Sequence[int] | None = None) -> Floats:
        """Values at the unknowns of all processes among all nodes, zero elsewhere; on every process.

        Parameters
        ----------
        own : ndarray, shape (own,)
        nodes : ndarray of int, shape (local unknowns,), optional
            Place of each in the flattened result; those of the mesh by default.
        shape : sequence of int, optional
            Of the result; (nodes of the mesh,) by default.
        """
        nodes = self.nodes if nodes is None else nodes
        shape = (self.mesh.node_count(self.order),) if shape is None else shape
        out = np.zeros(int(np.prod(shape)))
        out[nodes[: own.size]] = own
        if self.domain.comm.size > 1:
            mpi = import_mpi()
            self.domain.comm.Allreduce(mpi.IN_PLACE, out, op=mpi.SUM)
        return out.reshape(shape)

    # coefficients and measures

    def ds(self, face: str) -> Any:
        """The measure of a face."""
        return self.handed.measure(face, self.quadrature)

    def constant(self, value: float) -> Any:
        """A coefficient of one value; give it another by ``.value``."""
        return self.dolfinx.fem.Constant(self.domain, float(value))

    def function(self, values: Floats | float = 0.0) -> Any:
        """A field of this space with these values at all local unknowns."""
        out = self.dolfinx.fem.Function(self.functions)
        out.x.array[:] = values
        return out

    @cached_property
    def constants(self) -> Any:
        """Functions that are constant in each cell."""
        return self.dolfinx.fem.functionspace(self.domain, ("DG", 0))

    @cached_property
    def cells(self) -> Ints:
        """Cell of the mesh at each value of a function that is constant in each cell."""
        return np.asarray(self.handed.cells[np.argsort(self.constants.dofmap.list.reshape(-1))])

    def by_cell(self, values: Floats) -> Any:
        """A coefficient with a value per cell of the mesh, shape (cells,), or with components, shape (cells, components)."""
        vectors = ("DG", 0, values.shape[1:])
        space = self.constants if values.ndim == 1 else self.dolfinx.fem.functionspace(self.domain, vectors)
        out = self.dolfinx.fem.Function(space)
        out.x.array[:] = values[self.cells].reshape(-1)
        return out

    def by_region(self, values: Iterable[float]) -> Any:
        """A coefficient with a value per region of the mesh."""
        return self.by_cell(np.array(list(values))[self.mesh.region])

    @cached_property
    def volumes(self) -> Floats:
        """Volume at each value of a function that is constant in each cell, as DOLFINx integrates it. [m³]"""
        v = self.ufl.TestFunction(self.constants)
        vector = self.dolfinx.fem.assemble_vector(self.form(v * self.dx))
        vector.scatter_forward()
        return np.array(vector.array)

    # loads

    def form(self, expression: Any) -> Any:
        """A form of UFL, compiled."""
        return compiled(expression)

    def vector(self, expression: Any) -> Floats:
        """A linear form, compiled or not, assembled; shape (own,)."""
        is_compiled = isinstance(expression, self.dolfinx.fem.Form)
        vector = self.dolfinx.fem.assemble_vector(expression if is_compiled else self.form(expression))
        vector.scatter_reverse(self.dolfinx.la.InsertMode.add)
        return np.array(vector.array[: self.own])

    def load_of_cells(self, amounts: Floats) -> Floats:
        """Load of an amount per cell of the mesh spread evenly over it, shape (own,); it sums to the amounts."""
        density, compiled = self._spread
        density.x.array[:] = amounts[self.cells] / self.volumes
        return self.vector(compiled)

    @cached_property
    def _spread(self) -> tuple[Any, Any]:
        density = self.dolfinx.fem.Function(self.constants)
        return density, self.form(density * self.v * self.dx)
