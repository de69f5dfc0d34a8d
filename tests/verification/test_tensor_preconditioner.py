"""The grid preconditioner on matrices that DOLFINx assembles, solved by PETSc; and the two backends against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tensor_cases import flip_chip, grid, stack

from stack3d.errors import ArrayError
from stack3d.layout import Grid, HeatSource, Rectangle
from stack3d.thermal.grid_operator import CellProperties
from stack3d.thermal.preconditioner import GridPreconditioner
from stack3d.thermal.problem import Face, ThermalProblem, source_loads
from stack3d.thermal.tensor import TensorSolver

MM = 1e-3


def dolfinx_matrix(problem: ThermalProblem) -> tuple[Any, np.ndarray, Any]:
    """Matrix with films on top and bottom over a box of hexahedra stretched onto the grid; node of each unknown; mesh."""
    pytest.importorskip("dolfinx_solver")
    import dolfinx
    import dolfinx.fem.petsc
    import ufl
    from mpi4py import MPI

    g = problem.grid
    nz, ny, nx = g.shape
    mesh = dolfinx.mesh.create_box(MPI.COMM_SELF, [[0, 0, 0], [nx, ny, nz]], [nx, ny, nz], dolfinx.mesh.CellType.hexahedron)
    number = np.rint(mesh.geometry.x).astype(int)
    middles = np.rint(2 * dolfinx.mesh.compute_midpoints(mesh, 3, np.arange(nz * ny * nx, dtype=np.int32))).astype(int) // 2
    for axis, lines in enumerate((g.x, g.y, g.z)):
        mesh.geometry.x[:, axis] = lines[number[:, axis]]
    cells = CellProperties.of(problem.stack, g)
    full = [np.broadcast_to(k, (3, ny, nx)) for k in cells.conductivity]
    k_of = dolfinx.fem.Function(dolfinx.fem.functionspace(mesh, ("DG", 0, (3,))))
    k_of.x.array.reshape(-1, 3)[:] = [full[g.layer[k]][:, j, i] for i, j, k in middles]
    space = dolfinx.fem.functionspace(mesh, ("Lagrange", 1))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    flux = ufl.as_vector([k_of[i] * ufl.grad(u)[i] for i in range(3)])
    form = ufl.inner(flux, ufl.grad(v)) * ufl.dx(metadata={"quadrature_degree": 2})
    facets, tags = [], []
    for tag, at in ((1, g.z[-1]), (2, g.z[0])):
        found = dolfinx.mesh.locate_entities_boundary(mesh, 2, lambda p, at=at: np.isclose(p[2], at, atol=1e-9))
        facets.append(found)
        tags.append(np.full(found.size, tag, dtype=np.int32))
    index, value = np.concatenate(facets), np.concatenate(tags)
    order = np.argsort(index)
    mesh.topology.create_connectivity(2, 3)
    marks = dolfinx.mesh.meshtags(mesh, 2, index[order], value[order])
    ds = ufl.Measure("ds", domain=mesh, subdomain_data=marks, metadata={"quadrature_degree": 2})
    for tag, face in ((1, problem.top), (2, problem.bottom)):
        form += dolfinx.fem.Constant(mesh, face.film_coefficient) * u * v * ds(tag)
    matrix = dolfinx.fem.petsc.assemble_matrix(dolfinx.fem.form(form))
    matrix.assemble()
    points = space.tabulate_dof_coordinates()
    where = [np.abs(lines - points[:, a][:, None]).argmin(axis=1) for a, lines in ((2, g.z), (1, g.y), (0, g.x))]
    return matrix, np.ravel_multi_index(where, (g.z.size, g.y.size, g.x.size)), mesh  # the mesh keeps the communicator


def petsc_solve(matrix: Any, nodes: np.ndarray, context: Any, load: np.ndarray) -> tuple[np.ndarray, int]:
    from petsc4py import PETSc

    solver = PETSc.KSP().create(matrix.comm)
    solver.setOperators(matrix)
    solver.setType("cg")
    solver.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
    solver.setTolerances(rtol=1e-9, max_it=60)
    solver.getPC().setType("python")
    solver.getPC().setPythonContext(context)
    right, out = matrix.createVecRight(), matrix.createVecRight()
    right.array[:] = load.reshape(-1)[nodes]
    solver.solve(right, out)
    assert solver.getConvergedReason() > 0
    on_grid = np.zeros(load.size)
    on_grid[nodes] = out.array
    return on_grid.reshape(load.shape), solver.getIterationNumber()


def test_uniform_layers_take_two_iterations_and_backends_agree():
    slabs = [
        {"k": (148.0, 120.0, 100.0), "thickness": 0.1 * MM, "name": "die"},
        {"k": 1.0, "thickness": 0.02 * MM},
        {"k": 400.0, "thickness": 0.5 * MM},
    ]
    built = stack((4 * MM, 3 * MM), slabs)
    lines = grid(built, 14, 11, [2, 1, 3], x_edges=[0.7 * MM], y_edges=[2.9 * MM])
    problem = ThermalProblem(built, lines, Face(5000.0, 300.0), Face(30.0, 300.0))
    matrix, nodes, _mesh = dolfinx_matrix(problem)
    source = HeatSource("hot", "die", Rectangle(MM, 2 * MM, 0.5 * MM, 2 * MM), 3.0)
    context = GridPreconditioner(problem, nodes)
    assert context.is_exact and context.name == "fast diagonalisation"
    rise, iterations = petsc_solve(matrix, nodes, context, source_loads(lines, built, [source]))
    assert iterations <= 2
    np.testing.assert_allclose(rise + 300, TensorSolver(problem).solve([source]).field.values, atol=1e-7)


def test_blocks_take_few_iterations_and_backends_agree():
    problem, sources = flip_chip(20, 1, sink=20 * MM)
    matrix, nodes, _mesh = dolfinx_matrix(problem)
    context = GridPreconditioner(problem, nodes)
    assert not context.is_exact and context.name == "multigrid"
    rise, iterations = petsc_solve(matrix, nodes, context, source_loads(problem.grid, problem.stack, sources))
    assert iterations <= 14
    np.testing.assert_allclose(rise + 300, TensorSolver(problem).solve(sources).field.values, atol=1e-4)


def test_fixed_unknowns_are_passed_on():
    built = stack((MM, MM), [{"k": 2.0, "thickness": MM}])
    problem = ThermalProblem(built, grid(built, 2, 2, [2]), Face(np.inf, 300.0))
    solved = GridPreconditioner(problem, np.arange(27)).solve(np.arange(27.0))
    np.testing.assert_array_equal(solved[18:], np.arange(18.0, 27.0))


@pytest.mark.parametrize("nodes", [[0, 0, 1], [-1, 2], [3, 27]])
def test_unknowns_that_are_no_nodes_are_refused(nodes):
    built = stack((MM, MM), [{"k": 2.0, "thickness": MM}])
    problem = ThermalProblem(built, grid(built, 2, 2, [2]), Face(10.0))
    with pytest.raises(ArrayError, match="different indices from 0 to 26"):
        GridPreconditioner(problem, np.array(nodes))


def test_grid_is_ordered_like_the_mesh_of_its_own_numbers():
    """A permutation of the unknowns permutes the answer."""
    built = stack((MM, MM), [{"k": 2.0, "thickness": MM}])
    lines = grid(built, 3, 2, [2])
    problem = ThermalProblem(built, Grid(lines.x, lines.y, lines.z, lines.layer), Face(10.0))
    rng = np.random.default_rng(6)
    order, load = rng.permutation(lines.n_nodes), rng.normal(size=lines.n_nodes)
    plain = GridPreconditioner(problem, np.arange(lines.n_nodes)).solve(load)
    np.testing.assert_allclose(GridPreconditioner(problem, order).solve(load[order]), plain[order], rtol=1e-12)
