"""The chain as a whole: does the choice matter, in the direction physics demands?"""

from typing import Any

import numpy as np
import pytest

import stack3d

QUICK = {"monte_carlo.samples": 8, "lifetime.epochs": 3, "solver.backend": "tensor"}


def run(**overrides: Any) -> Any:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return stack3d.load("quickstart", {**QUICK, **keys}).run()


@pytest.fixture(scope="module")
def cool_and_hot() -> tuple[Any, Any]:
    return tuple(run(device="hfox_analog", cooling__ambient=t) for t in ("25 degC", "85 degC"))


def test_hotter_surroundings_heat_every_tier_alike(cool_and_hot: tuple[Any, Any]) -> None:
    rise = cool_and_hot[1]["thermal/temperature_mean"] - cool_and_hot[0]["thermal/temperature_mean"]
    assert rise.sizes["tier"] == 8
    np.testing.assert_allclose(rise, 60.0, rtol=0.02)  # silicon conducts a little less when hot, so not exactly 60


def test_hotter_surroundings_cost_accuracy(cool_and_hot: tuple[Any, Any]) -> None:
    """Ten-year accuracy of HfOx falls by more than four standard errors; that of a fresh chip does not."""
    cool, hot = (tree["mvm/accuracy"] for tree in cool_and_hot)
    error = float(np.sqrt(cool[-1].var(ddof=1) / 8 + hot[-1].var(ddof=1) / 8))
    assert float(cool[-1].mean() - hot[-1].mean()) > 4 * error
    assert abs(float(cool[0].mean() - hot[0].mean())) < 0.02


def test_an_ideal_device_keeps_the_float_accuracy() -> None:
    tree = run(device="ideal", mvm__adc_bits=None, mvm__dac_bits=None)
    np.testing.assert_allclose(tree["mvm/accuracy"], float(tree["mvm/accuracy_ideal"]), atol=1e-12)
    assert float(tree["mvm/logit_error"].max()) < 1e-4  # single precision on the arrays


def test_same_seed_same_chips() -> None:
    one, two, other = run(), run(), run(monte_carlo__seed=2)
    np.testing.assert_array_equal(one["mvm/accuracy"], two["mvm/accuracy"])
    assert not np.array_equal(one["mvm/accuracy"], other["mvm/accuracy"])


def test_better_cooling_is_never_hotter() -> None:
    peaks = [
        float(run(cooling__top=c)["thermal/temperature_max"].max())
        for c in ("natural_convection", "forced_air", "lid_heat_sink", "cold_plate")
    ]
    assert peaks == sorted(peaks, reverse=True)
