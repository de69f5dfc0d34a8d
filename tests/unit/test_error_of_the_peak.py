"""Errors of maxima by layer: the hottest one is the peak, and cooler ones count where they may be hotter."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.heat import compared

MAXIMA, PEAK, MEAN = "thermal/layer_temperature_max", "thermal/peak_temperature", "thermal/layer_temperature_mean"


def answers(*maxima: float) -> dict[str, np.ndarray]:
    layers = np.array(maxima)
    return {MAXIMA: layers, PEAK: np.asarray(layers.max()), MEAN: layers - 10.0}


def errors(own: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    other = {**other, MEAN: own[MEAN]}
    return compared(own, {"across": (2.0, own, other)})


def test_the_hottest_layer_errs_as_the_peak() -> None:
    """A cold layer with a large error does not reach the peak."""
    found = errors(answers(400.0, 350.0), answers(400.01, 354.0))
    assert found[MAXIMA] == pytest.approx([0.02, 8.0], rel=1e-9)
    assert found[PEAK] == pytest.approx(0.02, rel=1e-9)


def test_a_layer_that_may_be_hotter_counts() -> None:
    """Its error beyond the peak is one of the peak."""
    found = errors(answers(400.0, 399.0), answers(400.0, 399.9))
    assert found[PEAK] == pytest.approx(0.8, rel=1e-9)
    assert found[MAXIMA][0] == pytest.approx(0.8, rel=1e-9)


def test_over_time_each_output_has_its_peak() -> None:
    """Hottest layers differ from output to output."""
    own = {MAXIMA: np.array([[400.0, 350.0], [360.0, 410.0]])}
    other = {MAXIMA: np.array([[400.1, 354.0], [361.0, 410.2]])}
    found = compared(own, {"across": (1.0, own, other)})[MAXIMA]
    assert found == pytest.approx(np.array([[0.1, 4.0], [1.0, 0.2]]), rel=1e-9)
