"""The peak of a transient is that of all its instants: no choice of outputs moves it beyond its error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, results, yamlfile
from stack3d.case import run_case
from stack3d.case.run import Outcome
from stack3d.heat.time.peaks import HighestSeen
from stack3d.progress import Silent
from stack3d.study.expect import missed

DIE = {"name": "die", "thickness": "0.3 mm", "material": {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}}
LID = {"name": "lid", "thickness": "0.5 mm", "material": {"conductivity": "398 W/m/K", "heat_capacity": "3.45e6 J/m^3/K"}}
SOURCE = {"name": "hot", "layer": "die", "x": ["1 mm", "2 mm"], "y": ["1 mm", "2 mm"], "power": "2 W"}
BLOCK = [{"name": "b", "x": ["1 mm", "2 mm"], "y": ["1 mm", "2 mm"], "material": LID["material"]}]
VARIED = {**LID, "size": ["4 mm", "4 mm"], "blocks": BLOCK}


def deck(transient: dict[str, Any], *, lid: dict[str, Any] = LID, **more: Any) -> decks.Case:
    tree = {
        "scenario": "peaks",
        "geometry": {"footprint": ["4 mm", "4 mm"], "layers": [DIE, lid]},
        "cooling": {"top": {"film_coefficient": "5e4 W/m^2/K"}, "ambient": "300 K"},
        "power": {"sources": [SOURCE]},
        "solver": {"backend": "tensor", "mesh": {"lateral": 6, "per_layer": 1, "aspect": 1}, "error_promise": 0.02},
        "transient": transient,
        **more,
    }
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "peaks.yaml"))


def run(transient: dict[str, Any], **more: Any) -> Outcome:
    return run_case(deck(transient, **more).scenario, Silent())


def agree(one: Outcome, other: Outcome) -> None:
    """Peaks within their errors, of layers and of the stack."""
    for name in ("layer_temperature_peak", "peak_temperature"):
        a, b, error = (np.asarray(v) for v in (one.values[f"thermal/{name}"], other.values[f"thermal/{name}"],
                                               one.values[f"thermal/{name}_error"]))  # fmt: skip
        assert np.all(np.abs(a - b) <= error), (name, a, b, error)


class Told:
    """Temperatures of two layers at an instant."""

    def __init__(self, state: np.ndarray) -> None:
        self.tops = dict(zip("ab", state))

    def layer_max(self, name: str) -> float:
        return float(self.tops[name])


def test_another_mesh_looks_at_every_maximum_that_is_nearly_as_high() -> None:
    """Layer a is hottest at 2 s, and nearly so at 7 s; b climbs to the end. What lies between is not looked at."""
    a = [300.0, 340.0, 360.0, 350.0, 320.0, 310.0, 330.0, 355.0, 340.0, 330.0, 305.0, 304.0, 303.0, 302.0]
    states = np.stack([a, 300.0 + np.arange(14.0)], axis=1)
    own = HighestSeen("ab", Told, np.empty(0))  # type: ignore[arg-type]
    for time, state in enumerate(states):
        own.see(float(time), state)
    assert own.around() == ((0.0, 4.0), (5.0, 9.0), (11.0, 13.0))
    asked: list[float] = []

    def field_of(state: np.ndarray) -> Told:
        asked.append(float(state[1] - 300.0))
        return Told(state)

    other = HighestSeen("ab", field_of, np.empty(0), own.around())  # type: ignore[arg-type]
    for time, state in enumerate(states):
        other.see(float(time), state + np.array([20.0 * (time == 7), 0.0]))
    assert asked == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 11.0, 12.0, 13.0]
    assert other.times[0] == pytest.approx(7.0, abs=0.5) and other.values[0] >= 375.0 and other.until == 13.0


DUTY = {"period": "20 ms", "on": "5 ms"}


@pytest.mark.parametrize(
    ("more", "lid"),
    [({"duty": DUTY}, LID), ({"duty": DUTY}, VARIED), ({"duty": DUTY, "step": "0.5 ms"}, LID)],
    ids=["modes", "nodes", "fixed"],
)
def test_outputs_that_miss_the_hottest_instant_do_not_move_the_peak(more: dict[str, Any], lid: dict[str, Any]) -> None:
    """The power goes off at 25 ms of 40; outputs there, long after it, and one that is followed by the pulse."""
    there = run({"until": "40 ms", "outputs": ["25 ms", "40 ms"], **more}, lid=lid)
    assert there.values["thermal/peak_time"] == pytest.approx(0.025, rel=1e-6)
    assert there.values["thermal/peak_temperature"] >= there.values["thermal/layer_temperature_max"].max()
    for outputs in (["40 ms"], ["19 ms"]) if lid is LID else (["19 ms"],):
        missing = run({"until": "40 ms", "outputs": outputs, **more}, lid=lid)
        assert missing.values["thermal/layer_temperature_max"].max() < there.values["thermal/peak_temperature"] - 1.0
        agree(missing, there)
        assert missing.values["thermal/peak_time"] == pytest.approx(0.025, rel=1e-6)
        said = missing.summary[0]
        assert f"{float(missing.values['thermal/peak_temperature']) - 273.15:.2f} " in said
        assert "after 25 ms, the hottest of all instants" in said and ", 2 W; ± of the mesh alone)" in said


def test_a_body_that_heats_as_one_peaks_where_the_closed_form_says() -> None:
    """P/hA (1 - exp(-t/τ)) at the end of the pulse, τ = ρ c d / h; copper of 0.5 mm takes 1/4000 of the drop of the film."""
    body = {"name": "die", "thickness": "0.5 mm", "material": {"conductivity": "4e4 W/m/K", "heat_capacity": "3.45e6 J/m^3/K"}}
    outcome = run(
        {"until": "3 s", "outputs": ["3 s"], "duty": {"period": "4 s", "on": "1 s"}},
        geometry={"footprint": ["4 mm", "4 mm"], "layers": [body]},
        cooling={"top": {"film_coefficient": "2e3 W/m^2/K"}, "ambient": "300 K"},
        power={"sources": [{"name": "all", "layer": "die", "power": "1 W"}]},
    )
    tau = 3.45e6 * 0.5e-3 / 2e3
    rise = 1.0 / (2e3 * 16e-6) * (1 - np.exp(-1.0 / tau))
    assert outcome.values["thermal/peak_temperature"] - 300.0 == pytest.approx(rise, rel=2e-3)
    assert outcome.values["thermal/peak_time"] == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("lid", [LID, pytest.param(VARIED, marks=pytest.mark.slow)], ids=["exact", "marched"])
def test_a_period_without_end_peaks_where_its_outputs_do_not_look(lid: dict[str, Any]) -> None:
    """Outputs in the pause, by modes and by steps; many periods lead to the same, on the lines that an output 1 ms later asks for."""
    there = run({"until": "20 ms", "outputs": ["5 ms", "6 ms"], "duty": DUTY, "periodic": True}, lid=lid)
    missing = run({"until": "15 ms", "outputs": ["1 ms", "15 ms"], "duty": DUTY, "periodic": True}, lid=lid)
    agree(missing, there)
    assert missing.values["thermal/peak_time"] == pytest.approx(0.005, rel=1e-6)
    peaks = there.values["thermal/layer_temperature_peak"]
    assert np.all(peaks >= there.values["thermal/layer_temperature_max"].max(axis=0) - 1e-9)
    if lid is LID:
        many = run({"until": "0.4 s", "outputs": ["0.386 s", "0.4 s"], "duty": DUTY}).values["thermal/layer_temperature_peak"]
        np.testing.assert_allclose(peaks - 300.0, many - 300.0, rtol=0.01)


def test_a_layer_far_from_the_heat_peaks_after_the_pulse() -> None:
    """Behind 1 mm of glass; the instant and the value do not follow the outputs, and lie above every output."""
    glass = {"name": "glass", "thickness": "1 mm", "material": {"conductivity": "1 W/m/K", "heat_capacity": "2e6 J/m^3/K"}}
    top = {"name": "top", "thickness": "0.1 mm", "material": LID["material"]}
    geometry = {"footprint": ["4 mm", "4 mm"], "layers": [DIE, glass, top]}
    given = {"until": "2 s", "duty": {"period": "3 s", "on": "50 ms"}, "tolerance": "0.1 %"}
    cool = {"top": {"film_coefficient": "100 W/m^2/K"}, "bottom": {"film_coefficient": "2e3 W/m^2/K"}, "ambient": "300 K"}
    dense, end = (
        run({**given, "outputs": outputs}, geometry=geometry, cooling=cool)
        for outputs in ({"from": "10 ms", "to": "2 s", "count": 80}, ["2 s"])
    )
    seen = dense.values["thermal/layer_temperature_max"][:, 2]
    when = dense.coordinates["time"][int(seen.argmax())]
    assert 0.1 < when < 1.9
    agree(end, dense)
    assert end.values["thermal/layer_peak_time"][2] == pytest.approx(when, rel=0.1)
    over = dense.values["thermal/layer_temperature_peak"][2] - seen.max()
    assert 0.0 <= over < 2e-3 * (seen.max() - 300.0)


def test_a_body_that_cools_was_hottest_at_the_start() -> None:
    """But for the swing of elements that are wider than heat has come, which the error holds."""
    values = run({"until": "0.1 s", "outputs": ["50 ms"], "initial": "400 K"}, power={"sources": []}).values
    swing = values["thermal/peak_temperature"] - 400.0
    assert 0.0 <= swing < 0.2 and swing < values["thermal/peak_temperature_error"] < 1.0
    assert values["thermal/peak_time"] < 1e-3 and values["thermal/layer_temperature_max"].max() < 395.0


def test_a_trace_peaks_between_the_outputs(tmp_path: Path) -> None:
    (tmp_path / "burst.csv").write_text("time [ms], hot [W]\n0, 0.1\n10, 3\n12, 0.2\n30, 0.2\n")
    found = [
        run(
            {"until": "45 ms", "outputs": outputs},
            power={"sources": [SOURCE], "trace": {"pattern": "table", "file": str(tmp_path / "burst.csv")}},
        )
        for outputs in (["42 ms", "45 ms"], ["5 ms", "45 ms"])
    ]
    agree(*found)
    for outcome in found:
        assert outcome.values["thermal/peak_time"] == pytest.approx(0.042, rel=1e-6)


def test_what_is_expected_and_limited_is_held_to_the_peak() -> None:
    """A maximum at outputs that miss the pulse keeps its range; the peak does not, and the limit of the layer is passed."""
    one = deck({"until": "60 ms", "outputs": ["19 ms"], "duty": DUTY}, limits={"die": "302 K"})
    outcome = run_case(one.scenario, Silent())
    tree = results.to_tree(one, outcome)
    die = float(tree["thermal/layer_temperature_peak"].sel(layer="die"))
    assert float(tree["thermal/layer_temperature_max"].max()) < 302.0 < die
    for name in ("layer_temperature_max", "layer_temperature_peak", "peak_temperature"):
        assert len(missed({name: "[290, 302] K"}, outcome.record)) == 1, name
    assert not missed({"layer_temperature_max@end": "[290, 302] K"}, outcome.record)
    assert "limits.die" in str(tree.attrs["summary"])


def test_a_steady_state_and_a_life_have_a_peak_too() -> None:
    plain = deck({"until": "1 s"}).scenario
    steady = run_case(plain.model_copy(update={"transient": None}), Silent()).values
    assert steady["thermal/peak_temperature"] == steady["thermal/layer_temperature_max"].max()
    assert steady["thermal/peak_temperature_error"] == steady["thermal/layer_temperature_max_error"].max()
