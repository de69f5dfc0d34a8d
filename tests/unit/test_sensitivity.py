"""Sensitivities of functions whose indices are known in closed form, through the code that a study of unknowns runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stack3d.layout import Floats
from stack3d.study.sensitivity import OTHERS, Findings, evaluations


def found(names: list[str], function: Callable[[Floats], Floats], **options: int) -> tuple[Findings, list[int]]:
    """Findings, and how many points each stage asked for."""
    steps = evaluations(names, **{"count": 1024, "seed": 1, "most": 8, "trajectories": 10, **options})
    points, sizes = next(steps), list[int]()
    while True:
        sizes.append(len(points))
        try:
            points = steps.send(function(points))
        except StopIteration as end:
            return end.value, sizes


def ishigami(points: Floats) -> Floats:
    x, y, z = (2 * points[:, :3].T - 1) * np.pi
    return (np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x))[:, None]


FIRST, TOTAL = np.array([0.31390, 0.44241, 0.0]), np.array([0.55759, 0.44241, 0.24368])
"""Of Ishigami's function with a = 7 and b = 0.1, in closed form from its variances."""


def test_ishigami_in_closed_form() -> None:
    """The numbers above follow from V = a²/8 + bπ⁴/5 + b²π⁸/18 + 1/2, and the indices found hold them within their intervals."""
    a, b, pi = 7.0, 0.1, np.pi
    alone, second = 0.5 * (1 + b * pi**4 / 5) ** 2, a**2 / 8
    together = b**2 * pi**8 * (1 / 18 - 1 / 50)
    variance = alone + second + together
    np.testing.assert_allclose(FIRST, [alone / variance, second / variance, 0.0], atol=1e-5)
    np.testing.assert_allclose(TOTAL, [(alone + together) / variance, second / variance, together / variance], atol=1e-5)
    result, sizes = found(["x", "y", "z"], ishigami, count=4096)
    assert sizes == [4096 * 5] and result.parts == ("x", "y", "z")
    for index, error, truth in ((result.first, result.first_error, FIRST), (result.total, result.total_error, TOTAL)):
        assert np.all(np.abs(index[:, 0] - truth) <= error[:, 0]) and np.all(error < 0.06)
    draws = ishigami(np.random.default_rng(5).random((400_000, 3)))
    low, middle, high = result.band[:, 0]
    assert abs(middle - np.median(draws)) < 0.15 and result.held[0] == 0.9 and result.drawn[0] == 8192
    assert 0.9 < np.mean((draws > low) & (draws < high)) < 0.92


def test_fifty_unknowns_are_screened_and_the_weak_ones_are_one_part() -> None:
    """Two strong unknowns of fifty, one of them acting only with the other; those left have a ten-thousandth of the variance."""

    def function(points: Floats) -> Floats:
        value = 4 * points[:, 7] + 3 * points[:, 7] * points[:, 31] + 0.02 * points.sum(axis=1)
        return np.column_stack([value, np.full(len(points), 3.0)])

    names = [f"u{i}" for i in range(50)]
    result, sizes = found(names, function, count=256, most=4)
    assert sizes == [10 * 51, 256 * 6]
    assert len(result.parts) == 4 and {"u7", "u31", OTHERS} <= set(result.parts)
    strongest = np.argsort(-result.effect[:, 0])[:2]
    assert strongest.tolist() == [7, 31] and np.isnan(result.first[:, 1]).all()  # an output that never changes has no shares
    strong = result.parts.index("u7")
    # 4a + 3ab by hand: a alone has a variance of 5.5²/12, b alone 1.5²/12, both together 9/144
    variance = (5.5**2 + 1.5**2) / 12 + 9 / 144
    assert abs(result.first[strong, 0] - 5.5**2 / 12 / variance) < max(0.02, result.first_error[strong, 0])
    assert result.total[result.parts.index(OTHERS), 0] < 1e-3


def test_failed_points_leave_the_others_right() -> None:
    """Every fortieth evaluation fails: base points and trajectories that hold one are left out."""

    def function(points: Floats) -> Floats:
        values = points @ np.array([[3.0], [1.0], [0.0]])
        values[::40] = np.nan
        return values

    result, _ = found(["a", "b", "c"], function)
    truth = np.array([0.9, 0.1, 0.0])
    assert np.all(np.abs(result.first[:, 0] - truth) <= np.maximum(result.first_error[:, 0], 0.01))
    screened, _ = found(["a", "b", "c"], function, most=2)
    np.testing.assert_allclose(screened.effect[:, 0], [3.0, 1.0, 0.0], atol=1e-9)


def test_the_same_seed_asks_for_the_same_points() -> None:
    one, again, other = (next(evaluations(list("abc"), count=8, seed=s, most=2, trajectories=4)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
