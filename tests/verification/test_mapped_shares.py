"""Layers whose share of metal differs from place to place: against blocks by hand, against lines that are meshed, heat in and out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import run_case
from stack3d.progress import Silent
from stack3d.record import Record

HOST, FILL = 1.4, 400.0
"""Conductivities. [W/m/K]"""
METAL = {"host": {"conductivity": f"{HOST} W/m/K", "heat_capacity": "1.6e6 J/m^3/K"},
         "fill": {"conductivity": f"{FILL} W/m/K", "heat_capacity": "3.4e6 J/m^3/K"}}  # fmt: skip


def solved(folder: Path, layer: dict[str, Any], along: str = "x", backend: str = "tensor") -> Record:
    """A plate of 0.8 x 0.8 mm, a strip of it heated at one end and another cooled at the other, and probes between."""
    metal = {"name": "metal", "thickness": "20 um", **layer}
    probes = [
        {"name": f"p{i}", "layer": "metal", "x": "0.4 mm", "y": "0.4 mm", along: f"{at} mm"} for i, at in enumerate((0.2, 0.6))
    ]
    patch = {"name": "sink", "layer": "metal", along: ["0.7 mm", "0.8 mm"], "condition": {"film_coefficient": "1e5 W/m^2/K"}}
    tree: dict[str, Any] = {
        "scenario": "plate",
        "geometry": {"footprint": ["0.8 mm", "0.8 mm"], "layers": [metal]},
        "power": {"sources": [{"name": "s", "layer": "metal", along: ["0 mm", "0.1 mm"], "power": "10 mW"}]},
        "cooling": {"ambient": "300 K", "patches": [patch]},
        "probes": probes,
        "solver": {"backend": backend, "mesh": {"lateral": 16, "aspect": 4}, "error_promise": 0.9},
    }
    path = folder / "plate.yaml"
    return run_case(decks.resolve(yamlfile.parse_text(json.dumps(tree), str(path)), path, []).scenario, Silent()).record


def conducts(record: Record) -> float:
    """Conductivity from probe to probe, were the plate of one solid. [W/m/K]"""
    warm, cold = record["thermal/probe_temperature"].ravel()
    return float(0.01 * 0.4e-3 / (0.8e-3 * 20e-6 * (warm - cold)))


@pytest.mark.parametrize("backend", ["tensor", "fem"])
def test_a_map_is_the_same_as_blocks_by_hand(tmp_path: Path, backend: str) -> None:
    """Node for node; and all heat that goes in comes out."""
    np.save(tmp_path / "cu.npy", np.array([[0.2, 0.2], [0.2, 0.7]]))
    corner = ["0.4 mm", "0.8 mm"]
    blocks = [{"name": "b", "x": corner, "y": corner, "material": {"pattern": METAL | {"share": 0.7}}}]
    mapped = solved(tmp_path, {"material": {"pattern": METAL | {"map": "cu.npy"}}}, backend=backend)
    by_hand = solved(tmp_path, {"material": {"pattern": METAL | {"share": 0.2}}, "blocks": blocks}, backend=backend)
    np.testing.assert_array_equal(mapped["thermal/probe_temperature"], by_hand["thermal/probe_temperature"])
    assert abs(float(mapped["thermal/heat_balance_error"])) < 1e-9


@pytest.mark.parametrize(("along", "rule"), [("y", HOST / 2 + FILL / 2), ("x", 2 / (1 / HOST + 1 / FILL))])
def test_lines_conduct_as_lines_that_are_meshed(tmp_path: Path, along: str, rule: float) -> None:
    """Eight lines along y of half the area, as a map of ones and noughts: heat along them, and across."""
    np.save(tmp_path / "lines.npy", np.tile([1.0, 0.0], (1, 8)))
    meshed = conducts(solved(tmp_path, {"material": {"pattern": METAL | {"map": "lines.npy"}}}, along))
    smeared = conducts(solved(tmp_path, {"material": {"pattern": METAL | {"share": 0.5, "sideways": "lines_y"}}}, along))
    assert smeared == pytest.approx(rule, rel=1e-6)
    assert meshed == pytest.approx(rule, rel=0.01)
