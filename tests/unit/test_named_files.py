"""Files that a deck names: what is no ordinary file, lies about its size or has no name is one line, before it is read."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stack3d import decks
from stack3d.errors import DeckError, ResultsError
from stack3d.storage import locked
from stack3d.workload import array_files


@pytest.mark.parametrize("key", ["workload.network", "workload.data"])
def test_what_is_no_ordinary_file_is_not_opened(key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name, said in (("pipe", "no ordinary file"), ("device", "no ordinary file"), ("folder", "a folder"), ("a\0b", "null")):
        with pytest.raises(DeckError, match=rf"(?s)--set.*{key}.*cannot be read: .*{said}"):
            decks.load("quickstart", [(key, {"file": str(tmp_path / name)})])


def test_arrays_that_lie_about_their_size_are_not_made(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 6)})
    (tmp_path / "one.npy").write_bytes(header.getvalue() + bytes(1000))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("inputs.npy", header.getvalue() + bytes(1000))
    for name, part in (("one.npy", "inputs"), ("x.npz", "file")):
        with pytest.raises(DeckError, match=r"says that it has 5.28e\+13 bytes, and has 1e\+03"):
            array_files.opened(str(tmp_path / name), part, "workload.data")


def test_a_lock_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(tmp_path / "evil")
    with pytest.raises(ResultsError, match="is a link, not the file that a run holds; remove it"), locked(tmp_path / "out"):
        pass
    assert not (tmp_path / "evil").exists()
    (tmp_path / "other" / ".lock").mkdir(parents=True)
    with pytest.raises(ResultsError, match="is a folder, not the file"), locked(tmp_path / "other"):
        pass


@pytest.mark.parametrize(("sweep", "said"), [
    ({"zip": {}}, "zip wants keys with lists of values, got none"),
    ({"variants": {"\x1b]0;evil\a": {"cooling.ambient": "310 K"}}}, "wants names of letters that can be shown"),
])  # fmt: skip
def test_sweeps_that_name_nothing_or_cannot_be_shown(sweep: dict, said: str) -> None:
    with pytest.raises(DeckError, match=said):
        decks.load("quickstart", [("sweep", sweep)])


def test_a_factor_that_leaves_the_numbers_is_refused() -> None:
    with pytest.raises(DeckError, match="lognormal wants a factor of at most 1e\\+06, got 1e\\+300"):
        decks.load(
            "quickstart",
            [
                (
                    "uncertain",
                    {"keys": {"power.sources.host.power": {"lognormal": ["1 W", 1e300]}}, "outputs": ["peak_temperature"]},
                )
            ],
        )
