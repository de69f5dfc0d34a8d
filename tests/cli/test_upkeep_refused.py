"""What keeps chips accurate and what they are compared with: bad input is one line with file, key and reason, exit 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import exit_code

DECK = """scenario: bad
geometry: bulk_rram_8tier
cooling: {top: forced_air, bottom: board, ambient: "25 degC"}
workload: {network: digits_mlp, rate: "2e5 1/s", tile: [128, 128], periphery: cmos_adc_8bit, test_samples: 8}
device: bulk_rram_ucsd
lifetime: {until: "1 year", epochs: 1, attribution: false}
monte_carlo: {samples: 1, seed: 1}
solver: study
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("epochs: 1,", 'epochs: 1, refresh: {period: "2 us"},'), "lifetime.refresh.period: is 2e-06 s; to write one cell takes 3e-06 s"),
        (("epochs: 1,", 'epochs: 1, refresh: {period: "0 s"},'), "lifetime.refresh.period"),
        (("epochs: 1,", 'epochs: 1, fine_tuning: {period: "1 s"},'), "lifetime.fine_tuning.period: makes 31557600 trainings until the end; at most 1000, so the shortest period is 31557.6 s"),
        (("epochs: 1,", 'epochs: 1, compensation: {drift: layer, period: "1 us"},'), "lifetime.compensation.period: is 1e-06 s; its reads take 6.8e-06 s"),
        (("epochs: 1,", 'epochs: 1, compensation: {recalibrate: true, period: "1 us"},'), "lifetime.compensation.period: is 1e-06 s; its reads take"),
        (("epochs: 1,", 'epochs: 1, compensation: {drift: tile, period: "50 ns"},'), "lifetime.compensation.period: is 5e-08 s; its reads take"),
        (('"1 year", epochs: 1,', '"1 ms", epochs: 1, fine_tuning: {period: "2 us"},'), "lifetime.fine_tuning.period: is 2e-06 s; its reads take"),
        (('"2e5 1/s"', '"-1 1/s"'), "workload.rate"),
        (("test_samples: 8", "test_samples: 8, conventional: {sram: []}"), "workload.conventional.sram"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(change: tuple[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deck = tmp_path / "bad.yaml"
    deck.write_text(DECK.replace(*change))
    for command in ("validate", "run"):
        more = ("-o", str(tmp_path / "out")) if command == "run" else ()
        assert exit_code(command, str(deck), *more) == 2
        error = capsys.readouterr().err
        lines = [line for line in error.splitlines() if not line.startswith("[")]
        assert len(lines) == 1 and said in lines[0], error


def test_too_many_trainings_cite_the_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the line of the deck's lifetime, where no period is written."""
    deck = tmp_path / "bad.yaml"
    deck.write_text(DECK)
    assert exit_code("validate", str(deck), "--set", "lifetime.fine_tuning.period=1 s") == 2
    error = capsys.readouterr().err
    assert "--set: lifetime.fine_tuning.period: makes" in error and "bad.yaml:" not in error, error


def test_a_rate_of_zero_is_a_chip_that_stands_still(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No bad input: it leaks, and one line says what it draws."""
    deck = tmp_path / "idle.yaml"
    deck.write_text(DECK.replace('"2e5 1/s"', '"0 1/s"'))
    assert exit_code("run", str(deck), "-o", str(tmp_path / "out")) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("energy")]
    assert len(lines) == 1 and "no inference: the chip stands still and draws" in lines[0] and "nan" not in lines[0]
