"""A break-even rate is told with what the chip reaches."""

from __future__ import annotations

import pytest

from stack3d.fields import told_rate


@pytest.mark.parametrize(
    ("rate", "highest", "told"),
    [
        (0.0, 1e6, "at every rate of inferences"),
        (float("inf"), 1e6, "at no rate"),
        (2e5, 1e6, "above 2e+05 1/s"),
        (-2e5, 1e6, "below 2e+05 1/s"),
        (2e6, 1e6, "at no rate that it can reach, 1e+06 1/s at most"),
        (-2e6, 1e6, "at any rate that it can reach, 1e+06 1/s at most"),
    ],
)
def test_where_the_chip_draws_less(rate: float, highest: float, told: str) -> None:
    assert told_rate(rate, "1/s", highest) == told
