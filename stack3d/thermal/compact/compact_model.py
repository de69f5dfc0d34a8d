"""A compact model: its names, its ranges, and what it answers; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.errors import RangeError, UnknownNameError, brief
from stack3d.layout import Floats
from stack3d.thermal.compact.mesh_over_time import MeshOverTime, shares_of
from stack3d.thermal.compact.model_in_time import Exponentials, ModelInTime
from stack3d.thermal.compact.steady_model import SteadyModel
from stack3d.thermal.time.schedule import PowerSchedule

SLACK = 1e-9
"""Share by which a value may lie outside its range: rounding of units."""
SHORTER = 0.999
"""Share of the shortest time of a model below which a step is too short for it."""


@dataclass(frozen=True, eq=False)
class FilmFace:
    """A face of a compact model as its scenario has it.

    Parameters
    ----------
    name : str
    film : float
        [W m⁻² K⁻¹]
    reference : float or None
        Temperature of its coolant; None = ambient. [K]
    flux : float
        [W m⁻²]
    """

    name: str
    film: float
    reference: float | None
    flux: float


@dataclass(frozen=True, eq=False)
class Air:
    """What a trace is surrounded by, row by row.

    Parameters
    ----------
    ambient : ndarray, shape (rows,)
        [K]
    films : ndarray, shape (rows, faces)
        [W m⁻² K⁻¹]
    """

    ambient: Floats
    films: Floats


@dataclass(frozen=True, eq=False)
class SteadyAnswer:
    """Temperatures of places and how far they can be off.

    Parameters
    ----------
    places : tuple of str
    temperature : ndarray, shape (places,)
        [K]
    bound : ndarray, shape (places,)
        Against a full solve on the same mesh: a bound, no estimate. [K]
    """

    places: tuple[str, ...]
    temperature: Floats
    bound: Floats


@dataclass(frozen=True, eq=False)
class CompactModel:
    """Temperature of named places for powers, films and ambient in stated ranges.

    Parameters
    ----------
    sources, places : tuple of str
        Places are the sources' own means, then probes.
    powers : ndarray, shape (sources,)
        Of the scenario. [W]
    faces : tuple of FilmFace
        All that are cooled or heated, but for one of fixed temperature.
    fixed : float or None
        Temperature of the faces that are held at one. [K]
    varied : tuple of str
        Faces whose films may vary.
    highest : ndarray, shape (varied,)
        [W m⁻² K⁻¹]
    ambient : (float, float, float)
        Of the scenario, lowest and highest. [K]
    bow : ndarray, shape (places, sources)
        What elements cannot hold of the mean of a heated box. [K W⁻¹]
    steady : SteadyModel
    in_time : ModelInTime or None
    shortest : float
        Time from which on `in_time` holds. [s]
    mesh_error : ndarray, shape (places,)
        Estimated error of the mesh itself at the scenario's powers, NaN where there is none. [K]
    mesh_over_time : MeshOverTime or None
        That of its responses; None without a model over time.
    """

    sources: tuple[str, ...]
    places: tuple[str, ...]
    powers: Floats
    faces: tuple[FilmFace, ...]
    fixed: float | None
    varied: tuple[str, ...]
    highest: Floats
    ambient: tuple[float, float, float]
    bow: Floats
    steady: SteadyModel
    in_time: ModelInTime | None
    shortest: float
    mesh_error: Floats
    mesh_over_time: MeshOverTime | None = None

    def solve(
        self,
        powers: Mapping[str, float] | None = None,
        *,
        films: Mapping[str, float] | None = None,
        ambient: float | None = None,
    ) -> SteadyAnswer:
        """Steady temperatures and their bound.

        Parameters
        ----------
        powers : mapping of str to float, optional
            Of sources, those of the scenario where absent. [W]
        films : mapping of str to float, optional
            Of faces, those of the scenario where absent. [W m⁻² K⁻¹]
        ambient : float, optional
            That of the scenario by default. [K]

        Raises
        ------
        UnknownNameError
            For a source or a face that is not there.
        RangeError
            Outside the ranges that the model was made for.
        """
        heated = self.heated(powers or {})
        h, base = self.films(films or {}), self.base(ambient)
        rise, bound = self.steady.answer(self.of_varied(h), self.loads(heated, h, ambient)[None])
        return SteadyAnswer(self.places, base + rise[0] + self.bow @ heated, bound[0])

    def heated(self, powers: Mapping[str, float]) -> Floats:
        """Power of every source. [W]"""
        self._known(powers, self.sources, "source")
        return np.array([float(powers.get(name, own)) for name, own in zip(self.sources, self.powers)])

    def films(self, films: Mapping[str, float]) -> Floats:
        """Film of every face; raises RangeError outside the ranges. [W m⁻² K⁻¹]"""
        self._known(films, [face.name for face in self.faces], "face")
        limits = dict(zip(self.varied, zip(self.steady.lowest, self.highest)))
        found = [float(films.get(face.name, face.film)) for face in self.faces]
        for face, film in zip(self.faces, found):
            low, high = limits.get(face.name, (face.film, face.film))
            check_range(f"film of {face.name}", film, low, high, "W/m^2/K")
        return np.array(found)

    def of_varied(self, films: Floats) -> Floats:
        """Films of the faces that vary, among those of all. [W m⁻² K⁻¹]"""
        names = [face.name for face in self.faces]
        return np.array([max(films[names.index(name)], low) for name, low in zip(self.varied, self.steady.lowest)])

    def base(self, ambient: float | None) -> float:
        """Temperature that rises count from; raises RangeError for an ambient outside its range. [K]"""
        given, low, high = self.ambient
        check_range("ambient", given if ambient is None else ambient, low, high, "K")
        return self.fixed if self.fixed is not None else given if ambient is None else ambient

    def loads(self, powers: Floats, films: Floats, ambient: float | None) -> Floats:
        """Powers of sources, then heat into faces while they have the temperature of `base`. [W], [W m⁻²]"""
        air = np.array(self.ambient[0] if ambient is None else ambient)
        return np.append(powers, self.of_faces(Air(air, films), self.base(ambient)))

    def of_faces(self, air: Air, base: float) -> Floats:
        """Heat into each face while it has the temperature `base` [K], shape (rows, faces). [W m⁻²]"""
        given = [(face.reference, air.ambient) for face in self.faces]
        references = [around if own is None else np.full_like(around, own) for own, around in given]
        rise = np.stack(references, axis=-1) - base if references else np.zeros_like(air.films)
        return np.asarray(air.films * rise + [face.flux for face in self.faces])

    def air(self, rows: int, films: Mapping[str, float | Floats], ambient: float | Floats | None) -> Air:
        """What surrounds each row of a trace; raises as `films` and `base` do.

        Parameters
        ----------
        rows : int
        films : mapping of str to float or ndarray, shape (rows,)
            Of faces, those of the scenario where absent. [W m⁻² K⁻¹]
        ambient : float or ndarray, shape (rows,), optional
            That of the scenario by default. [K]
        """
        around = np.asarray(self.ambient[0] if ambient is None else ambient)
        for worst in (np.min, np.max):
            self.films({name: float(worst(film)) for name, film in films.items()})
            check_range("ambient", float(worst(around)), *self.ambient[1:], "K")
        columns = [np.broadcast_to(films.get(face.name, face.film), rows) for face in self.faces]
        h = np.stack(columns, axis=-1) if films else np.broadcast_to(self.films({}), (rows, len(columns)))
        return Air(np.broadcast_to(around, rows), h)

    def schedule(self, times: Floats, values: Floats, blocks: Sequence[str], period: float | None) -> PowerSchedule:
        """Powers of all sources over time, from those of some; the others keep the power of the scenario.

        Parameters
        ----------
        times : ndarray, shape (n,)
            Start of each step, ascending from 0. [s]
        values : ndarray, shape (n, blocks)
            [W]
        blocks : sequence of str
            Sources that `values` are of.
        period : float or None
            [s]

        Raises
        ------
        UnknownNameError
            For a source that the model does not have.
        """
        self._known(dict.fromkeys(blocks, 0.0), self.sources, "source")
        powers = np.tile(self.powers, (len(times), 1))
        powers[:, [self.sources.index(name) for name in blocks]] = values
        return PowerSchedule(np.asarray(times, dtype=float), powers, period)

    def exponentials(self, films: Mapping[str, float] | None = None) -> Exponentials:
        """The model over time with some films; raises RangeError, also for a model of steady states alone."""
        return self.at(self.films(films or {}))

    def at(self, films: Floats) -> Exponentials:
        """The model over time with a film for each face [W m⁻² K⁻¹]; raises RangeError for one of steady states alone."""
        return self.over_time().at(self.of_varied(films))

    def over_time(self) -> ModelInTime:
        """What the model has for times; raises RangeError for one of steady states alone."""
        if self.in_time is None:
            raise RangeError("the compact model is one of steady states; make it with compact.shortest to follow a trace")
        return self.in_time

    def check_step(self, seconds: float) -> None:
        """Raise RangeError for a step of a trace that is shorter than the model holds for."""
        if seconds < SHORTER * self.shortest:
            raise RangeError(f"a step of the trace takes {seconds:g} s; the compact model holds from {self.shortest:g} s on")

    def told(self) -> list[str]:
        """Ranges and errors in lines."""
        ranges = [f"{name} {a:g} to {b:g} W/m2/K" for name, a, b in zip(self.varied, self.steady.lowest, self.highest)]
        over_time = []
        if self.in_time is not None:
            share = f"{100 * self.in_time.estimate:.2g} %"
            over_time = [f"over time          {share} of the largest response (estimate), from {self.shortest:g} s on"]
        if self.mesh_over_time is not None:
            off = self.mesh_error_over_time().max()
            over_time.append(f"mesh over time     {off:.2g} K while powers come and go up to the scenario's (estimate)")
        return [
            f"films              {', '.join(ranges) or 'as in the scenario'}",
            f"ambient            {self.ambient[1]:g} to {self.ambient[2]:g} K",
            f"unknowns           {self.steady.loads.shape[1]}",
            f"bound              {self.solve().bound.max():.2g} K at the scenario's powers and films, against the mesh",
            *over_time,
            f"error of the mesh  {self.mesh_error.max():.2g} K (estimate)",
        ]

    def mesh_error_over_time(self, films: Mapping[str, float] | None = None) -> Floats:
        """Estimated error by the mesh while powers come and go up to the scenario's, NaN where there is none. [K]"""
        if self.mesh_over_time is None:
            return np.full(len(self.places), np.nan)
        loads, shares = np.append(self.powers, np.zeros(len(self.faces))), self.shares(self.films(films or {})[None])
        return self.mesh_over_time.along(np.array([loads, 0 * loads]), 0 * loads, 0 * loads, shares)

    def shares(self, films: Floats) -> tuple[float, float]:
        """Where films of faces, shape (rows, faces) [W m⁻² K⁻¹], lie in their ranges, 0 to 1, at least and at most."""
        ends = np.array([self.of_varied(pick(films, axis=0)) for pick in (np.min, np.max)])
        return shares_of(ends, self.steady.lowest, self.highest)

    def _known(self, given: Mapping[str, float], names: Sequence[str], what: str) -> None:
        for name in given:
            if name not in names:
                raise UnknownNameError(f"the compact model has no {what} {brief(name)}; it has {', '.join(names)}")


def check_range(what: str, value: float, low: float, high: float, unit: str) -> None:
    """Raise RangeError outside a range of a compact model.

    Parameters
    ----------
    what : str
    value, low, high : float
        [unit]
    unit : str
    """
    if not low * (1 - SLACK) <= value <= high * (1 + SLACK):
        bounds = f"{low:g} {unit} alone" if low == high else f"{low:g} to {high:g} {unit}"
        raise RangeError(f"{what} = {value:g} {unit} lies outside the compact model, which was made for {bounds}")
