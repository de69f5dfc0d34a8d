"""Decks fitted to bakes of two foundry technologies, held against every statistic of those bakes."""

import numpy as np
import pytest
from device_decks import model

from stack3d.devices.equilibrium import reach
from stack3d.devices.foundry import PAIR_WIDTH, STATISTICS, rows
from stack3d.errors import ValidityWarning

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
CELLS = 16_384


@pytest.mark.parametrize(("technology", "count"), [("A", 192), ("B", 448)])
def test_nine_of_ten_statistics_are_held(technology, count):
    """Through the deck as shipped: programmed, kept, read; mean, spread and both tails at every level."""
    device = model(f"foundry_{technology.lower()}")
    given, rng = rows(technology), np.random.default_rng(1)
    held = []
    for temperature, time in given.conditions:
        part = given[given.at(temperature, time)]
        target = part.level[:, None] + PAIR_WIDTH[technology] * (rng.random((part.level.size, CELLS)) - 0.5)
        target = np.clip(target, 0, device.device.g_max).astype(np.float32)
        state = device.program(target, rng, temperature=298.15)
        change = device.conductance(device.advance(state, time, temperature)) - device.conductance(state).astype(np.float64)
        low, high = np.quantile(change, (0.01, 0.99), axis=1)
        held.append(np.abs(part.misses(np.stack([change.mean(1), change.std(1), low, high], 1))) <= 1)
    held = np.concatenate(held)
    assert held.size == count and held.shape[1] == len(STATISTICS)
    assert held.mean() >= 0.90


def test_low_levels_rise_and_high_levels_fall():
    """Technology A at 180 degC: +9.5 uS of 8.8 uS, -3.5 uS of 232 uS; at 260 degC the middle levels lose half."""
    device = model("foundry_a").without("programming")
    state = device.program(np.array([8.758e-6, 112e-6, 232e-6])[:, None].repeat(CELLS, 1), np.random.default_rng(2))
    hot = device.conductance(device.advance(state, 5262.0, 453.15)).mean(1) - [8.758e-6, 112e-6, 232e-6]
    assert hot[0] > 5e-6 and hot[2] < 0
    kept = device.conductance(device.advance(state, 5199.0, 533.15)).mean(1) / [8.758e-6, 112e-6, 232e-6]
    assert 0.4 < kept[1] < 0.6 and 0.6 < kept[2] < 0.8


def test_ten_years_are_beyond_the_bakes():
    """kT ln(νt): ten years at 85 degC cross 1.53 eV, 5741 s at 180 degC 1.51 eV; the deck says that it extrapolates."""
    np.testing.assert_allclose(reach([358.15, 453.15], [3.156e8, 5741.0]), [1.528, 1.507], atol=0.002)
    device = model("foundry_b")
    state = device.program(np.full(4, 5e-5), np.random.default_rng(0), temperature=298.15)
    with pytest.warns(ValidityWarning, match=r"relaxation of device 'foundry_b': leaves the times and temperatures"):
        device.advance(state, 3.156e8, 358.15)
