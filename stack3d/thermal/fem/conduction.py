"""Steady states of a conduction system in DOLFINx: linear, with fixed faces, and with k(T)."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.backend import SolidBackend, ThermalSolution
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.fem.system import ConductionSystem
from stack3d.thermal.places import Place
from stack3d.thermal.problem import FilmLaw
from stack3d.thermal.time.nodal import NodalSystem

ROUNDING = 16.0
"""Multiple of machine epsilon times diag(A) x that a residual may keep."""

LEAST_TOLERANCE = 1e-14
"""Of the residual over the right side; less is below rounding."""

MOST_UPDATES = 50
"""Updates of k(T) after which the nonlinear loop gives up."""
WORTH_FILLING = 0.2
"""Share of the residual that an update may leave before the matrix, which holds an older k(T), is filled anew."""
UPDATE_GAIN = 1e-3
"""Share of the residual that the linear solve of an update leaves; k(T) leaves more."""


class ConductionSolver(ConductionSystem):
    """What every DOLFINx solver of one problem on one mesh shares; many powers."""

    @abstractmethod
    def held_at(self, means: Mapping[str, float]) -> SolidBackend:
        """A solver with every conductivity held at the mean of its layer. [K]"""

    def system(
        self,
        sources: Sequence[HeatSource],
        places: Sequence[Place],
        *,
        rtol: float = 1e-10,
        laws: Mapping[str, FilmLaw] | None = None,
        runs: Sequence[ChannelRun] = (),
    ) -> NodalSystem:
        """Nodes of the mesh, on the matrices of this solver."""
        from stack3d.thermal.fem.body import FemBody

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
        problem = self.problem
        load = self._load(sources) + sum(self._flux.values())
        # The mean rise is taken out first: A 1 is the film vector, known without the cancellation in the rows of A.
        offsets = {name: problem.faces[name].reference - self._reference for name in self._film}
        varying = {name: self._varying_film(name, values) for name, values in (references or {}).items()}
        total = self._sum(load) + sum(self._sum(varying.get(n, film * offsets[n])) for n, film in self._film.items())
        mean = 0.0 if self._conditions else total / sum(self._sum(film) for film in self._film.values())
        for name, film in self._film.items():
            load = load + varying.get(name, film * offsets[name]) - film * mean
        # lifted fixed temperatures dwarf the heat: the residual has to be small beside the heat, or in is not out
        self._scale = float(np.sqrt(self._sum(load**2))) or 1.0
        if self._is_nonlinear:
            start = self._start(sources, guess, references or {})
            rise, reaction, found = self._settled(
                load, np.zeros(self._n_own) if start is None else start[: self._n_own] - mean, mean
            )
        else:
            start = None if guess is None else self._at_unknowns(guess)[: self._n_own] - (mean + self._reference)
            rise, reaction, found = self._solved(load, start)
        heat = {
            name: self._sum(film * (rise + mean)) - self._sum(varying.get(name, film * offsets[name]))
            for name, film in self._film.items()
        }
        heat |= self._reactions(reaction)
        heat_in = float(sum(s.power for s in sources)) + sum(self._sum(flux) for flux in self._flux.values())
        return ThermalSolution(
            self._steady(rise + (mean + self._reference), sources),
            heat_in=heat_in,
            heat_out=sum(heat.values()),
            face_heat=heat,
            statistics={
                "backend": "fem",
                "unknowns": self.unknowns,
                "linear_solver": self.method,
                **found,
                "tolerance": self.tolerance,
                "seconds": {**self.seconds, "solve": time.perf_counter() - started},
            },
        )

    def _solved(self, load: Floats, start: Floats | None) -> tuple[Floats, Floats, dict[str, Any]]:
        """Rise for a matrix that does not depend on it, load less K times rise, and statistics."""
        rise = self._matrix.createVecRight()
        rise.array[:] = 0.0 if start is None else start
        right, free_right = self._right_side(load)
        self._scale = self._scale or right.norm() or 1.0
        relative = max(LEAST_TOLERANCE, self.tolerance * self._scale / (right.norm() or 1.0))
        self._solver.setTolerances(rtol=min(relative, self.tolerance))
        self._solver.solve(right, rise)
        iterations = self._solver.getIterationNumber()
        residual = right.duplicate()
        self._matrix.mult(rise, residual)
        residual.aypx(-1.0, right)
        defect, rounding = residual.norm() / self._scale, self._rounding(rise.array)
        if not (np.isfinite(defect) and defect <= self.tolerance + rounding):
            raise SolverError(
                f"linear solver {self.method} stopped after {iterations} iterations at relative residual {defect:.2e} (wanted"
                f" {self.tolerance:.0e}, PETSc reason {self._solver.getConvergedReason()}); {self._advice}"
            )
        if self._free_matrix is not None:
            self._free_matrix.mult(rise, residual)
            residual.aypx(-1.0, free_right)
        found = {"iterations": iterations, "conductivity_updates": 0, "residual": defect, "rounding": rounding}
        return np.array(rise.array), np.array(residual.array), found

    _advice = "try solver.linear.method=direct, a higher solver.linear.max_iterations or a coarser mesh"

    def _settled(self, load: Floats, rise: Floats, mean: float) -> tuple[Floats, Floats, dict[str, Any]]:
        """The same where K follows the temperature, begun near `rise`.

        Residuals are those of K at the temperature itself, applied cell by cell; the matrix, which holds an older K, is what
        corrects, and is filled anew only where that gains too little.
        """
        fixed = np.unique(np.concatenate([np.zeros(0, dtype=np.int32), *(self._fixed_rows(c) for _, c in self._conditions)]))
        for _, condition in self._conditions:
            rise[self._fixed_rows(condition)] = condition.g.value
        right, correction = self._matrix.createVecRight(), self._matrix.createVecRight()
        iterations, last, is_filled = 0, np.inf, False
        for updates in range(MOST_UPDATES + 1):
            self._update_conductivity(rise + (mean + self._reference))
            reaction = load - self._applied(rise)
            right.array[:] = reaction
            right.array[fixed] = 0.0
            self._scale = self._scale or right.norm() or 1.0
            defect, rounding = right.norm() / self._scale, self._rounding(rise)
            if defect <= self.tolerance + rounding:
                found = {"iterations": iterations, "conductivity_updates": updates, "residual": defect, "rounding": rounding}
                return rise, reaction, found
            if not np.isfinite(defect) or updates == MOST_UPDATES:
                break
            if defect > WORTH_FILLING * last and not is_filled:
                self._refill()
            is_filled = defect > WORTH_FILLING * last
            last = defect
            self._solver.setTolerances(rtol=max(UPDATE_GAIN, 0.3 * self.tolerance / defect))
            correction.set(0.0)
            self._solver.solve(right, correction)
            iterations += self._solver.getIterationNumber()
            if self._solver.getConvergedReason() < 0:
                raise SolverError(
                    f"linear solver {self.method} stopped after {iterations} iterations in update {updates + 1} of k(T) (PETSc"
                    f" reason {self._solver.getConvergedReason()}); {self._advice}"
                )
            rise = rise + correction.array
        raise SolverError(
            f"k(T): relative residual {defect:.1e} after {updates} updates, {self.tolerance:.0e} asked; the temperatures may"
            " have left the range of the conductivity law"
        )

    def _fixed_rows(self, condition: Any) -> Any:
        """Own unknowns of a fixed temperature."""
        rows, own = condition.dof_indices()
        return rows[:own]

    def _applied(self, rise: Floats) -> Floats:
        """K u with the present conductivity, own part."""
        self._state.x.array[: self._n_own] = rise
        self._state.x.scatter_forward()
        return self._vector(self._action)

    def _rounding(self, rise: Floats) -> float:
        """Relative residual that rounding alone explains: thin layers make entries of A x cancel."""
        products = np.sqrt(self._sum((self._diagonal * rise) ** 2))
        return ROUNDING * float(np.finfo(float).eps) * float(products) / self._scale

    def _varying_film(self, name: str, values: Floats) -> Floats:
        """Load of a film whose reference is nodal."""
        reference = self._dolfinx.fem.Function(self._space)
        reference.x.array[:] = self._at_unknowns(values) - self._reference
        v = self._ufl.TestFunction(self._space)
        return self._vector(self._films[name] * reference * v * self._measure(name))

    def _right_side(self, load: Floats) -> tuple[Any, Any]:
        """Load vector with, and without, the fixed temperatures worked in."""
        fem = self._dolfinx.fem
        right = self._matrix.createVecRight()
        right.array[:] = load
        if not self._conditions:
            return right, right
        free = right.copy()
        conditions = [condition for _, condition in self._conditions]
        lifted = self._dolfinx.la.vector(self._space.dofmap.index_map)
        for form in (self._volume, self._surface):
            if form is not None:
                fem.apply_lifting(lifted.array, [form], [conditions])
        lifted.scatter_reverse(self._dolfinx.la.InsertMode.add)
        right.array[:] += lifted.array[: self._n_own]
        fem.petsc.set_bc(right, conditions)
        return right, free

    def _reactions(self, reaction: Floats) -> dict[str, float]:
        """Heat leaving through each face of fixed temperature, from load less K times rise. [W]"""
        heat = {}
        for name, condition in reversed(self._conditions):  # where two meet, the later one has set the temperature
            rows = self._fixed_rows(condition)
            heat[name] = self._sum(reaction[rows])
            reaction[rows] = 0.0
        return heat
