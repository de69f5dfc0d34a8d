"""Where a search begins, and what it ends at where slopes lead nowhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_measurements import made

from stack3d.constants import BOLTZMANN
from stack3d.devices.fitting import estimate
from stack3d.devices.fitting.data_sizes import Scales
from stack3d.devices.fitting.kinds import likelihood
from stack3d.devices.fitting.likelihood import Likelihood
from stack3d.devices.fitting.optima import NOTHING, CallsTold, Cost, Optimum, missed
from stack3d.devices.fitting.parameters import Free, Parameters, parameters
from stack3d.devices.fitting.quality import leaning
from stack3d.devices.fitting.straightened import Straightened
from stack3d.devices.relaxation import Logarithmic
from stack3d.devices.retention import StretchedLogResistance
from stack3d.errors import DeckError
from stack3d.layout import Floats
from stack3d.progress import Silent

MIDDLE = np.array([1.2, -0.7, 0.4])


class Stairs(Cost):
    """A bowl of a width of 0.2 whose floor rises in steps of a half."""

    def __init__(self) -> None:
        self.straight = None
        self.lost = np.zeros(MIDDLE.size, bool)
        self.counted = lambda: None

    def __call__(self, x: Floats, weight: float = 1.0) -> float:
        return float(np.floor(np.sum(((x - MIDDLE) / 0.2) ** 2)) / 2)


def test_a_search_that_ends_on_a_step_goes_on_from_a_draw_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Optimum(np.zeros(3), np.eye(3), Stairs()(np.zeros(3)))
    assert 20 < stuck.cost < NOTHING
    monkeypatch.setattr(estimate, "optima", lambda *_: [stuck])
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


class KnownLives(Likelihood):
    """Cells whose ln τ are known, at three bakes: normal about the Arrhenius line, as a law has them."""

    def __init__(self, seed: int) -> None:
        self.nuisance = {}
        rng = np.random.default_rng(seed)
        self.inverse = np.repeat(1 / np.array(BAKES), 18)
        self.lever = (self.inverse - 1 / BAKES[-1]) / BOLTZMANN
        self.seen = np.log(2e5) + 1.3 * self.lever + 0.03 / BOLTZMANN * self.inverse * rng.normal(size=self.inverse.size)

    def log(self, law: Any, noise: Sequence[float]) -> float:
        spread = law.barrier_sd / BOLTZMANN * np.abs(self.inverse - law.inverse_isokinetic_temperature)
        off = (self.seen - np.log(law.time_constant) - law.activation_energy * self.lever) / spread
        return -float(np.sum(np.log(spread) + 0.5 * off * off))

    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        raise NotImplementedError

    def known(self, found: Parameters) -> tuple[Floats, Floats]:
        """Spread of the barrier and inverse isokinetic temperature, drawn from a grid of their posterior."""
        free = {f.key: f for f in found.free}
        x, z = np.meshgrid(np.linspace(-5, 5, 201), np.linspace(-6, 6, 481), indexing="ij")
        sd, inverse = (np.vectorize(free[k].value)(v) for k, v in (("barrier_sd", x), ("inverse_isokinetic_temperature", z)))
        log, precision, shift, square = -0.5 * (x * x + z * z), np.zeros((2, 2, *x.shape)), np.zeros((2, *x.shape)), 0.0
        for at, lever, seen in zip(self.inverse, self.lever, self.seen - np.log(2e5)):
            spread = np.maximum(sd / BOLTZMANN * np.abs(at - inverse), 1e-6)
            log, square = log - np.log(spread), square + seen**2 / spread**2
            precision += np.array([[1, lever], [lever, lever**2]])[..., None, None] / spread**2
            shift += np.array([seen, seen * lever])[:, None, None] / spread**2
        precision = np.moveaxis(precision, (0, 1), (2, 3)) + 1e-3 * np.eye(2)  # of ln τ and its slope nothing is assumed
        shift = np.moveaxis(shift, 0, 2)
        fitted = np.einsum("ijk,ijkl,ijl->ij", shift, np.linalg.inv(precision), shift)
        log += 0.5 * (fitted - square) - 0.5 * np.linalg.slogdet(precision)[1]
        weight = np.exp(log - log.max()).ravel()
        drawn = np.random.default_rng(0).choice(weight.size, 5000, p=weight / weight.sum())
        return sd.ravel()[drawn], inverse.ravel()[drawn]


BAKES = (423.15, 448.15, 473.15)


@pytest.mark.parametrize("seed", range(1, 5))
def test_draws_reach_the_ends_of_a_bent_valley_and_the_one_behind_it(seed: int) -> None:
    """Of the inverse isokinetic temperature 49 to 90 % lay where 95 % should, and a truth at its end was missed."""
    data, law, scales = KnownLives(seed), StretchedLogResistance, Scales(temperature=BAKES[-1], time=1e6, conductance=40e-6)
    hold = {"shape": 0.7, "saturation_resistance": "2 Mohm"}
    found = parameters(law, scales, given={}, hold=hold, columns=("temperature", "time"))
    cost = Cost(data, found, BAKES)
    _, drawn = estimate._searched(cost, CallsTold("lives", len(cost.free), Silent()), 1)
    values = np.array([cost.values(x) for x in drawn.x])
    for key, known in zip(("barrier_sd", "inverse_isokinetic_temperature"), data.known(found)):
        low, high = np.quantile(values[:, [f.key for f in cost.free].index(key)], (0.025, 0.975))
        assert np.mean((low <= known) & (known <= high)) > 0.88, key
    assert (values[:, 2] > 1 / BAKES[0]).any() and (values[:, 2] < 1 / BAKES[-1]).any()


def test_straight_coordinates_keep_what_is_assumed() -> None:
    """Their volume is the slope of what they stand for."""
    found = parameters(StretchedLogResistance, Scales(), given={}, hold={}, columns=("temperature", "time"))
    straight = Straightened.of(found, found.free, BAKES)
    assert straight is not None
    rng, slopes, volumes = np.random.default_rng(1), [], []
    for point in rng.normal(size=(5, len(found.free))):
        step = 1e-4 * (np.arange(point.size) == straight.inverse)
        rise = straight.assumed(point + step)[straight.inverse] - straight.assumed(point - step)[straight.inverse]
        slopes.append(np.log(abs(rise)))
        volumes.append(straight.log_volume(point))
    np.testing.assert_allclose(np.subtract(slopes, volumes), slopes[0] - volumes[0], atol=1e-6)


def test_searches_that_end_far_apart_tell_that_more_may_be_missed() -> None:
    assert missed([-220.0, -223.0], -223.0) == "" and missed([], 1.0) == ""
    assert missed([-93.0, -223.2], -260.4).startswith("warning: a search ended at values 1e+43 times less likely than those")


def test_cells_of_a_level_that_draw_alike_are_told(tmp_path: Path) -> None:
    """Energies alone made a spread over cells of what differs by level, seven times too large, and "follows the data"."""
    table, law, device = made("temperature_dependence", "state_mix", tmp_path, seed=21)
    data, _ = likelihood("temperature_dependence", type(law), [table], device)
    true = data.judged(law, [0.005], 4.0)
    assert true is not None and true.follows
    alone = type(law).model_validate({"activation_energy": "0.042 eV", "activation_energy_sd": "0.0138 eV"})
    found = data.judged(alone, [0.0045], 2.0)
    assert found is not None and not found.follows
    assert "cells of a level lean together" in found.words and "most those of 5 uS" in found.words


def test_draws_that_are_random_seldom_lean() -> None:
    rng, group, names = np.random.default_rng(1), np.repeat(np.arange(5), 6), list("abcde")
    found = [leaning(rng.normal(size=30), np.ones(30), group, names) for _ in range(400)]
    chances = np.array([one.chance for one in found if one is not None])
    assert chances.size == 400 and abs(np.mean(chances < 0.05) - 0.05) < 4 * (0.05 * 0.95 / 400) ** 0.5
