"""k(T) on a basis: factors of all cells from the temperatures of a few of them; SI units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.materials import TemperatureLaw
from stack3d.thermal.grid.solver import TensorSolver

KEPT = 1e-5
"""Share of all factors, root mean square, that patterns which are left out may make."""
MOST_PATTERNS = 48
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


def followed_factors(solid: TensorSolver, rows: Floats, met: Floats) -> FollowedFactors:
    """Factors of a solid on a basis.

    Parameters
    ----------
    solid : TensorSolver
        Whose conductivity follows the temperature.
    rows : ndarray, shape (states, nodes)
    met : ndarray, shape (samples, states)
        Amplitudes of rises over the base that are met. [K] for states in K
    """
    import scipy.linalg

    cells, grid, base = solid.cells, solid.problem.grid, solid.base
    shape = (grid.z.size, grid.y.size, grid.x.size)
    follows = np.stack([np.broadcast_to(cells.conducts[layer].which >= 0, grid.shape[1:]) for layer in grid.layer])
    samples = np.empty((len(met), int(follows.sum())))
    for sample, amplitudes in zip(samples, met):
        rise = np.maximum((amplitudes @ rows).reshape(shape), -COLDEST * base)  # guesses may be colder than anything is
        factor = cells.conductivity_factor(grid, rise + base)
        sample[:] = factor[follows] - 1.0
    sizes, mixes = np.linalg.eigh(samples @ samples.T)
    left_out = np.cumsum(np.maximum(sizes, 0.0))
    wanted = np.flatnonzero(left_out > KEPT**2 * left_out[-1])[-MOST_PATTERNS:]
    patterns = (mixes[:, wanted] / np.sqrt(sizes[wanted])).T @ samples
    picked = scipy.linalg.qr(patterns, mode="r", pivoting=True)[1][: len(patterns)] if len(patterns) else wanted
    at = np.argwhere(follows)[picked]
    matrices = np.array([_between(solid, rows, pattern, follows) for pattern in patterns]).reshape(-1, len(rows), len(rows))
    seen = np.zeros((len(picked), len(rows)))
    for corner in _CORNERS:
        k, j, i = (at + corner).T
        seen += rows.reshape(len(rows), *shape)[:, k, j, i].T / 8
    return FollowedFactors(matrices, seen, np.linalg.inv(patterns[:, picked].T), tuple(_laws(solid, at)))


def _between(solid: TensorSolver, rows: Floats, pattern: Floats, follows: NDArray[np.bool_]) -> Floats:
    """Stiffness of a pattern of factors between states."""
    factor = np.zeros(follows.shape)
    still = solid.operator.changed(factor=factor)
    moved = factor.copy()
    moved[follows] = pattern
    changed = solid.operator.changed(factor=moved)
    shape = tuple(n + 1 for n in follows.shape)
    images = np.array([(changed.conduction(row) - still.conduction(row)).ravel() for row in rows.reshape(-1, *shape)])
    matrix = images @ rows.T
    return np.asarray(0.5 * (matrix + matrix.T))


def _laws(solid: TensorSolver, at: NDArray[np.intp]) -> Iterator[tuple[TemperatureLaw, NDArray[np.intp]]]:
    """Laws of some cells, each with those it holds in."""
    found: dict[TemperatureLaw, list[int]] = {}
    for number, (k, j, i) in enumerate(at):
        laws = solid.cells.conducts[solid.problem.grid.layer[k]]
        found.setdefault(laws.laws[int(np.broadcast_to(laws.which, solid.problem.grid.shape[1:])[j, i])], []).append(number)
    for law, numbers in found.items():
        yield law, np.array(numbers)
