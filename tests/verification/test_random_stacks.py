"""Invariants of heat on random stacks; the short run by default, the long one slow."""

import pytest
import random_stacks
from hypothesis import HealthCheck, Phase, given, seed, settings

QUIET = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.generate),
}


@settings(max_examples=8, derandomize=True, **QUIET)
@given(random_stacks.stacks())
def test_steady_heat_of_random_stacks(stack: random_stacks.Stack) -> None:
    """Balance, coldest surroundings, reciprocity, superposition, scaling, mirror, quarter turn, order, units, splits, monotony, both solvers."""
    assert not list(random_stacks.steady_faults(stack))


@pytest.mark.slow
@pytest.mark.parametrize("start", [1, 2, 3])
def test_steady_heat_of_many_random_stacks(start: int) -> None:
    @seed(start)
    @settings(max_examples=334, **QUIET)
    @given(random_stacks.stacks())
    def held(stack: random_stacks.Stack) -> None:
        assert not list(random_stacks.steady_faults(stack))

    held()


@pytest.mark.slow
@settings(max_examples=50, derandomize=True, **QUIET)
@given(random_stacks.stacks())
def test_heat_over_time_of_random_stacks(stack: random_stacks.Stack) -> None:
    """Energy stored is energy put in; halves of a period add up to steady power; what lasts becomes steady."""
    assert not list(random_stacks.faults_over_time(stack))
