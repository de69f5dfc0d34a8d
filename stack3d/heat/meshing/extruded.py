"""Triangles of the plane carried through the heights of a stack, as tetrahedra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from stack3d import memory
from stack3d.chip.chip import Chip
from stack3d.errors import Problem
from stack3d.geometry.tetrahedra import build_columns
from stack3d.heat.faces import outer_faces, patches_of, surfaces_of
from stack3d.heat.judging import HOW, Answers, Judged, compared
from stack3d.heat.meshing.any_cells import CellKind
from stack3d.heat.meshing.bricks import Bricks, faces_of_a_stack
from stack3d.heat.meshing.mesh_kind import Levels, Solve, SolvedCells
from stack3d.heat.sources import standing_out
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.meshes import Columns
from stack3d.schema.cooling import CoolingDeck
from stack3d.schema.numerics import mesh_kinds
from stack3d.schema.scenario import Scenario
from stack3d.thermal.column_problem import ColumnProblem

BESIDE = 3
"""Number under which the solver of the bricks is kept; `Bricks.judged` has those before."""
BYTES_PER_POINT = 1300.0
"""Of matrix and solver for each point that the profile asks for, of order 1."""


@mesh_kinds.register("tet")
class Extruded(CellKind[ColumnProblem]):
    """Columns of tetrahedra.

    Parameters
    ----------
    columns : Columns
    """

    def __init__(self, columns: Columns) -> None:
        super().__init__(columns.cells)
        self.columns = columns

    @classmethod
    def of(cls, chip: Chip) -> Self:
        """Columns of a chip; raises DeckError, MissingDependencyError."""
        profile = chip.scenario.solver
        mesh = profile.mesh if profile.order == 1 else profile.mesh.coarser()
        return cls(build_columns(chip.stack, standing_out(chip), mesh, surfaces_of(chip.scenario.cooling, chip.stack)))

    @classmethod
    def mistakes(cls, scenario: Scenario) -> list[Problem]:
        """Named faces."""
        return faces_of_a_stack(scenario)

    @classmethod
    def least_memory(cls, chip: Chip) -> float:
        """Of the fewest tetrahedra that the profile asks for. [byte]"""
        profile = chip.scenario.solver
        across = (profile.mesh if profile.order == 1 else profile.mesh.coarser()).lateral
        core = chip.stack.footprint
        shape = (core.x1 - core.x0) / (core.y1 - core.y0)
        points = across**2 * min(shape, 1 / shape) * len(chip.stack.layers)
        return points * (1 if profile.order == 1 else 4) * BYTES_PER_POINT

    @classmethod
    def judged(cls, chip: Chip, own: Answers, solve: Solve) -> Judged | None:
        """Against bricks of half the size, whose own errors are added; resolved cylinders want tetrahedra of twice the size."""
        if any(layer.cylinders for layer in chip.stack.layers):
            return super().judged(chip, own, solve)
        profile = chip.scenario.solver
        mesh = profile.mesh.finer().model_copy(update={"cells": "hex"})
        solver = profile.model_copy(update={"backend": "tensor", "order": 1, "mesh": mesh})
        on_bricks = replace(chip, scenario=chip.scenario.model_copy(update={"solver": solver}))
        bricks = Bricks.of(on_bricks)
        if bricks.memory(solver) > memory.available():
            return super().judged(chip, own, solve)
        theirs = solve(on_bricks, bricks, BESIDE)
        found = Bricks.judged(on_bricks, theirs, solve)
        if found is None:
            return super().judged(chip, own, solve)
        gap = compared(own, {"across": (1.0, own, theirs)})
        across = {name: error + found.parts["across"][name] for name, error in gap.items()}
        errors = {name: error + found.errors[name] for name, error in gap.items()}
        return replace(found, errors=errors, how=HOW["by_bricks"], parts={**found.parts, "across": across})

    def problem(self, stack: Stack, cooling: CoolingDeck) -> ColumnProblem:
        """Heat on the columns."""
        patches = {surface.name: face for surface, face in patches_of(stack, cooling)}
        return ColumnProblem(stack, self.columns, {**outer_faces(stack, cooling), **patches})

    def on_cells(self, problem: ColumnProblem, values: Floats, order: int, sources: Sequence[HeatSource]) -> SolvedCells:
        """A solved state on the tetrahedra, at their points."""
        found, columns = super().on_cells(problem, values, order, sources), self.columns
        levels = Levels(columns.z, columns.layer, columns.used // len(columns.points))
        return SolvedCells(found.mesh, found.temperature, found.power_density, levels)
