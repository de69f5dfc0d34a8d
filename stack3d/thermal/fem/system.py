"""Conduction in DOLFINx as a linear system on any mesh: anisotropic regions, cooled faces, k(T); one assembly for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from stack3d.errors import DeckError
from stack3d.fe.hand_over import HandedOver
from stack3d.fe.library import import_mpi, import_petsc
from stack3d.layout import Floats, HeatSource
from stack3d.meshes import Ints
from stack3d.thermal.fields.field import Field
from stack3d.thermal.places import Place
from stack3d.thermal.problem import HeatProblem


class ConductionSystem(ABC):
    """Matrices, loads and Krylov solvers of one problem on one mesh.

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

    def _steady(self, own: Floats, sources: Sequence[HeatSource]) -> Field:
        """Field of a steady state."""
        return self._field(own)

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
        petsc = import_petsc()
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
        self._film_rows = petsc.IS().createGeneral((first + np.flatnonzero(cooled)).astype(petsc.IntType), self._mesh.comm)
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
            mpi = import_mpi()
            self._mesh.comm.Allreduce(mpi.IN_PLACE, out, op=mpi.SUM)
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
        petsc = import_petsc()
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
