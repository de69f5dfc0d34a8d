"""Standard errors of changes of accuracy: over chips, over test inputs, and never less than one input is worth."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.chances import (
    ENOUGH,
    SHARE,
    SURE,
    for_few,
    median_held,
    range_held,
    standard_error,
    variance_over,
    variance_over_inputs,
)


def test_variance_of_a_mean() -> None:
    values = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    np.testing.assert_allclose(variance_over(values), [1 / 3 / 4, 0.0])
    assert variance_over(np.array([0.5])) == 0.0


@pytest.mark.parametrize("n", [40, 1000])
def test_one_input_is_the_least(n: int) -> None:
    """No change is as uncertain as one input that changed; three inputs won and one lost have the variance of a proportion."""
    none, one, four = np.zeros((3, n))
    one[0], four[:3], four[3] = 1.0, 1.0, -1.0
    found = variance_over_inputs(np.stack([none, one, four]), np.array([0.0, 1 / n, 2 / n]))
    assert found[0] == pytest.approx((1 / n) * (1 - 1 / n) / n) and found[1] == pytest.approx(found[0], rel=2 / n)
    assert found[2] == pytest.approx((4 / n - 4 / n**2) / (n - 1))


def test_where_inputs_are_not_told_apart_the_net_change_is() -> None:
    found = variance_over_inputs(np.full((2, 50), np.nan), np.array([-0.2, 0.0]))
    np.testing.assert_allclose(found, [0.2 * 0.8 / 50, 0.02 * 0.98 / 50])


def test_both_variances_add_up() -> None:
    chips, inputs = np.array([0.1, 0.2, 0.3]), np.tile([0.0, 0.4], 100)
    over_inputs = 0.04 / 199
    assert standard_error(chips, inputs) == pytest.approx(np.sqrt(0.01 / 3 + over_inputs))
    assert standard_error(chips[:1], inputs) == pytest.approx(np.sqrt(over_inputs))


@pytest.mark.parametrize("n", [2, 8, 45, 46, 64, 128, 500])
def test_a_range_holds_what_it_says(n: int) -> None:
    """Of 2000 sets of draws, 95 % of the ranges hold the share that is told, whatever the law; 46 draws hold 90 %."""
    rng, tried = np.random.default_rng(n), 2000
    found = np.array([range_held(rng.random(n)) for _ in range(tried)])
    assert (found[:, 2] == found[0, 2]).all() and (found[0, 2] == SHARE) == (n >= ENOUGH)
    slack = 4 * np.sqrt(SURE * (1 - SURE) / tried)
    assert np.mean(found[:, 1] - found[:, 0] >= found[:, 2]) >= SURE - slack
    if n < ENOUGH:  # no range of theirs holds more
        assert np.mean(found[:, 1] - found[:, 0] >= found[:, 2]) <= SURE + slack


def test_a_single_value_holds_nothing() -> None:
    assert range_held(np.array([3.0])) == (3.0, 3.0, 0.0)


@pytest.mark.parametrize("n", [4, 8, 64])
def test_a_bootstrap_of_few_is_widened(n: int) -> None:
    """95 % of the intervals of means of n normal values hold the mean; without the factor those of four hold it in 83 %."""
    rng, tried = np.random.default_rng(n), 2000
    values = rng.standard_normal((tried, n))
    drawn = np.stack([v[rng.integers(n, size=(200, n))].mean(axis=1).std(ddof=1) for v in values])
    held = np.mean(np.abs(values.mean(axis=1)) <= 1.96 * for_few(n) * drawn)
    assert abs(held - SURE) < 0.02
    assert np.mean(np.abs(values.mean(axis=1)) <= 1.96 * drawn) < (0.85 if n == 4 else 0.95)


@pytest.mark.parametrize("n", [6, 8, 16, 32, 64])
def test_the_median_lies_between_two_places_as_often_as_stated(n: int) -> None:
    places = median_held(n)
    assert places is not None and places[0] == n - 1 - places[1]
    rng = np.random.default_rng(n)
    ordered = np.sort(rng.exponential(size=(20_000, n)), axis=1)
    median = np.log(2.0)
    held = np.mean((ordered[:, places[0]] <= median) & (median <= ordered[:, places[1]]))
    inside = np.mean((ordered[:, places[0] + 1] <= median) & (median <= ordered[:, places[1] - 1]))
    assert held > 0.945 and inside < 0.96  # as sure as said, and no wider than that takes


def test_few_chips_say_nothing_of_their_median() -> None:
    assert median_held(5) is None and median_held(1) is None and median_held(6) == (0, 5)
