"""A second field: solved on the mesh of the heat once its temperature is known, with outputs of its own."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

from stack3d.chip import Chip
from stack3d.errors import Problem
from stack3d.fields import Output
from stack3d.heat.meshing import AnyKind
from stack3d.layout import Floats
from stack3d.meshes import CellMesh
from stack3d.record import Record
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


def steps_of(scenario: Scenario) -> dict[str, SecondField]:
    """The second fields that a scenario asks for, by name."""
    return dict(scenario.physics.steps)


def check_physics(chip: Chip) -> list[Problem]:
    """Mistakes of all second fields, by the key of the scenario."""
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
    for step in steps_of(chip.scenario).values():
        step.solve(chip, state.mesh, state.temperature, record)
