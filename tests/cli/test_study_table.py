"""The run of a sweep ends with a table of its cases: swept values, results with their errors, limits, warnings."""

import re
import shutil
from html import escape
from pathlib import Path

import small_study
from in_process import exit_code

from stack3d import results
from stack3d.report import cases, differences, page, study_answers, trade_axes


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
    assert rows[3] == "± of a peak: the stated error"
    shown = cases.study_page(tree)
    assert "exceeded in 1 of 3 cases: 2 W (die)" in shown
    assert shown.count("<td>exceeded: die; 1 warning</td>") == 1 and shown.count("<td>kept, ") == 2


def test_figures_of_a_package_stand_beside_their_errors(tmp_path: Path, capfd) -> None:
    """In the table that a sweep ends with, on its page, and beside another result; a swept mapping is told by its keys."""
    path = small_study.write(
        tmp_path, '{cooling.top: [{film_coefficient: "1e4 W/m^2/K"}, {film_coefficient: "1.001e4 W/m^2/K"}]}'
    )
    path.write_text(path.read_text() + "probes: [{name: j, layer: die, x: 0.3 mm, y: 0.3 mm}]\njedec: {junction: j}\n")
    assert exit_code("run", str(path), "-o", str(tmp_path / "out"), "--progress", "none") == 0
    told, tree = capfd.readouterr().out, results.open_results(tmp_path / "out" / "small")
    assert "θJA [K/W]" in told and "± of a peak and θJA: the stated error" in told
    shown = cases.study_page(tree)
    for name, theta, error in zip(
        ("1e4", "1.001e4"), tree["thermal/theta_ja"].values, tree["thermal/theta_ja_error"].values, strict=True
    ):
        assert re.search(rf"film_coefficient {re.escape(name)} W/m\^2/K  .*{theta:.3f} ± {error:.2g}", told)
        assert f"{theta:.3f} ± {error:.2g}" in shown
    found = [results.open_results(folder) for folder in sorted((tmp_path / "out" / "small" / "cases").iterdir())]
    both = cases.comparison_page(found)
    assert both.count("within the stated errors") == 2 and f"± {error:.2g} K/W</td>" in both
    names = {name.partition("[")[0].removeprefix("thermal/") for name in trade_axes.axes_of(tree)}
    assert "theta_ja" in names and not {name for name in names if name.endswith("_error") or "between" in name}


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


def told(folder: Path, sweep: str, more: str = "") -> tuple[int, str]:
    """Exit code of a run of a study, and the words that its page opens with."""
    path = small_study.write(folder, sweep)
    path.write_text(path.read_text() + more)
    written = folder / "page.html"
    code = exit_code("run", str(path), "-o", str(folder / "out"), "--progress", "none", "--report", str(written))
    return code, written.read_text().partition('<p class="words">')[2].partition("</p>")[0]


def test_a_study_of_one_case_says_what_it_came_to(tmp_path: Path, capfd) -> None:
    code, words = told(tmp_path, '{power.sources.spot.power: ["1 W"]}', 'limits: {die: "450 K"}\n')
    tree = results.open_results(tmp_path / "out" / "small")
    peak = float(tree["thermal/layer_temperature_max"].max()) - 273.15
    assert code == 0 and f"Peak temperature is {peak:.1f} °C." in words
    assert (
        words.startswith("The one case is done.")
        and (tmp_path / "out" / "small" / "cases" / words.rpartition("cases/")[2]).is_dir()
    )
    left = re.search(r"Limits are kept, by (\S+) K\.", words)
    assert left and abs(float(left[1]) - (450 - 273.15 - peak)) < 0.02 + 0.06
    assert f"{peak:.1f} ± " in capfd.readouterr().out


def test_a_study_of_which_every_case_failed_has_a_page_that_says_why(tmp_path: Path, capfd) -> None:
    code, words = told(tmp_path, '{power.sources.spot.power: ["1e7 W", "2e7 W"]}')
    said = capfd.readouterr().err
    why = results.open_results(tmp_path / "out" / "small")["message"].values[0].splitlines()[0]
    assert code == 4 and "0 of 2 cases done, 2 failed" in said
    assert words.startswith("None of the 2 cases is done. The first of them failed: ")
    assert escape(page.typeset(why)).rstrip(".") in words
    assert "<dd>0 of 2 done, 2 failed</dd>" in (tmp_path / "page.html").read_text()


def test_cases_that_hardly_differ_and_limits_that_are_kept_are_told(tmp_path: Path, capfd) -> None:
    sweep = '{power.sources.spot.power: ["0.1 W", "0.1001 W", "1e7 W"]}'
    code, words = told(tmp_path, sweep, 'limits: {die: "450 K"}\n')
    assert code == 4 and words.startswith("2 of 3 cases are done, 1 failed. Peak temperature ")
    assert "goes from" not in words and "Limits are kept in every case that is done, by " in words
    assert "K at least (spot_power 0.1001 W)" in words or "K at least (0.1001 W)" in words


def test_a_comparison_says_that_one_of_two_has_no_network(tmp_path: Path, capfd) -> None:
    plain, chip = tmp_path / "plain.yaml", tmp_path / "chip.yaml"
    assert exit_code("new", "chip") == 0
    shutil.move("chip.yaml", chip)
    plain.write_text(small_study.STUDY.replace("scenario: small", "scenario: plain"))
    quick = ("--set", "lifetime.epochs=2", "--set", "monte_carlo.samples=2")
    assert exit_code("run", str(chip), *quick, "-o", str(tmp_path / "out"), "--progress", "none") == 0
    assert exit_code("run", str(plain), "-o", str(tmp_path / "out"), "--progress", "none") == 0
    both = [results.open_result(tmp_path / "out" / name) for name in ("chip", "plain")]
    for one, other in (both, both[::-1]):
        words = cases.comparison_page([one, other])
        assert "Only chip has a network, so accuracy, energy and latency cannot be compared; heat can." in words
    assert "has a network" not in cases.comparison_page([both[1], both[1]])


def test_a_large_difference_is_a_multiple() -> None:
    power = study_answers.ANSWERS["power"]
    assert differences.told_difference(power, 12.0, 0.15) == "+11.8 W (80 times)"
    assert differences.told_difference(power, 0.15, 12.0) == "−11.8 W (−98.8 %)"
