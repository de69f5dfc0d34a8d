"""Steady heat by few unknowns where conductivity follows the temperature: the loop of k(T) on a basis; SI units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stack3d.fe.corrections import Left, corrected
from stack3d.fe.krylov import norm
from stack3d.layout import Floats
from stack3d.thermal.compact.span import Span
from stack3d.thermal.compact.tested_error import TestedError
from stack3d.thermal.grid.operator import GridOperator
from stack3d.thermal.grid.solver import TensorSolver

SETTLED = 1e-8
"""Relative residual, on the basis, of states with k(T)."""
CLOSE = 0.2
"""Share by which films may differ from those that the matrix of corrections was made with: beyond it corrections go astray."""
MOST_JOINED = 12
"""Corrections that join the basis, at most."""


class Settled(NamedTuple):
    """A state with its conductivities.

    Parameters
    ----------
    rise : ndarray, shape (nz+1, ny+1, nx+1)
        Of all nodes. [K]
    operator : GridOperator
        There.
    estimate : float
        Tested error of any node. [K]
    updates : int
        Of k(T).
    """

    rise: Floats
    operator: GridOperator
    estimate: float
    updates: int


class FollowedConductivity:
    """States with k(T) on a basis that corrections join, where the whole mesh asks for more than is allowed.

    Parameters
    ----------
    span : Span
        Of the same solid at 300 K.
    tested : TestedError
    """

    def __init__(self, span: Span, tested: TestedError) -> None:
        self.span, self.tested = span, tested
        self._begin(np.empty(0))

    def _begin(self, films: Floats) -> None:
        """Forget the state and the matrix of other films."""
        self._amplitudes, self._films = np.zeros(self.span.count), films
        self._matrix: Floats | None = None

    def settled(self, solid: TensorSolver, load: Floats, share: float) -> Settled:
        """State for a load, with an error below a `share` of its largest rise unless `MOST_JOINED` do not reach that.

        Raises
        ------
        UncorrectedError
            Where no state settles.
        """
        films = np.array([face.film_coefficient for face in solid.problem.faces.values()])
        if films.size != self._films.size or np.any(np.abs(films - self._films) > CLOSE * self._films):
            self._begin(films)
        updates = 0
        for _ in range(MOST_JOINED):
            found, left = self._on_basis(solid, load)
            updates += found.updates
            allowed = share * float(np.abs(found.rise).max())
            known = self.tested.known(solid, left)
            if known is not None and known <= allowed:
                return found._replace(estimate=known, updates=updates)
            error, change = self.tested.test(solid, found.operator, left)
            if error <= allowed or not self.span.join(change.ravel()):
                break
            self._border(found.operator, left.shape)
        return found._replace(estimate=error, updates=updates)

    def _on_basis(self, solid: TensorSolver, load: Floats) -> tuple[Settled, Floats]:
        """State that leaves nothing on the basis, its error not known yet, and what it leaves of its equations."""
        rows, grid = self.span.rows, solid.problem.grid
        scale = norm(rows @ solid.restrict(load).ravel()) or 1.0
        rise, operator, defect = load, solid.operator, load

        def left(amplitudes: Floats) -> Left:
            nonlocal rise, operator, defect
            rise = (amplitudes @ rows).reshape(load.shape)
            operator = solid.operator.changed(factor=solid.cells.conductivity_factor(grid, rise + solid.base))
            defect = solid.restrict(load - operator.apply(rise))
            residual = rows @ defect.ravel()
            return Left(residual, norm(residual) / scale)

        def refill() -> None:
            applied = np.array([operator.apply(row.reshape(load.shape)).ravel() for row in rows])
            self._matrix = applied @ rows.T

        def correct(residual: Floats, gain: float) -> tuple[Floats, int]:
            if self._matrix is None:
                refill()
            return np.linalg.solve(self._matrix, residual), 0  # type: ignore[arg-type]  # made just above

        found = corrected(self._amplitudes, left, correct, tolerance=SETTLED, what="k(T)", refill=refill)
        self._amplitudes = found.state
        return Settled(rise, operator, np.nan, found.updates), defect

    def _border(self, operator: GridOperator, shape: tuple[int, ...]) -> None:
        """Take the vector that joined last into the matrix."""
        self._amplitudes = np.append(self._amplitudes, 0.0)
        if self._matrix is not None:
            row = self.span.rows @ operator.apply(self.span.rows[-1].reshape(shape)).ravel()
            self._matrix = np.block([[self._matrix, row[:-1, None]], [row[None]]])
