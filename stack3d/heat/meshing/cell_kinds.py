"""Cells that DOLFINx solves on: columns of tetrahedra, a mesh of the user's own, cells from elsewhere."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from stack3d.chip import Chip
from stack3d.errors import DeckError, Problem, ValidityWarning, did_you_mean
from stack3d.geometry import build_columns, cells_objection, expected_points, moved_columns, read_mesh
from stack3d.heat.loads import face_of, outer_areas, outer_faces, patches_of, standing_out, surfaces_of
from stack3d.heat.meshing.bricks import Bricks, heeded
from stack3d.heat.meshing.judging import (
    HOW,
    LEFT_BY_ORDER_2,
    MOST_UNKNOWNS,
    OF_EIGHTH,
    OF_HALF,
    OF_TWICE,
    Answers,
    Judged,
    Other,
    Pair,
    compared,
    judged,
)
from stack3d.heat.meshing.mesh_kind import MATRIX_MEMORY, Levels, MeshKind, Solve, SolvedCells, faces_of_a_stack
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.meshes import CellMesh, Columns, refined
from stack3d.schema import OF_A_FILE, CoolingDeck, Scenario, SolverDeck, mesh_kinds
from stack3d.thermal import CellProblem, ColumnProblem, MeshProblem, SolidBackend, SteadyRates, rates_of_elements

BESIDE = 3
"""Number under which the solver of the bricks is kept; `Bricks.judged` has those before."""
ENTRIES = {1: 27, 2: 65}
"""Of a row of the matrix, by the order of the elements."""
PER_POINT = 4
"""Unknowns of order 2 for each point of tetrahedra, with `SAFE` before them: in thin layers they are few."""
SAFE = 1.5
"""Points over those that sizes tell of: these were 0.69 to 1.35 of what Gmsh made of the shipped stacks and of cylinders."""
OF_JUDGES = 2.2
"""Memory of tetrahedra with those of twice the size and of half the height that judge them, over that of their own."""
OF_GMSH = 30e6
"""Memory of Gmsh while it makes cylinders, beyond what goes with their points. [byte]"""


class CellKind[P: MeshProblem](MeshKind[P]):
    """Cells that DOLFINx solves on.

    Parameters
    ----------
    mesh : CellMesh
    """

    def __init__(self, mesh: CellMesh) -> None:
        self.mesh = mesh

    @classmethod
    def judged(cls, chip: Chip, own: Answers, solve: Solve) -> Judged | None:
        """Twice the size, and half the height where one element is as tall as its layer."""
        rough = _on_twice(chip)
        body, flat = cls.of(rough), _flatter(rough, chip)
        coarse = solve(rough, body, 0)
        parts = {"across": (OF_TWICE, own, coarse)}
        if flat is not None:
            parts["upright"] = OF_HALF, coarse, solve(flat, cls.of(flat), 1)
        return judged(own, parts, HOW["coarser"], Other(rough, body, 0, coarse))

    @classmethod
    def pairs(cls, chip: Chip) -> list[Pair]:
        """As `judged` has them."""
        rough = _on_twice(chip)
        body, flat = cls.of(rough), _flatter(rough, chip)
        found = [Pair(OF_TWICE, (chip, cls.of(chip)), (rough, body))]
        return found if flat is None else [*found, Pair(OF_HALF, (rough, body), (flat, cls.of(flat)))]

    def unknowns(self, stack: Stack, order: int) -> int:
        """Nodes of Lagrange elements."""
        return self.mesh.unknowns(order)

    def memory(self, profile: SolverDeck) -> float:
        """Of matrix and solver. [byte]"""
        return self.mesh.unknowns(profile.order) * ENTRIES[profile.order] * MATRIX_MEMORY

    def told(self, order: int) -> str:
        """How many cells."""
        return f"{len(self.mesh.cells)} {'hexahedra' if self.mesh.kind == 'hexahedron' else 'tetrahedra'} of order {order}"

    def cells(self, stack: Stack, cooling: CoolingDeck) -> CellMesh:
        """As they are."""
        return self.mesh

    def solver(self, problem: P, profile: SolverDeck, counts: Counter[str]) -> SolidBackend:
        """DOLFINx on the cells."""
        from stack3d.thermal.fem.solver_of_cells import solver_of_cells

        linear = profile.linear
        return solver_of_cells(
            problem,
            order=profile.order,
            method=linear.method,
            preconditioner=linear.preconditioner,
            tolerance=linear.tolerance,
            max_iterations=linear.max_iterations,
            counts=counts,
        )

    def on_cells(self, problem: P, values: Floats, order: int, sources: Sequence[HeatSource]) -> SolvedCells:
        """A solved state on the cells, at their points."""
        temperature = problem.at_nodes(values, order)[: self.mesh.n_nodes]
        return SolvedCells(self.mesh, temperature, problem.cell_powers(sources) / problem.volumes)


def _on_twice(chip: Chip) -> Chip:
    """The same chip with elements of twice the size in its profile."""
    profile = chip.scenario.solver
    mesh = profile.mesh.coarser().model_copy(update={"sides": max(6, profile.mesh.sides // 2)})
    solver = profile.model_copy(update={"mesh": mesh, "backend": "fem"})
    return replace(chip, scenario=chip.scenario.model_copy(update={"solver": solver}))


def _flatter(rough: Chip, fine: Chip) -> Chip | None:
    """`rough` with elements of half the height where one is as tall as its layer, so that nothing coarser shows its error."""
    profile = rough.scenario.solver
    if fine.scenario.solver.mesh.per_layer // profile.order > 1:
        return None
    mesh = profile.mesh.model_copy(update={"per_layer": 2 * profile.order, "aspect": 0.5 * profile.mesh.aspect})
    return replace(rough, scenario=rough.scenario.model_copy(update={"solver": profile.model_copy(update={"mesh": mesh})}))


class AnyCells(CellKind[CellProblem]):
    """Cells of a kind that another package adds: regions named as the layers, faces ``top``, ``bottom`` and ``sides``.

    Such cells are asked layer by layer: sources heat whole layers, and there are neither maps nor tiles.
    """

    @classmethod
    def mistakes(cls, scenario: Scenario) -> list[Problem]:
        """Whatever asks for a part of a layer, or for lines."""
        problems = by_region(scenario, "such a mesh")
        for key in ("patches", "faces"):
            if key in scenario.cooling.model_fields_set:
                problems.append(Problem(f"cooling.{key}", "does not go with such a mesh, which has top, bottom and sides"))
        if scenario.geometry.parts:
            problems.append(Problem("geometry.parts", "want solver.mesh.cells: hex or tet"))
        for layer in scenario.geometry.every_layer:
            for key in ("blocks", "channels", "contact_resistance"):
                if getattr(layer, key):
                    problems.append(Problem("geometry", f"{key} of layer {layer.name!r} want solver.mesh.cells: hex"))
            if layer.role == "rram":
                problems.append(Problem("geometry", f"tier {layer.name!r} wants maps: solver.mesh.cells: hex or tet"))
        return problems

    def objection(self, chip: Chip) -> str | None:
        """What is wrong with the cells, or keeps them from filling the layers; raises DeckError for order 2 on bricks."""
        if chip.scenario.solver.order == 2 and getattr(self.mesh, "kind", "") == "hexahedron":
            text = f"2 wants tetrahedra; the {mesh_kinds.told(type(self))} makes hexahedra, which have order 1"
            raise DeckError(Problem("solver.order", text))
        asked = [name for name, deck in chip.scenario.cooling.conditions.items() if not deck.is_adiabatic]
        areas = outer_areas(chip.stack)
        return cells_objection(self.mesh, chip.stack, {name: areas[name] for name in asked})

    def problem(self, stack: Stack, cooling: CoolingDeck) -> CellProblem:
        """Heat on the cells, whose faces have the areas of those of the stack."""
        conditions, area = cooling.conditions, outer_areas(stack)
        return CellProblem(
            stack, self.mesh, {n: face_of(d, area[n], cooling.ambient, f"cooling.{n}") for n, d in conditions.items()}
        )


def by_region(scenario: Scenario, whose: str) -> list[Problem]:
    """Keys that ask for a part of a layer or region, or for the lines of bricks."""
    problems = [
        Problem(key, f"does not go with {whose}, which has neither tiers nor a grid")
        for key in ("workload", "maps")
        if getattr(scenario, key) is not None
    ]
    if scenario.solver.backend == "tensor":
        problems.append(Problem("solver.backend", f"tensor wants the lines of a stack; {whose} wants fem or auto"))
    if scenario.solver.linear.preconditioner == "grid":
        problems.append(
            Problem("solver.linear.preconditioner", "grid wants the lines of a stack; take auto, gamg, icc or jacobi")
        )
    for i, source in enumerate(scenario.power.sources if scenario.power else ()):
        if source.x is not None or source.y is not None:
            problems.append(Problem(f"power.sources[{i}]", f"heats a whole region of {whose}; leave out x and y"))
    return problems


def _on_bricks(chip: Chip) -> Chip:
    """The same chip on bricks of half the size of its tetrahedra."""
    profile = chip.scenario.solver
    mesh = profile.mesh.finer().model_copy(update={"cells": "hex"})
    solver = profile.model_copy(update={"backend": "tensor", "order": 1, "mesh": mesh})
    return replace(chip, scenario=chip.scenario.model_copy(update={"solver": solver}))


@mesh_kinds.register("tet")
class Extruded(CellKind[ColumnProblem]):
    """Columns of tetrahedra.

    Parameters
    ----------
    columns : Columns
    """

    follows_parts = True

    def __init__(self, columns: Columns) -> None:
        super().__init__(columns.cells)
        self.columns = columns

    @classmethod
    def of(cls, chip: Chip) -> Self:
        """Columns of a chip; raises DeckError, MissingDependencyError."""
        profile = chip.scenario.solver
        mesh = profile.mesh if profile.order == 1 else profile.mesh.coarser()
        surfaces = surfaces_of(chip.scenario.cooling, chip.stack)
        return cls(build_columns(chip.stack, standing_out(chip), mesh, surfaces, heeded(chip)))

    @classmethod
    def mistakes(cls, scenario: Scenario) -> list[Problem]:
        """Named faces."""
        return faces_of_a_stack(scenario)

    @classmethod
    def least_memory(cls, chip: Chip) -> float:
        """Of the tetrahedra that the profile will make, as sizes tell, and of what judges them. [byte]"""
        profile = chip.scenario.solver
        mesh = profile.mesh if profile.order == 1 else profile.mesh.coarser()
        surfaces = surfaces_of(chip.scenario.cooling, chip.stack)
        points = SAFE * expected_points(chip.stack, standing_out(chip), mesh, surfaces, heeded(chip))
        own = points * (ENTRIES[1] if profile.order == 1 else PER_POINT * ENTRIES[2]) * MATRIX_MEMORY
        if any(layer.cylinders for layer in chip.stack.layers):
            return OF_GMSH + OF_JUDGES * own
        return own + Bricks.least_memory(_on_bricks(chip))

    @classmethod
    def judged(cls, chip: Chip, own: Answers, solve: Solve) -> Judged | None:
        """Against bricks of half the size, whose own errors are added; resolved cylinders want tetrahedra of twice the size."""
        if any(layer.cylinders for layer in chip.stack.layers):
            return super().judged(chip, own, solve)
        on_bricks = _on_bricks(chip)
        bricks = Bricks.of(on_bricks)
        if not bricks.fits(on_bricks.scenario.solver):
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

    def moved(self, chip: Chip, carry: Callable[[Floats, int], Floats]) -> Extruded:
        """Points that move with the edges of parts."""
        columns = self.columns
        points = np.column_stack([carry(columns.points[:, axis], axis) for axis in (0, 1)])
        return Extruded(moved_columns(columns, chip.stack, points, carry(columns.z, 2), chip.scenario.solver.mesh.sides))

    def rates(self, problem: ColumnProblem, profile: SolverDeck, sources: Sequence[HeatSource]) -> SteadyRates:
        """By DOLFINx."""
        return rates_of_elements(self.solver(problem, profile, Counter()), sources)

    def on_cells(self, problem: ColumnProblem, values: Floats, order: int, sources: Sequence[HeatSource]) -> SolvedCells:
        """A solved state on the tetrahedra, at their points."""
        found, columns = super().on_cells(problem, values, order, sources), self.columns
        levels = Levels(columns.z, columns.layer, columns.used // len(columns.points))
        return SolvedCells(found.mesh, found.temperature, found.power_density, levels)


LARGEST, SMALLEST = 1.0, 1e-6
"""A part larger or smaller than this has the wrong unit, most likely. [m]"""


@mesh_kinds.register(OF_A_FILE)
class OwnMesh(CellKind[CellProblem]):
    """The mesh of a file, with the regions and faces that it names."""

    @classmethod
    def of(cls, chip: Chip) -> Self:
        """The mesh of the geometry deck; raises DeckError."""
        return cls(read_mesh(chip.scenario.geometry))

    @classmethod
    def least_memory(cls, chip: Chip) -> float:
        """Of the cells of the file, and of what judges them: elements of the other order, or each cell cut in eight. [byte]"""
        mesh, order = read_mesh(chip.scenario.geometry), chip.scenario.solver.order
        own = mesh.unknowns(order) * ENTRIES[order] * MATRIX_MEMORY
        if mesh.kind == "hexahedron":
            return own if 9 * len(mesh.cells) > MOST_UNKNOWNS else 9 * own
        judge = 3 - order
        return own if mesh.node_count(2) > MOST_UNKNOWNS else own + mesh.unknowns(judge) * ENTRIES[judge] * MATRIX_MEMORY

    @classmethod
    def mistakes(cls, scenario: Scenario) -> list[Problem]:
        """What wants a stack, faces that the mesh does not have, and what wants elements of another kind."""
        mesh, cooling = read_mesh(scenario.geometry), scenario.cooling
        if not SMALLEST <= (size := float(np.ptp(mesh.points, axis=0).max())) <= LARGEST:
            text = f"geometry.mesh: the part is {size:.3g} m long; is geometry.mesh_unit the unit of the file?"
            warnings.warn(ValidityWarning(text), stacklevel=2)
        problems = by_region(scenario, "a mesh of your own")
        for key in ("top", "bottom", "sides", "patches"):
            if key in cooling.model_fields_set:
                problems.append(Problem(f"cooling.{key}", "is a face of a stack; a mesh of your own has cooling.faces by name"))
        problems += _faces(cooling, mesh)
        if scenario.solver.order == 2 and mesh.kind == "hexahedron":
            problems.append(Problem("solver.order", "2 wants tetrahedra; the mesh has hexahedra"))
        for i, probe in enumerate(scenario.probes):
            if probe.z is None:
                problems.append(Problem(f"probes[{i}].z", "is missing: a region has no mid-plane"))
        return problems

    @classmethod
    def pairs(cls, chip: Chip) -> list[Pair]:
        """None: the mesh is the user's."""
        return []

    @classmethod
    def judged(cls, chip: Chip, own: Answers, solve: Solve) -> Judged | None:
        """Tetrahedra of the other order, or hexahedra cut in eight; None where these are too many."""
        mesh, profile = cls.of(chip).mesh, chip.scenario.solver
        if mesh.kind == "hexahedron":
            if 9 * len(mesh.cells) > MOST_UNKNOWNS:  # a cell more than eight, for the outside
                return None
            return judged(own, {"all": (OF_EIGHTH, own, solve(chip, cls(refined(mesh)), 0))}, HOW["finer"])
        if mesh.node_count(2) > MOST_UNKNOWNS:
            return None
        other = profile.model_copy(update={"order": 3 - profile.order})
        by_order = replace(chip, scenario=chip.scenario.model_copy(update={"solver": other}))
        weight = (1.0 if profile.order == 1 else LEFT_BY_ORDER_2) / (1.0 - LEFT_BY_ORDER_2)
        return judged(own, {"all": (weight, own, solve(by_order, cls(mesh), 0))}, HOW["other_order"])

    def problem(self, stack: Stack, cooling: CoolingDeck) -> CellProblem:
        """Heat on the mesh."""
        areas, ambient = self.mesh.face_areas, cooling.ambient
        return CellProblem(
            stack, self.mesh, {n: face_of(d, areas[n], ambient, f"cooling.faces.{n}") for n, d in cooling.faces.items()}
        )


def _faces(cooling: CoolingDeck, mesh: CellMesh) -> list[Problem]:
    """Cooled faces that the mesh does not have, or has inside."""
    problems = []
    outside = {mesh.faces[i] for i in set(mesh.face.tolist())}
    for name in cooling.faces:
        if name not in mesh.faces:
            known = ", ".join(mesh.faces) or "none; in Gmsh, make a physical surface of each"
            message = f"the mesh has no face {name!r}{did_you_mean(name, mesh.faces)}; faces: {known}"
            problems.append(Problem(f"cooling.faces.{name}", message))
        elif name not in outside:
            message = f"face {name!r} lies inside the mesh; only outer faces are cooled"
            problems.append(Problem(f"cooling.faces.{name}", message))
    return problems
