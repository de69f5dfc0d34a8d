"""Published laws as pure functions: by hand, at their limits, over any broadcastable shape."""

import numpy as np
import pytest
from device_decks import deck, model

from stack3d.constants import BOLTZMANN
from stack3d.devices import heating, noise, programming, relaxation, retention, reversible

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")


def test_power_law_by_hand():
    found = retention.power_law(np.array([10e-6]), np.array(180.0), exponent=np.array([0.05]), reference_time=20.0)
    np.testing.assert_allclose(found, 10e-6 * 10**-0.05, rtol=1e-12)


def test_stretched_log_resistance_by_hand_and_saturated():
    x = np.array([0.0, 0.5, 1.0, 50.0])
    found = retention.stretched_log_resistance(np.full(4, 1e-5), x, shape=0.7, saturation=5e-7)
    np.testing.assert_allclose(found, [1e-5, 1e-5 * np.exp(-(0.5**0.7)), 1e-5 / np.e, 5e-7], rtol=1e-12)
    below = retention.stretched_log_resistance(np.array([1e-7]), np.array([2.0]), shape=0.7, saturation=5e-7)
    np.testing.assert_array_equal(below, [1e-7])  # a cell already below the saturation does not recover


def test_relax_towards_by_hand():
    found = retention.relax_towards(np.array([10.0, 0.5]), np.array(4.0), shape=0.5, final=1.0)
    np.testing.assert_allclose(found, [1 + 9 * np.exp(-2), 1 - 0.5 * np.exp(-2)], rtol=1e-12)


def test_reversible_by_hand():
    np.testing.assert_allclose(reversible.metallic(np.array(373.15), np.array(273.15), 1e-3), 1 / 1.1)
    expected = np.exp(-0.1 / BOLTZMANN * (1 / 358.15 - 1 / 298.15))
    np.testing.assert_allclose(reversible.semiconducting(np.array(358.15), np.array(298.15), 0.1), expected, rtol=1e-12)


@pytest.mark.parametrize("temperature", [260.0, 300.0, 400.0])
def test_reading_at_the_programming_temperature_sees_what_was_programmed(temperature):
    device = model("bulk_rram_ucsd").without("faults")
    state = device.program(np.full(500, 5e-7), np.random.default_rng(0), temperature=temperature, dtype=np.float64)
    np.testing.assert_allclose(device.conductance(state, temperature), device.conductance(state), rtol=1e-12)


def test_reversible_change_is_reversible_and_spreads():
    device = model("bulk_rram_ucsd").without("faults", "relaxation", "retention", "programming")
    state = device.program(np.full(200_000, 5e-7), np.random.default_rng(0), dtype=np.float64)
    hot = device.conductance(state, 360.0) / device.conductance(state)
    inverse = (1 / 360 - 1 / 300) / BOLTZMANN
    # E_c = 0.1 (1 - u) ± 0.005 eV: the factor is log-normal
    np.testing.assert_allclose(np.log(hot).mean(), -0.05 * inverse, atol=4 * 0.005 * abs(inverse) / hot.size**0.5)
    np.testing.assert_allclose(np.log(hot).std(), 0.005 * abs(inverse), rtol=4 / (2 * hot.size) ** 0.5)


@pytest.mark.parametrize("name", ["hfox_analog", "taox", "cmo_hfox"])
def test_semiconducting_passes_into_metallic(name):
    """By hand far from the crossover; around it heat never swaps the order of two levels."""
    device = model(name)
    law = device.temperature_dependence.model_copy(update={"activation_energy_sd": 0.0})
    hot, cold = np.asarray(358.15), np.asarray(298.15)
    u = np.linspace(0, 1, 2001)
    factor = law.factor(u, hot, cold, 0.0, device.device)
    semi = np.exp(-law.activation_energy * (1 - u) / BOLTZMANN * (1 / hot - 1 / cold))
    below, above = u < law.crossover - 0.1, u > law.crossover + 0.1
    np.testing.assert_allclose(factor[below], semi[below], rtol=1e-12)
    np.testing.assert_allclose(factor[above], 1 / (1 + 1e-3 * 60), rtol=1e-12)
    assert np.all(np.diff(u * factor) > 0)
    sharp = law.model_copy(update={"crossover_width": 0.0}).factor(u, hot, cold, 0.0, device.device)
    np.testing.assert_allclose(sharp[u < law.crossover], semi[u < law.crossover], rtol=1e-12)
    np.testing.assert_allclose(sharp[u > law.crossover], 1 / 1.06, rtol=1e-12)


def test_write_verify_against_a_simulated_loop():
    sd, pulses, failed = programming.write_verify(2.0, 1.5, 4)
    rng = np.random.default_rng(3)
    count = 200_000
    error, used = rng.normal(0, 2, count), np.ones(count)
    for _ in range(3):
        again = np.abs(error) > 1.5
        error[again] = rng.normal(0, 2, np.count_nonzero(again))
        used[again] += 1
    outside = (np.abs(error) > 1.5).mean()
    np.testing.assert_allclose(used.mean(), pulses, atol=4 * used.std() / count**0.5)
    np.testing.assert_allclose(outside, failed, atol=4 * (failed * (1 - failed) / count) ** 0.5)
    np.testing.assert_allclose(error.std(), sd, rtol=4 * (np.mean(error**4) / error.var() ** 2 - 1) ** 0.5 / (4 * count) ** 0.5)
    law = {"law": "write_verify", "window": 0.015, "pulse_sd": 0.02, "max_pulses": 4}
    device = model("hfox_analog", mechanisms__programming=law).without("faults")
    state = device.program(np.full(count, 20e-6), rng, dtype=np.float64)
    drawn = (state.programmed - 20e-6) / 40e-6 * 100
    np.testing.assert_allclose(drawn.std(), sd, rtol=4 / count**0.5)
    np.testing.assert_allclose((np.abs(drawn) > 1.5).mean(), failed, atol=4 * (failed * (1 - failed) / count) ** 0.5)
    np.testing.assert_allclose(float(state.writes), pulses)


def test_abrupt_jumps_are_weibull():
    law = {
        "law": "abrupt", "activation_energy": "1.3 eV", "time_constant": "1e4 s", "reference_temperature": "200 degC",
        "shape": 1.7, "saturation_resistance": "10 Mohm",
    }  # fmt: skip
    device = model("hfox_analog", mechanisms__retention=law).without("faults", "relaxation", "programming")
    state = device.program(np.full(100_000, 20e-6), np.random.default_rng(1), temperature=473.15)
    for time in (3e3, 1e4, 2e4):
        jumped = device.conductance(device.advance(state, time, 473.15)) < 1e-6
        expected = -np.expm1(-((time / 1e4) ** 1.7))
        np.testing.assert_allclose(jumped.mean(), expected, atol=4 * (expected * (1 - expected) / jumped.size) ** 0.5)


def test_kaul_mapping_is_its_own_chain():
    """v = R/R_0 - 1 after ten years taken as a drift exponent: at 99.49 degC v = 0.029421."""
    law = {
        "law": "kaul2021_mapping", "velocity": 300, "recombination_energy": "1.5 eV", "separation_energy": "1.501 eV",
        "gap_scale": "0.275 nm",
    }  # fmt: skip
    device = model("hfox_analog", mechanisms__retention=law).without("faults", "relaxation", "programming")
    state = device.advance(device.program(np.full(3, 20e-6), np.random.default_rng(1), dtype=np.float64), 3.154e8, 372.64)
    np.testing.assert_allclose(
        device.conductance(state), 20e-6 * 3.154e8**-0.029421, rtol=2e-4
    )  # v printed to 3e-5 of itself, times ln t = 20


def test_spread_grows_with_equivalent_time():
    law = {
        "law": "power_law", "sd_at_anchor": 0.05, "exponent": 0.4, "activation_energy": "1 eV",
        "anchor_time": "1e7 s", "anchor_temperature": "25 degC",
    }  # fmt: skip
    mapping = dict(deck("ideal").model_dump())
    assert mapping["mechanisms"] == {}
    device = model("ideal", mechanisms__spread=law)
    state = device.program(np.full(100_000, 25e-6), np.random.default_rng(1), dtype=np.float64)
    for time, temperature in ((1e7, 298.15), (1e5, 330.0)):
        aged = device.conductance(device.advance(state, time, temperature))
        equivalent = time * np.exp(1 / BOLTZMANN * (1 / 298.15 - 1 / temperature))
        np.testing.assert_allclose(aged.std(), 0.05 * 50e-6 * (equivalent / 1e7) ** 0.4, rtol=4 / (2 * aged.size) ** 0.5)
        np.testing.assert_allclose(aged.mean(), 25e-6, atol=4 * aged.std() / aged.size**0.5)


def test_relaxation_saturates():
    device = model("bulk_rram_ucsd", mechanisms__relaxation__saturation_time="1 day").without("retention", "faults")
    state = device.program(np.full(1000, 5e-7), np.random.default_rng(0), dtype=np.float64)
    day, year = (device.conductance(device.advance(state, t, 298.15)) for t in (86400.0, 3e7))
    np.testing.assert_array_equal(day, year)


def test_read_disturb_counts_reads():
    law = {"law": "exponential_voltage", "coefficient": 1e-9, "voltage_scale": "0.1 V"}
    device = model("ideal", mechanisms__read_disturb=law)
    state = device.program(np.full(4, 20e-6), np.random.default_rng(0), dtype=np.float64)
    read = device.advance(device.advance(state, 1.0, 300.0, reads=3e6), 1.0, 300.0, reads=1e6)
    np.testing.assert_allclose(device.conductance(read), 20e-6 * np.exp(-4e6 * 1e-9 * np.exp(2)), rtol=1e-12)


def test_flicker_noise_by_hand():
    np.testing.assert_allclose(noise.flicker_growth(np.array(2.5e-7 * (2 * np.e - 1)), 2.5e-7), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(noise.flicker_growth(np.array([0.0, 1e-8]), 2.5e-7), 0.0)


def test_neighbours_heat_each_other():
    power = np.zeros((3, 5, 5))
    power[1, 2, 2] = 1e-6
    rise = heating.neighbour_rise(power, 3e6, in_plane=0.1, next_layer=0.2, diagonal=0.03)
    np.testing.assert_allclose(rise[1, 2, 2], 3.0)
    np.testing.assert_allclose(
        [rise[1, 1, 2], rise[1, 2, 3], rise[0, 2, 2], rise[1, 1, 1], rise[1, 3, 1]], [0.3, 0.3, 0.6, 0.09, 0.09]
    )
    np.testing.assert_allclose(rise.sum(), 3.0 * (1 + 4 * 0.1 + 2 * 0.2 + 4 * 0.03))
    corner = np.zeros((1, 2, 2))
    corner[0, 0, 0] = 1e-6
    rise = heating.neighbour_rise(corner, 3e6, in_plane=0.1, next_layer=0.1, diagonal=0.03)
    np.testing.assert_allclose(rise[0], [[3.0, 0.3], [0.3, 0.09]])
    np.testing.assert_allclose(heating.area_thermal_resistance(15e-9, 1.5, 40e-9), 6.25e6)
    device = model("hfox_analog")
    np.testing.assert_allclose(device.cell_temperature(350.0, power)[1, 2, 2], 353.0)


CELLS, TIMES, TEMPERATURES = (7, 1, 1), (5, 1), (3,)


def test_pure_laws_broadcast():
    """(cells, times, temperatures) at once equals one by one."""
    g = np.linspace(1e-6, 4e-5, 7).reshape(CELLS)
    t = np.geomspace(1, 1e6, 5).reshape(TIMES)
    temperature = np.array([300.0, 350.0, 400.0])
    x = t * relaxation.acceleration(temperature, activation_energy=1.0, reference_temperature=298.15) / 1e8
    for law in (
        lambda g, x, t: retention.stretched_log_resistance(g, x, shape=0.7, saturation=5e-7),
        lambda g, x, t: retention.relax_towards(g, x, shape=0.5, final=1e-6),
        lambda g, x, t: retention.power_law(g, t, exponent=np.full_like(g, 0.05), reference_time=20.0),
    ):
        together = np.broadcast_to(law(g, x, t), (7, 5, 3))
        one = law(np.array([g[4, 0, 0]]), np.array([x[2, 1]]), np.array([t[2, 0]]))
        np.testing.assert_allclose(together[4, 2, 1], one[0], rtol=1e-14)
