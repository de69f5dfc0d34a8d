"""Steady conduction in DOLFINx: trilinear hexahedra, anisotropic layers, cooled faces."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, SolverError
from stack3d.layout import Floats, HeatSource, Material
from stack3d.meshes import NamedArrays
from stack3d.thermal.fem.library import import_dolfinx
from stack3d.thermal.fem.mesh import handed_over
from stack3d.thermal.preconditioner import GridPreconditioner
from stack3d.thermal.problem import GridField, ThermalProblem, ThermalSolution, source_loads

ROUNDING = 16.0
"""Multiple of machine epsilon times diag(A) x that a residual may keep."""

MOST_UPDATES = 50
"""Updates of k(T) after which the nonlinear loop gives up."""

QUADRATURE = {"quadrature_degree": 2}
"""Exact for constant cells on bricks; the degree that UFL would guess for hexahedra is far higher."""


class FemSolver:
    """DOLFINx solver of one problem on one mesh, for many powers.

    Parameters
    ----------
    problem : ThermalProblem
    arrays : NamedArrays
        Hexahedra on the grid of the problem.
    materials : mapping of str to Material
        What fills each region.
    method : {"cg", "direct"}
    preconditioner : str
        For ``cg``: ``grid`` (the tensor solve on the problem's grid), or a PETSc name; ``auto`` is ``grid`` in one
        process and ``gamg`` in several.
    tolerance : float
        Relative residual. [-]
    max_iterations : int

    Raises
    ------
    MissingDependencyError
        Without DOLFINx or a C compiler.
    """

    def __init__(
        self,
        problem: ThermalProblem,
        arrays: NamedArrays,
        materials: Mapping[str, Material],
        *,
        method: str = "cg",
        preconditioner: str = "auto",
        tolerance: float = 1e-10,
        max_iterations: int = 500,
    ) -> None:
        dolfinx = import_dolfinx()
        import ufl

        self.problem, self.tolerance = problem, tolerance
        self._dolfinx, self._ufl = dolfinx, ufl
        started = time.perf_counter()
        self._handed = handed_over(arrays)
        self._mesh = self._handed.mesh
        self._ds = self._handed.measure(QUADRATURE)
        self.seconds = {"hand_over": time.perf_counter() - started}
        started = time.perf_counter()
        self._space = dolfinx.fem.functionspace(self._mesh, ("Lagrange", 1))
        assert arrays.nodes is not None
        self._nodes = self._grid_nodes(arrays.nodes)
        self._reference = problem.reference
        self._conductivity = self._cell_conductivity(arrays, materials)
        self._assemble()
        self.seconds["assembly"] = time.perf_counter() - started
        started = time.perf_counter()
        self._set_up_solver(method, preconditioner, max_iterations)
        self.seconds["solver_set_up"] = time.perf_counter() - started

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return int(self._space.dofmap.index_map.size_global)

    def _grid_nodes(self, nodes: NDArray[np.int64]) -> NDArray[np.intp]:
        """Flat index into the (z, y, x) grid of each local unknown."""
        unknowns = self._space.dofmap.list
        out = np.empty(unknowns.max() + 1, dtype=np.intp)
        out[unknowns] = nodes[self._handed.corners]
        return out

    def _cell_conductivity(self, arrays: NamedArrays, materials: Mapping[str, Material]) -> Any:
        """Diagonal of K per cell at 300 K, as a vector-valued DG0 function."""
        space = self._dolfinx.fem.functionspace(self._mesh, ("DG", 0, (3,)))
        function = self._dolfinx.fem.Function(space, name="conductivity")
        values = function.x.array.reshape(-1, 3)
        cells = space.dofmap.list.reshape(-1)
        region = arrays.region[self._handed.cells]
        filling = [materials[name] for name in arrays.regions]
        values[cells] = np.array([m.conductivity for m in filling])[region]
        exponent = np.empty(len(values))
        exponent[cells] = np.array([m.exponent for m in filling])[region]
        self._at_300_kelvin, self._exponent = values.copy(), exponent
        self._corners = self._nodes[self._space.dofmap.list][np.argsort(cells)]
        return function

    def _update_conductivity(self, on_grid: Floats) -> None:
        """K of each cell at the mean temperature of its corners, and the matrix with it."""
        temperature = on_grid.reshape(-1)[self._corners].mean(axis=1)
        if temperature.min() <= 0:
            raise SolverError(f"the temperature falls to {temperature.min():.0f} K: is a power negative, or in the wrong unit?")
        factor = (temperature / 300.0) ** self._exponent
        self._conductivity.x.array[:] = (self._at_300_kelvin * factor[:, None]).reshape(-1)
        self._refill()

    def _refill(self) -> None:
        self._matrix.zeroEntries()
        self._fill(self._matrix, [condition for _, condition in self._conditions])
        self._diagonal = self._matrix.getDiagonal().array
        if self._conditions:
            self._free_matrix.zeroEntries()
            self._fill(self._free_matrix, [])

    def _fill(self, matrix: Any, conditions: list[Any]) -> None:
        self._dolfinx.fem.petsc.assemble_matrix(matrix, self._bilinear, bcs=conditions)
        matrix.assemble()

    def _assemble(self) -> None:
        ufl, fem = self._ufl, self._dolfinx.fem
        u, v = ufl.TrialFunction(self._space), ufl.TestFunction(self._space)
        # - div(K grad T) = q  with  - n.K grad T = h (T - T_ref) - flux  on cooled faces
        k_grad = ufl.as_vector([self._conductivity[i] * ufl.grad(u)[i] for i in range(3)])
        bilinear = ufl.inner(k_grad, ufl.grad(v)) * ufl.dx(metadata=QUADRATURE)
        self._conditions: list[tuple[str, Any]] = []
        self._films: dict[str, Any] = {}
        for name, face in self.problem.faces.items():
            if face.is_fixed:
                dofs = self._handed.dofs(self._space, name)
                self._conditions.append((name, fem.dirichletbc(face.reference - self._reference, dofs, self._space)))
            elif face.film_coefficient > 0:
                self._films[name] = fem.Constant(self._mesh, float(face.film_coefficient))
                bilinear += self._films[name] * u * v * self._ds[name]
        self._load_faces()
        conditions = [condition for _, condition in self._conditions]
        self._bilinear = fem.form(bilinear)
        self._matrix = fem.petsc.create_matrix(self._bilinear)
        self._fill(self._matrix, conditions)
        self._diagonal = self._matrix.getDiagonal().array
        if conditions:  # the matrix without conditions gives their heat as the reaction
            self._free_matrix = fem.petsc.create_matrix(self._bilinear)
            self._fill(self._free_matrix, [])

    def _load_faces(self) -> None:
        """Vectors of films and of fluxes on the faces."""
        fem, v = self._dolfinx.fem, self._ufl.TestFunction(self._space)
        faces = self.problem.faces
        self._film = {name: self._face_vector(h * v * self._ds[name]) for name, h in self._films.items()}
        self._flux = {
            name: self._face_vector(fem.Constant(self._mesh, float(face.flux)) * v * self._ds[name])
            for name, face in faces.items()
            if face.flux and not face.is_fixed
        }

    def recooled(self, problem: ThermalProblem) -> FemSolver:
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
        self._refill()
        return self

    def _face_vector(self, integrand: Any) -> Floats:
        """Assembled linear form, owned part."""
        vector = self._dolfinx.fem.assemble_vector(self._dolfinx.fem.form(integrand))
        vector.scatter_reverse(self._dolfinx.la.InsertMode.add)
        return np.array(vector.array[: self._space.dofmap.index_map.size_local])

    def _sum(self, values: Any) -> float:
        return float(self._mesh.comm.allreduce(float(np.sum(values))))

    def _set_up_solver(self, method: str, preconditioner: str, max_iterations: int) -> None:
        from petsc4py import PETSc  # its stubs take enumerations for plain classes

        petsc: Any = PETSc

        parallel = self._mesh.comm.size > 1
        if preconditioner == "auto":
            preconditioner = "gamg" if parallel else "grid"
        if preconditioner in ("grid", "icc") and parallel and method != "direct":
            raise DeckError(f"solver.linear.preconditioner: {preconditioner!r} works in one process only; with MPI use 'gamg'")
        self._matrix.setOption(petsc.Mat.Option.SPD, True)
        solver: Any = petsc.KSP().create(self._mesh.comm)
        solver.setOptionsPrefix("stack3d_")
        solver.setOperators(self._matrix)
        solver.setType("cg")
        solver.setNormType(petsc.KSP.NormType.UNPRECONDITIONED)
        solver.setTolerances(rtol=self.tolerance, atol=0.0, max_it=max_iterations)
        solver.setInitialGuessNonzero(True)
        pc = solver.getPC()
        self.method = "direct (MUMPS, Cholesky)" if method == "direct" else f"cg + {preconditioner}"
        if method == "direct":
            pc.setType("cholesky")
            pc.setFactorSolverType("mumps")
        elif preconditioner == "grid":
            context = GridPreconditioner(self.problem, self._nodes)
            pc.setType("python")
            pc.setPythonContext(context)
            self.method = f"cg + {context.name} on the grid"
        else:
            pc.setType(preconditioner)
        pc.setReusePreconditioner(True)  # k(T) moves the matrix little: the first one goes on preconditioning
        solver.setFromOptions()
        solver.setUp()
        self._solver: Any = solver

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
        guess : ndarray, shape (nz+1, ny+1, nx+1), optional
            Temperature to begin with. [K]
        references : mapping of str to ndarray, optional
            Nodal reference temperatures of faces by name. [K]

        Raises
        ------
        SolverError
            With reason, iterations and last residual when the linear solver or the updates of k(T) do not converge.
        """
        started = time.perf_counter()
        problem = self.problem
        own = self._space.dofmap.index_map.size_local
        load = source_loads(problem.grid, problem.stack, sources).reshape(-1)[self._nodes[:own]]
        load = load + sum(self._flux.values())
        # The mean rise is taken out first: A 1 is the film vector, known without the cancellation in the rows of A.
        offsets = {name: problem.faces[name].reference - self._reference for name in self._film}
        varying = {name: self._varying_film(name, values) for name, values in (references or {}).items()}
        total = self._sum(load) + sum(self._sum(varying.get(n, film * offsets[n])) for n, film in self._film.items())
        mean = 0.0 if self._conditions else total / sum(self._sum(film) for film in self._film.values())
        for name, film in self._film.items():
            load = load + varying.get(name, film * offsets[name]) - film * mean
        rise = self._matrix.createVecRight()
        rise.set(0.0)
        if guess is not None:
            rise.array[:] = guess.reshape(-1)[self._nodes[:own]] - (mean + self._reference)
        iterations = updates = 0
        while True:
            right, free_right = self._right_side(load)
            defect, rounding = self._residual(right, rise)
            if updates and defect <= self.tolerance + rounding:
                break
            if updates > MOST_UPDATES:
                raise SolverError(
                    f"k(T): relative residual {defect:.1e} after {MOST_UPDATES} updates, {self.tolerance:.0e} asked; the"
                    " temperatures may have left the range of the conductivity law"
                )
            self._solver.solve(right, rise)
            iterations += self._solver.getIterationNumber()
            residual, rounding = self._residual(right, rise)
            self._check_convergence(residual, rounding, iterations)
            if not np.any(self._exponent):
                break
            self._update_conductivity(self._on_grid(rise.array + (mean + self._reference)))
            updates += 1
        heat = {
            name: self._sum(film * (rise.array + mean)) - self._sum(varying.get(name, film * offsets[name]))
            for name, film in self._film.items()
        }
        heat |= self._reactions(rise, free_right)
        heat_in = float(sum(s.power for s in sources)) + sum(self._sum(flux) for flux in self._flux.values())
        return ThermalSolution(
            GridField(problem.stack, problem.grid, self._on_grid(rise.array + (mean + self._reference))),
            heat_in=heat_in,
            heat_out=sum(heat.values()),
            face_heat=heat,
            statistics={
                "backend": "fem",
                "unknowns": self.unknowns,
                "linear_solver": self.method,
                "iterations": iterations,
                "conductivity_updates": updates,
                "residual": residual if not updates else defect,
                "rounding": rounding,
                "tolerance": self.tolerance,
                "seconds": {**self.seconds, "solve": time.perf_counter() - started},
            },
        )

    def _varying_film(self, name: str, values: Floats) -> Floats:
        """Load of a film whose reference is nodal."""
        grid = self.problem.grid
        shape = (grid.z.size, grid.y.size, grid.x.size)
        reference = self._dolfinx.fem.Function(self._space)
        reference.x.array[:] = np.broadcast_to(values, shape).reshape(-1)[self._nodes] - self._reference
        v = self._ufl.TestFunction(self._space)
        return self._face_vector(self._films[name] * reference * v * self._ds[name])

    def _right_side(self, load: Floats) -> tuple[Any, Any]:
        """Load vector with, and without, the fixed temperatures worked in."""
        fem = self._dolfinx.fem
        right = self._matrix.createVecRight()
        right.array[:] = load
        if not self._conditions:
            return right, right
        free = right.copy()
        conditions = [condition for _, condition in self._conditions]
        fem.petsc.apply_lifting(right, [self._bilinear], bcs=[conditions])
        fem.petsc.set_bc(right, conditions)
        return right, free

    def _residual(self, right: Any, rise: Any) -> tuple[float, float]:
        """Relative residual, and the part of it that rounding alone explains."""
        residual = right.duplicate()
        self._matrix.mult(rise, residual)
        residual.aypx(-1.0, right)
        scale = right.norm() or 1.0
        # thin layers make entries of A x cancel: below this residual there is only rounding
        products = residual.duplicate()
        products.array[:] = self._diagonal * rise.array
        return residual.norm() / scale, ROUNDING * float(np.finfo(float).eps) * products.norm() / scale

    def _check_convergence(self, residual: float, rounding: float, iterations: int) -> None:
        reason = self._solver.getConvergedReason()
        if np.isfinite(residual) and residual <= self.tolerance + rounding:
            return
        raise SolverError(
            f"linear solver {self.method} stopped after {iterations} iterations at relative residual {residual:.2e}"
            f" (wanted {self.tolerance:.0e}, PETSc reason {reason}); try solver.linear.method=direct, a higher"
            " solver.linear.max_iterations or a coarser mesh"
        )

    def _reactions(self, solution: Any, free_right: Any) -> dict[str, float]:
        """Heat leaving through each face of fixed temperature. [W]"""
        if not self._conditions:
            return {}
        reaction = free_right.duplicate()
        self._free_matrix.mult(solution, reaction)
        reaction.aypx(-1.0, free_right)
        heat = {}
        for name, condition in self._conditions:
            dofs, own = condition.dof_indices()
            heat[name] = self._sum(reaction.array[dofs[:own]])
        return heat

    def _on_grid(self, own_values: Floats) -> Floats:
        """Temperatures on all nodes of the grid, on every rank; void nodes have the reference temperature."""
        grid = self.problem.grid
        shape = (grid.z.size, grid.y.size, grid.x.size)
        rise = np.zeros(grid.n_nodes)
        rise[self._nodes[: own_values.size]] = own_values - self._reference
        if self._mesh.comm.size > 1:
            from mpi4py import MPI

            self._mesh.comm.Allreduce(MPI.IN_PLACE, rise, op=MPI.SUM)
        return rise.reshape(shape) + self._reference
