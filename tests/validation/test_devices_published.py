"""Device laws against published points; the fits that made deck parameters; the table in the documents."""

import numpy as np
import pytest
from conftest import PROJECT
from device_decks import content

from stack3d.devices import fits, validation

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")


@pytest.fixture(scope="module")
def table():
    return validation.table()


def test_every_published_number_holds(table):
    """All but predictions that are known to miss: no more and no fewer of them, and no row that was fitted to."""
    assert len(table) >= 66
    off = [f"{r.id} {r.what}: {r.computed:g} against {r.published:g} ± {r.tolerance:g}" for r in table if r.holds == r.missed]
    assert not off
    known = [r for r in table if r.missed]
    assert 0 < len(known) == 8 and not any(r.fitted for r in known)


def test_what_is_left_out_and_the_chip_are_predicted(table):
    """Ten conditions and a temperature of two foundries, crystals and a published chip stand beside what was fitted to."""
    predicted = [r for r in table if r.kind == "predicted"]
    assert sum("left out of the fit" in r.what for r in predicted) == 11
    assert sum("crystallis" in r.what for r in predicted) == 4
    [chip] = [r for r in predicted if r.id == "N"]
    assert chip.published == pytest.approx(0.19) and chip.holds


def test_the_document_is_fresh(table):
    """Renew with stack3d.devices.validation.write("docs/devices_validation.md")."""
    document = (PROJECT / "docs" / "devices_validation.md").read_text(encoding="utf-8")
    lines = [line for line in document.splitlines() if line.startswith(("| V", "| F", "| N"))]
    assert len(lines) == len(table)
    for line, row in zip(lines, table):
        cells = [c.strip() for c in line.strip("|").split("|")]
        assert cells[:2] == [row.id, row.what]
        np.testing.assert_allclose(float(cells[3]), row.computed, rtol=1e-4)  # five digits are printed


def test_extrapolation_beyond_100_degc_explodes():
    """Published: more than twentyfold after ten years at 125 degC."""
    x = validation.TEN_YEARS / fits.StretchedFit(*validation.HFOX, (0, 0, 0), 0).time_constant(398.15)
    assert np.exp(x**0.72) > 20


def test_deck_carries_the_fit():
    fit = fits.fit_bakes(fits.bakes("HfOx"))
    retention = content("hfox_analog")["mechanisms"]["retention"]
    assert retention["activation_energy"]["value"] == f"{fit.activation_energy:.2f} eV"
    assert retention["time_constant"]["value"] == "7.87e4 s"
    np.testing.assert_allclose(fit.time_constant(473.15), 7.87e4, rtol=1e-3)
    np.testing.assert_allclose(fit.shape, retention["shape"]["value"], atol=5e-4)
    at_50_ua = next(v for v in fits.fit_voltage() if v.current == pytest.approx(50e-6))
    endurance = content("hfox_analog")["mechanisms"]["endurance"]
    assert endurance["upper_corner"]["value"] == f"{at_50_ua.two_sided[1]:.2f} V"
    assert endurance["upper_step"]["value"] == f"{at_50_ua.two_sided[2]:.3f} V"


def test_tent_misses_the_low_voltage_side():
    """Why a two-sided form exists."""
    errors = {round(v.current * 1e6): v.tent_error for v in fits.fit_voltage()}
    assert errors[20] > 0.7
    assert max(errors[10], errors[50]) < 0.5


def test_fit_recovers_made_up_bakes():
    truth = (np.log(3e-12), 1.5, 0.6)
    bakes = []
    for temperature in (450.0, 500.0, 570.0):
        time = np.geomspace(1e2, 1e6, 7)
        tau = np.exp(truth[0] + truth[1] / (8.617333262e-5 * temperature))
        bakes.append(fits.Bake(temperature, time, np.exp((time / tau) ** truth[2])))
    fit = fits.fit_bakes(bakes)
    np.testing.assert_allclose([fit.log_attempt, fit.activation_energy, fit.shape], truth, rtol=1e-9)
