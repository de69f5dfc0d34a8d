"""A cost with steps, on which slopes lead nowhere: the search still ends at its lowest point."""

import numpy as np
import pytest

from stack3d.devices.fitting import estimate
from stack3d.devices.fitting.optima import NOTHING, CallsTold, Cost, Optimum
from stack3d.layout import Floats
from stack3d.progress import Silent

MIDDLE = np.array([1.2, -0.7, 0.4])


class Stairs(Cost):
    """A bowl of a width of 0.2 whose floor rises in steps of a half."""

    def __init__(self) -> None:
        self.lost = np.zeros(MIDDLE.size, bool)
        self.counted = lambda: None

    def __call__(self, x: Floats, weight: float = 1.0) -> float:
        return float(np.floor(np.sum(((x - MIDDLE) / 0.2) ** 2)) / 2)


def test_a_search_that_ends_on_a_step_goes_on_from_a_draw_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Optimum(np.zeros(3), np.eye(3), Stairs()(np.zeros(3)))
    assert 20 < stuck.cost < NOTHING
    monkeypatch.setattr(estimate, "optima", lambda cost, counted: [stuck])
    found, drawn = estimate._searched(Stairs(), CallsTold("stairs", 3, Silent()), 1)
    assert found[0].cost == 0 and np.abs(found[0].x - MIDDLE).max() < 0.2
    assert len(found) == 1, "what was stuck is no valley of its own"
    assert np.abs(drawn.x.mean(0) - MIDDLE).max() < 0.1 and drawn.effective > 50
