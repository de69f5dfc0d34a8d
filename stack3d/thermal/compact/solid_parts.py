"""What a compact model is made from: a solid, its loads and places, and the films that vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from stack3d.layout import Floats, HeatSource
from stack3d.thermal.places import Place
from stack3d.thermal.problem import HeatProblem
from stack3d.thermal.time.body import WeighedBody

SOLVE = 1e-12
"""Relative residual of the states that make a model: the bound counts what is left of them."""
MakeBody = Callable[[Mapping[str, float]], WeighedBody]
"""Films by face [W m⁻² K⁻¹] → stiffness and mass of a solid with them."""


@dataclass(eq=False)
class CompactParts:
    """A solid with films in ranges, its sources and the places that are asked.

    Parameters
    ----------
    make : callable
        Other films → body with them.
    problem : HeatProblem
    sources : sequence of HeatSource
    places : sequence of Place
        Beside the sources' own means, which come first.
    ranges : mapping of str to (float, float)
        Lowest and highest film of faces that vary. [W m⁻² K⁻¹]
    """

    make: MakeBody
    problem: HeatProblem
    sources: Sequence[HeatSource]
    places: Sequence[Place]
    ranges: Mapping[str, tuple[float, float]]
    solves: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        faces = {name: face for name, face in self.problem.faces.items() if not face.is_fixed}
        self.faces = [name for name, face in faces.items() if face.film_coefficient > 0 or face.flux]
        self.varied = [name for name in self.faces if name in self.ranges]
        self.lowest, self.highest = (np.array([self.ranges[name][i] for name in self.varied]) for i in (0, 1))
        self._at: tuple[Floats, WeighedBody] = (self.lowest, self._made(self.lowest))
        self.body = self._at[1]
        """With the lowest films."""
        self.shape = self.body.lift().shape

    def _made(self, films: Floats) -> WeighedBody:
        return self.make(dict(zip(self.varied, map(float, films))))

    def at(self, films: Floats) -> WeighedBody:
        """The body with some films, the one asked last kept. [W m⁻² K⁻¹]"""
        if np.array_equal(films, self.lowest):
            return self.body
        if not np.array_equal(films, self._at[0]):
            self._at = films, self._made(films)
        return self._at[1]

    def flat(self, nodal: Floats) -> Floats:
        """A nodal field as a vector, zero at void and fixed nodes."""
        return self.body.restrict(nodal).ravel()

    @cached_property
    def loads(self) -> Floats:
        """Of 1 W of each source, then of 1 W/m² into each face, shape (loads, nodes)."""
        heated = [self.body.load([replace(source, power=1.0)]) for source in self.sources]
        return np.array([self.flat(load) for load in (*heated, *map(self.body.face_integral, self.faces))])

    @cached_property
    def weights(self) -> Floats:
        """Of places on nodes, those of the sources' own means first, shape (places, nodes)."""
        own = self.loads[: len(self.sources)]
        return np.vstack([own, *(self.flat(w)[None] for w in self.body.weights(self.places))])

    @cached_property
    def apart(self) -> Floats:
        """Loads and weights that differ, of which answers are taken, shape (…, nodes).

        All faces together make what is 1 everywhere, which is no unknown: the last face is left out.
        """
        films = [name for name in self.faces if self.problem.faces[name].film_coefficient > 0]
        last = films[-1:] if not any(face.is_fixed for face in self.problem.faces.values()) else []
        kept = [i for i in range(len(self.loads)) if i < len(self.sources) or self.faces[i - len(self.sources)] not in last]
        return np.vstack([self.loads[kept], self.weights[len(self.sources) :]])

    def on_face(self, film: int, vector: Floats) -> Floats:
        """Integral over a face that varies of a vector's values."""
        return self.flat(self.body.face_integral(self.varied[film], vector.reshape(self.shape)))

    def stiffness(self, vector: Floats) -> Floats:
        """A(lowest) times a vector."""
        return self.flat(self.body.stiffness(vector.reshape(self.shape)))

    def mass(self, vector: Floats) -> Floats:
        """M times a vector."""
        return self.flat(self.body.mass(vector.reshape(self.shape)))

    def solve(self, films: Floats, rate: float, load: Floats, rtol: float = SOLVE, *, near: Floats | None = None) -> Floats:
        """(A + rate M)⁻¹ times a load.

        Parameters
        ----------
        films : ndarray, shape (films,)
            [W m⁻² K⁻¹]
        rate : float
            [s⁻¹]
        load : ndarray, shape (nodes,)
            [W]
        rtol : float
            Relative residual. [-]
        near : ndarray, shape (nodes,), optional
            What is known of the answer: what is left of it alone is solved for. [K]
        """
        self.solves += 1
        body, left, share = self.at(films), load, 1.0
        if near is not None:
            nodal = near.reshape(self.shape)
            left = load - self.flat(body.stiffness(nodal) + rate * body.mass(nodal))
            share = float(np.linalg.norm(left) / np.linalg.norm(load))
            if share <= rtol:
                return near
        found = self.flat(body.solve(rate, left.reshape(self.shape), rtol / share)[0])
        return found if near is None else near + found
