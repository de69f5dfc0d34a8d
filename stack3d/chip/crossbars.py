"""Crossbar matrices of a scenario: mapping, converters, wires and cells as its decks say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d import mvm
from stack3d.chip.computer import Computer
from stack3d.chip.design import Design
from stack3d.layout import Floats
from stack3d.schema import DeviceDeck
from stack3d.streams import MISMATCH
from stack3d.workload import WeightMatrix


def packed(layer: WeightMatrix, design: Design, deck: DeviceDeck) -> tuple[tuple[int, int], ...]:
    """Ranges of a layer's blocks that share arrays: as many as fit one, side by side on its diagonal; raises DeckError."""
    count, rows, columns = layer.blocks.shape
    if count == 1:
        return ((0, 1),)
    mapping, (height, width) = _mapping(design, deck), design.work.tile
    room = (width - mapping.reserved_columns) // mapping.columns_per_weight
    fit = max(1, min(height // rows, room // columns))
    return tuple((i, min(i + fit, count)) for i in range(0, count, fit))


def build_matrix(
    design: Design, name: str, weights: Floats, deck: DeviceDeck, largest: float | None = None
) -> mvm.AnalogMatrix:
    """Matrix of one network layer on cells of one device, converters not yet calibrated; raises DeckError.

    Parameters
    ----------
    design : Design
    name : str
        Of the matrix.
    weights : ndarray, shape (n_inputs, n_outputs)
        [-]
    deck : DeviceDeck
        Of the cells.
    largest : float, optional
        Weight at the end of the conductance window; absent = the largest of these. [-]
    """
    choice = design.mvm
    scale = deck.read.nonlinearity_voltage if choice.nonlinear_cells else None
    return mvm.AnalogMatrix.build(
        name,
        weights,
        _mapping(design, deck),
        design.work.tile,
        largest=largest,
        dac=mvm.Converter(choice.dac_bits),
        adc=mvm.Converter(choice.adc_bits),
        input_slice_bits=choice.input_slice_bits,
        read_voltage=deck.read.voltage,
        cell=mvm.SinhCell(scale) if scale and not choice.wire_resistance else None,
        wires=_wires(design),
    )


def _mapping(design: Design, deck: DeviceDeck) -> mvm.WeightMapping:
    choice = design.mvm
    compensation = design.lifetime.compensation
    return mvm.WeightMapping(
        deck.g_min,
        deck.g_max,
        choice.scheme,
        levels=choice.levels or deck.levels,
        slices=choice.slices,
        reference_columns=1 if compensation is not None and compensation.drift == "tile" else 0,
    )


def _wires(design: Design) -> mvm.Wires | None:
    choice = design.mvm
    if choice.wire_resistance == 0:
        return None
    return mvm.Wires(
        choice.wire_resistance,
        choice.wire_resistance,
        word_line_ends=choice.word_line_ends,
        bit_line_ends=choice.bit_line_ends,
        temperature_coefficient=choice.wire_temperature_coefficient,
    )


def error_powers(computer: Computer) -> dict[str, Floats]:
    """What the programming error of each cell costs: its error power at the outputs over the layer's signal power. [-]

    By layer, shape (devices, n_inputs, n_columns). Inputs are taken as uncorrelated with the mean squares of the calibration
    inputs; a slice counts by its weight, a state by the error of its write. Cells of offset and reference columns act on
    all outputs of an array: infinite.
    """
    powers = {}
    for name, m in computer.matrices.items():
        device, targets = computer.devices[name], m.target_conductances()
        sd = device.programming.error(targets, device.device)[1] if device.programming else 1.0
        drive = computer.mean_square_voltages[name][:, None]
        error = drive * (m.mapping.plane_weights[:, None, None] * m.weight_max * sd / m.mapping.window) ** 2
        powers[name] = np.broadcast_to(error / (np.sum(drive * m.weights**2) or 1.0), m.state_shape).copy()
        powers[name][..., m.n_outputs :] = np.inf
    return powers


def with_mismatch(design: Design, matrices: Mapping[str, mvm.AnalogMatrix]) -> dict[str, mvm.AnalogMatrix]:
    """Give every chip its own gain errors and offsets of converters."""
    choice, samples = design.mvm, design.chips
    if not (choice.adc_gain_sd or choice.adc_offset_sd):
        return dict(matrices)
    out = {}
    for index, (name, m) in enumerate(matrices.items()):
        shape = (samples.samples, len(m.row_blocks), m.readouts, m.n_columns)
        rng = np.random.default_rng([samples.seed, MISMATCH, index])
        adc = m.adc.with_mismatch(shape, rng, gain_sd=choice.adc_gain_sd, offset_sd=choice.adc_offset_sd)
        out[name] = replace(m, adc=adc)
    return out


def with_warm_wires(
    computer: Computer, temperatures: Mapping[str, float], seen: Mapping[str, Any]
) -> tuple[dict[str, mvm.AnalogMatrix], float]:
    """Wires at the mean temperature [K] of each layer's tiles; shared losses and their error where the design asks."""
    out, worst = {}, 0.0
    for name, m in computer.matrices.items():
        if isinstance(m.wires, mvm.Wires):
            m = replace(m, wires=m.wires.at(temperatures[name]))
            if computer.design.mvm.wires == "shared":
                m, error = mvm.share_wires(m, np.asarray(seen[name]))
                worst = max(worst, error)
        out[name] = m
    return out, worst
