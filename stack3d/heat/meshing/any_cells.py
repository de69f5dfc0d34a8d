"""Cells of one kind with a region for each layer: what a mesh from elsewhere has to give, and nothing more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from stack3d.chip.chip import Chip
from stack3d.errors import DeckError, Problem
from stack3d.heat.faces import face_of
from stack3d.heat.judging import HOW, OF_HALF, OF_TWICE, Answers, Judged, Other, judged
from stack3d.heat.meshing.mesh_kind import MATRIX_MEMORY, MeshKind, Solve, SolvedCells
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.meshes import CellMesh
from stack3d.schema.cooling import CoolingDeck
from stack3d.schema.numerics import SolverDeck
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import SolidBackend
from stack3d.thermal.mesh_problem import CellProblem, MeshProblem


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

    def unknowns(self, stack: Stack, order: int) -> int:
        """Nodes of Lagrange elements."""
        return self.mesh.unknowns(order)

    def memory(self, profile: SolverDeck) -> float:
        """Of matrix and solver. [byte]"""
        return self.mesh.unknowns(profile.order) * (27 if profile.order == 1 else 65) * MATRIX_MEMORY

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
        geometry = scenario.geometry
        tiers = geometry.tiers.layers if geometry.tiers else ()
        for layer in (*geometry.layers, *geometry.below, *tiers, *geometry.above):
            for key in ("blocks", "channels", "contact_resistance"):
                if getattr(layer, key):
                    problems.append(Problem("geometry", f"{key} of layer {layer.name!r} want solver.mesh.cells: hex"))
            if layer.role == "rram":
                problems.append(Problem("geometry", f"tier {layer.name!r} wants maps: solver.mesh.cells: hex or tet"))
        return problems

    def problem(self, stack: Stack, cooling: CoolingDeck) -> CellProblem:
        """Heat on the cells; raises DeckError for a cooled face that the mesh does not have."""
        conditions = cooling.conditions
        area = {name: self.mesh.face_areas.get(name, 0.0) for name in conditions}
        lacking = [n for n, deck in conditions.items() if deck.is_cooled and not area[n]]
        if lacking:
            raise DeckError([Problem(f"cooling.{n}", "the mesh has no such face, so nothing can cool it") for n in lacking])
        return CellProblem(stack, self.mesh, {n: face_of(d, area[n], cooling.ambient) for n, d in conditions.items()})


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
