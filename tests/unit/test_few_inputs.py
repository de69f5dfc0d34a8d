"""A summary says when so few test inputs judge a network that its accuracy means little."""

import numpy as np
import pytest

import stack3d
from stack3d.case.summary import _few_inputs


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((3, 4), "; 4 test inputs alone, of which one counts 25 points"),
        ((3, 1), "; 1 test input alone, of which one counts 100 points"),
        ((3, 99), "; 99 test inputs alone, of which one counts 1.01 points"),
        ((3, 100), ""),
    ],
)
def test_few_inputs_are_told(shape: tuple[int, ...], said: str) -> None:
    assert _few_inputs({"mvm/input_accuracy": np.zeros(shape)}) == said
    assert _few_inputs({}) == ""


def test_a_run_tells_it() -> None:
    few = {"workload.test_samples": 20, "monte_carlo.samples": 2, "lifetime.epochs": 2, "lifetime.attribution": False}
    summary = str(stack3d.load("quickstart", few).run().attrs["summary"])
    assert "; 20 test inputs alone, of which one counts 5 points)" in summary
