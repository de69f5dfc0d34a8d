"""Steady states of heat conduction in DOLFINx: linear, with fixed faces, and with k(T)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from stack3d.errors import DeckError, Problem, SolverError
from stack3d.fe.corrections import Left, UncorrectedError, corrected
from stack3d.fe.linear_solver import ADVICE, LinearMethod, LinearSolver, Solved, solved
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.backend import SolidBackend, ThermalSolution
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.falling_conductivity import of_conductivity
from stack3d.thermal.fem.conduction import Conduction
from stack3d.thermal.grid.preconditioner import GridPreconditioner
from stack3d.thermal.places import Place
from stack3d.thermal.problem import FilmLaw, HeatProblem
from stack3d.thermal.time.body import WeighedBody
from stack3d.thermal.time.nodal import NodalSystem
from stack3d.thermal.time.system import PowerCourse


class FemSolver:
    """DOLFINx solver of one problem on one mesh, for many powers.

    Parameters
    ----------
    conduction : Conduction
    method : LinearMethod
    lines : GridPreconditioner, optional
        The tensor solve of the same elements, which preconditions, and is where iterations on k(T) begin.
    counts : Counter, optional
        Goes on counting what is built; see `SolidBackend`.
    seconds : mapping of str to float, optional
        Spent on the parts before.
    """

    def __init__(
        self,
        conduction: Conduction,
        method: LinearMethod,
        lines: GridPreconditioner | None = None,
        *,
        counts: Counter[str] | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> None:
        started = time.perf_counter()
        self.conduction, self.method = conduction, method
        self.counts = Counter() if counts is None else counts
        self._lines = lines
        self._solver = LinearSolver(conduction.assembly.matrix, method, lines)
        self.counts["preconditioners"] += 1
        self.seconds = {**(seconds or {}), "solver_set_up": time.perf_counter() - started}

    @property
    def problem(self) -> HeatProblem:
        """What it solves."""
        return self.conduction.problem

    def recooled(self, problem: Any) -> Self:
        """Return the solver with other films, fluxes and references on the same faces; raises DeckError for other kinds."""
        self.conduction.recool(problem)
        if self._lines is not None:
            self._lines.recool(problem)
            self.counts["preconditioners"] += 1
        return self

    def with_coolant(self, runs: Sequence[ChannelRun]) -> None:
        """None: it solves the solid alone."""

    def near_with_coolant(self, runs: Sequence[ChannelRun]) -> SolidBackend | None:
        """The tensor solve of the same elements, where that preconditions."""
        return None if self._lines is None else self._lines.with_coolant(runs)

    def unchecked(self) -> FemSolver:
        """Itself: checks cost little here."""
        return self

    def roughly(self) -> FemSolver:
        """Itself."""
        return self

    def held_at(self, means: Mapping[str, float]) -> SolidBackend:
        """A solver with every conductivity held at the mean of its layer. [K]"""
        return self.conduction.at.held_at(means, self.method.tolerance)

    def in_time(self, matrix: Any, rate: float) -> LinearSolver:
        """Solver of a matrix that is K plus a rate [s⁻¹] times the heat capacity."""
        lines = None if self._lines is None else self._lines.shifted(rate)
        return LinearSolver(matrix, self.method, lines, prefix="stack3d_time_")

    def transposed(self, right: Floats, rtol: float) -> Floats:
        """One solve with the matrix as it is, which is symmetric, for any right side, shapes (own,); raises SolverError."""
        found = self._solver.solve(right, rtol)
        if self._solver.reason < 0:
            why = f"after {self._solver.iterations} iterations (PETSc reason {self._solver.reason})"
            raise SolverError(f"linear solver {self._solver.name} stopped {why} in an adjoint; {ADVICE}")
        return found

    def body(self) -> WeighedBody:
        """Raises DeckError: the places of a compact model are weighed on the lines of a grid."""
        raise DeckError(Problem("solver.mesh.cells", "compact models are made on bricks (hex) of a stack alone"))

    def by_models(self, kept: Any) -> SolidBackend:
        """As `body`."""
        raise DeckError(Problem("solver.backend", "compact models are made on bricks (hex) of a stack alone"))

    def system(
        self,
        sources: Sequence[HeatSource],
        places: Sequence[Place],
        *,
        rtol: float = 1e-10,
        laws: Mapping[str, FilmLaw] | None = None,
        runs: Sequence[ChannelRun] = (),
        course: PowerCourse | None = None,
    ) -> NodalSystem:
        """Nodes of the mesh, on the matrices of this solver."""
        from stack3d.thermal.fem.over_time import FemBody

        return NodalSystem(FemBody(self), sources, places, rtol=rtol, laws=laws, runs=runs)

    def solve(
        self,
        sources: Sequence[HeatSource],
        *,
        guess: Floats | None = None,
        references: Mapping[str, Floats] | None = None,
    ) -> ThermalSolution:
        """Steady temperature for these sources.

        Parameters
        ----------
        sources : sequence of HeatSource
        guess : ndarray, optional
            Temperature to begin with, the values of a field of this solver. [K]
        references : mapping of str to ndarray, optional
            Nodal reference temperatures of faces by name. [K]

        Raises
        ------
        SolverError
            With reason, iterations and last residual when the linear solver or the updates of k(T) do not converge.
        """
        started = time.perf_counter()
        heat, at, assembly, space = self.conduction, self.conduction.at, self.conduction.assembly, self.conduction.space
        films, fluxes, base = heat.film_loads, heat.flux_loads, heat.reference
        load = at.load(sources) + sum(fluxes.values())
        heat_in = float(sum(s.power for s in sources)) + sum(space.sum(flux) for flux in fluxes.values())
        drives = self._drives(references or {})
        # The mean rise is taken out first: A 1 is the film vector, known without the cancellation in the rows of A.
        total = space.sum(load) + sum(space.sum(drive) for drive in drives.values())
        mean = 0.0 if assembly.is_fixed else total / sum(space.sum(film) for film in films.values())
        for name, film in films.items():
            load = load + drives[name] - film * mean
        # lifted fixed temperatures dwarf the heat: the residual has to be small beside the heat, or in is not out
        scale = float(np.sqrt(space.sum(load**2))) or 1.0
        if at.follows_temperature:
            start = self._start(sources, guess, references or {})
            first = np.zeros(space.own) if start is None else start[: space.own] - mean
            try:
                found = self._settled(load, first, mean, scale)
            except UncorrectedError as error:
                stack = self.problem.stack
                raise of_conductivity(error, lambda rise: at.field(rise + (mean + base)), stack, heat_in) from None
        else:
            start = None if guess is None else at.at_unknowns(guess)[: space.own] - (mean + base)
            found = solved(assembly, load, self._solver, start=start, scale=scale)
        rise = found.values
        left = {name: space.sum(film * (rise + mean)) - space.sum(drives[name]) for name, film in films.items()}
        left |= assembly.reactions(found.residual)
        return ThermalSolution(
            at.steady(rise + (mean + base), sources),
            heat_in=heat_in,
            heat_out=sum(left.values()),
            face_heat=left,
            statistics={
                "backend": "fem",
                "unknowns": space.size,
                "linear_solver": self._solver.name,
                "iterations": found.iterations,
                "conductivity_updates": found.updates,
                "residual": found.defect,
                "rounding": found.rounding,
                "tolerance": self.method.tolerance,
                "seconds": {**self.seconds, "solve": time.perf_counter() - started},
            },
        )

    def _drives(self, references: Mapping[str, Floats]) -> dict[str, Floats]:
        """What the surroundings of each film bring in: film times their rise over the reference. [W]"""
        heat = self.conduction
        drives = {name: film * (self.problem.faces[name].reference - heat.reference) for name, film in heat.film_loads.items()}
        return drives | {name: heat.varying_film(name, values) for name, values in references.items() if name in drives}

    def _start(self, sources: Sequence[HeatSource], guess: Floats | None, references: Mapping[str, Floats]) -> Floats | None:
        """Rise over the reference at all local unknowns to begin with where K follows the temperature. [K]

        On lines it is the same elements and k(T) without a matrix: what is left is to check that against the matrix.
        """
        if self._lines is not None:
            return self._lines.rise(sources, guess, references)
        return None if guess is None else self.conduction.at.at_unknowns(guess) - self.conduction.reference

    def _settled(self, load: Floats, rise: Floats, mean: float, scale: float) -> Solved:
        """Solution where K follows the temperature, begun near `rise`.

        Residuals are those of K at the temperature itself, applied cell by cell; the matrix, which holds an older K, is what
        corrects, and is filled anew only where that gains too little.
        """
        heat, assembly = self.conduction, self.conduction.assembly
        fixed = [rows for rows, _ in assembly.fixed_values().values()]
        reaction = load

        def left(rise: Floats) -> Left:
            nonlocal reaction
            heat.at.update_conductivity(rise + (mean + heat.reference))
            reaction = load - assembly.applied(rise)
            free = reaction.copy()
            for rows in fixed:
                free[rows] = 0.0
            return Left(free, assembly.norm(free) / scale, assembly.rounding(rise) / scale)

        def correct(residual: Floats, gain: float) -> tuple[Floats, int]:
            change = self._solver.solve(residual, gain)
            if self._solver.reason < 0:
                raise SolverError(
                    f"linear solver {self._solver.name} stopped after {self._solver.iterations} iterations in an update of k(T)"
                    f" (PETSc reason {self._solver.reason}); {ADVICE}"
                )
            return change, self._solver.iterations

        found = corrected(
            heat.lifted(rise), left, correct, tolerance=self.method.tolerance, what="k(T)", refill=assembly.refill
        )
        size, rounding = found.left.size, found.left.rounding or 0.0
        return Solved(found.state, reaction, found.iterations, found.updates, size, rounding)
