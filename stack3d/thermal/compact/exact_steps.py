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


TOGETHER = 3
"""Instants of one product: modes that are gone at the first of them are left out."""


class Passed(NamedTuple):
    """What places went through in steps: their ends, and instants within those that are longer than the shortest of the model.

    Parameters
    ----------
    amplitudes : ndarray, shape (modes,)
        At the end of the last step.
    since : ndarray, shape (instants, steps)
        Time since each step began, its length at its end, which comes last and stands also for instants after it. [s]
    temperature : ndarray, shape (instants, places, steps)
        [K]
    integral : ndarray, shape (places,)
        Of the temperature over all steps, exact. [K s]
    """

    amplitudes: Floats
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
        still, first, shares = np.zeros(loads.shape[1]), self.air.films[0], self.model.shares(self.air.films)
        if is_steady:
            begun = np.append(before, self.model.of_faces(Air(np.array(around), first), self.base))
            return self.model.mesh_over_time.along(loads, begun, still, shares)
        even = np.append(np.zeros(before.size), first * (around - self.base))
        return self.model.mesh_over_time.along(loads, still, even, shares)

    def shown(self, amplitudes: Floats, powers: Floats) -> Floats:
        """Temperature of places. [K]"""
        return np.asarray(self.base + amplitudes @ self._modes.shown.T + powers @ self.model.bow.T)

    def on(self, amplitudes: Floats, lengths: Floats, rows: NDArray[np.int64]) -> Passed:
        """All steps, one after the other."""
        within = self.instants(float(lengths.max()))
        temperature = np.empty((within.size + 1, len(self.model.places), len(rows)))
        integral = np.zeros(len(self.model.places))
        for part in self._of_one_film(rows):
            amplitudes = self._in_films(self.air.films[rows[part][0]], amplitudes)
            amplitudes, more = self._passed(amplitudes, lengths[part], rows[part], temperature[..., part])
            integral += more
        since = np.vstack([np.minimum.outer(within, lengths), lengths])
        late = within[-1:] >= lengths.min() * (1 - EQUAL)
        if late.any():
            after = since[:-1] >= lengths * (1 - EQUAL)
            np.copyto(temperature[:-1], temperature[-1], where=after[:, None])
            since[:-1] = np.where(after, lengths, since[:-1])
        return Passed(amplitudes, since, temperature, integral)

    def instants(self, longest: float) -> Floats:
        """Within steps up to the longest one. [s]"""
        many = np.ceil(np.log(max(longest * (1 - EQUAL) / self.model.shortest, 1.0)) / np.log(GROWN))
        return self.first_instants(int(many))

    def first_instants(self, many: int) -> Floats:
        """So many of them. [s]"""
        return np.asarray(self.model.shortest * GROWN ** np.arange(many))

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

    def _passed(self, amplitudes: Floats, lengths: Floats, rows: NDArray[np.int64], out: Floats) -> tuple[Floats, Floats]:
        """Steps under the present films: amplitudes at their end, and integrals of places [K s].

        Parameters
        ----------
        amplitudes : ndarray, shape (modes,)
        lengths : ndarray, shape (steps,)
            [s]
        rows : ndarray of int, shape (steps,)
        out : ndarray, shape (instants, places, steps)
            Takes the temperatures. [K]
        """
        modes = self._modes
        settled = self._settled(rows)
        found = self._steps(amplitudes, lengths, settled)
        fallen = np.column_stack([amplitudes, found[:, :-1]])
        fallen -= settled
        powers = self.powers[rows].T
        shown, out[-1] = (self.base + modes.shown @ each + self.model.bow @ powers for each in (settled, found))
        within = self.first_instants(len(out) - 1)
        for first in range(0, within.size, TOGETHER):
            part = slice(first, min(first + TOGETHER, within.size))
            lasting = np.searchsorted(modes.rates, GONE / within[first])
            weights = modes.shown[:, :lasting] * np.exp(-np.multiply.outer(within[part], modes.rates[:lasting]))[:, None]
            into = out[part].reshape(-1, len(rows))
            np.matmul(weights.reshape(len(into), lasting), fallen[:lasting], out=into)
        out[:-1] += shown
        if np.ptp(lengths) > 0:
            left = -(np.expm1(-np.multiply.outer(modes.rates, lengths)) * fallen).sum(axis=1)
        else:
            left = -np.expm1(-lengths[0] * modes.rates) * fallen.sum(axis=1)
        return found[:, -1].copy(), shown @ lengths + modes.shown @ (left / modes.rates)

    def _settled(self, rows: NDArray[np.int64]) -> Floats:
        """Amplitudes that rows would lead to under the present films, shape (modes, steps)."""
        modes = self._modes
        air = Air(self.air.ambient[rows], self.air.films[rows])
        driven = np.vstack([self.powers[rows].T, self.model.of_faces(air, self.base).T])
        return np.asarray((modes.loads / modes.rates).T @ driven)

    def _steps(self, amplitudes: Floats, lengths: Floats, settled: Floats) -> Floats:
        """Amplitudes at the end of every step under the present films, shape (modes, steps)."""
        from scipy.signal import lfilter  # takes long to import

        rates, found = self._modes.rates, settled.copy()
        if np.ptp(lengths) <= EQUAL * lengths[0]:
            decays = np.exp(-rates * lengths.mean())
            for m in np.flatnonzero(rates * lengths[0] < GONE):
                d = decays[m]
                found[m], _ = lfilter([1 - d], [1, -d], settled[m], zi=[d * amplitudes[m]])
        else:
            decays, now, towards = np.exp(-np.multiply.outer(lengths, rates)), amplitudes, np.ascontiguousarray(settled.T)
            for i, decay in enumerate(decays):
                towards[i] += decay * (now - towards[i])
                now = towards[i]
            found = np.ascontiguousarray(towards.T)
        return found
