"""The run of a sweep ends with a table of its cases: swept values, results with their errors, limits, warnings."""

from pathlib import Path

import small_study
from in_process import exit_code

from stack3d import results


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


def test_one_case_and_a_search_have_no_table(tmp_path: Path, capfd) -> None:
    path = small_study.write(tmp_path, "{}")
    assert exit_code("run", str(path), "-o", str(tmp_path / "out"), "--progress", "none") == 0
    assert "peak [°C]" not in capfd.readouterr().out
    path.write_text(small_study.STUDY.replace("scenario: small", "scenario: searched") + small_study.OPTIMISE)
    exit_code("run", str(path), "-o", str(tmp_path / "out"), "--progress", "none")
    assert "peak [°C]" not in capfd.readouterr().out
