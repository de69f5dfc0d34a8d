"""Channels as a porous body against the same channels meshed one by one: errors hold, heat and coolant balance, laws agree."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.heat import channel_runs
from stack3d.heat.loads.flows import hydraulics
from stack3d.progress import Silent
from stack3d.schema import Scenario

Tree = dict[str, Any]
FINE = {"backend": "tensor", "mesh": {"lateral": 24, "per_source": 12, "per_layer": 2, "aspect": 1}, "error_promise": 0.1}
COARSE = {"backend": "tensor", "mesh": {"lateral": 12, "per_source": 8, "per_layer": 2, "aspect": 1}, "error_promise": 0.1}


def cavity(homogenised: bool = True, floor: str = "100 um", solver: Tree = COARSE, **channels: Any) -> Tree:
    """Two dies with eight channels between them, one heated on a spot, the other evenly."""
    own = {"count": 8, "width": "100 um", "wall_width": "100 um", "coolant": "water", "flow_rate": "6 ml/min"}
    channels = {**own, "inlet_temperature": "300 K", "homogenised": homogenised, **channels}
    layers = [
        {"name": "lower", "thickness": floor, "material": "silicon"},
        {"name": "cavity", "thickness": "100 um", "material": "silicon", "channels": channels},
        {"name": "upper", "thickness": floor, "material": "silicon"},
    ]
    spot = {"name": "spot", "layer": "upper", "x": ["0.4 mm", "1.2 mm"], "y": ["0.6 mm", "1.6 mm"], "power": "4 W"}
    return {
        "scenario": "cavity",
        "geometry": {"footprint": ["1.6 mm", "2 mm"], "layers": layers},
        "power": {"sources": [{"name": "even", "layer": "lower", "power": "3 W"}, spot]},
        "cooling": {"ambient": "300 K"},
        "probes": [{"name": "beside", "layer": "upper", "x": "1.3 mm", "y": "1 mm"}],
        "solver": solver,
    }


def scenario(tree: Tree) -> Scenario:
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "cavity.yaml")).scenario


def ran(tree: Tree) -> Any:
    found = run_case(scenario(tree), Silent()).values
    return {name.removeprefix("thermal/"): np.asarray(value) for name, value in found.items()}


CASES: list[Tree] = [
    {},
    {"floor": "30 um"},
    {"width": "150 um", "wall_width": "50 um"},
    {"width": "50 um", "wall_width": "150 um", "floor": "50 um"},
    {"direction": "-x", "count": 6, "wall_width": "200 um"},
    {"count": 4, "wall_width": "80 um"},
    {
        "wall_film_coefficient": "5e4 W/m^2/K",
        "floor_film_coefficient": "1e4 W/m^2/K",
        "ceiling_film_coefficient": "2e4 W/m^2/K",
    },
]


@pytest.mark.parametrize("case", CASES)
def test_errors_hold_what_no_channel_is_meshed_for(case: Tree) -> None:
    """Peaks, means and a probe against every channel on a finer mesh; the stated errors are far below the rise."""
    found, right = ran(cavity(**case)), ran(cavity(homogenised=False, solver=FINE, **case))
    for name in ("layer_temperature_max", "layer_temperature_mean", "probe_temperature"):
        off = np.abs(found[name] - right[name])
        assert (off <= found[f"{name}_error"]).all(), (name, off)
    rise = float(right["layer_temperature_max"].max()) - 300.0
    assert float(found["layer_temperature_max_error"].max()) < 0.12 * rise
    assert float(found["layer_temperature_mean_error"].max()) < 0.01 * rise  # of the cavity by the share of its walls
    run = channel_runs(check(scenario(cavity(**case))).stack)[0]
    warmer = 7.0 / (run.channels.flow_rate * run.channels.heat_capacity)
    np.testing.assert_allclose(found["coolant_outlet_temperature"], 300.0 + warmer, rtol=0, atol=1e-9 * warmer * 10)
    assert float(found["heat_balance_error"]) < 1e-8


def test_a_difference_that_cancels_hides_nothing() -> None:
    """Channels meshed coarsely may err by as much as homogenised ones, to the same side: what they err by counts too."""
    sizes: Tree = {
        "count": 6,
        "width": "141 um",
        "wall_width": "134 um",
        "edge_wall_width": "101 um",
        "flow_rate": "4.18 ml/min",
    }
    spot = {"name": "spot", "layer": "upper", "power": "3.59 W", "x": ["516 um", "1031 um"], "y": ["536 um", "1340 um"]}
    rough, fine = ({"lateral": n, "per_layer": k, "aspect": 4} for n, k in ((16, 1), (96, 4)))
    trees = []
    for homogenised, mesh in ((True, rough), (False, fine)):
        tree = cavity(homogenised, "160 um", {"backend": "tensor", "mesh": mesh, "error_promise": 0.1}, **sizes)
        tree["geometry"]["footprint"] = ["1718 um", "2680 um"]
        trees.append(tree | {"power": {"sources": [{"name": "even", "layer": "lower", "power": "1.79 W"}, spot]}})
    found, right = map(ran, trees)
    for name in ("layer_temperature_max", "layer_temperature_mean"):
        off = np.abs(found[name] - right[name])
        assert (off <= found[f"{name}_error"] + 0.1 * right[f"{name}_error"]).all(), (name, off)


def test_more_flow_is_never_hotter() -> None:
    peaks = [ran(cavity(flow_rate=f"{flow} ml/min"))["layer_temperature_max"] for flow in (2, 4, 8, 16)]
    assert (np.diff(peaks, axis=0) < 0).all()


def test_laws_see_the_channels_one_by_one() -> None:
    """Films, pressure drop and Reynolds number are those of the channels; wetted area and walls add up to theirs."""
    porous, meshed = (channel_runs(check(scenario(cavity(homogenised=h))).stack) for h in (True, False))
    for name, values in hydraulics(meshed).items():
        np.testing.assert_allclose(hydraulics(porous)[name], values, rtol=1e-12, err_msg=name)
    assert porous[0].films == meshed[0].films
    one, every = porous[0].channels, meshed[0].channels
    np.testing.assert_allclose([o.x0 for o in one.ducts.outlines], [o.x0 for o in every.outlines], rtol=1e-12)
    whole = one.outlines[0]
    area = (whole.x1 - whole.x0) * (whole.y1 - whole.y0)
    assert one.pins is not None
    assert one.pins.surface * area * one.height == pytest.approx(2 * 8 * every.height * every.length)
    assert (1 - one.pins.share) * area == pytest.approx(8 * every.width * every.length)


def drawn(seed: int) -> list[Tree]:
    """A cavity of random sizes with a random spot, homogenised, and with every channel on a fine mesh."""
    rng = np.random.default_rng(seed)
    width, wall = (10 * int(v) for v in rng.integers(3, 20, 2))
    count, length = int(rng.integers(4, 14)), 1000 * int(rng.integers(1, 5))
    across, area = count * (width + wall), count * (width + wall) * length * 1e-8
    heights = [f"{v:.0f} um" for v in np.exp(rng.uniform(np.log(20), np.log(400), 3))]
    ends = [sorted(rng.uniform(0, most - 50, 2)) for most in (across, length)]
    x, y = ([f"{low:.0f} um", f"{high + 50:.0f} um"] for low, high in ends)
    spot = {"name": "spot", "layer": "upper", "x": x, "y": y, "power": f"{20 * area:.4g} W"}
    at = {k: f"{rng.uniform(0.05, 0.95) * most:.0f} um" for k, most in (("x", across), ("y", length))}
    flow = f"{rng.uniform(1, 3) * count * across / 1000:.4g} ml/min"
    trees = []
    for homogenised, solver in ((True, COARSE), (False, FINE)):
        sizes: Tree = {"count": count, "width": f"{width} um", "wall_width": f"{wall} um", "flow_rate": flow}
        tree = cavity(homogenised, solver=solver, **sizes)
        tree["geometry"]["footprint"] = [f"{across} um", f"{length} um"]
        for layer, height in zip(tree["geometry"]["layers"], heights):
            layer["thickness"] = height
        even = {"name": "even", "layer": "lower", "power": f"{30 * area:.4g} W"}
        trees.append(tree | {"power": {"sources": [even, spot]}, "probes": [{"name": "any", "layer": "upper", **at}]})
    return trees


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_errors_hold_in_random_cavities(seed: int) -> None:
    found, right = (ran(tree) for tree in drawn(seed))
    for name in ("layer_temperature_max", "layer_temperature_mean", "probe_temperature"):
        off = np.abs(found[name] - right[name])
        assert (off <= found[f"{name}_error"] + right[f"{name}_error"]).all(), (name, off)


@pytest.mark.slow
def test_errors_hold_over_time() -> None:
    times = {"until": "20 ms", "outputs": ["1 ms", "20 ms"]}
    found, right = ran(cavity() | {"transient": times}), ran(cavity(homogenised=False) | {"transient": times})
    off = np.abs(found["layer_temperature_max"] - right["layer_temperature_max"])
    assert (off <= found["layer_temperature_max_error"] + right["layer_temperature_max_error"]).all()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"passes": 2}, "homogenised channels have one inlet and one pass; leave out passes"),
        ({"inlets": [{"name": "a", "count": 8}]}, "leave out inlets"),
        ({"edge_wall_width": ["20 um", "80 um"]}, "homogenised channels want edge walls of half a wall_width at least"),
        ({"solver": {**COARSE, "backend": "fem"}}, "fem has no homogenised channels"),
        ({"solver": {"profile": "study", "accuracy": "0.1 K"}}, "cannot be asked for beside homogenised channels"),
    ],
)
def test_what_does_not_go_is_told(more: Tree, said: str) -> None:
    with pytest.raises(DeckError, match=said):
        check(scenario(cavity(**more)))
