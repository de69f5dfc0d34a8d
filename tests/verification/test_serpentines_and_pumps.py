"""Channels that turn, several inlets, and pumps that share their flow among cavities."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.chip import Chip
from stack3d.errors import DeckError
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import make_backend
from stack3d.progress import Silent
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.cooling import ducts

FLOW = 10e-6 / 60
RATE = FLOW * 4.17e6
"""Capacity rate of the water. [W/K]"""
CAVITY = "geometry.layers.cavity.channels"
CHANNELS = {
    "count": 10, "width": "100 um", "wall_width": "100 um", "edge_wall_width": "50 um", "coolant": "water",
    "flow_rate": "10 ml/min", "inlet_temperature": "300 K", "wall_film_coefficient": "3e4 W/m^2/K",
}  # fmt: skip


def scenario(conductivity: str = "130 W/m/K", **more: Any) -> dict[str, Any]:
    """Ten channels, 10 mm long, between two dies; 8 W in a spot of the upper one."""
    material = {"conductivity": conductivity, "heat_capacity": "1.6e6 J/m^3/K"}
    return {
        "scenario": "turns",
        "geometry": {
            "footprint": ["2 mm", "10 mm"],
            "layers": [
                {"name": "lower", "thickness": "100 um", "material": material},
                {"name": "cavity", "thickness": "100 um", "material": material, "channels": dict(CHANNELS)},
                {"name": "upper", "thickness": "100 um", "material": material},
            ],
        },
        "cooling": {"ambient": "300 K"},
        "power": {
            "sources": [{"name": "hot", "layer": "upper", "power": "8 W", "x": ["0.2 mm", "1 mm"], "y": ["6 mm", "8 mm"]}]
        },
        "solver": {"backend": "tensor", "mesh": {"lateral": 16}, "error_promise": 0.01},
        **more,
    }


def two_cavities() -> dict[str, Any]:
    """A second cavity with channels half as wide, over a third die."""
    tree = scenario()
    layers = tree["geometry"]["layers"]
    narrow = {**CHANNELS, "width": "50 um", "wall_width": "150 um", "edge_wall_width": "75 um"}
    layers.append({**layers[1], "name": "second", "channels": narrow})
    layers.append({**layers[0], "name": "third"})
    for layer in layers:
        layer.get("channels", {}).pop("flow_rate", None)
    return tree


def case(tree: dict[str, Any], *overrides: tuple[str, Any]) -> decks.Case:
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "turns.yaml"), None, overrides)


def built(tree: dict[str, Any], *overrides: tuple[str, Any]) -> Chip:
    return check(case(tree, *overrides).scenario)


def solve(tree: dict[str, Any], *overrides: tuple[str, Any]) -> ThermalSolution:
    chip = built(tree, *overrides)
    return make_backend(chip.scenario, chip.stack, Bricks.of(chip)).solve(chip.sources)


def flows(chip: Chip) -> dict[str, float]:
    """Flow rate of each inlet. [m3/s]"""
    layers = [layer for layer in chip.stack.layers if layer.channels is not None]
    return {
        f"{layer.name}.{name}" if name else layer.name: c.flow_rate
        for layer in layers
        if layer.channels
        for name, c in layer.channels.fed
    }


EVEN = ("power.sources", [{"name": "even", "layer": "lower", "power": "8 W"}])


@pytest.mark.parametrize("passes", [1, 2, 5, 10])
def test_isothermal_walls_take_the_same_from_every_serpentine(passes: int) -> None:
    """Walls that conduct perfectly do not know how often the water turns: one exponential over all its way."""
    solution = solve(scenario("1e9 W/m/K"), EVEN, (f"{CAVITY}.passes", passes), ("solver.mesh.lateral", 60))
    units = 3e4 * 400e-6 * 10e-3 * 10 / RATE
    exact = 8.0 / RATE / (1 - math.exp(-units))
    assert solution.field.values[0].mean() - 300.0 == pytest.approx(exact, rel=5e-3)
    assert solution.outlets["cavity_coolant"].size == 10 // passes
    np.testing.assert_allclose(solution.outlets["cavity_coolant"] - 300.0, 8.0 / RATE, rtol=1e-6)


def test_the_way_of_a_serpentine_is_followed_in_order() -> None:
    """Water meets its passes one after the other: with next to no conduction each channel warms by its own die's heat alone.

    By hand: even heat over two passes of five channels; where the second pass ends, at y = 0, the water is warmest, beside
    it the first comes in cold. The outermost way stays the outermost.
    """
    solution = solve(scenario("0.5 W/m/K"), EVEN, (f"{CAVITY}.passes", 2), (f"{CAVITY}.wall_film_coefficient", "1e6 W/m^2/K"))
    field = solution.field
    inlet, turn = field.at("lower", 0.3e-3, 0.1e-3, None), field.at("lower", 0.3e-3, 9.9e-3, None)
    turned, outlet = field.at("lower", 1.7e-3, 9.9e-3, None), field.at("lower", 1.7e-3, 0.1e-3, None)
    assert inlet < turn < outlet and abs(turn - turned) < 0.03 * (outlet - inlet)
    assert turn - inlet == pytest.approx(0.5 * (outlet - inlet), rel=0.05)
    assert solution.outlets["cavity_coolant"].mean() - 300.0 == pytest.approx(8.0 / RATE, rel=1e-9)
    assert solution.balance < 1e-8


def test_solvers_agree_on_serpentines() -> None:
    changes = (f"{CAVITY}.passes", 2), (f"{CAVITY}.direction", "-y")
    tensor, fem = (solve(scenario(), *changes, ("solver.backend", backend)) for backend in ("tensor", "fem"))
    np.testing.assert_allclose(fem.field.values, tensor.field.values, rtol=0, atol=5e-6)


def test_flow_the_other_way_is_the_mirror_image() -> None:
    mirrored = ("power.sources.hot.y", ["2 mm", "4 mm"])
    there = solve(scenario()).field.values
    back = solve(scenario(), (f"{CAVITY}.direction", "-y"), mirrored).field.values
    np.testing.assert_allclose(back, there[:, ::-1], atol=1e-6)


def test_counterflow_is_symmetric() -> None:
    """Two inlets from opposite ends under even heat: the field is its own image turned by half a turn."""
    inlets = [{"name": "low", "count": 5}, {"name": "high", "count": 5, "reverse": True}]
    solution = solve(scenario(), EVEN, (f"{CAVITY}.inlets", inlets))
    np.testing.assert_allclose(solution.field.values, solution.field.values[:, ::-1, ::-1], atol=1e-6)
    low, high = (solution.outlets[f"cavity.{name}_coolant"] for name in ("low", "high"))
    np.testing.assert_allclose(low, high[::-1], atol=1e-6)
    assert 0.5 * (low.mean() + high.mean()) - 300.0 == pytest.approx(8.0 / RATE, rel=1e-9)


def test_inlets_have_flows_and_temperatures_of_their_own() -> None:
    inlets = [
        {"name": "cold", "count": 4, "flow_rate": "8 ml/min"},
        {"name": "warm", "count": 6, "flow_rate": "2 ml/min", "inlet_temperature": "310 K"},
    ]
    outcome = run_case(case(scenario(), (f"{CAVITY}.flow_rate", None), (f"{CAVITY}.inlets", inlets)).scenario, Silent())
    found = {
        name: np.asarray(outcome.values[f"thermal/{name}"]) for name in ("coolant_outlet_temperature", "coolant_flow_rate")
    }
    assert list(outcome.coordinates["cavity"]) == ["cavity.cold", "cavity.warm"]
    np.testing.assert_allclose(found["coolant_flow_rate"], [8e-6 / 60, 2e-6 / 60])
    heat = 4.17e6 * found["coolant_flow_rate"] * (found["coolant_outlet_temperature"].ravel() - [300.0, 310.0])
    assert heat.sum() == pytest.approx(8.0, rel=1e-9)


def drop(flow: float, width: float = 100e-6, passes: int = 1) -> float:
    """Of ten channels by hand. [Pa]"""
    speed = flow / (10 / passes) / (width * 100e-6)
    return (
        passes * ducts.pressure_drop(speed, width, 100e-6, 10e-3, viscosity=8.9e-4) + (passes - 1) * 2.4 * 0.5 * 997 * speed**2
    )


def test_a_serpentine_wants_the_pressure_of_all_passes_and_turns() -> None:
    values = run_case(case(scenario(), (f"{CAVITY}.passes", 5)).scenario, Silent(), until="thermal").values
    assert values["thermal/pressure_drop"][0] == pytest.approx(drop(FLOW, passes=5), rel=1e-12)
    assert drop(FLOW, passes=5) > 25 * drop(FLOW)


def test_a_pump_shares_its_flow_by_equal_pressure() -> None:
    """Laminar: flows as the conductances, and their sum is that of the pump."""
    chip = built(two_cavities(), ("cooling.pumps", [{"name": "p", "feeds": ["cavity", "second"], "flow_rate": "20 ml/min"}]))
    found = flows(chip)
    assert sum(found.values()) == pytest.approx(20e-6 / 60, rel=1e-12)
    assert drop(found["cavity"]) == pytest.approx(drop(found["second"], 50e-6), rel=1e-9)
    assert found["cavity"] > 2 * found["second"]


def test_a_pump_works_where_its_curve_meets_the_pressure_drop() -> None:
    """A straight curve and laminar flow meet in closed form: p0 (1 - q / q0) = R q."""
    curve = {"flow_rate": ["0 ml/min", "60 ml/min"], "pressure": ["20 kPa", "0 Pa"]}
    chip = built(two_cavities(), ("cooling.pumps", [{"name": "p", "feeds": ["cavity", "second"], "curve": curve}]))
    resistance = 1 / (1 / drop(1.0) + 1 / drop(1.0, 50e-6))
    exact = 20e3 / (resistance + 20e3 / 1e-6)
    assert sum(flows(chip).values()) == pytest.approx(exact, rel=1e-9)


def test_a_pump_feeds_a_serpentine_with_turns_that_are_quadratic() -> None:
    curve = {"flow_rate": ["0 ml/min", "40 ml/min"], "pressure": ["80 kPa", "10 kPa"]}
    pump = ("cooling.pumps", [{"name": "p", "feeds": ["cavity"], "curve": curve}])
    found = flows(built(scenario(), (f"{CAVITY}.passes", 5), (f"{CAVITY}.flow_rate", None), pump))["cavity"]
    assert drop(found, passes=5) == pytest.approx(np.interp(found, [0, 40e-6 / 60], [80e3, 10e3]), rel=1e-9)


def test_one_name_feeds_a_layer_of_every_tier() -> None:
    tree = scenario()
    layers = tree["geometry"].pop("layers")
    layers[1]["channels"].pop("flow_rate")
    tree["geometry"] |= {"below": [layers[0]], "tiers": {"repeat": 2, "layers": layers[1:]}}
    tree["power"]["sources"][0]["layer"] = "t0_upper"
    chip = built(tree, ("cooling.pumps", [{"name": "p", "feeds": ["cavity"], "flow_rate": "20 ml/min"}]))
    assert flows(chip) == pytest.approx({"t0_cavity": 10e-6 / 60, "t1_cavity": 10e-6 / 60})


def test_a_pump_with_more_pressure_is_never_hotter() -> None:
    peaks = []
    for pressure in ("5 kPa", "10 kPa", "20 kPa"):
        curve = {"flow_rate": ["0 ml/min", "100 ml/min"], "pressure": [pressure, "0 Pa"]}
        pump = ("cooling.pumps", [{"name": "p", "feeds": ["cavity", "second"], "curve": curve}])
        peaks.append(solve(two_cavities(), pump).field.layer_peak("upper")[0])
    assert peaks[0] > peaks[1] > peaks[2]


PUMP = {"name": "p", "feeds": ["cavity", "second"], "flow_rate": "20 ml/min"}
CURVE = {"flow_rate": ["0 ml/min", "60 ml/min"], "pressure": ["20 kPa", "0 Pa"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, r"geometry.layers\[1\].channels.flow_rate: is missing: give it, or a pump"),
        ({"cooling.pumps": [{**PUMP, "feeds": ["cavity", "secnd"]}]}, "no channels or pins 'secnd' .did you mean 'second'"),
        ({"cooling.pumps": [PUMP, {**PUMP, "name": "q"}]}, "'cavity' is fed by pump 'p' already"),
        ({"cooling.pumps": [PUMP], f"{CAVITY}.flow_rate": "1 ml/min"}, "'cavity' has a flow_rate of its own"),
        ({"cooling.pumps": [{**PUMP, "curve": CURVE}]}, "either a flow_rate or a curve"),
        ({"cooling.pumps": [{**PUMP, "flow_rate": None}]}, "either a flow_rate or a curve"),
        (
            {"cooling.pumps": [{**PUMP, "flow_rate": None, "curve": {**CURVE, "pressure": ["20 kPa", "30 kPa"]}}]},
            "flow rates that ascend and pressures that fall",
        ),
        (
            {"cooling.pumps": [{**PUMP, "flow_rate": None, "curve": {**CURVE, "pressure": ["20 kPa"]}}]},
            "wants 2 or more values, got 1",
        ),
        (
            {
                "cooling.pumps": [
                    {
                        **PUMP,
                        "flow_rate": None,
                        "curve": {"flow_rate": ["0 ml/min", "2 ml/min"], "pressure": ["40 kPa", "30 kPa"]},
                    }
                ]
            },
            "its curve ends at 2 ml/min and 3e\\+04 Pa, where what it feeds takes",
        ),
        (
            {"cooling.pumps": [{**PUMP, "flow_rate": None, "curve": {**CURVE, "flow_rate": ["50 ml/min", "60 ml/min"]}}]},
            "its curve begins at 50 ml/min",
        ),
        (
            {"cooling.pumps": [PUMP], f"{CAVITY}.coolant": {"heat_capacity": "4e6 J/m^3/K"}},
            "the pressure drop of 'cavity' is not known",
        ),
        ({"cooling.pumps": [PUMP], f"{CAVITY}.passes": 3}, "10 channels make no 3 passes"),
        ({"cooling.pumps": [PUMP], f"{CAVITY}.inlets": [{"name": "a", "count": 4}]}, "inlets feed 4 channels, there are 10"),
        (
            {"cooling.pumps": [PUMP], f"{CAVITY}.inlets": [{"name": "a", "count": 4}, {"name": "a", "count": 6}]},
            "inlets of different names",
        ),
        (
            {f"{CAVITY}.flow_rate": "1 ml/min", f"{CAVITY}.inlets": [{"name": "a", "count": 10, "flow_rate": "1 ml/min"}]},
            "has a flow_rate and its inlet 'a' another",
        ),
        ({"cooling.pumps": [PUMP], f"{CAVITY}.direction": "z"}, "direction"),
    ],
)
def test_mistakes(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DeckError, match=words):
        built(two_cavities(), *change.items())


@pytest.mark.slow
def test_a_transient_of_a_serpentine_ends_where_the_steady_solve_does() -> None:
    passes = (f"{CAVITY}.passes", 2), (f"{CAVITY}.direction", "-y"), ("solver.mesh.lateral", 4), EVEN
    more: dict[str, Any] = {
        "transient": {"until": "300 ms", "outputs": ["300 ms"]},
        "probes": [{"name": "spot", "layer": "upper", "x": "0.6 mm", "y": "7 mm"}],
    }
    values = run_case(case(scenario(**more), *passes).scenario, Silent(), until="thermal").values
    steady = solve(scenario(), *passes)
    outlet = values["thermal/coolant_outlet_temperature"][-1, 0]
    assert outlet - 300.0 == pytest.approx(8.0 / RATE, rel=2e-3)
    rise = steady.field.at("upper", 0.6e-3, 7e-3, None) - 300.0
    assert values["thermal/probe_temperature"][-1, 0] - 300.0 == pytest.approx(rise, rel=5e-3)
