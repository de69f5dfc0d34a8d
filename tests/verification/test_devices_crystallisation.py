"""Crystallisation beside drift: anchor, Arrhenius, Avrami, and which of the two wins at which temperature."""

import numpy as np
import pytest
from device_decks import model

from stack3d.constants import BOLTZMANN
from stack3d.devices.crystallisation import avrami_share, mixed_conductance
from stack3d.errors import ValidityWarning

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
TEN_YEARS = 10 * 365.25 * 86400.0
CELSIUS = np.array([25.0, 85.0, 110.0, 125.0, 145.0])


def change(device, celsius, time=TEN_YEARS, level=0.1):
    """Mean change of cells at a level after `time`, over g_max."""
    target = np.full(4000, level * device.device.g_max)
    state = device.program(target, np.random.default_rng(0), dtype=np.float64)
    return float((device.conductance(device.advance(state, time, celsius + 273.15)) - target).mean() / device.device.g_max)


def test_a_reset_cell_reads_half_its_resistance_at_the_anchor():
    device = model("pcm_gst").without("retention", "programming", "faults")
    state = device.program(np.full(1, 1e-7), np.random.default_rng(0), dtype=np.float64)
    for celsius, time in ((95.0, TEN_YEARS), (125.0, TEN_YEARS * np.exp(2.34 / BOLTZMANN * (1 / 398.15 - 1 / 368.15)))):
        now = device.conductance(device.advance(state, time, celsius + 273.15))
        np.testing.assert_allclose(now, 2e-7, rtol=1e-5)


def test_avrami_and_mixture_by_hand():
    np.testing.assert_allclose(avrami_share(np.array([0.0, 1.0]), exponent=3), [0.0, 1 - np.exp(-1)])
    mixed = mixed_conductance(np.array([1e-6, 1e-6, 0.0, 2e-5]), 1e-5, np.array([0.5, 1.0, 0.5, 0.5]))
    np.testing.assert_allclose(mixed, [1e-6 * 10**0.5, 1e-5, 0.0, 2e-5])


@pytest.mark.parametrize("name", ["pcm_gst", "pcm_hermes_1dev", "pcm_hermes_2dev"])
@pytest.mark.parametrize("band", ["low", "default", "high"])
def test_without_drift_the_loss_rises_with_temperature(name, band):
    device = model(name, band).without("retention", "programming", "faults")
    lost = np.array([change(device, celsius) for celsius in CELSIUS])
    assert np.all(np.diff(lost) >= 0) and lost[0] < 1e-6 and lost[-1] > 0.5


def test_crystallisation_overtakes_drift_between_90_and_100_degrees():
    """Ten years, a tenth of g_max: below, cells lose to drift as at 25 degC; above, they gain."""
    device = model("pcm_gst").without("programming", "faults")
    assert change(device, 25.0) == pytest.approx(change(device, 85.0), rel=0.01)
    assert change(device, 90.0) < 0 < change(device, 100.0)


def test_the_deck_says_where_it_extrapolates():
    device = model("pcm_gst")
    state = device.program(np.full(4, 1e-5), np.random.default_rng(0))
    with pytest.warns(ValidityWarning, match="crystallisation of device 'pcm_gst': leaves the times and temperatures"):
        device.advance(state, 3600.0, 398.15)
    with pytest.warns(ValidityWarning, match="retention of device 'pcm_gst': leaves the times and temperatures"):
        device.advance(state, TEN_YEARS, 298.15)
