"""Relaxation towards an equilibrium of each cell's own, and loss over barriers by level."""

import numpy as np
import pytest
from device_decks import content, model
from scipy.special import ndtr

from stack3d.constants import BOLTZMANN
from stack3d.devices import build_device
from stack3d.devices.equilibrium import escape_rate, moved_share, reach, skewed, two_populations
from stack3d.errors import DeckError
from stack3d.schema.device import DeviceDeck

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")


def test_a_cell_at_its_reach_has_moved_by_1_less_1_over_e():
    barrier = reach(400.0, 1e4)
    np.testing.assert_allclose(escape_rate(np.array(400.0), barrier) * 1e4, 1.0)
    np.testing.assert_allclose(barrier, BOLTZMANN * 400 * np.log(1e17))


def test_populations_share_the_cells_as_asked():
    draw = np.random.default_rng(0).standard_normal(200_000)
    found = two_populations(draw, np.array(-1.0), fast=0.8, fast_sd=0.1, slow=np.array(1.1), slow_sd=0.05)
    assert abs(np.mean(found <= 0.8) - ndtr(-1.0)) < 4 * (0.16 * 0.84 / draw.size) ** 0.5
    assert not np.any((found > 0.8) & (found < 1.1))


def test_skew_of_zero_is_normal_and_its_mean_is_known():
    """Mean of (e^{gz} - 1)/g is (e^{g²/2} - 1)/g."""
    draw = np.random.default_rng(0).standard_normal(400_000)
    np.testing.assert_array_equal(skewed(draw, np.zeros(1)), draw)
    value = skewed(draw, np.array([0.5]))
    np.testing.assert_allclose(value.mean(), np.expm1(0.125) / 0.5, atol=4 * value.std() / draw.size**0.5)


def test_history_does_not_depend_on_how_it_is_cut():
    """Clocks of cells add up: pieces of time and their order change nothing."""
    device = model("foundry_a")
    state = device.program(np.full((2, 500), 1e-4), np.random.default_rng(3), pair_axis=0, dtype=np.float64)
    once = device.conductance(device.advance(device.advance(state, 2000.0, 500.0), 1000.0, 400.0))
    cut = device.advance(device.advance(device.advance(state, 1000.0, 400.0), 500.0, 500.0), 1500.0, 500.0)
    np.testing.assert_allclose(device.conductance(cut), once, rtol=1e-12)


def test_moved_share_is_a_stretched_exponential_of_the_reduced_time():
    time = np.array([0.0, 0.3, 1.0, 8.0, 1e30], np.float32)
    np.testing.assert_allclose(moved_share(time, 1.0, time.dtype), 1 - np.exp(-time), rtol=1e-6)
    np.testing.assert_allclose(moved_share(time, 1 / 3, time.dtype), 1 - np.exp(-np.cbrt(time)), rtol=1e-6)
    np.testing.assert_array_equal(moved_share(time, 4.0, time.dtype)[-1], 1.0)  # overflow without a warning


def test_barriers_within_a_cell_widen_a_level_by_one_factor():
    """Cells that share one set of barriers move together; cells with one barrier each have moved or not."""
    ratios = {}
    for name, change in {"within": {"barrier_sd": "1e-9 eV"}, "between": {"shape": 1}}.items():
        deck = content("foundry_a")
        deck["mechanisms"] = {"relaxation": deck["mechanisms"]["relaxation"] | change}
        device = build_device(DeviceDeck.model_validate(deck))
        state = device.program(np.full(20_000, 1e-4), np.random.default_rng(3), dtype=np.float64)
        cool, hot = (device.conductance(device.advance(state, 5e3, t)) - 1e-4 for t in (373.15, 453.15))
        low, middle, high = np.quantile(cool, (0.02, 0.8, 0.98)) / np.quantile(hot, (0.02, 0.8, 0.98))
        ratios[name] = (low / high, middle / high)
    np.testing.assert_allclose(ratios["within"], 1.0, rtol=0.03)
    assert ratios["between"][1] < 0.7


def test_fresh_cells_are_as_programmed_and_pairs_stay_correlated():
    device = model("foundry_a").without("programming")
    state = device.program(np.full((2, 20_000), 2e-4), np.random.default_rng(3), pair_axis=0, dtype=np.float64)
    np.testing.assert_array_equal(device.conductance(state), 2e-4)
    for draw in ("retention", "relaxation_barrier"):
        assert abs(np.corrcoef(state.draws[draw])[0, 1] - 0.5) < 4 / 20_000**0.5
    assert abs(np.corrcoef(state.draws["relaxation"])[0, 1]) < 4 / 20_000**0.5  # ways are each cell's own
    off = device.without("retention").program(
        np.full((2, 20_000), 2e-4), np.random.default_rng(3), pair_axis=0, dtype=np.float64
    )
    np.testing.assert_array_equal(off.draws["relaxation_barrier"], state.draws["relaxation_barrier"])


def test_mistakes_of_the_table():
    bad = content("foundry_b")
    table = bad["mechanisms"]["relaxation"]["table"]
    table["skew"] = table["skew"][:-1]
    with pytest.raises(DeckError, match="same number of rows"):
        build_device(DeviceDeck.model_validate(bad))
    bad = content("foundry_b")
    del bad["mechanisms"]["relaxation"]["fast_barrier"]
    with pytest.raises(DeckError, match="come together"):
        build_device(DeviceDeck.model_validate(bad))
