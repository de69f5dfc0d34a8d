"""Temperatures and powers as output variables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from stack3d.chip.chip import Chip, ComputingChip
from stack3d.fields import Output, registered
from stack3d.heat import energy
from stack3d.heat.channels import channel_runs, hydraulics
from stack3d.heat.state import Heat
from stack3d.layout import Floats, Rectangle
from stack3d.record import Record
from stack3d.thermal.backend import ThermalSolution
from stack3d.workload import power


class HeatOutput(Output, ABC):
    """An output variable of another package that a solved temperature tells; see `fields.outputs`."""

    @abstractmethod
    def of_heat(self, chip: Chip, solution: ThermalSolution, record: Record) -> None:
        """Put its variables into the `record`: of a steady case, of the first epoch, of each output of a transient."""


Peaks = Mapping[str, tuple[float, tuple[float, float, float]]]
"""Largest temperature of each layer [K] and where it is [m]."""


def thermal_values(chip: Chip, solution: ThermalSolution, *, outside: bool = True) -> Record:
    """Variables of ``/thermal`` and their coordinates, with those of other packages unless told without."""
    record = Record()
    peaks = {layer.name: solution.field.layer_peak(layer.name) for layer in chip.stack.layers}
    _put_layers(chip, solution, peaks, record)
    _put_channels(chip, solution, record)
    _put_tiers(chip, solution, peaks, record)
    _put_probes_and_maps(chip, solution, record)
    if outside:
        for output in registered(HeatOutput):  # type: ignore[type-abstract]  # chooses, makes none
            output.of_heat(chip, solution, record)
    return record


def _put_layers(chip: Chip, solution: ThermalSolution, peaks: Peaks, record: Record) -> None:
    """Temperatures of the layers, and the heat that goes in and out of the stack."""
    names, field = list(peaks), solution.field
    heated = {source.layer for source in chip.sources}
    hottest = max(names, key=lambda n: (round(peaks[n][0], 9), n in heated))
    faces = ["top", "bottom", "sides", *(f for f in solution.face_heat if f not in ("top", "bottom", "sides"))]
    record.along("layer", names)
    record.along("axis", list("xyz"))
    record.along("face", faces)
    record.put("thermal/layer_temperature_max", [peaks[n][0] for n in names])
    record.put("thermal/layer_hot_spot", [peaks[n][1] for n in names])
    record.put("thermal/layer_temperature_mean", [field.layer_mean(n) for n in names])
    record.put("thermal/layer_overshoot", [field.overshoot(n) for n in names])
    record.put("thermal/hot_spot", peaks[hottest][1])
    record.put("thermal/heat_in", solution.heat_in)
    record.put("thermal/heat_out", solution.heat_out)
    record.put("thermal/face_heat", [solution.face_heat.get(f, 0.0) for f in faces])
    record.put("thermal/heat_balance_error", solution.balance)
    record.put("thermal/thermal_resistance", _resistance(chip, solution, peaks[hottest][0]))


def _put_channels(chip: Chip, solution: ThermalSolution, record: Record) -> None:
    """Coolant of every cavity, where there are any."""
    runs = channel_runs(chip.stack)
    if not runs:
        return
    record.along("cavity", [run.layer for run in runs])
    record.put("thermal/coolant_outlet_temperature", [solution.outlets[run.name].mean() for run in runs])
    for name, of_runs in hydraulics(runs).items():
        record.put(f"thermal/{name}", of_runs)


def _put_tiers(chip: Chip, solution: ThermalSolution, peaks: Peaks, record: Record) -> None:
    """Maps, maxima and means of the tiers, where there are any."""
    tiers = [layer.name for layer in chip.stack.with_role("rram")]
    if not tiers:
        return
    (nx, ny), field = chip.scenario.tier_map, solution.field
    record.along("tier", range(len(tiers)))
    _along_boxes(record, chip.stack.layer(tiers[0]).extent, x=nx, y=ny)
    record.put("thermal/temperature", [field.map(n, nx, ny) for n in tiers])
    record.put("thermal/temperature_max", [peaks[n][0] for n in tiers])
    record.put("thermal/temperature_mean", [field.layer_mean(n) for n in tiers])


def _put_probes_and_maps(chip: Chip, solution: ThermalSolution, record: Record) -> None:
    """Temperatures that the scenario asks for by place."""
    probes, maps, field = chip.scenario.probes, chip.scenario.maps, solution.field
    if probes:
        record.along("probe", [p.name for p in probes])
        record.put("thermal/probe_temperature", [field.at(p.layer, p.x, p.y, p.z) for p in probes])
    if maps:
        nx, ny = maps.grid
        record.along("map_layer", maps.layers)
        _along_boxes(record, chip.stack.layer(maps.layers[0]).extent, map_x=nx, map_y=ny)
        record.put("thermal/map_temperature", [field.map(n, nx, ny) for n in maps.layers])


def _along_boxes(record: Record, box: Rectangle, **counts: int) -> None:
    """Coordinates of the centres of equal boxes, first along x, then along y. [m]"""
    for (name, count), (low, high) in zip(counts.items(), ((box.x0, box.x1), (box.y0, box.y1))):
        record.along(name, low + (np.arange(count) + 0.5) * (high - low) / count)


def _resistance(chip: Chip, solution: ThermalSolution, peak: float) -> float:
    """Rise over ambient per watt; NaN over time, and where a face or a coolant has a temperature or heat of its own. [K/W]"""
    ambient = chip.scenario.cooling.ambient
    faces = chip.scenario.cooling.conditions.values()
    is_ambient = all(not f.flux and f.thermoelectric is None and f.temperature in (None, ambient) for f in faces)
    is_ambient &= all(run.channels.inlet_temperature == ambient for run in channel_runs(chip.stack))
    if not is_ambient or chip.scenario.transient is not None or not solution.heat_in:
        return float("nan")
    return (peak - ambient) / solution.heat_in


def add_power(chip: ComputingChip, state: Heat, record: Record) -> None:
    """Put the variables of ``/power`` for one thermal state, and their coordinates, into the `record`."""
    computer, work = chip.computer, chip.computer.design.work
    targets = {n: m.target_conductances() for n, m in computer.matrices.items()}
    activities = computer.activities(targets)
    timing = power.pipeline(activities, work.periphery, work.rate, computer.activation_macs)
    record.along("component", power.COMPONENTS)
    add_conventional(chip, record)
    record.along("matrix", [layer.name for layer in computer.network.layers])
    record.along("tile", [f"{t.layer}[{t.index}]" for t in computer.tiles])
    record.beside("tile_site", "tile", [layer for layer, _ in computer.places])
    record.beside("tile_x", "tile", [box.centre[0] for _, box in computer.places])
    record.beside("tile_y", "tile", [box.centre[1] for _, box in computer.places])
    record.put("power/tile_power", state.tile_power)
    add_energy(chip, state, record)
    record.put("power/power_density", _density(chip, state))
    record.put("power/macs", computer.macs)
    record.put("power/latency", timing.latency)
    record.put("power/highest_rate", timing.highest_rate)
    record.put("power/utilisation", [t.utilisation for t in computer.tiles])
    for name, column in computer.mapping_table().items():
        record.put(f"power/matrix_{name}", column)


def add_energy(chip: ComputingChip, state: Heat, record: Record, writes: float = 0.0) -> None:
    """Put powers and energies by component for one thermal state into the `record`.

    Parameters
    ----------
    chip : ComputingChip
    state : Heat
    record : Record
    writes : float
        Energy of writes over the time in which they were made. [W]
    """
    record.put("power/component_power", energy.as_array(energy.component_powers(chip, state)))
    record.put("power/energy_per_inference", energy.as_array(energy.energy_per_inference(chip, state, writes)))
    rates = [energy.break_even_rate(chip, state, writes, machine) for machine in energy.machines_of(chip).values()]
    record.put("power/break_even_rate", rates)


def add_conventional(chip: ComputingChip, record: Record) -> None:
    """Put the conventional machine that the chip is compared with into the `record`."""
    machines, deck = energy.machines_of(chip), chip.computer.design.work.conventional
    record.along("machine", list(machines))
    record.put("power/conventional_energy", [m.energy for m in machines.values()])
    record.put("power/conventional_latency", [m.latency for m in machines.values()])
    record.put("power/conventional_leakage", [m.leakage for m in machines.values()])
    record.put("power/conventional_memory", chip.computer.weights * deck.weight_bits / 8)
    record.put("power/conventional_technology", deck.technology)


def _density(chip: ComputingChip, state: Heat) -> Floats:
    """Array power per area in each box of the tier maps. [W m⁻²]"""
    nx, ny = chip.scenario.tier_map
    tiers = [layer.name for layer in chip.stack.with_role("rram")]
    density = np.zeros((len(tiers), ny, nx))
    box = chip.stack.layer(tiers[0]).extent
    xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
    area = (xs[1] - xs[0]) * (ys[1] - ys[0])
    for i, (layer, place) in enumerate(chip.computer.places):
        share_x = np.clip(np.minimum(xs[1:], place.x1) - np.maximum(xs[:-1], place.x0), 0, None)
        share_y = np.clip(np.minimum(ys[1:], place.y1) - np.maximum(ys[:-1], place.y0), 0, None)
        density[tiers.index(layer)] += state.powers["array"][i] * np.outer(share_y, share_x) / place.area / area
    return density
