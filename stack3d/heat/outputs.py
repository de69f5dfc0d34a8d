"""Temperatures and powers as output variables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np

from stack3d.chip import Chip
from stack3d.fields import Output, nothing, outputs, registered
from stack3d.heat.loads import channel_runs, hydraulics
from stack3d.layout import Floats, Rectangle
from stack3d.record import Record
from stack3d.thermal import Field, ThermalSolution


class HeatOutput(Output, ABC):
    """An output variable of another package that a solved temperature tells; see `fields.outputs`."""

    @abstractmethod
    def of_heat(self, chip: Chip, solution: ThermalSolution, record: Record) -> None:
        """Put its variables into the `record`: of a steady case, of the first epoch, of each output of a transient."""


outputs.hold(Output, {"of_heat": nothing})

EDGES = ("x0", "x1", "y0", "y1")
"""Of a box. [m]"""


def thermal_values(chip: Chip, solution: ThermalSolution, *, outside: bool = True) -> Record:
    """Variables of ``/thermal`` and their coordinates, with those of other packages unless told without."""
    record = temperatures(chip, solution)
    _put_heat(chip, solution, record)
    if outside:
        for who, output in registered(HeatOutput):  # type: ignore[type-abstract]  # chooses, makes none
            with record.made_by(who, type(output), chip, solution):
                output.of_heat(chip, solution, record)
    return record


def compared_values(chip: Chip, solution: ThermalSolution) -> Record:
    """What answers on two meshes differ in: `temperatures`, and those of other packages, which may look at all the rest."""
    return thermal_values(chip, solution) if registered(HeatOutput) else temperatures(chip, solution)  # type: ignore[type-abstract]


def temperatures(chip: Chip, solution: ThermalSolution) -> Record:
    """The temperatures of `thermal_values` alone, and how maxima lie between nodes."""
    record = Record()
    _put_layers(chip, solution, record)
    _put_channels(chip, solution, record)
    _put_tiers(chip, solution, record)
    _put_probes_and_maps(chip, solution, record)
    return record


def _put_layers(chip: Chip, solution: ThermalSolution, record: Record) -> None:
    """Temperatures of the layers."""
    names, field = [layer.name for layer in chip.stack.named], solution.field
    highest = [field.layer_max(n) for n in names]
    record.along("layer", names)
    record.put("thermal/layer_temperature_max", highest)
    record.put("thermal/layer_temperature_mean", [field.layer_mean(n) for n in names])
    record.put("thermal/layer_between_nodes", [field.between_nodes(n) for n in names])
    record.put("thermal/layer_between_levels", [field.between_levels(n) for n in names])
    record.put("thermal/peak_temperature", max(highest))


def _put_heat(chip: Chip, solution: ThermalSolution, record: Record) -> None:
    """Where layers are hottest, and the heat that goes in and out of the stack."""
    peaks = {layer.name: solution.field.layer_peak(layer.name) for layer in chip.stack.named}
    names, field = list(peaks), solution.field
    heated = {source.layer for source in chip.sources}
    hottest = max(names, key=lambda n: (round(peaks[n][0], 9), n in heated))
    faces = ["top", "bottom", "sides", *(f for f in solution.face_heat if f not in ("top", "bottom", "sides"))]
    record.along("axis", list("xyz"))
    record.along("face", faces)
    record.put("thermal/layer_hot_spot", [peaks[n][1] for n in names])
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
    record.along("cavity", [run.label for run in runs])
    record.put("thermal/coolant_outlet_temperature", [solution.outlets[run.name].mean() for run in runs])
    for name, of_runs in hydraulics(runs).items():
        record.put(f"thermal/{name}", of_runs)


def _put_tiers(chip: Chip, solution: ThermalSolution, record: Record) -> None:
    """Maps, maxima and means of the tiers, where there are any."""
    tiers = [layer.name for layer in chip.stack.with_role("rram")]
    if not tiers:
        return
    (nx, ny), field = chip.scenario.tier_map, solution.field
    record.along("tier", range(len(tiers)))
    _along_boxes(record, chip, tiers[0], x=nx, y=ny)
    record.put("thermal/temperature", [field.map(n, nx, ny) for n in tiers])
    record.put("thermal/temperature_max", [field.layer_max(n) for n in tiers])
    record.put("thermal/temperature_mean", [field.layer_mean(n) for n in tiers])


def _put_probes_and_maps(chip: Chip, solution: ThermalSolution, record: Record) -> None:
    """Temperatures that the scenario asks for by place."""
    probes, maps, field = chip.scenario.probes, chip.scenario.maps, solution.field
    if probes:
        record.along("probe", [p.name for p in probes])
        record.put("thermal/probe_temperature", [field.at(p.layer, p.x, p.y, p.z) for p in probes])
    if maps and maps.grid:
        nx, ny = maps.grid
        record.along("map_layer", maps.layers)
        _along_boxes(record, chip, maps.layers[0], map_x=nx, map_y=ny)
        record.put("thermal/map_temperature", [field.map(n, nx, ny) for n in maps.layers])
        record.along("edge", EDGES)
        record.put("thermal/map_extent", [astuple(chip.stack.layer(n).extent) for n in maps.layers])
    if maps and maps.sources and chip.sources:
        _put_blocks(chip, solution, record)


def _put_blocks(chip: Chip, solution: ThermalSolution, record: Record) -> None:
    """Means of the boxes of the heat sources, and where they are."""
    found = means_of(solution.field, [(source.layer, source.extent) for source in chip.sources])
    record.along("block", [source.name for source in chip.sources])
    record.along("edge", EDGES)
    record.put("thermal/block_temperature", found)
    record.put("thermal/block_extent", [astuple(source.extent) for source in chip.sources])
    record.put("thermal/block_layer", [float(chip.stack.index[source.layer]) for source in chip.sources])


def means_of(field: Field, boxes: Sequence[tuple[str, Rectangle]]) -> Floats:
    """Means over boxes through the full thickness of their layers, shape (len(boxes),). [K]"""
    found = np.empty(len(boxes))
    for name in dict.fromkeys(layer for layer, _ in boxes):
        mine = [i for i, (layer, _) in enumerate(boxes) if layer == name]
        found[mine] = field.box_means(name, [boxes[i][1] for i in mine])
    return found


def _along_boxes(record: Record, chip: Chip, layer: str, **counts: int) -> None:
    """Coordinates of the centres of equal boxes of a layer, first along x, then along y. [m]"""
    box = chip.stack.layer(layer).extent
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
