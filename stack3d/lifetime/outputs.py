"""Temperatures and powers as output variables."""

from __future__ import annotations

from typing import Any

import numpy as np

from stack3d.lifetime import heat
from stack3d.lifetime.chip import Chip, Computer
from stack3d.lifetime.faces import channel_runs, hydraulics
from stack3d.thermal.problem import ThermalSolution
from stack3d.workload.power import pipeline

COMPONENTS = ("array", "dac", "adc", "digital", "leakage", "explicit")
"""Coordinate of the powers by component, in the order of the energies, then leakage and ``power.sources``."""


def thermal_values(chip: Chip, solution: ThermalSolution) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables of ``/thermal`` and their coordinates."""
    stack, scenario, field = chip.stack, chip.scenario, solution.field
    names = [layer.name for layer in stack.layers]
    peaks = {name: field.layer_peak(name) for name in names}
    heated = {source.layer for source in chip.sources}
    hottest = max(names, key=lambda n: (round(peaks[n][0], 9), n in heated))
    faces = ["top", "bottom", "sides", *(f for f in solution.face_heat if f not in ("top", "bottom", "sides"))]
    values: dict[str, Any] = {
        "thermal/layer_temperature_max": np.array([peaks[n][0] for n in names]),
        "thermal/layer_temperature_mean": np.array([field.layer_mean(n) for n in names]),
        "thermal/hot_spot": np.array(peaks[hottest][1]),
        "thermal/heat_in": solution.heat_in,
        "thermal/heat_out": solution.heat_out,
        "thermal/face_heat": np.array([solution.face_heat.get(f, 0.0) for f in faces]),
        "thermal/heat_balance_error": solution.balance,
        "thermal/thermal_resistance": (peaks[hottest][0] - scenario.cooling.ambient) / (solution.heat_in or np.nan),
    }
    coordinates: dict[str, Any] = {
        "layer": np.array(names),
        "axis": np.array(list("xyz")),
        "face": np.array(faces),
    }
    runs = channel_runs(stack)
    if runs:
        values["thermal/coolant_outlet_temperature"] = np.array([solution.outlets[run.name].mean() for run in runs])
        for name, of_runs in hydraulics(runs).items():
            values[f"thermal/{name}"] = np.array(of_runs)
        coordinates["cavity"] = np.array([run.layer for run in runs])
    tiers = [layer.name for layer in stack.with_role("rram")]
    if tiers:
        nx, ny = scenario.tier_map
        box = stack.layer(tiers[0]).extent
        values["thermal/temperature"] = np.array([field.map(n, nx, ny) for n in tiers])
        values["thermal/temperature_max"] = np.array([peaks[n][0] for n in tiers])
        values["thermal/temperature_mean"] = np.array([field.layer_mean(n) for n in tiers])
        coordinates |= {
            "tier": np.arange(len(tiers)),
            "x": box.x0 + (np.arange(nx) + 0.5) * (box.x1 - box.x0) / nx,
            "y": box.y0 + (np.arange(ny) + 0.5) * (box.y1 - box.y0) / ny,
        }
    if scenario.probes:
        values["thermal/probe_temperature"] = np.array([field.at(p.layer, p.x, p.y, p.z) for p in scenario.probes])
        coordinates["probe"] = np.array([p.name for p in scenario.probes])
    if scenario.maps:
        nx, ny = scenario.maps.grid
        values["thermal/map_temperature"] = np.array([field.map(n, nx, ny) for n in scenario.maps.layers])
        box = stack.layer(scenario.maps.layers[0]).extent
        coordinates |= {
            "map_layer": np.array(scenario.maps.layers),
            "map_x": box.x0 + (np.arange(nx) + 0.5) * (box.x1 - box.x0) / nx,
            "map_y": box.y0 + (np.arange(ny) + 0.5) * (box.y1 - box.y0) / ny,
        }
    return values, coordinates


def power_values(chip: Chip, computer: Computer, state: heat.Heat) -> dict[str, Any]:
    """Variables of ``/power`` for one thermal state."""
    work = chip.scenario.workload
    assert work is not None
    targets = {n: m.target_conductances() for n, m in computer.matrices.items()}
    timing = pipeline(computer.activities(targets), work.periphery, work.rate)
    nx, ny = chip.scenario.tier_map
    tiers = [layer.name for layer in chip.stack.with_role("rram")]
    density = np.zeros((len(tiers), ny, nx))
    box = chip.stack.layer(tiers[0]).extent
    xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
    area = (xs[1] - xs[0]) * (ys[1] - ys[0])
    for i, (layer, place) in enumerate(computer.places):
        share_x = np.clip(np.minimum(xs[1:], place.x1) - np.maximum(xs[:-1], place.x0), 0, None)
        share_y = np.clip(np.minimum(ys[1:], place.y1) - np.maximum(ys[:-1], place.y0), 0, None)
        watts = state.rate * state.energies["array"][i] * np.outer(share_y, share_x) / place.area
        density[tiers.index(layer)] += watts / area
    components = {name: state.rate * float(e.sum()) for name, e in state.energies.items()}
    components["leakage"] = float(state.static.sum())
    components["explicit"] = heat.total_power(chip.sources)
    return {
        "power/tile_power": state.tile_power,
        "power/component_power": np.array(list(components.values())),
        "power/power_density": density,
        "power/energy_per_inference": np.array([*(float(e.sum()) for e in state.energies.values()), np.nan, np.nan]),
        "power/latency": timing.latency,
        "power/highest_rate": timing.highest_rate,
        "power/utilisation": np.array([t.utilisation for t in computer.tiles]),
    }
