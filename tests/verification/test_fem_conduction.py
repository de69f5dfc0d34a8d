"""DOLFINx conduction against closed forms, conservation and observed order."""

import numpy as np
import pytest

from stack3d.errors import SolverError
from stack3d.fe.lines import hat_integrals
from stack3d.geometry.hexahedra import layered_cells
from stack3d.grids import Grid
from stack3d.layout import HeatSource, Layer, Material, Rectangle, Stack
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.fem.solver_on_grid import solver_on_grid
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.problem import Face, ThermalProblem

BOX = Rectangle(0.0, 2e-3, 0.0, 1e-3)


def stack_of(*layers: tuple[float, tuple[float, float, float], float]) -> Stack:
    """(thickness, conductivity, contact resistance) from the bottom up."""
    z, out = 0.0, []
    for i, (thickness, k, contact) in enumerate(layers):
        out.append(Layer(f"l{i}", z, z + thickness, BOX, Material(f"m{i}", k, 1.6e6), contact))
        z += thickness
    return Stack(tuple(out), BOX)


def grid_of(stack: Stack, nx: int, ny: int, per_layer: int) -> Grid:
    z, owner = [stack.layers[0].z0], []
    for i, layer in enumerate(stack.layers):
        if layer.contact_resistance:
            z.append(layer.z0)
            owner.append(i)
        z += list(np.linspace(layer.z0, layer.z1, per_layer + 1)[1:])
        owner += [i] * per_layer
    return Grid(np.linspace(BOX.x0, BOX.x1, nx + 1), np.linspace(BOX.y0, BOX.y1, ny + 1), np.array(z), np.array(owner))


def solve(problem: ThermalProblem, sources: list[HeatSource], **options: object) -> ThermalSolution:
    return solver_on_grid(problem, *layered_cells(problem.stack, problem.grid), **options).solve(sources)


STACK = stack_of((1e-4, (100.0, 100.0, 50.0), 0.0), (2e-6, (1.0, 1.0, 0.5), 2e-6), (5e-4, (400.0,) * 3, 0.0), (1e-5, (20.0, 30.0, 4.0), 1e-6))  # fmt: skip


@pytest.mark.parametrize(("method", "preconditioner"), [("direct", "auto"), ("cg", "grid"), ("cg", "icc"), ("cg", "gamg")])
def test_layered_conduction_in_one_dimension(method: str, preconditioner: str) -> None:
    """Bottom layer heated, both faces cooled: resistances in series, to 1e-9 of the rise at every interface."""
    power, h_top, h_bottom, ambient = 3.0, 2e4, 500.0, 310.0
    problem = ThermalProblem(STACK, grid_of(STACK, 4, 3, 2), Face(h_top, ambient), Face(h_bottom, ambient))
    solution = solve(
        problem, [HeatSource("s", "l0", BOX, power)], method=method, preconditioner=preconditioner, tolerance=1e-12
    )
    flux = power / BOX.area
    heated = STACK.layers[0]
    up = sum(a.contact_resistance + a.thickness / a.material.conductivity[2] for a in STACK.layers[1:]) + 1 / h_top
    # inside the heated layer: k T'' = -q; heat leaves down with h_bottom and up through `up`
    k, t, q = heated.material.conductivity[2], heated.thickness, flux / heated.thickness
    bottom_rise = (flux * up + q * t * t / (2 * k)) / (1 + h_bottom * (up + t / k))
    top_of_heated = bottom_rise * (1 + h_bottom * t / k) - q * t * t / (2 * k)
    np.testing.assert_allclose(solution.field.values[0] - ambient, bottom_rise, rtol=1e-9)
    np.testing.assert_allclose(solution.field.values[2] - ambient, top_of_heated, rtol=1e-9)
    upward = top_of_heated / up
    rise = top_of_heated
    node = 2
    for layer in STACK.layers[1:]:
        if layer.contact_resistance:
            rise -= upward * layer.contact_resistance
            node += 1
            np.testing.assert_allclose(solution.field.values[node] - ambient, rise, rtol=1e-9)
        rise -= upward * layer.thickness / layer.material.conductivity[2]
        node += 2
        np.testing.assert_allclose(solution.field.values[node] - ambient, rise, rtol=1e-9)
    np.testing.assert_allclose(solution.face_heat["top"], upward * BOX.area, rtol=1e-9)
    assert solution.balance < 1e-11


def test_fixed_temperature_and_flux_faces() -> None:
    """Flux into the top, fixed bottom: a linear profile, and the reaction is the heat put in."""
    problem = ThermalProblem(STACK, grid_of(STACK, 3, 3, 1), Face(flux=1e5), Face(np.inf, 350.0))
    solution = solve(problem, [], method="direct")
    np.testing.assert_allclose(solution.heat_in, 1e5 * BOX.area, rtol=1e-12)
    np.testing.assert_allclose(solution.face_heat["bottom"], 1e5 * BOX.area, rtol=1e-9)
    series = sum(a.contact_resistance + a.thickness / a.material.conductivity[2] for a in STACK.layers)
    np.testing.assert_allclose(solution.field.values[-1], 350.0 + 1e5 * series, rtol=1e-11)


FACES = {
    "top": {"top": Face(1e4, 300.0)},
    "top_and_bottom": {"top": Face(1e4, 300.0), "bottom": Face(50.0, 320.0)},
    "fixed_bottom": {"top": Face(1e3, 300.0), "bottom": Face(np.inf, 330.0)},
    "sides": {"top": Face(1e3, 300.0), "sides": Face(200.0, 310.0)},
    "flux": {"top": Face(1e4, 300.0), "bottom": Face(0.0, 300.0, 2e4)},
}
SOURCES = [
    HeatSource("a", "l0", Rectangle(0.3e-3, 0.71e-3, 0.22e-3, 0.57e-3), 1.0),
    HeatSource("b", "l2", Rectangle(1.1e-3, 1.9e-3, 0.0, 1e-3), 0.5),
    HeatSource("c", "l1", BOX, 0.25),
]


@pytest.mark.parametrize("faces", FACES)
def test_heat_balance(faces: str) -> None:
    """In = out to ten times the solver tolerance, whatever the faces; sources need not lie on grid lines."""
    problem = ThermalProblem(STACK, grid_of(STACK, 12, 7, 2), **{"top": Face(), **FACES[faces]})
    solution = solve(problem, SOURCES, tolerance=1e-10)
    assert solution.balance < 10 * 1e-10
    assert solution.statistics["residual"] <= 1e-10 + solution.statistics["rounding"]


@pytest.mark.parametrize("faces", FACES)
def test_two_backends_agree_on_one_grid(faces: str) -> None:
    """The same trilinear elements by DOLFINx on Gmsh's mesh and by fast diagonalisation: only the solver differs."""
    problem = ThermalProblem(STACK, grid_of(STACK, 12, 7, 2), **{"top": Face(), **FACES[faces]})
    one = solve(problem, SOURCES, method="direct").field.values
    two = TensorSolver(problem).solve(SOURCES).field.values
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-8 * np.ptp(two))


def test_power_enters_with_its_total() -> None:
    from stack3d.thermal.grid.loads import source_loads

    grid = grid_of(STACK, 12, 7, 3)
    load = source_loads(grid, STACK, SOURCES)
    np.testing.assert_allclose(load.sum(), 1.75, rtol=1e-13)
    wx = hat_integrals(grid.x, 0.3e-3, 0.71e-3)
    np.testing.assert_allclose((load.sum(axis=(0, 1)) @ grid.x), 1.0 * 0.505e-3 + 0.5 * 1.5e-3 + 0.25 * 1e-3, rtol=1e-12)
    assert wx.sum() == pytest.approx(0.41e-3, rel=1e-13)


def test_contact_thickness_does_not_matter() -> None:
    """Contact elements have a stiffness of their own: positions shift in the mesh, never the temperature."""
    plain = stack_of((1e-4, (100.0,) * 3, 0.0), (1e-4, (100.0,) * 3, 1e-5))
    problem = ThermalProblem(plain, grid_of(plain, 8, 6, 2), Face(1e4, 300.0))
    solution = solve(problem, [SOURCES[0]], method="direct")
    jump = solution.field.values[2] - solution.field.values[3]
    grid = problem.grid
    area = np.outer(hat_integrals(grid.y, BOX.y0, BOX.y1), hat_integrals(grid.x, BOX.x0, BOX.x1))
    np.testing.assert_allclose((jump * area).sum() / 1e-5, 1.0, rtol=1e-9)  # all heat passes the contact


def test_second_order_in_the_plane_and_through_the_height() -> None:
    """Against a much finer solve of the same problem; tile means, observed order 2."""
    stack = stack_of((1e-4, (100.0,) * 3, 0.0), (3e-4, (10.0,) * 3, 0.0))
    source = [HeatSource("s", "l0", Rectangle(0.5e-3, 1.0e-3, 0.25e-3, 0.75e-3), 1.0)]
    boxes = [Rectangle(0.5e-3, 1.0e-3, 0.25e-3, 0.75e-3), Rectangle(1.0e-3, 2.0e-3, 0.0, 1e-3)]

    def means(n: int, tensor: bool = False) -> np.ndarray:
        problem = ThermalProblem(stack, grid_of(stack, 8 * n, 4 * n, 2 * n), Face(5e3, 300.0))
        solution = TensorSolver(problem).solve(source) if tensor else solve(problem, source, method="direct")
        return solution.field.box_means("l1", boxes)

    exact = means(32, tensor=True)
    errors = np.array([np.abs(means(n) - exact).max() for n in (1, 2, 4)])
    order = -np.polyfit(np.log([1, 2, 4]), np.log(errors), 1)[0]
    assert order > 1.8
    assert errors[-1] < 2e-3 * (exact.max() - 300.0)


def test_no_convergence_is_an_error_with_what_to_try() -> None:
    problem = ThermalProblem(STACK, grid_of(STACK, 12, 7, 2), Face(10.0, 300.0))
    with pytest.raises(SolverError, match=r"stopped after 2 iterations.*linear.method=direct"):
        solve(problem, SOURCES, method="cg", preconditioner="jacobi", max_iterations=2)


def test_symmetric_input_gives_a_symmetric_field() -> None:
    problem = ThermalProblem(STACK, grid_of(STACK, 10, 8, 1), Face(1e3, 300.0))
    middle = [HeatSource("s", "l0", Rectangle(0.5e-3, 1.5e-3, 0.25e-3, 0.75e-3), 1.0)]
    values = solve(problem, middle).field.values
    scale = np.ptp(values)
    np.testing.assert_allclose(values, values[:, :, ::-1], rtol=0, atol=1e-7 * scale)
    np.testing.assert_allclose(values, values[:, ::-1, :], rtol=0, atol=1e-7 * scale)


def test_other_films_mesh_nothing_and_are_exact() -> None:
    """The solver kept across coolings gives what a new one gives; a face that changes its kind gets a new one."""
    from stack3d import decks
    from stack3d.heat.meshing import Bricks
    from stack3d.heat.placing import placed_chip
    from stack3d.heat.solvers import Backends, make_backend

    backends = Backends()
    for backend in ("fem", "tensor"):
        backends = Backends()
        for top in ("forced_air", "lid_heat_sink", "cold_plate", "forced_air"):
            scenario = decks.load("quickstart", [("solver.backend", backend), ("cooling.top", top)]).scenario
            chip = placed_chip(scenario)
            bricks = Bricks.of(chip)
            kept = backends.of(scenario, chip.stack, bricks).solve(chip.sources).field.values
            new = make_backend(scenario, chip.stack, bricks).solve(chip.sources).field.values
            np.testing.assert_allclose(kept, new, rtol=0, atol=1e-7 * (new.max() - scenario.cooling.ambient))
        assert (backends.counts["solvers"], backends.counts["recooled"]) == (1, 3)
        fixed = decks.load("quickstart", [("solver.backend", backend), ("cooling.top", {"temperature": "300 K"})]).scenario
        backends.of(fixed, chip.stack, Bricks.of(chip))
        assert backends.counts["solvers"] == (2 if backend == "fem" else 1)
