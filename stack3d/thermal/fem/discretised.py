"""What conduction in DOLFINx wants to know of a heat problem on the elements of a mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from stack3d.fe.space import Space
from stack3d.layout import Floats, HeatSource
from stack3d.meshes import Ints
from stack3d.thermal.backend import SolidBackend
from stack3d.thermal.fields.field import Field
from stack3d.thermal.places import Place
from stack3d.thermal.problem import HeatProblem


class Discretised(Protocol):
    """A heat problem on elements: its coefficients, and how sources, nodal values and fields meet the unknowns."""

    problem: Any
    """A `HeatProblem`; another with the same faces may take its place."""
    space: Space
    conductivity: Any
    """Diagonal of K by axis, a coefficient of forms. [W m⁻¹ K⁻¹]"""
    follows_temperature: bool
    """Whether K does, somewhere."""

    @property
    def temperature(self) -> Any:
        """Function that a conductivity follows at each point of quadrature; asked only where one does. [K]"""

    @property
    def nodes(self) -> Ints:
        """Where each local unknown lies among all nodes of a field, those flattened."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an array with all nodes of a field."""

    @property
    def heat_capacity(self) -> Floats:
        """Of each cell of the mesh. [J m⁻³ K⁻¹]"""

    def update_conductivity(self, own: Floats) -> None:
        """Make the conductivity that of these temperatures at the unknowns of this process. [K]"""

    def load(self, sources: Sequence[HeatSource]) -> Floats:
        """Load of the sources on the unknowns of this process. [W]"""

    def at_unknowns(self, values: Floats) -> Floats:
        """Values of a field at all local unknowns, those of neighbours included."""

    def field(self, own: Floats) -> Field:
        """Field of the temperatures at the unknowns of this process, on every process. [K]"""

    def steady(self, own: Floats, sources: Sequence[HeatSource]) -> Field:
        """The same of a steady state."""

    def observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        """Gives the values of places for those at all nodes."""

    def weights(self, place: Place) -> Floats:
        """Of all nodes in the temperature of a place, in the shape of these."""

    def held_at(self, means: Mapping[str, float], tolerance: float) -> SolidBackend:
        """A solver with every conductivity held at the mean of its layer. [K]"""


def gathered(at: Discretised, own: Floats) -> Floats:
    """Values at the unknowns of all processes among all nodes of a field, zero elsewhere; on every process."""
    return at.space.gathered(own, at.nodes, at.shape)


def on_all_nodes(at: Discretised, own: Floats) -> Floats:
    """Temperatures [K] among all nodes of a field, on every process; void nodes have the reference temperature."""
    problem: HeatProblem = at.problem
    return gathered(at, own - problem.reference) + problem.reference
