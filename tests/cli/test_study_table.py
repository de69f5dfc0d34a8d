"""The run of a sweep ends with a table of its cases: swept values, results with their errors, limits, warnings."""

from pathlib import Path

import small_study
from in_process import exit_code

from stack3d import results
from stack3d.report import cases, trade_axes


def test_a_sweep_ends_with_a_table(tmp_path: Path, capfd) -> None:
    path = small_study.write(tmp_path, '{power.sources.spot.power: ["1 W", "2 W", "-1 W"]}')
    path.write_text(path.read_text() + 'limits: {die: "450 K"}\n')
    code = exit_code("run", str(path), "-o", str(tmp_path / "out"), "--progress", "none")
    told = capfd.readouterr().out.splitlines()
    start = told.index(f"small: {tmp_path / 'out' / 'small'}")
    head, *rows = [line.strip() for line in told[start + 1 :]]
    assert code == 0
    assert head.split("  ")[0] == "spot_power" and "peak [°C]" in head and "limits and warnings" in head
    tree = results.open_results(tmp_path / "out" / "small")
    peaks = tree["thermal/layer_temperature_max"].max("layer").values - 273.15
    errors = tree["thermal/layer_temperature_max_error"].max("layer").values
    for row, value, peak, error in zip(rows, ("1 W", "2 W", "-1 W"), peaks, errors, strict=False):
        assert row.startswith(value)
        assert f"{peak:.1f} ± " in row
        assert float(row.split("±")[1].split()[0]) <= 1.05 * error  # that of the hottest layer
    assert "exceeded: die" in rows[1] and "kept, " in rows[0]
    assert rows[3] == "± of a peak: its stated error"
    page = cases.study_page(tree)
    assert "exceeded in 1 of 3 cases: 2 W (die)" in page
    assert page.count("<td>exceeded: die</td>") == 1 and page.count("<td>kept, ") == 2


def test_two_outputs_of_a_study_with_one_answer_are_of_two_kinds(tmp_path: Path, capfd) -> None:
    path = small_study.write(tmp_path, "{cooling.top: [cold_plate, forced_air]}")
    assert (
        exit_code("run", str(path), "--set", "power.sources.spot.power=1 mW", "-o", str(tmp_path / "out"), "--progress", "none")
        == 0
    )
    first, second, *_ = trade_axes.axes_of(results.open_results(tmp_path / "out" / "small")).values()
    assert first.answer.unit == "°C" and second.answer.unit not in ("°C", "K")


def test_one_case_and_a_search_have_no_table(tmp_path: Path, capfd) -> None:
    path = small_study.write(tmp_path, "{}")
    assert exit_code("run", str(path), "-o", str(tmp_path / "out"), "--progress", "none") == 0
    assert "peak [°C]" not in capfd.readouterr().out
    path.write_text(small_study.STUDY.replace("scenario: small", "scenario: searched") + small_study.OPTIMISE)
    exit_code("run", str(path), "-o", str(tmp_path / "out"), "--progress", "none")
    assert "peak [°C]" not in capfd.readouterr().out
