"""Exact steps of a compact model, row by row of a trace; SI units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.thermal.compact.compact_model import Air, CompactModel
from stack3d.thermal.compact.model_in_time import Exponentials

EQUAL = 1e-6
"""Share by which steps of one length may differ: times that were written with few digits."""
GONE = 40.0
"""Time constants after which a mode has settled to the last digit."""


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

    def shown(self, amplitudes: Floats, powers: Floats) -> Floats:
        """Temperature of places. [K]"""
        return np.asarray(self.base + amplitudes @ self._modes.shown.T + powers @ self.model.bow.T)

    def on(self, amplitudes: Floats, lengths: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Amplitudes at the end, and temperatures of places at the end of every step, shape (steps, places)."""
        shown = []
        for part in self._of_one_film(rows):
            amplitudes = self._in_films(self.air.films[rows[part][0]], amplitudes)
            found = self._steps(amplitudes, lengths[part], rows[part])
            amplitudes = found[-1].copy()
            shown.append(self.shown(found, self.powers[rows[part]]))
        return amplitudes, np.concatenate(shown)

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

    def _steps(self, amplitudes: Floats, lengths: Floats, rows: NDArray[np.int64]) -> Floats:
        """Amplitudes at the end of every step under the present films, shape (steps, modes)."""
        from scipy.signal import lfilter  # takes long to import

        modes, count = self._modes, len(self.model.sources)
        air = Air(self.air.ambient[rows], self.air.films[rows])
        driven = self.powers[rows] @ modes.loads[:count] + self.model.of_faces(air, self.base) @ modes.loads[count:]
        driven /= modes.rates
        if np.ptp(lengths) <= EQUAL * lengths[0]:
            decays = np.exp(-modes.rates * lengths.mean())
            for m in np.flatnonzero(modes.rates * lengths[0] < GONE):
                d = decays[m]
                driven[:, m], _ = lfilter([1 - d], [1, -d], driven[:, m], zi=[d * amplitudes[m]])
        else:
            decays, now = np.exp(-np.multiply.outer(lengths, modes.rates)), amplitudes
            for i, decay in enumerate(decays):
                now = driven[i] + decay * (now - driven[i])
                driven[i] = now
        return driven
