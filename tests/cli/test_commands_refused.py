"""Commands that read files of other kinds: what cannot be read is one line with its file, exit 2 or 5, and nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import small_study as studies
from in_process import exit_code

PACKAGE = studies.STUDY + 'compact: {shortest: "1 ms"}\n'
TRACE = "time [s],spot [W]\n0,1\n1,2\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compact model."""
    folder = tmp_path_factory.mktemp("compact")
    (folder / "small.yaml").write_text(PACKAGE)
    assert exit_code("compact", str(folder / "small.yaml"), "-o", str(folder / "model.nc")) == 0
    return folder / "model.nc"


@pytest.fixture
def work(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with files that are sound, and some that are not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.nc").write_bytes(model.read_bytes())
    (tmp_path / "trace.csv").write_text(TRACE)
    (tmp_path / "half.nc").write_bytes(model.read_bytes()[:2000])
    (tmp_path / "small.yaml").write_text(PACKAGE)
    (tmp_path / "bytes.csv").write_bytes(b"time [s],spot [W]\n0,\xff\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bytes.flp").write_bytes(b"core\t1\t\xff")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


TO = ["-o", "out.nc"]
REFUSED: dict[str, tuple[list[str], str]] = {
    "no model": (["trace", "none.nc", "trace.csv", *TO], "none.nc"),
    "half a model": (["trace", "half.nc", "trace.csv", *TO], "half.nc"),
    "a table as model": (["trace", "trace.csv", "trace.csv", *TO], "trace.csv"),
    "a pipe as model": (["trace", "pipe", "trace.csv", *TO], "pipe"),
    "a folder as model": (["trace", "folder", "trace.csv", *TO], "folder"),
    "no table": (["trace", "model.nc", "none.csv", *TO], "none.csv"),
    "a pipe as table": (["trace", "model.nc", "pipe", *TO], "pipe"),
    "a table that is no text": (["trace", "model.nc", "bytes.csv", *TO], "bytes.csv"),
    "an empty table": (["trace", "model.nc", "empty.csv", *TO], "empty.csv"),
    "no place of that name": (["trace", "model.nc", "trace.csv", *TO, "--rainflow", "nowhere"], "nowhere"),
    "a face without film": (["trace", "model.nc", "trace.csv", *TO, "--film", "top"], "--film"),
    "until before the beginning": (["trace", "model.nc", "trace.csv", *TO, "--until", "-1 s"], "--until"),
    "a limit that is no temperature": (["trace", "model.nc", "trace.csv", *TO, "--above", "1 m"], "--above"),
    "no measurements": (["fit", "none.csv", "--law", "power_law", "-o", "out.yaml"], "none.csv"),
    "a pipe as measurements": (["fit", "pipe", "--law", "power_law", "-o", "out.yaml"], "pipe"),
    "a folder as measurements": (["fit", "folder", "--law", "power_law", "-o", "out.yaml"], "folder"),
    "measurements that are no text": (["fit", "bytes.csv", "--law", "power_law", "-o", "out.yaml"], "bytes.csv"),
    "empty measurements": (["fit", "empty.csv", "--law", "power_law", "-o", "out.yaml"], "empty.csv"),
    "nothing to import": (["import", "none.stk", "-o", "out.yaml"], "none.stk"),
    "a pipe to import": (["import", "pipe", "-o", "out.yaml"], "pipe"),
    "a folder to import": (["import", "folder", "-o", "out.yaml"], "folder"),
    "a floorplan that is no text": (["import", "bytes.flp", "-o", "out.yaml"], "bytes.flp"),
    "a deck to import": (["import", "small.yaml", "-o", "out.yaml"], "small.yaml"),
    "a pipe as scenario": (["validate", "pipe"], "pipe"),
    "a pipe to compact": (["compact", "pipe", *TO], "pipe"),
    "a pipe as result": (["report", "pipe", "-o", "out.html"], "pipe"),
    "a deck as result": (["report", "small.yaml", "-o", "out.html"], "small.yaml"),
    "a link to itself as result": (["report", "loop", "-o", "out.html"], "loop"),
    "a link to itself as scenario": (["validate", "loop"], "loop"),
    "a folder of results that is a link to itself": (["run", "small.yaml", "-o", "loop", "--progress", "none"], "loop"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_line_with_the_file(case: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, named = REFUSED[case]
    (work / "loop").symlink_to("loop")
    before = sorted(p.name for p in work.iterdir())
    code = exit_code(*arguments)
    said = capsys.readouterr().err
    assert code in (2, 5) and named in said, (code, said)
    assert said.startswith("error: ") and len(said.splitlines()) == 1 and "internal failure" not in said, said
    assert sorted(p.name for p in work.iterdir()) == before
