"""Energy of digital layers, of corrections at read-out and of the reads that calibrate them."""

from __future__ import annotations

import numpy as np

from stack3d.chip.chip import ComputingChip
from stack3d.layout import Floats


def digital_energies(chip: ComputingChip) -> dict[str, float]:
    """Energy per inference of the logic: layers that stay digital with corrections, and products of two activations. [J]"""
    computer = chip.computer
    layers = computer.digital_macs - computer.activation_macs + correction_macs(chip)
    price = computer.design.periphery.digital_mac
    return {"digital_layers": layers * price, "activations": computer.activation_macs * price}


def correction_macs(chip: ComputingChip) -> float:
    """Multiply-adds per inference of ``lifetime.compensation``.

    One per output of a layer, or of each of its arrays where those have factors of their own; with `input_sums` one more per
    output, and one per input for the sum. The reads that calibrate are those of `calibration_effort`.
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


def calibration_effort(chip: ComputingChip) -> tuple[Floats, float]:
    """Reads of one calibration of corrections, in inferences: of each tile, shape (tiles,), and of the logic. [-]

    Gains of layers read one-hot inputs, those of arrays their reference columns once; columns and converter ranges take the
    calibration inputs through the whole network each.
    """
    computer = chip.computer
    fix = computer.design.lifetime.compensation
    if fix is None:
        return np.zeros(len(computer.tiles)), 0.0
    passes = float(len(computer.data.profile) * (fix.columns + fix.recalibrate))
    effort = np.full(len(computer.tiles), passes)
    for name, matrix in computer.matrices.items():
        vectors = {"none": 0, "tile": 1, "layer": matrix.n_inputs}[fix.drift]
        for i, _ in computer.tiles_of(name):
            effort[i] += vectors / computer.products[name]
    return effort, passes


def calibrations(chip: ComputingChip, start: float, end: float) -> int:
    """Calibrations in [start, end): one at every multiple of their period; that of the programmed chip is not among them."""
    fix = chip.computer.design.lifetime.compensation
    if fix is None or not any((fix.drift != "none", fix.columns, fix.recalibrate)):
        return 0
    slack = 1 - 1e-9  # a quotient that rounding has put above a whole number is that number
    first, beyond = (max(1, int(np.ceil(t / fix.period * slack))) for t in (start, end))
    return max(0, beyond - first)
