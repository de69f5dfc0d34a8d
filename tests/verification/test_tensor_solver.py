"""The tensor backend against dense solves, closed forms and the exact values of the reference stacks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tensor_cases import grid, lines, reference_case, stack, z_cells

from stack3d.grids import Grid
from stack3d.layout import Block, HeatSource, Material, Rectangle
from stack3d.thermal.grid import multigrid
from stack3d.thermal.grid.loads import source_loads
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.problem import Face, ThermalProblem

MM = 1e-3
FILM, FIXED = Face(3000.0, 310.0), Face(np.inf, 330.0)
FLUX, MIXED = Face(0.0, 300.0, 2e4), Face(500.0, 280.0, -3e3)
SLABS = [
    {"k": (148.0, 90.0, 120.0), "thickness": 0.2 * MM, "name": "die"},
    {"k": 1.5, "thickness": 0.05 * MM, "name": "bond", "contact_resistance": 5e-6},
    {"k": (30.0, 60.0, 20.0), "thickness": 0.4 * MM, "name": "lid"},
]
SOURCES = [
    HeatSource("hot", "die", Rectangle(0.7 * MM, 1.3 * MM, 0.4 * MM, 1.1 * MM), 2.0),
    HeatSource("wide", "lid", Rectangle(0.0, 3 * MM, 0.0, 2 * MM), 1.0),
]


def dense(solver: TensorSolver) -> tuple[np.ndarray, tuple[int, ...]]:
    """Matrix of the true operator, column by column."""
    g = solver.problem.grid
    shape = (g.z.size, g.y.size, g.x.size)
    return np.array([solver.operator.apply(e.reshape(shape)).ravel() for e in np.eye(g.n_nodes)]).T, shape


@pytest.mark.parametrize(
    ("top", "bottom", "sides", "is_direct"),
    [(t, b, s, True) for t, b, s in itertools.product((FILM, FIXED, MIXED), (Face(), FIXED, FLUX), (Face(), FIXED, FLUX))]
    + [(FLUX, FILM, Face(), True), (FILM, MIXED, Face(40.0, 320.0), False)],
)
def test_solution_of_the_dense_system(top, bottom, sides, is_direct):
    built = stack((3 * MM, 2 * MM), SLABS)
    problem = ThermalProblem(built, grid(built, 5, 4, [2, 1, 2], x_edges=[0.3 * MM]), top, bottom, sides)
    solver = TensorSolver(problem, rtol=1e-13)
    solution = solver.solve(SOURCES)
    assert solver.is_direct is is_direct and (solution.statistics["iterations"] == 0) is is_direct
    assert solution.statistics["residual"] < 1e-11
    assert solution.balance < 1e-10
    matrix, shape = dense(solver)
    load = source_loads(problem.grid, built, SOURCES)
    known = np.full(shape, np.nan)
    for name, face in (("sides", sides), ("bottom", bottom), ("top", top)):
        where = {"top": np.s_[-1:], "bottom": np.s_[:1], "sides": np.s_[:]}[name]
        if face.is_fixed:
            part = np.ones(shape, dtype=bool)
            if name == "sides":
                part[:, 1:-1, 1:-1] = False
            known[where][part[where]] = face.reference
        else:
            load += (face.film_coefficient * face.reference + face.flux) * solver.operator.face_integral(name)
    free, at = np.isnan(known.ravel()), known.ravel()
    expected = at.copy()
    right = load.ravel() - matrix[:, ~free] @ at[~free]
    expected[free] = np.linalg.solve(matrix[np.ix_(free, free)], right[free])
    # 1e-9 K of about 30 K: rounding of absolute temperatures through a matrix of condition 1e5.
    np.testing.assert_allclose(solution.field.values.ravel(), expected, atol=1e-9)


def test_side_films_beside_one_material_are_direct():
    built = stack((3 * MM, 2 * MM), [{"k": (10.0, 20.0, 30.0), "thickness": MM, "name": n} for n in ("die", "lid")])
    problem = ThermalProblem(built, grid(built, 12, 10, [3, 3]), FILM, Face(), Face(800.0, 310.0))
    solution = TensorSolver(problem).solve(SOURCES)
    assert solution.statistics["iterations"] == 0 and solution.statistics["residual"] < 1e-11
    assert solution.face_heat["sides"] > 0.1


def test_many_loads_at_once_are_each_solved():
    built = stack((3 * MM, 2 * MM), SLABS)
    problem = ThermalProblem(built, grid(built, 7, 6, [2, 1, 2]), FILM, Face(), Face(np.inf, 310.0))
    solver = TensorSolver(problem)
    loads = np.stack([source_loads(problem.grid, built, [s]) for s in SOURCES])
    both = solver.solve(SOURCES).field.values - 310.0
    np.testing.assert_allclose(solver.solve_loads(loads).sum(axis=0), both, atol=1e-10)  # linear, references all alike


def test_slab_with_contact_has_the_closed_form():
    """1-D: 2 W enter the bottom of 1 cm² and pass two slabs, a contact and a film."""
    built = stack(
        (10 * MM, 10 * MM),
        [{"k": 150.0, "thickness": 0.3 * MM}, {"k": 4.0, "thickness": 0.1 * MM, "contact_resistance": 2e-5}],
    )
    flux = 2.0 / 1e-4
    field = TensorSolver(ThermalProblem(built, grid(built, 3, 3, [2, 2]), Face(1000.0, 300.0), Face(flux=flux))).solve([]).field
    rise = flux * np.array([1e-3 + 1e-4 / 4 + 2e-5 + 3e-4 / 150, 1e-3 + 1e-4 / 4 + 2e-5, 1e-3 + 1e-4 / 4, 1e-3])
    np.testing.assert_allclose(field.values[[0, 2, 3, 5], 1, 1], 300 + rise, rtol=1e-13)


ODD_LAYERS = [
    {"k": (15.0, 15.0, 0.4), "thickness": 0.4 * MM, "name": "board"},
    {
        "k": 148.0,
        "thickness": 0.2 * MM,
        "name": "die",
        "extent": Rectangle(1 * MM, 2 * MM, 0.5 * MM, 1.5 * MM),
        "contact_resistance": 3e-6,
        "blocks": (Block("tsv", Rectangle(1 * MM, 1.5 * MM, 0.5 * MM, 1 * MM), Material("m", (170.0, 170.0, 200.0), 2e6)),),
    },
    {"k": 400.0, "thickness": 0.5 * MM, "name": "lid", "extent": Rectangle(0.5 * MM, 3 * MM, 0.0, 2 * MM)},
]


@pytest.mark.parametrize("preconditioner", ["diagonalisation", "multigrid"])
@pytest.mark.parametrize(("bottom", "sides"), [(Face(20.0, 310.0), Face(7.0, 305.0)), (Face(), FIXED), (FIXED, Face())])
def test_footprints_and_blocks_solve_the_dense_system(bottom, sides, preconditioner, monkeypatch):
    monkeypatch.setattr(multigrid, "COARSEST", 12)  # three levels on this small grid
    built = stack((3 * MM, 2 * MM), ODD_LAYERS)
    problem = ThermalProblem(built, grid(built, 6, 4, [1, 2, 1]), Face(900.0, 300.0), bottom, sides)
    solver = TensorSolver(problem, rtol=1e-12, preconditioner=preconditioner)
    sources = [HeatSource("hot", "die", Rectangle(1.2 * MM, 2 * MM, 0.5 * MM, 1.1 * MM), 1.5)]
    solution = solver.solve(sources)
    matrix, shape = dense(solver)
    solid = (np.diag(matrix) > 0).reshape(shape)
    load = source_loads(problem.grid, built, sources)
    known = np.full(shape, np.nan)
    known[~solid] = 300.0
    for name, face in (("sides", sides), ("bottom", bottom), ("top", problem.top)):
        if not face.is_fixed:
            load += (face.film_coefficient * face.reference + face.flux) * solver.operator.face_integral(name)
        elif name == "sides":
            for where in (np.s_[:, [0, -1]], np.s_[:, :, [0, -1]]):
                known[where] = face.reference
        else:
            known[0] = face.reference
    free = np.isnan(known.ravel())
    right = load.ravel() - matrix[:, ~free] @ known.ravel()[~free]
    expected = np.linalg.solve(matrix[np.ix_(free, free)], right[free])
    np.testing.assert_allclose(solution.field.values.ravel()[free], expected, atol=1e-8)  # residual 1e-12, condition 1e5
    assert solution.balance < 1e-9
    assert solution.statistics["unknowns"] == free.sum()


CASES = {  # z cells per layer on the coarse grid
    "case1_uniform_die": [4, 2],
    "case2_hotspots": [2, 12],
    "case2b_hotspots_unaligned": [2, 12],
    "case3_die_tim_spreader": [2, 12, 4, 12],
    "case4_four_tiers": [2, 2, 2, 2] * 3 + [2, 2, 2, 2, 8],
}


@pytest.mark.parametrize("name", CASES)
def test_reference_stack_converges_to_its_exact_values(reference, name):
    """Probes within 0.2 % of the largest rise at the coarse grid; probes and box means at second order."""
    built, sources, top, data, exact = reference_case(reference, name)
    rise = max(exact["probes"].values()) - top.reference
    boxes_of = [s.extent for s in sources]
    x = lines([0.0, data["domain"]["lx"], *(e for b in boxes_of for e in (b.x0, b.x1))], 40)
    y = lines([0.0, data["domain"]["ly"], *(e for b in boxes_of for e in (b.y0, b.y1))], 40)
    per_layer = CASES[name]
    probes, boxes = [], []
    for _ in range(2):
        x, y = (np.sort(np.concatenate([v, 0.5 * (v[1:] + v[:-1])])) for v in (x, y))
        z, layer = z_cells(built, per_layer)
        solution = TensorSolver(ThermalProblem(built, Grid(x, y, z, layer), top)).solve(sources)
        field = solution.field
        assert solution.statistics["iterations"] == 0 and solution.balance < 1e-9
        probes.append([field.at(p["layer"], p["x"], p["y"]) - exact["probes"][p["name"]] for p in data["probes"]])
        boxes.append([field.map(k, len(v), len(v)) - np.array(v) for k, v in exact["tiles"].items()])
        per_layer = [2 * n for n in per_layer]
    probe, box = ([float(np.sqrt(np.mean(np.square(e)))) for e in errors] for errors in (probes, boxes))
    assert np.abs(probes[0]).max() < 0.002 * rise
    if name == "case1_uniform_die":
        assert np.abs(probes).max() < 1e-6  # nodal values of a 1-D problem are exact,
        assert max(np.abs(b).max() for pair in boxes for b in pair) < 1e-6  # and so are means with the curvature recovered
    else:
        assert np.log2(probe[0] / probe[1]) > 1.8
        assert np.log2(box[0] / box[1]) > 1.8
