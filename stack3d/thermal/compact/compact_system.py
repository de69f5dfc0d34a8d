"""A compact model as steps in time see it: modes that decay each by itself; SI units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.compact.followed_in_time import TimeBasis
from stack3d.thermal.compact.following import Equations, FollowedFilm
from stack3d.thermal.compact.reduced_solid import CompactErrors, ReducedSolid
from stack3d.thermal.fields.field import Field
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Place
from stack3d.thermal.time.body import Boundary, boundary_of
from stack3d.thermal.time.portions import Portion, blended
from stack3d.thermal.time.schedule import PowerSchedule
from stack3d.thermal.time.system import PowerCourse, StepWatch, TransientResult, ascending


class CompactSystem:
    """A solid on its modes; the state is their amplitudes, of the rise over the base.

    Where conductivity or films follow the temperature, modes are those of 300 K and of the present films, and coupled.

    Parameters
    ----------
    solid : TensorSolver
        With its present films.
    reduced : ReducedSolid
        Of it.
    sources : sequence of HeatSource
        Those of the reduced solid, in any order.
    places : sequence of Place
    errors : CompactErrors
        Is told of the estimate.
    laws : mapping of str to callable
        Of faces whose films follow them: their temperature [K] → film [W m⁻² K⁻¹].
    course : PowerCourse or None
        Along which k(T) is learnt, where there is any; None: the powers of the sources, for good.
    """

    def __init__(
        self,
        solid: TensorSolver,
        reduced: ReducedSolid,
        sources: Sequence[HeatSource],
        places: Sequence[Place],
        errors: CompactErrors,
        laws: Mapping[str, Callable[[float], float]],
        course: PowerCourse | None,
    ) -> None:
        self.problem, self.base, self._errors = solid.problem, solid.base, errors
        basis = reduced.in_time
        if not solid.is_linear:
            basis = reduced.followed_in_time(solid, sources, course or PowerCourse.of(sources))
        self._body, self._parts, self._begun = solid.body(), reduced.parts, 0.0
        self._of = solid, reduced, tuple(sources), tuple(places), dict(laws)
        self._take(basis)

    def _take(self, basis: TimeBasis) -> None:
        """Everything on the modes of a basis."""
        solid, reduced, sources, places, laws = self._of
        model, self._estimate = basis.model, basis.model.estimate
        modes = model.at(reduced.films(solid))
        self._rates, self._still, self._modes = modes.rates, modes.still, modes.modes
        count = len(reduced.sources)
        self._loads = modes.loads[[reduced.sources[source.layer, source.extent] for source in sources]]
        self._always = reduced.on_faces(solid) @ modes.loads[count:]
        observed = self._body.observer(places)
        self._rows, self._images = basis.reduction.span.rows, basis.reduction.span.images
        seen = [observed(row.reshape(self._parts.shape)) for row in self._rows]
        self._shown = np.array(seen).reshape(-1, len(places)).T @ self._modes
        one = np.ones(self._parts.shape)
        self._capacity = float(one.ravel() @ self._body.mass(one).ravel()) or 1.0
        films, turn = list[FollowedFilm](), self._modes
        for name, law in laws.items():
            face, unit = solid.problem.faces[name], modes.loads[count + self._parts.faces.index(name)]
            matrix = turn.T @ model.films[self._parts.varied.index(name)] @ turn
            area = float(self._body.face_integral(name).sum())
            ends, reference = reduced.ranges.films[name], face.reference - self.base
            films.append(FollowedFilm(name, law, face.film_coefficient, ends, reference, area, unit, matrix))
        factors = None if basis.factors is None else basis.factors.turned(turn)
        self._followed = Equations(self._rates, self.base, factors, films) if films or factors else None

    @property
    def exact(self) -> CompactSystem | None:
        """Itself where its modes need no steps: nothing that follows the temperature couples them."""
        return self if self._followed is None else None

    @property
    def statistics(self) -> dict[str, Any]:
        """Sizes, and counts."""
        counts = {} if self._followed is None else self._followed.counts
        return {"backend": "compact", "form": "modes", "unknowns": self._rates.size, **counts}

    def start(self, initial: float | Field) -> Floats:
        """Amplitudes of a temperature."""
        if isinstance(initial, int | float):
            return self._still * (initial - self.base)
        return self._projected(initial.values)

    def begun(self, portions: Sequence[Portion]) -> Floats:
        """Amplitudes of parts at temperatures of their own, which the model learns."""
        values = blended(self._body.load, portions, self.base)[0]
        rise = self._parts.flat((values - self.base).reshape(self._parts.shape))
        if rise.any():
            self._take(self._of[1].begin_at(rise, self._errors))
            self._begun = float(np.abs(rise).max())
        return self._projected(values)

    def _projected(self, temperature: Floats) -> Floats:
        rise = self._parts.flat((temperature - self.base).reshape(self._parts.shape))
        return np.asarray(self._images @ rise @ self._modes)

    def load(self, powers: Floats) -> Floats:
        """Of sources, films and fluxes on the modes."""
        return np.asarray(np.asarray(powers, dtype=float) @ self._loads + self._always)

    def stored(self, state: Floats) -> Floats:
        """As `mass`."""
        return state

    def mass(self, change: Floats) -> Floats:
        """Modes are orthonormal in the heat capacity."""
        return change

    def stiffness(self, state: Floats) -> Floats:
        """Rates times amplitudes, and what follows the temperature."""
        return self._rates * state if self._followed is None else self._followed.stiffness(state)

    def solve(self, rate: float, right: Floats, guess: Floats) -> Floats:
        """Mode by mode, or all at once near `guess`; raises RangeError where a film leaves its range."""
        return self.correct(rate, right) if self._followed is None else self._followed.solve(rate, right, guess)

    def correct(self, rate: float, right: Floats) -> Floats:
        """Mode by mode, or as the last solution has it."""
        return right / (self._rates + rate) if self._followed is None else self._followed.correct(rate, right)

    def observe(self, state: Floats) -> Floats:
        """Temperature of the places."""
        rise = state @ self._shown.T
        self._errors.see(estimate=self._estimate * (float(np.abs(rise).max(initial=0.0)) + self._begun))
        return np.asarray(self.base + rise)

    def size(self, change: Floats) -> float:
        """Largest change over the places or root mean square over the volume."""
        seen = float(np.abs(change @ self._shown.T).max(initial=0.0))
        return max(seen, float(np.sqrt(change @ change / self._capacity)))

    def field(self, state: Floats) -> Field:
        """Nodal temperature."""
        rise = (self._modes @ state) @ self._rows
        return self._body.field(rise.reshape(self._parts.shape))

    def boundary(self, state: Floats) -> Boundary:
        """Heat of a state, and films that follow their face; no coolant flows."""
        films = {} if self._followed is None else self._followed.films(state)
        return boundary_of(self.problem.faces, self._body.face_integral, self.field(state).values, films, {}, {})

    def _after(self, state: Floats, load: Floats, duration: float) -> Floats:
        return np.asarray(state + np.expm1(-self._rates * duration) * (state - load / self._rates))

    def periodic(self, schedule: PowerSchedule, times: Sequence[float], watch: StepWatch | None = None) -> TransientResult:
        """Temperature within one period, after infinitely many.

        Parameters
        ----------
        schedule : PowerSchedule
            With a period.
        times : sequence of float
            Ascending, within the period. [s]
        watch : callable, optional
            Told of each of them, and of the state there.
        """
        asked, period = ascending(times), schedule.repeat
        if asked[-1] > period:
            raise ArrayError("times: those of a periodic state lie within its period")
        state = np.zeros_like(self._rates)
        for begin, end, powers in schedule.intervals(period):
            state = self._after(state, self.load(powers), end - begin)
        state = state / -np.expm1(-self._rates * period)  # what one period adds, summed over all earlier ones
        values = []

        def seen(at: float, now: Floats) -> None:
            values.append(self.observe(now))
            if watch is not None:
                watch(at, now)

        if asked[0] == 0:
            seen(0.0, state)
        for begin, end, powers in schedule.intervals(float(asked[-1])):
            load = self.load(powers)
            for at in asked[(asked > begin) & (asked <= end)]:
                seen(float(at), self._after(state, load, at - begin))
            state = self._after(state, load, end - begin)
        told = {**self.statistics, "scheme": "exact in time"}
        return TransientResult(asked, np.array(values), state, self.field(state), told)
