"""k(T) on a basis: factors of all cells from the temperatures of a few of them; SI units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.materials import TemperatureLaw
from stack3d.thermal.grid.solver import TensorSolver

KEPT = 1e-4
"""Share of all factors, root mean square, that patterns which are left out may make."""
MOST_PATTERNS = 64
"""Patterns of factors, at most."""
COLDEST = 0.5
"""Share of its base by which a solid is taken to be colder, at most."""
STEP = 0.01
"""Of the temperature in the slope of k(T). [K]"""
_CORNERS = [(k, j, i) for k in (0, 1) for j in (0, 1) for i in (0, 1)]


@dataclass(frozen=True, eq=False)
class FollowedFactors:
    r"""Stiffness that k(T) adds to that of 300 K, on the states of a basis.

    Parameters
    ----------
    matrices : ndarray, shape (patterns, states, states)
        Stiffness of each pattern of k(T) / k(300 K) - 1 between two states. [W K⁻¹] for states in K
    seen : ndarray, shape (patterns, states)
        Rise of the cells that are read, one for each pattern.
    read : ndarray, shape (patterns, patterns)
        What is read there → how much of each pattern there is.
    laws : tuple of (law, ndarray of int)
        Of the cells that are read.

    Notes
    -----
    Patterns are the largest in the factors of temperatures that were met; cells are picked so that they tell the patterns
    apart best: empirical interpolation (Chaturantabut and Sorensen 2010, doi:10.1137/090766498) with cells by pivots of
    QR (Drmač and Gugercin 2016, doi:10.1137/15M1019271).
    """

    matrices: Floats
    seen: Floats
    read: Floats
    laws: tuple[tuple[TemperatureLaw, NDArray[np.intp]], ...]

    def turned(self, modes: Floats) -> FollowedFactors:
        """The same on other states, shape (old, new)."""
        return FollowedFactors(modes.T @ self.matrices @ modes, self.seen @ modes, self.read, self.laws)

    def at(self, state: Floats, base: float) -> tuple[Floats, Floats]:
        """Stiffness beyond that of 300 K times a state, and the derivative of that, shapes (states,), (states, states)."""
        here = base + self.seen @ state
        low, now, high = (self._factors(here + step) for step in (-STEP, 0.0, STEP))
        applied = self.matrices @ state
        amounts, slopes = self.read @ (now - 1.0), self.read @ (((high - low) / (2 * STEP))[:, None] * self.seen)
        return amounts @ applied, np.tensordot(amounts, self.matrices, axes=1) + applied.T @ slopes

    def _factors(self, temperature: Floats) -> Floats:
        out = np.ones_like(temperature)
        for law, cells in self.laws:
            out[cells] = law.factor(temperature[cells])
        return out


class FactorPatterns:
    """Patterns of the factors of a solid at temperatures that were met, and their stiffness on a basis that grows.

    Parameters
    ----------
    solid : TensorSolver
        Whose conductivity follows the temperature.
    rows : ndarray, shape (states, nodes)
    met : ndarray, shape (samples, states)
        Amplitudes of rises over the base that are met. [K] for states in K
    """

    def __init__(self, solid: TensorSolver, rows: Floats, met: Floats) -> None:
        import scipy.linalg

        self._solid, grid = solid, solid.problem.grid
        conducts = solid.cells.conducts
        self._follows = np.stack([np.broadcast_to(conducts[n].which >= 0, grid.shape[1:]) for n in grid.layer])
        samples = np.array([self._sample(amplitudes @ rows) for amplitudes in met])
        sizes, mixes = np.linalg.eigh(samples @ samples.T)
        left_out = np.cumsum(np.maximum(sizes, 0.0))
        wanted = np.flatnonzero(left_out > KEPT**2 * left_out[-1])[-MOST_PATTERNS:]
        self._patterns = (mixes[:, wanted] / np.sqrt(sizes[wanted])).T @ samples
        picked = wanted
        if wanted.size:
            picked = scipy.linalg.qr(self._patterns, mode="r", pivoting=True)[1][: wanted.size]
        self._at = np.argwhere(self._follows)[picked]
        self._read = np.linalg.inv(self._patterns[:, picked].T)
        self._matrices = np.empty((wanted.size, 0, 0))

    def _sample(self, rise: Floats) -> Floats:
        """k(T) / k(300 K) - 1 of the cells in which it follows the temperature of a nodal rise."""
        solid = self._solid
        rise = np.maximum(rise.reshape(self._shape), -COLDEST * solid.base)  # guesses may be colder than anything is
        return np.asarray(solid.cells.conductivity_factor(solid.problem.grid, rise + solid.base)[self._follows] - 1.0)

    @property
    def _shape(self) -> tuple[int, ...]:
        """Of a nodal field."""
        return tuple(n + 1 for n in self._follows.shape)

    def on(self, rows: Floats) -> FollowedFactors:
        """Of the rows of the last time, and more."""
        count, size = len(self._matrices), self._matrices.shape[1]
        fresh = rows[size:].reshape(-1, *self._shape)
        still = self._images(fresh, np.zeros(self._follows.shape))
        known, self._matrices = self._matrices, np.empty((count, len(rows), len(rows)))
        self._matrices[:, :size, :size] = known
        for matrix, pattern in zip(self._matrices, self._patterns):
            factor = np.zeros(self._follows.shape)
            factor[self._follows] = pattern
            matrix[size:] = (self._images(fresh, factor) - still) @ rows.T
            matrix[:size, size:] = matrix[size:, :size].T
        seen = np.zeros((count, len(rows)))
        for corner in _CORNERS:
            k, j, i = (self._at + corner).T
            seen += rows.reshape(len(rows), *self._shape)[:, k, j, i].T / len(_CORNERS)
        return FollowedFactors(self._matrices, seen, self._read, tuple(_laws(self._solid, self._at)))

    def _images(self, rows: Floats, factor: Floats) -> Floats:
        """Heat that nodal fields drive where conductivities have some factor, shape (fields, nodes)."""
        operator = self._solid.operator.changed(factor=factor)
        return np.array([operator.conduction(row).ravel() for row in rows]).reshape(len(rows), np.prod(self._shape))


def _laws(solid: TensorSolver, at: NDArray[np.intp]) -> Iterator[tuple[TemperatureLaw, NDArray[np.intp]]]:
    """Laws of some cells, each with those it holds in."""
    found: dict[TemperatureLaw, list[int]] = {}
    for number, (k, j, i) in enumerate(at):
        laws = solid.cells.conducts[solid.problem.grid.layer[k]]
        found.setdefault(laws.laws[int(np.broadcast_to(laws.which, solid.problem.grid.shape[1:])[j, i])], []).append(number)
    for law, numbers in found.items():
        yield law, np.array(numbers)
