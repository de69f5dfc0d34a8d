"""Different footprints, blocks and k(T): iterations stay few, solutions agree with closed forms and each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tensor_cases import flip_chip, grid, stack

from stack3d.errors import DeckError, SolverError
from stack3d.fe.krylov import conjugate_gradient
from stack3d.grids import Grid
from stack3d.layout import Block, HeatSource, Material, Rectangle
from stack3d.thermal.grid.cell_properties import CellProperties
from stack3d.thermal.grid.multigrid import LateralMultigrid
from stack3d.thermal.grid.operator import GridOperator
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.problem import Face, ThermalProblem

MM = 1e-3


@pytest.mark.parametrize("sink", [20 * MM, 40 * MM])
def test_multigrid_iterations_do_not_grow_with_the_mesh(sink):
    """Silicon in mold under copper, and void beside the package under a wider sink."""
    counts = []
    for cells, per_layer in ((15, 1), (30, 1), (60, 1), (30, 3)):
        problem, sources = flip_chip(cells, per_layer, sink=sink)
        solver = TensorSolver(problem, rtol=1e-10)
        assert solver.preconditioner == "multigrid"
        solution = solver.solve(sources)
        assert solution.statistics["residual"] < 2e-10 and solution.balance < 1e-9
        counts.append(solution.statistics["iterations"])
    assert max(counts) <= 15  # ten digits: a factor of 5 per iteration


def test_multigrid_iterations_stay_few_on_graded_lines():
    """Lines sixteen times finer round the hot spot: cells up to sixteen times longer than wide."""
    problem, sources = flip_chip(16, 1)
    edges = problem.grid.x
    hot = np.array([7 * MM, 8 * MM])
    fine = [
        a + (b - a) * np.arange(n) / n for a, b in zip(edges[:-1], edges[1:]) for n in (16 if b > 6 * MM and a < 9 * MM else 1,)
    ]
    x = np.unique(np.concatenate([*fine, edges[-1:], hot]))
    graded = replace(problem, grid=Grid(x, x, problem.grid.z, problem.grid.layer))
    solution = TensorSolver(graded).solve(sources)
    assert solution.statistics["iterations"] <= 22 and solution.balance < 1e-9


@pytest.mark.parametrize("shape", [(3, 6), (4, 7), (6, 8)])
def test_a_crack_stays_on_coarse_levels_and_costs_few_iterations(shape):
    """A gap of 10 um through a plate, heat going round it through a lid; lines close in on it from both sides."""
    inside, beside = shape
    width, gap = 4 * MM, 0.01 * MM
    left = 2.6 * MM - gap * np.cumsum(1.8 ** np.arange(beside))
    right = 2.61 * MM + gap * np.cumsum(1.8 ** np.arange(beside))
    near = np.concatenate([left[left > 0.2 * MM], np.linspace(2.6 * MM, 2.61 * MM, inside + 1), right[right < 3.8 * MM]])
    x = np.sort(np.concatenate([near, np.linspace(0, near.min(), 6)[:-1], np.linspace(near.max(), width, 4)[1:]]))
    y = np.linspace(0, 2 * MM, 9)
    air = Block("crack", Rectangle(2.6 * MM, 2.61 * MM, 0.0, 2 * MM), Material("air", (0.1,) * 3, 1e3))
    plain = stack((width, 2 * MM), [{"k": 130.0, "thickness": 0.1 * MM, "name": "plate"}, {"k": 2.0, "thickness": 0.1 * MM}])
    built = replace(plain, layers=(replace(plain.layers[0], blocks=(air,)), *plain.layers[1:]))
    z, owner = np.linspace(0, 0.2 * MM, 13), np.repeat([0, 1], 6)
    solver = TensorSolver(ThermalProblem(built, Grid(x, y, z, owner), Face(1e3, 300.0)))
    solution = solver.solve([HeatSource("s", "plate", Rectangle(0, 2 * MM, 0, 2 * MM), 0.5)])
    assert isinstance(solver.inverse, LateralMultigrid) and solution.balance < 1e-9
    for level in solver.inverse.levels:
        kept = level.operator.problem.grid.x
        assert np.abs(kept[:, None] - [2.6 * MM, 2.61 * MM]).min(axis=0).max() < 1e-12
    assert solution.statistics["iterations"] <= 20


def test_both_preconditioners_reach_one_solution():
    problem, sources = flip_chip(24, 1)
    fields = [TensorSolver(problem, preconditioner=p).solve(sources).field.values for p in ("diagonalisation", "multigrid")]
    np.testing.assert_allclose(fields[0], fields[1], atol=1e-6)  # 1e-10 of the residual, rise of 90 K


def test_multigrid_is_symmetric_and_positive():
    problem, _ = flip_chip(20, 1)
    cycle = LateralMultigrid(GridOperator(problem, CellProperties.of(problem.stack, problem.grid)))
    free = cycle.levels[0].free
    u, v = np.random.default_rng(3).normal(size=(2, *free.shape)) * free
    mu, mv = cycle.solve(u), cycle.solve(v)
    assert np.vdot(u, mv) == pytest.approx(np.vdot(v, mu), rel=1e-10)
    assert np.vdot(u, mu) > 0 and not mu[~free].any()


def test_coarse_levels_drop_flat_elements_and_keep_all_layers():
    """Thin tiers beside a board that conducts 64 times better across than upright, and a contact: few iterations all the same."""
    slabs = [
        {"k": (20.0, 20.0, 20.0 / 64), "thickness": MM, "name": "board"},
        {"k": 148.0, "thickness": 0.02 * MM, "name": "tier"},
        {"k": 4.0, "thickness": 0.02 * MM, "contact_resistance": 2e-6},
        {"k": 400.0, "thickness": 2 * MM},
    ]
    die = Block("die", Rectangle(3 * MM, 6 * MM, 3 * MM, 6 * MM), Material("si", (148.0,) * 3, 1.6e6))
    plain = stack((10 * MM, 10 * MM), slabs)
    built = replace(plain, layers=tuple(replace(s, blocks=(die,)) if s.name == "tier" else s for s in plain.layers))
    problem = ThermalProblem(built, grid(built, 40, 40, [8, 4, 4, 8]), Face(1e4, 300.0), Face(20.0, 300.0))
    solver = TensorSolver(problem, rtol=1e-10, preconditioner="multigrid")
    solution = solver.solve([HeatSource("hot", "tier", Rectangle(3 * MM, 5 * MM, 3 * MM, 5 * MM), 5.0)])
    grids = [level.operator.problem.grid for level in solver.inverse.levels]
    for fine, rough in zip(grids, grids[1:]):
        assert np.isin(rough.z, fine.z).all() and rough.z.size <= fine.z.size
        np.testing.assert_allclose(np.bincount(rough.layer, np.diff(rough.z)), np.bincount(fine.layer, np.diff(fine.z)))
    lines = [grid.layer.tolist().count(1) for grid in grids]
    assert lines[0] == 4 and lines[1] == 1, "the thin tier is one element high at once"
    assert grids[1].layer.tolist().count(0) == 8, "heat goes upright too slowly in the board for fewer"
    assert solution.statistics["iterations"] <= 15 and solution.balance < 1e-9


def test_side_films_beside_several_materials_take_few_iterations():
    slabs = [{"k": 148.0, "thickness": 0.3 * MM, "name": "die"}, {"k": 2.0, "thickness": 0.1 * MM, "name": "tim"}]
    built = stack((10 * MM, 10 * MM), slabs)
    problem = ThermalProblem(built, grid(built, 20, 20, [3, 2]), Face(1e4, 300.0), Face(), Face(500.0, 300.0))
    source = HeatSource("s", "die", Rectangle(MM, 4 * MM, MM, 3 * MM), 5.0)
    solution = TensorSolver(problem).solve([source])
    assert 0 < solution.statistics["iterations"] < 20
    assert solution.balance < 1e-9 and solution.face_heat["sides"] > 0


def k_of_t_slab(cells: int) -> tuple[ThermalProblem, float, float]:
    k, exponent, flux, depth = 148.0, -1.3, 5e7, 0.4 * MM
    built = stack((MM, MM), [{"k": k, "exponent": exponent, "thickness": depth}])
    problem = ThermalProblem(built, grid(built, 2, 2, [cells]), Face(np.inf, 320.0), Face(flux=flux))
    # Heat flow through k(T) = k (T/300)^n: the integral of k from the fixed face is flux times distance.
    power = exponent + 1
    bottom = 300 * ((320 / 300) ** power + power * flux * depth / (300 * k)) ** (1 / power)
    return problem, bottom, flux * MM * MM


def test_conductivity_law_has_its_closed_form_at_second_order():
    errors = []
    for cells in (8, 16, 32):
        problem, bottom, power = k_of_t_slab(cells)
        solution = TensorSolver(problem).solve([])
        errors.append(abs(solution.field.values[0, 1, 1] - bottom))
        assert solution.face_heat["top"] == pytest.approx(power, rel=1e-9)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2.0, abs=0.1)
    # k at the mean of a cell instead of the mean of 1/k: n (1-n)/24 (ΔT/T)² of the rise of 204 K, ΔT/T = 6.4/420.
    assert errors[2] < 204 * 1.3 * 2.3 / 24 * (6.4 / 420) ** 2 * 1.5


def test_conductivity_updates_are_cheap():
    """A hot spot of 90 K: the preconditioner of the cold stack serves every update."""
    slabs = [
        {"k": 148.0, "exponent": -1.3, "thickness": 0.3 * MM, "name": "die"},
        {"k": 4.0, "thickness": 0.05 * MM},
        {"k": 400.0, "thickness": MM},
    ]
    built = stack((10 * MM, 10 * MM), slabs)
    problem = ThermalProblem(built, grid(built, 40, 40, [3, 2, 4]), Face(1e4, 300.0))
    source = HeatSource("hot", "die", Rectangle(2 * MM, 4 * MM, 2 * MM, 4 * MM), 25.0)
    solution = TensorSolver(problem).solve([source])
    updates, iterations = (solution.statistics[k] for k in ("conductivity_updates", "iterations"))
    assert updates <= 12 and iterations <= 4 * updates
    assert solution.balance < 1e-9
    frozen = TensorSolver(problem, at=solution.field.values).solve([source])
    np.testing.assert_allclose(frozen.field.values, solution.field.values, atol=1e-6)
    again = TensorSolver(problem).solve([source], guess=solution.field.values)
    assert again.statistics["iterations"] <= 2


def test_loads_of_a_nonlinear_stack_do_not_add_up():
    problem, _, _ = k_of_t_slab(4)
    with pytest.raises(DeckError, match="freeze it with `at`"):
        TensorSolver(problem).solve_loads(np.zeros((5, 3, 3)))


def test_multigrid_on_request_is_iterated_where_a_direct_solve_exists():
    built = stack((10 * MM, 10 * MM), [{"k": 148.0, "thickness": 0.3 * MM, "name": "die"}])
    problem = ThermalProblem(built, grid(built, 20, 20, [3]), Face(1e4, 300.0))
    source = HeatSource("s", "die", Rectangle(MM, 4 * MM, MM, 3 * MM), 5.0)
    direct, iterated = (TensorSolver(problem, preconditioner=p).solve([source]) for p in ("auto", "multigrid"))
    assert direct.statistics["iterations"] == 0 < iterated.statistics["iterations"]
    np.testing.assert_allclose(iterated.field.values, direct.field.values, atol=1e-7)


def test_a_load_that_is_no_number_stops_at_once():
    with pytest.raises(SolverError, match="no number after 1 iterations"):
        conjugate_gradient(lambda v: v * np.nan, lambda v: v, np.ones(3), rtol=1e-8, most=100)
    with pytest.raises(SolverError, match="no number after 1 iterations"):
        conjugate_gradient(lambda v: v * 0.0, lambda v: v, np.ones(3), rtol=1e-8, most=100)


def test_too_few_iterations_say_what_to_try():
    with pytest.raises(SolverError, match=r"residual .* after 2 iterations, 1\.0e-12 asked; loosen"):
        conjugate_gradient(lambda v: np.arange(1.0, 9) * v, lambda v: v, np.ones(8), rtol=1e-12, most=2)
