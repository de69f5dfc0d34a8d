"""Guesses of what designs give: exact where known, open where not, and better than chance between."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from stack3d.study.designing.designs import Choice
from stack3d.study.designing.guessing import guessed

SPACE = (Choice("cooling", 4, False), Choice("tiers", 3, True), Choice("bits", 7, True), Choice("share", 0, True))


def given(design: tuple[float, ...]) -> list[float]:
    """Two outputs: a sum over choices, and one that jumps."""
    cooling, tiers, bits, share = design
    return [(3.0, 0.0, 2.0, 1.0)[int(cooling)] + 0.5 * tiers + 2.0 * (bits / 6) ** 2 + share, 1e-9 * (bits > 3)]


def all_designs() -> list[tuple[float, ...]]:
    return [(*at, 0.5) for at in itertools.product(range(4), range(3), range(7))]


def test_known_designs_are_drawn_as_they_are() -> None:
    known = all_designs()[::5]
    values = np.array([given(d) for d in known])
    drawn = guessed(SPACE, known, values, known, np.random.default_rng(1))
    assert (np.abs(drawn - values) < 0.25 * values.std(axis=0)).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_guess_from_a_quarter_ranks_the_rest(seed: int) -> None:
    """The mean of ten draws of 63 unknown designs goes with what they give, and draws scatter less than before anything was known."""
    rng = np.random.default_rng(seed)
    every = [all_designs()[i] for i in rng.permutation(84)]
    known, rest = every[:21], every[21:]
    values = np.array([given(d) for d in known])
    draws = np.array([guessed(SPACE, known, values, rest, rng) for _ in range(10)])
    truth = np.array([given(d) for d in rest])
    for k in range(2):
        assert np.corrcoef(draws.mean(axis=0)[:, k], truth[:, k])[0, 1] > 0.6
    scatter = draws[..., 0].std(axis=0)
    assert scatter.mean() < values[:, 0].std()


def test_the_same_generator_draws_the_same_and_one_value_has_no_spread() -> None:
    known, asked = all_designs()[:6], all_designs()[40:50]
    alike = np.full((6, 2), 3.0)
    one, two = (guessed(SPACE, known, alike, asked, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, 3.0, rtol=1e-9)
