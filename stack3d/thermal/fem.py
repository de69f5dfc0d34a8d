"""Steady conduction in DOLFINx: trilinear hexahedra, anisotropic layers, cooled faces. The only file that imports it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import MissingDependencyError, SolverError
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.problem import Face, GridField, ThermalProblem, ThermalSolution, source_loads

DIRECT_LIMIT = 60_000
"""Unknowns up to which ``method: auto`` factorises."""

ROUNDING = 16.0
"""Multiple of machine epsilon times diag(A) x that a residual may keep."""

QUADRATURE = {"quadrature_degree": 2}
"""Exact for constant cells on bricks; the degree that UFL would guess for hexahedra is far higher."""


def _import_dolfinx() -> Any:
    import shutil

    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        raise MissingDependencyError("the form compiler needs a C compiler; on Debian or Ubuntu: apt-get install gcc libc6-dev")
    try:
        with contextlib.suppress(ImportError):  # conda-forge's fenics-dolfinx has no such module and needs none
            import dolfinx_solver  # noqa: F401  (the PyPI wheel sets up its libraries on import)
        import dolfinx
        import dolfinx.fem.petsc
        import dolfinx.io.gmsh
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"DOLFINx cannot be imported ({error}); install dolfinx-solver-real (Linux x86-64, PyPI)"
            " or fenics-dolfinx (conda-forge)"
        ) from error
    return dolfinx


class FemSolver:
    """DOLFINx solver of one problem on one Gmsh mesh, for many powers.

    Parameters
    ----------
    problem : ThermalProblem
    mesh : NamedMesh
        Open Gmsh model: ``gmsh``, ``volumes``, ``faces`` (names → physical tags) and ``z``, the node heights used.
    method : {"auto", "direct", "cg"}
    preconditioner : str
        PETSc name, for ``cg``.
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
        mesh: Any,
        *,
        method: str = "auto",
        preconditioner: str = "icc",
        tolerance: float = 1e-10,
        max_iterations: int = 500,
    ) -> None:
        dolfinx = _import_dolfinx()
        import ufl
        from mpi4py import MPI

        self.problem, self.tolerance = problem, tolerance
        self._dolfinx, self._ufl = dolfinx, ufl
        started = time.perf_counter()
        data = dolfinx.io.gmsh.model_to_mesh(mesh.gmsh.model, MPI.COMM_WORLD, 0, gdim=3)
        self._mesh, self._cell_tags, self._facet_tags = data.mesh, data.cell_tags, data.facet_tags
        self._faces: Mapping[str, int] = mesh.faces
        self.seconds = {"hand_over": time.perf_counter() - started}
        started = time.perf_counter()
        self._space = dolfinx.fem.functionspace(self._mesh, ("Lagrange", 1))
        self._nodes = self._grid_nodes(mesh.z)
        self._reference = next(f.reference for f in (problem.top, problem.bottom, problem.sides) if f.film_coefficient > 0)
        self._conductivity = self._cell_conductivity(mesh)
        self._assemble()
        self.seconds["assembly"] = time.perf_counter() - started
        started = time.perf_counter()
        self._set_up_solver(method, preconditioner, max_iterations)
        self.seconds["solver_set_up"] = time.perf_counter() - started

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return int(self._space.dofmap.index_map.size_global)

    def _grid_nodes(self, z: Floats) -> NDArray[np.intp]:
        """Flat index into the (z, y, x) grid of each local unknown."""
        points = self._space.tabulate_dof_coordinates()
        index = []
        for axis, lines in ((2, z), (1, self.problem.grid.y), (0, self.problem.grid.x)):
            index.append(np.searchsorted(0.5 * (lines[1:] + lines[:-1]), points[:, axis]))
        return np.asarray(np.ravel_multi_index(tuple(index), (z.size, self.problem.grid.y.size, self.problem.grid.x.size)))

    def _cell_conductivity(self, mesh: Any) -> Any:
        """Diagonal of K per cell, as a vector-valued DG0 function."""
        stack = self.problem.stack
        heights = {}
        for k, owner in enumerate(self.problem.grid.layer):
            if self.problem.grid.z[k] == self.problem.grid.z[k + 1]:
                heights[stack.layers[owner].name] = mesh.z[k + 1] - mesh.z[k]
        space = self._dolfinx.fem.functionspace(self._mesh, ("DG", 0, (3,)))
        function = self._dolfinx.fem.Function(space, name="conductivity")
        values = function.x.array.reshape(-1, 3)
        cells_of = space.dofmap.list.reshape(-1)
        for name, tag in mesh.volumes.items():
            dofs = cells_of[self._cell_tags.find(tag)]
            if name in stack.index:
                values[dofs] = stack.layer(name).material.conductivity
            else:
                layer = stack.layer(name.removeprefix("contact_"))
                values[dofs] = (0.0, 0.0, heights[layer.name] / layer.contact_resistance)
        function.x.scatter_forward()
        return function

    def _measure(self, name: str) -> Any:
        return self._ufl.Measure("ds", domain=self._mesh, subdomain_data=self._facet_tags, metadata=QUADRATURE)(
            self._faces[name]
        )

    def _named_faces(self) -> list[tuple[str, Face]]:
        return [("top", self.problem.top), ("bottom", self.problem.bottom), ("sides", self.problem.sides)]

    def _assemble(self) -> None:
        ufl, fem = self._ufl, self._dolfinx.fem
        u, v = ufl.TrialFunction(self._space), ufl.TestFunction(self._space)
        # - div(K grad T) = q  with  - n.K grad T = h (T - T_ref) - flux  on cooled faces
        k_grad = ufl.as_vector([self._conductivity[i] * ufl.grad(u)[i] for i in range(3)])
        bilinear = ufl.inner(k_grad, ufl.grad(v)) * ufl.dx(metadata=QUADRATURE)
        self._conditions: list[tuple[str, Any]] = []
        self._film: dict[str, Floats] = {}
        self._flux: dict[str, Floats] = {}
        for name, face in self._named_faces():
            ds = self._measure(name)
            rise = face.reference - self._reference
            if face.is_fixed:
                self._mesh.topology.create_connectivity(2, 3)
                dofs = fem.locate_dofs_topological(self._space, 2, self._facet_tags.find(self._faces[name]))
                self._conditions.append((name, fem.dirichletbc(rise, dofs, self._space)))
            elif face.film_coefficient > 0:
                h = fem.Constant(self._mesh, float(face.film_coefficient))
                bilinear += h * u * v * ds
                self._film[name] = self._face_vector(h * v * ds)
            if face.flux:
                self._flux[name] = self._face_vector(fem.Constant(self._mesh, float(face.flux)) * v * ds)
        conditions = [condition for _, condition in self._conditions]
        form = fem.form(bilinear)
        self._matrix = fem.petsc.assemble_matrix(form, bcs=conditions)
        self._matrix.assemble()
        self._diagonal = self._matrix.getDiagonal().array
        if conditions:  # the matrix without conditions gives their heat as the reaction
            self._free_matrix = fem.petsc.assemble_matrix(form)
            self._free_matrix.assemble()
        self._bilinear = form

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

        if method == "auto":
            method = "direct" if self.unknowns <= DIRECT_LIMIT else "cg"
        self._matrix.setOption(petsc.Mat.Option.SPD, True)
        solver: Any = petsc.KSP().create(self._mesh.comm)
        solver.setOptionsPrefix("stack3d_")
        solver.setOperators(self._matrix)
        pc = solver.getPC()
        if method == "direct":
            solver.setType("preonly")
            pc.setType("cholesky")
            pc.setFactorSolverType("mumps")
        else:
            solver.setType("cg")
            solver.setNormType(petsc.KSP.NormType.UNPRECONDITIONED)
            pc.setType(preconditioner)
            solver.setTolerances(rtol=self.tolerance, atol=0.0, max_it=max_iterations)
        solver.setFromOptions()
        solver.setUp()
        self._solver: Any = solver
        self.method = "direct (MUMPS, LDL^T)" if method == "direct" else f"cg + {preconditioner}"

    def solve(self, sources: Sequence[HeatSource]) -> ThermalSolution:
        """Steady temperature for these sources.

        Raises
        ------
        SolverError
            With reason, iterations and last residual when the linear solver does not reach its tolerance.
        """
        started = time.perf_counter()
        fem, problem, grid = self._dolfinx.fem, self.problem, self.problem.grid
        own = self._space.dofmap.index_map.size_local
        load = source_loads(grid, problem.stack, sources).reshape(-1)
        right = self._matrix.createVecRight()
        right.array[:] = load[self._nodes[:own]] + sum(self._flux.values())
        # The mean rise is taken out first: A 1 is the film vector, known without the cancellation in the rows of A.
        faces = dict(self._named_faces())
        offsets = {name: faces[name].reference - self._reference for name in self._film}
        total = self._sum(right.array) + sum(self._sum(film) * offsets[name] for name, film in self._film.items())
        mean = 0.0 if self._conditions else total / sum(self._sum(film) for film in self._film.values())
        for name, film in self._film.items():
            right.array[:] += film * (offsets[name] - mean)
        conditions = [condition for _, condition in self._conditions]
        free_right = right.copy()
        if conditions:
            fem.petsc.apply_lifting(right, [self._bilinear], bcs=[conditions])
            fem.petsc.set_bc(right, conditions)
        solution = right.duplicate()
        self._solver.solve(right, solution)
        residual = right.duplicate()
        self._matrix.mult(solution, residual)
        residual.aypx(-1.0, right)
        scale = right.norm() or 1.0
        relative = residual.norm() / scale
        # thin layers make entries of A x cancel: below this residual there is only rounding
        rounding = ROUNDING * np.finfo(float).eps * np.linalg.norm(self._diagonal * solution.array) / scale
        reason = self._solver.getConvergedReason()
        if reason < 0 or not np.isfinite(relative) or relative > self.tolerance + rounding:
            raise SolverError(
                f"linear solver {self.method} stopped after {self._solver.getIterationNumber()} iterations at relative residual"
                f" {relative:.2e} (wanted {self.tolerance:.0e}, PETSc reason {reason}); try solver.linear.method=direct,"
                " a higher solver.linear.max_iterations or a coarser mesh"
            )
        heat = {name: self._sum(film * (solution.array + (mean - offsets[name]))) for name, film in self._film.items()}
        heat |= self._reactions(solution, free_right)
        heat_in = float(sum(s.power for s in sources)) + sum(self._sum(flux) for flux in self._flux.values())
        return ThermalSolution(
            GridField(problem.stack, grid, self._on_grid(solution.array + (mean + self._reference))),
            heat_in=heat_in,
            heat_out=sum(heat.values()),
            face_heat=heat,
            statistics={
                "backend": "fem",
                "unknowns": self.unknowns,
                "linear_solver": self.method,
                "iterations": self._solver.getIterationNumber(),
                "residual": relative,
                "rounding": float(rounding),
                "tolerance": self.tolerance,
                "seconds": {**self.seconds, "solve": time.perf_counter() - started},
            },
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
        """Values on all nodes of the grid, on every rank."""
        grid = self.problem.grid
        shape = (grid.z.size, grid.y.size, grid.x.size)
        values = np.zeros(grid.n_nodes)
        values[self._nodes[: own_values.size]] = own_values
        if self._mesh.comm.size > 1:
            from mpi4py import MPI

            self._mesh.comm.Allreduce(MPI.IN_PLACE, values, op=MPI.SUM)
        return values.reshape(shape)
