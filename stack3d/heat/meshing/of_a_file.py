"""A mesh of the user's own."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Self

import numpy as np

from stack3d.chip.chip import Chip
from stack3d.errors import Problem, ValidityWarning, did_you_mean
from stack3d.geometry.user_mesh import read_mesh
from stack3d.heat.faces import face_of
from stack3d.heat.judging import HOW, LEFT_BY_ORDER_2, MOST_UNKNOWNS, OF_EIGHTH, Answers, Judged, judged
from stack3d.heat.meshing.any_cells import CellKind, by_region
from stack3d.heat.meshing.mesh_kind import Solve
from stack3d.layout import Stack
from stack3d.meshes import CellMesh, refined
from stack3d.schema.cooling import CoolingDeck
from stack3d.schema.numerics import OF_A_FILE, mesh_kinds
from stack3d.schema.scenario import Scenario
from stack3d.thermal.mesh_problem import CellProblem

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
        """Not known before: the file is what it is. [byte]"""
        return 0.0

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
        return CellProblem(stack, self.mesh, {n: face_of(d, areas[n], ambient) for n, d in cooling.faces.items()})


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
