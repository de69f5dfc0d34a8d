"""Steady conduction in DOLFINx: trilinear hexahedra, anisotropic layers, cooled faces."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np

from stack3d.errors import SolverError
from stack3d.fe.hand_over import handed_over
from stack3d.fe.library import import_dolfinx
from stack3d.layout import Floats, HeatSource
from stack3d.meshes import CellMesh, Ints
from stack3d.thermal.fem.conduction import ConductionSolver
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.bends import bends
from stack3d.thermal.grid.cells import CellProperties
from stack3d.thermal.grid.loads import source_loads
from stack3d.thermal.grid.places import observe, place_groups
from stack3d.thermal.grid.preconditioner import GridPreconditioner
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Place
from stack3d.thermal.problem import HeatProblem, ThermalProblem


class FemSolver(ConductionSolver):
    """DOLFINx solver of one problem on one mesh, for many powers.

    Parameters
    ----------
    problem : ThermalProblem
    cells : CellMesh
        Hexahedra on the grid of the problem.
    nodes : ndarray of int, shape (n_points,)
        Flat index of each of its points in the (z, y, x) nodes of the grid.
    method : {"cg", "direct"}
    preconditioner : str
        For ``cg``: ``grid`` (the tensor solve on the problem's grid), or a PETSc name; ``auto`` is ``grid`` in one
        process and ``gamg`` in several.
    tolerance : float
        Relative residual. [-]
    max_iterations : int
    counts : Counter, optional
        Goes on counting what is built; see `ConductionSolver`.

    Raises
    ------
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """

    problem: ThermalProblem
    serial_only = ("grid", "icc")
    _on_lines: GridPreconditioner | None = None

    def __init__(
        self,
        problem: ThermalProblem,
        cells: CellMesh,
        nodes: Ints,
        *,
        method: str = "cg",
        preconditioner: str = "auto",
        tolerance: float = 1e-10,
        max_iterations: int = 500,
        counts: Counter[str] | None = None,
    ) -> None:
        dolfinx = import_dolfinx()
        import ufl

        self.problem, self.tolerance = problem, tolerance
        self.counts = Counter() if counts is None else counts
        self._dolfinx, self._ufl = dolfinx, ufl
        started = time.perf_counter()
        self._handed = handed_over(cells, problem.faces)
        self.counts["meshes"] += 1
        self._mesh = self._handed.mesh
        self.seconds = {"hand_over": time.perf_counter() - started}
        started = time.perf_counter()
        self._space = dolfinx.fem.functionspace(self._mesh, ("Lagrange", 1))
        self._nodes = self._grid_nodes(nodes)
        self._reference = problem.reference
        self._conductivity = self._cell_conductivity(cells)
        self._assemble()
        self.seconds["assembly"] = time.perf_counter() - started
        started = time.perf_counter()
        self._set_up_solver(method, preconditioner, max_iterations)
        self.seconds["solver_set_up"] = time.perf_counter() - started

    def held_at(self, means: Mapping[str, float]) -> TensorSolver:
        """The tensor solve of the same elements, with every conductivity held at the mean of its layer. [K]"""
        return TensorSolver(self.problem.held_at(means), rtol=self.tolerance)

    def _grid_nodes(self, nodes: Ints) -> Ints:
        """Flat index into the (z, y, x) grid of each local unknown."""
        unknowns = self._space.dofmap.list
        out = np.empty(int(unknowns.max()) + 1, dtype=np.intp)
        out[unknowns] = nodes[self._handed.corners]
        return out

    def _cell_conductivity(self, mesh: CellMesh) -> Any:
        """Diagonal of K per cell at 300 K, as a vector-valued DG0 function."""
        space = self._dolfinx.fem.functionspace(self._mesh, ("DG", 0, (3,)))
        function = self._dolfinx.fem.Function(space, name="conductivity")
        values = function.x.array.reshape(-1, 3)
        cells = space.dofmap.list.reshape(-1)
        region = np.empty(len(values), dtype=np.intp)
        region[cells] = mesh.region[self._handed.cells]
        self.heat_capacity = np.array([m.heat_capacity for m in mesh.materials])[mesh.region[self._handed.cells]]  # by cell
        values[:] = np.array([m.conductivity for m in mesh.materials])[region]
        self._at_300_kelvin, self._exponent = values.copy(), np.array([m.exponent for m in mesh.materials])[region]
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

    def _steady(self, own: Floats, sources: Sequence[HeatSource]) -> GridField:
        stack, grid, field = self.problem.stack, self.problem.grid, self._field(own)
        return replace(field, bend=bends(stack, grid, CellProperties.of(stack, grid), sources, field.values))

    def _at_unknowns(self, values: Floats) -> Floats:
        return np.asarray(np.broadcast_to(values, self._shape).reshape(-1)[self._nodes])

    @property
    def _shape(self) -> tuple[int, ...]:
        grid = self.problem.grid
        return grid.z.size, grid.y.size, grid.x.size

    def _observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        return partial(observe, place_groups(self.problem.stack, self.problem.grid, places))

    def _automatic(self, parallel: bool) -> str:
        return "gamg" if parallel else "grid"

    def _own_preconditioner(self, name: str, rate: float | None) -> GridPreconditioner | None:
        if rate is not None:
            return None if self._on_lines is None else self._on_lines.shifted(rate)
        self._on_lines = GridPreconditioner(self.problem, self._nodes, rtol=0.1 * self.tolerance) if name == "grid" else None
        return self._on_lines

    def recooled(self, problem: HeatProblem) -> Self:
        """The same with the preconditioner of the new films."""
        super().recooled(problem)
        if self._on_lines is not None:
            self._on_lines.recool(self.problem)
            self.counts["preconditioners"] += 1
        return self

    def _start(self, sources: Sequence[HeatSource], guess: Floats | None, references: Mapping[str, Floats]) -> Floats | None:
        """The same elements and k(T) without a matrix: what is left is to check that against the matrix."""
        if self._on_lines is None:
            return super()._start(sources, guess, references)
        return self._on_lines.rise(sources, guess, references)

    def _on_grid(self, own: Floats) -> Floats:
        """Temperatures on all nodes of the grid, on every process; void nodes have the reference temperature."""
        return self._gathered(own - self._reference) + self._reference
