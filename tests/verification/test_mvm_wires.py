"""Crossbar circuits against closed forms, dense linear algebra and each other."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.errors import ArrayError, DeckError
from stack3d.mvm import SinhCell, Wires, effective_conductance, ohmic_error, solve_crossbar

RNG_SEED = 7


def cells(rows: int, columns: int, seed: int = RNG_SEED) -> np.ndarray:
    g = np.random.default_rng(seed).uniform(1e-6, 1e-3, (rows, columns))
    g[0, -1] = 0.0  # an open cell
    return g


def test_single_cell_is_three_resistors():
    g = effective_conductance(np.array([[1e-3]]), 10.0, 30.0)
    np.testing.assert_allclose(g, 1.0 / (10.0 + 1000.0 + 30.0), rtol=1e-14)
    both = effective_conductance(np.array([[1e-3]]), 10.0, 30.0, word_line_ends=2, bit_line_ends=2)
    np.testing.assert_allclose(both, 1.0 / (5.0 + 1000.0 + 15.0), rtol=1e-14)


def test_row_of_two_cells_by_hand():
    """Perfect bit lines: one ladder of source resistor, cell, resistor, cell."""
    r, a, b = 100.0, 1000.0, 2000.0
    tail = 1.0 / (1.0 / a + 1.0 / (r + b))
    node = tail / (r + tail)
    expected = [node / a, node / (r + b)]
    np.testing.assert_allclose(effective_conductance(np.array([[1 / a, 1 / b]]), r, 0.0)[0], expected, rtol=1e-14)


def test_uniform_column_decays_as_a_ladder():
    """Word lines perfect, all cells equal, one column: the classical resistive ladder, hyperbolic in the row."""
    n, r, g = 40, 50.0, 1e-3
    k = np.arccosh(1.0 + r * g / 2.0)
    # unit voltage at row i alone: I_out(i) = g · cosh(k (i + 1/2)) / cosh(k (n + 1/2))
    expected = g * np.cosh(k * (np.arange(n) + 0.5)) / np.cosh(k * (n + 0.5))
    np.testing.assert_allclose(effective_conductance(np.full((n, 1), g), 0.0, r)[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (12, 9), (9, 12)])
@pytest.mark.parametrize("ends", [(1, 1), (1, 2), (2, 1), (2, 2)])
@pytest.mark.parametrize("wires", [(2.0, 3.0), (0.0, 3.0), (2.0, 0.0), (0.0, 0.0), (1e-9, 1e-9), (4e3, 2e3)])
def test_two_routes_agree_and_power_balances(shape, ends, wires):
    g = cells(*shape)
    kinds = {"word_line_ends": ends[0], "bit_line_ends": ends[1]}
    with np.errstate(divide="ignore"):
        solution = solve_crossbar(1.0 / g, np.eye(shape[0]), *wires, **kinds)
    effective = effective_conductance(g, *wires, **kinds)
    # lines of 4 kohm leave 1e-4 of the current: rounding of the largest entry
    np.testing.assert_allclose(effective, solution.output_currents, rtol=0, atol=1e-12 * g.max())
    tolerance = 1e-6 if wires[0] == 1e-9 else 1e-9  # two-ended lines of 1e-9 ohm: their own heat drowns in rounding
    assert np.abs(solution.power_balance).max() < tolerance
    assert solution.device_power.min() >= 0.0


def test_zero_resistance_is_the_limit_of_small():
    g = cells(10, 8)
    near = effective_conductance(g, 1e-7, 1e-7)
    np.testing.assert_array_equal(effective_conductance(g, 0.0, 0.0), g)
    assert np.abs(near - g).max() / g.max() < 1e-7 * 18 * 18 * g.max()  # longest path times current of a whole line


def test_more_wire_never_more_current():
    g = cells(16, 16)
    totals = [effective_conductance(g, r, r).sum() for r in (0.0, 0.1, 1.0, 10.0, 100.0)]
    assert np.all(np.diff(totals) < 0.0)


def test_two_ends_lie_between_one_end_and_none_lost():
    g = cells(16, 16)
    one, two = effective_conductance(g, 5.0, 5.0), effective_conductance(g, 5.0, 5.0, word_line_ends=2, bit_line_ends=2)
    assert one.sum() < two.sum() < g.sum()


@pytest.mark.parametrize(("word", "bit"), [(np.inf, 1.0), (1.0, np.inf), (np.inf, np.inf)])
def test_broken_lines_carry_nothing(word, bit):
    g = cells(4, 3)
    assert not effective_conductance(g, word, bit).any()
    with np.errstate(divide="ignore"):
        solution = solve_crossbar(1.0 / g, np.ones(4), word, bit)
    assert not solution.output_currents.any()
    assert np.all(solution.word_line_voltages == (0.0 if np.isinf(word) else 1.0))


def test_wires_warm_up():
    copper = Wires(2.0, 4.0, temperature_coefficient=0.004, reference_temperature=300.0)
    hot = copper.at(350.0)
    assert (hot.r_word_line, hot.r_bit_line) == pytest.approx((2.4, 4.8), rel=1e-12)
    back = hot.at(300.0)
    assert (back.r_word_line, back.r_bit_line) == pytest.approx((2.0, 4.0), rel=1e-12)
    with pytest.raises(DeckError, match="times their resistance"):
        copper.at(1.0)


@pytest.mark.parametrize(("wire", "bound"), [(1.0, 0.03), (5.0, 0.14)])
def test_noise_behind_wires_against_exact_sensitivities(wire, bound):
    """dI_j / dG_kl is the cell's voltage times its voltage when unit voltage drives output j backwards (reciprocity)."""
    rng = np.random.default_rng(0)
    g, v = rng.uniform(4e-7, 40e-6, (64, 64)), rng.uniform(0.0, 0.2, 64)
    forward = solve_crossbar(1.0 / g, v, wire, wire)
    across = (forward.word_line_voltages - forward.bit_line_voltages)[..., 0]
    backward = solve_crossbar(1.0 / g[::-1, ::-1].T, np.eye(64), wire, wire)
    adjoint = np.swapaxes(backward.word_line_voltages - backward.bit_line_voltages, 0, 1)[::-1, ::-1, ::-1]
    exact = np.sqrt(np.sum((across[..., None] * adjoint * 0.05 * g[..., None]) ** 2, axis=(0, 1)))
    ours = np.sqrt(v**2 @ (0.05 * effective_conductance(g, wire, wire)) ** 2)
    np.testing.assert_allclose(ours, exact, rtol=bound)


def test_nonlinear_single_cell_solves_its_equation():
    """One cell of V0 ln-law behind 2 kohm: Newton's root against bisection."""
    law, r, g, v = SinhCell(0.3), 2000.0, 1e-3, 1.0
    solution = solve_crossbar(np.array([[1.0 / g]]), np.array([v]), r / 2, r / 2, cell=law)
    low, high = 0.0, v
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if g * 0.3 * np.sinh(middle / 0.3) < (v - middle) / r else (low, middle)
    np.testing.assert_allclose(solution.output_currents[0, 0], (v - low) / r, rtol=1e-12)
    assert abs(solution.power_balance[0]) < 1e-12


def test_nonlinear_array_tends_to_ohmic_at_small_voltage():
    """The leading error of the ohmic view is V² / 6 V0²: it falls fourfold when the voltage halves."""
    r = 1.0 / np.random.default_rng(RNG_SEED).uniform(1e-5, 1e-4, (8, 8))
    law = SinhCell(0.3)
    errors = [ohmic_error(r, np.full(8, v), 1.0, 1.0, law) for v in (0.08, 0.04, 0.02)]
    np.testing.assert_allclose(np.diff(np.log2(errors)), -2.0, atol=0.02)  # next term: (V / V0)² / 10 of the first
    assert errors[-1] == pytest.approx((0.02 / 0.3) ** 2 / 6.0, rel=0.1)  # lines take up to some per cent of the voltage


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resistances": np.array([[1e4, np.nan], [1e4, 1e4]])}, r"resistances\[0, 1\] is nan"),
        ({"resistances": np.array([[1e4, 1e4], [-5.0, 1e4]])}, r"resistances\[1, 0\] is -5"),
        ({"resistances": np.array([[1e4, 0.0], [1.0, 1e4]])}, r"resistances\[0, 1\] is 0"),
        ({"resistances": np.ones(3)}, r"resistances has shape \(3,\)"),
        ({"applied_voltages": np.ones(3)}, r"applied_voltages has shape \(3, 1\)"),
        ({"applied_voltages": np.array([1.0, np.inf])}, r"applied_voltages\[1, 0\] is inf"),
    ],
)
def test_bad_circuits(change, message):
    arguments = {"resistances": np.full((2, 2), 1e4), "applied_voltages": np.ones(2), "r_word_line": 1.0, "r_bit_line": 1.0}
    with pytest.raises(ArrayError, match=message):
        solve_crossbar(**(arguments | change))


def test_bad_effective_conductances():
    with pytest.raises(ArrayError, match=r"conductances\[0, 1\] is -1"):
        effective_conductance(np.array([[1e-6, -1.0]]), 1.0, 1.0)
    with pytest.raises(ArrayError, match=r"conductances\[1, 0\] is nan"):
        effective_conductance(np.array([[1e-6], [np.nan]]), 1.0, 1.0)
    with pytest.raises(DeckError, match="r_word_line is -1"):
        effective_conductance(np.ones((2, 2)), -1.0, 1.0)
    with pytest.raises(DeckError, match="bit_line_ends is 3"):
        effective_conductance(np.ones((2, 2)), 1.0, 1.0, bit_line_ends=3)
