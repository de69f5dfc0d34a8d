"""What every part of the program asks of a mesh; a kind of mesh is a class that answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np

from stack3d import memory
from stack3d.chip import Chip
from stack3d.errors import Problem, brief
from stack3d.geometry import cells_objection
from stack3d.heat.meshing.judging import Answers, Judged, Pair
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.meshes import CellMesh, Ints
from stack3d.schema import CoolingDeck, Scenario, SolverDeck, mesh_kinds
from stack3d.thermal import Field, HeatProblem, SolidBackend, SteadyRates, memory_in_time

MATRIX_MEMORY = 48.0
"""Per entry of a matrix with its solver; `benchmarks/thermal.py`. [byte]"""
SECONDS = 6e-8
"""Per byte of matrix and solver, for a solve and what is solved beside it for its error; `benchmarks/durations.py`. [s]"""


class Levels(NamedTuple):
    """Heights that points of a stack lie at."""

    z: Floats
    """Ascending; equal ones where a contact is. [m]"""
    layer: Ints
    """Layer of the stack between each two of them."""
    of_point: Ints


@dataclass(frozen=True, eq=False)
class SolvedCells:
    """A solved state on the cells of its mesh; contacts are cells of a small thickness.

    Parameters
    ----------
    mesh : CellMesh
    temperature : ndarray, shape (n_points,)
        [K]
    power_density : ndarray, shape (n_cells,)
        [W m⁻³]
    levels : Levels or None
        None where points lie at no levels.
    """

    mesh: CellMesh
    temperature: Floats
    power_density: Floats
    levels: Levels | None = None


Solve = Callable[[Chip, "AnyKind", int], Answers]
"""Answers of a chip on another mesh. Solvers are kept by number, so that meshes alike from case to case have the same one."""


class MeshKind[P: HeatProblem](ABC):
    """A kind of mesh, and as an instance one mesh of a chip."""

    follows_parts = False
    """Whether elements end at the edges of parts and can move with them, so that a temperature has a derivative by a size."""

    @classmethod
    @abstractmethod
    def of(cls, chip: Chip) -> Self:
        """Mesh of a chip as its geometry and its profile ask for; raises DeckError, MissingDependencyError."""

    @classmethod
    def mistakes(cls, scenario: Scenario) -> list[Problem]:
        """What in a scenario does not go with this kind; nothing is made yet."""
        return []

    def objection(self, chip: Chip) -> str | None:
        """What keeps this mesh from being solved on; asked once of a kind of another package. Raises DeckError."""
        return cells_objection(self.cells(chip.stack, chip.scenario.cooling))

    @classmethod
    def least_memory(cls, chip: Chip) -> float:
        """Of matrix and solver, as far as it is known before the mesh is made. [byte]"""
        return cls.of(chip).memory(chip.scenario.solver)

    @classmethod
    def passing_memory(cls, chip: Chip) -> float:
        """Of that, what has gone once temperatures and their errors are there, at least. [byte]"""
        return 0.0

    @classmethod
    def least_memory_in_time(cls, chip: Chip) -> float:
        """Of the solvers that a march keeps, one for each length of its steps. [byte]"""
        return memory_in_time(cls.least_memory(chip))

    @classmethod
    def least_seconds(cls, chip: Chip) -> float:
        """Of one steady solve, as far as it is known before the mesh is made. [s]"""
        return SECONDS * cls.least_memory(chip)

    @classmethod
    @abstractmethod
    def judged(cls, chip: Chip, own: Answers, solve: Solve) -> Judged | None:
        """Errors of answers by the mesh, from solutions on others; None where none can be had.

        Parameters
        ----------
        chip : Chip
        own : mapping of str to ndarray
            Its answers. [K]
        solve : callable
        """

    @classmethod
    def pairs(cls, chip: Chip) -> list[Pair]:
        """Meshes hardly larger than this one that show what it errs by, where larger ones take too long; none by default."""
        return []

    def closer(
        self, chip: Chip, field: Field, sources: Sequence[HeatSource], parts: Mapping[str, float], allowed: float, most: float
    ) -> Chip | None:
        """The chip again, meshed so that its error comes to what is allowed; None where only another profile does that.

        Parameters
        ----------
        chip : Chip
            The one to mesh; it may differ from that of this mesh in its steps.
        field : Field
            On this mesh.
        sources : sequence of HeatSource
            Its own.
        parts : mapping of str to float
            Error by what makes it, ``across`` and ``upright``; with none the mesh stays as it is. [-]
        allowed : float
            In the unit of the parts. [-]
        most : float
            Times the unknowns, at most. [-]
        """
        return None

    @abstractmethod
    def unknowns(self, stack: Stack, order: int) -> int:
        """Unknowns of elements of an order on a stack, those on faces of fixed temperature included."""

    @abstractmethod
    def memory(self, profile: SolverDeck) -> float:
        """Of matrix and solver. [byte]"""

    def seconds(self, chip: Chip) -> float:
        """Of one steady solve on one core, what is solved beside it for its error included; right to a factor of four. [s]"""
        return SECONDS * self.memory(chip.scenario.solver)

    def fits(self, profile: SolverDeck, beside: float = 0.0) -> bool:
        """Whether matrix and solver fit into the memory that there is, with some more beside them. [byte]"""
        return self.memory(profile) + beside <= memory.available()

    @abstractmethod
    def told(self, order: int) -> str:
        """Number and kind of its cells, in words."""

    def facts(self, profile: SolverDeck) -> dict[str, str]:
        """What else is told when the mesh is made."""
        return {}

    @abstractmethod
    def cells(self, stack: Stack, cooling: CoolingDeck) -> CellMesh:
        """The cells with named regions and faces, those that are cooled among them."""

    @abstractmethod
    def problem(self, stack: Stack, cooling: CoolingDeck) -> P:
        """Heat on this mesh with the conditions on its faces; raises DeckError."""

    @abstractmethod
    def solver(self, problem: P, profile: SolverDeck, counts: Counter[str]) -> SolidBackend:
        """The solver of a `problem` of this mesh that a profile asks for.

        Parameters
        ----------
        problem : HeatProblem
        profile : SolverDeck
        counts : Counter
            Where meshes, assemblies and preconditioners are counted.
        """

    def moved(self, chip: Chip, carry: Callable[[Floats, int], Floats]) -> Self:
        """The mesh of another chip whose parts lie elsewhere, of a kind that follows them.

        Parameters
        ----------
        chip : Chip
        carry : callable
            Gives, for coordinates and an axis, where these have moved to. [m]
        """
        raise NotImplementedError

    def rates(self, problem: P, profile: SolverDeck, sources: Sequence[HeatSource]) -> SteadyRates:
        """What derivatives of temperatures are taken from, of a kind that follows parts; raises DeckError."""
        raise NotImplementedError

    def begun_at(self, field: Field) -> Floats | None:
        """Values of a field of the same stack on this mesh, to begin a solve with; None where there is no quick way. [K]"""
        return None

    @abstractmethod
    def on_cells(self, problem: P, values: Floats, order: int, sources: Sequence[HeatSource]) -> SolvedCells:
        """A solved state on cells.

        Parameters
        ----------
        problem : HeatProblem
        values : ndarray
            Of the field of its solver, in a shape that only it knows. [K]
        order : int
            Of the elements.
        sources : sequence of HeatSource
            That heat it.
        """


AnyKind = MeshKind[Any]


_SOUND: WeakKeyDictionary[Chip, set[type[AnyKind]]] = WeakKeyDictionary()
"""Kinds whose mesh of a chip has been looked at: it is made more than once, its size is asked for before it is solved on."""


def _made(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with a mesh that a kind of another package has made of a chip."""
    if not isinstance(found, MeshKind):
        return f"{brief(found)}; wanted one of its own"
    sound = _SOUND.setdefault(given[0], set())
    if type(found) in sound:
        return None
    if (wrong := found.objection(given[0])) is not None:
        return f"a mesh that {wrong}"
    sound.add(type(found))
    return None


def _listed(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with a list of mistakes."""
    good = isinstance(found, list | tuple) and all(isinstance(one, Problem) for one in found)
    return None if good else f"{brief(found)}; wanted a list of Problem"


def _number(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with a size."""
    good = isinstance(found, int | float | np.number) and 0 <= found < np.inf
    return None if good else f"{brief(found)}; wanted a number of zero or more"


def _is(kind: type, words: str) -> Callable[[Any, Any], str | None]:
    return lambda given, found: None if isinstance(found, kind) else f"{brief(found)}; wanted {words}"


def _with(words: str, *names: str) -> Callable[[Any, Any], str | None]:
    return lambda given, found: None if all(hasattr(found, n) for n in names) else f"{brief(found)}; wanted {words}"


def _solved(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with a solved state on cells."""
    if not isinstance(found, SolvedCells):
        return f"{brief(found)}; wanted SolvedCells"
    for what, count in (("temperature", found.mesh.n_nodes), ("power_density", len(found.mesh.cells))):
        values = getattr(found, what)
        if np.shape(values) != (count,):
            return f"{what} of shape {np.shape(values)}; wanted ({count},)"
        if not np.isfinite(values).all():
            return f"{what} = {values[~np.isfinite(values)][0]} at {int(np.argmin(np.isfinite(values)))}; wanted finite numbers"
    return None


mesh_kinds.hold(
    MeshKind,
    {
        "of": _made,
        "mistakes": _listed,
        "least_memory": _number,
        "least_seconds": _number,
        "judged": _is(Judged | None, "what `judged` makes, or None"),  # type: ignore[arg-type]
        "unknowns": _number,
        "memory": _number,
        "seconds": _number,
        "told": _is(str, "words"),
        "facts": _is(dict, "words by name"),
        "cells": _is(CellMesh, "a CellMesh"),
        "problem": _with("a HeatProblem", "key", "faces", "reference", "area"),
        "solver": _with("a SolidBackend", "problem", "solve", "recooled"),
        "on_cells": _solved,
    },
)


def faces_of_a_stack(scenario: Scenario) -> list[Problem]:
    """Faces by name where the mesh is that of a stack."""
    if not scenario.cooling.faces:
        return []
    return [Problem("cooling.faces", "are those of a mesh of your own; a stack has top, bottom, sides and patches")]
