"""Wear: N_f, Miner's sum, Weibull lives, the closing window, and faults from the start."""

import numpy as np
import pytest
from device_decks import model

from stack3d.constants import BOLTZMANN
from stack3d.devices import HEALTHY, STUCK_HIGH, STUCK_LOW
from stack3d.devices.endurance import cycles_to_failure, miner_damage, parabola_decades, tent_decades, two_sided_decades
from stack3d.devices.faults import ColumnClusters, Independent

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")


def test_cycles_factors_by_hand():
    common = {
        "cycles": 1e6, "activation_energy": 0.448, "reference_temperature": 300.0, "size_slope": 0.23e9, "reference_size": 40e-9,
    }  # fmt: skip
    np.testing.assert_allclose(cycles_to_failure(300.0, 40e-9, 0, **common), 1e6)
    np.testing.assert_allclose(cycles_to_failure(300.0, 40e-9, tent_decades([1.65, 1.95], 1.8, 0.15), **common), 1e5)
    np.testing.assert_allclose(cycles_to_failure(300.0, 20e-9, 0, **common), 1e6 * np.exp(-4.6))
    hot = np.exp(0.448 / BOLTZMANN * (1 / 380 - 1 / 300))
    np.testing.assert_allclose(cycles_to_failure(380.0, 40e-9, 0, **common), 1e6 * hot)
    assert cycles_to_failure(np.ones((4, 1)) * 300, 40e-9, np.zeros(3), **common).shape == (4, 3)


def test_voltage_forms_by_hand():
    found = 5 + parabola_decades([1.4, 1.9, 2.4, 1.65], decades=5, lowest=1.4, highest=2.4)
    np.testing.assert_allclose(found, [0, 5, 0, 3.75], atol=1e-12)
    np.testing.assert_allclose(two_sided_decades(2.0, 1.0, 0.05, 2.0, 0.1), -np.log10(2))
    np.testing.assert_allclose(two_sided_decades(2.5, 1.0, 0.05, 2.0, 0.1), -5, atol=1e-5)
    np.testing.assert_allclose(two_sided_decades(0.8, 1.0, 0.05, 2.0, 0.1), -4, atol=1e-4)


def test_miner_sum():
    np.testing.assert_allclose(miner_damage([1e5, 2e5], [1e6, 4e5]), 0.6)


def worn(device, temperature, count=20_000, steps=8):
    """Cells after a first write and `steps` more, with the bills of those."""
    rng = np.random.default_rng(4)
    state = device.program(np.full(count, 20e-6), rng, temperature=temperature)
    bills = []
    for _ in range(steps):
        state, bill = device.reprogram(state, None, state.target, rng, temperature=temperature)
        bills.append(bill)
    return state, bills


@pytest.mark.parametrize("temperature", [300.0, 380.0])
def test_lives_are_weibull_and_heat_shortens_them(temperature):
    """With N_0 chosen so that a write costs a fifth of the scale, deaths follow 1 - exp[-(D)^2]."""
    hot = np.exp(0.448 / BOLTZMANN * (1 / temperature - 1 / 300))
    device = model("hfox_analog", mechanisms__endurance__cycles_at_reference=8.5 * 5 / hot).without("faults")
    state, bills = worn(device, temperature, steps=6)
    write = float(device.damage_rate(temperature))
    np.testing.assert_allclose(write, 0.2, rtol=0.03)  # 1.75 V costs two per cent beside the plateau
    np.testing.assert_allclose(np.max(state.damage), 7 * write, rtol=1e-12)
    dead = np.count_nonzero(state.stuck != HEALTHY) / state.stuck.size
    expected = -np.expm1(-((7 * write) ** 2))
    np.testing.assert_allclose(dead, expected, atol=4 * (expected * (1 - expected) / state.stuck.size) ** 0.5)
    born_dead = np.count_nonzero(state.stuck != HEALTHY) - sum(b.failed for b in bills)
    np.testing.assert_allclose(born_dead / state.stuck.size, -np.expm1(-(write**2)), atol=0.005)
    conducting = np.count_nonzero(state.stuck == STUCK_HIGH) / np.count_nonzero(state.stuck)
    np.testing.assert_allclose(conducting, 0.5, atol=4 * 0.5 / np.count_nonzero(state.stuck) ** 0.5)


def test_dead_cells_cost_nothing_and_bills_shrink():
    device = model("hfox_analog", mechanisms__endurance__cycles_at_reference=40).without("faults")
    _, bills = worn(device, 300.0)
    cells = [b.cells for b in bills]
    assert all(a >= b for a, b in zip(cells, cells[1:])) and cells[-1] < cells[0]
    for bill, following in zip(bills, bills[1:]):
        assert bill.cells - bill.failed == following.cells


def test_hot_and_cold_writes_add_up_by_miner():
    device = model("hfox_analog").without("faults")
    rng = np.random.default_rng(0)
    state = device.program(np.full((2, 50), 20e-6), rng, temperature=300.0)
    state, _ = device.reprogram(state, None, state.target, rng, temperature=np.array([[300.0], [370.0]]))
    pulses = 8.5 * np.array([[1, 1], [1, 1]])
    lives = device.endurance.cycles(np.array([[300.0, 300.0], [300.0, 370.0]]), device.device)
    np.testing.assert_allclose(np.broadcast_to(state.damage, (2, 50))[:, 0], miner_damage(pulses, lives), rtol=1e-12)


def test_window_closes_in_decades_of_damage():
    law = {"law": "lammie2021_gradual", "threshold": 0.1, "low_resistance_slope": 0.5, "high_resistance_slope": -0.3}
    device = model("hfox_analog", mechanisms__window_closure=law).without("faults")
    lowest, highest = device.window_closure.window(np.array([0.05, 0.1, 1.0, 10.0]), device.device)
    np.testing.assert_allclose(highest, 40e-6 * np.array([1, 1, 10**-0.5, 10**-1.0]))
    np.testing.assert_allclose(lowest[:3], 1e-6 * np.array([1, 1, 10**0.3]))
    assert np.all(lowest <= highest)
    fresh = device.without("programming", "endurance")
    state = fresh.program(np.array([1e-6, 40e-6]), np.random.default_rng(0), dtype=np.float64)
    np.testing.assert_array_equal(state.programmed, [1e-6, 40e-6])


@pytest.mark.parametrize(
    "law",
    [
        Independent(high_resistance=0.03, low_resistance=0.01),
        ColumnClusters(high_resistance=0.03, low_resistance=0.01, mean_length=8),
    ],
)
def test_fault_shares(law):
    stuck = law.stuck(np.random.default_rng(2), (40, 128, 128))
    faults = stuck != HEALTHY
    # cells of a run come together: the share scatters like that of independent runs
    runs = 8 if isinstance(law, ColumnClusters) else 1
    np.testing.assert_allclose(faults.mean(), 0.04, atol=4 * (0.04 * 2 * runs / faults.size) ** 0.5)
    kinds = np.count_nonzero(faults) / (2 * runs)
    np.testing.assert_allclose((stuck[faults] == STUCK_LOW).mean(), 0.75, atol=4 * (0.75 * 0.25 / kinds) ** 0.5)
    below = faults[:, 1:][faults[:, :-1]].mean()
    beside = faults[..., 1:][faults[..., :-1]].mean()
    assert abs(beside - 0.04) < 0.02
    assert (below > 0.8) if runs > 1 else (below < 0.06)


def test_no_faults_is_allowed():
    law = Independent(high_resistance=0, low_resistance=0)
    assert not law.stuck(np.random.default_rng(0), (5, 5)).any()
    assert not ColumnClusters(high_resistance=0, low_resistance=0, mean_length=3).stuck(np.random.default_rng(0), (5, 5)).any()
