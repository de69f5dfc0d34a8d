"""Fast diagonalisation: direct solution of separable trilinear systems on a graded tensor grid; SI units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from stack3d.grids import Grid
from stack3d.layout import Floats
from stack3d.thermal.problem import ThermalProblem

KEPT = 4
"""Lines whose modes are kept: those along x and y of a mesh, and of one that judges it."""
AT_ONCE = 100_000
"""Values on their way from modes to nodes: small planes go together, large ones each on its own."""


@dataclass(frozen=True, eq=False)
class LateralModes:
    """Eigenpairs of the 1-D stiffness and mass matrices of linear elements on graded lines.

    Parameters
    ----------
    values : ndarray, shape (m,)
        Ascending. [m⁻²]
    vectors : ndarray, shape (n, m)
        One mode per column, of unit mass; zero on fixed end nodes. [m⁻¹ᐟ²]
    """

    values: Floats
    vectors: Floats

    @classmethod
    def of(cls, lines: Floats, *, film_ratio: float = 0.0) -> LateralModes:
        """Modes on `lines`, both ends with film coefficient over conductivity `film_ratio`; infinite fixes them. [m⁻¹]

        Those of the last lines are kept: heights and rates of change of one grid, and flatter elements, share them.
        """
        return _modes_of(lines.tobytes(), film_ratio)

    @classmethod
    def solved(cls, lines: Floats, film_ratio: float) -> LateralModes:
        """The same anew."""
        width = np.diff(lines)
        n = lines.size
        stiffness, mass = np.zeros((n, n)), np.zeros((n, n))
        i = np.arange(n - 1)
        for matrix, diagonal, off in ((stiffness, 1 / width, -1 / width), (mass, width / 3, width / 6)):
            matrix[i, i] += diagonal
            matrix[i + 1, i + 1] += diagonal
            matrix[i, i + 1] = matrix[i + 1, i] = off
        free = slice(1, n - 1) if np.isinf(film_ratio) else slice(0, n)
        if np.isfinite(film_ratio):
            stiffness[0, 0] += film_ratio
            stiffness[-1, -1] += film_ratio
        # NumPy's own eigh: importing SciPy's takes longer than all the rest of a small solve.
        inverse = np.linalg.inv(np.linalg.cholesky(mass[free, free]))
        values, inner = np.linalg.eigh(inverse @ stiffness[free, free] @ inverse.T)
        vectors = np.zeros((n, values.size))
        vectors[free] = inverse.T @ inner
        return cls(np.maximum(values, 0.0), vectors)


@dataclass(frozen=True, eq=False)
class SeparableLayers:
    """Coefficients of every z cell of a laterally uniform stack, and its faces.

    Parameters
    ----------
    thickness : ndarray, shape (nz,)
        0 for a contact. [m]
    conductivity_x, conductivity_y, capacity : ndarray, shape (nz,)
        [W m⁻¹ K⁻¹], [J m⁻³ K⁻¹]
    conductance : ndarray, shape (nz,)
        kz / thickness, or 1 / contact resistance. [W m⁻² K⁻¹]
    bottom, top : float
        Film coefficients; infinite fixes the temperature. [W m⁻² K⁻¹]
    side_ratio_x, side_ratio_y : float
        Film coefficient of the sides over kx and over ky; infinite fixes the temperature. [m⁻¹]
    """

    thickness: Floats
    conductivity_x: Floats
    conductivity_y: Floats
    capacity: Floats
    conductance: Floats
    bottom: float
    top: float
    side_ratio_x: float = 0.0
    side_ratio_y: float = 0.0

    @classmethod
    def of(cls, problem: ThermalProblem, lateral: Floats, capacity: Floats, contact: Floats) -> SeparableLayers:
        """From one (kx, ky, kz), shape (n_layers, 3), heat capacity and contact conductance per layer.

        The sides are exact where kx and ky are the same in all layers; otherwise their mean over the height stands in.

        Parameters
        ----------
        problem : ThermalProblem
        lateral : ndarray, shape (n_layers, 3)
            Conductivities along x, y, z. [W m⁻¹ K⁻¹]
        capacity : ndarray, shape (n_layers,)
            [J m⁻³ K⁻¹]
        contact : ndarray, shape (n_layers,)
            Conductance of each layer's contact. [W m⁻² K⁻¹]
        """
        grid = problem.grid
        thickness = np.diff(grid.z)
        kx, ky, kz = lateral[grid.layer].T
        safe = np.where(thickness > 0, thickness, 1.0)
        sides = problem.sides.film_coefficient
        mean_x, mean_y = thickness @ kx / thickness.sum(), thickness @ ky / thickness.sum()
        return cls(
            thickness,
            kx,
            ky,
            capacity[grid.layer],
            np.where(thickness > 0, kz / safe, contact[grid.layer]),
            problem.bottom.film_coefficient,
            problem.top.film_coefficient,
            sides / mean_x,
            sides / mean_y,
        )


class FastDiagonalisation:
    """Factorisation of a separable operator; solves for any number of loads.

    Parameters
    ----------
    grid : Grid
    layers : SeparableLayers
    rate : float
        Factor of the heat capacity, as 1/Δt in an implicit step. [s⁻¹]
    modes : pair of LateralModes (y, x), optional
        Reused when given.
    dtype : data type
        ``numpy.float32`` halves the cost where the result only preconditions.

    Notes
    -----
    The lateral modes of (K, M) in x and y turn the operator into one tridiagonal system in z per pair of modes; all are
    factorised and solved together by a loop over z [1]_.

    References
    ----------
    .. [1] R. E. Lynch, J. R. Rice, D. H. Thomas, Numer. Math. 6 (1964) 185. doi:10.1007/BF01386067
    """

    def __init__(
        self,
        grid: Grid,
        layers: SeparableLayers,
        *,
        rate: float = 0.0,
        modes: tuple[LateralModes, LateralModes] | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.modes = modes or lateral_modes(grid, layers)
        self.dtype = np.dtype(dtype)
        my, mx = self.modes
        self._vy, self._vx = (np.ascontiguousarray(m.vectors, dtype=dtype) for m in (my, mx))
        self._across_x = np.ascontiguousarray(self._vx.T)
        self.first = 1 if np.isinf(layers.bottom) else 0
        self.last = grid.z.size - (1 if np.isinf(layers.top) else 0)
        n = self.last - self.first
        shape = (my.values.size, mx.values.size)
        # Of L D Lᵀ: inverse pivots D⁻¹ and the subdiagonal of L, per pair of modes.
        self._inverse = np.empty((n, *shape), dtype=dtype)
        self._lower = np.empty((max(n - 1, 0), *shape), dtype=dtype)
        values_y, values_x = my.values[:, None], mx.values[None, :]
        film = np.zeros(n)
        if self.first == 0:
            film[0] += layers.bottom
        if self.last == grid.z.size:
            film[-1] += layers.top
        pivot, lower = np.zeros(shape), np.empty(shape)
        material, each = (np.nan, np.nan, np.nan), pivot
        for c, height in enumerate(layers.thickness):
            here = layers.conductivity_x[c], layers.conductivity_y[c], layers.capacity[c]
            if here != material:
                material, each = here, here[0] * values_x + (here[1] * values_y + rate * here[2])
            sink = each * (height / 6)
            diagonal = 2 * sink
            diagonal += layers.conductance[c]
            sink -= layers.conductance[c]
            k = c - self.first
            if k >= 0:
                pivot += diagonal
                if film[k] != 0.0:
                    pivot += film[k]
                np.divide(1.0, pivot, out=self._inverse[k], casting="same_kind")
                if k + 1 < n:
                    np.divide(sink, pivot, out=lower)
                    self._lower[k] = lower
                    np.multiply(sink, lower, out=pivot)
                    np.subtract(diagonal, pivot, out=pivot)
            else:
                pivot = diagonal
        if self.last == grid.z.size:
            pivot += film[-1]
            np.divide(1.0, pivot, out=self._inverse[-1], casting="same_kind")

    def solve(self, loads: Floats) -> Floats:
        """Nodal rise for `loads`, both of shape (…, nz+1, ny+1, nx+1); fixed nodes get zero."""
        many = np.asarray(loads).reshape(-1, *loads.shape[-3:])
        out = np.zeros(many.shape)
        for load, rise in zip(many, out, strict=True):
            free = load[self.first : self.last]
            busy = np.flatnonzero(free.any(axis=(1, 2)))
            if busy.size:
                modal = np.zeros((free.shape[0], *self._inverse.shape[1:]), dtype=self.dtype)
                modal[busy] = self.to_modes(free[busy])
                self.solve_modal(modal, start=int(busy[0]))
                self.to_nodes(modal, rise[self.first : self.last])
        return out.reshape(loads.shape)

    def to_modes(self, planes: Floats) -> Floats:
        """Modal amplitudes of planes of loads, shape (…, ny+1, nx+1) to (…, my, mx)."""
        return np.asarray(self._vy.T @ (planes.astype(self.dtype, copy=False) @ self._vx))

    def to_nodes(self, modal: Floats, out: Floats) -> None:
        """Nodal values of modal planes, shape (n, my, mx) to (n, ny+1, nx+1), so many planes at a time into `out`."""
        right = self._across_x
        n, my, mx = modal.shape
        at_once = max(1, AT_ONCE // (my * right.shape[1]))
        for begin in range(0, n, at_once):
            planes = modal[begin : begin + at_once]
            half = planes.reshape(-1, mx) @ right
            out[begin : begin + at_once] = self._vy @ half.reshape(len(planes), my, -1)

    def solve_modal(self, modal: Floats, *, start: int = 0) -> Floats:
        """Solve the tridiagonal systems in place, shape (n, my, mx) or (n, …, my, mx); planes before `start` hold zero."""
        planes, work = list(modal), np.empty_like(modal[0])
        for lower, below, above in zip(self._lower[start:], planes[start:], planes[start + 1 :]):
            np.multiply(lower, below, out=work)
            np.subtract(above, work, out=above)
        np.multiply(planes[-1], self._inverse[-1], out=planes[-1])
        for inverse, lower, below, above in zip(self._inverse[-2::-1], self._lower[::-1], planes[-2::-1], planes[:0:-1]):
            np.multiply(below, inverse, out=below)
            np.multiply(lower, above, out=work)
            np.subtract(below, work, out=below)
        return modal


@lru_cache(maxsize=KEPT)
def _modes_of(lines: bytes, film_ratio: float) -> LateralModes:
    return LateralModes.solved(np.frombuffer(lines), film_ratio)


def lateral_modes(grid: Grid, layers: SeparableLayers) -> tuple[LateralModes, LateralModes]:
    """Modes along y and x; computed once where both sets of lines agree."""
    modes_x = LateralModes.of(grid.x, film_ratio=layers.side_ratio_x)
    same = grid.x.size == grid.y.size and np.allclose(np.diff(grid.x), np.diff(grid.y), rtol=1e-12, atol=0.0)
    if same and layers.side_ratio_x == layers.side_ratio_y:
        return modes_x, modes_x
    return LateralModes.of(grid.y, film_ratio=layers.side_ratio_y), modes_x
