"""Which choices of a search matter: against shares known in closed form, and nothing said where nothing is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import rankdata

from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.mattering import Mattering, mattering, mattering_told

SPACE = (Choice("cooling", 4, False), Choice("bits", 6, True), Choice("idle", 3, True), Choice("film", 0, True))


def designs(count: int, seed: int = 1) -> list[Positions]:
    rng = np.random.default_rng(seed)
    return [tuple(choice.position(float(share)) for choice, share in zip(SPACE, row)) for row in rng.random((count, 4))]


LISTS = SPACE[:3]


def exact(values: np.ndarray) -> np.ndarray:
    """Total shares of the variance of ranks over the full grid of `LISTS`, shape (cooling, bits, idle)."""
    ranks = rankdata(values.ravel()).reshape(values.shape)
    return np.array([ranks.var(axis=axis).mean() for axis in range(3)]) / ranks.var()


@pytest.mark.parametrize(
    "make",
    [
        lambda c, b, _: np.array([0.0, 1.0, 0.5, 3.0])[c] + 0.4 * b,  # a sum: each by itself
        lambda c, b, _: (c - 1.5) * (b - 2.5),  # a product: neither by itself
        lambda c, b, idle: np.where((c == 2) & (b == 0), 1e6, 2.0**b + 0.1 * idle),  # a few far off
    ],
)
def test_shares_are_those_of_the_ranks_of_the_full_grid(make: Callable[..., np.ndarray]) -> None:
    """72 designs, of which 48 ran, whichever."""
    grid = np.indices((4, 6, 3))
    values = make(*grid) + 0.0 * grid[0]
    chosen = np.random.default_rng(3).permutation(72)[:48]
    known = [tuple(int(at) for at in row) for row in grid.reshape(3, -1).T[chosen]]
    found = mattering(LISTS, known, values.ravel()[chosen], 1)
    np.testing.assert_allclose(found.shares, exact(values), atol=0.17)
    assert 0.6 < found.explained <= 1.0 and found.shares[2] < 0.12


def test_an_interval_and_an_entry_that_never_ran() -> None:
    """Half of the variance of two equal parts each; of what never ran nothing is assumed."""
    known = [design for design in designs(250) if design[0] != 3]
    found = mattering(SPACE, known, np.array([float(b) + 5.0 * film for _, b, _, film in known]), 1)
    np.testing.assert_allclose(found.shares, [0.0, 0.55, 0.0, 0.45], atol=0.07)


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
    assert np.isnan(found.shares).all() and not found.explained >= 0.6
    assert mattering_told(SPACE, "y", found) == ""


def test_what_is_told() -> None:
    told = mattering_told(SPACE[:2], "latency", Mattering(np.array([0.2, 0.9]), np.array([0.1, 0.05]), 0.876))
    assert told == (
        "what matters for the order of designs by latency: bits 90 ± 5 %, cooling 20 ± 10 % of its variance (a model that explains 88 % of"
        " designs left out)"
    )
    gone = mattering_told(SPACE[:2], "latency", Mattering(np.array([0.0, 1.0]), np.array([0.05, 0.01]), 0.9))
    assert "bits at least 99 % of" in gone and gone.endswith("; of cooling the designs show no effect")


@pytest.mark.parametrize("count", [12, 16, 24, 40])
@pytest.mark.parametrize("seed", range(8))
def test_a_choice_that_changes_nothing_has_no_share(count: int, seed: int) -> None:
    """One interval makes the whole output: no other choice gets a share, however few designs ran; those that do have intervals."""
    known = designs(count, seed)
    found = mattering(SPACE, known, np.array([5.0 * d[3] for d in known]), 1)
    assert found.shares[:3].tolist() == [0.0] * 3 and found.shares[3] > 0.97
    assert (found.errors[:3] > 0).all() and found.errors[3] < 0.03


def test_intervals_of_shares_hold_them() -> None:
    """A list and an interval that add up: of thirty searches the intervals hold the shares known from 4096 designs."""
    entry = np.array([0.0, 1.0, 0.5, 3.0])
    truth = mattering(SPACE, (many := designs(400, 99)), np.array([5.0 * d[3] + entry[int(d[0])] for d in many]), 1).shares
    held = []
    for seed in range(30):
        known = designs(30, seed)
        found = mattering(SPACE, known, np.array([5.0 * d[3] + entry[int(d[0])] for d in known]), 1)
        held.append(np.abs(found.shares - truth)[[0, 3]] <= found.errors[[0, 3]])
    assert np.mean(held) > 0.8
