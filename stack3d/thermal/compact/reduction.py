"""How a steady model is made: states where the bound is largest, until it is small everywhere; SI units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats
from stack3d.thermal.compact.solid_parts import CompactParts
from stack3d.thermal.compact.span import Span
from stack3d.thermal.compact.steady_model import SteadyModel

TRIED = 200
"""Films inside their ranges at which the bound is looked at, beside the corners."""
MOST_STATES = 24
"""Films at which the solid is solved for all of its loads, at most."""


class SteadyReduction:
    """A basis of steady states, and what the residual of every answer is made of.

    Parameters
    ----------
    parts : CompactParts
    """

    def __init__(self, parts: CompactParts) -> None:
        self.parts = parts
        self.span, self.answers = (Span(parts.stiffness, parts.loads.shape[1]) for _ in range(2))
        self._fixed = np.vstack([parts.loads, parts.weights])
        self._on_faces: list[list[Floats]] = [[] for _ in parts.varied]
        self._join(parts.flat(np.ones(parts.shape)))
        self.add(parts.lowest)

    def _join(self, state: Floats) -> None:
        self.span.join(state)
        self.answers.join(state)

    def add(self, films: Floats) -> None:
        """States for every load with some films join."""
        for load in self.parts.apart:
            self._join(self.parts.solve(films, 0.0, load))

    def model(self) -> SteadyModel:
        """Of the states so far."""
        parts, span, answers = self.parts, self.span, self.answers
        for i, known in enumerate(self._on_faces):
            for mode in span.rows[len(known) :]:
                known.append(parts.on_face(i, mode))
                answers.join(parts.solve(parts.lowest, 0.0, known[-1]))
        faces = [np.array(known) for known in self._on_faces]
        on_faces = [np.array([parts.on_face(i, one) for one in answers.rows]) @ answers.rows.T for i in range(len(faces))]
        return SteadyModel(
            parts.lowest,
            np.array([face @ span.rows.T for face in faces]).reshape(-1, span.count, span.count),
            parts.loads @ span.rows.T,
            parts.weights @ span.rows.T,
            np.vstack([self._fixed, span.images, *faces]) @ answers.rows.T,
            np.array(on_faces).reshape(-1, answers.count, answers.count),
        )


def tried(lowest: Floats, highest: Floats) -> Floats:
    """Films at which the bound is looked at: corners, and points spread evenly in logarithm; shape (points, films)."""
    n = lowest.size
    if n == 0:
        return np.empty((1, 0))
    corners = np.array(np.meshgrid(*[[0.0, 1.0]] * n)).reshape(n, -1).T
    from scipy.stats import qmc  # takes long to import

    inside = qmc.Halton(n, scramble=False).random(TRIED)
    return np.asarray(lowest * (highest / lowest) ** np.vstack([corners, inside]))


def steady_reduction(
    parts: CompactParts, accuracy: float, watch: Callable[[int, float], None]
) -> tuple[SteadyReduction, SteadyModel]:
    """States join where the bound is largest until that is below `accuracy` at all films that are tried.

    Parameters
    ----------
    parts : CompactParts
    accuracy : float
        Bound of any place for 1 W of any source alone, over the largest rise that this source makes. [-]
    watch : callable
        Told of the number of solves and the bound after each state.

    Raises
    ------
    SolverError
        Where `MOST_STATES` are not enough.
    """
    reduction, points = SteadyReduction(parts), tried(parts.lowest, parts.highest)
    for _ in range(MOST_STATES):
        model = reduction.model()
        bounds = [_worst(model, films, len(parts.sources)) for films in points]
        watch(parts.solves, max(bounds))
        if max(bounds) <= accuracy:
            return reduction, model
        reduction.add(points[int(np.argmax(bounds))])
    raise SolverError(f"the compact model is not within {accuracy:.1e} of the mesh after {parts.solves} solves")


def _worst(model: SteadyModel, films: Floats, sources: int) -> float:
    """Largest bound of any place for 1 W of any source alone, over the largest rise that this source makes."""
    rise, bound = model.answer(films, np.eye(len(model.loads))[:sources])
    return float((bound.max(axis=1) / np.abs(rise).max(axis=1)).max())
