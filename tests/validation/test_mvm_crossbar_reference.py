"""Crossbars with wire resistance against an independent nodal solver, and the digits network on them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from digits_case import Digits

from stack3d.mvm import (
    AnalogMatrix,
    Converter,
    WeightMapping,
    Wires,
    effective_conductance,
    infer,
    read_weights,
    solve_crossbar,
)

CASES = 23


def load(reference: Path) -> list[tuple[str, dict[str, np.ndarray]]]:
    folder = reference / "cim" / "crossbar"
    names = [case["name"] for case in json.loads((folder / "cases.json").read_text())]
    return [(name, dict(np.load(folder / f"{name}.npz"))) for name in names]


def test_every_reference_network(reference):
    """Both routes (sparse nodal solve, block elimination) against stored currents, voltages and powers."""
    cases = load(reference)
    assert len(cases) == CASES
    for name, case in cases:
        wires = float(case["r_word_line"]), float(case["r_bit_line"])
        solution = solve_crossbar(case["resistances"], case["applied_voltages"], *wires)
        currents, largest = case["output_currents"], np.abs(case["output_currents"]).max()
        through = case["applied_voltages"].T @ effective_conductance(1.0 / case["resistances"], *wires)
        # promised 1e-9; the stored numbers themselves agree with a second solver to 7e-13
        np.testing.assert_allclose(solution.output_currents, currents, rtol=0, atol=2e-12 * largest, err_msg=name)
        np.testing.assert_allclose(through, currents, rtol=0, atol=2e-12 * largest, err_msg=name)
        assert np.abs(solution.power_balance).max() < 1e-12, name
        np.testing.assert_allclose(solution.word_line_voltages, case["word_line_voltages"], rtol=0, atol=1e-11, err_msg=name)
        np.testing.assert_allclose(solution.bit_line_voltages, case["bit_line_voltages"], rtol=0, atol=1e-11, err_msg=name)
        cells = case["device_currents"]
        np.testing.assert_allclose(solution.device_currents, cells, rtol=0, atol=1e-11 * np.abs(cells).max(), err_msg=name)
        for part, stored in (
            (solution.device_power, "power_devices"),
            (solution.word_line_power, "power_word_lines"),
            (solution.bit_line_power, "power_bit_lines"),
        ):
            # the stored wire power comes from differences of voltages: its error is that of the balance, up to 3e-12
            np.testing.assert_allclose(
                part.sum(axis=(0, 1)),
                case[stored],
                rtol=0,
                atol=1e-11 * case["power_sources"].max(),
                err_msg=f"{name} {stored}",
            )


@pytest.mark.parametrize("wire", [1, 5])
def test_digits_network_behind_wires(reference, wire):
    digits = Digits.load(reference)
    stored = np.load(reference / "cim" / "crossbar" / f"digits_irdrop_wl{wire}_bl{wire}.npz")
    mapping = WeightMapping(float(stored["g_min"]), float(stored["g_max"]), is_interleaved=False)
    ideal = Converter(None)
    matrices = {
        name: AnalogMatrix.build(name, weights, mapping, dac=ideal, adc=ideal, wires=Wires(wire, wire))
        for name, weights in digits.weights.items()
    }
    cells = {name: matrix.target_conductances() for name, matrix in matrices.items()}
    for name, key in (("first", "W1_eff"), ("second", "W2_eff")):
        state = matrices[name].prepare(cells[name], dtype=np.float64)
        np.testing.assert_allclose(read_weights(matrices[name], state).T, stored[key], rtol=0, atol=1e-11)  # promised 1e-8
    logits = infer(matrices, cells, digits.forward, digits.inputs.astype(np.float64), dtype=np.float64)
    largest = np.abs(stored["logits_test"]).max()
    np.testing.assert_allclose(logits, stored["logits_test"], rtol=0, atol=1e-11 * largest)  # promised 1e-8
