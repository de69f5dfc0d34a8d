"""A file name that no disk takes is one line, wherever a deck names a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stack3d.cli import app
from stack3d.decks.named_paths import FILES
from stack3d.errors import DeckError

LONG = "1 m " * 700
HEATED = (
    'scenario: heated\ngeometry: bulk_rram_8tier\ncooling: {top: forced_air, bottom: board, ambient: "25 degC"}\nsolver: ci\n'
)
SOURCE = 'power: {sources: [{name: host, layer: logic, power: "150 mW"}]}\n'
WORK = 'device: bulk_rram_ucsd\nworkload: {network: digits_mlp, rate: "2e5 1/s", tile: [32, 32], periphery: cmos_adc_8bit}\n'


@pytest.mark.parametrize("key", FILES, ids=".".join)
@pytest.mark.parametrize("name", [LONG, "a\x7fb"], ids=["long", "control"])
@pytest.mark.parametrize("command", ["validate", "show"])
def test_one_line(tmp_path: Path, key: tuple[str, ...], name: str, command: str) -> None:
    deck = tmp_path / "deck.yaml"
    deck.write_text(HEATED + SOURCE + (WORK if "workload" in key else ""))
    answer = CliRunner().invoke(app, [command, str(deck), "--set", f"{'.'.join(key)}={name}"])
    assert isinstance(answer.exception, (DeckError, SystemExit)), answer.exception
    assert not isinstance(answer.exception, SystemExit) or answer.exception.code == 2
    problems = answer.exception.problems if isinstance(answer.exception, DeckError) else ()
    assert max((len(problem.message) for problem in problems), default=0) < 400, problems
