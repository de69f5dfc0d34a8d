"""Faces whose film depends on their own temperature, settled with the heat of the solid; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import SolverError
from stack3d.fixed_points import Pass, Until, fixed_point
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.backend import Recoolable, SolidBackend, ThermalSolution
from stack3d.thermal.problem import FilmLaw, HeatProblem

FILMS = Until(1e-7, 50)
"""Relative change of films."""


_FilmTrial = tuple[Mapping[str, float], Floats | None]
"""Films that a pass begins with, none for those of the problem, and a field to begin at."""


def surface_temperature(law: FilmLaw, flux: float, reference: float) -> float:
    """Temperature at which a film carries a heat flux [W m⁻²] to its reference. [K]"""
    from scipy.optimize import brentq

    def excess(temperature: float) -> float:
        return law(temperature) * (temperature - reference) - flux

    span = 1.0 if flux >= 0 else -1.0
    while excess(reference + span) * span < 0 and reference + 2 * span > 1.0 and span < 1e6:
        span *= 2
    if excess(reference + span) * span < 0:
        raise SolverError(f"no temperature of a face lets {flux:.3g} W/m2 pass to {reference - ZERO_CELSIUS:.4g} degC")
    return float(brentq(excess, *sorted((reference, reference + span)), xtol=1e-10))


class SettledBackend:
    """A backend whose films follow the mean temperature of their own face.

    Parameters
    ----------
    backend : Recoolable
    laws : mapping of str to FilmLaw
        By face.

    Notes
    -----
    One film per face, at the temperature at which that film carries the heat of the face: exact for a uniform face, and for
    radiation of a face whose temperature varies by ΔT low by about (ΔT/T)² of it.
    """

    def __init__(self, backend: Recoolable, laws: Mapping[str, FilmLaw]) -> None:
        self.backend, self.laws = backend, dict(laws)

    @property
    def problem(self) -> HeatProblem:
        """With the films of the last solve."""
        return self.backend.problem

    def unchecked(self) -> SettledBackend:
        """Itself: checks cost little here."""
        return self

    def roughly(self) -> SettledBackend:
        """Itself."""
        return self

    def held_at(self, means: Mapping[str, float]) -> SolidBackend:
        """Of the solid alone."""
        return self.backend.held_at(means)

    def solve(self, sources: Sequence[HeatSource], *, guess: Floats | None = None) -> ThermalSolution:
        """Steady temperature with settled films; raises SolverError when they do not settle."""

        def once(trial: _FilmTrial) -> Pass[_FilmTrial, ThermalSolution]:
            films, guess = trial
            if films:
                self.backend = self.backend.recooled(self.problem.with_films(films))
            problem = self.problem
            solution = self.backend.solve(sources, guess=guess)
            films = {}
            for name, law in self.laws.items():
                face = problem.faces[name]
                films[name] = law(surface_temperature(law, solution.face_heat[name] / problem.area(name), face.reference))
            change = max(abs(film / problem.faces[name].film_coefficient - 1) for name, film in films.items())
            return Pass(solution, change, (films, solution.field.values))

        first: _FilmTrial = ({}, guess)
        found = fixed_point(first, once, FILMS, what=f"films of {', '.join(self.laws)}", unit="of them")
        return replace(found.answer, statistics={**found.answer.statistics, "film_passes": found.passes})
