"""How a model in time is made: answers at rates and films, until it meets those that lie between; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats
from stack3d.thermal.compact.model_in_time import ModelInTime
from stack3d.thermal.compact.solid_parts import CompactParts
from stack3d.thermal.compact.span import Span

PER_DECADE = 0.5
"""Rates at first, with the films that come first; where the model is not good enough between two, it is looked at there."""
MOST_HALVINGS = 4
FASTER = 3.0
"""Fastest rate over that of the shortest time."""


class TimeReduction:
    """A basis of answers at rates, orthonormal in the heat capacity.

    Parameters
    ----------
    parts : CompactParts
    states : ndarray, shape (states, nodes)
        Steady ones, which join first.
    """

    def __init__(self, parts: CompactParts, states: Floats) -> None:
        self.parts = parts
        self.span = Span(parts.mass, states.shape[1])
        self._driven: list[Floats] = []
        self._on_faces: list[list[Floats]] = [[] for _ in parts.varied]
        for state in states:
            self.span.join(state)

    def model(self, estimate: float = np.nan) -> ModelInTime:
        """Of the answers so far."""
        parts, span = self.parts, self.span
        self._driven += [parts.stiffness(mode) for mode in span.rows[len(self._driven) :]]
        for i, known in enumerate(self._on_faces):
            known += [parts.on_face(i, mode) for mode in span.rows[len(known) :]]
        films = [np.array(known) @ span.rows.T for known in self._on_faces]
        return ModelInTime(
            parts.lowest,
            np.array(self._driven) @ span.rows.T,
            np.array(films).reshape(-1, span.count, span.count),
            parts.loads @ span.rows.T,
            parts.weights @ span.rows.T,
            span.images @ parts.flat(np.ones(parts.shape)),
            estimate,
        )

    def miss(self, films: Floats, rate: float, sources: Sequence[int]) -> Floats:
        """How far the model is from the solid for some sources, over the largest response; the answers join. [-]"""
        parts = self.parts
        known = self.model().at(films).response(rate)[list(sources)]
        found = []
        for i in sources:
            answer = parts.solve(films, rate, parts.loads[i])
            found.append(parts.weights @ answer)
            self.span.join(answer)
        seen = np.array(found)
        return np.asarray(np.abs(seen - known).max(axis=1) / np.abs(seen).max(axis=1))


def time_reduction(parts: CompactParts, states: Floats, shortest: float, tolerance: float) -> tuple[TimeReduction, ModelInTime]:
    """Reduce a solid to its answers at rates from zero to 3 / `shortest`.

    Parameters
    ----------
    parts : CompactParts
    states : ndarray, shape (states, nodes)
        Steady ones.
    shortest : float
        Time from which on the model has to hold. [s]
    tolerance : float
        Largest `ModelInTime.estimate`. [-]

    Raises
    ------
    SolverError
        Where the tolerance is not met.

    Notes
    -----
    A rational Krylov space (Ruhe 1984) at the highest films, then at the lowest. A difference is looked at before the answer
    joins the basis, so that it is that of a model which knows less than the final one.
    """
    reduction = TimeReduction(parts, states)
    everyone = range(len(parts.sources))
    error = 0.0
    for films in dict.fromkeys((tuple(parts.highest), tuple(parts.lowest))):
        at = np.array(films)
        slowest = float(reduction.model().at(at).rates[0])
        fastest = max(FASTER / shortest, 10 * slowest)
        rates = np.geomspace(slowest, fastest, int(np.ceil(PER_DECADE * np.log10(fastest / slowest))) + 1)
        missed: dict[float, Sequence[int]] = {}
        for rate in map(float, rates):
            misses = reduction.miss(at, rate, everyone)
            missed[rate] = [i for i, miss in zip(everyone, misses) if miss > tolerance]
        gaps = [(a, b, sorted({*missed[a], *missed[b]})) for a, b in zip(map(float, rates[:-1]), map(float, rates[1:]))]
        error = max(error, _halved(reduction, at, [gap for gap in gaps if gap[2]], tolerance))
    return reduction, replace(reduction.model(), estimate=error)


def _halved(reduction: TimeReduction, films: Floats, gaps: list[tuple[float, float, list[int]]], tolerance: float) -> float:
    """Look halfway between two rates, then in both halves where that misses; returns the largest miss that was let pass."""
    error = 0.0
    for _ in range(MOST_HALVINGS):
        halves: list[tuple[float, float, list[int]]] = []
        for low, high, sources in gaps:
            middle = float(np.sqrt(low * high))
            misses = reduction.miss(films, middle, sources)
            missed = [i for i, miss in zip(sources, misses) if miss > tolerance]
            error = max(error, float(misses[misses <= tolerance].max(initial=0.0)))
            halves += [(low, middle, missed), (middle, high, missed)] if missed else []
        gaps = halves
        if not gaps:
            return error
    solves = reduction.parts.solves
    raise SolverError(f"the compact model is not within {tolerance:.1e} of the mesh over time after {solves} solves")
