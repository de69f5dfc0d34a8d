"""Temperatures and powers as output variables."""

from __future__ import annotations

from typing import Any

import numpy as np

from stack3d.chip.chip import Chip
from stack3d.chip.computer import Computer
from stack3d.heat.channels import channel_runs, hydraulics
from stack3d.heat.sources import total_power
from stack3d.heat.state import Heat
from stack3d.heat.upkeep import digital_energy
from stack3d.layout import Floats
from stack3d.thermal.backend import ThermalSolution
from stack3d.workload import power


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
        "thermal/layer_overshoot": np.array([field.overshoot(n) for n in names]),
        "thermal/hot_spot": np.array(peaks[hottest][1]),
        "thermal/heat_in": solution.heat_in,
        "thermal/heat_out": solution.heat_out,
        "thermal/face_heat": np.array([solution.face_heat.get(f, 0.0) for f in faces]),
        "thermal/heat_balance_error": solution.balance,
        "thermal/thermal_resistance": _resistance(chip, solution, peaks[hottest][0]),
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


def _resistance(chip: Chip, solution: ThermalSolution, peak: float) -> float:
    """Rise over ambient per watt; NaN over time, and where a face or a coolant has a temperature or heat of its own. [K/W]"""
    ambient = chip.scenario.cooling.ambient
    faces = chip.scenario.cooling.conditions.values()
    is_ambient = all(not f.flux and f.thermoelectric is None and f.temperature in (None, ambient) for f in faces)
    is_ambient &= all(run.channels.inlet_temperature == ambient for run in channel_runs(chip.stack))
    if not is_ambient or chip.scenario.transient is not None or not solution.heat_in:
        return float("nan")
    return (peak - ambient) / solution.heat_in


def power_values(chip: Chip, computer: Computer, state: Heat) -> dict[str, Any]:
    """Variables of ``/power`` for one thermal state."""
    work = chip.scenario.workload
    assert work is not None
    targets = {n: m.target_conductances() for n, m in computer.matrices.items()}
    activities = computer.activities(targets)
    timing = power.pipeline(activities, work.periphery, work.rate, computer.activation_macs)
    watts = {name: float(p.sum()) for name, p in state.powers.items()}
    watts |= {"digital_layers": state.rate * digital_energy(chip), "explicit": total_power(chip.sources)}
    rate = state.rate or np.nan
    machine = power.conventional_energies(work.conventional, computer.macs, computer.weights)
    return {
        "power/tile_power": state.tile_power,
        "power/component_power": np.array([watts[name] for name in power.COMPONENTS]),
        "power/power_density": _density(chip, computer, state),
        "power/energy_per_inference": np.array(
            [watts[n] / rate if n in (*power.DYNAMIC, "digital_layers") else np.nan for n in power.COMPONENTS]
        ),
        "power/conventional_energy": np.array(list(machine.values())),
        "power/macs": computer.macs,
        "power/latency": timing.latency,
        "power/highest_rate": timing.highest_rate,
        "power/utilisation": np.array([t.utilisation for t in computer.tiles]),
        **{f"power/matrix_{name}": column for name, column in mapping_table(chip, computer).items()},
    }


def _density(chip: Chip, computer: Computer, state: Heat) -> Floats:
    """Array power per area in each box of the tier maps. [W m⁻²]"""
    nx, ny = chip.scenario.tier_map
    tiers = [layer.name for layer in chip.stack.with_role("rram")]
    density = np.zeros((len(tiers), ny, nx))
    box = chip.stack.layer(tiers[0]).extent
    xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
    area = (xs[1] - xs[0]) * (ys[1] - ys[0])
    for i, (layer, place) in enumerate(computer.places):
        share_x = np.clip(np.minimum(xs[1:], place.x1) - np.maximum(xs[:-1], place.x0), 0, None)
        share_y = np.clip(np.minimum(ys[1:], place.y1) - np.maximum(ys[:-1], place.y0), 0, None)
        density[tiers.index(layer)] += state.powers["array"][i] * np.outer(share_y, share_x) / place.area / area
    return density


def mapping_table(chip: Chip, computer: Computer) -> dict[str, Any]:
    """One row per analog layer: its matrix, where it went and what it does per inference."""
    work = chip.scenario.workload
    assert work is not None
    targets = {n: m.target_conductances() for n, m in computer.matrices.items()}
    busy = power.layer_latencies(computer.activities(targets), work.periphery)
    rows = []
    for layer in computer.network.layers:
        names = computer.network.copies[layer.name]
        share = {part.name: 1 / (part.stop - part.start) for part in computer.network.matrices(layer.name)}
        mine = [t for t in computer.tiles if t.layer in share]
        used = float(np.mean([t.utilisation * share[t.layer] for t in mine]))
        products = sum(computer.products[part.name] for name in names for part in computer.network.parts(layer.name, name)[:1])
        rows.append((layer.n_inputs, layer.n_outputs, len(names), len(mine), products, used, busy[layer.name]))
    columns = ("rows", "columns", "copies", "tiles", "products", "utilisation", "latency")
    return {name: np.array(column) for name, column in zip(columns, zip(*rows))}


def workload_coordinates(chip: Chip, computer: Computer) -> dict[str, Any]:
    """Coordinates of ``/power``."""
    return {
        "component": np.array(power.COMPONENTS),
        "machine": np.array(["dram", "sram"]),
        "matrix": np.array([layer.name for layer in computer.network.layers]),
        "tile": np.array([f"{t.layer}[{t.index}]" for t in computer.tiles]),
        "tile_site": ("tile", np.array([layer for layer, _ in computer.places])),
        "tile_x": ("tile", np.array([box.centre[0] for _, box in computer.places])),
        "tile_y": ("tile", np.array([box.centre[1] for _, box in computer.places])),
    }
