"""The error of a state by the correction that the whole mesh asks for: a tested estimate; SI units."""

from __future__ import annotations

import numpy as np

from stack3d.fe.krylov import norm
from stack3d.layout import Floats
from stack3d.thermal.grid.operator import GridOperator
from stack3d.thermal.grid.solver import TensorSolver

TESTED, CLOSE = 2.0, 0.1
"""Estimated error of any node over that correction, which is found to such a share."""
MOVED = 1.2
"""Ratio of films from which on an error is tested again; until then it goes with the residual."""


class TestedError:
    """Estimated error of states of one solid; a test costs some iterations, and holds for states that follow.

    Parameters
    ----------
    varied : sequence of str
        Faces whose films may vary.
    """

    __test__ = False  # no class of tests

    def __init__(self, varied: list[str]) -> None:
        self._varied = varied
        self._known: tuple[float, Floats] | None = None

    def _films(self, solid: TensorSolver) -> Floats:
        return np.array([solid.problem.faces[name].film_coefficient for name in self._varied])

    def known(self, solid: TensorSolver, left: Floats) -> float | None:
        """Error by what a state leaves of its equations, None where films have moved since it was tested. [K]"""
        if self._known is None:
            return None
        ratio, films = self._known
        moved = np.abs(np.log(self._films(solid) / films)).max(initial=0.0)
        return TESTED * ratio * norm(left) if moved <= np.log(MOVED) else None

    def test(self, solid: TensorSolver, operator: GridOperator, left: Floats) -> tuple[float, Floats]:
        """Error by the correction that the whole mesh asks for [K], and that correction."""
        change = solid.iterate(operator, left, CLOSE).solution
        error = TESTED * float(np.abs(change).max())
        self._known = error / (norm(left) or 1.0), self._films(solid)
        return error, change
