"""Kinds of mesh: bricks, extruded triangles, a mesh of the user's own, and those that other packages add."""

from __future__ import annotations

from stack3d.chip import Chip
from stack3d.errors import DeckError
from stack3d.heat.meshing.bricks import Bricks
from stack3d.heat.meshing.cell_kinds import AnyCells, Extruded, OwnMesh
from stack3d.heat.meshing.mesh_kind import AnyKind, Levels, MeshKind, SolvedCells
from stack3d.schema import OF_A_FILE, Scenario, mesh_kinds

__all__ = [
    "AnyCells",
    "AnyKind",
    "Bricks",
    "SolvedCells",
    "Extruded",
    "Levels",
    "MeshKind",
    "OwnMesh",
    "check_mesh",
    "describe",
    "kind_of",
    "mesh_kinds",
    "meshed",
]


def kind_of(scenario: Scenario) -> type[AnyKind]:
    """The kind of mesh that a scenario wants: that of its file where it has one, else the word of its profile."""
    word = OF_A_FILE if scenario.geometry.mesh is not None else scenario.solver.mesh.cells
    kind: type[AnyKind] = mesh_kinds[word]
    return kind


def meshed(chip: Chip) -> AnyKind:
    """Mesh of a chip as its geometry and its profile ask for; raises DeckError, MissingDependencyError."""
    return kind_of(chip.scenario).of(chip)


def describe(chip: Chip, body: AnyKind | None = None) -> str:
    """Size and cost of the mesh in a line; raises DeckError, MissingDependencyError where it is still to be made."""
    body, profile = body or meshed(chip), chip.scenario.solver
    unknowns, megabytes = body.unknowns(chip.stack, profile.order), body.memory(profile) / 1e6
    return f"{body.told(profile.order)}, {unknowns} unknowns, about {megabytes:.0f} MB of matrix and solver"


def check_mesh(scenario: Scenario) -> None:
    """What can be said about the mesh before it is made; raises DeckError with all of it."""
    if problems := kind_of(scenario).mistakes(scenario):
        raise DeckError(problems)
