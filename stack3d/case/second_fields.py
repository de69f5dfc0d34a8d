"""A second field: solved on the mesh of the heat once its temperature is known, with outputs of its own."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

from stack3d.chip import Chip
from stack3d.errors import DeckError, PackageError, Problem, brief
from stack3d.fields import Output, declared, nothing, physics
from stack3d.geometry import read_mesh
from stack3d.heat.meshing import AnyKind
from stack3d.layout import Floats
from stack3d.meshes import CellMesh
from stack3d.record import Record
from stack3d.registry import still
from stack3d.schema.base import DeckModel
from stack3d.schema.scenario import Scenario
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.problem import HeatProblem


class SecondField(Output, DeckModel):
    """A field of another package; see `fields.physics`. Its own fields are what a scenario gives under its name."""

    reference: ClassVar[str] = ""
    """Where its equation comes from."""

    def check(self, chip: Chip) -> list[Problem]:
        """Mistakes that show when its deck meets the stack; keys are those of the deck."""
        return []

    @abstractmethod
    def solve(self, chip: Chip, mesh: CellMesh, temperature: Floats, record: Record) -> None:
        """Solve it, and put its variables into the record.

        Parameters
        ----------
        chip : Chip
        mesh : CellMesh
            That of the heat: regions are layers, ``layer.block`` and ``contact_layer``; faces are ``top``, ``bottom``,
            ``sides`` and patches, or those of a mesh of the user's own. A contact is a cell of a small thickness.
        temperature : ndarray, shape (points,)
            Steady; of the first epoch with a workload, of the hottest instant over time. [K]
        record : Record

        Raises
        ------
        SolverError
        """


def _listed(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with a list of mistakes."""
    good = isinstance(found, list | tuple) and all(isinstance(one, Problem) for one in found)
    return None if good else f"{brief(found)}; wanted a list of Problem"


physics.hold(SecondField, {"check": _listed, "solve": nothing})


def faces_of(chip: Chip) -> tuple[str, ...]:
    """Faces that the mesh of a chip has by name."""
    if chip.scenario.geometry.mesh is not None:
        return read_mesh(chip.scenario.geometry).faces
    return tuple(chip.scenario.cooling.conditions)


def steps_of(scenario: Scenario) -> dict[str, SecondField]:
    """The second fields that a scenario asks for, by name."""
    return dict(scenario.physics.steps)


def check_physics(chip: Chip) -> list[Problem]:
    """Mistakes of all second fields, by the key of the scenario; raises PackageError for variables that cannot be declared."""
    declared()
    steps = steps_of(chip.scenario)
    return [replace(p, key=f"physics.{name}.{p.key}".rstrip(".")) for name, step in steps.items() for p in step.check(chip)]


def solve_physics(chip: Chip, body: AnyKind, problem: HeatProblem, solution: ThermalSolution, record: Record) -> None:
    """Solve every second field that the scenario asks for on the mesh of a solution of the heat.

    Parameters
    ----------
    chip : Chip
    body : MeshKind
        The mesh.
    problem : HeatProblem
        Of that mesh.
    solution : ThermalSolution
    record : Record
        Where they put their variables.
    """
    state = body.on_cells(problem, solution.field.values, chip.scenario.solver.order, ())
    arrays = {name: still(getattr(state.mesh, name)) for name in ("points", "cells", "region", "facets", "face")}
    mesh = replace(state.mesh, **arrays)
    for name, step in steps_of(chip.scenario).items():
        with record.made_by(physics.told(name), type(step), has_deck=True):
            try:
                step.solve(chip, mesh, still(state.temperature), record)
            except DeckError as error:
                raise DeckError([replace(p, key=f"physics.{name}.{p.key}".rstrip(".")) for p in error.problems]) from error
        if step.fields and not any(entry.path in record for entry in step.fields):
            text = f"puts none of its variables into the record: {', '.join(entry.path for entry in step.fields)}"
            raise PackageError(f"{physics.told(name)} {text}")
