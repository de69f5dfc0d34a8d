"""Time as state: pieces compose, Arrhenius holds, anchors are met."""

from functools import cache

import numpy as np
import pytest
from device_decks import NAMES, deck, model
from hypothesis import given, settings
from hypothesis import strategies as st

from stack3d.constants import BOLTZMANN
from stack3d.devices.directions import BothDirections
from stack3d.devices.relaxation import acceleration, equivalent_time
from stack3d.devices.retention import DistributedBarriers, anchored_time_constant
from stack3d.errors import DeckError

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
YEAR = 365.25 * 86400


def cells(device, count=2000, dtype=np.float64, temperature=300.0):
    target = np.linspace(device.device.g_min, device.device.g_max, 5)[:, None] * np.ones(count)
    return device.program(target, np.random.default_rng(3), temperature=temperature, dtype=dtype)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_compose_to_the_whole(name):
    """Any cut of a piece at one temperature, and any order of its parts, gives the same cells."""
    device = model(name)
    start = cells(device)
    whole = device.advance(device.advance(start, 3e7, 330.0), 5e5, 360.0)
    cut = start
    for part, temperature in ((1e3, 330.0), (1e5, 360.0), (3e7 - 1e3, 330.0), (4e5, 360.0)):
        cut = device.advance(cut, part, temperature)
    for key, clock in whole.clocks.items():
        np.testing.assert_allclose(cut.clocks[key], clock, rtol=1e-12)
    np.testing.assert_allclose(device.conductance(cut, 350.0), device.conductance(whole, 350.0), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_zero_time_changes_nothing(name):
    device = model(name)
    start = cells(device)
    np.testing.assert_array_equal(device.conductance(device.advance(start, 0.0, 330.0)), device.conductance(start))


def test_equivalent_time_against_the_integral():
    """One hour at 125 degC and one at 25 degC with 1.1 eV, by hand."""
    by_hand = 3600 * (1 + np.exp(1.1 / BOLTZMANN * (1 / 298.15 - 1 / 398.15)))
    history = equivalent_time(
        np.full(2, 3600.0), np.array([298.15, 398.15]), activation_energy=1.1, reference_temperature=298.15
    )
    np.testing.assert_allclose(history, by_hand, rtol=1e-12)


@pytest.mark.parametrize(("energy", "factor"), [(0.6, 50), (0.8, 184), (1.0, 679), (1.2, 2500), (1.4, 9220)])
def test_acceleration_from_25_to_85_degc(energy, factor):
    device = model("bulk_rram_ucsd", mechanisms__retention__activation_energy=f"{energy} eV")
    np.testing.assert_allclose(device.acceleration(358.15), factor, rtol=0.01)  # printed to three digits


@pytest.mark.parametrize("cells_beyond", ["mean", 0.5, 0.01])
@pytest.mark.parametrize("log_sd", [0.0, 1.9])
def test_anchor_is_met(cells_beyond, log_sd):
    """Sampled barriers at the anchor give back the anchored loss."""
    tau = anchored_time_constant(time=1e8, loss=0.1, cells=cells_beyond, shape=0.5, log_sd=log_sd)
    z = np.random.default_rng(0).standard_normal(400_000)
    loss = -np.expm1(-np.sqrt(1e8 / tau * np.exp(-log_sd * z)))
    if cells_beyond == "mean":
        np.testing.assert_allclose(loss.mean(), 0.1, atol=4 * loss.std() / z.size**0.5 + 1e-9)
    elif log_sd:
        share = (loss > 0.1).mean()
        np.testing.assert_allclose(share, cells_beyond, atol=4 * (cells_beyond * (1 - cells_beyond) / z.size) ** 0.5)
    else:
        np.testing.assert_allclose(loss, 0.1, rtol=1e-12)


@pytest.mark.parametrize("anchor", ["25 degC", "150 degC"])
def test_activation_energy_pivots_on_its_anchor(anchor):
    """A larger barrier shortens life at 85 degC when anchored below it and lengthens it when anchored above."""
    kept = []
    for energy in ("0.8 eV", "1.1 eV", "1.4 eV"):
        device = model(
            "bulk_rram_ucsd",
            mechanisms__retention__activation_energy=energy,
            mechanisms__retention__anchor__temperature=anchor,
            mechanisms__retention__barrier_sd="0 eV",
            mechanisms__faults=None,
        )
        kept.append(device.conductance(device.advance(cells(device), 3e6, 358.15)).mean())
    assert np.all(np.diff(kept) < 0) if anchor == "25 degC" else np.all(np.diff(kept) > 0)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "ideal"])
@pytest.mark.parametrize("band", ["low", "default", "high"])
def test_hotter_never_lasts_longer(name, band):
    """Crystallisation goes the other way than drift and is tested alone."""
    device = model(name, band).without("relaxation", "spread", "crystallisation")
    start = cells(device, count=200)
    kept = np.array([device.conductance(device.advance(start, YEAR, t)) for t in (280.0, 300.0, 330.0, 360.0, 400.0)])
    high = start.programmed > device.device.g_min
    least = 1e-12 * device.device.g_max
    assert np.all(np.diff(np.abs(kept - start.programmed), axis=0)[:, high] >= -least)
    if not isinstance(device.retention, BothDirections):  # those rise in a share of the cells
        assert np.all(np.diff(kept, axis=0)[:, high] <= least)


def time_to_loss(energy, anchor_temperature, temperature):
    """Time until a nominal cell has lost what it lost at the anchor after 1e8 s. [s]"""
    law = DistributedBarriers(
        activation_energy=f"{energy} eV",
        barrier_sd="0.05 eV",
        shape=0.5,
        anchor={"time": "1e8 s", "temperature": f"{anchor_temperature} K", "loss": 0.1},
    )
    return float(1e8 * law.rate(np.asarray(anchor_temperature), 0.0, IDEAL) / law.rate(temperature, 0.0, IDEAL))


IDEAL = deck("ideal")
temperatures = st.floats(230.0, 480.0)


@settings(deadline=None)
@given(energy=st.floats(0.05, 2.5), anchor=temperatures, low=temperatures, high=temperatures)
def test_hotter_is_never_longer_for_any_barrier(energy, anchor, low, high):
    low, high = np.sort([low, high])
    assert time_to_loss(energy, anchor, np.asarray(high)) <= time_to_loss(energy, anchor, np.asarray(low)) * (1 + 1e-12)


@settings(deadline=None)
@given(low=st.floats(0.1, 1.2), step=st.floats(0.01, 1.0), gap=st.floats(1.0, 100.0))
def test_a_larger_barrier_pivots_for_any_anchor(low, step, gap):
    """Nominal cells with a common time constant at the anchor."""
    at = np.asarray(358.15)
    for anchor, sign in ((358.15 - gap, 1), (358.15 + gap, -1)):
        nominal = [float(acceleration(at, activation_energy=e, reference_temperature=anchor)) for e in (low, low + step)]
        assert sign * (nominal[1] - nominal[0]) > 0


@cache
def small(name):
    device = model(name)
    return device, cells(device, count=50)


@given(
    cuts=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6),
    temperature=st.floats(250.0, 480.0),
    name=st.sampled_from(NAMES),
)
@settings(max_examples=40, deadline=None)
def test_any_cut_of_a_piece_composes(cuts, temperature, name):
    device, start = small(name)
    low, high = device.device.valid.temperature_allowed
    temperature = min(max(temperature, low), high)
    whole = device.advance(start, 1e7, temperature)
    pieces = np.diff([0.0, *sorted(cuts), 1.0]) * 1e7
    cut = start
    for piece in pieces:
        cut = device.advance(cut, float(piece), temperature)
    for key, clock in whole.clocks.items():
        np.testing.assert_allclose(cut.clocks[key], clock, rtol=1e-12)
    np.testing.assert_allclose(device.conductance(cut), device.conductance(whole), rtol=1e-12)


def test_stronger_writes_keep_longer():
    """τ grows tenfold per 0.3 V: one third of a volt more is like a tenth of the time, for ten times as long."""
    coupling = {"optimum": "1.75 V", "scale": "0.3 V"}
    base = model("hfox_analog", mechanisms__retention__voltage_coupling=coupling)
    strong = model("hfox_analog", mechanisms__retention__voltage_coupling=coupling, write__voltage="2.05 V")
    at = np.asarray(400.0)
    np.testing.assert_allclose(base.retention.rate(at, 0.0, base.device), 10 * strong.retention.rate(at, 0.0, strong.device))
    assert strong.damage_rate(300.0) > 10 * base.damage_rate(300.0)


def test_barriers_that_spread_over_electron_volts_are_refused() -> None:
    with pytest.raises(DeckError, match="leaves no time constant for a loss of 0.1: is barrier_sd in the right unit"):
        anchored_time_constant(time=1e8, loss=0.1, cells="mean", shape=0.5, log_sd=2e3)
