"""Files of measurements: codes, columns that are missing, and fits that cannot be made."""

from pathlib import Path

import numpy as np
import pytest

from stack3d.devices.fits import Bake, arrhenius_energy, fit_bakes
from stack3d.devices.fitting import fit_law, fitted_device, one_by_one, ranked, read_table
from stack3d.devices.fitting.kinds import likelihood
from stack3d.devices.retention import DistributedBarriers
from stack3d.errors import ArrayError, DeckError, ValidityWarning


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("head", "row", "said"),
    [
        ("cycles, censored", "1e6, 2", r"lives.csv:2: column 2 \(censored\): 2 is none of 0 \(failed\), 1 \(still alive\)"),
        ("row, column, stuck", "0, 0, 1.5", r"lives.csv:2: column 3 \(stuck\): 1.5 is none of 0 \(works\), 1 "),
        ("row, column, stuck", "0.5, 0, 1", r"lives.csv:2: column 1 \(row\): 0.5 is no whole number from 0 to 1000000"),
        ("layer, power [uW], rise [K]", "1e30, 1, 3", r"lives.csv:2: column 1 \(layer\): 1e30 is no whole number"),
        ("damage, low [uS], high [uS]", "0.1, -1, 30", r"lives.csv:2: column 2 \(low\): -1 is not above zero"),
        ("cycles, low [uS], high [uS]", "10, 1, 0", r"lives.csv:2: column 3 \(high\): 0 is not above zero"),
        ("cell, cycles", ", 1e6", r"lives.csv:2: column 1 \(cell\): is empty: a cell has a name or a number"),
        ("damage, low [uS], high [uS]", "0.1, 40, 30", r"lives.csv:2: column low: lies above column high"),
    ],
)
def test_codes_places_and_ends_are_what_they_can_be(tmp_path, head, row, said):
    with pytest.raises(DeckError, match=said):
        read_table(written(tmp_path / "lives.csv", head, row))


@pytest.mark.parametrize(
    ("law", "head", "rows", "said"),
    [
        ("tent", "temperature [degC], cycles", ["25, 1e6", "85, 1e5"] * 20, "lives without a spread fix no law"),
        ("nearest_neighbours", "power [uW], time [ns], rise [K]", ["1, 0, 3"] * 20, "column time holds zero"),
    ],
)
def test_measurements_that_no_law_can_give_are_refused(tmp_path, law, head, rows, said):
    table = read_table(written(tmp_path / "odd.csv", head, *rows))
    with pytest.raises(DeckError, match=f"odd.csv: .*{said}"):
        fit_law(law, [table], fitted_device([table]))


def test_the_column_that_is_missing_is_named(tmp_path):
    table = read_table(written(tmp_path / "bakes.csv", "temperature [degC], level [uS], conductance [uS]", "125, 10, 9"))
    with pytest.raises(DeckError, match="bakes.csv, which lacks time"):
        fit_law("distributed_barriers", [table], fitted_device([table]))


def test_bakes_without_a_temperature_are_asked_about(tmp_path):
    rows = [f"{level}, {time}, {level * (1 - 0.02 * k)}" for level in (10, 20) for k, time in enumerate((1, 10, 100, 1000))]
    table = read_table(written(tmp_path / "bakes.csv", "level [uS], time [s], conductance [uS]", *rows))
    with pytest.warns(ValidityWarning, match="bakes.csv:1: has no column temperature: retention is taken to be at 25 degC"):
        likelihood("retention", DistributedBarriers, [table], fitted_device([table]))


@pytest.mark.parametrize(
    ("times", "temperatures"),
    [((np.nan, 1), (300, 400)), ((1, 2), (300, np.nan)), ((np.inf, 1), (300, 400)), ((1, 2), (300, np.inf))],
)
def test_an_energy_of_what_is_not_finite_is_refused(times, temperatures):
    with pytest.raises(ArrayError, match="finite, above zero"):
        arrhenius_energy(times, temperatures)


def test_bakes_that_do_not_fix_the_form_are_refused():
    time, ratio = np.array([1e2, 1e3, 1e4]), np.array([1.1, 1.3, 1.9])
    with pytest.raises(DeckError, match="two temperatures or more"):
        fit_bakes([Bake(500.0, time, ratio), Bake(500.0, time, ratio)])
    with pytest.raises(DeckError, match="hardly grow"):
        fit_bakes([Bake(500.0, time, np.full(3, 1.2)), Bake(520.0, time, np.full(3, 1.3))])


def test_each_law_holds_what_is_its_own(tmp_path):
    writes = "\n".join(f"{g}, {g * (1 + 0.02 * (-1) ** k)}" for g in (5, 10, 20, 40) for k in range(20))
    reads = "\n".join(f"{g}, {0.01 * g}" for g in (5, 10, 20, 40))
    tables = [
        read_table(written(tmp_path / "writes.csv", "target [uS], conductance [uS]", writes)),
        read_table(written(tmp_path / "reads.csv", "target [uS], sd [uS]", reads)),
    ]
    fits = ranked(one_by_one(["linear", "lombardo2024"], tables, fitted_device(tables), hold={"read_time": "2 us"}))
    told = {fit.law: " ".join(fit.remarks) for fit in fits}
    assert "read_time is held at 2 us" in told["lombardo2024"] and "read_time" not in told["linear"]
    with pytest.raises(DeckError, match="rad_time: no parameter of the law"):
        ranked(one_by_one(["linear", "lombardo2024"], tables, fitted_device(tables), hold={"rad_time": "2 us"}))


def test_means_off_their_targets_are_told(tmp_path):
    rows = [f"{g}, {g * 1.1}, {0.02 * g}" for g in (5, 10, 20, 40)]
    table = read_table(written(tmp_path / "writes.csv", "target [uS], mean [uS], sd [uS]", *rows))
    with pytest.warns(
        ValidityWarning, match=r"writes.csv: column mean lies 10 % above its target at .* uS; a fit to deviations"
    ):
        fit_law("linear", [table], fitted_device([table]))


@pytest.mark.parametrize(
    ("column", "unit", "value"),
    [
        *(("conductance", unit, size) for unit, size in (
            ("S", 1.0), ("mS", 1e-3), ("uS", 1e-6), ("µS", 1e-6), ("nS", 1e-9), ("ohm", 0.5**2), ("kohm", 0.25e-3), ("kΩ", 0.25e-3),
            ("Mohm", 0.25e-6),
        )),
        *(("time", unit, size) for unit, size in (
            ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0), ("hours", 3600.0), ("d", 86400.0),
            ("days", 86400.0), ("year", 31557600.0), ("years", 31557600.0),
        )),
        ("temperature", "K", 1.0), ("temperature", "degC", 1.0), ("temperature", "°C", 1.0),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
def test_usual_units_are_read(tmp_path, column, unit, value):
    found = read_table(written(tmp_path / "units.csv", f"{column} [{unit}], voltage [mV]", "2, 300"))
    asked = 2 + (273.15 if unit.endswith("C") else 0.0)
    assert found.columns[column][0] == pytest.approx(asked if column == "temperature" else 2 * value)
    assert found.columns["voltage"][0] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("G (mS)", "write it as 'conductance [mS]'"),  # it was to be written as uS, a thousandth
        ("conductance_nS", "write it as 'conductance [nS]'"),
        ("conductance_ms", "write it as 'conductance [mS]'"),
        ("G_µS", "write it as 'conductance [µS]'"),
        ("time (days)", "write it as 'time [days]'"),
        ("t_days", "write it as 'time [days]'"),
        ("t (h)", "write it as 'time [h]'"),
        ("T (K)", "write it as 'temperature [K]'"),
        ("temperature (C)", "write it as 'temperature [degC]'"),
        ("R_Mohm", "write it as 'resistance [Mohm]'"),
        ("R (kOhm)", "write it as 'resistance [kohm]'"),
        ("R (mohm)", "'mohm' is no unit of resistance; write it as, say, 'resistance [kohm]'"),
        ("conductance (furlong)", "'furlong' is no unit of conductance; write it as, say, 'conductance [uS]'"),
        ("conductance [kOhm]", "'kOhm' is no unit of conductance: write it as 'conductance [kohm]'"),
        ("conductance [ms]", "'ms' is no unit of conductance: write it as 'conductance [mS]'"),
        ("temperature [C]", "'C' is no unit of temperature: write it as 'temperature [degC]'"),
        ("resistance [uS]", "'uS' is a unit of conductance: write it as 'conductance [uS]', or give ohms"),
        ("resistance", r"the header needs a unit, as in 'resistance [kohm]'"),
        ("time [m]", "the header needs a unit, as in 'time [s]'"),
    ],
)
def test_other_titles_are_told_how_to_write_them_in_their_own_unit(tmp_path, title, said):
    with pytest.raises(DeckError) as told:
        read_table(written(tmp_path / "units.csv", f"{title}, cycles", "2, 1"))
    assert said in str(told.value) and "units.csv:1: column 1" in str(told.value)


def test_cells_that_conduct_as_no_cell_does_are_asked_about(tmp_path):
    with pytest.warns(ValidityWarning, match=r"column 2 \(conductance\): \[S\] makes 2 S.* is the unit right"):
        read_table(written(tmp_path / "units.csv", "time [s], conductance [S]", "1, 2"))


def test_milliohms_are_told_as_what_they_were_read(tmp_path):
    """25000 of them are a likely resistance, and 25 Mohm were meant."""
    with pytest.warns(
        ValidityWarning, match=r"column 2 \(Resistance\): \[mohm\] is read as thousandths of an ohm: a megaohm is"
    ):
        read_table(written(tmp_path / "units.csv", "time [s], Resistance [mohm]", "1, 25000"))
