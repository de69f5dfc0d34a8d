"""Pins between two dies: closed forms of isothermal and of fin-like pins, balance, symmetry, more flow, both directions, time."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import make_backend
from stack3d.progress import Silent
from stack3d.thermal.backend import ThermalSolution

DIAMETER, PITCH, HEIGHT, FILM = 50e-6, 100e-6, 100e-6, 3e4
SHARE = math.pi * DIAMETER**2 / 4 / PITCH**2
SIDES = math.pi * DIAMETER / PITCH**2
"""Surface of the pins per volume. [1/m]"""
FLOW = 10e-6 / 60
RATE = FLOW * 4.17e6
"""Capacity rate of the water. [W/K]"""
CAVITY = "geometry.layers.cavity.pins"


def scenario(conductivity: str = "130 W/m/K", direction: str = "y", **more: Any) -> dict[str, Any]:
    """A cavity 2 mm wide and 10 mm long between two dies, 8 W in a spot of the upper one."""
    material = {"conductivity": conductivity, "heat_capacity": "1.6e6 J/m^3/K"}
    pins = {
        "arrangement": "in_line", "direction": direction, "diameter": "50 um", "pitch": "100 um", "coolant": "water",
        "flow_rate": "10 ml/min", "inlet_temperature": "300 K", "film_coefficient": "3e4 W/m^2/K",
    }  # fmt: skip
    sides, hot = ["2 mm", "10 mm"], {"x": ["0.2 mm", "1 mm"], "y": ["6 mm", "8 mm"]}
    if direction == "x":
        sides, hot = sides[::-1], {"y": hot["x"], "x": hot["y"]}
    return {
        "scenario": "pins",
        "geometry": {
            "footprint": sides,
            "layers": [
                {"name": "lower", "thickness": "100 um", "material": material},
                {"name": "cavity", "thickness": "100 um", "material": material, "pins": pins},
                {"name": "upper", "thickness": "100 um", "material": material},
            ],
        },
        "cooling": {"ambient": "300 K"},
        "power": {"sources": [{"name": "hot", "layer": "upper", "power": "8 W", **hot}]},
        "solver": {"backend": "tensor", "mesh": {"lateral": 16}, "error_promise": 0.01},
        **more,
    }


def case(tree: dict[str, Any], *overrides: tuple[str, Any]) -> decks.Case:
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "pins.yaml"), None, overrides)


def solve(tree: dict[str, Any], *overrides: tuple[str, Any]) -> ThermalSolution:
    chip = check(case(tree, *overrides).scenario)
    return make_backend(chip.scenario, chip.stack, Bricks.of(chip)).solve(chip.sources)


EVEN = ("power.sources", [{"name": "even", "layer": "lower", "power": "8 W"}])


def test_isothermal_walls() -> None:
    """Pins and dies that conduct perfectly: the water closes in on them exponentially, over floor, ceiling and pins."""
    units = FILM * (2 * (1 - SHARE) + SIDES * HEIGHT) * 2e-3 * 10e-3 / RATE
    exact = 8.0 / RATE / (1 - math.exp(-units))
    errors = []
    for lateral in (40, 80):
        solution = solve(scenario("1e9 W/m/K"), EVEN, ("solver.mesh.lateral", lateral))
        np.testing.assert_allclose(solution.outlets["cavity_coolant"] - 300.0, 8.0 / RATE, rtol=1e-6)
        errors.append(abs(solution.field.values[0].mean() - 300.0 - exact))
    assert errors[0] < 1e-2 * exact
    assert errors[0] / errors[1] == pytest.approx(4.0, abs=0.4)  # second order along the flow


def test_pins_are_fins() -> None:
    """Water that stays cool: a fin with a film on its base and its tip, solved by hand, beneath a die without heat."""
    k, m = 130.0, math.sqrt(FILM * SIDES / (SHARE * 130.0))
    bare, root = FILM * (1 - SHARE), SHARE * k * m
    tip = root * (math.sinh(m * HEIGHT) + bare / root * math.cosh(m * HEIGHT)) / (
        math.cosh(m * HEIGHT) + bare / root * math.sinh(m * HEIGHT)
    )  # fmt: skip
    flux = 8.0 / (2e-3 * 10e-3)
    exact = flux / (bare + tip) + flux * 100e-6 / 2 / k  # at the bottom of the heated die, half its own drop above the floor
    errors = []
    for count in (1, 2, 4):
        fast = (f"{CAVITY}.flow_rate", "1e6 ml/min"), ("solver.mesh.per_layer", count)
        values = solve(scenario(), EVEN, *fast).field.values
        errors.append(abs(values[0].mean() - 300.0 - exact))
    assert errors[0] < 0.03 * exact and errors[2] < 2e-3 * exact
    assert errors[1] / errors[2] == pytest.approx(4.0, abs=0.6)  # second order over the height


def test_balance_and_outlet() -> None:
    """All heat leaves with the water; water past the hot spot is the warm one."""
    solution = solve(scenario())
    outlets = solution.outlets["cavity_coolant"] - 300.0
    assert solution.balance < 1e-8
    assert outlets.mean() == pytest.approx(8.0 / RATE, rel=1e-9)
    assert outlets[2] > outlets[-1] + 1.0
    assert sum(solution.face_heat.values()) == pytest.approx(8.0, rel=1e-9)


def test_both_directions_and_mirrors_agree() -> None:
    values = solve(scenario()).field.values
    np.testing.assert_allclose(solve(scenario(direction="x")).field.values, values.swapaxes(1, 2), atol=1e-7)
    moved = ("power.sources.hot.x", ["1 mm", "1.8 mm"])
    np.testing.assert_allclose(solve(scenario(), moved).field.values, values[:, :, ::-1], atol=1e-7)


@pytest.mark.parametrize("arrangement", ["in_line", "staggered"])
def test_more_flow_is_never_hotter(arrangement: str) -> None:
    """Across the Reynolds numbers at which the correlation changes its ranges."""
    flows = (1, 9, 10, 11, 50, 96, 97, 98, 200)
    change = (f"{CAVITY}.arrangement", arrangement), (f"{CAVITY}.film_coefficient", None)
    found = [solve(scenario(), *change, (f"{CAVITY}.flow_rate", f"{f} ml/min")).field.layer_peak("upper")[0] for f in flows]
    assert all(a > b for a, b in zip(found, found[1:]))


@pytest.mark.slow
def test_a_march_ends_where_the_steady_solve_does() -> None:
    """On the same lines: a probe at a height of its own has one in the steady case too."""
    upper = check(case(scenario()).scenario).stack.layer("upper")
    middle = f"{5e5 * (upper.z0 + upper.z1)} um"
    more: dict[str, Any] = {"probes": [{"name": "spot", "layer": "upper", "x": "0.6 mm", "y": "7 mm", "z": middle}]}
    transient = {"until": "200 ms", "outputs": ["100 ms", "200 ms"]}
    steady, values = (
        run_case(case(scenario(**more, **over)).scenario, Silent(), until="thermal").values
        for over in ({}, {"transient": transient})
    )
    assert values["thermal/coolant_outlet_temperature"][-1, 0] - 300.0 == pytest.approx(8.0 / RATE, rel=2e-3)
    now, then = values["thermal/probe_temperature"][-1, 0], steady["thermal/probe_temperature"][0]
    assert now - 300.0 == pytest.approx(then - 300.0, rel=1e-5)


def test_floor_and_ceiling_have_films_of_their_own() -> None:
    """With next to no film on the ceiling more heat leaves through the floor, and the stack is hotter."""
    less = (f"{CAVITY}.ceiling_film_coefficient", "1 W/m^2/K")
    before, after = solve(scenario(), EVEN), solve(scenario(), EVEN, less)
    assert after.face_heat["cavity_coolant_ceiling"] < 1e-3 * before.face_heat["cavity_coolant_ceiling"]
    assert after.face_heat["cavity_coolant_floor"] > before.face_heat["cavity_coolant_floor"]
    assert after.field.layer_peak("lower")[0] > before.field.layer_peak("lower")[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"diameter": "100 um"}, "pitch across the flow larger than the diameter"),
        ({"pitch": ["100 um", "40 um"]}, "rows further apart"),
        ({"pitch": "3 mm"}, "do not fit into 2 mm across the flow and 10 mm along"),
        ({"arrangement": "inline"}, "in_line"),
        ({"law": "pins_inline"}, "no flow law 'pins_inline' .did you mean 'pins_in_line'"),
        ({"law": "straight"}, "the flow law 'straight' is none of pins; those are measured_in_line"),
        ({"film_coefficient": None, "coolant": {"heat_capacity": "4e6 J/m^3/K"}}, "conductivity, viscosity and density"),
        ({"film_coefficient": None, "flow_rate": "5000 ml/min"}, "Reynolds number .*measured from 1 to 20000"),
        ({"film_coefficient": None, "floor_film_coefficient": "1e4 W/m^2/K"}, "want film_coefficient beside them"),
        ({"flow_rate": "-1 ml/min"}, "flow_rate"),
    ],
)
def test_mistakes(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DeckError, match=words) as error:
        check(case(scenario(), *((f"{CAVITY}.{key}", value) for key, value in change.items())).scenario)
    assert str(error.value).count("\n") == 0


def test_what_does_not_go_with_pins() -> None:
    for change, words in (
        (("solver.backend", "fem"), "fem has no pins"),
        (("geometry.layers.upper.contact_resistance", "1 mm^2*K/W"), "lies on pins"),
        (("geometry.layers.cavity.contact_resistance", "1 mm^2*K/W"), "has pins, so it can have neither"),
    ):
        with pytest.raises(DeckError, match=words):
            check(case(scenario(), change).scenario)


def test_slow_flow_around_short_pins_is_warned_of() -> None:
    """Re by hand: 10 ml/min over 2 mm x 100 um is 0.83 m/s, twice that between pins; 997 * 1.67 * 50e-6 / 8.9e-4 = 93."""
    slow = (f"{CAVITY}.film_coefficient", None), (f"{CAVITY}.flow_rate", "5 ml/min")
    outcome = run_case(case(scenario(), *slow).scenario, Silent())
    assert outcome.values["thermal/reynolds_number"][0] == pytest.approx(46.7, rel=1e-2)
    assert any("short pins take less below 50" in text for text in outcome.warnings)
    quick = run_case(case(scenario(), slow[0]).scenario, Silent())
    assert quick.warnings == () and quick.values["thermal/reynolds_number"][0] == pytest.approx(93.4, rel=1e-2)
