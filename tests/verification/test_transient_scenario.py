"""Transients through a scenario: exact series, fixed against controlled steps, energy, duty, steady limit."""

import json
from typing import Any

import neutral
import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.progress import Silent
from stack3d.thermal.analytic.series import CosineSeries
from stack3d.thermal.places import Probe
from stack3d.thermal.problem import Face

SOURCES = [{"name": "hot", "layer": "die", "x": ["1 mm", "2 mm"], "y": ["1 mm", "2 mm"], "power": "2 W"}]


def tree(**more: Any) -> dict[str, Any]:
    return {
        "scenario": "steps",
        "geometry": {
            "footprint": ["4 mm", "4 mm"],
            "layers": [
                {"name": "die", "thickness": "0.3 mm", "material": {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}},
                {"name": "lid", "thickness": "0.5 mm", "material": {"conductivity": "398 W/m/K", "heat_capacity": "3.45e6 J/m^3/K"}},
            ],
        },
        "cooling": {"top": {"film_coefficient": "5000 W/m^2/K"}, "ambient": "300 K"},
        "power": {"sources": SOURCES},
        "probes": [{"name": "p", "layer": "die", "x": "1.5 mm", "y": "1.5 mm"}],
        "maps": {"layers": ["lid"], "grid": [2, 2]},
        "solver": {"backend": "tensor", "mesh": {"lateral": 32, "per_layer": 3, "aspect": 1}, "error_promise": 0.01},
        **more,
    }  # fmt: skip


def case(given: dict[str, Any]) -> decks.Case:
    return decks.resolve(yamlfile.parse_text(json.dumps(given), "steps.yaml"))


def values(given: dict[str, Any]) -> dict[str, Any]:
    return dict(run_case(case(given).scenario, Silent()).values)


TIMES = ["1 ms", "10 ms", "0.1 s"]


def test_neutral_case_follows_the_exact_series(reference) -> None:
    """Probes of the four-tier case after a step of power, within 0.5 % of the rise at each time."""
    given = json.loads(neutral.scenario_text(reference / "thermal", "case4_four_tiers", "draft"))
    given["transient"] = {"until": "0.1 s", "outputs": ["1 ms", "10 ms", "0.1 s"], "initial": "300 K"}
    one = case(given)
    outcome = run_case(one.scenario, Silent())
    chip = check(one.scenario)
    top = Face(one.scenario.cooling.top.film_coefficient, 300.0)
    places = [Probe(p.layer, p.x, p.y) for p in one.scenario.probes]
    exact = CosineSeries(chip.stack, chip.sources, top, modes=96).step(places, [1e-3, 1e-2, 0.1], 300.0).temperature
    found = outcome.values["thermal/probe_temperature"]
    assert found.shape == exact.shape
    assert np.all(np.abs(found - exact) < 0.005 * (exact - 300).max(axis=1, keepdims=True))


def test_controlled_and_fixed_steps_agree_and_end_in_the_steady_state() -> None:
    """Time constant C / h A = 0.44 s: at 6 s nothing moves any more; fixed steps of 1 ms err by less than 1 % of the rise."""
    marched = values(tree(transient={"until": "6 s", "outputs": [*TIMES, "6 s"]}))
    steady = values(tree())
    name = "thermal/probe_temperature"
    np.testing.assert_allclose(marched[name][-1], steady[name], rtol=0, atol=0.05)
    np.testing.assert_allclose(marched["thermal/map_temperature"][-1], steady["thermal/map_temperature"], rtol=0, atol=0.05)
    assert np.all(np.diff(marched[name][:, 0]) > 0)
    fixed = values(tree(transient={"until": "0.1 s", "outputs": TIMES, "step": "1 ms"}))
    np.testing.assert_allclose(fixed[name], marched[name][:3], rtol=0, atol=0.01 * (steady[name][0] - 300))
    assert marched["thermal/heat_out"][-1] == pytest.approx(2.0, rel=1e-3) and marched["thermal/heat_out"][0] < 1.0


def test_laterally_varying_stacks_march_too() -> None:
    """A block of the layer's own material changes nothing but the way of solving."""
    given = {"transient": {"until": "10 ms", "outputs": ["1 ms", "10 ms"]}}
    given["solver"] = {"backend": "tensor", "mesh": {"lateral": 12, "per_layer": 2, "aspect": 2}, "error_promise": 0.01}
    plain, varied = tree(**given), tree(**given)
    lid = varied["geometry"]["layers"][1]
    lid["size"] = ["4 mm", "4 mm"]
    lid["blocks"] = [{"name": "b", "x": ["1 mm", "2 mm"], "y": ["1 mm", "2 mm"], "material": lid["material"]}]
    name = "thermal/probe_temperature"
    np.testing.assert_allclose(values(varied)[name], values(plain)[name], rtol=0, atol=0.05)  # error control of 0.01 K a step


@pytest.mark.slow
def test_periodic_steady_state_is_what_many_periods_lead_to() -> None:
    """After 60 periods of 20 ms (27 time constants) the march repeats what the exact periodic solution says at once."""
    duty = {"period": "20 ms", "on": "5 ms"}
    strong = {"top": {"film_coefficient": "5e4 W/m^2/K"}, "ambient": "300 K"}
    exact = values(
        tree(cooling=strong, transient={"until": "20 ms", "outputs": ["5 ms", "20 ms"], "duty": duty, "periodic": True})
    )
    late = {"until": "1.2 s", "outputs": ["1.185 s", "1.2 s"], "duty": duty, "tolerance": "2 mK"}
    marched = values(tree(cooling=strong, transient=late))
    name = "thermal/probe_temperature"
    swing = exact[name][0, 0] - exact[name][1, 0]
    assert swing > 2.0
    np.testing.assert_allclose(marched[name], exact[name], rtol=0, atol=0.01 * swing)


@pytest.mark.parametrize(
    ("transient", "words"),
    [
        ({"until": "1 s", "outputs": ["2 s"]}, "none may come after until"),
        ({"until": "1 s", "outputs": ["0.2 s", "0.1 s"]}, "have to ascend"),
        ({"until": "1 s", "periodic": True, "step": "1 ms"}, "takes no step"),
        ({"until": "1 s", "duty": {"period": "1 ms", "on": "2 ms"}}, "shorter than period"),
    ],
)
def test_mistakes(transient: dict[str, Any], words: str) -> None:
    with pytest.raises(DeckError, match=words):
        case(tree(transient=transient))


@pytest.mark.parametrize(
    ("steps", "per_layer", "most"),
    [({"tolerance": "0.2 K"}, 2, 3.0), ({"step": "1 ms"}, 2, 3.0), ({"tolerance": "0.2 K"}, 1, 8.0)],
)
def test_estimates_of_mesh_and_steps_follow_the_errors(steps: dict[str, str], per_layer: int, most: float) -> None:
    """Each against a run that is much better in that respect alone; one element per layer errs where no coarser mesh shows it.

    The dataset carries both and says how they were made.
    """
    transient = {"until": "50 ms", "outputs": ["2 ms", "10 ms", "50 ms"], "duty": {"period": "20 ms", "on": "10 ms"}}
    rough = {"backend": "tensor", "mesh": {"lateral": 16, "per_layer": per_layer, "aspect": 2}, "error_promise": 0.1}
    fine = {"backend": "tensor", "mesh": {"lateral": 64, "per_layer": 6, "aspect": 1}, "error_promise": 0.01}
    outcome = run_case(case(tree(transient={**transient, **steps}, solver=rough)).scenario, Silent())
    better_mesh = values(tree(transient={**transient, **steps}, solver=fine))
    better_steps = values(tree(transient={**transient, "tolerance": "0.1 mK"}, solver=rough))

    def apart(other: dict[str, Any]) -> float:
        names = ("probe_temperature", "map_temperature", "layer_temperature_mean")
        return max(float(np.abs(outcome.values[f"thermal/{n}"] - other[f"thermal/{n}"]).max()) for n in names)

    by_mesh, by_steps = (float(outcome.values[f"thermal/{n}_error"]) for n in ("discretisation", "time"))
    assert 0.5 * apart(better_mesh) < by_mesh < most * apart(better_mesh)
    assert 0.5 * apart(better_steps) < by_steps < 4 * apart(better_steps)
    assert "narrower and with flatter elements" in outcome.notes["thermal/discretisation_error"]
    assert "elements of twice the size" in outcome.notes["thermal/time_error"]


def test_outputs_between_two_times() -> None:
    """From, to, count and scale give the times, as a list of them would."""
    log = {"from": "1 ms", "to": "0.1 s", "count": 3, "scale": "log"}
    spaced = case(tree(transient={"until": "0.1 s", "outputs": log})).scenario.transient
    assert spaced is not None
    np.testing.assert_allclose(spaced.times, [1e-3, 1e-2, 0.1], rtol=1e-14)
    linear = case(tree(transient={"until": "4 s", "outputs": {"from": "0 s", "to": "4 s", "count": 5}})).scenario.transient
    assert linear is not None and linear.times == (0.0, 1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"from": "2 s", "to": "1 s", "count": 3}, r"transient.outputs: from must lie before to \(got 2 s, 1 s\)"),
        ({"from": "0 s", "to": "1 s", "count": 3, "scale": "log"}, "transient.outputs: scale: log wants from above zero"),
        ({"from": "1 s", "to": "2 s"}, "transient.outputs.count: is missing"),
        ({"from": "1 s", "to": "9 s", "count": 3}, "none may come after until"),
        ({"from": "1 s", "to": "2 s", "counts": 3}, "did you mean 'count'"),
    ],
)
def test_wrong_outputs_between_two_times(outputs: dict[str, Any], words: str) -> None:
    with pytest.raises(DeckError, match=words):
        case(tree(transient={"until": "4 s", "outputs": outputs}))


def test_the_peak_of_a_transient_is_that_of_all_its_times() -> None:
    """After a pulse the stack cools; the summary says how hot it was at the end of the pulse."""
    pulse = {"until": "0.5 s", "outputs": ["1 ms", "20 ms", "0.5 s"], "duty": {"period": "10 s", "on": "20 ms"}}
    outcome = run_case(case(tree(transient=pulse)).scenario, Silent())
    peaks = outcome.values["thermal/layer_temperature_max"].max(axis=1)
    assert peaks.argmax() == 1 and peaks[2] < peaks[1] - 1.0
    first = outcome.summary[0]
    assert f"{peaks[1] - 273.15:.2f}" in first and "after 20 ms, the hottest of all instants" in first
    assert any(line.startswith("other lines        after 0.5 s, the last of 3 times") for line in outcome.summary)
    alone = run_case(case(tree(transient={**pulse, "outputs": ["0.5 s"]})).scenario, Silent())
    assert "other lines        after 0.5 s" in alone.summary


def test_a_peak_at_the_end_is_told_as_the_end() -> None:
    outcome = run_case(case(tree(transient={"until": "20 ms", "outputs": ["1 ms", "20 ms"]})).scenario, Silent())
    assert "after 20 ms, the end" in outcome.summary[0]
