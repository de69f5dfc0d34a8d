"""What every device deck and every registered law must keep; what bad decks are told."""

import re

import numpy as np
import pytest
from device_decks import NAMES, content, deck, model

from stack3d.devices import MECHANISMS, bands, build_device, check_device, load_device
from stack3d.devices.laws import RETENTION, RetentionLaw
from stack3d.errors import DeckError, RangeError, UnknownNameError, ValidityWarning
from stack3d.schema.base import ActivationEnergy
from stack3d.schema.device import BANDS, DeviceDeck

LAWS = [(kind, name, registry[name]) for kind, registry in MECHANISMS.items() for name in registry]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("band", BANDS)
def test_packaged_decks_build_and_live(name, band, recwarn):
    device = build_device(load_device(name), band)
    g = np.linspace(device.device.g_min, device.device.g_max, 8)
    state = device.program(g, np.random.default_rng(0), temperature=300.0)
    state = device.advance(state, 1e6, np.full(8, 340.0))
    conductance = device.conductance(state, 340.0)
    assert conductance.shape == (8,) and conductance.dtype == np.float32
    assert np.isfinite(conductance).all() and (conductance >= 0).all()
    assert np.all(device.read_noise(state, conductance=conductance) >= 0)
    assert all(issubclass(w.category, ValidityWarning) for w in recwarn)


def _numbers_without_provenance(node, key="", covered=False):
    if isinstance(node, dict):
        here = "source" in node or "assumed" in node
        for k, v in node.items():
            if k not in ("source", "assumed", "title", "name", "law", "first_row_is_programming"):
                yield from _numbers_without_provenance(v, f"{key}.{k}", here or (covered and not isinstance(v, dict)))
    elif isinstance(node, list):
        for i, v in enumerate(node):
            yield from _numbers_without_provenance(v, f"{key}[{i}]", covered)
    elif not covered and re.match(r"^[-+\d.\[]", str(node)):
        yield key


@pytest.mark.parametrize("name", NAMES)
def test_every_number_says_where_it_comes_from(name):
    assert not list(_numbers_without_provenance(content(name)))


@pytest.mark.parametrize("name", NAMES)
def test_every_deck_states_its_range(name):
    device = deck(name)
    assert device.valid is not None and device.valid.temperature_allowed is not None


@pytest.mark.parametrize(("kind", "name", "law"), LAWS)
def test_every_law_explains_itself(kind, name, law):
    assert law.__doc__
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    bare = set(law.model_fields) - set(law.descriptions())
    assert not bare, f"{kind} {name}: parameters without a docstring"


def test_bands_are_first_class():
    device = deck("bulk_rram_ucsd")
    assert bands(device) == ["relaxation.activation_energy", "retention.activation_energy"]
    found = [build_device(device, b).retention.activation_energy for b in BANDS]
    assert found == [0.6, 1.0, 1.4]
    assert build_device(device, {"retention.activation_energy": "high"}).retention.activation_energy == 1.4
    with pytest.raises(DeckError, match="did you mean 'retention.activation_energy'"):
        build_device(device, {"retention.activation_enrgy": "high"})
    with pytest.raises(DeckError, match="allowed: low, default, high"):
        build_device(device, "middle")


def test_all_mistakes_come_at_once():
    bad = content("hfox_analog")
    bad["g_min"] = "50 uS"
    bad["levels"] = 1
    mechanisms = bad["mechanisms"]
    mechanisms["retenshun"] = {"law": "power_law"}
    mechanisms["retention"]["shpe"] = mechanisms["retention"].pop("shape")
    mechanisms["retention"]["activation_energy"]["high"] = "1.9 V"
    mechanisms["read_noise"]["law"] = "proportionl"
    mechanisms["relaxation"]["rows"][1]["time"] = "-1 day"
    mechanisms["faults"]["low_resistance"] = 1.5
    mechanisms["spread"] = {"law": "power_law", "sd_at_anchor": 0.1}
    problems = {p.key: p.message for p in check_device(DeviceDeck.model_validate(bad))}
    expected = {
        "g_min": "not below g_max",
        "levels": "2 or more",
        "mechanisms.retenshun": "did you mean 'retention'",
        "mechanisms.retention.shpe": "did you mean 'shape'",
        "mechanisms.retention.activation_energy": "is no unit of activation energy",
        "mechanisms.read_noise.law": "did you mean 'proportional'",
        "mechanisms.relaxation.rows[1].time": "greater than zero",
        "mechanisms.faults.low_resistance": "between 0 and 1",
        "mechanisms.spread": "lacks exponent, activation_energy",
    }
    for key, words in expected.items():
        assert words in problems[key], (key, problems)
    with pytest.raises(DeckError, match="shpe"):
        build_device(DeviceDeck.model_validate(bad))


def test_mistakes_carry_file_and_line(tmp_path):
    text = (
        "title: mine\ng_max: 10 uS\ng_min: 1 uS\nread: {voltage: 0.2 V, pulse: 1 us}\nmechanisms:\n"
        "  read_noise:\n    law: proportional\n    shar: 0.01\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(DeckError, match=r"mine\.yaml:8: mechanisms\.read_noise\.shar: .*did you mean 'share'"):
        load_device(str(path))
    with pytest.raises(UnknownNameError, match="did you mean 'hfox_analog'"):
        load_device("hfox_analogue")


def test_a_device_of_ones_own_with_a_table(tmp_path):
    (tmp_path / "levels.csv").write_text("target [uS],mean [uS],sd [nS]\n1,1.5,50\n10,9,200\n")
    (tmp_path / "mine.yaml").write_text(
        "g_max: 10 uS\ng_min: 1 uS\nread: {voltage: 0.2 V, pulse: 1 us}\n"
        "mechanisms: {programming: {law: level_table, table: levels.csv}}\n"
    )
    device = build_device(load_device(str(tmp_path / "mine.yaml")))
    state = device.program(np.full((2, 50_000), [[1e-6], [5.5e-6]]), np.random.default_rng(0))
    np.testing.assert_allclose(state.programmed.mean(1), [1.5e-6, 5.25e-6], atol=4 * 0.125e-6 / 50_000**0.5)
    np.testing.assert_allclose(state.programmed.std(1), [0.05e-6, 0.125e-6], rtol=4 / 100_000**0.5)
    (tmp_path / "levels.csv").write_text("target [uS],sd [nS]\n10,50\n1,200\n")
    with pytest.raises(DeckError, match="rising target"):
        load_device(str(tmp_path / "mine.yaml"))
    (tmp_path / "levels.csv").unlink()
    with pytest.raises(DeckError, match=r"mine\.yaml:4: .*levels.csv cannot be read"):
        load_device(str(tmp_path / "mine.yaml"))


def test_a_law_of_ones_own():
    """Half of the conductance goes with every ten degrees above 300 K and every second."""

    class Halving(RetentionLaw):
        per_kelvin: ActivationEnergy

        def rate(self, temperature, draw, device):
            return np.exp2((temperature - 300) * self.per_kelvin)

        def conductance(self, programmed, target, reduced_time, age, draw, device):
            return programmed * np.exp2(-reduced_time).astype(programmed.dtype)

    if "halving" not in RETENTION:
        RETENTION.register("halving")(Halving)
    device = model("ideal", mechanisms__retention={"law": "halving", "per_kelvin": "0.1 eV"})
    state = device.program(np.full(3, 16e-6), np.random.default_rng(0), dtype=np.float64)
    state = device.advance(device.advance(state, 1.0, 300.0), 1.0, 310.0)
    np.testing.assert_allclose(device.conductance(state), 2e-6)


def test_never_a_silent_extrapolation():
    device = model("hfox_analog")
    state = device.program(np.full(3, 2e-5), np.random.default_rng(0), temperature=480.0)
    bakes = r"\(9.347e\+05 s at 200 degC, 3695 s at 300 degC; none colder than 200 degC\); extrapolating"
    with pytest.warns(ValidityWarning, match=rf"retention of device 'hfox_analog': leaves .* measurements {bakes}"):
        aged = device.advance(state, 3600.0, 298.15)
    with pytest.warns(
        ValidityWarning, match=r"relaxation .*1.728e\+05 s at 30 degC; none colder than 20 degC or younger than 1 s"
    ):
        device.advance(aged, 1e6, 298.15)
    with pytest.raises(RangeError, match=r"temperature = 376.85 degC lies outside the allowed range \[-40, 326.85\] degC"):
        device.advance(state, 1.0, 650.0)
    with pytest.raises(RangeError, match="temperature"):
        device.conductance(state, 650.0)
    narrow = model("hfox_analog", mechanisms__programming__valid={"conductance_allowed": "[5, 30] uS"})
    with pytest.raises(RangeError, match=r"programming of device 'hfox_analog': conductance\[1\] = 1 uS"):
        narrow.program(np.array([1e-5, 1e-6]), np.random.default_rng(0))


def test_levels():
    device = model("hfox_analog")
    levels = device.quantise(np.linspace(1e-6, 40e-6, 5000))
    np.testing.assert_allclose(np.unique(levels), np.linspace(1e-6, 40e-6, 16), rtol=1e-12)
    np.testing.assert_array_equal(model("ideal").quantise(np.array([1e-6, 3e-6])), [1e-6, 3e-6])


def test_bulk_conductance_goes_with_area():
    """Twice the edge: four times the conductance, its errors with it, and a quarter of the thermal resistance."""
    small, large = model("bulk_rram_ucsd"), model("bulk_rram_ucsd", cell_size="80 nm")
    assert large.device.g_max == pytest.approx(4e-6) and large.device.g_min == pytest.approx(0.2e-6)
    again = DeviceDeck.model_validate(content("bulk_rram_ucsd") | {"cell_size": "80 nm"})
    assert again.model_copy().g_max == large.device.g_max
    small, large = (d.without("faults", "retention") for d in (small, large))
    read = []
    for device in (small, large):
        state = device.program(np.full(50_000, device.device.g_max / 2), np.random.default_rng(1), dtype=np.float64)
        read.append(device.conductance(device.advance(state, 1e5, 300.0)))
    np.testing.assert_allclose(read[1], 4 * read[0], rtol=1e-12)
    power = np.full((1, 1, 1), 1e-6)
    np.testing.assert_allclose(small.cell_temperature(300.0, power) - 300, 6.25)
    np.testing.assert_allclose(large.cell_temperature(300.0, power) - 300, 6.25 / 4)
