"""Decks fitted to bakes of two foundry technologies, held against every statistic of those bakes."""

import warnings

import numpy as np
import pytest
from device_decks import model

from stack3d.devices import build_device, load_device
from stack3d.devices.equilibrium import reach
from stack3d.devices.foundry import (
    PAIR_WIDTH,
    STATISTICS,
    later,
    logarithmic_misses,
    predicted,
    relaxation_clock,
    rows,
    spreads_from_room,
)
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


@pytest.mark.slow
def test_what_is_stored_of_conditions_left_out_is_what_a_fit_says():
    """One condition again, 140 degC of technology B; ``fit_foundry leave_out`` does all, in minutes."""
    from stack3d.library.devices import fit_foundry

    form = fit_foundry.FORMS[1]
    given, device = rows("B"), load_device("ideal")
    out = given.at(413.15, 5861.0)
    laws = form.laws(form.fit(given[~out]))
    held = np.abs(given[out].misses(predicted(*laws, device, given[out], width=PAIR_WIDTH["B"]))) <= 1
    [stored] = [row for row in fit_foundry.LEFT_OUT.read_text(encoding="utf-8").splitlines() if row.startswith("B,140,5861,")]
    assert stored == f"B,140,5861,{','.join(str(n) for n in held.sum(0))},{held.sum()},{held.size}"


@pytest.mark.parametrize("name", ["hfox_analog", "cmo_hfox", "cmo_hfox_tight", "taox", "bulk_rram_ucsd"])
def test_clocks_of_relaxation_are_derived_and_bounded_by_a_fit(name):
    """Value: the barrier crossed after a day at 25 degC; low end: after a second; high end: the fit to technology B."""
    found = [build_device(load_device(name), band).relaxation.activation_energy for band in ("low", "default", "high")]
    derived = [float(reach(298.15, 1.0)), float(reach(298.15, 86400.0)), relaxation_clock().activation_energy]
    np.testing.assert_allclose(found, derived, atol=0.005)


def test_a_weak_clock_misses_the_measured_spread():
    """The spread of technology B from 25 to 180 degC: 0.1 eV, once assumed, misses it three times as much as 1.06 eV."""
    given = later(rows("B"))
    weak, ours = (logarithmic_misses(given, energy) for energy in (0.1, 1.06))
    assert ours < 0.06 and weak > 0.15
    assert relaxation_clock().low > 0.1
    for energy, low, high in ((0.1, 0.70, 0.78), (1.06, 0.95, 1.0)):  # fitted at 25 degC alone, held against the bakes
        expected, measured = spreads_from_room(energy)
        assert low < np.median(expected / measured) < high


def test_a_rising_share_of_taox_is_that_of_bakes_at_260_degrees():
    """Share of cells of technology A that end higher than written, between the published percentiles."""
    import csv
    from importlib.resources import files

    text = files("stack3d.devices").joinpath("published", "foundry_bakes.csv").read_text(encoding="utf-8")
    shares, ends = [], []
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        if row["tech"] == "A" and row["T_degC"] == "260":
            change = [float(row[k]) for k in ("p1", "p5", "p25", "p50", "p75", "p95", "p99")]
            ends.append((float(row["mean_G0_uS"]) + change[5]) / 240)
            shares.append(1 - np.interp(0, change, (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)))
    assert len(shares) == 16
    taox = build_device(load_device("taox"))
    assert taox.retention.rising == pytest.approx(np.median(shares), abs=0.005)
    assert taox.retention.rising_conductance / taox.device.g_max == pytest.approx(np.median(ends[:9]), abs=0.005)


@pytest.mark.parametrize(
    ("celsius", "age", "said"),
    [(120.0, 5230.0, False), (260.0, 5199.0, False), (90.0, 5230.0, True), (120.0, 1.0, True), (120.0, 6e3, True),
     (270.0, 5199.0, True)],
)  # fmt: skip
def test_both_sides_of_what_was_measured_are_told(celsius, age, said):
    """Colder, sooner, later and hotter than the bakes of technology A, one line for the mechanism."""
    device = model("foundry_a").without("retention", "programming")
    state = device.program(np.full(4, 5e-5), np.random.default_rng(0), temperature=298.15)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        device.advance(state, age, celsius + 273.15)
    told = [str(w.message) for w in caught if issubclass(w.category, ValidityWarning)]
    assert len(told) == said
    assert all("260 degC; none colder than 100 degC or younger than 5199 s); extrapolating" in t for t in told)
