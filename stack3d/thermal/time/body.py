"""A body that stores and conducts heat, and the conditions on its faces, as steps in time see them; SI units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from stack3d.layout import Floats, HeatSource
from stack3d.thermal.fields.field import Field
from stack3d.thermal.places import Place
from stack3d.thermal.problem import Face, HeatProblem


class Boundary(NamedTuple):
    """What a state says of its faces.

    Parameters
    ----------
    films : mapping of str to float
        Films that follow their temperature. [W m⁻² K⁻¹]
    coolant : mapping of str to ndarray, shape (channels, lines)
        Coolant along each run of channels. [K]
    heat : mapping of str to float
        Heat leaving through each film; NaN where the temperature is fixed: that follows from its rate of change. [W]
    pushed : float
        Heat that fluxes push into faces. [W]
    """

    films: Mapping[str, float]
    coolant: Mapping[str, Floats]
    heat: Mapping[str, float]
    pushed: float


def boundary_of(
    faces: Mapping[str, Face],
    integral: Callable[[str, Floats | float], Floats],
    temperature: Floats,
    films: Mapping[str, float],
    coolant: Mapping[str, Floats],
    references: Mapping[str, Floats],
) -> Boundary:
    """What a nodal temperature says of faces; `integral` is `Body.face_integral`, `references` are nodal ones of faces.

    Parameters
    ----------
    faces : mapping of str to Face
    integral : callable
        `Body.face_integral`: face, values at nodes → their integral by node.
    temperature : ndarray
        Of all nodes, in the shape of the body. [K]
    films : mapping of str to float
        Of faces, where they are not those of `faces`. [W m⁻² K⁻¹]
    coolant : mapping of str to ndarray
        By run of channels, shape (channels, lines). [K]
    references : mapping of str to ndarray
        Of faces, by node, where they are not those of `faces`. [K]
    """
    heat, pushed = {}, 0.0
    for name, face in faces.items():
        film = films.get(name, face.film_coefficient)
        heat[name] = float("nan") if face.is_fixed else 0.0
        if film > 0 and not face.is_fixed:
            heat[name] = film * float(integral(name, temperature - references.get(name, np.asarray(face.reference))).sum())
        if face.flux and not face.is_fixed:
            pushed += face.flux * float(integral(name, 1.0).sum())
    return Boundary(films, coolant, heat, pushed)


class Body(Protocol):
    """Stiffness K and mass M of a solid at the nodes of its mesh, all in an array of one shape, void ones included."""

    base: float
    """Temperature that rises count from. [K]"""
    most_iterations: int
    is_linear: bool
    """Whether neither conductivity nor heat capacity depends on temperature anywhere."""

    @property
    def problem(self) -> HeatProblem:
        """Whose films are in K."""

    def rise(self, temperature: float | Floats) -> Floats:
        """Rise at the nodes of a temperature: a number, or the values of a field. [K]"""

    def field(self, rise: Floats) -> Field:
        """Temperature of a rise."""

    def observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        """Rise at the places for that at the nodes."""

    def load(self, sources: Sequence[HeatSource]) -> Floats:
        """Load of sources. [W]"""

    def face_integral(self, name: str, values: Floats | float = 1.0, out: Floats | None = None) -> Floats:
        """Integrals over a face of shape functions times a nodal field, added to `out` if given. [m²] for values of 1"""

    def restrict(self, values: Floats) -> Floats:
        """Zero at void and fixed nodes."""

    def lift(self) -> Floats:
        """Rise of the fixed nodes."""

    def properties_at(self, rise: Floats) -> None:
        """Take k(T) into K and c(T) into M."""

    def films(self, films: Mapping[str, float]) -> None:
        """Take other films of the same faces into K. [W m⁻² K⁻¹]"""

    def stiffness(self, rise: Floats) -> Floats:
        """K u."""

    def stored(self, rise: Floats) -> Floats:
        """Heat stored over that at the base, at the nodes: integrals of c(T). [J]"""

    def mass(self, change: Floats) -> Floats:
        """M times a change. [J]"""

    def precondition(self, rate: float, load: Floats) -> Floats:
        """About (K + rate M)⁻¹ times a load."""

    def solve(self, rate: float, load: Floats, rtol: float) -> tuple[Floats, int]:
        """(K + rate M)⁻¹ times a load to a relative residual, and iterations."""

    @property
    def statistics(self) -> dict[str, Any]:
        """``backend``, ``unknowns``, ``factorisations``."""


class WeighedBody(Body, Protocol):
    """A body that also says how places see its nodes."""

    def weights(self, places: Sequence[Place]) -> Iterator[Floats]:
        """Weights of places on the nodes, one place at a time: their product with a rise is the rise of the place."""

    def bow(self, sources: Sequence[HeatSource], places: Sequence[Place]) -> Floats:
        """What elements cannot hold of the mean of a heated box, shape (places, sources). [K W⁻¹]"""
