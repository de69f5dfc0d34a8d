"""An accuracy that is asked for: met on a finer mesh, told, refused beyond memory; early outputs and peaks that swing."""

import json
from pathlib import Path
from typing import Any

import error_decks
import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import run_case
from stack3d.case.run import Outcome
from stack3d.cli import app
from stack3d.decks import Case
from stack3d.errors import DeckError
from stack3d.heat.trust.accuracy import of_hottest
from stack3d.progress import Silent


def case(tree: dict[str, Any], solver: Any) -> Case:
    return decks.resolve(yamlfile.parse_text(json.dumps({**tree, "solver": solver}), "a.yaml"))


def run(tree: dict[str, Any], solver: Any) -> Outcome:
    return run_case(case(tree, solver).scenario, Silent())


def test_the_mesh_is_refined_until_the_estimate_is_below_what_was_asked() -> None:
    """A spot of 0.4 mm: 0.05 K takes more than `study`; the summary says what it took."""
    tree = error_decks.DECKS["spot_0.4"]
    plain, asked = run(tree, "study"), run(tree, {"accuracy": "0.05 K"})
    name = "thermal/layer_temperature_max_error"
    assert plain.values[name].max() > 0.05
    assert asked.values[name].max() <= 0.05
    assert asked.statistics["thermal"]["unknowns"] > plain.statistics["thermal"]["unknowns"]
    assert any(line.startswith("error asked") and "2 meshes" in line for line in asked.summary)


def test_outputs_at_the_start_have_no_error_and_ask_for_none() -> None:
    """Temperatures at 0 s are given: an accuracy of the rise, which is nothing there, is met all the same."""
    tree = {**error_decks.DECKS["spot_0.4"], "transient": {"until": "10 ms", "outputs": ["0 s", "10 ms"]}}
    coarse = {"backend": "tensor", "mesh": {"lateral": 8, "per_layer": 1}, "error_promise": 0.5}
    found = run(tree, {**coarse, "accuracy": "50 %"})
    errors = found.values["thermal/layer_temperature_max_error"]
    assert (errors[0] == 0.0).all() and errors[1].max() > 0.0
    assert not [text for text in found.warnings if "accuracy" in text]


def test_a_share_is_of_the_rise_over_the_coldest_surroundings() -> None:
    """A face 40 K colder than ambient, and a peak near ambient: 5 % is of the 40 K and more that lie between."""
    tree = {**error_decks.DECKS["spot_0.4"], "cooling": {"ambient": "300 K", "top": {"temperature": "260 K"}}}
    found = run(tree, {"accuracy": "5 %"})
    (line,) = [line for line in found.summary if line.startswith("error asked")]
    allowed = float(line.partition(" where ")[2].partition(" K ")[0])
    assert allowed == pytest.approx(0.05 * (float(found.values["thermal/peak_temperature"]) - 260.0), rel=0.02)


def test_an_accuracy_enters_the_hash_and_a_profile_is_where_it_begins() -> None:
    tree = error_decks.DECKS["spot_0.4"]
    one, two = (case(tree, {"profile": "standard", "accuracy": text}) for text in ("0.1 %", "0.2 %"))
    assert one.digest() != two.digest()
    assert one.scenario.solver.mesh == case(tree, "standard").scenario.solver.mesh


@pytest.mark.parametrize("text", ["0.05", "3 W", "-1 K", "120 %", 0.05])
def test_accuracies_that_are_none_are_refused_with_their_line(text: Any) -> None:
    with pytest.raises(DeckError, match=r"a\.yaml:1: solver\.accuracy"):
        case(error_decks.DECKS["spot_0.4"], {"accuracy": text})


def test_what_memory_does_not_allow_is_refused_with_what_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK3D_MEMORY", "60 MB")
    with pytest.raises(DeckError, match=r"not reached within memory: .* K estimated .* unknowns"):
        run(error_decks.DECKS["strip_0.1"], {"accuracy": "1e-5 K"})


def test_the_error_of_a_peak_holds_on_elements_wider_than_heat_spreads() -> None:
    """A film on a strong sink: no point lies higher than q (1/h + t/2k), which wide elements overshoot by a fifth; none is colder."""
    tree = error_decks.DECKS["thin_film_2"]
    found = run(tree, "study").values
    most = 0.218 / (1.325e-3 * 0.375e-3) * (1 / 1e5 + 2e-6 / 2)
    over = found["thermal/layer_temperature_max"][0] - 300.0 - most
    assert over > 0.1 * most
    assert found["thermal/layer_temperature_max_error"][0] > over
    for name in ("map_temperature", "probe_temperature", "layer_temperature_mean"):
        assert np.all(found[f"thermal/{name}"] + found[f"thermal/{name}_error"] >= 300.0)


def test_early_outputs_follow_the_half_space() -> None:
    """1 and 10 µs after 4 MW/m² over a slab of silicon, a plane source 0.1 µm deep read in its middle; within the stated error.

    Plane sources at s in a half-space, read at z: (q / 2 k) (G(|z - s|) + G(z + s)) with G(x) = 2 (α t / π)^½ - x near them.
    """
    silicon = 148
    layers = [error_decks.layer("base", 500, silicon), error_decks.layer("junction", 0.1, silicon)]
    transient = {"until": "10 us", "outputs": ["1 us", "10 us"]}
    tree = error_decks.deck(
        5, layers, [error_decks.source("q", "junction", 100)], {"bottom": {"temperature": "300 K"}},
        transient=transient, probes=[error_decks.probe("tj", "junction", 2.5, 2.5)],
    )  # fmt: skip
    found = run(tree, "study").values
    seen, error = (found[f"thermal/probe_temperature{part}"][:, 0] for part in ("", "_error"))
    times = np.array([1e-6, 10e-6])
    exact = 4e6 / silicon * (2 * np.sqrt(silicon / 1.66e6 * times / np.pi) - 0.5 * 0.125e-6)
    assert np.all(np.abs(seen - 300.0 - exact) < error)
    assert np.all(np.abs(seen - 300.0 - exact) < 0.03 * exact)


@pytest.mark.parametrize(("promise", "strict", "code"), [(1e-6, False, 0), (1e-6, True, 3), (0.5, True, 0)])
def test_strict_runs_exit_with_three_when_the_promise_is_missed(
    promise: float, strict: bool, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary says it either way."""
    deck = tmp_path / "spot.yaml"
    deck.write_text(json.dumps({**error_decks.DECKS["spot_0.4"], "solver": {"profile": "study", "error_promise": promise}}))
    command = ["run", str(deck), "-o", str(tmp_path), "--progress", "none", "--workers", "1", *(["--strict"] if strict else [])]
    assert (app(command, standalone_mode=False) or 0) == code
    assert ("error promise: means of layers" in capsys.readouterr().out) == (promise < 0.5)


def over_channels(x: list[str], y: list[str]) -> dict[str, Any]:
    """Two dies over and under two wide channels, on a coarse mesh; a heated spot in the upper one."""
    silicon = {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}
    layers = [{"name": n, "thickness": f"{t} um", "material": silicon} for n, t in (("low", 80), ("cavity", 120), ("top", 60))]
    layers[1]["channels"] = {
        "count": 2,
        "width": "400 um",
        "wall_width": "500 um",
        "coolant": "water",
        "flow_rate": "6 ml/min",
        "inlet_temperature": "300 K",
    }
    power = {"sources": [{"name": "s", "layer": "top", "x": x, "y": y, "power": "2 W"}]}
    tree = {"scenario": "over", "geometry": {"footprint": ["2 mm", "2 mm"], "layers": layers}, "power": power}
    solver = {"backend": "tensor", "mesh": {"lateral": 8, "per_source": 4, "per_layer": 1, "aspect": 2}, "error_promise": 0.05}
    return dict(run({**tree, "cooling": {"ambient": "300 K"}}, solver).values)


def test_the_maximum_over_a_channel_is_not_taken_for_one_that_swings() -> None:
    """The hottest node of the cavity is on its upper face, over water: what is below that is no neighbour in the solid."""
    values = over_channels(["0.4 mm", "0.8 mm"], ["1 mm", "1.4 mm"])
    rise = float(values["thermal/peak_temperature"]) - 300.0
    assert np.max(values["thermal/layer_overshoot"]) == 0.0
    assert np.max(values["thermal/layer_temperature_max_error"]) < 0.2 * rise


def test_a_maximum_on_the_ceiling_of_a_channel_has_the_neighbours_of_the_die_over_it() -> None:
    """Cavity and die share the hottest node, and what the peak is over it: 0 was told of the cavity."""
    values = over_channels(["0.5 mm", "1.0 mm"], ["0.3 mm", "1.0 mm"])
    maxima, between = values["thermal/layer_temperature_max"], values["thermal/layer_between_nodes"]
    assert maxima[1] == maxima[2] and between[1] == between[2] > 0.0


def test_of_layers_that_share_the_hottest_node_the_one_known_best_counts() -> None:
    maxima, errors = np.array([[350.0, 350.0, 340.0], [310.0, 320.0, 330.0]]), np.array([[0.2, 0.1, 5.0], [1.0, 1.0, 0.3]])
    assert of_hottest(maxima, errors).tolist() == [[False, True, False], [False, False, True]]
