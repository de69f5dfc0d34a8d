"""Matrices and loads of heat conduction: what a steady solve and steps in time share; SI units."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from stack3d.errors import DeckError
from stack3d.fe.assembly import Assembly, diffusion
from stack3d.layout import Floats
from stack3d.thermal.fem.discretised import Discretised
from stack3d.thermal.problem import HeatProblem


class Conduction:
    """-div(K grad T) = q with -n.K grad T = h (T - T_ref) - flux on cooled faces, for rises over the reference temperature.

    Parameters
    ----------
    at : Discretised
    counts : Counter, optional
        Where ``assemblies`` are counted.
    """

    def __init__(self, at: Discretised, counts: Counter[str] | None = None) -> None:
        self.at, self.space, faces = at, at.space, at.problem.faces
        u, v, ds = self.space.u, self.space.v, self.space.ds
        cooled = {name: face for name, face in faces.items() if face.film_coefficient > 0}
        self._films = {name: self.space.constant(f.film_coefficient) for name, f in cooled.items() if not f.is_fixed}
        self.assembly = Assembly(
            self.space,
            diffusion(self.space, at.conductivity),
            {name: film * u * v * ds(name) for name, film in self._films.items()},
            fixed={name: face.reference - self.reference for name, face in cooled.items() if face.is_fixed},
            counts=counts,
        )
        self._load_faces()

    @property
    def problem(self) -> HeatProblem:
        """Whose films are in the matrix."""
        problem: HeatProblem = self.at.problem
        return problem

    @property
    def reference(self) -> float:
        """Temperature that rises count from. [K]"""
        return self.problem.reference

    def _load_faces(self) -> None:
        v, ds = self.space.v, self.space.ds
        self.film_loads = {name: self.space.vector(h * v * ds(name)) for name, h in self._films.items()}
        """Film coefficient times the integral of each shape function over each face with a film, shape (own,). [W K⁻¹]"""
        self.flux_loads = {
            name: self.space.vector(self.space.constant(face.flux) * v * ds(name))
            for name, face in self.problem.faces.items()
            if face.flux and not face.is_fixed
        }
        """Load of the heat pushed into each face, shape (own,). [W]"""

    def recool(self, problem: Any) -> None:
        """Take other films, fluxes and references of the same faces; raises DeckError for faces of another kind."""
        for name, face in problem.faces.items():
            old = self.problem.faces[name]
            if (face.is_fixed, face.film_coefficient > 0) != (old.is_fixed, old.film_coefficient > 0):
                raise DeckError(f"cooling: face {name!r} changes its kind, which needs a new solver")
        self.at.problem = problem
        for name, film in self._films.items():
            film.value = problem.faces[name].film_coefficient
        for name in self.assembly.fixed_values():
            self.assembly.fix(name, problem.faces[name].reference - self.reference)
        self._load_faces()
        self.assembly.refill_surface()

    def varying_film(self, name: str, values: Floats) -> Floats:
        """Load of a film whose reference [K] is nodal, shape (own,). [W]"""
        reference = self.space.function(self.at.at_unknowns(values) - self.reference)
        return self.space.vector(self._films[name] * reference * self.space.v * self.space.ds(name))

    def lifted(self, rise: Floats) -> Floats:
        """A rise with that of the fixed faces at their unknowns, shape (own,). [K]"""
        out = np.array(rise)
        for rows, value in self.assembly.fixed_values().values():
            out[rows] = value
        return out
