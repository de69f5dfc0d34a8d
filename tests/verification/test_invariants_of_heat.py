"""What holds of heat on any stack: energy over time, reciprocity, superposition, mirror, scaling, splitting."""

import json
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.case.run import Outcome
from stack3d.fields import is_temperature
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import make_backend
from stack3d.progress import Silent

Tree = dict[str, Any]


def run(tree: Tree) -> Outcome:
    return run_case(decks.resolve(yamlfile.parse_text(json.dumps(tree), "s.yaml")).scenario, Silent())


def slab(name: str, thickness: float, k: float, capacity: float = 1.6e6) -> Tree:
    material = {"conductivity": f"{k} W/m/K", "heat_capacity": f"{capacity} J/m^3/K"}
    return {"name": name, "thickness": f"{thickness} um", "material": material}


LAYERS = [slab("low", 40, 230, 2.5e6), slab("mid", 300, 5, 2.5e6), slab("top", 20, 6)]


def heated(layers: list[Tree], sources: list[Tree], film: float, profile: str = "study", **more: Any) -> Tree:
    return {
        "scenario": "any",
        "geometry": {"footprint": ["3 mm", "3 mm"], "layers": layers},
        "power": {"sources": sources},
        "cooling": {"top": {"film_coefficient": f"{film} W/m^2/K"}, "ambient": "300 K"},
        "solver": profile,
        **more,
    }


@pytest.mark.parametrize("profile", ["study", "draft"])
def test_layer_means_hold_the_energy_put_in(profile: str) -> None:
    """Sum of ρcV times mean rise over power times time, less what the film took (below 1 %: 500 W/m²/K over 0.4 K)."""
    source = {"name": "s", "layer": "top", "power": "0.25 W"}
    transient = {"until": "3 ms", "outputs": ["0.1 ms", "0.3 ms", "1 ms", "3 ms"], "tolerance": "0.0005 K"}
    found = run(heated(LAYERS, [source], 500.0, profile, transient=transient))
    capacity = np.array([2.5e6 * 40e-6, 2.5e6 * 300e-6, 1.6e6 * 20e-6]) * 9e-6
    stored = (found.values["thermal/layer_temperature_mean"] - 300.0) @ capacity
    times = found.coordinates["time"]
    taken = np.concatenate([[0.0], found.values["thermal/face_heat"].sum(axis=1)])
    lost = np.cumsum(0.5 * (taken[1:] + taken[:-1]) * np.diff(np.concatenate([[0.0], times])))
    share = (stored + lost) / (0.25 * times)
    np.testing.assert_allclose(share, 1.0, rtol=0, atol=2e-3)  # the film's heat is a trapezium over four instants


def test_a_stack_that_has_settled_has_its_steady_means() -> None:
    """Heated all over: the top layer's bow q h² / 12 k is in both."""
    source = {"name": "s", "layer": "mid", "power": "20 W"}
    steady = run(heated(LAYERS, [source], 50000.0)).values["thermal/layer_temperature_mean"]
    late = run(heated(LAYERS, [source], 50000.0, transient={"until": "1 s", "tolerance": "0.001 K"}))
    np.testing.assert_allclose(late.values["thermal/layer_temperature_mean"][-1], steady, rtol=0, atol=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_resistances_are_reciprocal(seed: int) -> None:
    """Mean rise of box a for a watt in box b is that of b for a watt in a, in any two layers."""
    rng = np.random.default_rng(seed)
    layers = [slab(f"l{i}", float(rng.uniform(10, 300)), float(10 ** rng.uniform(-0.5, 2))) for i in range(4)]
    if seed % 2:
        x, y = (sorted(rng.uniform(0.2, 2.8, 2).round(2)) for _ in "xy")
        block = {"name": "b", "x": [f"{v} mm" for v in x], "y": [f"{v} mm" for v in y], "material": "copper"}
        layers[2]["blocks"] = [block]
    boxes = [("l0", (0.5, 1.25), (0.75, 1.5)), ("l2", (1.5, 2.25), (1.5, 2.5))]

    def rises(powers: tuple[float, float]) -> Any:
        sources = [
            {"name": layer, "layer": layer, "power": f"{p} W", "x": [f"{v} mm" for v in x], "y": [f"{v} mm" for v in y]}
            for (layer, x, y), p in zip(boxes, powers)
        ]
        tree = heated(layers, sources, 2000.0)
        chip = check(decks.resolve(yamlfile.parse_text(json.dumps(tree), "s.yaml")).scenario)
        field = make_backend(chip.scenario, chip.stack, Bricks.of(chip)).solve(chip.sources).field
        return np.array([field.box_means(s.layer, [s.extent])[0] - 300.0 for s in chip.sources])

    first, second, both = rises((1, 0)), rises((0, 1)), rises((1, 2))
    assert first[1] == pytest.approx(second[0], rel=1e-7)
    np.testing.assert_allclose(both, first + 2 * second, rtol=1e-7)


def test_every_temperature_has_an_error_of_its_own_that_covers_it() -> None:
    """Early times on two elements per layer, against 24 of them; the largest of each variable, and not by more than six."""
    source = {"name": "s", "layer": "top", "power": "0.25 W"}
    transient = {"until": "3 ms", "outputs": ["0.1 ms", "1 ms", "3 ms"], "tolerance": "0.0005 K"}
    probe = {"name": "p", "layer": "top", "x": "1.5 mm", "y": "1.5 mm"}
    more = {"transient": transient, "probes": [probe], "maps": {"layers": ["top"], "grid": [2, 2]}}
    rough = run(heated(LAYERS, [source], 500.0, **more)).values
    mesh = {"lateral": 4, "per_layer": 24}
    fine = heated(LAYERS, [source], 500.0, **more) | {"solver": {"backend": "tensor", "mesh": mesh, "error_promise": 0.01}}
    better = run(fine).values
    names = [n for n in rough if is_temperature(n)]
    assert len(names) == 6
    for name in names:
        stated, error = rough[f"{name}_error"], np.abs(rough[name] - better[name])
        assert stated.shape == rough[name].shape
        assert 1e-3 < error.max() < stated.max() < 6 * error.max(), name


def test_the_summary_states_the_error_of_the_peak_and_of_probes() -> None:
    source = {"name": "s", "layer": "top", "power": "2 W", "x": ["0.5 mm", "1 mm"], "y": ["1 mm", "1.5 mm"]}
    probe = {"name": "p", "layer": "top", "x": "0.75 mm", "y": "1.25 mm"}
    lines = run(heated(LAYERS, [source], 500.0, probes=[probe])).summary
    assert "±" in lines[0].split("degC")[0]
    assert any(line.startswith("probe") and "±" in line for line in lines)
