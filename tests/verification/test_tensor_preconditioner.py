"""The grid preconditioner on matrices that DOLFINx assembles, solved by PETSc; and the two backends against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tensor_cases import dolfinx_matrix, flip_chip, grid, stack

from stack3d.errors import ArrayError
from stack3d.grids import Grid
from stack3d.layout import HeatSource, Rectangle
from stack3d.thermal.grid.loads import source_loads
from stack3d.thermal.grid.preconditioner import GridPreconditioner
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.problem import Face, ThermalProblem

pytest.importorskip("dolfinx_solver")
MM = 1e-3


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
