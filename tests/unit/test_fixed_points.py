"""The loop of passes: ends where the change is small, says how it went where it is not."""

from __future__ import annotations

import math

import pytest

from stack3d.errors import SolverError
from stack3d.fixed_points import Pass, Until, fixed_point


def towards(answer: float, share: float):
    def once(state: float) -> Pass[float, float]:
        new = answer + share * (state - answer)
        return Pass(new, abs(new - state), new)

    return once


def test_it_ends_with_the_first_small_change() -> None:
    """Each pass leaves a tenth of the distance: changes 0.9, 0.09, …, the sixth is 9e-6."""
    found = fixed_point(1.0, towards(0.0, 0.1), Until(1e-5, 50))
    assert found.is_settled and found.passes == 6 and found.answer == pytest.approx(1e-6)
    assert found.changes == pytest.approx([0.9 * 10.0**-i for i in range(6)])


@pytest.mark.parametrize(("share", "words"), [(0.9, "which fall"), (1.1, "which do not fall"), (math.nan, "which do not fall")])
def test_passes_that_do_not_settle_are_told(share: float, words: str) -> None:
    with pytest.raises(
        SolverError, match=f"films of top have not settled after 7 passes .*{words}; 1.0e-06 K asked.; cool less"
    ):
        fixed_point(1.0, towards(0.0, share), Until(1e-6, 7), what="films of top", unit="K", advice="cool less")


def test_what_stands_after_the_last_pass_is_taken_where_that_is_asked() -> None:
    found = fixed_point(1.0, towards(0.0, 0.5), Until(0.0, 3))
    assert not found.is_settled and found.answer == 0.125 and found.passes == 3
