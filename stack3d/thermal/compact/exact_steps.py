"""Exact steps of a compact model, row by row of a trace; SI units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.thermal.compact.compact_model import Air, CompactModel
from stack3d.thermal.compact.model_in_time import Exponentials

EQUAL = 1e-6
"""Share by which steps of one length may differ: times that were written with few digits."""
GONE = 40.0
"""Time constants after which a mode has settled to the last digit."""
GROWN = 1.25
"""Times the last instant within a step that the next one comes after it began: exponentials are linear between to 0.3 %."""


class Passed(NamedTuple):
    """What places went through in steps: their ends, and instants within those that are longer than the shortest of the model.

    Parameters
    ----------
    amplitudes : ndarray, shape (modes,)
        At the end of the last step.
    steps : ndarray of int, shape (instants,)
        Number of the step of each instant.
    since : ndarray, shape (instants,)
        Time since that began, its length at its end. [s]
    temperature : ndarray, shape (instants, places)
        [K]
    integral : ndarray, shape (places,)
        Of the temperature over all steps, exact. [K s]
    """

    amplitudes: Floats
    steps: NDArray[np.int64]
    since: Floats
    temperature: Floats
    integral: Floats


@dataclass(eq=False)
class ExactSteps:
    """Exact steps of all modes; those that settle within a step follow the power at once. Amplitudes are of the present films.

    Parameters
    ----------
    model : CompactModel
    powers : ndarray, shape (rows, sources)
        [W]
    air : Air
        Of the same rows.
    base : float
        Temperature that rises count from. [K]
    """

    model: CompactModel
    powers: Floats
    air: Air
    base: float
    _films: Floats = field(init=False)
    _modes: Exponentials = field(init=False)

    def __post_init__(self) -> None:
        self._films = self.air.films[0]
        self._modes = self.model.at(self._films)

    def even(self, temperature: float) -> Floats:
        """Amplitudes of one temperature everywhere. [K]"""
        return self._modes.still * (temperature - self.base)

    def steady(self, powers: Floats, ambient: float) -> Floats:
        """Amplitudes of the steady state of powers [W] and an ambient [K]."""
        faces = self.model.of_faces(Air(np.array(ambient), self._films), self.base)
        return self._modes.steady(np.append(powers, faces))

    def mesh_error(self, before: Floats, around: float, is_steady: bool) -> Floats:
        """Estimated error by the mesh along all rows, of a trace that begins in a steady state or at one temperature. [K]

        Parameters
        ----------
        before : ndarray, shape (sources,)
            Powers of that steady state. [W]
        around : float
            Its ambient, or the temperature. [K]
        is_steady : bool
        """
        if self.model.mesh_over_time is None:
            return np.full(len(self.model.places), np.nan)
        loads = np.hstack([self.powers, self.model.of_faces(self.air, self.base)])
        still, first = np.zeros(loads.shape[1]), self.air.films[0]
        if is_steady:
            return self.model.mesh_over_time.along(
                loads, np.append(before, self.model.of_faces(Air(np.array(around), first), self.base)), still
            )
        even = np.append(np.zeros(before.size), first * (around - self.base))
        return self.model.mesh_over_time.along(loads, still, even)

    def shown(self, amplitudes: Floats, powers: Floats) -> Floats:
        """Temperature of places. [K]"""
        return np.asarray(self.base + amplitudes @ self._modes.shown.T + powers @ self.model.bow.T)

    def on(self, amplitudes: Floats, lengths: Floats, rows: NDArray[np.int64]) -> Passed:
        """All steps, one after the other."""
        found = list[Passed]()
        for part in self._of_one_film(rows):
            amplitudes = self._in_films(self.air.films[rows[part][0]], amplitudes)
            passed = self._passed(amplitudes, lengths[part], rows[part])
            amplitudes = passed.amplitudes
            found.append(passed._replace(steps=passed.steps + part.start))
        _, steps, since, temperature, integrals = zip(*found)
        joined, when, shown = np.concatenate(steps), np.concatenate(since), np.concatenate(temperature)
        return Passed(amplitudes, joined, when, shown, np.sum(integrals, axis=0))

    def instants(self, longest: float) -> Floats:
        """Within steps up to the longest one. [s]"""
        first = self.model.shortest
        many = np.ceil(np.log(max(longest * (1 - EQUAL) / first, 1.0)) / np.log(GROWN))
        return np.asarray(first * GROWN ** np.arange(many))

    def _of_one_film(self, rows: NDArray[np.int64]) -> Iterator[slice]:
        """Stretches of rows that have the same films."""
        films, moves = self.air.films, list[int]()
        if films.strides[0]:  # else the same all along
            moves = (np.flatnonzero(np.any(films[rows[1:]] != films[rows[:-1]], axis=1)) + 1).tolist()
        for first, last in zip([0, *moves], [*moves, len(rows)]):
            yield slice(first, last)

    def _in_films(self, films: Floats, amplitudes: Floats) -> Floats:
        """The same temperatures on the modes of other films."""
        if np.array_equal(films, self._films):
            return amplitudes
        states = self._modes.modes @ amplitudes
        self._films, self._modes = films, self.model.at(films)
        return np.asarray(states @ self._modes.modes)

    def _passed(self, amplitudes: Floats, lengths: Floats, rows: NDArray[np.int64]) -> Passed:
        """Steps under the present films."""
        modes = self._modes
        settled = self._settled(rows)
        found = self._steps(amplitudes, lengths, settled)
        fallen = np.vstack([amplitudes, found[:-1]]) - settled
        shown = self.shown(settled, self.powers[rows])
        within = self.instants(float(lengths.max()))
        temperature = np.empty((len(rows), within.size + 1, shown.shape[1]))
        of_fallen = np.exp(-np.multiply.outer(modes.rates, within))[:, :, None] * modes.shown.T[:, None]
        passing = (fallen @ of_fallen.reshape(modes.rates.size, within.size * shown.shape[1])).reshape(
            temperature[:, :-1].shape
        )
        np.add(passing, shown[:, None], out=temperature[:, :-1])
        temperature[:, -1] = self.shown(found, self.powers[rows])
        since = np.column_stack([np.broadcast_to(within, (len(rows), within.size)), lengths])
        seen = since < lengths[:, None] * (1 - EQUAL)
        seen[:, -1] = True
        steps, all_of = np.nonzero(seen)[0], len(rows) * (within.size + 1)
        flat = temperature.reshape(all_of, -1) if steps.size == all_of else temperature[seen]
        if np.ptp(lengths) > 0:
            left = -(np.expm1(-np.multiply.outer(lengths, modes.rates)) * fallen).sum(axis=0)
        else:
            left = -np.expm1(-lengths[0] * modes.rates) * fallen.sum(axis=0)
        integral = lengths @ shown + (left / modes.rates) @ modes.shown.T
        return Passed(found[-1].copy(), steps, since[seen], flat, integral)

    def _settled(self, rows: NDArray[np.int64]) -> Floats:
        """Amplitudes that rows would lead to under the present films, shape (steps, modes)."""
        modes, count = self._modes, len(self.model.sources)
        air = Air(self.air.ambient[rows], self.air.films[rows])
        driven = self.powers[rows] @ modes.loads[:count] + self.model.of_faces(air, self.base) @ modes.loads[count:]
        return np.asarray(driven / modes.rates)

    def _steps(self, amplitudes: Floats, lengths: Floats, settled: Floats) -> Floats:
        """Amplitudes at the end of every step under the present films, shape (steps, modes)."""
        from scipy.signal import lfilter  # takes long to import

        rates, found = self._modes.rates, settled.copy()
        if np.ptp(lengths) <= EQUAL * lengths[0]:
            decays = np.exp(-rates * lengths.mean())
            for m in np.flatnonzero(rates * lengths[0] < GONE):
                d = decays[m]
                found[:, m], _ = lfilter([1 - d], [1, -d], settled[:, m], zi=[d * amplitudes[m]])
        else:
            decays, now = np.exp(-np.multiply.outer(lengths, rates)), amplitudes
            for i, decay in enumerate(decays):
                now = settled[i] + decay * (now - settled[i])
                found[i] = now
        return found
