"""How a model in time learns k(T): states of the whole mesh join until the model meets others; SI units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from stack3d.layout import Floats
from stack3d.thermal.compact.followed_factors import FactorPatterns, FollowedFactors
from stack3d.thermal.compact.following import Equations
from stack3d.thermal.compact.model_in_time import ModelInTime
from stack3d.thermal.compact.time_reduction import GROWN, SETTLED, TEST, TESTED, TimeReduction, not_within
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.time.nodal import NodalSystem
from stack3d.thermal.time.system import PowerCourse

MOST_MARCHES = 10
"""On the whole mesh, at most; the first is joined unseen."""
IN_TURN = 2
"""Marches that have to be met one after the other: by one alone a mixture may happen to be easy."""
ANYWHERE = 2.0
"""Estimated error of any node over that of the marches; at the means of sources it is `TESTED`."""
MIXTURES, INSTANTS = 12, 6
"""Mixtures of sources, beside each alone and all, and instants of each leg at which factors are taken before any march."""
COLDER = 0.3
"""By how much all of a solid cools down or warms up between two legs, as a share of its largest rise: ambient that moves."""


class TimeBasis(NamedTuple):
    """A basis over time and the model on it.

    Parameters
    ----------
    reduction : TimeReduction
    model : ModelInTime
        At 300 K, its estimate with that of k(T).
    factors : FollowedFactors or None
        On the same states, where conductivity follows the temperature.
    course : PowerCourse or None
        Along which these were learnt.
    """

    reduction: TimeReduction
    model: ModelInTime
    factors: FollowedFactors | None = None
    course: PowerCourse | None = None


def followed_model(
    solid: TensorSolver,
    basis: TimeBasis,
    driven: tuple[PowerCourse, Floats],
    limits: tuple[float, float],
) -> TimeBasis:
    """Teach a model in time of 300 K what k(T) does.

    Parameters
    ----------
    solid : TensorSolver
    basis : TimeBasis
        Of it at 300 K; states join.
    driven : (PowerCourse, ndarray of shape (powers, sources))
        What it is driven by, and which source of the reduction each power of it goes to.
    limits : (float, float)
        Shortest time [s], and the largest estimate [-].

    Raises
    ------
    SolverError
        Where `MOST_MARCHES` do not bring it close enough to the mesh.

    Notes
    -----
    The mesh and the model take the same implicit steps, which grow: under a mixture of the mean powers of the sources until
    that has settled or the course ends, then under one of the powers of some interval while all of the solid cools down or
    warms up. `TESTED` times what any node is off by counts, over the largest rise of any source's mean.
    """
    (shortest, tolerance), (reduction, known, *_) = limits, basis
    random, march = np.random.default_rng(0), _Marches(solid, reduction, driven, shortest)
    met = march.expected(random)
    model, errors, patterns = known, list[float](), None
    factors: FollowedFactors | None = None
    for number in range(MOST_MARCHES):
        legs, sign = march.legs(random, whole=not number), float(random.choice([-1.0, 1.0]))
        states, error = march.compared(legs, sign, model, factors)
        errors.append(error)
        if factors is not None and len(errors) > IN_TURN and (worst := max(errors[-IN_TURN:])) <= tolerance:
            return TimeBasis(reduction, replace(model, estimate=max(known.estimate, worst)), factors, driven[0])
        for state in states:
            reduction.span.join(state)
        model, rows = reduction.model(), reduction.span.rows
        if patterns is None:
            met = np.vstack([np.pad(met, ((0, 0), (0, len(rows) - met.shape[1]))), states @ reduction.span.images.T])
            patterns = FactorPatterns(solid, rows, met)
        factors = patterns.on(rows)
    raise not_within(
        reduction.parts, tolerance, f"; k(T) leaves {max(errors[-IN_TURN:]):.1e} after {MOST_MARCHES} marches on all nodes"
    )


class _Leg(NamedTuple):
    """Powers of the reduction's sources that stay for a while. [W], [s]"""

    powers: Floats
    duration: float


class _Marches:
    """Marches on the whole mesh and on the model beside it."""

    def __init__(
        self, solid: TensorSolver, reduction: TimeReduction, driven: tuple[PowerCourse, Floats], shortest: float
    ) -> None:
        self.solid, self.reduction, self.shortest = solid, reduction, shortest
        parts = reduction.parts
        self.nodes = NodalSystem(solid.body(), parts.sources, [], rtol=TEST)
        self.course, self.shares = driven
        self.films = np.array([solid.problem.faces[name].film_coefficient for name in parts.varied])
        self.settles = SETTLED / float(reduction.model().at(self.films).rates[0])
        self.own = parts.loads[: len(parts.sources)]
        faces = [solid.problem.faces[name] for name in parts.faces]
        self.on_faces = np.array([face.film_coefficient * (face.reference - solid.base) + face.flux for face in faces])

    def legs(self, random: np.random.Generator, *, whole: bool) -> tuple[_Leg, _Leg]:
        """The mean powers, then those of an interval; each source at a share of its own, but for a `whole` one."""
        powers = self.course.schedule.powers
        row = int(np.argmax(powers.sum(axis=1))) if whole else int(random.integers(len(powers)))
        return self._legs(row, np.asarray(random.uniform(1.0 if whole else 0.0, 1.0, powers.shape[1])))

    def _legs(self, row: int, shares: Floats) -> tuple[_Leg, _Leg]:
        longest = max(float(self.course.lengths[row]), 2 * self.shortest)
        settled = max(min(self.settles, self.course.until), 2 * self.shortest)
        mean, now = self.course.mean, self.course.schedule.powers[row]
        return _Leg((shares * mean) @ self.shares, settled), _Leg((shares * now) @ self.shares, min(longest, settled))

    def expected(self, random: np.random.Generator) -> Floats:
        """States of 300 K along legs with each source alone, all of them, and mixtures, shape (samples, states)."""
        modes, rows = self.reduction.model().at(self.films), self.course.schedule.powers
        shares = [*np.eye(rows.shape[1]), *random.uniform(0.0, 1.0, (MIXTURES, rows.shape[1]))]
        legs = [self._legs(int(np.argmax(rows @ each)), each) for each in shares]
        found = [np.zeros(modes.rates.size)]
        for both in (self.legs(random, whole=True), *legs):
            state = found[0]
            for powers, duration in both:
                driven, begun = np.append(powers, self.on_faces), state
                for time in np.geomspace(min(self.shortest, duration), duration, INSTANTS):
                    found.append(state := modes.after(begun, driven, float(time)))
        offset = COLDER * float(np.abs(np.array(found) @ modes.shown.T).max()) * modes.still
        return np.vstack([found, found + offset, found - offset]) @ modes.modes.T

    def compared(
        self, legs: Sequence[_Leg], sign: float, model: ModelInTime, factors: FollowedFactors | None
    ) -> tuple[Floats, float]:
        """States of the mesh along a march, shape (states, nodes), and the largest estimated error of the model. [-]

        Parameters
        ----------
        legs : sequence of _Leg
        sign : float
            Of the change of temperature of all of the solid before each leg but the first.
        model : ModelInTime
        factors : FollowedFactors or None
        """
        modes = model.at(self.films)
        equations = Equations(modes.rates, self.solid.base, None if factors is None else factors.turned(modes.modes))
        rows, parts = self.reduction.span.rows, self.reduction.parts
        state, now = self.nodes.start(self.solid.base), np.zeros(modes.rates.size)
        states, off, largest = list[Floats](), 0.0, 0.0
        for leg in legs:
            offset = sign * COLDER * largest  # none before the first
            state, now = state + self.nodes.start(self.solid.base + offset), now + offset * modes.still
            load, driven = self.nodes.load(leg.powers), np.append(leg.powers, self.on_faces) @ modes.loads
            for step in self._steps(leg.duration):
                rate = 1 / step
                state = self.nodes.solve(rate, load + rate * self.nodes.mass(state), state)
                now = equations.solve(rate, driven + rate * now, now)
                states.append(parts.flat(state.reshape(parts.shape)))
                missed = (modes.modes @ now) @ rows - states[-1]
                off = max(off, ANYWHERE * np.abs(missed).max(), TESTED * np.abs(self.own @ missed).max())
                largest = max(largest, float(np.abs(self.own @ states[-1]).max()))
        return np.array(states), float(off) / (largest or 1.0)

    def _steps(self, duration: float) -> Iterator[float]:
        """Lengths of the steps of a leg: short ones until the shortest time, then longer and longer. [s]"""
        passed, step = 0.0, 0.25 * self.shortest
        while passed < duration:
            yield step
            passed += step
            step *= GROWN if passed > 0.9 * self.shortest else 1.0
