"""Conduction in DOLFINx on an unstructured mesh: tetrahedra of order 1 or 2, or hexahedra, of a user's own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import DeckError, SolverError
from stack3d.fe.hand_over import handed_over
from stack3d.fe.library import import_dolfinx, import_mpi
from stack3d.layout import Floats, HeatSource
from stack3d.meshes import CORNERS, CellMesh, Ints
from stack3d.thermal.fem.conduction import ConductionSolver
from stack3d.thermal.fields.field import Field
from stack3d.thermal.mesh_problem import MeshProblem
from stack3d.thermal.places import Place

DIRECT = 30_000
"""Unknowns up to which ``auto`` factorises."""
FILL = 1
"""Levels of fill of the incomplete factors; with none, order 2 does not converge in layers much thinner than wide."""
_BASIX_EDGES = ((2, 3), (1, 3), (1, 2), (0, 3), (0, 2), (0, 1))
"""Corners of the edges of a tetrahedron in the order of the unknowns of order 2."""


class MeshSolver(ConductionSolver):
    """DOLFINx solver of one problem on an unstructured mesh, for many powers.

    Parameters
    ----------
    problem : MeshProblem
    order : {1, 2}
        Of the elements.
    method : {"cg", "direct"}
    preconditioner : str
        Of ``cg``: ``icc``, ``gamg`` or ``jacobi``; ``auto`` is ``icc``, or a factorisation of small problems.
    tolerance : float
        Relative residual. [-]
    max_iterations : int
    counts : Counter, optional
        Where meshes, assemblies and preconditioners are counted.

    Raises
    ------
    DeckError
        For order 2 on hexahedra, or the preconditioner ``grid``.
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """

    problem: MeshProblem
    serial_only = ()

    def __init__(
        self,
        problem: MeshProblem,
        *,
        order: int = 1,
        method: str = "cg",
        preconditioner: str = "auto",
        tolerance: float = 1e-10,
        max_iterations: int = 500,
        counts: Counter[str] | None = None,
    ) -> None:
        if preconditioner == "grid":
            raise DeckError(
                "solver.linear.preconditioner: 'grid' wants the lines of layered hexahedra; take gamg, icc or jacobi"
            )
        if order == 2 and problem.mesh.kind == "hexahedron":
            raise DeckError("solver.order: 2 wants tetrahedra; hexahedra of a mesh of your own have order 1")
        dolfinx = import_dolfinx()
        import ufl

        self.problem, self.order, self.tolerance = problem, order, tolerance
        self._asked = method, preconditioner
        self.counts = Counter() if counts is None else counts
        self._dolfinx, self._ufl = dolfinx, ufl
        self.quadrature_degree = {"tetra": 2 * order, "tetra10": 2 * order + 2, "hexahedron": 3}[problem.mesh.kind]
        started = time.perf_counter()
        self._handed = handed_over(problem.mesh, problem.faces)
        self._mesh = self._handed.mesh
        self.counts["meshes"] += 1
        self.seconds = {"hand_over": time.perf_counter() - started}
        started = time.perf_counter()
        self._space = dolfinx.fem.functionspace(self._mesh, ("Lagrange", order))
        self._nodes = self._mesh_nodes(problem.mesh)
        self._reference = problem.reference
        self._constants = dolfinx.fem.functionspace(self._mesh, ("DG", 0))
        self._cells = self._handed.cells[np.argsort(self._constants.dofmap.list.reshape(-1))]
        self._conductivity = self._region_conductivity(problem.mesh)
        self._assemble()
        region = problem.mesh.region[self._handed.cells]
        self.heat_capacity = np.array([m.heat_capacity for m in problem.mesh.materials])[region]
        self._volumes = self._integral_over_cells()
        self._density = dolfinx.fem.Function(self._constants)
        heat = self._density * ufl.TestFunction(self._space) * ufl.dx(metadata=self._quadrature)
        self._heat = dolfinx.fem.form(heat)
        self.seconds["assembly"] = time.perf_counter() - started
        started = time.perf_counter()
        small = preconditioner == "auto" and self.unknowns <= DIRECT
        self._set_up_solver("direct" if small else method, preconditioner, max_iterations)
        self.seconds["solver_set_up"] = time.perf_counter() - started

    def held_at(self, means: Mapping[str, float]) -> MeshSolver:
        """A solver of its own with every conductivity held at the mean of its layer. [K]"""
        method, preconditioner = self._asked
        return MeshSolver(
            self.problem.held_at(means),
            order=self.order,
            method=method,
            preconditioner=preconditioner,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
        )

    def _mesh_nodes(self, mesh: CellMesh) -> Ints:
        """Node of the mesh at each local unknown."""
        dofs, corners = self._space.dofmap.list, self._handed.corners
        first = CORNERS[mesh.kind]
        index_map = self._space.dofmap.index_map
        nodes = np.empty(index_map.size_local + index_map.num_ghosts, dtype=np.intp)
        nodes[dofs[:, :first]] = corners
        if self.order == 2:
            edges = mesh.edge_index(corners[:, _BASIX_EDGES].reshape(-1, 2)).reshape(-1, len(_BASIX_EDGES))
            nodes[dofs[:, first:]] = len(mesh.points) + edges
        return nodes

    def _region_conductivity(self, mesh: CellMesh) -> Any:
        """Diagonal of K: constants of the regions times (T / 300 K)^n at the temperature of the last update."""
        fem, ufl = self._dolfinx.fem, self._ufl
        region = mesh.region[self._cells]
        at_300_kelvin = []
        for axis in range(3):
            constant = fem.Function(self._constants)
            constant.x.array[:] = np.array([m.conductivity[axis] for m in mesh.materials])[region]
            at_300_kelvin.append(constant)
        exponents = np.array([m.exponent for m in mesh.materials])
        self._temperature = fem.Function(self._space)
        self._temperature.x.array[:] = 300.0
        self._follows_temperature = bool(np.any(exponents[np.unique(mesh.region)]))
        if not self._follows_temperature:
            return ufl.as_vector(at_300_kelvin)
        exponent = fem.Function(self._constants)
        exponent.x.array[:] = exponents[region]
        factor = (self._temperature / 300.0) ** exponent
        return ufl.as_vector([k * factor for k in at_300_kelvin])

    @property
    def _is_nonlinear(self) -> bool:
        return self._follows_temperature

    def _update_conductivity(self, own: Floats) -> None:
        lowest = self._mesh.comm.allreduce(float(own.min(initial=np.inf)), op=import_mpi().MIN)
        if lowest <= 0:
            raise SolverError(f"the temperature falls to {lowest:.0f} K: is a power negative, or in the wrong unit?")
        self._temperature.x.array[: self._n_own] = own
        self._temperature.x.scatter_forward()

    def _integral_over_cells(self) -> Floats:
        """Volume of each local cell as DOLFINx integrates it, so that the load of a source sums to its power. [m³]"""
        v = self._ufl.TestFunction(self._constants)
        vector = self._dolfinx.fem.assemble_vector(self._dolfinx.fem.form(v * self._ufl.dx(metadata=self._quadrature)))
        vector.scatter_forward()
        return np.array(vector.array)

    def _load(self, sources: Sequence[HeatSource]) -> Floats:
        self._density.x.array[:] = self.problem.cell_powers(sources)[self._cells] / self._volumes
        return self._vector(self._heat)

    def _field(self, own: Floats) -> Field:
        return self.problem.field(self._gathered(own - self._reference) + self._reference, self.order)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (self.problem.mesh.node_count(self.order),)

    def _observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        weights = self.problem.place_weights(places, self.order)
        return lambda values: np.asarray(weights @ values)

    def _at_unknowns(self, values: Floats) -> Floats:
        return np.asarray(self.problem.at_nodes(values, self.order)[self._nodes])

    def _automatic(self, parallel: bool) -> str:
        return "icc"

    def _choose(self, pc: Any, name: str) -> None:
        """Incomplete factors of the part of each process, with the fill that stretched elements of order 2 need."""
        if name != "icc":
            pc.setType(name)
            return
        pc.setType("bjacobi")
        pc.setUp()
        for part in pc.getBJacobiSubKSP():
            part.getPC().setType("icc")
            part.getPC().setFactorLevels(FILL)
