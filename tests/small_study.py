"""A small thermal study, quick to run anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

STUDY = """\
scenario: small
geometry:
  footprint: ["1 mm", "1 mm"]
  below:
    - {name: die, thickness: "0.3 mm", material: {conductivity: "130 W/m/K", heat_capacity: "1.66e6 J/m^3/K"}}
  tiers:
    repeat: 1
    layers:
      - {name: bond, thickness: "2 um", material: hybrid_bond}
      - {name: rram, thickness: "1 um", material: rram_tier, role: rram, tile_sites: [2, 2]}
power:
  sources:
    - {name: spot, layer: die, x: ["0.2 mm", "0.4 mm"], y: ["0.2 mm", "0.4 mm"], power: "1 W"}
cooling: {top: {film_coefficient: "1e4 W/m^2/K"}, ambient: "300 K"}
tier_map: [4, 4]
solver: {backend: tensor, mesh: {lateral: 8, per_layer: 1}, error_promise: 0.1}
"""
OPTIMISE = """\
optimise:
  vary:
    power.sources.spot.power: {from: "0.1 W", to: "4 W"}
    cooling.top.film_coefficient: ["2e3 W/m^2/K", "1e4 W/m^2/K", "5e4 W/m^2/K"]
  maximise: heat_in
  subject to: ["layer_temperature_max <= 85 degC"]
  budget: 12
"""
"""The largest power that stays below 85 degC, as a search of that study."""


def write(folder: Path, sweep: str) -> Path:
    path = folder / "small.yaml"
    path.write_text(f"{STUDY}sweep: {sweep}\n")
    return path


def assert_same(one: Any, two: Any) -> None:
    """Equal to the last bit, NaN where NaN; wall times and history aside."""
    assert set(one.children) == set(two.children) and set(one.data_vars) == set(two.data_vars)
    for name in ("status", "message", "case_hash"):
        np.testing.assert_array_equal(one[name].values, two[name].values)
    for group in one.children:
        assert set(one[group].variables) == set(two[group].variables)
        for name, variable in one[group].variables.items():
            assert variable.dims == two[group][name].dims
            np.testing.assert_array_equal(variable.values, two[group][name].values, err_msg=f"{group}/{name}")
