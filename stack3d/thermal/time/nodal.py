"""The semi-discrete heat equation at the nodes of any mesh: k(T), films of their face, coolant; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stack3d.fe.corrections import Left, corrected
from stack3d.fe.krylov import gmres, inner, norm
from stack3d.layout import REFERENCE, Floats, HeatSource
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.fields.field import Field
from stack3d.thermal.places import Place
from stack3d.thermal.problem import FilmLaw
from stack3d.thermal.time.body import Body, Boundary, boundary_of
from stack3d.thermal.time.coolant_flow import CoolantFlow
from stack3d.thermal.time.portions import Portion, blended

FILM_SLACK = 0.02
"""Films of the matrix may differ from their tangents by this share before it is filled anew."""

CORRECTED = 6
"""Times that the heat of a start is set right; each is a step of Newton's method in one unknown."""


class NodalSystem:
    """Any solid: every solve is a few preconditioned iterations from a good guess.

    The state is flat: the rise of all nodes, then that of the coolant (`CoolantFlow`).

    Parameters
    ----------
    body : Body
    sources : sequence of HeatSource
    places : sequence of Place
    rtol : float
        Relative residual of a solve. [-]
    laws : mapping of str to FilmLaw
        Faces whose film follows the mean of their own temperature.
    runs : sequence of ChannelRun
        Channels; each is a patch of the problem by the same name.

    Notes
    -----
    Every solve is converged: conductivities, films and coolant belong to the temperature that it returns, so that the order
    of the time scheme stands. Films enter the residual as they are and the matrix as tangents h + (dh/dT)(T - T_ref); the
    coolant is eliminated exactly along its flow, which leaves an operator that is not symmetric.
    """

    def __init__(
        self,
        body: Body,
        sources: Sequence[HeatSource],
        places: Sequence[Place],
        *,
        rtol: float = 1e-10,
        laws: Mapping[str, FilmLaw] | None = None,
        runs: Sequence[ChannelRun] = (),
    ) -> None:
        self.body, self.rtol = body, rtol
        self.problem = problem = body.problem
        self.sources, self.laws = tuple(sources), dict(laws or {})
        self.flow = CoolantFlow(runs, problem, body.face_integral, body.base)
        self.shape = body.lift().shape
        self._boundary = self._face_loads({*self.laws, *(patch for run in runs for patch in run.patches)})
        self._units = {name: body.face_integral(name) for name in self.laws}
        self._films = {name: problem.faces[name].film_coefficient for name in self.laws}
        self._observed = body.observer(places)
        one = np.ones(self.shape)
        self.capacity = inner(one, body.mass(one)) or 1.0
        self._counts = {"solves": 0, "iterations": 0}

    def _face_loads(self, moving: set[str]) -> Floats:
        """Load of fluxes, and of films whose reference or coefficient does not move. [W]"""
        out = np.zeros(self.shape)
        for name, face in self.problem.faces.items():
            still = 0.0 if name in moving else face.film_coefficient * (face.reference - self.body.base)
            if not face.is_fixed and (density := still + face.flux):
                out += density * self.body.face_integral(name)
        return out

    @property
    def exact(self) -> None:
        """None: nodes need steps."""
        return None

    @property
    def statistics(self) -> dict[str, Any]:
        """Counts."""
        return {**self.body.statistics, "form": "nodes", **self._counts}

    def _solid(self, state: Floats) -> Floats:
        return state[: self._boundary.size].reshape(self.shape)

    def _coolant(self, state: Floats) -> Floats:
        return state[self._boundary.size :]

    def _restrict(self, state: Floats) -> Floats:
        return np.concatenate([self.body.restrict(self._solid(state)).ravel(), self._coolant(state)])

    def start(self, initial: float | Field) -> Floats:
        """Rise over the base, fixed nodes at their temperature, coolant at that of its inlet."""
        return self._started(self.body.rise(initial if isinstance(initial, int | float) else initial.values))

    def _started(self, rise: Floats) -> Floats:
        solid = self.body.restrict(rise) + self.body.lift()
        return np.concatenate([solid.ravel(), self.flow.start()]) if self.flow.size else solid.ravel()

    def begun(self, portions: Sequence[Portion]) -> Floats:
        """State of parts at temperatures of their own; where c(T) bends, nodes between two parts take what is left over."""
        values, between = blended(self.body.load, portions, self.body.base)
        rise = (values - self.body.base).reshape(self.shape)
        faces = self.problem.faces
        sinks = {name: face.capacity for name, face in faces.items() if face.capacity}
        if not (self.body.is_linear or any(face.is_fixed for face in faces.values())) and between.any():
            share, cold = between.reshape(self.shape).astype(float), np.full(self.shape, REFERENCE - self.body.base)
            wanted = sum(portion.heat for portion in portions)
            for _ in range(CORRECTED):
                self.body.properties_at(rise)
                left = wanted - float((self.body.stored(rise) - self.body.stored(cold)).sum())
                left += sum(float(c * self.body.face_integral(name, rise - cold).sum()) for name, c in sinks.items())
                rise = rise + share * left / float(self.body.mass(share).sum())
        return self._started(rise)

    def load(self, powers: Floats) -> Floats:
        """Load of sources, of films that stay as they are, and of fluxes."""
        powered = [replace(s, power=float(p)) for s, p in zip(self.sources, powers, strict=True)]
        solid = self.body.load(powered) + self._boundary
        return np.concatenate([solid.ravel(), np.zeros(self.flow.size)])

    def stored(self, state: Floats) -> Floats:
        """Heat that a state stores, integrals of c(T) included."""
        return self._with_coolant(self.body.stored(self._solid(state)), state)

    def mass(self, change: Floats) -> Floats:
        """M times a change."""
        return self._with_coolant(self.body.mass(self._solid(change)), change)

    def _with_coolant(self, solid: Floats, state: Floats) -> Floats:
        return np.concatenate([solid.ravel(), self.flow.mass(self._coolant(state))]) if self.flow.size else solid.ravel()

    def stiffness(self, state: Floats) -> Floats:
        """K(u) u, with films and coolant as they are at that temperature."""
        solid = self._solid(state)
        self.body.properties_at(solid)
        return self._stiffness(state)

    def _stiffness(self, state: Floats) -> Floats:
        solid, coolant = self._solid(state), self._coolant(state)
        out = self.body.stiffness(solid)
        for name, film in self._films_at(solid).items():
            reference = self.problem.faces[name].reference - self.body.base
            out += self.body.face_integral(name, (film - self._films[name]) * solid) - film * reference * self._units[name]
        if not self.flow.size:
            return out.ravel()
        return np.concatenate([(out - self.flow.load(coolant)).ravel(), self.flow.stiffness(solid, coolant)])

    def _means(self, solid: Floats) -> dict[str, float]:
        """Temperature of the faces with laws. [K]"""
        return {n: self.body.base + inner(unit, solid) / float(unit.sum()) for n, unit in self._units.items()}

    def _films_at(self, solid: Floats) -> dict[str, float]:
        return {name: self.laws[name](mean) for name, mean in self._means(solid).items()}

    def _update_films(self, solid: Floats) -> None:
        """Tangents of the films into the matrix where they have moved."""
        tangents = {}
        for name, mean in self._means(solid).items():
            law, reference, step = self.laws[name], self.problem.faces[name].reference, 0.01
            flux = [law(t) * (t - reference) for t in (mean - step, mean + step)]
            tangents[name] = max((flux[1] - flux[0]) / (2 * step), 1e-3 * law(mean), 1e-9)
        if any(abs(h / self._films[name] - 1) > FILM_SLACK for name, h in tangents.items()):
            self._films = tangents
            self.body.films(tangents)

    def solve(self, rate: float, right: Floats, guess: Floats) -> Floats:
        """Solution near `guess`; k(T) and films are updated until the residual is that of the tolerance."""
        scale = norm(self._restrict(right)) or 1.0
        self._counts["solves"] += 1

        def left(state: Floats) -> Left:
            self._update_films(self._solid(state))
            applied = self.stiffness(state)
            applied += rate * self.stored(state)
            defect = self._restrict(right - applied)
            return Left(defect, norm(defect) / scale)

        found = corrected(
            guess,
            left,
            partial(self._iterate, rate),
            tolerance=self.rtol,
            what="k(T) and films of a step in time",
            is_linear=self.body.is_linear and not self.laws,
        )
        return found.state

    def correct(self, rate: float, right: Floats) -> Floats:
        """Solution to three digits with conductivities and films of the last solve."""
        return self._iterate(rate, self._restrict(right), 1e-3)[0]

    def _iterate(self, rate: float, load: Floats, rtol: float) -> tuple[Floats, int]:
        """Correction for a load, and iterations."""
        if not self.flow.size:
            solution, count = self.body.solve(rate, self._solid(load), rtol)
            self._counts["iterations"] += count
            return solution.ravel(), count
        body, flow = self.body, self.flow

        def operator(rise: Floats) -> Floats:
            out = body.stiffness(rise)
            out += rate * body.mass(rise)
            flow.take_answer(rate, rise, out)
            return body.restrict(out)

        given = self._coolant(load)
        alone = flow.respond(rate, [0 * part for part in flow.split(given)], given)
        right = self._solid(load) + body.restrict(flow.load(alone, inlet=False))
        result = gmres(operator, lambda v: body.precondition(rate, v), right, rtol=rtol, most=body.most_iterations)
        self._counts["iterations"] += result.count
        return np.concatenate([result.solution.ravel(), flow.respond(rate, flow.walls(result.solution), given)]), result.count

    def observe(self, state: Floats) -> Floats:
        """Temperature of the places."""
        return self.body.base + self._observed(self._solid(state))

    def size(self, change: Floats) -> float:
        """Largest change over the places or root mean square over the solid, and over the coolant."""
        solid, coolant = self._solid(change), self._coolant(change)
        seen = float(np.abs(self._observed(solid)).max(initial=0.0))
        energy = max(0.0, inner(solid, self.body.mass(solid)))
        in_coolant = float(np.sqrt(np.mean(coolant**2))) if coolant.size else 0.0
        return max(seen, float(np.sqrt(energy / self.capacity)), in_coolant)

    def field(self, state: Floats) -> Field:
        """Nodal temperature, that of the coolant inside its channels."""
        field = self.body.field(self._solid(state))
        for run, coolant in zip(self.flow.runs, self.flow.temperatures(self._coolant(state)).values()):
            run.fill(self.problem.stack, self.problem.lines, field.values, coolant)
        return field

    def boundary(self, state: Floats) -> Boundary:
        """Films, coolant and heat of a state."""
        solid, coolant = self._solid(state), self._coolant(state)
        return boundary_of(
            self.problem.faces,
            self.body.face_integral,
            solid + self.body.base,
            self._films_at(solid),
            self.flow.temperatures(coolant),
            self.flow.references(coolant),
        )
