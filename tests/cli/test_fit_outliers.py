"""A reading that lies far outside is named by file and line, and a law that its noise hides is not said to follow."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stack3d.cli import app
from stack3d.constants import BOLTZMANN
from stack3d.devices import load_device
from stack3d.devices.fitting import apart, estimate, fitted_device
from stack3d.devices.fitting.data_sizes import scales_of
from stack3d.devices.fitting.kinds import likelihood
from stack3d.devices.fitting.measurements import read_table
from stack3d.devices.fitting.optima import Cost, again
from stack3d.devices.fitting.outliers import Apart, alone, doubted, far_off, named
from stack3d.devices.fitting.parameters import parameters
from stack3d.devices.laws import RETENTION

HELD = ("barrier_sd=0 eV", "inverse_isokinetic_temperature=0 1/K", "shape=0.5")


def bakes(path: Path, changed: dict[int, str]) -> Path:
    """Means of levels read at five times at three temperatures, with 2 % of noise; some lines changed."""
    rng, lines = np.random.default_rng(7), ["# made", "temperature [degC],level [uS],time [h],conductance [uS]"]
    for celsius in (125, 150, 175):
        life = 300 * np.exp(1.15 / BOLTZMANN * (1 / (celsius + 273.15) - 1 / 423.15))
        for level in (10, 30, 60, 100):
            for time in (1, 10, 50, 200, 1000):
                read = level * np.exp(-np.sqrt(time / life)) * (1 + 0.02 * rng.normal())
                lines.append(f"{celsius},{level},{time},{read:.4g}")
    for line, text in changed.items():
        lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")
    return path


def told(path: Path, *more: str) -> str:
    held = [word for one in HELD for word in ("--hold", one)]
    law = ["--law", "distributed_barriers", "--progress", "none"]
    done = CliRunner().invoke(app, ["fit", str(path), *law, *held, *more])
    assert done.exit_code == 0, done.output
    return done.output


def test_an_impossible_reading_is_named_and_follows_is_not_said(tmp_path: Path) -> None:
    """9000 uS at a level of 10 uS gave a read noise of 0.9, and "the law follows the data"."""
    deck = tmp_path / "fitted.yaml"
    said = told(bakes(tmp_path / "means.csv", {6: "125,10,200,9000"}), "-o", str(deck))
    assert "warning: means.csv:6: conductance 9000 uS lies far outside: the rest of its series leave" in said
    assert said.count("lies far outside") == 1
    assert "it cannot be told whether the law follows: the fitted read_noise of 0." in said
    assert "the law follows the data:" not in said
    page, text = deck.with_suffix(".html").read_text(), " ".join(deck.read_text().split())
    for where in (page.replace("µ", "u"), text):
        assert "means.csv:6: conductance 9000 uS lies far outside" in where and "cannot be told" in where


def test_beside_a_gross_reading_of_a_single_cell_no_ordinary_one_is_named(tmp_path: Path) -> None:
    """It bent the fit, so that six readings were named; and the unit told is that of the file."""
    rng, rows = np.random.default_rng(11), ["temperature [degC],level [kohm],cell,time [h],Resistance [kohm]"]
    for celsius in (125, 175):
        for level in (10.0, 60.0):
            for cell in range(3):
                kelvin, start = celsius + 273.15, level * (1 + 0.02 * rng.normal())
                life = 300 * np.exp(1.15 / BOLTZMANN * (1 / kelvin - 1 / 423.15) + 0.02 * rng.normal() / BOLTZMANN / kelvin)
                for time in (1, 10, 50, 200, 1000):
                    read = start * np.exp(-np.sqrt(time / life)) * (1 + 0.01 * rng.normal())
                    rows.append(f"{celsius},{1000 / level:.5g},{cell},{time},{1000 / read:.5g}")
    rows[3] = "125,100,0,50,0.11"
    (tmp_path / "cells.csv").write_text("\n".join(rows) + "\n")
    table = read_table(tmp_path / "cells.csv")
    law, device = RETENTION["distributed_barriers"], fitted_device([table])
    hold = {"shape": 0.5, "inverse_isokinetic_temperature": "0 1/K", "activation_energy": "1.15 eV"}
    data, _ = likelihood("retention", law, [table], device)
    cost = Cost(
        data, parameters(law, scales_of(table, device), given={}, hold=hold, columns=tuple(table.columns)), (398.15, 448.15)
    )
    bent = again(cost, np.zeros(cost.lost.size))
    assert len(named(table, estimate._beside(cost, bent, ()))[0]) != 1, "it bends the fit: others are named too, or none"
    [said], scatter = named(table, alone(lambda rows: estimate._beside(cost, bent, rows)))
    assert said.startswith("warning: cells.csv:4: Resistance 0.11 kohm lies far outside: the rest of its series leave 1")
    assert 0.005 < scatter < 0.02


def test_readings_without_one_far_outside_name_none(tmp_path: Path) -> None:
    said = told(bakes(tmp_path / "means.csv", {}))
    assert "far outside" not in said and "the law follows the data: " in said


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    table = read_table(bakes(tmp_path / "means.csv", {}))
    assert table.lines()[:3] == [3, 4, 5] and len(table.lines()) == table.rows


def test_levels_beyond_the_range_of_the_deck_are_told(tmp_path: Path) -> None:
    """A deck begun from one of 40 uS left levels of 60 and 100 uS unused, in silence."""
    deck = tmp_path / "mine.yaml"
    said = told(bakes(tmp_path / "means.csv", {}), "--start", "hfox_analog", "-o", str(deck))
    assert "warning: the levels reach 100 uS, and the deck keeps the g_max of 40 uS that it began with" in said
    [line] = [one for one in said.splitlines() if one.startswith("In the deck ")]
    assert (
        line.endswith(": of hfox_analog, not fitted to these measurements.") and line in deck.with_suffix(".html").read_text()
    )
    assert "relaxation" in line and "retention" not in line
    assert load_device(str(deck)).not_fitted["relaxation"] == "hfox_analog"


@pytest.mark.parametrize(("more", "said"), [(2.1, "do not tell the two apart"), (7.0, "not firmly"), (12.0, "")])
def test_a_small_difference_of_the_criterion_is_no_verdict(more: float, said: str) -> None:
    assert said in apart(more) and bool(said) == bool(apart(more))


@pytest.mark.parametrize("seed", range(20))
def test_normal_scatter_names_none_and_many_far_off_are_a_miss_of_the_law(seed: int) -> None:
    off = 0.02 * np.random.default_rng(seed).normal(size=100)
    assert not far_off(Apart(np.arange(100), off, off))[0].size
    off[3] = 0.5
    assert far_off(Apart(np.arange(100), off, off))[0].tolist() == [3]
    off[10:20] = 0.5
    assert not far_off(Apart(np.arange(100), off, off))[0].size


def test_a_noise_as_large_as_the_readings_is_doubted_though_none_is_named() -> None:
    assert "as large as the readings" in doubted([], 0.6, 0.7)
    assert doubted([], 0.02, 0.02) == "" and doubted([], 0.0, None) == "" and doubted(["one"], 0.02, 0.03) == ""
