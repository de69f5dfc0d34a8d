"""Files that reach the disk."""

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stack3d import results, storage
from stack3d.errors import ResultsError


def test_only_what_is_written_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else lies in the folder is not opened: a socket could not be, and a home has a million files."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    monkeypatch.chdir(tmp_path)
    opened, known = [], os.open
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        monkeypatch.setattr(os, "open", lambda path, *a: (opened.append(Path(path)), known(path, *a))[1])
        with storage.beside(Path("page.html")) as scratch:
            scratch.write_text("page")
    assert Path("page.html").read_text() == "page"
    assert len(opened) == 2 and opened[0].name.startswith(".page.html.") and opened[1] == Path()


def test_a_folder_reaches_the_disk_with_all_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, known = [], os.open
    monkeypatch.setattr(os, "open", lambda path, *a: (opened.append(Path(path).name), known(path, *a))[1])
    with storage.beside(tmp_path / "results", is_folder=True) as scratch:
        (scratch / "below").mkdir(parents=True)
        (scratch / "below" / "file").write_text("value")
    assert {"below", "file"} < set(opened)


def test_a_file_takes_the_place_of_no_folder_pipe_or_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a page written to the name of a folder of results took all of them with it."""
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "out" / "study" / "result.nc"
    results.parent.mkdir(parents=True)
    results.write_text("kept")
    os.mkfifo("pipe")
    for name, words in (
        ("out", "name a file in it"),
        ("pipe", "no ordinary file"),
        ("", "name a file in it"),
        ("x" * 300, "shorter"),
    ):
        with pytest.raises(ResultsError, match=words), storage.beside(Path(name)):
            pytest.fail("begun")
    assert results.read_text() == "kept" and stat.S_ISFIFO(Path("pipe").stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pipe"]


KILLED = """
import os, sys
from pathlib import Path
from stack3d import storage
with storage.beside(Path("page.html"), ".html") as scratch:
    scratch.write_text("half")
    kept = storage.passing_folder("import")
    os._exit(9)
"""


def test_what_a_killed_process_left_goes_with_the_next_of_its_name_and_of_a_living_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    assert subprocess.run([sys.executable, "-c", KILLED], env=environment).returncode == 9
    assert len(list(tmp_path.glob(".page.html.*.tmp.html"))) == len(list((tmp_path / "temporary").iterdir())) == 1
    results.write_text(tmp_path / "other.html", "another file")
    assert len(list(tmp_path.glob(".page.html.*"))) == 1
    with storage.beside(Path("page.html")) as mine:
        mine.write_text("page")
        assert [p.name for p in tmp_path.glob(".page.html.*")] == [mine.name]
        storage.clear_abandoned(tmp_path, "")
        assert mine.exists()
    with storage.passing_folder("import"):
        assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.html", "page.html", "temporary"]


@pytest.mark.parametrize(
    ("blocks", "files", "words"), [(10, 99, "free some"), (99, 0, "free some"), (99, 99, "you may not write")]
)
def test_a_full_disk_is_told_as_full_whatever_a_library_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, files: int, words: str
) -> None:
    disk = os.statvfs_result((4096, 4096, 10**6, blocks, blocks, 10**6, files, files, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: disk)
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    assert words in str(storage.cannot_write(tmp_path / "result.nc", error))


@pytest.mark.parametrize("facts", ['{"versions": 5, "status": "done"}', '{"status": []}', '{"result_sha256": 5}', "[]", "{"])
def test_a_record_of_other_kinds_counts_as_none(tmp_path: Path, facts: str) -> None:
    (tmp_path / "run.json").write_text(facts)
    assert results.read_record(tmp_path) == {}


def test_a_pipe_in_place_of_a_record_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    os.mkfifo(tmp_path / "result.nc")
    assert results.read_record(tmp_path) == {}
    with pytest.raises(OSError, match="no ordinary file"):
        storage.digest_of(tmp_path / "result.nc")
