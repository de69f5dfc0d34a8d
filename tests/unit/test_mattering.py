"""Which choices of a search matter: against shares known in closed form, and nothing said where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.mattering import Mattering, mattering, mattering_told

SPACE = (Choice("cooling", 4, False), Choice("bits", 6, True), Choice("idle", 3, True), Choice("film", 0, True))


def designs(count: int, seed: int = 1) -> list[Positions]:
    rng = np.random.default_rng(seed)
    return [tuple(choice.position(float(share)) for choice, share in zip(SPACE, row)) for row in rng.random((count, 4))]


def test_shares_of_a_sum_are_those_of_its_parts() -> None:
    """y = a(cooling) + 0.4 bits + 2 film: variances of the parts by hand, over designs each as likely."""
    steps = np.array([0.0, 1.0, 0.5, 3.0])
    known = designs(200)
    values = np.array([steps[int(c)] + 0.4 * int(b) + 2.0 * f for c, b, _, f in known])
    parts = np.array([steps.var(), 0.16 * np.arange(6).var(), 0.0, 4.0 / 12.0])
    found = mattering(SPACE, known, values, 1)
    np.testing.assert_allclose(found.shares, parts / parts.sum(), atol=0.03)
    assert 0.95 < found.explained <= 1.0
    assert mattering_told(SPACE, "y", found).startswith("what matters for y over all designs: cooling ")


def test_choices_that_act_together_both_take_part() -> None:
    """A product of centred parts has no share of either alone: each takes part in all of the variance."""
    known = designs(300)
    values = np.array([(c - 1.5) * (b - 2.5) for c, b, *_ in known])
    found = mattering(SPACE, known, values, 1)
    np.testing.assert_allclose(found.shares[:2], 1.0, atol=0.12)
    assert found.shares[2] < 0.03


@pytest.mark.parametrize(
    ("count", "make"),
    [
        (8, lambda known: np.array([float(d[1]) for d in known])),  # too few
        (60, lambda known: np.full(len(known), 3.0)),  # all the same
        (60, lambda known: np.random.default_rng(5).standard_normal(len(known))),  # chance alone
        (20, lambda known: np.where(np.arange(len(known)) < 10, np.nan, 1.0 + np.arange(len(known)))),  # too few have a value
    ],
)
def test_nothing_is_said_where_nothing_is_known(count: int, make: object) -> None:
    known = designs(count)
    found = mattering(SPACE, known, make(known), 1)  # type: ignore[operator]
    assert np.isnan(found.shares).all() and not found.explained >= 0.5
    assert mattering_told(SPACE, "y", found) == ""


def test_what_is_told() -> None:
    told = mattering_told(SPACE[:2], "latency", Mattering(np.array([0.2, 0.9]), 0.876))
    assert told == (
        "what matters for latency over all designs: bits 90 %, cooling 20 % of the variance (a model that explains 88 % of designs"
        " left out)"
    )
