"""Self-heating of cells acts in reads, writes and ageing; disturbs by reads; faults in clusters; drift in both directions."""

import numpy as np
import pytest
from device_decks import model
from scipy.special import ndtr, ndtri

from stack3d.devices import HEALTHY, STUCK_HIGH, STUCK_LOW
from stack3d.devices.directions import RISING
from stack3d.devices.endurance import AbruptClosure
from stack3d.devices.faults import Cluster, Clusters
from stack3d.devices.heating import neighbour_rise

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")


def test_rise_of_a_cell_and_its_neighbours_by_hand():
    """One cell of 1 W at 100 K/W in the middle of 3 x 3: 100 K, 10 K beside it, 3 K on the diagonals."""
    power = np.zeros((3, 3))
    power[1, 1] = 1.0
    rise = neighbour_rise(power, 100.0, in_plane=0.1, next_layer=0.2, diagonal=0.03)
    np.testing.assert_allclose(rise, [[3, 10, 3], [10, 100, 10], [3, 10, 3]])
    stacked = neighbour_rise(np.stack([power, 0 * power]), 100.0, in_plane=0.1, next_layer=0.2, diagonal=0.03)
    assert stacked[1, 1, 1] == pytest.approx(20.0) and stacked[1].sum() == pytest.approx(20.0)


def heated(resistance, **more):
    changes = {"mechanisms__self_heating__thermal_resistance": f"{resistance} K/W"} | more
    return model("cmo_hfox", **changes).without("programming", "relaxation", "faults", "read_noise")


def test_ten_thousand_times_the_resistance_shows_in_read_write_and_ageing():
    """2 uW of read times 3e6 K/W are 6 K and 8.4 K with four neighbours, times 10,000 more than anything stands."""
    few, many = heated(3e6), heated(3e10, valid={"time_allowed": "[0, 100] year"})
    target = np.full((4, 4), 5e-5)
    cold, hot = (d.program(target, np.random.default_rng(0), dtype=np.float64) for d in (few, many))
    assert hot.clocks["retention"] > cold.clocks["retention"] > 0, "writes of neighbours warm a cell"
    at = [d.conductance(s, 350.0) for d, s in ((few, cold), (many, hot))]
    assert np.abs(at[0] - at[1]).max() > 1e-7, "reads warm a cell"
    aged = few.advance(cold, 1e6, 420.0, reads=1e11)
    still = few.advance(cold, 1e6, 420.0)
    assert np.all(few.conductance(aged) < few.conductance(still)), "cells age faster while they are read"
    rise = few._read_rise(target)
    inner = 3e6 * 0.04 * 5e-5 * (1 + 4 * 0.1 + 4 * 0.03)
    np.testing.assert_allclose(rise[1:3, 1:3], inner, rtol=1e-6)


def test_a_short_pulse_does_not_heat_in_full():
    slow = heated(3e6, mechanisms__self_heating__time_constant="1 us")
    np.testing.assert_allclose(slow.self_heating.reached(1e-6), 1 - np.exp(-1))
    assert heated(3e6).self_heating.reached(1e-6) == pytest.approx(1.0)


def test_reads_disturb_as_the_source_allows():
    """1e6 reads of 0.2 V take 1 %; twice the voltage counts e² as many reads."""
    device = model("taox")
    assert device.read_disturb.remaining(np.array(1e6), device.device) == pytest.approx(0.99, abs=1e-4)
    harder = model("taox", read={"voltage": "0.4 V", "pulse": "100 ns", "assumed": "twice"})
    np.testing.assert_allclose(
        harder.read_disturb.remaining(np.array(1e6), harder.device),
        device.read_disturb.remaining(np.array(1e6 * np.exp(2)), device.device),
    )


def test_clusters_have_their_share_and_lie_along_lines():
    line = Cluster(share=0.02, mean_length=20, low_resistance=1.0)
    law = Clusters(high_resistance=0.0, low_resistance=0.0, rows=line)
    stuck = law.stuck(np.random.default_rng(0), (20, 2, 128, 128))
    assert set(np.unique(stuck)) == {HEALTHY, STUCK_HIGH}
    assert np.mean(stuck == STUCK_HIGH) == pytest.approx(0.02, rel=0.1)
    bad = (stuck == STUCK_HIGH).astype(float)
    along = np.mean(bad[..., 1:] * bad[..., :-1])
    across = np.mean(bad[..., 1:, :] * bad[..., :-1, :])
    assert along > 20 * across, "runs lie along rows"
    both = Clusters(high_resistance=0.01, low_resistance=0.0, columns=Cluster(share=0.01, mean_length=5, low_resistance=0.0))
    stuck = both.stuck(np.random.default_rng(1), (100, 64, 64))
    assert np.mean(stuck == STUCK_LOW) == pytest.approx(1 - 0.99 * 0.99, rel=0.1)


def test_a_share_of_the_cells_drifts_to_low_resistance():
    changes = {"law": "both_directions", "rising": 0.2}
    deck = model("bulk_rram_ucsd").device.mechanisms["retention"].parameters
    device = model("bulk_rram_ucsd", mechanisms__retention=dict(deck) | changes).without("programming", "relaxation", "faults")
    state = device.program(np.full((1, 20_000), 5e-7), np.random.default_rng(0), dtype=np.float64)
    up = state.draws["retention"] > RISING / 2
    assert up.mean() == pytest.approx(0.2, abs=4 * (0.16 / 20_000) ** 0.5)
    for direction in (up, ~up):  # within each direction barriers are normal again
        draws = state.draws["retention"][direction] - RISING * up[direction]
        assert abs(draws.mean()) < 0.07 and draws.std() == pytest.approx(1.0, abs=0.05)
    aged = device.conductance(device.advance(state, 1e9, 380.0))
    assert np.all(aged[up] > 5e-7) and np.all(aged[~up] < 5e-7)


@pytest.mark.parametrize("rising", [0.0, 0.003, 0.1, 0.5, 1.0])
def test_directions_of_draws_are_those_of_their_quantiles(rising):
    model_of = model("taox").device
    law = model("taox").retention.model_copy(update={"rising": rising})
    draws = np.random.default_rng(0).standard_normal(200_000)
    share = ndtr(draws)
    up = share < rising
    within = np.where(up, share / max(rising, 1e-300), (share - rising) / max(1 - rising, 1e-300))
    frozen = law.frozen(draws, draws, model_of)
    np.testing.assert_array_equal(frozen > RISING / 2, up)
    np.testing.assert_allclose(frozen - RISING * up, ndtri(np.clip(within, 1e-9, 1 - 1e-9)), atol=1e-5)


def test_windows_close_at_both_ends():
    law = AbruptClosure(threshold=0.5, low_resistance_growth=2.0, high_resistance_growth=0.5)
    device = model("hfox_analog").device
    low, high = law.window(np.array([0.4, 0.6]), device)
    np.testing.assert_allclose(low, [1e-6, 2e-6])
    np.testing.assert_allclose(high, [40e-6, 20e-6])
    low, high = model("hfox_analog").window_closure.window(np.array([0.0245, 0.245]), device)
    np.testing.assert_allclose(low, [1e-6, 10**0.518 * 1e-6])
    np.testing.assert_allclose(high, [40e-6, 40e-6 * 10**-0.215])
