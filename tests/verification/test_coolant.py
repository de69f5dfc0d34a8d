"""Channels between tiers: closed forms of isothermal and of uniformly heated walls, balance, direction, both solvers."""

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check
from stack3d.errors import DeckError
from stack3d.heat.loads import boundaries
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import make_backend
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.cooling import ducts

FLOW = 42e-6 / 60
CAPACITY_RATE = FLOW * 4.17e6


def scenario(
    conductivity: str = "130 W/m/K", count: int = 10, direction: str = "y", power: float = 8.0, **more: object
) -> dict:
    material = {"conductivity": conductivity, "heat_capacity": "1.6e6 J/m^3/K"}
    channels = {
        "direction": direction, "count": count, "width": "100 um", "wall_width": "100 um", "edge_wall_width": "50 um",
        "coolant": "water", "flow_rate": "42 ml/min", "inlet_temperature": "300 K", "wall_film_coefficient": "3e4 W/m^2/K",
    }  # fmt: skip
    across, along = f"{0.2 * count} mm", "10 mm"
    hot = (
        {"x": ["0.2 mm", "1 mm"], "y": ["6 mm", "8 mm"]}
        if direction == "y"
        else {"y": ["0.2 mm", "1 mm"], "x": ["6 mm", "8 mm"]}
    )
    return {
        "scenario": "channels",
        "geometry": {
            "footprint": [across, along] if direction == "y" else [along, across],
            "layers": [
                {"name": "lower", "thickness": "100 um", "material": material},
                {"name": "cavity", "thickness": "100 um", "material": material, "channels": channels},
                {"name": "upper", "thickness": "100 um", "material": material},
            ],
        },
        "cooling": {"ambient": "300 K"},
        "power": {"sources": [{"name": "hot", "layer": "upper", "power": f"{power} W", **hot}]},
        "solver": {"backend": "tensor", "mesh": {"lateral": 16}, "error_promise": 0.01},
        **more,
    }  # fmt: skip


def case(tree: dict, *overrides: tuple[str, object]) -> decks.Case:
    import json

    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "channels.yaml"), None, overrides)


def solve(tree: dict, *overrides: tuple[str, object]) -> ThermalSolution:
    chip = check(case(tree, *overrides).scenario)
    return make_backend(chip.scenario, chip.stack, Bricks.of(chip)).solve(chip.sources)


def test_isothermal_walls() -> None:
    """Walls that conduct perfectly: the coolant closes in on them exponentially, T_w - T_in = Q / C (1 - exp(-NTU))."""
    wall = []
    for lateral in (5, 10):
        even = ("power.sources", [{"name": "even", "layer": "lower", "power": "8 W"}])
        solution = solve(scenario("1e8 W/m/K"), even, ("solver.mesh.lateral", lateral))
        assert np.ptp(solution.field.values[0]) < 1e-3
        np.testing.assert_allclose(
            solution.outlets["cavity_coolant"] - 300.0, 8.0 / CAPACITY_RATE, rtol=3e-6
        )  # settled to 1e-6 K
        wall.append(solution.field.values[0].mean() - 300.0)
    transfer_units = 3e4 * 400e-6 * 10e-3 * 10 / CAPACITY_RATE
    exact = 8.0 / CAPACITY_RATE / (1 - np.exp(-transfer_units))
    errors = np.abs(np.array(wall) - exact)
    assert errors[0] < 1e-3 * exact and errors[0] / errors[1] == pytest.approx(4.0, abs=0.4)  # second order along the flow


def test_heat_balance_and_outlet() -> None:
    """All heat leaves with the coolant: mean outlet rise = Q / C; channels past the hot spot are the warm ones."""
    solution = solve(scenario())
    outlets = solution.outlets["cavity_coolant"] - 300.0
    assert solution.balance < 1.1e-9  # an even rise lets out more
    assert outlets.mean() == pytest.approx(8.0 / CAPACITY_RATE, abs=2e-6)
    assert outlets[2] > outlets[9]
    assert solution.face_heat["cavity_coolant"] == pytest.approx(8.0, rel=1e-9)


def test_both_solvers_and_both_directions() -> None:
    tensor = solve(scenario())
    fem = solve(scenario(), ("solver.backend", "fem"))
    in_turn = solve(scenario(), ("solver.backend", "fem"), ("solver.linear.preconditioner", "gamg"))
    for other in (fem, in_turn):
        np.testing.assert_allclose(other.field.values, tensor.field.values, rtol=0, atol=5e-6)  # settled to 1e-6 K
    assert (
        tensor.statistics["coolant_passes"] == fem.statistics["coolant_passes"] == 1
    )  # of its solution on lines, seen to hold
    assert in_turn.statistics["coolant_passes"] > 3
    turned = solve(scenario(direction="x"))
    np.testing.assert_allclose(turned.field.values, tensor.field.values.swapaxes(1, 2), rtol=0, atol=5e-6)


@pytest.mark.parametrize("backend", ["tensor", "fem"])
@pytest.mark.parametrize("box", [{}, {"x": ["0.3 mm", "1.7 mm"], "y": ["1 mm", "4 mm"]}])
def test_heat_of_the_layer_with_channels_goes_into_its_walls(backend: str, box: dict) -> None:
    """All of it leaves with the coolant; what lay in the channels was lost, 14 to 40 % with the mesh."""
    tree = scenario(power=8.0)
    tree["power"]["sources"] = [{"name": "hot", "layer": "cavity", "power": "8 W", **box}]
    for lateral in (8, 32):
        solution = solve(tree, ("solver.backend", backend), ("solver.mesh.lateral", lateral))
        assert solution.balance < 1e-8 and solution.face_heat["cavity_coolant"] == pytest.approx(8.0, rel=1e-7)


def test_more_flow_is_never_hotter() -> None:
    peaks = [
        solve(scenario(), ("geometry.layers.cavity.channels.flow_rate", f"{f} ml/min")).field.layer_peak("upper")[0]
        for f in (20, 42, 100)
    ]
    assert peaks[0] > peaks[1] > peaks[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"geometry.layers.cavity.channels.count": 11}, "11 channels of 100 um .* take 2.2 mm; the layer is 2 mm wide"),
        ({"geometry.layers.upper.contact_resistance": "1 mm^2*K/W"}, "cannot have a contact_resistance"),
        ({"power.sources.hot.layer": "cavity", "power.sources.hot.x": ["0.06 mm", "0.14 mm"]}, "'hot' lies in a channel of layer 'cavity': x 0.06 to 0.14 mm"),
        ({"geometry.layers.cavity.channels.coolant": "watter"}, "did you mean 'water'"),
        ({"geometry.layers.cavity.channels.coolant": {"heat_capacity": "4e6 J/m^3/K"}, "geometry.layers.cavity.channels.wall_film_coefficient": None}, "wants wall_film_coefficient, or a coolant with conductivity"),
    ],
)  # fmt: skip
def test_mistakes(change: dict, words: str) -> None:
    with pytest.raises(DeckError, match=words):
        check(case(scenario(), *change.items()).scenario)


def test_duct_correlations_have_their_tabulated_values() -> None:
    """Shah and London 1978, table 42: Nu (H1) and f Re of rectangular ducts; the last is the parallel-plate limit."""
    for ratio, nusselt, friction in ((1.0, 3.608, 14.227), (0.5, 4.123, 15.548), (0.25, 5.331, 18.233), (1e-9, 8.235, 24.0)):
        assert ducts.nusselt_number(1.0, ratio) == pytest.approx(nusselt, rel=1e-3)
        assert ducts.friction_product(ratio, 1.0) == pytest.approx(friction, rel=1e-3)


def test_pressure_drop_between_wide_plates() -> None:
    """12 mu V L / H² for a slot, the closed form of plane Poiseuille flow."""
    assert ducts.pressure_drop(0.5, 1.0, 1e-5, 0.01, viscosity=1e-3) == pytest.approx(12 * 1e-3 * 0.5 * 0.01 / 1e-10, rel=1e-4)


def test_the_correlation_stands_in_and_the_dataset_reports_the_coolant(tmp_path) -> None:
    from stack3d.case import run_case
    from stack3d.progress import Silent
    from stack3d.results import to_tree

    one = case(scenario(), ("geometry.layers.cavity.channels.wall_film_coefficient", None))
    [run] = boundaries.channel_runs(check(one.scenario).stack)
    assert run.films["walls"] == pytest.approx(3.608 * 0.607 / 100e-6, rel=1e-3)
    thermal = to_tree(one, run_case(one.scenario, Silent()))["thermal"]
    assert float(thermal["coolant_outlet_temperature"].sel(cavity="cavity")) == pytest.approx(
        300 + 8.0 / CAPACITY_RATE, abs=1e-5
    )
    assert float(thermal["pumping_power"][0]) == pytest.approx(float(thermal["pressure_drop"][0]) * FLOW)


@pytest.mark.parametrize(
    ("power", "flow", "film", "words"),
    [
        (8.0, "42 ml/min", None, "the thermal entrance takes 24 of 10 mm; temperatures are upper bounds"),
        (8.0, "420 ml/min", None, "Reynolds number 7842; film and pressure drop are of laminar flow, up to 2300"),
        (8.0, "420 ml/min", "3e4 W/m^2/K", "Reynolds number 7842; the pressure drop is of laminar flow"),
        (100.0, "42 ml/min", "3e4 W/m^2/K", "the coolant boils at 100 degC; the film is that of liquid"),
        (300.0, "42 ml/min", "3e4 W/m^2/K", "the coolant leaves at .* degC .* it boils at 100 degC"),
    ],
)
def test_limits_of_channels_are_warned_of(power: float, flow: str, film: str | None, words: str) -> None:
    """By hand: 7 m/s in a duct of 100 um; Re = 997 * 7 * 1e-4 / 8.9e-4, entrance 0.05 * 7 * 1e-8 * 4.17e6 / 0.607."""
    import re

    from stack3d.case import run_case
    from stack3d.progress import Silent

    channel = "geometry.layers.cavity.channels"
    one = case(scenario(power=power), (f"{channel}.flow_rate", flow), (f"{channel}.wall_film_coefficient", film))
    outcome = run_case(one.scenario, Silent())
    assert any(re.search(words, text) for text in outcome.warnings), outcome.warnings
    quiet = run_case(case(scenario(), ("solver.mesh.lateral", 8)).scenario, Silent())
    assert quiet.warnings == ()
    assert quiet.values["thermal/reynolds_number"][0] == pytest.approx(784.2, rel=1e-3)
    assert quiet.values["thermal/entrance_length"][0] == pytest.approx(24.04e-3, rel=1e-3)
