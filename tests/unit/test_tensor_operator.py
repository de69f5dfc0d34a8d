"""The matrix-free operator against element matrices assembled one by one by Gauss quadrature."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from tensor_cases import grid, stack

from stack3d.errors import DeckError
from stack3d.grids import Grid
from stack3d.layout import Block, Material, Rectangle
from stack3d.thermal.grid.cell_properties import CellProperties
from stack3d.thermal.grid.faces import fixed_nodes
from stack3d.thermal.grid.factors import SmallFactors
from stack3d.thermal.grid.factors import assembled as from_products
from stack3d.thermal.grid.operator import GridOperator
from stack3d.thermal.problem import Face, ThermalProblem

GAUSS = 0.5 + np.array([-1, 1]) / (2 * np.sqrt(3))
MM = 1e-3
EVEN = (3 * MM, 2 * MM)
ODD = [
    {"k": (3.0, 2.0, 1.0), "thickness": 0.3 * MM, "name": "board"},
    {
        "k": (148.0, 100.0, 50.0),
        "thickness": 0.2 * MM,
        "name": "die",
        "extent": Rectangle(1 * MM, 2 * MM, 0.5 * MM, 1.5 * MM),
        "contact_resistance": 3e-6,
        "blocks": (Block("tsv", Rectangle(1 * MM, 1.5 * MM, 0.5 * MM, 1 * MM), Material("m", (7.0, 8.0, 9.0), 2e6)),),
    },
    {"k": 400.0, "thickness": 0.5 * MM, "name": "lid", "extent": Rectangle(0.0, 2 * MM, 0.0, 2 * MM)},
]


def odd_problem() -> ThermalProblem:
    built = stack(EVEN, ODD)
    lines = grid(
        built, 4, 3, [2, 1, 2], x_edges=[0.3 * MM, 1 * MM, 1.5 * MM, 2 * MM], y_edges=[0.5 * MM, 1 * MM, 1.5 * MM, 1.7 * MM]
    )
    return ThermalProblem(built, lines, Face(900.0, 300.0), Face(20.0, 310.0), Face(7.0, 305.0))


def assembled(problem: ThermalProblem, rate: float) -> np.ndarray:
    """Dense matrix, each integral by 2-point Gauss quadrature in every direction (exact for these products)."""
    g, built = problem.grid, problem.stack
    number = np.arange(g.n_nodes).reshape(g.z.size, g.y.size, g.x.size)
    matrix = np.zeros((g.n_nodes, g.n_nodes))

    def hats(t: float, h: float) -> tuple[np.ndarray, np.ndarray]:
        return np.array([1 - t, t]), np.array([-1 / h, 1 / h])

    def material(layer: int, x: float, y: float) -> Material | None:
        slab = built.layers[layer]
        if not slab.extent.contains(Rectangle(x, x, y, y)):
            return None
        return next((b.material for b in slab.blocks if b.extent.contains(Rectangle(x, x, y, y))), slab.material)

    def film(nodes: np.ndarray, a: float, b: float, h: float) -> None:
        for s, t in itertools.product(GAUSS, GAUSS):
            v = np.outer(hats(s, a)[0], hats(t, b)[0]).ravel()
            matrix[np.ix_(nodes.ravel(), nodes.ravel())] += h * a * b / 4 * np.outer(v, v)

    nz, ny, nx = g.shape
    for k, j, i in np.ndindex(nz, ny, nx):
        hz, hy, hx = g.z[k + 1] - g.z[k], g.y[j + 1] - g.y[j], g.x[i + 1] - g.x[i]
        here = number[k : k + 2, j : j + 2, i : i + 2]
        x, y = g.x[i] + hx / 2, g.y[j] + hy / 2
        m = material(int(g.layer[k]), x, y)
        if hz == 0:
            if m and material(int(g.layer[k]) - 1, x, y):
                for s, t in itertools.product(GAUSS, GAUSS):
                    v = np.outer(hats(s, hy)[0], hats(t, hx)[0]).ravel()
                    jump = np.concatenate([-v, v])
                    h = hx * hy / 4 / built.layers[g.layer[k]].contact_resistance
                    matrix[np.ix_(here.ravel(), here.ravel())] += h * np.outer(jump, jump)
            continue
        if m is None:
            continue
        for r, s, t in itertools.product(GAUSS, GAUSS, GAUSS):
            (z0, z1), (y0, y1), (x0, x1) = hats(r, hz), hats(s, hy), hats(t, hx)
            for kk, v in zip(
                m.conductivity,
                (np.einsum("k,j,i->kji", z0, y0, x1), np.einsum("k,j,i->kji", z0, y1, x0), np.einsum("k,j,i->kji", z1, y0, x0)),
            ):
                matrix[np.ix_(here.ravel(), here.ravel())] += kk * hx * hy * hz / 8 * np.outer(v, v)
            v = np.einsum("k,j,i->kji", z0, y0, x0)
            matrix[np.ix_(here.ravel(), here.ravel())] += rate * m.heat_capacity * hx * hy * hz / 8 * np.outer(v, v)
        sides = problem.sides.film_coefficient
        if k == 0:
            film(here[0], hy, hx, problem.bottom.film_coefficient)
        if k == nz - 1:
            film(here[1], hy, hx, problem.top.film_coefficient)
        for at, last, nodes, a in (
            (j, ny - 1, (here[:, 0], here[:, 1]), hx),
            (i, nx - 1, (here[..., 0], here[..., 1]), hy),
        ):
            if at == 0:
                film(nodes[0], hz, a, sides)
            if at == last:
                film(nodes[1], hz, a, sides)
    return matrix


@pytest.mark.parametrize("rate", [0.0, 40.0])
def test_apply_equals_assembled_elements(rate):
    """Void cells, a block, a contact, diagonal conductivity, films on all faces, graded lines."""
    problem = odd_problem()
    operator = GridOperator(problem, CellProperties.of(problem.stack, problem.grid), rate=rate)
    matrix = assembled(problem, rate)
    field = np.random.default_rng(1).normal(size=(problem.grid.z.size, problem.grid.y.size, problem.grid.x.size))
    # 1e-13: rounding of sums whose terms reach the largest entry of the matrix.
    np.testing.assert_allclose(operator.apply(field).ravel(), matrix @ field.ravel(), atol=1e-13 * np.abs(matrix).max() * 27)
    np.testing.assert_array_equal(operator.solid_nodes().ravel(), np.diag(matrix) > 0)
    np.testing.assert_allclose(operator.matrix().toarray(), matrix, atol=1e-13 * np.abs(matrix).max())


def test_lines_are_the_z_band_of_the_matrix():
    problem = replace(odd_problem(), sides=Face())
    operator = GridOperator(problem, CellProperties.of(problem.stack, problem.grid), rate=5.0)
    matrix = operator.matrix()
    diagonal, off = operator.lines()
    np.testing.assert_allclose(diagonal.ravel(), matrix.diagonal(), rtol=1e-12)
    np.testing.assert_allclose(off.ravel(), matrix.diagonal(diagonal[0].size), atol=1e-13 * diagonal.max())


def test_factor_of_every_cell_scales_conductivity_only():
    problem = odd_problem()
    cells = CellProperties.of(problem.stack, problem.grid)
    field = np.random.default_rng(2).normal(size=(problem.grid.z.size, problem.grid.y.size, problem.grid.x.size))

    def of(rate: float, factor: float | None) -> np.ndarray:
        full = None if factor is None else np.full(problem.grid.shape, factor)
        return GridOperator(problem, cells, rate=rate, factor=full).conduction(field)

    contact = 2 * of(0.0, None) - of(0.0, 2.0)  # what a factor of 2 on every k leaves unscaled
    np.testing.assert_allclose(of(9.0, 3.0), 3 * of(0.0, None) - 2 * contact + of(9.0, None) - of(0.0, None), atol=1e-10)


@pytest.mark.parametrize("at_once", [8192, 1])
def test_changed_is_an_operator_made_anew(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its planes taken together and one by one; the one it comes from stays."""
    monkeypatch.setattr("stack3d.thermal.grid.operator.CELLS_AT_ONCE", at_once)
    problem = odd_problem()
    cells = CellProperties.of(problem.stack, problem.grid)
    rng = np.random.default_rng(4)
    field = rng.normal(size=(problem.grid.z.size, problem.grid.y.size, problem.grid.x.size))
    other = {"rate": 3.0, "factor": rng.uniform(0.5, 2, problem.grid.shape), "storage": rng.uniform(0.5, 2, problem.grid.shape)}
    first = GridOperator(problem, cells)
    before = first.apply(field)
    for films in (None, {"top": 4e3, "bottom": 0.0}):
        made = GridOperator(problem, cells, **other, films=first.films if films is None else films)
        np.testing.assert_allclose(first.changed(**other, films=films).apply(field), made.apply(field), rtol=1e-12)
    np.testing.assert_array_equal(first.apply(field), before)


@pytest.mark.parametrize("rows", [1, 3])
def test_rows_taken_in_turn_give_the_same(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid too large for the cache goes through its planes some rows at a time, whatever is left for the last ones."""
    problem = odd_problem()
    cells, (_, ny, nx) = CellProperties.of(problem.stack, problem.grid), problem.grid.shape
    assert ny % 3
    rng = np.random.default_rng(6)
    field = rng.normal(size=(problem.grid.z.size, problem.grid.y.size, problem.grid.x.size))
    varied = {
        "rate": 3.0,
        "factor": rng.uniform(0.5, 2, problem.grid.shape),
        "storage": rng.uniform(0.5, 2, problem.grid.shape),
    }
    for more in ({}, varied):
        at_once = GridOperator(problem, cells, **more).apply(field)
        monkeypatch.setattr("stack3d.thermal.grid.operator.CELLS_AT_ONCE", 1)
        monkeypatch.setattr("stack3d.thermal.grid.operator.CELLS_OF_ROWS", rows * nx)
        out = np.full_like(field, np.nan)
        assert GridOperator(problem, cells, **more).apply(field, out) is out
        np.testing.assert_allclose(out, at_once, atol=1e-12 * np.abs(at_once).max())
        monkeypatch.undo()


def test_faces_add_up_to_their_area():
    problem = odd_problem()
    operator = GridOperator(problem, CellProperties.of(problem.stack, problem.grid))
    # Lid 2 x 2 mm on top; board 3 x 2 mm below; sides: board all round, lid on three of four (its x = 2 mm face is inside).
    expected = {"top": 4e-6, "bottom": 6e-6, "sides": 0.3e-3 * 10e-3 + 0.5e-3 * 6e-3}
    for name, area in expected.items():
        np.testing.assert_allclose(operator.face_integral(name).sum(), area, rtol=1e-12)


def test_faces_that_meet_share_no_fixed_node():
    built = stack((1.0, 1.0), [{"k": 1.0, "thickness": 1.0}])
    fixed = Face(np.inf, 300.0)
    nodes = fixed_nodes(ThermalProblem(built, grid(built, 3, 3, [3]), fixed, fixed, fixed))
    assert [int(n.sum()) for n in nodes.values()] == [16, 16, 24]
    assert sum(n.astype(int) for n in nodes.values()).max() == 1


def test_grid_that_misses_an_edge_is_refused():
    built = stack(EVEN, ODD)
    with pytest.raises(DeckError, match=r"no x line at 0\.001 m, where layer 'die'"):
        CellProperties.of(built, grid(built, 5, 4, [1, 1, 1], x_edges=[0.7 * MM], y_edges=[0.5 * MM]))


def test_grid_without_the_contact_cell_is_refused():
    built = stack(EVEN, ODD)
    good = grid(built, 6, 4, [1, 1, 1])
    bad = Grid(good.x, good.y, np.unique(good.z), np.array([0, 1, 2]))
    with pytest.raises(DeckError, match=r"'die' has contact_resistance 3e-06 m²K/W and 0 cells of no thickness"):
        CellProperties.of(built, bad)


def test_contact_below_everything_is_refused():
    built = stack(EVEN, [{"k": 1.0, "thickness": MM, "contact_resistance": 1e-5, "name": "board"}])
    with pytest.raises(DeckError, match="'board' is the lowest"):
        CellProperties.of(built, grid(built, 2, 2, [1]))


def test_matrix_from_products_is_that_of_the_elements() -> None:
    """Void and fixed nodes keep the identity; the factors invert it."""
    problem, rate = odd_problem(), 50.0
    operator = GridOperator(problem, CellProperties.of(problem.stack, problem.grid), rate=rate)
    free = operator.solid_nodes().astype(float)
    solid = free.ravel() > 0
    wanted = assembled(problem, rate)
    wanted[~solid] = wanted[:, ~solid] = 0.0
    wanted[~solid, ~solid] = 1.0
    found = from_products(operator.apply, free).toarray()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
    load = np.random.default_rng(3).normal(size=free.shape) * free
    solved = SmallFactors(operator.apply, free).solve(load)
    np.testing.assert_allclose(operator.apply(solved)[free > 0], load[free > 0], rtol=0, atol=1e-10 * np.abs(load).max())
