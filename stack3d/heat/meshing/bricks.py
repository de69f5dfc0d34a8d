"""Bricks on the lines of a grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from stack3d.chip.chip import Chip
from stack3d.errors import Problem
from stack3d.geometry.coarsening import beside, firm_lines
from stack3d.geometry.gmsh_model import through_gmsh
from stack3d.geometry.grid import build_grid
from stack3d.geometry.hexahedra import CellRegions, layered_cells
from stack3d.grids import Grid
from stack3d.heat.faces import outer_faces, patches_of, surfaces_of
from stack3d.heat.judging import HOW, OF_THIRD, Answers, Judged, judged, weight
from stack3d.heat.meshing.mesh_kind import MATRIX_MEMORY, Levels, MeshKind, OnCells, Solve, on_twice
from stack3d.heat.sources import standing_out
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.meshes import VOID, CellMesh
from stack3d.schema.cooling import Cooling
from stack3d.schema.numerics import Solver, mesh_kinds
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import SolidBackend
from stack3d.thermal.problem import ThermalProblem

MOST_THROUGH_GMSH = 40_000
"""Bricks that the builder `auto` takes through Gmsh; of more, its copy of the mesh costs time and memory."""
TENSOR_MEMORY = 62.0
"""Per unknown of the tensor solver; `benchmarks/thermal.py`. [byte]"""


@mesh_kinds.register("hex")
@dataclass(frozen=True, eq=False)
class Bricks(MeshKind[ThermalProblem]):
    """Bricks on the lines of a graded grid, for either solver."""

    grid: Grid

    @classmethod
    def of(cls, chip: Chip) -> Self:
        """Grid of a chip, with lines on sources that stand out."""
        points = [(p.x, p.y) for p in chip.scenario.probes]
        patches = [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
        return cls(build_grid(chip.stack, standing_out(chip), chip.scenario.solver.mesh, points, patches, first_output(chip)))

    @classmethod
    def mistakes(cls, scenario: Scenario) -> list[Problem]:
        """Named faces, and elements of order 2."""
        problems = faces_of_a_stack(scenario)
        if scenario.solver.order == 2:
            problems.append(Problem("solver.order", "2 wants tetrahedra: solver.mesh.cells: tet"))
        return problems

    @classmethod
    def coarser(cls, chip: Chip) -> Chip:
        """The same chip on bricks of twice the size, for the tensor solver."""
        return on_twice(chip, "tensor")

    @classmethod
    def judged(cls, chip: Chip, own: Answers, solve: Solve) -> Judged:
        """Twice and four times the size in the plane, and a third of the height."""
        grid = cls.of(chip).grid
        patches = [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
        points = [(probe.x, probe.y) for probe in chip.scenario.probes]
        firm = firm_lines(grid, chip.stack, standing_out(chip), patches, points)
        profile = chip.scenario.solver.model_copy(update={"backend": "tensor"})
        on_lines = replace(chip, scenario=chip.scenario.model_copy(update={"solver": profile}))
        twice = beside(grid, firm, finer=False)
        coarse = solve(on_lines, cls(twice), 0)
        fine = solve(on_lines, cls(beside(grid, firm, finer=True)), 1)
        fourfold = solve(on_lines, cls(beside(twice, firm, finer=False)), 2)
        in_plane = {n: v + weight(v, coarse[n], fourfold[n]) * (coarse[n] - v) for n, v in own.items()}
        return judged(own, {"across": (1.0, own, in_plane), "upright": (OF_THIRD, coarse, fine)}, HOW["bricks"])

    def unknowns(self, order: int) -> int:
        """Nodes of trilinear elements."""
        return self.grid.n_nodes

    def memory(self, profile: Solver) -> float:
        """Of matrix and solver. [byte]"""
        each = TENSOR_MEMORY if profile.backend != "fem" else 27 * MATRIX_MEMORY
        return each * self.grid.n_nodes

    def told(self, order: int) -> str:
        """Bricks along each axis."""
        nz, ny, nx = self.grid.shape
        return f"{nx} x {ny} x {nz} hexahedra"

    def facts(self, profile: Solver) -> dict[str, str]:
        """Who hands the bricks over."""
        builder = self.builder(profile)
        return {} if builder is None else {"builder": builder}

    def builder(self, profile: Solver) -> str | None:
        """Who hands the bricks to DOLFINx, ``gmsh`` or ``arrays``; None where the profile takes another solver."""
        if profile.backend != "fem":
            return None
        if profile.mesh.builder != "auto":
            return profile.mesh.builder
        return "gmsh" if int(np.prod(self.grid.shape)) <= MOST_THROUGH_GMSH else "arrays"

    def cells(self, stack: Stack, cooling: Cooling) -> CellMesh:
        """The solid bricks."""
        return layered_cells(stack, self.grid, [surface for surface, _ in patches_of(stack, cooling)])[0]

    def problem(self, stack: Stack, cooling: Cooling) -> ThermalProblem:
        """Heat on the grid."""
        return ThermalProblem(stack, self.grid, **outer_faces(stack, cooling), patches=tuple(patches_of(stack, cooling)))

    def solver(self, problem: ThermalProblem, profile: Solver, counts: Counter[str]) -> SolidBackend:
        """Fast diagonalisation, or DOLFINx where the profile says ``fem``."""
        linear = profile.linear
        if profile.backend != "fem":
            from stack3d.thermal.grid.solver import TensorSolver

            return TensorSolver(problem, rtol=linear.tolerance, most_iterations=linear.max_iterations, counts=counts)
        from stack3d.thermal.fem.solver_on_grid import FemSolver

        cells, nodes = layered_cells(problem.stack, problem.grid, [surface for surface, _ in problem.patches])
        if self.builder(profile) == "gmsh":
            cells = through_gmsh(cells)
        return FemSolver(
            problem,
            cells,
            nodes,
            method=linear.method,
            preconditioner=linear.preconditioner,
            tolerance=linear.tolerance,
            max_iterations=linear.max_iterations,
            counts=counts,
        )

    def on_cells(self, problem: ThermalProblem, values: Floats, order: int, sources: Sequence[HeatSource]) -> OnCells:
        """A solved state on the solid bricks."""
        grid, stack = problem.grid, problem.stack
        mesh, nodes = layered_cells(stack, grid, [surface for surface, _ in problem.patches])
        density = power_density(stack, grid, sources)[CellRegions.of(stack, grid).number != VOID]
        levels = Levels(grid.z, grid.layer, nodes // (grid.x.size * grid.y.size))
        return OnCells(mesh, values.ravel()[nodes], density, levels)


def first_output(chip: Chip) -> float | None:
    """First time after the start at which a transient is read; None where that says nothing of elements. [s]"""
    transient = chip.scenario.transient
    if transient is None or transient.periodic:
        return None
    return next((time for time in transient.times if time > 0), transient.until)


def faces_of_a_stack(scenario: Scenario) -> list[Problem]:
    """Faces by name where the mesh is that of a stack."""
    if not scenario.cooling.faces:
        return []
    return [Problem("cooling.faces", "are those of a mesh of your own; a stack has top, bottom, sides and patches")]


def power_density(stack: Stack, grid: Grid, sources: Sequence[HeatSource]) -> Floats:
    """Power of box sources per volume of the cells, shape (nz, ny, nx). [W m⁻³]

    The integral over all cells is the sum of the powers.
    """

    def share(lines: Floats, lower: float, upper: float) -> Floats:
        return np.asarray(np.clip(np.minimum(lines[1:], upper) - np.maximum(lines[:-1], lower), 0.0, None) / (upper - lower))

    watts = np.zeros(grid.shape)
    for source in sources:
        layer = stack.layer(source.layer)
        box = source.extent
        parts = share(grid.z, layer.z0, layer.z1), share(grid.y, box.y0, box.y1), share(grid.x, box.x0, box.x1)
        watts += source.power * np.einsum("k,j,i->kji", *parts)
    volume = np.einsum("k,j,i->kji", np.diff(grid.z), np.diff(grid.y), np.diff(grid.x))
    return np.asarray(np.divide(watts, volume, out=np.zeros_like(watts), where=volume > 0))
