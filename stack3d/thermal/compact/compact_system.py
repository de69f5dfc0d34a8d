"""A compact model as steps in time see it: modes that decay each by itself; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.compact.reduced_solid import CompactErrors, ReducedSolid
from stack3d.thermal.fields.field import Field
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Place
from stack3d.thermal.time.body import Boundary, boundary_of
from stack3d.thermal.time.portions import Portion, blended
from stack3d.thermal.time.schedule import PowerSchedule
from stack3d.thermal.time.system import StepWatch, TransientResult, ascending


class CompactSystem:
    """A linear solid on its modes; the state is their amplitudes, of the rise over the base.

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
    """

    def __init__(
        self,
        solid: TensorSolver,
        reduced: ReducedSolid,
        sources: Sequence[HeatSource],
        places: Sequence[Place],
        errors: CompactErrors,
    ) -> None:
        self.problem, self.base, self._errors = solid.problem, solid.base, errors
        self._reduction, model = reduced.in_time
        self._body, self._parts, self._estimate = solid.body(), reduced.parts, model.estimate
        modes = model.at(reduced.films(solid))
        self._rates, self._still, self._modes = modes.rates, modes.still, modes.modes
        count = len(reduced.sources)
        self._loads = modes.loads[[reduced.sources[source.layer, source.extent] for source in sources]]
        self._always = reduced.on_faces(solid) @ modes.loads[count:]
        observed = self._body.observer(places)
        basis = [observed(row.reshape(self._parts.shape)) for row in self._reduction.span.rows]
        self._shown = np.array(basis).reshape(-1, len(places)).T @ self._modes
        one = np.ones(self._parts.shape)
        self._capacity = float(one.ravel() @ self._body.mass(one).ravel()) or 1.0

    @property
    def exact(self) -> CompactSystem:
        """Itself: its modes need no steps."""
        return self

    @property
    def statistics(self) -> dict[str, Any]:
        """Sizes."""
        return {"backend": "compact", "form": "modes", "unknowns": self._rates.size}

    def start(self, initial: float | Field) -> Floats:
        """Amplitudes of a temperature."""
        if isinstance(initial, int | float):
            return self._still * (initial - self.base)
        return self._projected(initial.values)

    def begun(self, portions: Sequence[Portion]) -> Floats:
        """Amplitudes of parts at temperatures of their own."""
        return self._projected(blended(self._body.load, portions, self.base)[0])

    def _projected(self, temperature: Floats) -> Floats:
        rise = self._parts.flat((temperature - self.base).reshape(self._parts.shape))
        return np.asarray(self._reduction.span.images @ rise @ self._modes)

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
        """Rates times amplitudes."""
        return self._rates * state

    def solve(self, rate: float, right: Floats, guess: Floats) -> Floats:
        """Mode by mode; `guess` is not needed."""
        return self.correct(rate, right)

    def correct(self, rate: float, right: Floats) -> Floats:
        """Mode by mode."""
        return right / (self._rates + rate)

    def observe(self, state: Floats) -> Floats:
        """Temperature of the places."""
        rise = state @ self._shown.T
        self._errors.see(estimate=self._estimate * float(np.abs(rise).max(initial=0.0)))
        return np.asarray(self.base + rise)

    def size(self, change: Floats) -> float:
        """Largest change over the places or root mean square over the volume."""
        seen = float(np.abs(change @ self._shown.T).max(initial=0.0))
        return max(seen, float(np.sqrt(change @ change / self._capacity)))

    def field(self, state: Floats) -> Field:
        """Nodal temperature."""
        rise = (self._modes @ state) @ self._reduction.span.rows
        return self._body.field(rise.reshape(self._parts.shape))

    def boundary(self, state: Floats) -> Boundary:
        """Heat of a state; no film follows the temperature and no coolant flows."""
        return boundary_of(self.problem.faces, self._body.face_integral, self.field(state).values, {}, {}, {})

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
