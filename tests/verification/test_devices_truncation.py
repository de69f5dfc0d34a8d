"""Truncation keeps the mean; closed forms of the rectified normal."""

import numpy as np
import pytest
from scipy.stats import norm

from stack3d.devices.truncation import Clipping, mean_preserving

COUNT = 400_000
Z = np.random.default_rng(7).standard_normal(COUNT)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("distance", [0.01, 0.1, 0.3, 1.0, 2.0, 3.9, 4.1, 10.0])
def test_mean_stays_above_a_lower_bound(distance, dtype):
    drawn = mean_preserving(np.full(COUNT, distance, dtype), 1.0, Z.astype(dtype), lower=0.0)
    assert drawn.dtype == dtype
    assert drawn.min() >= 0
    # 1e-5: how far the table and the reach of 4 sd may move a mean, in sd; the rest is the sample's own error
    np.testing.assert_allclose(drawn.mean(dtype=np.float64), distance, atol=1e-5 + 4 * drawn.std() / COUNT**0.5)


@pytest.mark.parametrize("distance", [0.05, 0.5, 1.0, 2.0, 3.0, 3.99])
def test_location_against_the_closed_form(distance):
    """E max(y + z, 0) = y Φ(y) + φ(y) must give back the wanted mean."""
    nodes = np.linspace(-8, 8, 16001)
    weights = norm.pdf(nodes) * (nodes[1] - nodes[0])
    drawn = mean_preserving(np.full(nodes.size, distance), 1.0, nodes.copy(), lower=0.0)
    np.testing.assert_allclose(weights @ drawn, distance, atol=2e-6)  # quadrature of a kink on this grid


@pytest.mark.parametrize("position", [0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize(("width", "allowed"), [(8.0, 1e-5), (4.0, 1e-4), (3.0, 6e-4)])
def test_mean_stays_between_two_bounds(position, width, allowed):
    """Two bounds are treated apart: exact when far from each other, the stated error when 3 sd apart."""
    nodes = np.linspace(-8, 8, 16001)
    weights = norm.pdf(nodes) * (nodes[1] - nodes[0])
    drawn = mean_preserving(np.full(nodes.size, position * width), 1.0, nodes.copy(), lower=0.0, upper=width)
    assert drawn.min() >= 0 and drawn.max() <= width
    np.testing.assert_allclose(weights @ drawn, position * width, atol=allowed)


def test_clipping_biases_and_says_so():
    """E max(z, 0) = 1/√(2π): what a cell asked for zero gets."""
    drawn = Clipping(lower="0 S").bound(np.zeros(COUNT), 1.0, Z.copy(), None)
    np.testing.assert_allclose(drawn.mean(), 1 / np.sqrt(2 * np.pi), atol=4 * drawn.std() / COUNT**0.5)


def test_no_spread_no_move():
    mean = np.array([0.0, 0.5, 2.0])
    np.testing.assert_array_equal(mean_preserving(mean, 0.0, np.zeros(3), lower=0.0, upper=1.0), [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(mean, [0.0, 0.5, 2.0])
