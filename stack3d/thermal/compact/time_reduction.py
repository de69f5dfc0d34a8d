"""How a model in time is made: answers at rates and films, until it meets those that lie between; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

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
SOLVE, TEST = 1e-9, 1e-7
"""Relative residual of answers over time, and along the test in time: what is left of them is far below any estimate."""
GROWN, SETTLED = 1.5, 4.0
"""Ratio of the steps of the test in time, and when it ends, in times of the slowest mode."""
TESTED = 4.0
"""Estimated error over that of the test, which follows one step of one mixture of all loads; those of many steps add up."""


class Taken(NamedTuple):
    """Answers at a rate [s⁻¹] and films [W m⁻² K⁻¹] to some loads, by number."""

    films: Floats
    rate: float
    loads: Sequence[int]


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
        self.taken: list[Taken] = []
        self._driven: list[Floats] = []
        self._on_faces: list[list[Floats]] = [[] for _ in parts.varied]
        self._sources = len(parts.sources)
        for state in states:
            self.span.join(state)

    def loads(self, films: Floats) -> Floats:
        """1 W of each source, 1 W at each place beside them, ambient 1 K warmer, and that at each face whose film varies."""
        parts = self.parts
        faces = parts.loads[self._sources :]
        h = [parts.problem.faces[name].film_coefficient for name in parts.faces]
        for name, film in zip(parts.varied, films):
            h[parts.faces.index(name)] = film
        air = [np.array(h) @ faces] if any(h) else []
        alone = [film * faces[parts.faces.index(name)] for name, film in zip(parts.varied, films)]
        return np.vstack([parts.weights, *air, *(alone if len(alone) > 1 or len(h) > 1 else [])])

    def keep(self, count: int) -> None:
        """Forget the answers that joined after so many."""
        self.span.keep(count)
        for known in (self._driven, *self._on_faces):
            del known[count:]

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

    def miss(self, films: Floats, rate: float, wanted: Sequence[int] | None = None) -> Floats:
        """How far the model is from the solid for some loads or all, over the largest response; the answers join. [-]

        Places beside the sources respond to sources as these do to them: what they have to see is measured on the sources. What
        ambient does is measured on its steady response.
        """
        parts, loads = self.parts, self.loads(films)
        now, projected = self.model().at(films), loads @ self.span.rows.T
        amplitudes, rows = projected @ now.modes / (now.rates + rate), self.span.rows
        known = amplitudes @ now.shown.T
        steady = np.abs((projected @ now.modes / now.rates) @ now.shown.T).max(axis=1)
        largest = np.abs(known[: self._sources]).max()
        found = []
        self.taken.append(Taken(films, rate, range(len(loads)) if wanted is None else wanted))
        for i in self.taken[-1].loads:
            answer = parts.solve(films, rate, loads[i], SOLVE, near=(now.modes @ amplitudes[i]) @ rows)
            off = np.abs(parts.weights @ answer - known[i])
            if i < self._sources:
                found.append(off.max() / np.abs(parts.weights @ answer).max())
            elif i < len(parts.weights):
                found.append(off[: self._sources].max() / largest)
            else:
                found.append(off.max() / steady[i])
            self.span.join(answer)
        return np.array(found)

    def miss_in_time(self, films: Floats, shortest: float) -> float:
        """How far the model is from the solid along a step of a mixture of loads, over the largest response to heat then. [-]

        Both take the same implicit steps, which grow, so that their own error is in neither.
        """
        parts, loads, random = self.parts, self.loads(films), np.random.default_rng(0)
        now = self.model().at(films)
        heat, air = loads[: self._sources], loads[len(parts.weights) :]
        mixture = random.choice([-1.0, 1.0], len(heat)) * random.uniform(0.5, 1.0, len(heat)) @ heat
        by_heat = mixture @ self.span.rows.T @ now.modes
        largest = np.abs(now.shown @ (by_heat / now.rates)).max()
        load = mixture + largest * random.choice([-1.0, 1.0], len(air)) @ air
        drive = np.array([by_heat, load @ self.span.rows.T @ now.modes])
        state, amplitudes, step, passed, found = np.zeros_like(load), np.zeros_like(drive), 0.25 * shortest, 0.0, 0.0
        while passed < max(SETTLED / now.rates[0], 2 * shortest):
            amplitudes = (drive + amplitudes / step) / (now.rates + 1 / step)
            near = (now.modes @ amplitudes[1]) @ self.span.rows
            state = parts.solve(films, 1 / step, load + parts.mass(state) / step, TEST, near=near)
            passed += step
            step *= GROWN if passed > 0.9 * shortest else 1.0
            of_heat, of_all = amplitudes @ now.shown.T
            found = max(found, float(np.abs(parts.weights @ state - of_all).max() / np.abs(of_heat).max()))
        return found


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
    joins the basis, so that it is that of a model which knows less than the final one. Then a step in time is followed between
    these films on all nodes: rates alone do not see what comes and goes.
    """
    reduction = TimeReduction(parts, states)
    error, gaps = 0.0, dict[tuple[float, ...], list[tuple[float, float]]]()
    for films in dict.fromkeys((tuple(parts.highest), tuple(parts.lowest))):
        at = np.array(films)
        slowest = float(reduction.model().at(at).rates[0])
        fastest = max(FASTER / shortest, 10 * slowest)
        rates = np.geomspace(slowest, fastest, int(np.ceil(PER_DECADE * np.log10(fastest / slowest))) + 1)
        missed = [set(np.flatnonzero(reduction.miss(at, rate) > tolerance).tolist()) for rate in map(float, rates)]
        gaps[films] = list(zip(map(float, rates[:-1]), map(float, rates[1:])))
        open_ = [(a, b, sorted(one | other)) for (a, b), one, other in zip(gaps[films], missed[:-1], missed[1:])]
        error = max(error, _halved(reduction, at, [gap for gap in open_ if gap[2]], tolerance))
    between = np.sqrt(parts.lowest * parts.highest)
    for _ in range(MOST_HALVINGS):
        along = TESTED * reduction.miss_in_time(between, shortest)
        if along <= tolerance:
            return reduction, replace(reduction.model(), estimate=max(error, along))
        for films, pairs in gaps.items():
            middles = [float(np.sqrt(a * b)) for a, b in pairs]
            for rate in middles:
                reduction.miss(np.array(films), rate)
            gaps[films] = [part for (a, b), m in zip(pairs, middles) for part in ((a, m), (m, b))]
    raise not_within(parts, tolerance)


def model_alike(parts: CompactParts, taken: Sequence[Taken], tolerance: float) -> ModelInTime:
    """The model of the same solid on another mesh from the same answers, so that what both lack is the same.

    Parameters
    ----------
    parts : CompactParts
        Of the other mesh.
    taken : sequence of Taken
        What the first was made from.
    tolerance : float
        Relative residual of the answers. [-]
    """
    reduction = TimeReduction(parts, parts.flat(np.ones(parts.shape))[None])
    every = range(len(reduction.loads(parts.lowest)))
    at_rest = [Taken(films, 0.0, every) for films in (parts.lowest, *([parts.highest] if parts.varied else []))]
    for films, rate, wanted in (*at_rest, *taken):
        loads = reduction.loads(films)
        for i in wanted:
            reduction.span.join(parts.solve(films, rate, loads[i], tolerance))
    return reduction.model()


def not_within(parts: CompactParts, tolerance: float, more: str = "") -> SolverError:
    """What is said of a `tolerance` over time that no model meets."""
    text = f"the compact model is not within {tolerance:.1e} of the mesh over time after {parts.solves} solves{more}"
    return SolverError(text)


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
    raise not_within(reduction.parts, tolerance)
