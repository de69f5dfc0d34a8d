"""Thermal impedance: closed forms and series from a microsecond on, reciprocity, networks, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.progress import Silent
from stack3d.thermal.analytic.series import CosineSeries
from stack3d.thermal.places import Box, Probe
from stack3d.thermal.problem import Face

SILICON = {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}
GREASE = {"conductivity": "3 W/m/K", "heat_capacity": "2.2e6 J/m^3/K"}
COPPER = {"conductivity": "398 W/m/K", "heat_capacity": "3.45e6 J/m^3/K"}


def tree(layers: list[dict[str, Any]], side: str, sources: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "scenario": "impedance",
        "geometry": {"footprint": [side, side], "layers": layers},
        "cooling": {"top": {"film_coefficient": "5000 W/m^2/K"}, "ambient": "300 K"},
        "power": {"sources": sources},
        "impedance": {"from": "1 us"},
        "solver": {"backend": "tensor", "mesh": {"lateral": 4, "per_layer": 12, "aspect": 1}, "error_promise": 0.01},
        **more,
    }


def run(given: dict[str, Any]) -> Any:
    return run_case(decks.resolve(yamlfile.parse_text(json.dumps(given), "impedance.yaml")).scenario, Silent())


ROD = [
    {"name": "base", "thickness": "0.3 mm", "material": SILICON},
    {"name": "die", "thickness": "1 um", "material": SILICON},
    {"name": "grease", "thickness": "50 um", "material": GREASE},
    {"name": "lid", "thickness": "2 mm", "material": COPPER},
]
WHOLE = [{"name": "die", "layer": "die", "power": "10 W"}]


def test_a_rod_follows_its_series() -> None:
    """Die, grease and lid under a film, heat in a thin layer: within 1 % at ten times of each decade from 1 us on."""
    given = tree(ROD, "1 mm", WHOLE)
    outcome = run(given)
    chip = check(decks.resolve(yamlfile.parse_text(json.dumps(given), "x")).scenario)
    times = outcome.coordinates["heating_time"]
    series = CosineSeries(chip.stack, chip.sources, Face(5000.0, 300.0), modes=1)
    exact = series.step([Box("die", chip.sources[0].extent)], list(times), 300.0).temperature[:, 0] - 300.0
    found = outcome.values["impedance/impedance"][0, 0]
    np.testing.assert_allclose(found, exact / 10.0, rtol=0.01)
    error = outcome.values["impedance/impedance_error"][0, 0]
    assert np.all(np.abs(found - exact / 10.0) <= error + 1e-5 * found[-1])
    assert times[0] == pytest.approx(1e-6) and len(times) > 60


def test_a_square_on_a_half_space_follows_its_integral() -> None:
    """Mean of a square of 0.2 mm on silicon while the block of 4 mm is as good as without end, within 1 %.

    From the point source (Carslaw and Jaeger 1959, 10.4) integrated over the square and time, with an image at the surface.
    """
    side, diffusivity, capacity = 0.2e-3, 148 / 1.66e6, 1.66e6
    layers = [
        {"name": "block", "thickness": "2 mm", "material": SILICON},
        {"name": "skin", "thickness": "0.05 um", "material": SILICON},
    ]
    box = {"x": ["1.9 mm", "2.1 mm"], "y": ["1.9 mm", "2.1 mm"]}
    mesh = {"lateral": 16, "per_layer": 2, "per_source": 24, "growth": 0.15, "refinement": 64, "aspect": 1}
    given = tree(layers, "4 mm", [{"name": "square", "layer": "skin", "power": "1 W", **box}])
    given["cooling"] = {"bottom": {"film_coefficient": "1e6 W/m^2/K"}, "ambient": "300 K"}
    given["solver"]["mesh"] = mesh
    outcome = run(given)
    times = outcome.coordinates["heating_time"]
    kept = times < 2e-3  # by then heat has come 0.4 mm

    def mean(root: float) -> float:
        """Integrand over the square root of time."""
        if root == 0.0:
            return 2.0 / np.sqrt(np.pi * diffusivity)
        length = 2 * np.sqrt(diffusivity) * root
        share = erf(side / length) - length / (side * np.sqrt(np.pi)) * -np.expm1(-((side / length) ** 2))
        return float(2.0 * share**2 / np.sqrt(np.pi * diffusivity))

    exact = [quad(mean, 0.0, np.sqrt(t), epsrel=1e-10)[0] / (capacity * side**2) for t in times[kept]]
    np.testing.assert_allclose(outcome.values["impedance/impedance"][0, 0][kept], exact, rtol=0.01)


THREE = [
    {"name": "left", "layer": "die", "power": "3 W", "x": ["0 mm", "0.4 mm"], "y": ["0 mm", "0.5 mm"]},
    {"name": "right", "layer": "die", "power": "1 W", "x": ["0.6 mm", "1 mm"], "y": ["0.2 mm", "1 mm"]},
    {"name": "lid", "layer": "lid", "power": "2 W", "x": ["0.2 mm", "0.7 mm"], "y": ["0.1 mm", "0.3 mm"]},
]


@pytest.fixture(scope="module")
def three() -> Any:
    given = tree(ROD, "1 mm", THREE, probes=[{"name": "top", "layer": "lid", "x": "0.5 mm", "y": "0.5 mm"}])
    given["impedance"] = {"from": "10 us", "groups": {"dies": ["left", "right"]}}
    given["solver"]["mesh"] = {"lateral": 8, "per_layer": 2, "aspect": 4}
    return run(given)


def test_resistances_are_reciprocal_and_those_of_the_steady_state(three: Any) -> None:
    resistance = three.values["impedance/resistance"]
    assert resistance.shape == (4, 5)
    np.testing.assert_allclose(resistance[:, :4], resistance[:, :4].T, rtol=1e-9)
    rise = np.array([3.0, 1.0, 2.0]) @ resistance[:3, 4]  # of the probe, with all sources on
    probe = three.values["thermal/probe_temperature"][0] - 300.0
    assert rise == pytest.approx(probe, rel=1e-5)


def test_a_group_is_the_sum_of_its_sources(three: Any) -> None:
    step = three.values["impedance/impedance"]
    share = np.array([0.75, 0.25])
    np.testing.assert_allclose(step[3], np.tensordot(share, step[:2], 1), rtol=1e-9)
    np.testing.assert_allclose(step[3, 3], share @ step[:2, :2].transpose(2, 0, 1) @ share, rtol=1e-9)
    assert list(three.coordinates["source"]) == ["left", "right", "lid", "dies"]
    assert list(three.coordinates["place"]) == ["left", "right", "lid", "dies", "top"]


def test_responses_grow_and_networks_follow_them(three: Any) -> None:
    step, times = three.values["impedance/impedance"], three.coordinates["heating_time"]
    for i in range(4):
        own = step[i, i]
        assert own[0] > 0 and np.all(np.diff(own) > 0)
        parts = [three.values[f"impedance/foster_{name}"][i] for name in ("resistance", "time_constant")]
        r, tau = (part[np.isfinite(part)] for part in parts)
        assert r.min() > 0 and r.sum() == pytest.approx(three.values["impedance/resistance"][i, i], rel=1e-9)
        np.testing.assert_allclose(-np.expm1(-np.divide.outer(times, tau)) @ r, own, rtol=0.01)
        ladder = three.values["impedance/cauer_resistance"][i]
        assert np.nansum(ladder) == pytest.approx(r.sum(), rel=1e-9) and np.nanmin(ladder) > 0
        assert three.values["impedance/network_error"][i] <= 0.01
    assert any("impedance          left" in line for line in three.summary)


def random_rod(seed: int) -> dict[str, Any]:
    """Two to five layers of 3 um to 1.6 mm, one or two of them heated, and a probe anywhere in the lowest, on a mesh of any kind."""
    r = np.random.default_rng(seed)
    materials = [SILICON, GREASE, COPPER, {"conductivity": "0.4 W/m/K", "heat_capacity": "2e6 J/m^3/K"}]
    heights = 10 ** r.uniform(-5.5, -2.8, int(r.integers(2, 6)))
    layers = [
        {"name": f"l{i}", "thickness": f"{height} m", "material": materials[int(r.integers(4))]}
        for i, height in enumerate(heights)
    ]
    heated = sorted({int(n) for n in r.integers(0, heights.size, 2)})
    mesh = {
        "lateral": 2,
        "per_layer": int(r.choice([1, 2, 4, 8])),
        "growth": float(r.choice([0.1, 0.3])),
        "aspect": float(r.choice([1, 4])),
    }
    return tree(
        layers,
        "2 mm",
        [{"name": f"s{i}", "layer": f"l{i}", "power": "1 W"} for i in heated],
        cooling={"top": {"film_coefficient": f"{10 ** r.uniform(2.5, 5)} W/m^2/K"}, "ambient": "300 K"},
        probes=[{"name": "spot", "layer": "l0", "x": "1 mm", "y": "1 mm", "z": f"{heights[0] * r.uniform(0, 1)} m"}],
        impedance={"from": f"{10 ** r.uniform(-7, -4)} s", "per_decade": 3},
        solver={"backend": "tensor", "mesh": mesh, "error_promise": 0.5},
    )


def assert_rod_states_its_error(seed: int) -> None:
    """No response is farther from the exact one than its error says, at any time; errors that count are above rounding."""
    given = random_rod(seed)
    outcome, chip = run(given), check(decks.resolve(yamlfile.parse_text(json.dumps(given), "x")).scenario)
    step, error = (outcome.values[f"impedance/{name}"] for name in ("impedance", "impedance_error"))
    [probe], times = chip.scenario.probes, outcome.coordinates["heating_time"]
    places = [*(Box(source.layer, source.extent) for source in chip.sources), Probe(probe.layer, probe.x, probe.y, probe.z)]
    film = chip.scenario.cooling.top.film_coefficient
    for i, source in enumerate(chip.sources):
        series = CosineSeries(chip.stack, [source], Face(film, 300.0), modes=1)
        exact = series.step(places, list(times), 300.0).temperature.T - 300.0
        true = np.abs(step[i] - exact)
        assert np.all((true <= error[i]) | (true < 2e-8 * exact.max())), (seed, i)


@pytest.mark.parametrize("seed", [10, 20])
def test_errors_of_rods_are_stated(seed: int) -> None:
    assert_rod_states_its_error(seed)


@pytest.mark.slow
def test_errors_of_many_rods_are_stated() -> None:
    for seed in range(21, 61):
        assert_rod_states_its_error(seed)


def test_a_structure_function_is_what_the_heat_meets() -> None:
    """Heated at its end, a rod has its own capacity over its own resistance, to 10 % of either; at ambient all of both."""
    layers = [ROD[1], ROD[0], *ROD[2:]]
    found = run(tree(layers, "1 mm", WHOLE)).values
    resistance, capacitance = (found[f"impedance/structure_{name}"][0] for name in ("resistance", "capacitance"))
    heights, area = np.array([1e-6, 0.3e-3, 50e-6, 2e-3]), 1e-6
    along = np.append(0.0, np.cumsum(heights / np.array([148.0, 148.0, 3.0, 398.0]) / area))
    met = np.append(0.0, np.cumsum(heights * np.array([1.66e6, 1.66e6, 2.2e6, 3.45e6]) * area))
    inside = (resistance > 0.1) & (resistance < along[-1])
    low, high = (np.interp(share * resistance[inside], along, met) for share in (0.9, 1.1))
    assert inside.sum() > 8 and np.all(capacitance[inside] > 0.9 * low) and np.all(capacitance[inside] < 1.1 * high)
    assert resistance[-1] == pytest.approx(found["impedance/resistance"][0, 0], rel=1e-6)
    assert capacitance[-1] == pytest.approx(met[-1], rel=0.05)


def with_channels(given: dict[str, Any]) -> None:
    given["geometry"] = "bulk_rram_channels"
    given["power"] = {"sources": [{"name": "host", "layer": "logic", "power": "1 W"}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["impedance"].update(groups={"all": ["lft"]}), r"no source 'lft' \(did you mean 'left'\?\)"),
        (lambda t: t["impedance"].update(groups={"left": ["right"]}), "is a source or probe already"),
        (lambda t: t["impedance"].update({"from": "1 year"}), "after the last response is over"),
        (lambda t: t.update(probes=[{"name": "left", "layer": "lid", "x": "0.5 mm", "y": "0.5 mm"}]), "names two of"),
        (lambda t: t["impedance"].update(per_decade=0), "impedance.per_decade"),
        (lambda t: t["impedance"].update({"from": "1 K"}), "impedance.from"),
        (with_channels, "does not go with channels"),
    ],
)
def test_what_cannot_be_asked(change: Any, message: str) -> None:
    given = tree(ROD, "1 mm", THREE)
    given["solver"]["mesh"] = {"lateral": 4, "per_layer": 1}
    change(given)
    with pytest.raises(DeckError, match=message):
        run(given)
