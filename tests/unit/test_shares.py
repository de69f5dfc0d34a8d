"""A sentence never claims a share of the variance that its interval does not support."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.study.sensitivity import OTHERS
from stack3d.study.shares import ranking, screened, told

PARTS = ("a.value", "b", OTHERS)


@pytest.mark.parametrize(
    ("share", "error", "said"),
    [
        ([0.71, 0.2, 0.05], [0.04, 0.03, 0.01], "measure a first: it makes 71 ± 4 % of the variance of x; then b 20 ± 3 %"),
        ([0.5, 0.45, 0.1], [0.05, 0.05, 0.1], "measure a or b first: their intervals overlap, 50 ± 5 % and 45 ± 5 % of"),
        ([0.2, 0.05, 0.7], [0.04, 0.03, 0.1], "measure a first: it makes 20 ± 4 % of the variance of x; then others 70 ± 10 %"),
        ([1.57, 0.2, 0.1], [2.44, 0.1, 0.1], "shares of the variance of x are not told apart with count: 4; it wants 64"),
        ([1.96, 0.2, 0.1], [13.51, 0.1, 0.1], "shares of the variance of x are not told apart with count: 4; it wants 64"),
        ([0.95, 0.02, 0.01], [0.3, 0.02, 0.01], "measure a first: it makes at least 65 % of the variance of x; then b 2 ± 2 %"),
        ([0.9, 0.2, 0.1], [0.1, 0.4, 0.1], "shares of the variance of x are not told apart with count: 4; it wants 16"),
        ([1.3, 0.2, 0.1], [0.2, 0.1, 0.1], "shares of the variance of x are not told apart with count: 4; it wants 8"),
        (
            [1.02, 0.02, 0.01],
            [0.1, 0.03, 0.01],
            "measure a first: it makes at least 92 % of the variance of x; then b at most 5",
        ),
        ([np.nan] * 3, [np.nan] * 3, "too few cases have a value of x for shares of its variance"),
    ],
)
def test_what_is_said(share: list[float], error: list[float], said: str) -> None:
    assert ranking("x", PARTS, np.array(share), np.array(error), verb="makes", count=4).startswith(said)


def test_of_many_alike_none_stands_out() -> None:
    line = ranking("x", "abcd", np.full(4, 0.25), np.full(4, 0.1), verb="makes", count=64)
    assert line == "no unknown stands out in the variance of x: the intervals of 4 overlap"


def test_the_screening_speaks_where_shares_do_not() -> None:
    names, error = ("a.value", "b", "c"), np.full(3, 0.2)
    assert screened("x", names, np.array([2.0, 1.0, 0.0]), error) == "the screening finds a the strongest on x"
    assert "finds a or b the strongest" in screened("x", names, np.array([2.0, 1.9, 0.0]), error)
    assert "cannot tell the 5 strongest" in screened("x", "abcdef", np.array([1.0] * 5 + [0]), np.zeros(6))
    assert screened("x", "abc", np.ones(3), np.zeros(3)) == "the screening cannot tell the unknowns of x apart"
    assert screened("x", names, np.full(3, np.nan), error) == ""


def test_a_told_share_is_one_that_can_be() -> None:
    assert [told(0.5, 0.1), told(0.95, 0.1), told(0.05, 0.1)] == ["50 ± 10 %", "at least 85 %", "at most 15 %"]
