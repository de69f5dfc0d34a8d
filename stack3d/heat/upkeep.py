"""Energy of digital layers, of corrections at read-out and of the reads that calibrate them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stack3d.chip.chip import Chip
from stack3d.layout import Floats
from stack3d.workload import power


def digital_energy(chip: Chip) -> float:
    """Energy per inference of the layers that stay digital, and of the corrections at read-out. [J]"""
    work = chip.scenario.workload
    if chip.computer is None or work is None:
        return 0.0
    return (chip.computer.digital_macs + correction_macs(chip)) * work.periphery.digital_mac


def correction_macs(chip: Chip) -> float:
    """Multiply-adds per inference of ``lifetime.compensation``.

    One per output of a layer, or of each of its arrays where those have factors of their own; with `input_sums` one more per
    output, and one per input for the sum. The reads that calibrate are those of `calibration_energy`.
    """
    fix = chip.scenario.lifetime.compensation if chip.scenario.lifetime is not None else None
    if fix is None or chip.computer is None:
        return 0.0
    total = 0.0
    for name, matrix in chip.computer.matrices.items():
        of_arrays = fix.drift == "tile" or fix.temperature_gain
        per_output = len(matrix.row_blocks) * of_arrays + (fix.drift == "layer" or fix.columns) + fix.input_sums
        total += chip.computer.products[name] * (per_output * matrix.n_outputs + fix.input_sums * matrix.n_inputs)
    return total


def calibration_energy(chip: Chip, powers: Mapping[str, Floats], rate: float) -> float:
    """Energy of the reads of one calibration for ``lifetime.compensation``; none of a chip that computes nothing. [J]

    Gains of layers read one-hot inputs, those of arrays their reference columns once; columns and converter ranges take the
    calibration inputs through the whole network each. The heat of these reads is left out: they are few.

    Parameters
    ----------
    chip : Chip
    powers : mapping of str to ndarray, shape (tiles,)
        By component. [W]
    rate : float
        Inferences per second of these powers. [1/s]
    """
    fix = chip.scenario.lifetime.compensation if chip.scenario.lifetime is not None else None
    if fix is None or chip.computer is None or not rate:
        return 0.0
    computer = chip.computer
    inference = np.sum([powers[name] for name in power.DYNAMIC], axis=0) / rate
    total = len(computer.data.profile) * (fix.columns + fix.recalibrate) * float(inference.sum())
    for name, matrix in computer.matrices.items():
        product = sum(float(inference[i]) for i, _ in computer.tiles_of(name)) / computer.products[name]
        total += product * {"none": 0, "tile": 1, "layer": matrix.n_inputs}[fix.drift]
    return total
