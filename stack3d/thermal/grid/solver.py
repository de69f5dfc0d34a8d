"""Steady heat on a tensor grid without a mesh: direct for laterally uniform layers, preconditioned otherwise; SI units."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError
from stack3d.fe.corrections import Left, UncorrectedError, accelerated, corrected
from stack3d.fe.krylov import Iterations, conjugate_gradient, gmres, norm
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.backend import SolidBackend, ThermalSolution
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.falling_conductivity import of_conductivity
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.averages import LOW_CONTRAST, at_rate, averaged_layers, contrast, is_separable
from stack3d.thermal.grid.bends import bends
from stack3d.thermal.grid.diagonalisation import FastDiagonalisation
from stack3d.thermal.grid.faces import fixed_nodes
from stack3d.thermal.grid.loads import boundary_load, source_loads
from stack3d.thermal.grid.multigrid import LateralMultigrid
from stack3d.thermal.grid.operator import GridOperator
from stack3d.thermal.places import Place
from stack3d.thermal.problem import FilmLaw, ThermalProblem
from stack3d.thermal.time.body import WeighedBody
from stack3d.thermal.time.coolant_flow import CoolantFlow
from stack3d.thermal.time.nodal import NodalSystem
from stack3d.thermal.time.system import PowerCourse, TransientSystem

CLOSED = 1e-9
"""Share of the heat that a balance beside coolant may be off by; the solver's residual alone allows more."""
ROUGH = 1e-5
"""Relative residual of temperatures that are thrown away; what follows begins there, and leakage moves them by more."""
InverseKind = Literal["auto", "diagonalisation", "multigrid"]


class TensorSolver:
    """Backend ``tensor``: trilinear elements on the problem's grid by fast diagonalisation.

    Made once per stack, grid and cooling; then every power costs one solve.

    Parameters
    ----------
    problem : ThermalProblem
    rtol : float
        Relative residual asked where the solve is not direct. [-]
    most_iterations : int
    preconditioner : {"auto", "diagonalisation", "multigrid"}
        For stacks that are not separable; ``auto`` takes multigrid where materials within a layer differ much.
    at : ndarray, shape (nz+1, ny+1, nx+1), optional
        Freeze k(T) at this temperature, which makes the problem linear. [K]
    counts : Counter, optional
        Goes on counting what is built; see `SolidBackend`.
    """

    def __init__(
        self,
        problem: ThermalProblem,
        *,
        rtol: float = 1e-10,
        most_iterations: int = 1000,
        preconditioner: InverseKind = "auto",
        at: Floats | None = None,
        counts: Counter[str] | None = None,
    ) -> None:
        started = time.perf_counter()
        self.problem, self.rtol, self.most_iterations = problem, rtol, most_iterations
        self.counts = Counter() if counts is None else counts
        self.counts["preconditioners"] += 1
        self.cells = problem.cells
        self.is_linear, self.frozen_at = self.cells.is_linear or at is not None, at
        factor = None if at is None or self.cells.is_linear else self.cells.conductivity_factor(problem.grid, at)
        self.operator = GridOperator(problem, self.cells, factor=factor)
        if preconditioner == "auto":
            is_even = contrast(self.cells) <= LOW_CONTRAST and not problem.patches
            preconditioner = "diagonalisation" if is_even else "multigrid"
        self.preconditioner = preconditioner
        self.exact: FastDiagonalisation | None = None
        """The inverse of the operator, where the stack is separable."""
        self.inverse: FastDiagonalisation | LateralMultigrid
        if preconditioner == "diagonalisation":
            self.inverse = FastDiagonalisation(problem.grid, averaged_layers(problem, self.cells))
            self.exact = self.inverse if is_separable(problem, self.cells) else None
        else:
            self.inverse = LateralMultigrid(self.operator).of_few_digits()  # residuals and solutions keep all digits
        self.base, self.checks = problem.reference, True
        self.flow: CoolantFlow | None = None
        """Coolant that is part of the equations."""
        self._fixed = fixed_nodes(problem)
        self._free = self._free_nodes()
        self._seconds_setup = time.perf_counter() - started

    @property
    def is_direct(self) -> bool:
        """Whether one application of the inverse solves."""
        return self.exact is not None

    def recooled(self, problem: ThermalProblem) -> TensorSolver:
        """A solver for the same stack and grid with other films and references."""
        return TensorSolver(
            problem,
            rtol=self.rtol,
            most_iterations=self.most_iterations,
            preconditioner=self.preconditioner,
            counts=self.counts,
        )

    def held_at(self, means: Mapping[str, float]) -> TensorSolver:
        """A solver with every conductivity held at the mean of its layer. [K]"""
        return TensorSolver(self.problem.held_at(means), rtol=self.rtol)

    def body(self) -> WeighedBody:
        """Elements on the grid, whatever the stack is."""
        from stack3d.thermal.grid.tensor_body import TensorBody

        return TensorBody(self)

    def by_models(self, kept: Any) -> SolidBackend:
        """Compact models in place of each solve."""
        from stack3d.thermal.compact.compact_solver import CompactSolver

        return CompactSolver(self, kept)

    def system(
        self,
        sources: Sequence[HeatSource],
        places: Sequence[Place],
        *,
        rtol: float = 1e-10,
        laws: Mapping[str, FilmLaw] | None = None,
        runs: Sequence[ChannelRun] = (),
        course: PowerCourse | None = None,
    ) -> TransientSystem:
        """Lateral modes of separable stacks whose films stay, without coolant and without fins at the sides; else nodes."""
        from stack3d.thermal.grid.modal_system import ModalSystem

        if self.is_direct and self.cells.stores_linearly and not (laws or runs or self.problem.sides.capacity):
            return ModalSystem(self, sources, places)
        return NodalSystem(self.body(), sources, places, rtol=rtol, laws=laws, runs=runs)

    def with_tolerance(self, rtol: float) -> TensorSolver:
        """The same solver, content with another relative residual where it is larger than its own."""
        other = copy.copy(self)
        other.rtol = max(self.rtol, rtol)
        return other

    def unchecked(self) -> TensorSolver:
        """The same for temperatures alone: heat through faces and residual, which cost more than a direct solve, are NaN."""
        other = copy.copy(self)
        other.checks = False
        return other

    def roughly(self) -> TensorSolver:
        """Content with few digits of temperatures that are thrown away."""
        return self.with_tolerance(ROUGH)

    def with_coolant(self, runs: Sequence[ChannelRun]) -> TensorSolver:
        """The same solver with the coolant of channels in its equations."""
        other = copy.copy(self)
        other.flow = CoolantFlow(runs, self.problem, self.operator.face_integral, self.base)
        return other

    def near_with_coolant(self, runs: Sequence[ChannelRun]) -> None:
        """None: it takes coolant into its own equations."""

    def shifted(self, rate: float) -> FastDiagonalisation | LateralMultigrid:
        """Approximate (exact where `is_direct`) inverse of the operator with its heat capacity times `rate` [s⁻¹]."""
        if self.preconditioner != "diagonalisation":
            return LateralMultigrid(GridOperator(self.problem, self.cells, rate=rate))
        layers = at_rate(self.problem, averaged_layers(self.problem, self.cells), rate)
        return FastDiagonalisation(self.problem.grid, layers, rate=rate)

    def _free_nodes(self) -> NDArray[np.bool_] | None:
        free = None if self.cells.is_uniform else self.operator.solid_nodes()
        for nodes in self._fixed.values():
            free = ~nodes if free is None else free & ~nodes
        return free

    def restrict(self, values: Floats, out: Floats | None = None) -> Floats:
        """Nodal values with zero at void and fixed nodes; `out` may be the values themselves, or is not used."""
        return values if self._free is None else np.multiply(values, self._free, out=out)

    def lift(self) -> Floats:
        """Rise of the fixed nodes over `base`, zero elsewhere, shape (nz+1, ny+1, nx+1). [K]"""
        grid = self.problem.grid
        out = np.zeros((grid.z.size, grid.y.size, grid.x.size))
        for name, nodes in self._fixed.items():
            out[nodes] = getattr(self.problem, name).reference - self.base
        return out

    def fixed(self) -> NDArray[np.bool_]:
        """Nodes of fixed temperature, shape (nz+1, ny+1, nx+1)."""
        grid = self.problem.grid
        out = np.zeros((grid.z.size, grid.y.size, grid.x.size), dtype=bool)
        for nodes in self._fixed.values():
            out |= nodes
        return out

    def solve_loads(self, loads: Floats) -> Floats:
        """Rise of nodal temperature per load vector with every reference and flux at zero.

        Parameters
        ----------
        loads : ndarray, shape (…, nz+1, ny+1, nx+1)
            [W]

        Returns
        -------
        ndarray, same shape
            [K]

        Raises
        ------
        DeckError
            Where k depends on T and no temperature was given to freeze it at.
        """
        if not self.is_linear:
            raise DeckError("k(T) makes the stack non-linear, so that loads do not add up; freeze it with `at`")
        if self.is_direct:
            return self.inverse.solve(self.restrict(loads))
        many = loads.reshape(-1, *loads.shape[-3:])
        return np.stack([self.iterate(self.operator, load, self.rtol).solution for load in many]).reshape(loads.shape)

    def iterate(self, operator: GridOperator, load: Floats, rtol: float) -> Iterations:
        """Conjugate gradients, or GMRES beside coolant, on an operator near its own, to a relative residual."""
        method = conjugate_gradient if self.flow is None else gmres
        return method(
            lambda v: self.restrict(out := self._applied(operator, v), out),
            self._preconditioned,
            self.restrict(load),
            rtol=rtol,
            most=self.most_iterations,
        )

    def _preconditioned(self, residual: Floats) -> Floats:
        """About what a rise lacks that leaves a residual, in its precision."""
        out = self.inverse.solve(residual)
        return self.restrict(out, out)

    def _applied(self, operator: GridOperator, rise: Floats, out: Floats | None = None) -> Floats:
        """Heat that a rise drives through the solid, less what coolant gives back as it warms. [W]"""
        out = operator.apply(rise, out)
        if self.flow is not None:
            self.flow.take_answer(0.0, rise, out)
        return out

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
        references : mapping of str to ndarray, optional
            Nodal reference temperature of faces by name, in place of the one value of the face. [K]
        guess : ndarray, shape (nz+1, ny+1, nx+1), optional
            Temperature near the solution; a direct solve needs none. [K]

        Raises
        ------
        SolverError
            When not converged, with iterations, residual and what to try.
        """
        started = time.perf_counter()
        load = self.load(sources, {**(references or {}), **self._coolant(0.0 * self.lift())})
        rise, operator, iterations, updates = self._risen(load, self.lift(), guess, self.heat_in(sources))
        if self.flow is not None:
            if not self._fixed:
                rise += self._lacking(load, rise, operator, CLOSED * abs(self.heat_in(sources)))
            references = {**(references or {}), **self._coolant(rise)}
            load = self.load(sources, references)
        method = "cg" if self.flow is None else "gmres"
        statistics = {
            "backend": "tensor",
            "linear_solver": "fast diagonalisation" if self.is_direct else f"{method} + {self.preconditioner}",
            "iterations": iterations,
            "conductivity_updates": updates,
            "seconds": {"setup": self._seconds_setup, "solve": time.perf_counter() - started},
        }
        return self.solution(sources, rise, operator, statistics, load=load, references=references)

    def solution(
        self,
        sources: Sequence[HeatSource],
        rise: Floats,
        operator: GridOperator,
        statistics: Mapping[str, Any],
        *,
        load: Floats | None = None,
        references: Mapping[str, Floats] | None = None,
    ) -> ThermalSolution:
        """Field, heat through the faces and what is left of the equations of a rise that was found.

        Parameters
        ----------
        sources : sequence of HeatSource
        rise : ndarray, shape (nz+1, ny+1, nx+1)
            Over `base`. [K]
        operator : GridOperator
            At that rise.
        statistics : mapping
            To be told, beside those that follow from it.
        load : ndarray, shape (nz+1, ny+1, nx+1), optional
            Of the sources, where it is known. [W]
        references : mapping of str to ndarray, optional
            As `solve` has them. [K]
        """
        started = time.perf_counter()
        problem, base, lift = self.problem, self.base, self.lift()
        if not self.checks:
            nothing = dict.fromkeys(problem.faces, np.nan)
            return ThermalSolution(self.field(sources, rise + base), self.heat_in(sources), np.nan, nothing, statistics)
        load = self.load(sources, references) if load is None else load
        imbalance = operator.apply(rise)
        imbalance -= load
        scale = self.restrict(load - operator.apply(lift) if lift.any() else load)
        residual = norm(self.restrict(imbalance)) / (norm(scale) or 1.0)
        given = {name: face.reference for name, face in problem.faces.items()} | dict(references or {})
        heat = {name: self._face_heat(name, rise, imbalance, given[name] - base) for name in given}
        told = {
            **statistics,
            "unknowns": int(load.size if self._free is None else self._free.sum()),
            "residual": residual,
            "seconds": {**statistics["seconds"], "check": time.perf_counter() - started},
        }
        return ThermalSolution(self.field(sources, rise + base), self.heat_in(sources), sum(heat.values()), heat, told)

    def _lacking(self, load: Floats, rise: Floats, operator: GridOperator, allowed: float) -> float | Floats:
        """The even rise that lets out what a rise leaves in where that is more than allowed [W]; k(T) does not see it. [K]"""
        left = float(self.restrict(load - self._applied(operator, rise)).sum())
        if abs(left) <= allowed:
            return 0.0
        even = self.restrict(np.ones_like(rise))
        let_out = float(self.restrict(self._applied(self.operator, even)).sum())
        return np.multiply(even, left / let_out, out=even)

    def _coolant(self, rise: Floats) -> Mapping[str, Floats]:
        """Coolant that has settled with a rise, on nodes by patch. [K]"""
        return {} if self.flow is None else self.flow.references(self.flow.steady(rise))

    def field(self, sources: Sequence[HeatSource], temperature: Floats) -> GridField:
        """Nodal temperatures with what heat bends between them."""
        stack, grid, at = self.problem.stack, self.problem.grid, self.frozen_at if self.is_linear else temperature
        return GridField(stack, grid, temperature, bends(stack, grid, self.cells, sources, at))

    def rise(self, sources: Sequence[HeatSource], guess: Floats | None, references: Mapping[str, Floats] | None) -> Floats:
        """What `solve` adds to `base`, with the digits that the sum would lose, shape (nz+1, ny+1, nx+1). [K]"""
        return self._risen(self.load(sources, references), self.lift(), guess, self.heat_in(sources))[0]

    def load(self, sources: Sequence[HeatSource], references: Mapping[str, Floats] | None = None) -> Floats:
        """Load of sources, and of films and fluxes while every node is at `base`. [W]"""
        load = source_loads(self.problem.grid, self.problem.stack, sources)
        load += boundary_load(self.operator, self.base, references)
        return load

    def _risen(self, load: Floats, lift: Floats, guess: Floats | None, heat_in: float) -> tuple[Floats, GridOperator, int, int]:
        """Rise over `base`, the operator at it, iterations and updates of k(T)."""
        operator, base = self.operator, self.base
        if not self.is_linear:
            try:
                return self._update_conductivity(load, lift if guess is None else guess - base, base)
            except UncorrectedError as error:
                stack, grid = self.problem.stack, self.problem.grid
                raise of_conductivity(error, lambda rise: GridField(stack, grid, rise + base), stack, heat_in) from None
        right = self.restrict(load - self._applied(operator, lift) if lift.any() else load)
        iterations = 0
        if self.is_direct:
            rise = self.inverse.solve(right)
        else:
            rise = np.zeros_like(right) if guess is None else self.restrict(guess - base)
            defect = right if guess is None else right - self.restrict(self._applied(operator, rise))
            left = norm(defect) / (norm(right) or 1.0)
            if left > self.rtol:
                result = self.iterate(operator, defect, self.rtol / left)
                rise, iterations = rise + result.solution, result.count
        rise += lift
        return rise, operator, iterations, 0

    def _update_conductivity(self, load: Floats, start: Floats, base: float) -> tuple[Floats, GridOperator, int, int]:
        """Rise with k(T): k of each cell from its mean temperature, a few preconditioned iterations between updates."""
        operator = self.operator
        factor, applied = np.empty(self.problem.grid.shape), np.empty_like(load)  # fresh memory costs as much as a product

        def left(rise: Floats) -> Left:
            nonlocal operator
            operator = self.operator.changed(factor=self.cells.conductivity_factor(self.problem.grid, rise, base, factor))
            self.restrict(self._applied(operator, rise, applied), applied)
            scale = norm(load) + norm(applied)
            defect = self.restrict(np.subtract(load, applied, out=applied), applied)
            return Left(defect, norm(defect) / (scale or 1.0))

        def correct(residual: Floats, gain: float) -> tuple[Floats, int]:
            if self.preconditioner != "multigrid":
                result = self.iterate(operator, residual, gain)
                return result.solution, result.count
            size = float(np.abs(residual).max())  # few digits have a small range, too
            result = self.iterate(operator.of_few_digits(), (residual / size).astype(np.float32), gain)
            return result.solution * size, result.count

        about: dict[str, Any] = {"tolerance": self.rtol, "what": "k(T)"}
        if self.flow is None:
            found = corrected(start, left, correct, **about)
        else:
            found = accelerated(start, left, self._preconditioned, most=self.most_iterations, **about)
        return found.state, operator, found.iterations, found.updates

    def _face_heat(self, name: str, rise: Floats, imbalance: Floats, reference: Floats | float) -> float:
        """Heat leaving through a face by its film, or as the reaction of its fixed nodes; `reference` over `base`. [W]"""
        face = self.problem.faces[name]
        if face.is_fixed:
            return -float(imbalance[self._fixed[name]].sum())
        if not face.film_coefficient:
            return 0.0
        return float(self.operator.face_integral(name, face.film_coefficient * (rise - reference)).sum())

    def heat_in(self, sources: Sequence[HeatSource]) -> float:
        """Power of sources, and heat pushed in through the faces. [W]"""
        faces = self.problem.faces.items()
        return sum(source.power for source in sources) + sum(
            float(f.flux * self.operator.face_integral(n).sum()) for n, f in faces if f.flux and not f.is_fixed
        )
