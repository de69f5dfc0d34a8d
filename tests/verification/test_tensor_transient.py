"""Time integration against the series, exact eigenmodes and closed forms; orders; no change of power stepped over."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_cases import flip_chip, grid, reference_case, stack

from stack3d.errors import ArrayError, DeckError
from stack3d.layout import HeatSource, Rectangle
from stack3d.thermal.analytic.series import CosineSeries
from stack3d.thermal.grid import exact_transient
from stack3d.thermal.grid.exact_transient import ExactTransient
from stack3d.thermal.grid.modal_system import ModalSystem
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.grid.tensor_body import TensorBody
from stack3d.thermal.places import Box, Probe
from stack3d.thermal.problem import Face, ThermalProblem
from stack3d.thermal.time.march import TakenSteps, integrate, integrate_fixed
from stack3d.thermal.time.nodal import NodalSystem
from stack3d.thermal.time.schedule import PowerSchedule

MM = 1e-3
SLABS = [
    {"k": 148.0, "thickness": 0.1 * MM, "name": "die"},
    {"k": 4.0, "thickness": 0.05 * MM, "name": "tim", "contact_resistance": 2e-6},
    {"k": 400.0, "c": 3.45e6, "thickness": 0.5 * MM, "name": "lid"},
]
SOURCES = [
    HeatSource("a", "die", Rectangle(0.5 * MM, 1.5 * MM, 0.5 * MM, 2 * MM), 1.0),
    HeatSource("b", "die", Rectangle(2 * MM, 4 * MM, 2.5 * MM, 3 * MM), 1.0),
]
PLACES = [Probe("die", MM, MM), Box("die", SOURCES[1].extent), Probe("lid", 3 * MM, MM)]


def small(**faces: Face) -> ThermalProblem:
    built = stack((4 * MM, 4 * MM), SLABS)
    return ThermalProblem(built, grid(built, 16, 16, [2, 1, 2]), **({"top": Face(5000.0, 300.0)} | faces))


def bursts() -> PowerSchedule:
    return PowerSchedule(np.array([0.0, 2e-3, 5e-3]), np.array([[4.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), period=8e-3)


def test_step_response_of_four_tiers_follows_the_series(reference):
    """From 1 ms on within 0.5 % of the rise, by eigenmodes, by controlled and by fixed steps."""
    built, sources, top, data, _ = reference_case(reference, "case4_four_tiers")
    places = [Probe(p["layer"], p["x"], p["y"]) for p in data["probes"]]
    problem = ThermalProblem(built, grid(built, 32, 32, [3, 2, 2, 2] * 3 + [3, 2, 2, 2, 6]), top)
    system = TensorSolver(problem).system(sources, places)
    schedule = PowerSchedule.constant([s.power for s in sources])
    times = [1e-3, 1e-2]
    exact = CosineSeries(built, sources, top, modes=96).step(places, times, 300.0).temperature
    allowed = 0.005 * (exact - 300).max(axis=1, keepdims=True)
    assert isinstance(system, ModalSystem)
    by_modes = ExactTransient(system).integrate(schedule, times, initial=300.0)
    assert np.all(np.abs(by_modes.temperature - exact) < allowed)
    controlled = integrate(system, schedule, times, initial=300.0, tolerance=2e-3)
    assert np.all(np.abs(controlled.temperature - exact) < allowed)
    assert controlled.statistics["steps"] < 100 and controlled.statistics["factorisations"] < 30
    fixed = integrate_fixed(system, schedule, 1e-3, 10e-3, initial=300.0)
    assert fixed.temperature.shape == (11, len(places))
    assert np.all(np.abs(fixed.temperature[[1, 10]] - exact) < allowed)


def test_second_order_in_time():
    """Against eigenmodes on the same grid, for a smooth start: the steady field of other powers."""
    problem = small()
    initial = TensorSolver(problem).solve(SOURCES).field
    system = TensorSolver(problem).system(SOURCES, PLACES)
    assert isinstance(system, ModalSystem)
    schedule = PowerSchedule.constant([0.0, 2.0])
    exact = ExactTransient(system).integrate(schedule, [4e-3], initial=initial).temperature[0]
    errors = [
        np.abs(integrate_fixed(system, schedule, 4e-3 / n, 4e-3, initial=initial).temperature[-1] - exact).max()
        for n in (16, 32, 64)
    ]
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2.0, abs=0.15)
    assert errors[2] < 1e-4


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-3])
def test_error_follows_the_tolerance_through_every_burst(tolerance):
    """Nine changes of power, 1 µs burst included, none of them at a round share of the times asked."""
    schedule = PowerSchedule(np.array([0.0, 3e-3, 3.001e-3]), np.array([[4.0, 0.0], [300.0, 0.0], [0.0, 2.0]]), period=7e-3)
    problem = small()
    system = TensorSolver(problem).system(SOURCES, PLACES)
    assert isinstance(system, ModalSystem)
    times = np.linspace(0.0, 21e-3, 43)
    exact = ExactTransient(system).integrate(schedule, times, initial=300.0)
    result = integrate(system, schedule, times, initial=300.0, tolerance=tolerance)
    assert np.abs(result.temperature - exact.temperature).max() < 4 * tolerance  # local errors of a damped system add little
    np.testing.assert_allclose(result.field.values, exact.field.values, atol=4 * tolerance)


def test_steps_cut_in_two_tell_the_error_of_a_march():
    """Three quarters of it, where steps may only grow with the time that passed and a smaller tolerance changes few of them."""
    system = TensorSolver(small()).system(SOURCES, PLACES)
    assert isinstance(system, ModalSystem)
    schedule, times = PowerSchedule(np.array([0.0, 50e-3]), np.array([[4.0, 1.0], [0.0, 2.0]])), [200e-3]
    exact = ExactTransient(system).integrate(schedule, times, initial=300.0).temperature
    steps = TakenSteps()
    whole = integrate(system, schedule, times, initial=300.0, relative=3e-3, steps=steps)
    halved = integrate(system, schedule, times, initial=300.0, relative=3e-3, steps=steps.again(parts=2))
    assert halved.statistics["steps"] == 2 * whole.statistics["steps"] and halved.statistics["rejected"] == 0
    error, told = np.abs(whole.temperature - exact), np.abs(whole.temperature - halved.temperature)
    assert 1.0 < np.max(1.5 * told) / np.max(error) < 1.3


@pytest.mark.parametrize(
    "faces",
    [
        {},
        {"bottom": Face(np.inf, 320.0)},
        {"top": Face(np.inf, 310.0), "bottom": Face(flux=1e4), "sides": Face(np.inf, 305.0)},
    ],
)
def test_modes_and_nodes_march_alike(faces):
    problem = small(**faces)
    solver = TensorSolver(problem, rtol=1e-12)
    results = [
        integrate_fixed(system, bursts(), 5e-4, 16e-3, initial=300.0)
        for system in (ModalSystem(solver, SOURCES, PLACES), NodalSystem(TensorBody(solver), SOURCES, PLACES, rtol=1e-12))
    ]
    np.testing.assert_allclose(results[0].temperature, results[1].temperature, atol=1e-7)
    np.testing.assert_allclose(results[0].field.values, results[1].field.values, atol=1e-7)


def test_long_march_ends_in_the_steady_field():
    problem = small(bottom=Face(50.0, 310.0))
    steady = TensorSolver(problem).solve([HeatSource(s.name, s.layer, s.extent, 2.0) for s in SOURCES]).field.values
    system = TensorSolver(problem).system(SOURCES, PLACES)
    end = integrate(system, PowerSchedule.constant([2.0, 2.0]), [20.0], initial=350.0, tolerance=1e-3)
    np.testing.assert_allclose(end.field.values, steady, atol=1e-3)
    assert end.statistics["steps"] < 100
    assert isinstance(system, ModalSystem)
    exact = ExactTransient(system).integrate(PowerSchedule.constant([2.0, 2.0]), [20.0], initial=350.0)
    np.testing.assert_allclose(exact.field.values, steady, atol=1e-8)


def test_periodic_state_is_what_many_periods_reach():
    system = TensorSolver(small()).system(SOURCES, PLACES)
    assert isinstance(system, ModalSystem)
    exact = ExactTransient(system)
    within = np.array([0.0, 1e-3, 4e-3, 8e-3])
    periodic = exact.periodic(bursts(), within)
    np.testing.assert_allclose(periodic.temperature[0], periodic.temperature[-1], atol=1e-10)
    marched = exact.integrate(bursts(), 1000 * 8e-3 + within, initial=300.0)  # 20 time constants of the lid on its film
    np.testing.assert_allclose(periodic.temperature, marched.temperature, atol=1e-3)
    mean = bursts().powers.T @ np.diff([*bursts().times, 8e-3]) / 8e-3
    fine = exact.periodic(bursts(), np.linspace(0.0, 8e-3, 2001))
    average = np.trapezoid(fine.temperature, fine.times, axis=0) / 8e-3
    steady = exact.integrate(PowerSchedule.constant(mean), [1e3], initial=300.0).temperature[0]
    np.testing.assert_allclose(average, steady, atol=1e-3)


def test_package_stores_what_it_does_not_lose():
    """All heat is stored but what the films can have carried at the final, highest temperatures of the faces."""
    problem, sources = flip_chip(10, 1)
    system = TensorSolver(problem, rtol=1e-9).system(sources, [Box("sink", problem.stack.layer("sink").extent)], rtol=1e-9)
    assert isinstance(system, NodalSystem)
    result = integrate(system, PowerSchedule.constant([20.0, 10.0]), [1.0], initial=300.0, tolerance=0.05)
    rise = result.field.values - 300.0
    stored, power = system.mass(rise).sum(), 30.0
    most_lost = 500.0 * 1.6e-3 * rise[-1].max() + 10.0 * 4e-4 * rise[0].max()  # watts for one second
    assert power - most_lost < stored < power
    assert most_lost < 0.1 * power
    per_solve = result.statistics["iterations"] / (1.5 * result.statistics["solves"])
    assert per_solve < 12


def test_conductivity_law_marches_to_its_steady_field():
    slabs = [{**SLABS[0], "exponent": -1.3}, *SLABS[1:]]
    built = stack((4 * MM, 4 * MM), slabs)
    problem = ThermalProblem(built, grid(built, 10, 10, [2, 1, 2]), Face(1e4, 300.0))
    powers = [9.0, 4.0]
    steady = TensorSolver(problem).solve([HeatSource(s.name, s.layer, s.extent, p) for s, p in zip(SOURCES, powers)]).field
    system = TensorSolver(problem).system(SOURCES, PLACES)
    end = integrate(system, PowerSchedule.constant(powers), [3.0], initial=300.0, tolerance=5e-3)
    np.testing.assert_allclose(end.field.values, steady.values, atol=0.01)


def test_eigenvectors_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(exact_transient, "MOST_ENTRIES", 1000)
    system = TensorSolver(small()).system(SOURCES, PLACES)
    with pytest.raises(DeckError, match="use time steps, or a coarser grid"):
        ExactTransient(system)


@pytest.mark.parametrize(
    ("times", "powers", "period", "message"),
    [
        ([0.0, 2.0, 1.0], np.ones((3, 1)), None, r"times\[2\]: 1 s does not come after 2 s"),
        ([1.0], np.ones((1, 1)), None, r"times\[0\]: 1 s; a schedule starts at 0"),
        ([0.0], np.ones((2, 1)), None, r"shape \(2, 1\) does not hold one row per time"),
        ([0.0, 1.0], np.array([[1.0], [np.nan]]), None, r"powers\[1, 0\]: not a finite number"),
        ([0.0, 1.0], np.ones((2, 1)), 0.5, r"period: 0\.5 s does not reach beyond"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(times, powers, period, message):
    with pytest.raises(ArrayError, match=message):
        PowerSchedule(np.array(times), powers, period)


def test_schedule_unrolls_its_periods():
    spans = [(round(a, 9), round(b, 9), p[0]) for a, b, p in bursts().intervals(0.011)]
    assert spans == [(0.0, 0.002, 4.0), (0.002, 0.005, 0.0), (0.005, 0.008, 1.0), (0.008, 0.01, 4.0), (0.01, 0.011, 0.0)]
