"""What a transient adds to the step of a uniform stack: lumped sinks, films of their own face, k(T), coolant, any periodic stack."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tensor_cases import flip_chip, grid, stack

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.films import STEFAN_BOLTZMANN, natural_convection
from stack3d.geometry.hexahedra import layered_cells
from stack3d.heat.loads import channel_runs
from stack3d.heat.meshing import Bricks
from stack3d.layout import HeatSource, Rectangle
from stack3d.progress import Silent
from stack3d.results import to_tree
from stack3d.thermal.cooling.settled import SettledBackend
from stack3d.thermal.fem.solver_on_grid import solver_on_grid
from stack3d.thermal.grid.exact_transient import ExactTransient
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.grid.tensor_body import TensorBody
from stack3d.thermal.places import Box, Probe
from stack3d.thermal.problem import Face, ThermalProblem
from stack3d.thermal.time.march import integrate, integrate_fixed
from stack3d.thermal.time.nodal import NodalSystem
from stack3d.thermal.time.periodic import periodic_state
from stack3d.thermal.time.schedule import PowerSchedule

MM = 1e-3
SINK = {"heat_capacity": "5 J/K", "film_coefficient": "2000 W/m^2/K"}


def values(
    top: Any, transient: dict[str, Any] | None, *, backend: str = "tensor", conductivity: str = "1e5 W/m/K", **more: Any
) -> dict[str, Any]:
    tree = {
        "scenario": "body",
        "geometry": {
            "footprint": ["10 mm", "10 mm"],
            "layers": [{"name": "die", "thickness": "1 mm", "material": {"conductivity": conductivity, "heat_capacity": "1.6e6 J/m^3/K"}}],
        },
        "cooling": {"top": top, "ambient": "300 K"},
        "power": {"sources": [{"name": "all", "layer": "die", "power": "4 W"}]},
        "solver": {"backend": backend, "mesh": {"lateral": 4}, "error_promise": 0.01},
        **({"transient": transient} if transient else {}),
        **more,
    }  # fmt: skip
    return dict(run_case(decks.resolve(yamlfile.parse_text(json.dumps(tree), "body.yaml")).scenario, Silent()).values)


@pytest.mark.parametrize("backend", ["tensor", "fem"])
def test_lumped_heat_sink_is_an_rc_circuit(backend: str) -> None:
    """Body and sink at one temperature: T = Ta + P R (1 - exp(-t / R (C_sink + C_die))); steady states know no capacity."""
    resistance, capacity = 1 / (2000 * 1e-4), 5.0 + 1.6e6 * 1e-7
    times = np.array([5.0, 25.0, 60.0])
    transient = {"until": "60 s", "outputs": [f"{t} s" for t in times], "tolerance": "1 mK"}
    found = values(SINK, transient, backend=backend)["thermal/layer_temperature_mean"][:, 0]
    exact = 300 + 4 * resistance * (1 - np.exp(-times / (resistance * capacity)))
    np.testing.assert_allclose(found, exact, rtol=0, atol=4e-3)  # a few local errors of 1 mK; rise of 20 K
    name = "thermal/layer_temperature_mean"
    without = {k: v for k, v in SINK.items() if k != "heat_capacity"}
    np.testing.assert_allclose(values(SINK, None)[name], values(without, None)[name], rtol=1e-12)


def test_lumped_sinks_on_patches_and_sides_store_their_heat() -> None:
    """Half of the top by a patch, and the sides: the same circuit with capacities added up."""
    tree: dict[str, Any] = {"until": "5 s", "outputs": ["5 s"], "tolerance": "1 mK"}
    patch = {"name": "half", "layer": "die", "x": ["0 mm", "5 mm"], "y": ["0 mm", "10 mm"], "condition": SINK}
    found = values(
        {"film_coefficient": "2000 W/m^2/K"}, tree,
        cooling={"top": {"film_coefficient": "2000 W/m^2/K"}, "sides": {"film_coefficient": "1e-9 W/m^2/K", "heat_capacity": "3 J/K"}, "patches": [patch], "ambient": "300 K"},
    )["thermal/layer_temperature_mean"][0, 0]  # fmt: skip
    resistance, capacity = 1 / (2000 * 1e-4), 8.0 + 0.16
    assert found == pytest.approx(300 + 4 * resistance * (1 - np.exp(-5 / (resistance * capacity))), abs=4e-3)


def test_a_heat_sink_on_a_fixed_face_is_refused() -> None:
    with pytest.raises(DeckError, match="heat_capacity does not go with temperature"):
        values({"temperature": "300 K", "heat_capacity": "5 J/K"}, None)


@pytest.mark.parametrize("backend", ["tensor", "fem"])
def test_bodies_that_radiate_and_convect_cool_along_their_own_curve(backend: str) -> None:
    """One temperature, C dT/dt = P - A (h(T) (T - Ta) + eps sigma (T^4 - Ta^4)), by an ODE solver of SciPy."""
    from scipy.integrate import solve_ivp

    area, capacity, emissivity = 1e-4, 1.6e6 * 1e-7, 0.8
    top = {"natural": {"facing": "up", "length": "2.5 mm"}, "emissivity": emissivity}

    def slope(_: float, t: np.ndarray) -> np.ndarray:
        film = natural_convection(t[0] - 300, 2.5e-3, "up", ambient=300.0)
        lost = film * (t[0] - 300) + emissivity * STEFAN_BOLTZMANN * (t[0] ** 4 - 300**4)
        return np.array([(0.3 - area * lost) / capacity])

    times = np.array([2.0, 20.0, 200.0])
    exact = solve_ivp(slope, (0, 200), [420.0], t_eval=times, rtol=1e-10, atol=1e-8).y[0]
    transient = {"until": "200 s", "outputs": [f"{t} s" for t in times], "initial": "420 K", "tolerance": "1 mK"}
    power = {"sources": [{"name": "all", "layer": "die", "power": "0.3 W"}]}
    found = values(top, transient, backend=backend, power=power)
    np.testing.assert_allclose(found["thermal/layer_temperature_mean"][:, 0], exact, rtol=0, atol=5e-3)
    assert found["thermal/heat_out"][-1] == pytest.approx(0.3, rel=0.02)  # nearly settled: films of the state, not of a guess


def small(exponent: float = 0.0, **more: Any) -> ThermalProblem:
    slabs = [
        {"k": (148.0, 120.0, 90.0), "thickness": 0.1 * MM, "name": "die", "exponent": exponent},
        {"k": 4.0, "thickness": 0.05 * MM, "name": "tim", "contact_resistance": 2e-6},
        {"k": 400.0, "c": 3.45e6, "thickness": 0.5 * MM, "name": "lid"},
    ]
    built = stack((4 * MM, 4 * MM), slabs)
    return ThermalProblem(built, grid(built, 8, 8, [2, 1, 2]), **({"top": Face(5000.0, 300.0)} | more))


SOURCES = [
    HeatSource("a", "die", Rectangle(0.5 * MM, 1.5 * MM, 0.5 * MM, 2 * MM), 1.0),
    HeatSource("b", "die", Rectangle(2 * MM, 4 * MM, 2.5 * MM, 3 * MM), 1.0),
]
PLACES = [Probe("die", MM, MM), Box("die", SOURCES[1].extent), Probe("lid", 3 * MM, MM)]
LAW = {"top": lambda t: 2000.0 + 40.0 * abs(t - 300.0) ** 1.25}
"""Films that grow with the temperature of the face, more steeply than those of still air."""


@pytest.mark.parametrize("case", ["conductivity", "film"])
def test_second_order_in_time_with_laws(case: str) -> None:
    """Steps halved twice against steps of a sixteenth: k(T) and films belong to the temperature of their own stage."""
    problem = small(exponent=-1.3 if case == "conductivity" else 0.0)
    laws = LAW if case == "film" else {}
    initial = TensorSolver(small()).solve([replace(s, power=p) for s, p in zip(SOURCES, (0.0, 2.0))]).field
    schedule = PowerSchedule.constant([12.0, 2.0])

    def end(n: int) -> np.ndarray:
        system = TensorSolver(problem).system(SOURCES, PLACES, rtol=1e-11, laws=laws)
        assert isinstance(system, NodalSystem)
        return integrate_fixed(system, schedule, 40e-3 / n, 40e-3, initial=initial).temperature[-1]

    exact = end(256)
    errors = [np.abs(end(n) - exact).max() for n in (8, 16, 32)]
    assert np.log2(errors[0] / errors[1]) > 1.9 and np.log2(errors[1] / errors[2]) > 1.9
    plain = integrate_fixed(TensorSolver(small()).system(SOURCES, PLACES), schedule, 40e-3 / 32, 40e-3, initial=initial)
    assert np.abs(plain.temperature[-1] - exact).max() > 20 * errors[2]  # the law matters


def test_films_settle_where_the_steady_solver_puts_them() -> None:
    problem = small()
    powers = [6.0, 2.0]
    system = TensorSolver(problem).system(SOURCES, PLACES, laws=LAW)
    end = integrate(system, PowerSchedule.constant(powers), [10.0], initial=300.0, tolerance=1e-3)
    settled = SettledBackend(TensorSolver(problem), LAW)
    steady = settled.solve([replace(s, power=p) for s, p in zip(SOURCES, powers)])
    np.testing.assert_allclose(end.field.values, steady.field.values, atol=2e-3)
    assert system.boundary(end.state).films["top"] == pytest.approx(settled.problem.top.film_coefficient, rel=1e-4)


def channels(**more: Any) -> dict[str, Any]:
    material = {"conductivity": "130 W/m/K", "heat_capacity": "1.6e6 J/m^3/K"}
    run = {
        "direction": "y", "count": 4, "width": "100 um", "wall_width": "100 um", "edge_wall_width": "50 um",
        "coolant": "water", "flow_rate": "10 ml/min", "inlet_temperature": "295 K", "wall_film_coefficient": "3e4 W/m^2/K",
    }  # fmt: skip
    return {
        "scenario": "channels",
        "geometry": {
            "footprint": ["0.8 mm", "10 mm"],
            "layers": [
                {"name": "lower", "thickness": "100 um", "material": material},
                {"name": "cavity", "thickness": "100 um", "material": material, "channels": run},
                {"name": "upper", "thickness": "100 um", "material": material},
            ],
        },
        "cooling": {"ambient": "300 K"},
        "power": {"sources": [{"name": "hot", "layer": "upper", "power": "4 W", "x": ["0.2 mm", "0.4 mm"], "y": ["2 mm", "8 mm"]}]},
        "solver": {"backend": "tensor", "mesh": {"lateral": 16}, "error_promise": 0.01},
        **more,
    }  # fmt: skip


def scenario(tree: dict[str, Any], *overrides: tuple[str, Any]) -> Any:
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "channels.yaml"), None, overrides).scenario


@pytest.mark.slow
def test_channels_march_to_their_steady_state_in_both_solvers() -> None:
    """Twenty time constants after the power came on: field, outlet and heat of the steady solver, which stores no heat."""
    transient = {"until": "0.2 s", "outputs": ["5 ms", "0.2 s"], "tolerance": "20 mK"}
    coarse = ("solver.mesh.lateral", 8)
    found = {
        backend: run_case(scenario(channels(transient=transient), ("solver.backend", backend), coarse), Silent()).values
        for backend in ("tensor", "fem")
    }
    steady = run_case(scenario(channels(), coarse), Silent()).values
    for name in ("thermal/layer_temperature_mean", "thermal/layer_temperature_max", "thermal/coolant_outlet_temperature"):
        np.testing.assert_allclose(found["tensor"][name][-1], steady[name], rtol=0, atol=0.02)
        np.testing.assert_allclose(found["tensor"][name], found["fem"][name], rtol=0, atol=1e-5)
    assert found["tensor"]["thermal/heat_out"][-1] == pytest.approx(4.0, rel=2e-3)
    assert found["tensor"]["thermal/coolant_outlet_temperature"][0] < steady["thermal/coolant_outlet_temperature"] - 1.0


def test_the_dataset_of_a_transient_with_channels_and_what_it_warns_of() -> None:
    """What moves has time first, what does not has none; limits count at the hottest output, not at the last."""
    duty = {"period": "40 ms", "on": "20 ms"}
    transient = {"until": "40 ms", "outputs": ["20 ms", "40 ms"], "duty": duty, "tolerance": "50 mK"}
    text = json.dumps(channels(transient=transient, limits={"upper": "310 K"}))
    one = decks.resolve(yamlfile.parse_text(text, "c.yaml"), None, [("solver.mesh.lateral", 6)])
    outcome = run_case(one.scenario, Silent())
    thermal = to_tree(one, outcome)["thermal"]
    assert thermal["coolant_outlet_temperature"].dims == ("time", "cavity")
    assert thermal["pressure_drop"].dims == ("cavity",) and float(thermal["pressure_drop"][0]) > 0
    hot = thermal["layer_temperature_max"].sel(layer="upper").values
    assert hot[0] > 310.0 > hot[1]
    assert any("limits.upper" in text for text in outcome.warnings)


def coolant_system(lateral: int = 6, rtol: float = 1e-11) -> NodalSystem:
    chip = check(scenario(channels(), ("solver.mesh.lateral", lateral)))
    problem = Bricks.of(chip).problem(chip.stack, chip.scenario.cooling)
    runs = channel_runs(chip.stack)
    places = [Box("upper", chip.sources[0].extent)]
    system = TensorSolver(problem, rtol=rtol).system(chip.sources, places, rtol=rtol, runs=runs)
    assert isinstance(system, NodalSystem)
    return system


def test_heat_is_neither_made_nor_lost_between_solid_and_coolant() -> None:
    """All that is stored is the power minus what the outlets carry out: the films of solid and coolant cancel to rounding."""
    system = coolant_system()
    state = integrate(system, PowerSchedule.constant([4.0]), [5e-3], initial=300.0, tolerance=0.1).state
    rows = system.load(np.array([4.0])) - system.stiffness(state)
    [run] = system.flow.runs
    [carried, _, _] = run.segments(system.problem.grid)
    [coolant] = system.boundary(state).coolant.values()
    assert rows.sum() == pytest.approx(4.0 - (carried[:, 0] * (coolant[:, -1] - 295.0)).sum(), abs=1e-9)
    assert 0.5 < rows.sum() < 3.5


def test_a_slug_of_coolant_travels_at_its_speed() -> None:
    """Walls 10 K above the inlet: the coolant follows 10 (1 - exp(-NTU s / L)) up to s = v t and is flat beyond."""
    system = coolant_system(32)
    flow = system.flow
    [run] = flow.runs
    [carried], film, store = (values[0] for values in run.segments(system.problem.grid))  # all ways are the same
    walls, warm = [np.full(flow.shapes[0], 10.0)], (10.0 * film * np.ones(flow.shapes[0])).ravel()
    state, step = np.zeros(flow.size), 5e-5
    for _ in range(24):  # 1.2 ms by the trapezoidal rule; the coolant's own rows alone
        full = np.pad(flow.split(state)[0], ((0, 0), (1, 0)))
        lost = (carried * np.diff(full, axis=1) + 0.5 * film * (full[:, 1:] + full[:, :-1])).ravel()
        state = flow.respond(2 / step, walls, 2 / step * flow.mass(state) + warm - lost)
    share = np.cumsum(film) / film.sum()
    passed = 24 * step * carried / store.sum()
    assert 0.4 < passed < 0.6
    exact = 10 * (1 - np.exp(-film.sum() / carried * np.minimum(share, passed)))
    away = np.abs(share - passed) > 0.2  # the box scheme wiggles about the kink at the front
    assert away.sum() > 10
    np.testing.assert_allclose(flow.split(state)[0][0][away], exact[away], atol=0.02 * exact.max())


def test_second_order_in_time_with_coolant() -> None:
    system = coolant_system()
    # a smooth start: the steady state of other powers
    initial = system.solve(0.0, system.load(np.array([1.0])), system.start(300.0))

    def end(n: int) -> np.ndarray:
        return integrate_fixed(system, PowerSchedule.constant([4.0]), 20e-3 / n, 20e-3, initial=initial).temperature[-1]

    exact = end(64)
    errors = [np.abs(end(n) - exact).max() for n in (8, 16)]
    assert np.log2(errors[0] / errors[1]) > 1.9


def bursts() -> PowerSchedule:
    return PowerSchedule(np.array([0.0, 2e-3, 5e-3]), np.array([[4.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), period=8e-3)


def test_periodic_state_on_nodes_is_that_of_modes() -> None:
    """A sink of 0.3 s on a period of 8 ms, forty periods per time constant: found within a few, to the error of the steps."""
    problem = small(top=Face(5000.0, 300.0, capacity=1e4))
    solver = TensorSolver(problem)
    nodes = NodalSystem(TensorBody(solver), SOURCES, PLACES)
    modes = solver.system(SOURCES, PLACES)
    state, periods = periodic_state(nodes, bursts(), tolerance=2e-3)
    assert periods <= 8
    exact = ExactTransient(modes).periodic(bursts(), [0.0, 8e-3])
    np.testing.assert_allclose(nodes.observe(state), exact.temperature[0], atol=8e-3)
    again = integrate(nodes, bursts(), [8e-3], initial=state, tolerance=2e-3)
    np.testing.assert_allclose(again.temperature[0], nodes.observe(state), atol=6e-3)


def test_periodic_state_with_laws_is_what_a_long_march_reaches() -> None:
    """k(T) and a film of its own face: the same after sixteen periods, seven time constants."""
    problem = small(exponent=-1.3, top=Face(1e5, 300.0))
    system = TensorSolver(problem).system(SOURCES, PLACES, rtol=1e-9, laws={"top": lambda t: 8e4 + 4e3 * abs(t - 300.0)})
    schedule = PowerSchedule(np.array([0.0, 2e-3]), np.array([[30.0, 6.0], [0.0, 0.0]]), period=8e-3)
    state, periods = periodic_state(system, schedule, tolerance=0.03)
    assert periods <= 8
    marched = integrate(system, schedule, [16 * 8e-3], initial=300.0, tolerance=0.03)
    np.testing.assert_allclose(system.observe(state), marched.temperature[0], atol=0.09)
    assert marched.temperature[0, 0] > 302.0


@pytest.mark.parametrize("backend", ["tensor", "fem"])
def test_periodic_state_of_a_package_repeats_and_balances(backend: str) -> None:
    """A package whose slowest time is hundreds of periods; the mean over one is the steady field of the mean power."""
    problem, sources = flip_chip(8, 1)
    problem = replace(problem, top=Face(500.0, 300.0, capacity=1e4))
    places = [Box("active", sources[0].extent), Box("sink", problem.stack.layer("sink").extent)]
    body: Any = TensorSolver(problem)
    if backend == "fem":
        body = solver_on_grid(problem, *layered_cells(problem.stack, problem.grid))
    system = body.system(sources, places, rtol=1e-8)
    schedule = PowerSchedule(np.array([0.0, 0.05]), np.array([[60.0, 20.0], [0.0, 0.0]]), period=0.2)
    state, periods = periodic_state(system, schedule, tolerance=0.05)
    assert periods <= 8
    within = np.linspace(0.0, 0.2, 81)
    again = integrate(system, schedule, within, initial=state, tolerance=0.05)
    np.testing.assert_allclose(again.temperature[-1], again.temperature[0], atol=0.1)
    steady = TensorSolver(problem).solve([replace(s, power=p / 4) for s, p in zip(sources, (60.0, 20.0))]).field
    mean = np.trapezoid(again.temperature, within, axis=0) / 0.2
    expected = [steady.box_means("active", [sources[0].extent])[0], steady.layer_mean("sink")]
    np.testing.assert_allclose(mean, expected, atol=0.3)  # trapezoids over jumps of power; the sink is 22 K above ambient
    assert expected[1] > 320.0
