"""What a solver answers, and what it must be able to do."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from stack3d.layout import Floats, HeatSource
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.fields.field import Field
from stack3d.thermal.places import Place
from stack3d.thermal.problem import FilmLaw, HeatProblem
from stack3d.thermal.time.body import WeighedBody
from stack3d.thermal.time.system import PowerCourse, TransientSystem


@dataclass(frozen=True, eq=False)
class ThermalSolution:
    """Field, heat balance and solver statistics of one steady solve.

    Parameters
    ----------
    field : Field
    heat_in, heat_out : float
        Power of the sources, and net heat leaving through all faces. [W]
    face_heat : mapping
        Heat leaving through ``top``, ``bottom``, ``sides`` and each patch. [W]
    statistics : mapping
        ``backend``, ``unknowns``, ``iterations``, ``residual`` (relative), ``seconds`` by stage, …
    outlets : mapping
        Coolant temperature at the end of each channel, by patch, shape (channels,). [K]
    """

    field: Field
    heat_in: float
    heat_out: float
    face_heat: Mapping[str, float]
    statistics: Mapping[str, Any]
    outlets: Mapping[str, Floats] = dataclasses.field(default_factory=dict)

    @property
    def balance(self) -> float:
        """``|in - out| / in``; compared with the net input when there is one, else absolute. [-]"""
        scale = abs(self.heat_in) or 1.0
        return abs(self.heat_in - self.heat_out) / scale


class ThermalBackend(Protocol):
    """A solver made once per problem and used for many powers."""

    @property
    def problem(self) -> HeatProblem:
        """What it solves."""

    def solve(self, sources: Sequence[HeatSource], *, guess: Floats | None = None) -> ThermalSolution:
        """Steady temperature for these sources, begun at a `guess` [K]; raises SolverError when not converged."""

    def unchecked(self) -> ThermalBackend:
        """The same for temperatures alone, where heat through faces and the residual cost much: they may be NaN."""

    def roughly(self) -> Self:
        """The same for temperatures that are thrown away, to about four digits where fewer of them cost less."""

    def held_at(self, means: Mapping[str, float]) -> SolidBackend:
        """A solver of the solid with its present films and every conductivity held at the mean of its layer. [K]"""


class Recoolable(ThermalBackend, Protocol):
    """A solver that takes other films."""

    def recooled(self, problem: Any) -> Recoolable:
        """A solver for the same stack, grid and patches with other films and references."""


class SolidBackend(Recoolable, Protocol):
    """A solver whose films can be given another temperature, node by node, and other coefficients."""

    @property
    def counts(self) -> Counter[str]:
        """How often what was built: ``meshes`` handed over, ``assemblies`` of matrices, ``preconditioners`` set up.

        Shared by the solvers that follow from it.
        """

    def solve(
        self,
        sources: Sequence[HeatSource],
        *,
        guess: Floats | None = None,
        references: Mapping[str, Floats] | None = None,
    ) -> ThermalSolution:
        """Steady temperature for these sources.

        `guess` is a temperature near the solution, shape (nz+1, ny+1, nx+1); `references` give faces by name a reference
        temperature per node instead of one value, in a shape that broadcasts to that. [K]
        """

    def with_coolant(self, runs: Sequence[ChannelRun]) -> SolidBackend | None:
        """A solver with the coolant of channels in its equations; None where it solves the solid alone."""

    def near_with_coolant(self, runs: Sequence[ChannelRun]) -> SolidBackend | None:
        """Of one that solves the solid alone: another with about its equations and coolant in them, or None."""

    def recooled(self, problem: Any) -> SolidBackend:
        """As that of `Recoolable`."""

    def body(self) -> WeighedBody:
        """Stiffness and mass with its films, which no other solver changes; raises DeckError where it has no grid."""

    def by_models(self, kept: Any) -> SolidBackend:
        """A solver that answers by compact models of this one, kept by `KeptModels`; raises DeckError where it has no grid."""

    def system(
        self,
        sources: Sequence[HeatSource],
        places: Sequence[Place],
        *,
        rtol: float = 1e-10,
        laws: Mapping[str, FilmLaw] | None = None,
        runs: Sequence[ChannelRun] = (),
        course: PowerCourse | None = None,
    ) -> TransientSystem:
        """What steps in time see of this solver, in its cheapest form.

        Parameters
        ----------
        sources : sequence of HeatSource
        places : sequence of Place
            Whose temperature is asked.
        rtol : float
            Residual of a step over its load. [-]
        laws : mapping of str to callable, optional
            By face: films that follow the temperature of their face [K] → [W m⁻² K⁻¹].
        runs : sequence of ChannelRun
            Channels with coolant.
        course : PowerCourse, optional
            What it will be driven by: a compact model with k(T) learns along it.
        """
