"""Transients that begin at a temperature of each layer, of each block, or where an earlier run ended."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import erf, erfc, erfcx

import stack3d
from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.heat import Backends, meshed
from stack3d.heat.time.beginning import start_of
from stack3d.progress import Silent
from stack3d.thermal import Field

SILICON = {"conductivity": "340 W/m/K", "heat_capacity": "3.39e6 J/m^3/K"}
HALF = 340 / 3.39e6  # diffusivity [m²/s]


def case(given: dict[str, Any]) -> decks.Case:
    return decks.resolve(yamlfile.parse_text(json.dumps(given), "start.yaml"))


def values(given: dict[str, Any]) -> dict[str, Any]:
    return dict(run_case(case(given).scenario, Silent()).values)


def two_bodies(transient: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Steady: 947.03 and 602.97 K at the contact, q = 850 K / (2 x 50 mm / 340 W/m/K + 200 mm² K/W)."""
    given = {
        "scenario": "two_bodies",
        "geometry": {
            "footprint": ["3 mm", "3 mm"],
            "layers": [
                {"name": "hot", "thickness": "50 mm", "material": SILICON},
                {"name": "cold", "thickness": "50 mm", "material": SILICON, "contact_resistance": "200 mm^2*K/W"},
            ],
        },
        "power": {"sources": []},
        "cooling": {"bottom": {"temperature": "1200 K"}, "top": {"temperature": "350 K"}, "ambient": "350 K"},
        "probes": [
            {"name": "below", "layer": "hot", "x": "1 mm", "y": "1 mm", "z": "49.999 mm"},
            {"name": "above", "layer": "cold", "x": "1 mm", "y": "1 mm", "z": "50.001 mm"},
            {"name": "deep", "layer": "hot", "x": "1 mm", "y": "1 mm", "z": "45 mm"},
        ],
        "solver": {"backend": "tensor", "mesh": {"lateral": 1, "per_layer": 32}, "error_promise": 0.01},
        **more,
    }
    return given if transient is None else {**given, "transient": transient}


HOT_AND_COLD = {"hot": "1200 K", "cold": "350 K"}


def test_two_bodies_that_meet_follow_their_closed_form() -> None:
    """Alike half spaces through a contact: each sees the mean of both through half the contact (Carslaw and Jaeger 1959, 2.7)."""
    times = [0.1, 1.0, 1000.0]
    found = values(two_bodies({"until": "1000 s", "initial": HOT_AND_COLD, "outputs": [f"{t} s" for t in times]}))
    probes = found["thermal/probe_temperature"]
    film = 2 / 200e-6 / 340  # h / k [1/m]
    for row, now in zip(probes[:-1], times[:-1]):
        spread = np.sqrt(HALF * now)
        for probe, x in enumerate((1e-6, -1e-6, 5e-3)):
            depth = abs(x)
            near = erfc(depth / (2 * spread)) - np.exp(-((depth / (2 * spread)) ** 2)) * erfcx(
                depth / (2 * spread) + film * spread
            )
            exact = 1200 - 425 * near if probe != 1 else 350 + 425 * near
            assert abs(row[probe] - exact) < 2e-3 * 850
    assert np.abs(probes[-1][:2] - [947.03, 602.97]).max() < 0.1


def heat_at_start(given: dict[str, Any]) -> tuple[float, Field]:
    """Heat over that at 300 K, and temperature."""
    chip = check(case(given).scenario)
    system = Backends().solid(chip.scenario, chip.stack, meshed(chip)).system([], [])
    start = start_of(chip, system)
    return float((system.stored(start) - system.stored(system.start(300.0))).sum()), system.field(start)


@pytest.mark.parametrize(
    ("backend", "cells"),
    [("tensor", "hex"), *(pytest.param("fem", cells, marks=pytest.mark.slow) for cells in ("hex", "tet"))],
)
def test_energy_of_the_start_is_all_there(backend: str, cells: str) -> None:
    """Across layers and blocks that differ in capacity, to rounding; means of boxes carry it on bricks; nothing is hotter."""
    light = {"conductivity": "20 W/m/K", "heat_capacity": "1e6 J/m^3/K"}
    block = {"name": "core", "x": ["0 mm", "1 mm"], "y": ["0 mm", "3 mm"], "material": light}
    layers = [
        {"name": "die", "thickness": "1 mm", "material": SILICON, "blocks": [block]},
        {"name": "lid", "thickness": "2 mm", "material": light},
    ]
    given = {
        **two_bodies({"until": "1 ms", "initial": {"die": "400 K", "die.core": "450 K"}}),
        "geometry": {"footprint": ["3 mm", "3 mm"], "layers": layers},
        "cooling": {"bottom": {"film_coefficient": "1e-6 W/m^2/K"}, "ambient": "300 K"},
        "probes": [],
        "solver": {"backend": backend, "mesh": {"cells": cells, "lateral": 6, "per_layer": 2}, "error_promise": 0.1},
    }
    capacity = np.array([[1e6, 3.39e6, 3.39e6], [1e6, 1e6, 1e6]]) * [[1e-3], [2e-3]] * 3e-6  # J/K of each box
    wanted = (capacity * [[150, 100, 100], [0, 0, 0]]).sum()
    heat, field = heat_at_start(given)
    assert heat == pytest.approx(wanted, rel=1e-12)
    assert max(field.layer_max(name) for name in ("die", "lid")) < 450 + 1e-9
    if cells == "hex":
        boxes = np.array([field.map(name, 3, 1)[0] for name in ("die", "lid")])
        assert (capacity * (boxes - 300)).sum() == pytest.approx(wanted, rel=1e-12)


def test_energy_is_there_where_heat_capacity_bends() -> None:
    """c = 1e6 J/m³/K (1 + (T - 300 K) / 500 K): heat of a layer over 300 K is 1e6 V ((T - 300) + (T - 300)² / 1000)."""
    law = {"law": "table", "temperatures": ["200 K", "800 K"], "values": ["0.8e6 J/m^3/K", "2e6 J/m^3/K"]}
    bent = {"conductivity": "20 W/m/K", "heat_capacity": law}
    layers = [{"name": n, "thickness": "1 mm", "material": bent} for n in ("hot", "cold")]
    given = {
        **two_bodies({"until": "1 us", "initial": {"hot": "700 K", "cold": "320 K"}}),
        "geometry": {"footprint": ["3 mm", "3 mm"], "layers": layers},
        "cooling": {"bottom": {"film_coefficient": "1 W/m^2/K", "heat_capacity": "0.1 J/K"}, "ambient": "300 K"},
        "probes": [],
    }
    wanted = 9e-9 * 1e6 * sum(rise + rise**2 / 1000 for rise in (400, 20)) + 0.1 * 400  # the sink is as warm as its face
    assert heat_at_start(given)[0] == pytest.approx(wanted, rel=1e-12)


def test_touching_half_spaces_meet_at_the_mean_by_effusivity() -> None:
    """T = (e1 T1 + e2 T2) / (e1 + e2) at a bare contact, and error functions on either side."""
    other = {"conductivity": "30 W/m/K", "heat_capacity": "2e6 J/m^3/K"}
    layers = [
        {"name": "hot", "thickness": "50 mm", "material": SILICON},
        {"name": "cold", "thickness": "50 mm", "material": other},
    ]
    probes = [
        {"name": f"p{i}", "layer": layer, "x": "1 mm", "y": "1 mm", "z": f"{z} mm"}
        for i, (layer, z) in enumerate([("hot", 50), ("hot", 45), ("cold", 52)])
    ]
    given = two_bodies({"until": "1 s", "initial": HOT_AND_COLD}) | {"probes": probes}
    given["geometry"] = {**given["geometry"], "layers": layers}
    given["solver"] = {"backend": "tensor", "mesh": {"lateral": 1, "per_layer": 64}, "error_promise": 0.01}
    e1, e2 = np.sqrt(340 * 3.39e6), np.sqrt(30 * 2e6)
    contact = (1200 * e1 + 350 * e2) / (e1 + e2)
    exact = [
        contact,
        contact + (1200 - contact) * erf(5e-3 / (2 * np.sqrt(HALF))),
        contact - (contact - 350) * erf(2e-3 / (2 * np.sqrt(15e-6))),
    ]
    found = values(given)["thermal/probe_temperature"][-1]
    assert np.abs(found - exact).max() < 2e-3 * 850


def test_an_earlier_result_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Cut in two, a run ends where the whole run does, up to what one mean for each thin layer leaves out."""
    layers = [{"name": f"slab{i}", "thickness": "2 mm", "material": SILICON} for i in range(4)]
    source = {"name": "heat", "layer": "slab0", "power": "50 W"}
    given = {
        **two_bodies(),
        "geometry": {"footprint": ["3 mm", "3 mm"], "layers": layers},
        "power": {"sources": [source]},
        "cooling": {"top": {"film_coefficient": "2e4 W/m^2/K"}, "ambient": "300 K"},
        "probes": [],
        "maps": {"layers": ["slab0"], "grid": [2, 1]},
        "solver": {"backend": "tensor", "mesh": {"lateral": 1, "per_layer": 4}, "error_promise": 0.01},
    }

    def ends(name: str, **transient: Any) -> Any:
        file = tmp_path / f"{name}.yaml"
        file.write_text(json.dumps({**given, "scenario": name, "transient": transient}))
        tree = stack3d.load(file).run()
        tree.to_netcdf(tmp_path / f"{name}.nc")
        return tree

    whole = ends("whole", until="2 s")
    ends("half", until="1 s")
    rest = ends("rest", until="1 s", initial={"result": "half.nc"})
    a, b = (tree["thermal/layer_temperature_mean"].values[-1] for tree in (whole, rest))
    assert np.abs(a - b).max() < 2e-3 * (a - 300).max()


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        ({"hott": "1200 K"}, r"transient.initial.hott: no layer or block 'hott' .did you mean 'hot'"),
        ({}, r"names no layer"),
        ({"hot": "1200"}, r"transient.initial.hot: .*unit"),
        ({"hot": "-3 K"}, r"transient.initial.hot"),
        ({"result": "nowhere.nc"}, r"transient.initial.result: .*nowhere.nc cannot be read"),
        ({"result": __file__}, r"is no result of one case"),
    ],
)
def test_mistakes_are_told(initial: Any, message: str) -> None:
    with pytest.raises(DeckError, match=message):
        check(case(two_bodies({"until": "1 s", "initial": initial})).scenario)
