"""Memory of large populations, in multiples of the state; seconds are only recorded in benchmarks/devices.py."""

import tracemalloc

import numpy as np
import pytest
from device_decks import NAMES, model

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")


@pytest.mark.parametrize("name", NAMES)
def test_memory_stays_below_ten_states(name):
    device, rng = model(name), np.random.default_rng(0)
    target = rng.uniform(device.device.g_min, device.device.g_max, (2, 2, 250, 1000)).astype(np.float32)
    temperature = np.linspace(330, 350, 1000)
    device.read_noise(device.advance(device.program(target[..., :2, :], rng), 1.0, 300.0), 300.0)  # what is made only once
    tracemalloc.start()
    try:
        state = device.program(target, rng, pair_axis=1)
        state = device.advance(state, 1e6, temperature)
        conductance = device.conductance(state, temperature)
        device.read_noise(state, temperature, conductance=conductance)
        device.reprogram(state, rng.random(target.shape) < 0.1, target, rng, pair_axis=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * state.nbytes


def test_a_state_is_a_few_numbers_per_cell():
    """Target, value, five draws at most, one clock per cell at most, one byte of faults."""
    device = model("hfox_analog")
    state = device.program(np.full((100, 1000), 2e-5), np.random.default_rng(0))
    state = device.advance(state, 1e6, np.full(1000, 330.0))
    assert state.nbytes / state.target.size < 4 * 6 + 8 + 1 + 1


def test_random_numbers_are_drawn_once():
    """Ageing and reading draw nothing."""
    device, rng = model("hfox_analog"), np.random.default_rng(0)
    state = device.program(np.full(1000, 2e-5), rng)
    before = rng.bit_generator.state
    device.conductance(device.advance(state, 1e6, 350.0), 350.0)
    assert rng.bit_generator.state == before
