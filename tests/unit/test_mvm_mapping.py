"""Weights to cells and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack3d.errors import ArrayError, DeckError
from stack3d.mvm import AnalogMatrix, WeightMapping, read_power

LOW, HIGH = 1e-6, 25e-6


def test_pair_as_published():
    """G+ = g_min + max(W, 0) k, G- = g_min + max(-W, 0) k, k = (g_max - g_min) / max |W|."""
    weights = np.array([[2.0, -1.0, 0.0]])
    k = (HIGH - LOW) / 2.0
    expected = LOW + k * np.array([[[2.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]])
    np.testing.assert_allclose(WeightMapping(LOW, HIGH).conductances(weights), expected, rtol=1e-14)


def test_two_sided_pair_moves_about_the_middle():
    cells = WeightMapping(LOW, HIGH, "pair_two_sided").conductances(np.array([[1.0, 0.0, -1.0]]))
    middle = 0.5 * (LOW + HIGH)
    np.testing.assert_allclose(cells[:, 0], [[HIGH, middle, LOW], [LOW, middle, HIGH]], rtol=1e-14)


def test_slices_are_digits():
    """Sign and magnitude 13 of 15 in base 4: lowest digit 1, next 3."""
    cells = WeightMapping(0.0, 3.0, levels=4, slices=2).conductances(np.array([[-13.0]]), 15.0)
    np.testing.assert_allclose(cells[:, 0, 0], [0.0, 0.0, 1.0, 3.0], atol=1e-15)


@settings(deadline=None, max_examples=60)
@given(
    scheme=st.sampled_from(["pair", "pair_two_sided", "offset"]),
    levels=st.sampled_from([None, 2, 3, 4, 16]),
    slices=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_reading_back_gives_the_weights(scheme, levels, slices, seed):
    if levels is None:
        slices = 1
    if scheme == "offset" and levels == 2 and slices == 1:
        levels = 3
    mapping = WeightMapping(LOW, HIGH, scheme, levels=levels, slices=slices)
    weights = np.random.default_rng(seed).uniform(-1.0, 1.0, (5, 4))
    cells = mapping.conductances(weights, 1.0)
    assert cells.shape == (mapping.devices, 5, 4)
    assert cells.min() >= LOW * (1 - 1e-12)
    assert cells.max() <= HIGH * (1 + 1e-12)
    span = np.inf if levels is None else levels**slices - 1.0
    if scheme == "offset" and levels is not None:
        span -= levels**slices // 2  # weight zero takes the middle
    half_step = 0.5 / span
    np.testing.assert_allclose(mapping.weights(cells, 1.0), weights, rtol=0, atol=half_step * (1 + 1e-9) + 1e-12)


def test_too_large_weights_clip():
    mapping = WeightMapping(LOW, HIGH)
    np.testing.assert_allclose(mapping.weights(mapping.conductances(np.array([[5.0, -5.0]]), 1.0), 1.0), [[1.0, -1.0]])


def test_columns_of_an_offset_matrix():
    """Two column blocks: outputs, an offset column each at weight zero, a reference column each at half of full scale."""
    mapping = WeightMapping(LOW, HIGH, "offset", reference_columns=1)
    weights = np.random.default_rng(0).standard_normal((6, 5))
    matrix = AnalogMatrix.build("m", weights, mapping, (3, 5))
    assert matrix.state_shape == (1, 6, 5 + 2 + 2)
    assert matrix.row_blocks == ((0, 3), (3, 6))
    assert [t.columns_used for t in matrix.tiles] == [4, 5, 4, 5]
    assert list(matrix.block_columns(0)) == [0, 1, 5, 7]
    assert list(matrix.block_columns(1)) == [2, 3, 4, 6, 8]
    target = matrix.target_conductances()[0]
    middle = 0.5 * (LOW + HIGH)
    np.testing.assert_allclose(target[:, 5:7], middle, rtol=1e-14)
    np.testing.assert_allclose(target[:, 7:], middle + 0.25 * (HIGH - LOW), rtol=1e-14)


def test_read_power_by_hand():
    """Two cells of a row at 0.2 V and two at 0.1 V."""
    cells = np.array([[[1e-6, 2e-6], [3e-6, 4e-6]]])
    power = read_power(np.stack([cells, 2 * cells]), np.array([0.2**2, 0.1**2]))
    np.testing.assert_allclose(power, [0.04 * 3e-6 + 0.01 * 7e-6, 2 * (0.04 * 3e-6 + 0.01 * 7e-6)], rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"g_min": 2.0, "g_max": 1.0}, "conductance window"),
        ({"g_min": -1.0, "g_max": 1.0}, "conductance window"),
        ({"g_min": 0.0, "g_max": 1.0, "scheme": "pairs"}, "did you mean 'pair'"),
        ({"g_min": 0.0, "g_max": 1.0, "slices": 2}, "needs mapping.levels"),
        ({"g_min": 0.0, "g_max": 1.0, "levels": 1}, "levels is 1"),
        ({"g_min": 0.0, "g_max": 1.0, "levels": 2, "slices": 0}, "slices is 0"),
    ],
)
def test_bad_mapping(arguments, message):
    with pytest.raises(DeckError, match=message):
        WeightMapping(**arguments)


def test_bad_weights():
    with pytest.raises(ArrayError, match=r"weights\[0, 1\] is nan"):
        WeightMapping(LOW, HIGH).conductances(np.array([[1.0, np.nan]]))
