"""Steps in time on unstructured meshes: closed forms, order two, energy, sinks, films that follow, bricks, two processes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensor_cases import grid, stack
from test_fem_parallel import in_two_processes
from test_transient_scenario import tree, values
from test_user_mesh import BASE, DEPTH, DIE, WIDTH, scenario_of, write_slab
from tetrahedra import structured

from stack3d.case import run_case
from stack3d.layout import HeatSource
from stack3d.progress import Silent
from stack3d.thermal.column_problem import ColumnProblem
from stack3d.thermal.fem.solver_of_cells import solver_of_cells
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Box, Place, Probe
from stack3d.thermal.problem import Face, ThermalProblem
from stack3d.thermal.time.march import integrate, integrate_fixed
from stack3d.thermal.time.nodal import NodalSystem
from stack3d.thermal.time.schedule import PowerSchedule

SIZE = (4e-3, 3e-3)
SLABS = [
    {"name": "die", "k": (148.0, 148.0, 120.0), "thickness": 0.3e-3, "c": 1.66e6, "exponent": -1.3},
    {"name": "lid", "k": 398.0, "thickness": 0.5e-3, "c": 3.45e6},
]


def still(slabs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**slab, "exponent": 0.0} for slab in slabs]


def march(
    faces: dict[str, Face], slabs: list[dict[str, Any]], *, n: int = 8, per_layer: int = 2, order: int = 1, **options: Any
) -> NodalSystem:
    built = stack(SIZE, slabs)
    problem = ColumnProblem(built, structured(built, n, n, per_layer), faces)
    laws = options.pop("laws", None)
    solver = solver_of_cells(problem, order=order, tolerance=1e-12, **options)
    box = built.footprint
    source = HeatSource("hot", "die", replace(box, x1=box.x0 + SIZE[0] / 2, y1=box.y0 + SIZE[1] / 2), 1.0)
    places: list[Place] = [Box("die", source.extent), Box("lid", box), Probe("die", 1e-3, 1e-3)]
    system = solver.system([source], places, rtol=1e-11, laws=laws)
    assert isinstance(system, NodalSystem)
    return system


@pytest.mark.parametrize("order", [1, 2])
def test_second_order_in_time_with_law_and_fixed_face(order: int) -> None:
    """Against steps an eighth as long on the same mesh, so that time alone errs; k(T) and a fixed face included."""
    system = march({"top": Face(5e4, 300.0), "bottom": Face(np.inf, 320.0)}, SLABS, n=3, order=order)
    start = integrate_fixed(system, PowerSchedule.constant([8.0]), 2e-4, 4e-4, initial=320.0).state
    powers, until = PowerSchedule.constant([8.0]), 4e-3

    def end(count: int) -> Any:
        return integrate_fixed(system, powers, until / count, until, initial=start).temperature[-1]

    exact = end(160)
    errors = np.array([np.abs(end(count) - exact).max() for count in (6, 12, 24)])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.all(orders > 1.9), (orders, errors)
    assert 0 < errors[-1] < 1e-2


@pytest.mark.parametrize("method", ["direct", "icc", "jacobi", "gamg"])
def test_lumped_body_with_a_sink_of_heat_capacity(method: str) -> None:
    """A block that conducts far better than its film cools: T - T_inf = P R (1 - exp(-t / RC)), the fins of the sink in C."""
    slabs = [{"name": "die", "k": 4e5, "thickness": 1e-3, "c": 2e6}, {"name": "lid", "k": 4e5, "thickness": 1e-3, "c": 3e6}]
    area, film, fins = SIZE[0] * SIZE[1], 1000.0, 4000.0
    options = {"method": "direct"} if method == "direct" else {"preconditioner": method}
    system = march({"top": Face(film, 300.0, 0.0, fins), "bottom": Face()}, slabs, n=3, per_layer=1, **options)
    capacity = area * (1e-3 * 5e6 + fins)
    assert system.capacity == pytest.approx(capacity, rel=1e-12)
    tau = capacity / (film * area)
    asked = [0.3 * tau, tau, 2 * tau]
    found = integrate(system, PowerSchedule.constant([2.0]), asked, initial=300.0, tolerance=1e-4)
    rise = 2.0 / (film * area) * (1 - np.exp(-np.array(asked) / tau))
    np.testing.assert_allclose(found.temperature - 300.0, np.tile(rise[:, None], 3), rtol=2e-4)  # Biot number 5e-6
    assert found.statistics["factorisations"] <= 20


@pytest.mark.parametrize("order", [1, 2])
def test_a_slab_between_fixed_and_insulated_face_decays_as_its_series(order: int) -> None:
    """Uniform 330 K over a face at 300 K: the upper half has the mean of 16 cos(m pi/4) exp(-(m pi/2)² a t / d²) / (m pi)², m odd."""
    k, c, d = 10.0, 2e6, 2e-3
    slabs = [{"name": "die", "k": k, "thickness": d / 2, "c": c}, {"name": "lid", "k": k, "thickness": d / 2, "c": c}]
    built = stack(SIZE, slabs)
    problem = ColumnProblem(built, structured(built, 2, 2, 12), {"bottom": Face(np.inf, 300.0)})
    system = solver_of_cells(problem, order=order).system(
        [HeatSource("none", "die", built.footprint, 0.0)],
        [Box("lid", built.footprint)],
    )
    tau = d**2 * c / k
    asked = np.array([0.1, 0.3, 0.8]) * tau
    start = system.start(330.0)
    found = integrate(system, PowerSchedule.constant([0.0]), asked.tolist(), initial=start, tolerance=1e-3).temperature[:, 0]
    odd = 2 * np.arange(40) + 1
    terms = (4 / (np.pi * odd)) ** 2 * np.cos(odd * np.pi / 4) * np.exp(-np.outer(asked / tau, (odd * np.pi / 2) ** 2))
    np.testing.assert_allclose(found - 300.0, 30.0 * terms.sum(axis=1), atol=0.03)  # 0.1 % of the step


@pytest.mark.parametrize("order", [1, 2])
def test_heat_is_kept_over_time(order: int) -> None:
    """What the sources give less what the films take is the rise of the stored heat; the sums over many steps agree to 1e-4."""
    system = march({"top": Face(5e4, 300.0, 0.0, 2e3), "bottom": Face(1e3, 310.0, 5e3)}, still(SLABS), n=4, order=order)
    powers, one = PowerSchedule.constant([8.0]), np.ones(system.shape).ravel()
    state = start = integrate_fixed(system, powers, 1e-4, 5e-4, initial=300.0).state

    def gained(now: Any) -> float:
        boundary = system.boundary(now)
        return 8.0 + boundary.pushed - sum(boundary.heat.values())

    assert gained(start) == pytest.approx(float(one @ (system.load(np.array([8.0])) - system.stiffness(start))), abs=1e-9)
    rates, step = [gained(start)], 1e-4
    for _ in range(20):
        state = integrate_fixed(system, powers, step, step, initial=state).state
        rates.append(gained(state))
    simpson = step / 3 * (rates[0] + rates[-1] + 4 * sum(rates[1:-1:2]) + 2 * sum(rates[2:-1:2]))
    stored = float(one @ (system.mass(state) - system.mass(start)))
    assert stored == pytest.approx(simpson, rel=1e-4)
    assert system.boundary(state).pushed == pytest.approx(5e3 * SIZE[0] * SIZE[1])


@pytest.mark.slow
def test_a_film_follows_its_face_as_on_bricks() -> None:
    """Film h = 8e4 + 4e3 |T - 300 K| on structured tetrahedra and on bricks of the same lines, k(T) in the die."""
    faces = {"top": Face(8e4, 300.0), "bottom": Face()}
    laws = {"top": lambda t: 8e4 + 4e3 * abs(t - 300.0)}
    schedule = PowerSchedule(np.array([0.0, 4e-3]), np.array([[20.0], [0.0]]), 8e-3)
    ends = []
    for order in (1, 2):
        system = march(faces, SLABS, n=6, order=order, laws=laws)
        found = integrate(system, schedule, [1e-3, 4e-3, 5e-3], initial=300.0, tolerance=2e-3)
        ends.append(found.temperature)
        assert system.boundary(found.state).films["top"] > 8.05e4
    built = stack(SIZE, SLABS)
    bricks = ThermalProblem(built, grid(built, 32, 32, [6, 6]), faces["top"])
    box = built.footprint
    source = HeatSource("hot", "die", replace(box, x1=box.x0 + SIZE[0] / 2, y1=box.y0 + SIZE[1] / 2), 1.0)
    places: list[Place] = [Box("die", source.extent), Box("lid", box), Probe("die", 1e-3, 1e-3)]
    other = TensorSolver(bricks).system([source], places, laws=laws)
    fine = integrate(other, schedule, [1e-3, 4e-3, 5e-3], initial=300.0, tolerance=2e-3).temperature
    rise = fine.max() - 300.0
    assert rise > 5
    assert np.abs(ends[0] - fine).max() < 0.06 * rise  # order 1 on a source that is four elements wide
    assert np.abs(ends[1] - fine).max() < 0.01 * rise


TIMES = {"until": "0.1 s", "outputs": ["1 ms", "10 ms", "0.1 s"], "initial": "300 K"}


def on_tetrahedra(order: int, lateral: int = 12, **more: Any) -> dict[str, Any]:
    given = tree(**more)
    mesh = {"cells": "tet", "lateral": lateral, "per_layer": 3}
    return {**given, "solver": {"backend": "fem", "order": order, "mesh": mesh, "error_promise": 0.05}}


def test_a_scenario_on_tetrahedra_is_that_on_bricks() -> None:
    """Every variable of the dataset, within the error of the mesh; a sink in J/K on top and a duty that lands between outputs."""
    cooling = {"top": {"resistance": "10 K/W", "heat_capacity": "0.05 J/K"}, "ambient": "300 K"}
    transient = {
        "until": "25 ms",
        "outputs": ["1 ms", "7 ms", "25 ms"],
        "initial": "300 K",
        "duty": {"period": "20 ms", "on": "7 ms"},
    }
    bricks = values(tree(transient=transient, cooling=cooling))
    tets = values(on_tetrahedra(2, 16, transient=transient, cooling=cooling))
    assert set(tets) == set(bricks)
    rise = float(bricks["thermal/layer_temperature_max"].max()) - 300.0
    assert rise > 1
    for name, found in tets.items():
        if "temperature" in name and not name.endswith("_error"):
            np.testing.assert_allclose(found, bricks[name], rtol=0, atol=0.02 * rise, err_msg=name)
    np.testing.assert_allclose(tets["thermal/face_heat"], bricks["thermal/face_heat"], rtol=0, atol=0.01 * 2.0)


def test_fixed_steps_agree_with_controlled_ones() -> None:
    controlled = values(on_tetrahedra(1, 6, transient={**TIMES, "tolerance": "1 mK"}))
    fixed = values(on_tetrahedra(1, 6, transient={**TIMES, "step": "0.25 ms"}))
    for name in ("probe_temperature", "layer_temperature_mean", "map_temperature"):
        np.testing.assert_allclose(fixed[f"thermal/{name}"], controlled[f"thermal/{name}"], rtol=0, atol=5e-3)


def test_after_infinitely_many_periods() -> None:
    """The periodic state is where marching ends."""
    duty = {"period": "20 ms", "on": "5 ms"}
    base = {"outputs": ["5 ms", "20 ms"], "until": "20 ms", "duty": duty, "tolerance": "1 mK"}
    cooling = {"top": {"film_coefficient": "1e5 W/m^2/K"}, "ambient": "300 K"}  # forgets in 0.03 s
    periodic = values(on_tetrahedra(1, 6, cooling=cooling, transient={**base, "periodic": True}))
    late = {**base, "until": "0.42 s", "outputs": ["0.405 s", "0.42 s"], "initial": "300 K"}
    marched = values(on_tetrahedra(1, 6, cooling=cooling, transient=late))
    np.testing.assert_allclose(periodic["thermal/probe_temperature"], marched["thermal/probe_temperature"], rtol=0, atol=0.02)


@pytest.mark.parametrize(("kind", "order"), [("tetra", 2), ("tetra10", 2), ("hexahedron", 1)])
def test_a_mesh_of_ones_own_heats_up_as_a_grid_does(kind: str, order: int, tmp_path: Path) -> None:
    """A slab heated in its upper part over a film: one-dimensional, so a fine grid of bricks has the answer."""
    path = tmp_path / "part.msh"
    write_slab(path, kind)
    times = (0.05, 0.5, 2.0)
    given = {"until": "2 s", "outputs": [f"{t} s" for t in times], "initial": "300 K", "tolerance": "1 mK"}
    found = run_case(scenario_of(path, order, transient=given), Silent())
    slabs = [
        {"name": "base", "k": 20.0, "thickness": BASE * 1e-3, "c": 1.6e6},
        {"name": "die", "k": (100.0, 100.0, 5.0), "thickness": DIE * 1e-3, "c": 1.6e6},
    ]
    built = stack((WIDTH * 1e-3, DEPTH * 1e-3), slabs)
    problem = ThermalProblem(built, grid(built, 1, 1, [30, 30]), Face(), Face(1e4, 300.0))
    places: list[Place] = [Box("base", built.footprint), Box("die", built.footprint), Probe("base", 1.3e-3, 0.4e-3, 0.7e-3)]
    system = TensorSolver(problem).system([HeatSource("heat", "die", built.footprint, 2.0)], places)
    exact = integrate(system, PowerSchedule.constant([2.0]), list(times), initial=300.0, tolerance=1e-3).temperature
    means = found.values["thermal/layer_temperature_mean"]
    by_name = {str(n): means[:, i] for i, n in enumerate(found.coordinates["layer"])}
    rise = exact[-1].max() - 300.0
    np.testing.assert_allclose(np.array([by_name["base"], by_name["die"]]).T, exact[:, :2], rtol=0, atol=0.02 * rise)
    np.testing.assert_allclose(found.values["thermal/probe_temperature"][:, 0], exact[:, 2], rtol=0, atol=0.02 * rise)
    assert found.values["thermal/face_heat"][-1].sum() == pytest.approx(2.0, rel=0.02)
    json.dumps(dict(found.statistics["thermal"]), default=str)
    seen = np.array([by_name["base"], by_name["die"], found.values["thermal/probe_temperature"][:, 0]]).T
    estimate, steps = (found.values[f"thermal/{name}"] for name in ("discretisation_error", "time_error"))
    assert np.abs(seen - exact).max() / 3 < estimate + steps < 0.1 * rise


PARALLEL = """
import numpy as np
from mpi4py import MPI
from test_mesh_transient import SLABS, Face, march
from stack3d.thermal.time.schedule import PowerSchedule
from stack3d.thermal.time.march import integrate_fixed
for order in (1, 2):
    one = np.array(ONE[order - 1])
    system = march({"top": Face(5e4, 300.0, 0.0, 2e3), "bottom": Face(np.inf, 320.0)}, SLABS, n=4, order=order, preconditioner="icc")
    found = integrate_fixed(system, PowerSchedule.constant([8.0]), 1e-3, 2e-3, initial=300.0).temperature
    print(MPI.COMM_WORLD.size, np.abs(found - one).max(), np.ptp(found), flush=True)
"""


@pytest.mark.slow
def test_two_processes_march_alike() -> None:
    one = []
    for order in (1, 2):
        faces = {"top": Face(5e4, 300.0, 0.0, 2e3), "bottom": Face(np.inf, 320.0)}
        system = march(faces, SLABS, n=4, order=order)
        one.append(integrate_fixed(system, PowerSchedule.constant([8.0]), 1e-3, 2e-3, initial=300.0).temperature.tolist())
    rows = in_two_processes(PARALLEL.replace("ONE[", f"{one!r}["))
    assert len(rows) == 4
    for size, difference, swing in rows:
        assert int(size) == 2 and float(difference) < 1e-6 and float(swing) > 2.0
