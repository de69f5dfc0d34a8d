"""Energy of digital layers and of corrections at read-out; the reads that calibrate, train and verify."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stack3d.chip.chip import ComputingChip
from stack3d.chip.computer import Computer
from stack3d.layout import Floats
from stack3d.workload.counts import verify_energy


@dataclass(frozen=True, eq=False)
class Upkeep:
    """Work beside inferences: reads that calibrate corrections or train a layer, counted; in all, or per second.

    Parameters
    ----------
    reads : ndarray, shape (tiles,)
        Of each tile, in inferences.
    passes : float
        Of the digital layers, in inferences.
    macs : float
        Further digital multiply-accumulates.
    """

    reads: Floats
    passes: float = 0.0
    macs: float = 0.0

    def plus(self, other: Upkeep, times: float = 1.0) -> Upkeep:
        """Return this and `times` the other."""
        reads = self.reads + times * other.reads
        return Upkeep(reads, self.passes + times * other.passes, self.macs + times * other.macs)

    def per_second(self, before: Upkeep, seconds: float) -> Upkeep:
        """What has been added since `before`, over so many seconds."""
        added = self.plus(before, -1.0)
        return Upkeep(added.reads / seconds, added.passes / seconds, added.macs / seconds)

    def is_close(self, other: Upkeep) -> bool:
        """Whether it is the same but for rounding."""
        return bool(
            np.allclose(self.reads, other.reads, rtol=1e-12, atol=0.0)
            and np.allclose([self.passes, self.macs], [other.passes, other.macs], rtol=1e-12, atol=0.0)
        )


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


def calibration(chip: ComputingChip) -> Upkeep:
    """Reads of one calibration of corrections.

    Gains of layers read one-hot inputs, those of arrays their reference columns once; columns and converter ranges take the
    calibration inputs through the whole network each.
    """
    computer = chip.computer
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


def verify_energies(computer: Computer) -> dict[str, float]:
    """Energy of the read that follows every write pulse, by layer: one cell in the middle of its targets. [J]"""
    found = {}
    for name, matrix in computer.matrices.items():
        read = computer.devices[name].device.read
        charge = read.voltage**2 * float(np.mean(matrix.target_conductances())) * read.pulse
        found[name] = verify_energy(charge, computer.design.periphery, **computer.design.priced_bits)
    return found
