"""Multigrid with z-line smoothing: preconditioner for layers of different footprints and materials; SI units."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.fe.krylov import Apply
from stack3d.layout import Floats
from stack3d.thermal.grid.coarse_levels import coarse_lines, coarsened
from stack3d.thermal.grid.faces import fixed_nodes
from stack3d.thermal.grid.operator import GridOperator

COARSEST = 64
"""Lateral nodes at which a level is solved directly."""
AT_ONCE = 300_000
"""Size of a field up to which it stays in the cache, so that it is not worked on plane by plane. [byte]"""
LINE_SPECTRUM = (0.4, 3.0)
"""Interval of eigenvalues, scaled by the lines, that smoothing damps. No element exceeds 3 (stiffness of a cell stretched in
the plane; a mass matrix reaches 9/4), so that smoothing always contracts; the lower end is chosen by iteration counts."""


class LineSolver:
    """Tridiagonal part of an operator along z, factorised for all columns of nodes.

    Parameters
    ----------
    operator : GridOperator
    free : ndarray of bool, shape (nz+1, ny+1, nx+1)
        Nodes that are solved; the others get zero.
    """

    def __init__(self, operator: GridOperator, free: NDArray[np.bool_]) -> None:
        diagonal, off = operator.lines()
        diagonal[~free] = np.inf
        off[~(free[1:] & free[:-1])] = 0.0
        for k in range(off.shape[0]):
            lower = off[k] / diagonal[k]
            diagonal[k + 1] -= off[k] * lower
            off[k] = lower
        self._lower = off
        self._inverse = np.reciprocal(diagonal, out=diagonal)

    def of_few_digits(self) -> LineSolver:
        """The same for columns of single precision."""
        other = copy.copy(self)
        other._lower, other._inverse = self._lower.astype(np.float32), self._inverse.astype(np.float32)
        return other

    def solve(self, load: Floats, left: Floats, then: Callable[[int | slice], None]) -> None:
        """Solve every column for a load minus what stands in `left`, into `left`.

        Parameters
        ----------
        load, left : ndarray, shape (nz+1, ny+1, nx+1)
        then : callable
            Goes on with a plane, or with all, while it is in the cache.
        """
        lower, last = self._lower, len(left) - 1
        work, at_once = np.empty_like(left[0]), left.nbytes <= AT_ONCE
        if at_once:
            np.subtract(load, left, out=left)
        for k in range(last + 1):
            if not at_once:
                np.subtract(load[k], left[k], out=left[k])
            if k:
                np.multiply(lower[k - 1], left[k - 1], out=work)
                left[k] -= work
        if at_once:
            left *= self._inverse
        for k in range(last, -1, -1):
            if not at_once:
                left[k] *= self._inverse[k]
            if k < last:
                np.multiply(lower[k], left[k + 1], out=work)
                left[k] -= work
            if not at_once and k < last:
                then(k + 1)  # the plane below needed it as it was
        then(slice(None) if at_once else 0)


class LateralMultigrid:
    """Symmetric V-cycle over laterally coarsened grids: heat crosses thin layers along lines that are solved exactly.

    Lines along z go where elements are flat beside their width; those between layers stay.

    Parameters
    ----------
    operator : GridOperator
    degree : int
        Line solves before and after each coarse correction.
    """

    def __init__(self, operator: GridOperator, *, degree: int = 2) -> None:
        self.degree = degree
        self.levels: list[_Level] = [_Level(operator)]
        while True:
            grid = self.levels[-1].operator.problem.grid
            if grid.x.size * grid.y.size <= COARSEST:
                break
            kept = coarse_lines(self.levels[-1].operator, few=COARSEST)
            if kept is None:
                break
            self.levels[-1].between = tuple(map(_Between, (grid.z, grid.y, grid.x), kept))
            self.levels.append(_Level(coarsened(self.levels[-1].operator, *kept)))
        self._direct = _factorised(self.levels[-1])

    def of_few_digits(self) -> LateralMultigrid:
        """The same in single precision, for a method that does not mind what that leaves."""
        other = copy.copy(self)
        other.levels = [level.of_few_digits() for level in self.levels]
        return other

    def solve(self, load: Floats) -> Floats:
        """Approximate solution for a load on the finest grid, zero at nodes that are not free."""
        kind = self.levels[0].kind
        if load.dtype == kind:
            return self._cycle(0, load).copy()
        size = float(np.abs(load).max()) or 1.0  # few digits have a small range, too
        return self._cycle(0, (load / size).astype(kind)).astype(load.dtype) * size

    def _cycle(self, depth: int, load: Floats) -> Floats:
        """Approximate solution on a level; that of the next cycle takes its place."""
        level = self.levels[depth]
        if depth == len(self.levels) - 1:
            return self._direct(load)
        x, left, _ = level.room
        level.smooth(load, self.degree, begins=True)
        level.residual(load)
        left *= level.keep
        coarse = left
        for axis, lines in enumerate(level.between):
            coarse = lines.gathered(coarse, axis)
        coarse *= self.levels[depth + 1].keep
        correction = self._cycle(depth + 1, coarse)
        for axis in (2, 1, 0):
            correction = level.between[axis].spread(correction, axis)
        correction *= level.keep
        x += correction
        level.smooth(load, self.degree)
        return np.asarray(x)


class _Level:
    def __init__(self, operator: GridOperator) -> None:
        self.operator = operator
        self.free = operator.solid_nodes()
        for nodes in fixed_nodes(operator.problem).values():
            self.free &= ~nodes
        self.lines = LineSolver(operator, self.free)
        self.between: tuple[_Between, ...] = ()
        self.kind: Any = np.float64

    def of_few_digits(self) -> _Level:
        """The same for fields of single precision."""
        other, few = copy.copy(self), np.float32
        for name in ("room", "keep"):
            other.__dict__.pop(name, None)
        other.kind, other.operator, other.lines = few, self.operator.of_few_digits(), self.lines.of_few_digits()
        other.between = tuple(lines.of_few_digits() for lines in self.between)
        return other

    @cached_property
    def keep(self) -> Floats:
        """One at nodes that are solved, else zero."""
        return self.free.astype(self.kind)

    @cached_property
    def room(self) -> Floats:
        """Solution, what it leaves, and last step of a cycle, which are made once: fresh memory costs as much as a sweep."""
        return np.zeros((3, *self.free.shape), self.kind)

    def residual(self, load: Floats) -> None:
        """Load minus operator; values at nodes that are not free mean nothing."""
        x, left, _ = self.room
        self.operator.apply(x, left)
        np.subtract(load, left, out=left)

    def smooth(self, load: Floats, degree: int, *, begins: bool = False) -> None:
        """Chebyshev iteration of the line solver, from nothing where it `begins`."""
        low, high = LINE_SPECTRUM
        centre, half = 0.5 * (high + low), 0.5 * (high - low)
        x, left, step = self.room
        rho = half / centre

        def first(at: int | slice) -> None:
            np.divide(left[at], centre, out=step[at])
            if begins:
                x[at] = step[at]
            else:
                x[at] += step[at]

        def further(at: int | slice) -> None:
            now = step[at]
            now *= rho_next * rho
            left[at] *= 2 * rho_next / half
            now += left[at]
            x[at] += now

        if begins:
            left[...] = 0.0
        else:
            self.operator.apply(x, left)
        self.lines.solve(load, left, first)
        for _ in range(degree - 1):
            rho_next = 1 / (2 * centre / half - rho)
            self.operator.apply(x, left)
            self.lines.solve(load, left, further)
            rho = rho_next


class _Between:
    """Linear interpolation from the lines that are kept to all, and its transpose.

    Parameters
    ----------
    fine : ndarray, shape (lines,)
        Ascending. [m]
    kept : ndarray of int, shape (kept lines,)
        Which of them are kept, the first and the last among them.
    """

    def __init__(self, fine: Floats, kept: NDArray[np.intp]) -> None:
        rough, at = fine[kept], np.arange(fine.size)
        right = np.clip(np.searchsorted(kept, at), 1, kept.size - 1)
        gap = rough[right] - rough[right - 1]
        share = np.divide(fine - rough[right - 1], gap, out=(at == kept[right]).astype(float), where=gap > 0)
        weights = np.zeros((fine.size, rough.size))
        weights[at, right - 1] = 1 - share
        weights[at, right] = share
        self._to_fine, self._to_rough = _few_of_each_row(weights), _few_of_each_row(weights.T)

    def of_few_digits(self) -> _Between:
        """The same for fields of single precision."""
        other, few = copy.copy(self), np.float32
        other._to_fine = [(some, at, share.astype(few)) for some, at, share in self._to_fine]
        other._to_rough = [(some, at, share.astype(few)) for some, at, share in self._to_rough]
        return other

    def spread(self, values: Floats, axis: int) -> Floats:
        """Values at the fine lines, of three axes of which one counts lines."""
        return _summed(values, self._to_fine, axis)

    def gathered(self, values: Floats, axis: int) -> Floats:
        """The transpose of `spread`."""
        return _summed(values, self._to_rough, axis)


Shares = list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[Any]]]
"""Each adds, for some lines of the result, a share of the line with some number; the first does for all, most of them whole."""


def _few_of_each_row(weights: Floats) -> Shares:
    """What differs from zero in the rows of a matrix, of which each has a few entries, the largest of each first."""
    order, counts = np.argsort(-weights, axis=1, kind="stable"), np.count_nonzero(weights, axis=1)
    rows = [np.flatnonzero(counts > n) for n in range(counts.max())]
    return [(some, at := order[some, n], weights[some, at]) for n, some in enumerate(rows)]


def _summed(values: Floats, shares: Shares, axis: int) -> Floats:
    """Sums of shares of lines along an axis; the values themselves where no line went."""
    (_, at, share), *more = shares
    if not more:
        return values
    found = np.take(values, at, axis=axis)
    (some,) = np.nonzero(share != 1)
    across = (1,) * (2 - axis)
    found[_at(some, axis)] *= share[some].reshape(-1, *across)
    for some, at, share in more:
        part = np.take(values, at, axis=axis)
        part *= share.reshape(-1, *across)
        found[_at(some, axis)] += part
    return np.asarray(found)


def _at(lines: NDArray[np.intp], axis: int) -> tuple[slice | NDArray[np.intp], ...]:
    return *(slice(None),) * axis, lines


def _factorised(level: _Level) -> Apply:
    from scipy.sparse import diags
    from scipy.sparse.linalg import splu

    free = level.free.ravel()
    keep = diags(free.astype(float))
    matrix = (keep @ level.operator.matrix() @ keep + diags((~free).astype(float))).tocsc()
    factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})

    def solve(load: Floats) -> Floats:
        found = factor.solve((load * level.free).ravel().astype(np.float64, copy=False))
        return np.asarray(found, load.dtype).reshape(load.shape)

    return solve
