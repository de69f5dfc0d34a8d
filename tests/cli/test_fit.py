"""From a CSV of measurements to a deck: values with intervals, mistakes told by line and column, refusals."""

import csv
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

from stack3d.cli import app
from stack3d.constants import BOLTZMANN
from stack3d.devices import build_device, load_device
from stack3d.devices.fits import arrhenius_energy
from stack3d.devices.fitting import FitError, fit_law, fitted_device, laws_for, read_table
from stack3d.errors import ArrayError, DeckError, UnknownNameError

TRUTH = {"activation_energy": 1.30, "shape": 0.60, "barrier_sd": 0.03, "anchor.time": 2e5}


def bakes(path, seed, *, cells=8, temperatures=(125, 165, 200)):
    """Cells whose barriers spread by 30 meV about 1.3 eV, equally fast at 200 degC; reads with 1 % of noise."""
    rng = np.random.default_rng(seed)
    with path.open("w") as file:
        file.write("# made here\ntemperature [degC],level [uS],cell,time [s],conductance [uS]\n")
        for celsius in temperatures:
            for level in (5.0, 20.0, 40.0):
                for cell in range(cells):
                    energy = 1.30 + 0.03 * rng.normal()
                    start = level * (1 + 0.03 * rng.normal())
                    for time in (1, 1e3, 1e5, 3e5, 1e6):
                        x = time / (2e5 * np.exp(energy / BOLTZMANN * (1 / (celsius + 273.15) - 1 / 473.15)))
                        file.write(
                            f"{celsius},{level},{cell},{time:g},{start * np.exp(-(x**0.6)) * (1 + 0.01 * rng.normal()):.6f}\n"
                        )
    return path


def test_the_truth_is_found_and_the_deck_lives(tmp_path):
    data = bakes(tmp_path / "bakes.csv", 1)
    deck = tmp_path / "mine.yaml"
    done = CliRunner().invoke(app, ["fit", str(data), "--law", "distributed_barriers", "--law", "gap_growth", "-o", str(deck)])
    assert done.exit_code == 0, done.output
    assert "3 temperatures within 75 K fix activation_energy" in done.output
    device = load_device(str(deck))
    mechanism = device.mechanisms["retention"]
    assert mechanism.law == "distributed_barriers", "cells that are all alike explain these worse"
    posterior = mechanism.posterior
    names = [name.partition(" [")[0] for name in posterior.parameters]
    draws = np.array(posterior.draws)
    assert draws.shape == (200, len(names)) and np.array(posterior.covariance).shape == (len(names), len(names))
    for name, true in TRUTH.items():
        low, high = np.quantile(draws[:, names.index(name)], (0.005, 0.995))  # four of them: 95 % for each would fail often
        assert low <= true <= high, (name, low, high)
    assert np.ptp(draws[:, names.index("activation_energy")]) < 0.2
    assert build_device(device).retention.activation_energy == pytest.approx(1.30, abs=0.05)
    page = deck.with_suffix(".html").read_text()
    assert all(f"{t} °C</text>" in page or f">{t} °C<" in page for t in (125, 165, 200))
    assert "Readings and law" in page and "Residuals by temperature" in page


def test_lives_with_survivors_and_programming_errors(tmp_path):
    """Weibull lives at two temperatures, a third of them stopped early; sd 0.3 uS + 1 % of the level."""
    rng = np.random.default_rng(5)
    with (tmp_path / "lives.csv").open("w") as file:
        file.write("temperature [degC],cycles,censored\n")
        for celsius in (25, 85):
            scale = 1e6 * np.exp(0.3 / BOLTZMANN * (1 / (celsius + 273.15) - 1 / 298.15))
            for life in scale * rng.weibull(2, 60):
                file.write(f"{celsius},{min(life, 1.1 * scale):.5g},{int(life > 1.1 * scale)}\n")
    table = read_table(tmp_path / "lives.csv")
    fit = fit_law("tent", [table], fitted_device([table]), hold={"reference_temperature": "298.15 K"})
    for name, true in {"cycles_at_reference": 1e6, "activation_energy": 0.3, "shape": 2.0}.items():
        low, high = fit.interval(name, 0.99)
        assert low <= true <= high, (name, low, high)
    with (tmp_path / "writes.csv").open("w") as file:
        file.write("target [uS],conductance [uS]\n")
        for level in np.repeat([5.0, 20.0, 40.0], 200):
            file.write(f"{level},{level + (0.3 + 0.01 * level) * rng.normal():.5f}\n")
    table = read_table(tmp_path / "writes.csv")
    fit = fit_law("linear", [table], fitted_device([table]))
    for name, true in {"offset": 0.3e-6, "slope": 0.01}.items():
        low, high = fit.interval(name, 0.99)
        assert low <= true <= high, (name, low, high)


def test_mistakes_name_line_and_column(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("temperature [degC],level [uS],time [s],conductance [uS]\n25,5,1,4.9\n25,5,ten,4.8\n25,5,100,-1\n25,5,7\n")
    with pytest.raises(DeckError) as caught:
        read_table(bad)
    text = str(caught.value)
    assert "bad.csv:3: column 3 (time): 'ten' is no finite number" in text
    assert "bad.csv:4: column 4 (conductance): -1 is not above zero" in text
    assert "bad.csv:5: has 3 columns; the header has 4" in text
    bad.write_text("temperature [degC],levle [uS],time,conductance [uS]\n25,5,1,4.9\n")
    with pytest.raises(DeckError, match=r"did you mean 'level'"):
        read_table(bad)
    bad.write_text("temperature [degC],level [uS],time,conductance [uS]\n25,5,1,4.9\n")
    with pytest.raises(DeckError, match=r"column 3 \(time\): the header needs a unit"):
        read_table(bad)


def test_fits_that_cannot_be_made_are_refused(tmp_path):
    one = read_table(bakes(tmp_path / "one.csv", 2, temperatures=(125,)))
    with pytest.raises(FitError, match="one temperature cannot tell activation_energy"):
        fit_law("distributed_barriers", [one], fitted_device([one]))
    with pytest.raises(UnknownNameError, match="did you mean 'distributed_barriers'"):
        fit_law("distributed_barrier", [one], fitted_device([one]))
    with pytest.raises(DeckError, match="needs a file with the columns cycles"):
        fit_law("tent", [one], fitted_device([one]))
    few = tmp_path / "few.csv"
    few.write_text("target [uS],sd [uS]\n5,0.1\n10,0.2\n")
    table = read_table(few)
    with pytest.raises(FitError, match="2 readings cannot fix 3 parameters"):
        fit_law("linear", [table], fitted_device([table]))


def test_arrhenius_energy_keeps_its_sign():
    """Faster when hot is positive, slower when hot negative; equal temperatures have none."""
    assert arrhenius_energy((3985.0, 181.0), (473.15, 523.15)) == pytest.approx(1.318, abs=0.002)
    assert arrhenius_energy((181.0, 3985.0), (473.15, 523.15)) == pytest.approx(-1.318, abs=0.002)
    assert arrhenius_energy((181.0, 3985.0), (523.15, 473.15)) == pytest.approx(1.318, abs=0.002)
    with pytest.raises(ArrayError):
        arrhenius_energy((181.0, 3985.0), (473.15, 473.15))


def test_csv_of_the_bakes_reads_back(tmp_path):
    table = read_table(bakes(tmp_path / "b.csv", 3))
    with (tmp_path / "b.csv").open() as file:
        rows = list(csv.reader(file))[2:]
    assert table.rows == len(rows) and len(set(table.cell)) == 3 * 3 * 8
    np.testing.assert_allclose(table.columns["temperature"][0], 398.15)


def test_the_name_of_a_law_comes_before_the_table(tmp_path):
    """A table may take a minute to read; a wrong name, or a wrong `--hold`, is told first."""
    data = tmp_path / "wrong.csv"
    data.write_text("nothing [K]\n1\n")
    for given, told in (
        (["--law", "distributed_bariers"], "distributed_barriers"),
        (["--law", "gap_growth", "--hold", "x"], "x"),
    ):
        done = CliRunner().invoke(app, ["fit", str(data), *given, "-o", str(tmp_path / "d.yaml")])
        assert done.exit_code != 0 and "nothing" not in str(done.exception), done.exception
        assert told in str(done.exception)


def test_mistakes_of_one_kind_are_one_line(tmp_path):
    """Twenty readings of zero were twenty lines of errors, behind which the next kind stayed hidden."""
    data = tmp_path / "zeros.csv"
    good, bad = "25,5,1,4.9", ["25,5,1,0", "25,5,ten,4.9", "25,5,1", "25,5,1,-2", "25,5,2 h,nan", "25,5,4.9"]
    data.write_text("\n".join(["temperature [degC],level [uS],time [s],conductance [uS]", good, *bad, *[bad[0]] * 19, good]))
    with pytest.raises(DeckError) as told:
        read_table(data)
    assert [str(p).partition("zeros.csv:")[2] for p in told.value.problems] == [
        "3: column 4 (conductance): 0 is not above zero; 20 more rows have it (lines 6, 9, 10, 11 …)",
        "4: column 3 (time): 'ten' is no finite number; 1 more row has it (line 7)",
        "5: has 3 columns; the header has 4; 1 more row has it (line 8)",
        "7: column 4 (conductance): 'nan' is no finite number",
    ]


def test_kinds_of_mistakes_are_told_up_to_twenty(tmp_path):
    titles = ["temperature [degC]", "level [uS]", "time [s]", "conductance [uS]", "voltage [V]", "cycles", "censored"]
    titles += ["cells", "low [uS]", "high [uS]", "reads", "damage", "row", "column", "stuck", "power [uW]", "rise [K]"]
    data = tmp_path / "kinds.csv"
    rows = [",".join([what] * len(titles)) for what in ("x", "-1", "1", "x")]
    data.write_text("\n".join([",".join(titles), *rows]) + "\n")
    with pytest.raises(DeckError) as told:
        read_table(data)
    assert len(told.value.problems) > 20 and "at least" not in str(told.value), "those of a row that is read are all told"
    assert all(p.line == 2 for p in told.value.problems[:17])


def test_a_table_is_read_no_further_than_a_hundred_thousand_mistakes(tmp_path):
    """Line by line: what comes after them is not looked at, even where it is no text."""
    data = tmp_path / "long.csv"
    with data.open("wb") as file:
        file.write(b"time [s],conductance [uS],temperature [degC]\n")
        file.writelines(b"1,bad,25\n" for _ in range(200_000))
        file.write(b"\xff\n")
    with pytest.raises(DeckError) as told:
        read_table(data)
    assert str(told.value).endswith(
        "long.csv:2: column 2 (conductance): 'bad' is no finite number; at least 99999 more rows have it (lines 3, 4, 5, 6 …)"
    )


def test_resistances_are_read_as_conductances_and_usual_titles_are_understood(tmp_path):
    table = tmp_path / "ohms.csv"
    table.write_text("temperature [degC],level [kohm],cell,time [h],resistance [kohm]\n150,20,a,1,25\n")
    read = read_table(table)
    np.testing.assert_allclose(read.columns["conductance"], 4e-5)
    np.testing.assert_allclose(read.columns["level"], 5e-5)
    table.write_text("T (C),chip,t (h),R (kOhm),R0 (kOhm)\n150,a,1,25,20\n")
    with pytest.raises(DeckError) as found:
        read_table(table)
    text = str(found.value)
    for meant in ("'temperature [degC]'", "'cell'", "'time [h]'", "'resistance [kohm]'", "'level [kohm]'"):
        assert f"write it as {meant}" in text
    table.write_text("Temp_C,t_h,state,mood,G_start_uS,G_end_uS\n150,1,a,b,20,25\n")
    with pytest.raises(DeckError) as found:
        read_table(table)
    text = str(found.value)
    for meant in ("'temperature [degC]'", "'time [h]'", "'level [uS]'", "'conductance [uS]'"):
        assert f"write it as {meant}" in text
    assert text.count("known: ") == 1 and text.count("a header is, say, ") == 1


def test_without_a_law_those_that_suit_the_columns_are_told(tmp_path):
    table = bakes(tmp_path / "one.csv", 2)
    suited = laws_for([read_table(table)])
    assert {"distributed_barriers", "stretched_log_resistance"} <= set(suited["retention"])
    assert "endurance" not in suited and "faults" not in suited


BAKE = "time [h],temperature {t},level {l},cell,conductance {g}"


@pytest.mark.parametrize(
    ("temperature", "level", "conductance", "row", "said"),
    [
        ("[degC]", "[uS]", "[uS]", "125,20,1,19.5", ""),
        ("[K]", "[kohm]", "[uS]", "398.15,50,1,19.5", ""),  # 50 kohm are 20 uS
        ("[degC]", "[uS]", "[uS]", "300,20,1,0.3", "column 2 (temperature): [degC] holds nothing below 300 degC, which are"),
        ("[K]", "[uS]", "[uS]", "85,20,1,19.5", "column 2 (temperature): [K] begins at 85 K, which is -188.1 degC: are"),
        ("[degC]", "[uS]", "[nS]", "125,20,1,19.5", "column 5 (conductance): [nS] lies 1.03e+03 times below level [uS]"),
        ("[degC]", "[uS]", "[S]", "125,20,1,19.5", "column 5 (conductance): [S] lies 9.75e+05 times above level [uS]"),
    ],
)
def test_units_that_are_hardly_meant_are_told(tmp_path, temperature, level, conductance, row, said):
    """A fit took 85 K for 85 degC, and levels in uS beside conductances in nS, in silence."""
    data = tmp_path / "bake.csv"
    head = BAKE.format(t=temperature, l=level, g=conductance)
    data.write_text("\n".join(["# bake", head, *(f"{time},{row}" for time in (0, 1, 10))]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_table(data)
    told = [str(one.message) for one in caught]
    assert len(told) == bool(said)
    assert all(one.startswith(f"{data}:2: {said}") for one in told)


def test_a_fit_states_what_was_measured_and_leaving_it_warns(tmp_path):
    """As packaged decks do: the longest time at each temperature, and the levels."""
    data, deck = bakes(tmp_path / "bakes.csv", 1, cells=3), tmp_path / "mine.yaml"
    done = CliRunner().invoke(app, ["fit", str(data), "--law", "gap_growth", "-o", str(deck)])
    assert done.exit_code == 0, done.output
    valid = load_device(str(deck)).mechanisms["retention"].parameters["valid"]
    assert valid["exposures_fitted"] == ["1e+06 s at 200 degC"]  # hotter and as long as the others
    assert valid["conductance_fitted"] == "[5e-06, 4e-05] S"
    found = CliRunner().invoke(app, ["run", "quickstart", "--set", f"device={deck}", "--set", "monte_carlo.samples=1",
                                     "--set", "workload.test_samples=20", "-o", str(tmp_path / "out")])  # fmt: skip
    assert found.exit_code == 0, found.output
    assert (
        "leaves the times and temperatures of its measurements (1e+06 s at 200 degC; none colder than 125 degC or"
        in found.output
    )


def test_of_many_bakes_those_that_no_other_covers_are_kept():
    """Longer and hotter covers shorter and colder; a sensor's thousands of temperatures become whole kelvin."""
    from stack3d.devices.fitting.deck import _longest

    times, kelvins = np.array([10.0, 100.0, 50.0, 5.0]), np.array([400.0, 350.0, 380.0, 390.0])
    assert _longest(times, kelvins) == [(100.0, 350.0), (50.0, 380.0), (10.0, 400.0)]
    rng = np.random.default_rng(1)
    found = _longest(rng.uniform(1, 1e4, 5000), 400 + rng.uniform(0, 5, 5000))
    assert len(found) <= 5 and all(kelvin == int(kelvin) for _, kelvin in found)


def test_readings_stand_beside_the_law_at_each_temperature(tmp_path):
    """The starts of cells, 3 % apart, are those of the fit: what is left of the readings is the noise of 1 %."""
    table = read_table(bakes(tmp_path / "bakes.csv", 4))
    fit = fit_law("distributed_barriers", [table], fitted_device([table]))
    assert [round(s.temperature - 273.15) for s in fit.series] == [125, 165, 200]
    for series in fit.series:
        assert series.time.min() == 1 and series.time.size == 3 * 8 * 5
        np.testing.assert_allclose(np.log(series.measured / series.fitted).std(), 0.01, rtol=0.35)
        x = series.time / (2e5 * np.exp(1.30 / BOLTZMANN * (1 / series.temperature - 1 / 473.15)))
        np.testing.assert_allclose(np.median(series.fitted[x < 1e-4]) if (x < 1e-4).any() else 1.0, 1.0, atol=0.02)
