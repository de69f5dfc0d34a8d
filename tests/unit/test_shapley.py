"""Shapley effects against the closed form of a correlated linear Gaussian model, and of independent unknowns."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import ndtri
from test_sensitivity import FIRST, TOTAL, ishigami

from stack3d.layout import Floats
from stack3d.study import shapley
from stack3d.study.sensitivity import OTHERS, evaluations


def closed_form(slopes: Floats, covariance: Floats, parts: list[list[int]]) -> Floats:
    """By enumeration: Var E[Y | X_u] of Y = slopes · X is that of the regression of Y on X_u."""

    def explained(known: tuple[int, ...]) -> float:
        u = [i for part in known for i in parts[part]]
        if not u:
            return 0.0
        with_output = covariance[u] @ slopes
        return float(with_output @ np.linalg.solve(covariance[np.ix_(u, u)], with_output))

    n = len(parts)
    effect = np.zeros(n)
    for order in itertools.permutations(range(n)):
        for k, part in enumerate(order):
            effect[part] += explained(order[: k + 1]) - explained(order[:k])
    return effect / math.factorial(n) / float(slopes @ covariance @ slopes)


def test_a_correlated_linear_gaussian_model_in_closed_form() -> None:
    """Three unknowns, two of them going together, the third alone; and with the first two as one part."""
    slopes, spread, rho = np.array([1.0, 1.0, 1.0]), np.array([1.0, 1.0, 2.0]), 0.8
    correlation = np.eye(3)
    correlation[0, 1] = correlation[1, 0] = -rho
    correlation[1, 2] = correlation[2, 1] = 0.3
    covariance = correlation * np.outer(spread, spread)
    for parts in ([[0], [1], [2]], [[0, 1], [2]]):
        truth = closed_form(slopes, covariance, parts)
        points, orders = shapley.points(correlation, parts, 4096, seed=1)
        assert points.shape == (4096, len(parts) + 1, 3) and points.min() > 0 and points.max() < 1
        scores = ndtri(points)
        for k in range(len(parts) + 1):  # every point follows the joint law, whatever it shares
            np.testing.assert_allclose(np.corrcoef(scores[:, k].T), correlation, atol=0.06)
        effect, error = shapley.shares((scores * spread) @ slopes, orders, 200, seed=1)
        assert effect.sum() == pytest.approx(1.0, abs=1e-12)
        assert np.all(np.abs(effect - truth) <= error) and np.all(error < 0.05)


def test_two_of_a_kind_have_the_known_formula() -> None:
    """Of two unknowns the share is s1 (1 - rho^2 / 2) + rho s1 s2 + rho^2 s2 / 2 over the variance, as published by Owen and Prieur."""
    a, b, rho = 1.0, 2.0, 0.5
    variance = a**2 + b**2 + 2 * rho * a * b
    first = (a**2 * (1 - rho**2 / 2) + rho * a * b + b**2 * rho**2 / 2) / variance
    truth = closed_form(np.ones(2), np.array([[a**2, rho * a * b], [rho * a * b, b**2]]), [[0], [1]])
    np.testing.assert_allclose(truth, [first, 1 - first], rtol=1e-12)


def test_independent_unknowns_lie_between_their_sobol_indices() -> None:
    """Ishigami: x and z share equally what they make together."""
    steps = evaluations(["x", "y", "z"], count=2048, seed=1, most=8, trajectories=4, correlation=np.eye(3))
    points = next(steps)
    assert len(points) == 2048 * 4
    with pytest.raises(StopIteration) as ended:
        steps.send(ishigami(points))
    found, truth = ended.value.value, (FIRST + TOTAL) / 2
    assert np.all(np.abs(found.shapley[:, 0] - truth) <= found.shapley_error[:, 0]) and np.isnan(found.total).all()


def test_weak_ones_are_one_part_and_failed_points_are_left_out() -> None:
    names = [f"u{i}" for i in range(10)]
    correlation = np.eye(10)
    correlation[3, 4] = correlation[4, 3] = 0.9

    def function(points: Floats) -> Floats:
        value = ndtri(points[:, 3].clip(1e-9, 1 - 1e-9)) + 0.01 * points.sum(axis=1)
        return np.where(np.arange(len(points)) == 7, np.nan, value)[:, None]

    steps = evaluations(names, count=256, seed=1, most=3, trajectories=4, correlation=correlation)
    points, sizes = next(steps), list[int]()
    with pytest.raises(StopIteration) as ended:
        while True:
            sizes.append(len(points))
            points = steps.send(function(points))
    found = ended.value.value
    assert sizes == [4 * 11, 256 * 4] and OTHERS in found.parts and found.shapley.sum() == pytest.approx(1.0)


def test_correlations_that_contradict_each_other() -> None:
    pairs = [("a", "b", 0.9), ("b", "c", 0.9), ("a", "c", -0.9)]
    with pytest.raises(ValueError, match="contradict each other"):
        shapley.correlation_of(["a", "b", "c"], pairs)
    np.testing.assert_array_equal(shapley.correlation_of(["a", "b"], pairs[:1]), [[1.0, 0.9], [0.9, 1.0]])
