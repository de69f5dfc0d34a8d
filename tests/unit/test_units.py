import numpy as np
import pytest

from stack3d import unit_text, units


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("50 um", "length", 5e-5),
        ("85 degC", "temperature", 358.15),
        ("300 K", "temperature", 300.0),
        ("5 degC", "temperature_difference", 5.0),
        ("2e5 1/s", "rate", 2e5),
        ("10 year", "time", 10 * 365.25 * 86400),
        ("2 mm^2*K/W", "areal_thermal_resistance", 2e-6),
        ("42 ml/min", "flow_rate", 0.7e-6),
        ("1.1 eV", "activation_energy", 1.1),
        ("3 %", "fraction", 0.03),
        (0.5, "fraction", 0.5),
        ("0.2", "fraction", 0.2),
        ("1.66e6 J/m^3/K", "heat_capacity", 1.66e6),
        ("1 uS", "conductance", 1e-6),
    ],
)
def test_parse(text: object, dimension: str, value: float) -> None:
    np.testing.assert_allclose(units.parse(text, dimension), value, rtol=1e-14)


def test_prefixes_give_the_nearest_double() -> None:
    """50 um is written 5e-05 m, not 4.9999999999999996e-05 m: hashes and layer edges depend on it."""
    assert units.parse("50 um", "length") == 5e-5
    assert units.parse("0.3 mm", "length") == 3e-4


@pytest.mark.parametrize(
    ("text", "dimension", "words"),
    [
        (50, "length", "bare number 50.*'50 um'"),
        (True, "length", "got True"),
        ("50", "length", "without a unit"),
        ("5 W", "length", "'W' is no unit of length"),
        ("5 parsnip", "length", "unknown unit 'parsnip'"),
        ("abc", "time", "wanted: time with a unit"),
        ("-300 degC", "temperature", "below absolute zero"),
        ("5 K; x", "temperature", "unknown unit"),
        (None, "time", "got nothing"),
        ([1], "time", "wanted"),
    ],
)
def test_refusals_say_what_is_wanted(text: object, dimension: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        units.parse(text, dimension)


def test_ranges() -> None:
    assert units.parse_range("[300, 400] K", "temperature") == (300.0, 400.0)
    assert units.parse_range("[0.9, 1]", "fraction") == (0.9, 1.0)
    with pytest.raises(ValueError, match="lower end"):
        units.parse_range("[400, 300] K", "temperature")
    with pytest.raises(ValueError, match="wanted a range"):
        units.parse_range("300 K", "temperature")


@pytest.mark.parametrize(
    ("value", "text"), [(3e-9, "3 nJ"), (0.15, "150 mJ"), (0.0, "0 J"), (2.5e4, "25 kJ"), (9.99e-4, "999 uJ")]
)
def test_short(value: float, text: str) -> None:
    assert unit_text.short(value, "J") == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4.83e-7, "m2", "0.483 mm2"),
        (-1.7e-8, "m2", "-0.017 mm2"),
        (3.6e-9, "m2", "0.0036 mm2"),
        (1e-12, "m2", "1 um2"),
        (2.5, "m2", "2.5 m2"),
        (3e-9, "m3", "3 mm3"),
        (0.0, "m2", "0 m2"),
    ],
)
def test_prefixes_are_raised_with_the_unit(value: float, unit: str, text: str) -> None:
    """0.483 mm² are 483 000 µm², and never 483 nm²."""
    assert unit_text.short(value, unit) == text


@pytest.mark.parametrize("number", [0.1, 25.0, 85.0, 1e-3, 123.456])
def test_a_usual_unit_is_read_as_pint_reads_it(number: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every unit of the table, in every dimension that it measures; to the bit."""
    usual = [(f"{number} {unit}", dimension) for unit, known in units._usual().items() for dimension in known]
    read = [units.parse(*one) for one in usual]
    monkeypatch.setattr(units, "_usual", dict)
    assert len(usual) > 140 and read == [units.parse(*one) for one in usual]


def test_a_shared_prefix_is_raised_with_the_unit() -> None:
    """An axis of areas was labelled 17 nm2 where they are 0.017 mm2."""
    factor, unit = unit_text.shared_prefix([1.7e-8, 2.4e-8, 0.0], "m2")
    assert unit == "mm2" and 1.7e-8 / factor == pytest.approx(0.017)
    factor, unit = unit_text.shared_prefix([2.65e-10, np.nan, 5e-10], "J")
    assert unit == "pJ" and factor == pytest.approx(1e-12) and unit_text.shared_prefix([0.0], "J") == (1.0, "J")


def test_how_far_from_a_limit_is_told_in_its_unit() -> None:
    """Points where the limit is in per cent; a share of the chips is not the limit."""
    assert unit_text.off_by(0.0142, "", "accuracy@start - accuracy_worst@end <= 1 %") == "1.42 points"
    assert unit_text.off_by(0.0142, "", "endurance_used@end <= 0.5 for 90 % of the chips") == "0.0142"
    assert unit_text.off_by(0.0142, "", "endurance_used@end <= 0.5 with 95 % confidence") == "0.0142"
    assert unit_text.off_by(0.002, "W", "coolant_power <= 50 % * average_power") == "2 mW"
