"""Steady conduction in DOLFINx: trilinear hexahedra, anisotropic layers, cooled faces."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import SolverError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.fem.conduction import ConductionSolver
from stack3d.thermal.fem.library import import_dolfinx
from stack3d.thermal.preconditioner import GridPreconditioner
from stack3d.thermal.problem import GridField, ThermalProblem, source_loads


class FemSolver(ConductionSolver):
    """DOLFINx solver of one problem on one Gmsh mesh, for many powers.

    Parameters
    ----------
    problem : ThermalProblem
    mesh : NamedMesh
        Open Gmsh model: ``gmsh``, ``volumes`` (name → physical tag and material), ``faces`` (name → tag) and ``z``,
        the node heights used.
    method : {"cg", "direct"}
    preconditioner : str
        For ``cg``: ``grid`` (the tensor solve on the problem's grid), or a PETSc name; ``auto`` is ``grid`` in one
        process and ``gamg`` in several.
    tolerance : float
        Relative residual. [-]
    max_iterations : int

    Raises
    ------
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """

    problem: ThermalProblem
    serial_only = ("grid", "icc")

    def __init__(
        self,
        problem: ThermalProblem,
        mesh: Any,
        *,
        method: str = "cg",
        preconditioner: str = "auto",
        tolerance: float = 1e-10,
        max_iterations: int = 500,
    ) -> None:
        dolfinx = import_dolfinx()
        import ufl
        from mpi4py import MPI

        self.problem, self.tolerance = problem, tolerance
        self._dolfinx, self._ufl = dolfinx, ufl
        started = time.perf_counter()
        data = dolfinx.io.gmsh.model_to_mesh(mesh.gmsh.model, MPI.COMM_WORLD, 0, gdim=3)
        self._mesh, self._cell_tags, self._facet_tags = data.mesh, data.cell_tags, data.facet_tags
        self._faces = mesh.faces
        self.seconds = {"hand_over": time.perf_counter() - started}
        started = time.perf_counter()
        self._space = dolfinx.fem.functionspace(self._mesh, ("Lagrange", 1))
        self._nodes = self._grid_nodes(mesh.z)
        self._reference = problem.reference
        self._conductivity = self._cell_conductivity(mesh)
        self._assemble()
        self.seconds["assembly"] = time.perf_counter() - started
        started = time.perf_counter()
        self._set_up_solver(method, preconditioner, max_iterations)
        self.seconds["solver_set_up"] = time.perf_counter() - started

    def _grid_nodes(self, z: Floats) -> NDArray[np.intp]:
        """Flat index into the (z, y, x) grid of each local unknown."""
        points = self._space.tabulate_dof_coordinates()
        index = []
        for axis, lines in ((2, z), (1, self.problem.grid.y), (0, self.problem.grid.x)):
            index.append(np.searchsorted(0.5 * (lines[1:] + lines[:-1]), points[:, axis]))
        return np.asarray(np.ravel_multi_index(tuple(index), (z.size, self.problem.grid.y.size, self.problem.grid.x.size)))

    def _cell_conductivity(self, mesh: Any) -> Any:
        """Diagonal of K per cell at 300 K, as a vector-valued DG0 function."""
        space = self._dolfinx.fem.functionspace(self._mesh, ("DG", 0, (3,)))
        function = self._dolfinx.fem.Function(space, name="conductivity")
        values = function.x.array.reshape(-1, 3)
        cells = space.dofmap.list.reshape(-1)
        exponent = np.zeros(len(values))
        for region in mesh.volumes.values():
            dofs = cells[self._cell_tags.find(region.tag)]
            values[dofs], exponent[dofs] = region.material.conductivity, region.material.exponent
        function.x.scatter_forward()
        self._at_300_kelvin, self._exponent = values.copy(), exponent
        self._corners = self._nodes[self._space.dofmap.list][np.argsort(cells)]
        return function

    @property
    def _is_nonlinear(self) -> bool:
        return bool(np.any(self._exponent))

    def _update_conductivity(self, own: Floats) -> None:
        """K of each cell at the mean temperature of its corners."""
        temperature = self._on_grid(own).reshape(-1)[self._corners].mean(axis=1)
        if temperature.min() <= 0:
            raise SolverError(f"the temperature falls to {temperature.min():.0f} K: is a power negative, or in the wrong unit?")
        factor = (temperature / 300.0) ** self._exponent
        self._conductivity.x.array[:] = (self._at_300_kelvin * factor[:, None]).reshape(-1)

    def _load(self, sources: Sequence[HeatSource]) -> Floats:
        return np.asarray(source_loads(self.problem.grid, self.problem.stack, sources).reshape(-1)[self._nodes[: self._n_own]])

    def _field(self, own: Floats) -> GridField:
        return GridField(self.problem.stack, self.problem.grid, self._on_grid(own))

    def _at_unknowns(self, values: Floats) -> Floats:
        grid = self.problem.grid
        shape = (grid.z.size, grid.y.size, grid.x.size)
        return np.asarray(np.broadcast_to(values, shape).reshape(-1)[self._nodes])

    def _automatic(self, parallel: bool) -> str:
        return "gamg" if parallel else "grid"

    def _own_preconditioner(self, name: str) -> GridPreconditioner | None:
        return GridPreconditioner(self.problem, self._nodes) if name == "grid" else None

    def _on_grid(self, own_values: Floats) -> Floats:
        """Temperatures on all nodes of the grid, on every rank; void nodes have the reference temperature."""
        grid = self.problem.grid
        shape = (grid.z.size, grid.y.size, grid.x.size)
        rise = np.zeros(grid.n_nodes)
        rise[self._nodes[: own_values.size]] = own_values - self._reference
        if self._mesh.comm.size > 1:
            from mpi4py import MPI

            self._mesh.comm.Allreduce(MPI.IN_PLACE, rise, op=MPI.SUM)
        return rise.reshape(shape) + self._reference
