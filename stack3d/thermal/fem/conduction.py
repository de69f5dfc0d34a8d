"""Steady conduction in DOLFINx on any mesh: anisotropic regions, cooled faces, k(T); one assembly and one solve for all."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from stack3d.errors import DeckError, SolverError
from stack3d.layout import Floats, HeatSource
from stack3d.meshes import Ints
from stack3d.thermal.fem.mesh import HandedOver
from stack3d.thermal.places import Place
from stack3d.thermal.problem import Field, HeatProblem, ThermalSolution

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


class ConductionSolver(ABC):
    """What every DOLFINx solver of one problem on one mesh shares; many powers.

    A subclass makes mesh, space and conductivity, calls `_assemble` and `_set_up_solver`, and says by its hooks how sources,
    nodal values and fields meet the unknowns.
    """

    problem: HeatProblem
    tolerance: float
    counts: Counter[str]
    """Meshes handed over, matrices assembled, preconditioners set up so far."""
    seconds: dict[str, float]
    max_iterations: int
    quadrature_degree: int = 2
    """Exact for constant conductivity on bricks and straight tetrahedra; the degree that UFL would guess is far higher."""
    serial_only: ClassVar[tuple[str, ...]] = ("icc",)
    """Preconditioners of one process."""

    _dolfinx: Any
    _ufl: Any
    _mesh: Any
    _handed: HandedOver
    _free_matrix: Any
    """Without the fixed temperatures; None where there are none."""
    _space: Any
    _nodes: Ints
    """Where each local unknown lies among the nodes of the whole mesh, those flattened."""
    heat_capacity: Floats
    """Of each local cell. [J m⁻³ K⁻¹]"""
    _conductivity: Any
    """Diagonal of K, a vector-valued coefficient of the form."""
    _reference: float
    _solver: Any
    _scale: float = 1.0
    """Norm of the load that residuals are relative to."""

    # what a subclass says

    @abstractmethod
    def _load(self, sources: Sequence[HeatSource]) -> Floats:
        """Load of the sources on the unknowns of this process. [W]"""

    @abstractmethod
    def _field(self, own: Floats) -> Field:
        """Field of the temperatures at the unknowns of this process, on every process. [K]"""

    @abstractmethod
    def _at_unknowns(self, values: Floats) -> Floats:
        """Values of a field at all local unknowns, those of neighbours included."""

    @abstractmethod
    def _update_conductivity(self, own: Floats) -> None:
        """Make the conductivity that of these temperatures at the unknowns of this process. [K]"""

    @property
    @abstractmethod
    def _shape(self) -> tuple[int, ...]:
        """Of an array with all nodes of the mesh."""

    @abstractmethod
    def _observer(self, places: Sequence[Place]) -> Callable[[Floats], Floats]:
        """Gives the values of places for those at all nodes."""

    @property
    @abstractmethod
    def _is_nonlinear(self) -> bool:
        """Whether K follows the temperature somewhere."""

    @abstractmethod
    def _automatic(self, parallel: bool) -> str:
        """Preconditioner that ``auto`` stands for."""

    def _choose(self, pc: Any, name: str) -> None:
        """Give a PETSc preconditioner, whose operators are set, its type."""
        pc.setType(name)

    def _own_preconditioner(self, name: str, rate: float | None) -> Any:
        """A PETSc Python context for a preconditioner that PETSc does not know; None leaves it to PETSc.

        At a `rate`, it is that of the matrix plus the rate times that of the heat capacity. [s⁻¹]
        """
        return None

    def _start(self, sources: Sequence[HeatSource], guess: Floats | None, references: Mapping[str, Floats]) -> Floats | None:
        """Rise over the reference at all local unknowns to begin with where K follows the temperature. [K]"""
        return None if guess is None else self._at_unknowns(guess) - self._reference

    # what they share

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return int(self._space.dofmap.index_map.size_global)

    @property
    def _n_own(self) -> int:
        return int(self._space.dofmap.index_map.size_local)

    @property
    def _quadrature(self) -> dict[str, int]:
        return {"quadrature_degree": self.quadrature_degree}

    def _refill(self) -> None:
        """The matrices anew, with the conductivity and films as they are."""
        for matrix in self._matrices:
            matrix.zeroEntries()
        self._add(self._volume)
        self._bare = [matrix.createSubMatrix(self._film_rows).getValuesCSR() for matrix in self._matrices]
        self._add(self._surface)
        self.counts["assemblies"] += 1

    def _change_films(self) -> None:
        """The matrices with other films: their rows go back to what conduction alone has left there, and films are added.

        So the outcome is that of `_refill` to the last bit, whatever films were there before.
        """
        rows = self._film_rows.getIndices()
        for matrix, (start, columns, values) in zip(self._matrices, self._bare):
            matrix.setValuesIJV(start, columns, values, rowmap=rows)
            matrix.assemble()
        self._add(self._surface)

    @property
    def _matrices(self) -> list[Any]:
        """That of the equations and, where temperatures are fixed, the one whose residual is their heat."""
        return [self._matrix] if self._free_matrix is None else [self._matrix, self._free_matrix]

    def _add(self, bilinear: Any) -> None:
        """Add a form to the matrices."""
        conditions = [condition for _, condition in self._conditions]
        for matrix, fixed in zip(self._matrices, (conditions, [])):
            if bilinear is not None:
                self._dolfinx.fem.petsc.assemble_matrix(matrix, bilinear, bcs=fixed)
            matrix.assemble()
        self._diagonal = self._matrix.getDiagonal().array

    def _measure(self, name: str) -> Any:
        return self._handed.measure(name, self._quadrature)

    def _assemble(self) -> None:
        from petsc4py import PETSc

        ufl, fem = self._ufl, self._dolfinx.fem
        u, v = ufl.TrialFunction(self._space), ufl.TestFunction(self._space)
        # - div(K grad T) = q  with  - n.K grad T = h (T - T_ref) - flux  on cooled faces
        k_grad = ufl.as_vector([self._conductivity[i] * ufl.grad(u)[i] for i in range(3)])
        volume = ufl.inner(k_grad, ufl.grad(v)) * ufl.dx(metadata=self._quadrature)
        self._conditions: list[tuple[str, Any]] = []
        self._films: dict[str, Any] = {}
        surface = []
        cooled = np.zeros(self._n_own, dtype=bool)
        for name, face in self.problem.faces.items():
            if not face.film_coefficient > 0:
                continue
            unknowns = self._handed.unknowns(self._space, name)
            if face.is_fixed:
                self._conditions.append((name, fem.dirichletbc(face.reference - self._reference, unknowns, self._space)))
                continue
            self._films[name] = fem.Constant(self._mesh, float(face.film_coefficient))
            surface.append(self._films[name] * u * v * self._measure(name))
            cooled[unknowns[unknowns < self._n_own]] = True
        self._load_faces()
        self._volume = fem.form(volume)
        self._surface = fem.form(sum(surface)) if surface else None
        self._state = fem.Function(self._space)
        self._action = fem.form(ufl.action(sum(surface, volume), self._state)) if self._is_nonlinear else None
        first = self._space.dofmap.index_map.local_range[0]
        self._film_rows = PETSc.IS().createGeneral((first + np.flatnonzero(cooled)).astype(PETSc.IntType), self._mesh.comm)
        self._matrix = fem.petsc.create_matrix(self._volume)
        self._free_matrix = fem.petsc.create_matrix(self._volume) if self._conditions else None
        self._refill()

    def _load_faces(self) -> None:
        """Vectors of films and of fluxes on the faces."""
        fem, v = self._dolfinx.fem, self._ufl.TestFunction(self._space)
        faces = self.problem.faces
        self._film = {name: self._vector(h * v * self._measure(name)) for name, h in self._films.items()}
        self._flux = {
            name: self._vector(fem.Constant(self._mesh, float(face.flux)) * v * self._measure(name))
            for name, face in faces.items()
            if face.flux and not face.is_fixed
        }

    def recooled(self, problem: HeatProblem) -> Self:
        """Return the solver with other films, fluxes and references on the same faces; raises DeckError for other kinds."""
        for name, face in problem.faces.items():
            old = self.problem.faces[name]
            if (face.is_fixed, face.film_coefficient > 0) != (old.is_fixed, old.film_coefficient > 0):
                raise DeckError(f"cooling: face {name!r} changes its kind, which needs a new solver")
        self.problem, self._reference = problem, problem.reference
        for name, film in self._films.items():
            film.value = problem.faces[name].film_coefficient
        for name, condition in self._conditions:
            condition.g.value[...] = problem.faces[name].reference - self._reference
        self._load_faces()
        self._change_films()
        return self

    def _vector(self, integrand: Any) -> Floats:
        """Assembled linear form, compiled or not, owned part."""
        vector = self._dolfinx.fem.assemble_vector(self._dolfinx.fem.form(integrand))
        vector.scatter_reverse(self._dolfinx.la.InsertMode.add)
        return np.array(vector.array[: self._n_own])

    def _sum(self, values: Any) -> float:
        return float(self._mesh.comm.allreduce(float(np.sum(values))))

    def _gathered(self, own: Floats) -> Floats:
        """Values at the unknowns of all processes among all nodes, zero elsewhere; on every process."""
        out = np.zeros(int(np.prod(self._shape)))
        out[self._nodes[: own.size]] = own
        if self._mesh.comm.size > 1:
            from mpi4py import MPI

            self._mesh.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out.reshape(self._shape)

    def _set_up_solver(self, method: str, preconditioner: str, max_iterations: int) -> None:
        parallel = self._mesh.comm.size > 1
        preconditioner = self._automatic(parallel) if preconditioner == "auto" else preconditioner
        if preconditioner in self.serial_only and parallel and method != "direct":
            raise DeckError(f"solver.linear.preconditioner: {preconditioner!r} works in one process only; with MPI use 'gamg'")
        self.is_direct, self.preconditioner, self.max_iterations = method == "direct", preconditioner, max_iterations
        self.method = "direct (MUMPS, Cholesky)" if self.is_direct else f"cg + {preconditioner}"
        self._solver = self.krylov(self._matrix, "stack3d_")
        self._solver.setTolerances(rtol=self.tolerance, atol=0.0, max_it=max_iterations)
        self._solver.setInitialGuessNonzero(True)
        self.counts["preconditioners"] += 1

    def krylov(self, matrix: Any, prefix: str, rate: float | None = None) -> Any:
        """Conjugate gradients of PETSc on a matrix of this space, with the preconditioner that was asked for.

        It is made for the matrix as it is, and goes on preconditioning what the matrix becomes: k(T) and films move it little.
        With a `rate` [s⁻¹], the matrix is this one plus the rate times that of the heat capacity.
        """
        from petsc4py import PETSc  # its stubs take enumerations for plain classes

        petsc: Any = PETSc
        matrix.setOption(petsc.Mat.Option.SPD, True)
        solver = petsc.KSP().create(self._mesh.comm)
        solver.setOptionsPrefix(prefix)
        solver.setOperators(matrix)
        solver.setType("cg")
        solver.setNormType(petsc.KSP.NormType.UNPRECONDITIONED)
        pc = solver.getPC()
        if self.is_direct:
            pc.setType("cholesky")
            pc.setFactorSolverType("mumps")
        elif (context := self._own_preconditioner(self.preconditioner, rate)) is not None:
            pc.setType("python")
            pc.setPythonContext(context)
            self.method = f"cg + {context.name} on the grid"
        else:
            self._choose(pc, self.preconditioner)
        pc.setReusePreconditioner(True)
        solver.setFromOptions()
        solver.setUp()
        return solver

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
            self._field(rise + (mean + self._reference)),
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
