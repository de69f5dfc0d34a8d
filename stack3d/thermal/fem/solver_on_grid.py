"""Heat conduction in DOLFINx on trilinear hexahedra of a grid: anisotropic layers, void cells, k(T) by cell."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import DeckError, SolverError
from stack3d.fe.linear_solver import LinearMethod
from stack3d.fe.space import Space
from stack3d.layout import Floats, HeatSource
from stack3d.materials import LawMap
from stack3d.meshes import CellMesh, Ints
from stack3d.thermal.fem.conduction import Conduction
from stack3d.thermal.fem.discretised import on_all_nodes
from stack3d.thermal.fem.steady import FemSolver
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.bends import bends
from stack3d.thermal.grid.cell_properties import CellProperties
from stack3d.thermal.grid.loads import source_loads
from stack3d.thermal.grid.place_weights import observe, place_groups
from stack3d.thermal.grid.preconditioner import GridPreconditioner
from stack3d.thermal.grid.response import unit_loads
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Place
from stack3d.thermal.problem import ThermalProblem

SERIAL_ONLY = ("grid", "icc")
"""Preconditioners of one process."""


def solver_on_grid(
    problem: ThermalProblem,
    cells: CellMesh,
    nodes: Ints,
    *,
    method: str = "cg",
    preconditioner: str = "auto",
    tolerance: float = 1e-10,
    max_iterations: int = 500,
    counts: Counter[str] | None = None,
) -> FemSolver:
    """DOLFINx solver of a problem on the hexahedra of its grid.

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
        Goes on counting what is built; see `SolidBackend`.

    Raises
    ------
    DeckError
        For a preconditioner of one process in several.
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """
    counts = Counter() if counts is None else counts
    started = time.perf_counter()
    space = Space(cells, faces=problem.faces, degree=2, counts=counts)
    seconds = {"hand_over": time.perf_counter() - started}
    parallel = space.domain.comm.size > 1
    if preconditioner == "auto":
        preconditioner = "gamg" if parallel else "grid"
    if preconditioner in SERIAL_ONLY and parallel and method != "direct":
        raise DeckError(f"solver.linear.preconditioner: {preconditioner!r} works in one process only; with MPI use 'gamg'")
    started = time.perf_counter()
    at = OnGrid(problem, space, nodes)
    conduction = Conduction(at, counts)
    seconds["assembly"] = time.perf_counter() - started
    on_lines = preconditioner == "grid" and method != "direct"
    lines = GridPreconditioner(problem, at.nodes, rtol=0.1 * tolerance) if on_lines else None
    return FemSolver(
        conduction, LinearMethod(method, preconditioner, tolerance, max_iterations), lines, counts=counts, seconds=seconds
    )


class OnGrid:
    """A heat problem on the hexahedra of its grid; see `Discretised`.

    Parameters
    ----------
    problem : ThermalProblem
    space : Space
        Of order 1 on the hexahedra.
    nodes : ndarray of int, shape (n_points,)
        Flat index of each point of the mesh in the (z, y, x) nodes of the grid.
    """

    def __init__(self, problem: ThermalProblem, space: Space, nodes: Ints) -> None:
        self.problem, self.space = problem, space
        self.nodes = np.asarray(nodes[space.nodes])
        self.heat_capacity = np.array([m.heat_capacity for m in space.mesh.materials])[space.mesh.region]
        self.conductivity = self._cell_conductivity(space.mesh)
        self.follows_temperature = bool(self._conducts)

    @property
    def temperature(self) -> Any:
        """None: conductivities are by cell."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the nodes of the grid."""
        grid = self.problem.grid
        return grid.z.size, grid.y.size, grid.x.size

    def _cell_conductivity(self, mesh: CellMesh) -> Any:
        """Diagonal of K per cell at 300 K, as a vector-valued DG0 function."""
        at_reference, region = np.array([m.conductivity for m in mesh.materials]), mesh.region[self.space.cells]
        self._at_reference, self._conducts = at_reference[region], LawMap.of([m.conducts for m in mesh.materials], region)
        order = np.argsort(self.space.constants.dofmap.list.reshape(-1))
        self._corners = self.nodes[self.space.functions.dofmap.list][order]
        return self.space.by_cell(at_reference[mesh.region])

    def update_conductivity(self, own: Floats) -> None:
        """K of each cell at the mean temperature of its corners."""
        temperature = on_all_nodes(self, own).reshape(-1)[self._corners].mean(axis=1)
        if temperature.min() <= 0:
            coldest = temperature.min() - ZERO_CELSIUS
            raise SolverError(f"the temperature falls to {coldest:.0f} degC: is a power negative, or in the wrong unit?")
        factor = self._conducts.factor(temperature)
        self.conductivity.x.array[:] = (self._at_reference * factor[:, None]).reshape(-1)

    def load(self, sources: Sequence[HeatSource]) -> Floats:
        """Exact integrals over the rectangles of the sources. [W]"""
        loads = source_loads(self.problem.grid, self.problem.stack, sources).reshape(-1)
        return np.asarray(loads[self.nodes[: self.space.own]])

    def at_unknowns(self, values: Floats) -> Floats:
        """Values of a field at all local unknowns."""
        return np.asarray(np.broadcast_to(values, self.shape).reshape(-1)[self.nodes])

    def field(self, own: Floats) -> GridField:
        """Field of the temperatures at the unknowns. [K]"""
        return GridField(self.problem.stack, self.problem.grid, on_all_nodes(self, own))

    def steady(self, own: Floats, sources: Sequence[HeatSource]) -> GridField:
        """The same with the bow of heated layers."""
        stack, grid, field = self.problem.stack, self.problem.grid, self.field(own)
        return replace(field, bend=bends(stack, grid, CellProperties.of(stack, grid), sources, field.values))

    def observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        """Gives the values of places for those at all nodes."""
        return partial(observe, place_groups(self.problem.stack, self.problem.grid, places))

    def weights(self, place: Place) -> Floats:
        """Of all nodes in the temperature of a place, the bow of its layer apart."""
        grid = self.problem.grid
        return np.asarray(next(unit_loads(place_groups(self.problem.stack, grid, [place]), grid)))

    def held_at(self, means: Mapping[str, float], tolerance: float) -> TensorSolver:
        """The tensor solve of the same elements, with every conductivity held at the mean of its layer. [K]"""
        return TensorSolver(self.problem.held_at(means), rtol=tolerance)
