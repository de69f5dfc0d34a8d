"""Invariants of random lives; the short run by default, the long one slow."""

import pytest
import random_lives
from hypothesis import given, seed, settings
from test_random_stacks import QUIET


@settings(max_examples=3, derandomize=True, **QUIET)
@given(random_lives.lives())
def test_random_lives(keys: random_lives.Keys) -> None:
    """Counters, balance, coldest surroundings, sums of components, epochs halved, more bits, less noise."""
    assert not list(random_lives.life_faults(keys))


@pytest.mark.slow
@pytest.mark.parametrize("start", [1, 2, 3])
def test_many_random_lives(start: int) -> None:
    @seed(start)
    @settings(max_examples=67, **QUIET)
    @given(random_lives.lives())
    def held(keys: random_lives.Keys) -> None:
        assert not list(random_lives.life_faults(keys))

    held()
