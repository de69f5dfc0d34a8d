"""What an inference costs: logic and corrections, all that the chip draws included, and what it costs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stack3d.chip import Computer, ComputingChip
from stack3d.heat.loads.thermal_state import Heat, Upkeep
from stack3d.layout import Floats, HeatSource
from stack3d.record import Record
from stack3d.workload import COMPONENTS, Machine, conventional, layer_latencies, pipeline, priced, verify_energy


def digital_energies(chip: ComputingChip) -> dict[str, float]:
    """Energy per inference of the logic: layers that stay digital with corrections, and products of two activations. [J]"""
    computer = chip.computer
    layers = computer.digital_macs - computer.activation_macs + correction_macs(chip)
    price = computer.design.periphery.digital_mac
    return {"digital_layers": layers * price, "activations": computer.activation_macs * price}


def correction_macs(chip: ComputingChip) -> float:
    """Multiply-adds per inference of ``lifetime.compensation``.

    One per output of a layer, or of each of its arrays where those have factors of their own; with `input_sums` one more per
    output, and one per input for the sum. The reads that calibrate are those of `calibration`.
    """
    fix = chip.computer.design.lifetime.compensation
    if fix is None:
        return 0.0
    total = 0.0
    for name, matrix in chip.computer.matrices.items():
        of_arrays = fix.drift == "tile" or fix.temperature_gain
        per_output = len(matrix.row_blocks) * of_arrays + (fix.drift == "layer" or fix.columns) + fix.input_sums
        total += chip.computer.products[name] * (per_output * matrix.n_outputs + fix.input_sums * matrix.n_inputs)
    return total


def calibration(computer: Computer) -> Upkeep:
    """Reads of one calibration of corrections.

    Gains of layers read one-hot inputs, those of arrays their reference columns once; columns and converter ranges take the
    calibration inputs through the whole network each.
    """
    fix = computer.design.lifetime.compensation
    if fix is None:
        return Upkeep(np.zeros(len(computer.tiles)))
    passes = float(len(computer.data.profile) * (fix.columns + fix.recalibrate))
    effort = np.full(len(computer.tiles), passes)
    for name, matrix in computer.matrices.items():
        vectors = {"none": 0, "tile": 1, "layer": matrix.n_inputs}[fix.drift]
        for i, _ in computer.tiles_of(name):
            effort[i] += vectors / computer.products[name]
    return Upkeep(effort, passes)


def least_time(computer: Computer, upkeep: Upkeep) -> float:
    """Time that reads which calibrate or train take at least: that of the layer which reads longest. [s]"""
    activities = computer.activities(computer.targets)
    layers = layer_latencies(activities, computer.design.periphery)
    tiles = zip(computer.tiles, upkeep.reads)
    return max(float(reads) * layers[activity.layer or tile.layer] for (tile, reads), activity in zip(tiles, activities))


def verify_energies(computer: Computer) -> dict[str, float]:
    """Energy of the read that follows every write pulse, by layer: one cell in the middle of its targets. [J]"""
    found = {}
    for name, matrix in computer.matrices.items():
        read = computer.devices[name].device.read
        charge = read.voltage**2 * float(np.mean(matrix.target_conductances())) * read.pulse
        found[name] = verify_energy(charge, computer.design.periphery, **computer.design.priced_bits)
    return found


def total_power(sources: Sequence[HeatSource]) -> float:
    """Sum of powers. [W]"""
    return float(sum(s.power for s in sources))


def dynamic_energies(chip: ComputingChip, heat: Heat) -> dict[str, float]:
    """Energy of one inference by component that goes with the rate, counts times prices. [J]"""
    design = chip.computer.design
    return priced(heat.activities, design.periphery, **design.priced_bits) | digital_energies(chip)


def upkeep_energy(chip: ComputingChip, heat: Heat, upkeep: Upkeep | None) -> float:
    """Energy of calibrations and trainings, reads and logic; of those per second, their power. [J]"""
    design = chip.computer.design
    if upkeep is None:
        return 0.0
    reads = sum(
        float(n) * sum(priced([activity], design.periphery, **design.priced_bits).values())
        for n, activity in zip(upkeep.reads, heat.activities)
        if n
    )
    return reads + upkeep.passes * sum(digital_energies(chip).values()) + upkeep.macs * design.periphery.digital_mac


def energy_per_inference(chip: ComputingChip, heat: Heat, writes: float = 0.0) -> dict[str, float]:
    """Energy of one inference by component, its share of what the chip draws at rest included. [J]

    Where the chip makes no inference, what stands still costs infinitely much per inference unless it is nothing, and the rest
    is what one would cost.

    Parameters
    ----------
    chip : ComputingChip
    heat : Heat
    writes : float
        Energy of writes over the time in which they were made. [W]
    """
    standing = {
        "calibration": upkeep_energy(chip, heat, heat.upkeep),
        "write": writes,
        "leakage": float(heat.powers["leakage"].sum()),
    }
    return dynamic_energies(chip, heat) | {name: per_inference(watts, heat.rate) for name, watts in standing.items()}


def per_inference(watts: float, rate: float) -> float:
    """Energy that each inference bears of a power; infinite where there is none to bear it. [J]"""
    if rate > 0:
        return watts / rate
    return float("inf") if watts > 0 else 0.0


def component_powers(chip: ComputingChip, heat: Heat) -> dict[str, float]:
    """Power by component as it enters conduction. [W]"""
    watts = {name: float(p.sum()) for name, p in heat.powers.items()}
    watts |= {name: heat.rate * energy for name, energy in digital_energies(chip).items()}
    return watts | {"explicit": total_power(chip.sources)}


def break_even_rate(chip: ComputingChip, heat: Heat, writes: float, machine: Machine) -> float:
    """Rate above which the chip draws less than a conventional machine; 0 = at any, infinite = at none. [1/s]

    Where an inference costs the chip more and standing still less, it draws less below a rate, which is given as negative.

    Parameters
    ----------
    chip : ComputingChip
    heat : Heat
    writes : float
        Energy of writes over the time in which they were made. [W]
    machine : Machine
    """
    moving = sum(dynamic_energies(chip, heat).values())
    resting = writes + upkeep_energy(chip, heat, heat.upkeep) + float(heat.powers["leakage"].sum())
    more, saved = resting - machine.leakage, machine.energy - moving
    if saved > 0:
        return max(0.0, more / saved)
    if more >= 0:
        return float("inf")
    return -more / saved if saved < 0 else 0.0


def machines_of(chip: ComputingChip) -> dict[str, Machine]:
    """The conventional machine with its weights in either memory."""
    computer = chip.computer
    return conventional(computer.design.work.conventional, computer.macs, computer.weights)


def as_array(parts: dict[str, float]) -> Floats:
    """Values by component in the order of the dataset; explicit sources are no part of an inference."""
    return np.array([parts.get(name, 0.0) for name in COMPONENTS])


def add_power(chip: ComputingChip, state: Heat, record: Record) -> None:
    """Put the variables of ``/power`` for one thermal state, and their coordinates, into the `record`."""
    computer, work = chip.computer, chip.computer.design.work
    activities = computer.activities(computer.targets)
    timing = pipeline(activities, work.periphery, work.rate, computer.activation_macs)
    record.along("component", COMPONENTS)
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
    record.put("power/component_power", as_array(component_powers(chip, state)))
    record.put("power/energy_per_inference", as_array(energy_per_inference(chip, state, writes)))
    rates = [break_even_rate(chip, state, writes, machine) for machine in machines_of(chip).values()]
    record.put("power/break_even_rate", rates)


def add_conventional(chip: ComputingChip, record: Record) -> None:
    """Put the conventional machine that the chip is compared with into the `record`."""
    machines, deck = machines_of(chip), chip.computer.design.work.conventional
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
    for i, (layer, place) in enumerate(chip.computer.places):
        box = chip.stack.layer(layer).extent
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        area = (xs[1] - xs[0]) * (ys[1] - ys[0])
        share_x = np.clip(np.minimum(xs[1:], place.x1) - np.maximum(xs[:-1], place.x0), 0, None)
        share_y = np.clip(np.minimum(ys[1:], place.y1) - np.maximum(ys[:-1], place.y0), 0, None)
        density[tiers.index(layer)] += state.powers["array"][i] * np.outer(share_y, share_x) / place.area / area
    return density
