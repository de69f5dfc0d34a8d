"""Where a search begins, and what it ends at where slopes lead nowhere."""

import numpy as np
import pytest

from stack3d.devices.fitting import estimate
from stack3d.devices.fitting.data_sizes import Scales
from stack3d.devices.fitting.optima import NOTHING, CallsTold, Cost, Optimum
from stack3d.devices.fitting.parameters import Free, Parameters, parameters
from stack3d.devices.relaxation import Logarithmic
from stack3d.errors import DeckError
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


def of_relaxation(**given: str) -> tuple[Parameters, dict[str, Free]]:
    """What a fit finds and holds of a logarithmic relaxation of cells of 40 uS, baked up to 200 degC."""
    scales = Scales(temperature=473.15, conductance=40e-6, times=(0.0, 10.0, 1e5))
    found = parameters(Logarithmic, scales, given=given, hold={}, columns=("temperature", "time"))
    return found, {f.key: f for f in found.free}


def test_relaxation_counts_from_the_hottest_of_the_data_and_finds_its_time() -> None:
    """Its time scale at 25 degC was held: a mean without an offset then bent the energy until it fitted."""
    found, free = of_relaxation()
    assert found.held["reference_temperature"] == "473.15 K"
    assert found.reasons["reference_temperature"][1] == "the hottest of the data, to count from"
    assert free["time_scale"].start == 10.0
    found, free = of_relaxation(reference_temperature="25 degC", time_scale="3 s")
    assert found.held["reference_temperature"] == "25 degC" and free["time_scale"].start == 3.0


def test_plain_numbers_of_a_law_are_as_large_as_its_unit_is_small() -> None:
    """A spread of 0.4 uS was four deviations off where the unit is 1 uS, and where it is 40 uS it was not."""
    for unit, small in (("1 uS", 0.4), ("40 uS", 0.01)):
        _, free = of_relaxation(unit=unit)
        assert free["sd_offset"].start == pytest.approx(small) and free["sd_offset"].value(-3.0) > 0
        assert free["mean_slope"].width == pytest.approx(10 * small)


def test_a_spread_below_zero_is_refused() -> None:
    """Its mirror image was another optimum of the fit."""
    with pytest.raises(DeckError, match="sd_slope.*zero or more"):
        of_relaxation(sd_slope="-0.1")
