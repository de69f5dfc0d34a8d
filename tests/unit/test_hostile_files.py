"""Caches, checkpoints and results that somebody made to do harm: put aside or refused, with little memory, and no pickle is read."""

import io
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from small_study import STUDY
from typer.testing import CliRunner

import stack3d
from stack3d import cli, storage
from stack3d.errors import DeckError, ResultsError
from stack3d.geometry import mesh_cache
from stack3d.life import checkpoint
from stack3d.results.compact_file import _digest
from stack3d.results.netcdf import read_tree

MOST = 100e6
"""What a file of some kilobytes may take. [byte]"""


class Harm:
    """What a pickle would do when it is read."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (os.mkdir, ("harmed",))


def archive(file: Path, *, packed: bool = False, **arrays: object) -> None:
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    storage.seal(file)


def header(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return out.getvalue()


def claiming(file: Path) -> None:
    """A header that tells of 8 TB."""
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("points.npy", header((10**12,)))
    storage.seal(file)


def changed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def linked(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def piped(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


HARMS: dict[str, Callable[[Path], None]] = {
    "empty": lambda file: file.write_bytes(b"") and None,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-50]) and None,
    "changed": changed,
    "without its digest": lambda file: np.savez(file, points=np.zeros(3)),
    "packed": lambda file: archive(file, packed=True, points=np.zeros(20_000_000)),
    "pickled": lambda file: archive(file, points=np.array([Harm()], dtype=object)),
    "claiming": claiming,
    "link": linked,
    "pipe": piped,
    "folder": folder,
}


@pytest.fixture
def little() -> Iterator[None]:
    """Little memory is taken, and nothing is made by a pickle."""
    tracemalloc.start()
    try:
        yield
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < MOST, f"{most / 1e6:.0f} MB"


@pytest.fixture
def in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STACK3D_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def harm(file: Path, name: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, points=np.arange(300.0), made_from=np.array("a"))
    storage.seal(file)
    HARMS[name](file)


@pytest.mark.parametrize("name", HARMS)
def test_a_kept_mesh(in_place: Path, name: str) -> None:
    key = mesh_cache.fingerprint("a")
    file = in_place / f"{key}.npz"
    harm(file, name)
    tracemalloc.start()
    found = mesh_cache.cached(key, lambda: {"points": np.arange(4.0)})
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MOST and found["points"].tolist() == [0, 1, 2, 3] and not (in_place / "harmed").exists()
    assert file.is_file() and not file.is_symlink() and len(list(in_place.glob("damaged-*"))) == 1
    assert mesh_cache.cached(key, dict)["points"].tolist() == [0, 1, 2, 3], "it was not kept"


@pytest.mark.parametrize("name", HARMS)
def test_a_checkpoint(in_place: Path, little: None, name: str) -> None:
    file = in_place / "checkpoint.npz"
    harm(file, name)
    tracemalloc.reset_peak()
    assert checkpoint.load(file, "key", None) is None
    assert not os.path.lexists(file) and len(list(in_place.glob("damaged-*"))) == 1 and not (in_place / "harmed").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    (place / "small.yaml").write_text(STUDY)
    for command in (["run", "small.yaml", "-o", "out"], ["compact", "small.yaml", "-o", "m.nc"]):
        before = os.getcwd()
        os.chdir(place)
        try:
            assert CliRunner().invoke(cli.app, command).exit_code == 0
        finally:
            os.chdir(before)
    return place


@pytest.fixture
def result(made: Path, in_place: Path) -> Path:
    """A result without its record: nothing vouches for it."""
    return Path(shutil.copy(made / "out" / "small" / "result.nc", in_place / "r.nc"))


def claims(file: Path) -> None:
    """Eight terabytes in a variable that was never written."""
    with netCDF4.Dataset(file, "a") as tree:
        tree.createDimension("many", 10**12)
        tree["thermal"].createVariable("extra", "f8", ("many",), chunksizes=(10**6,))


def test_a_result_that_claims_terabytes(result: Path, in_place: Path, little: None) -> None:
    claims(result)
    with pytest.raises(ResultsError, match=r"its dimensions claim 8e\+12 bytes in a file of"):
        stack3d.open_result(result)
    text = STUDY + 'transient: {until: "1 ms", outputs: ["1 ms"], initial: {result: r.nc}}\n'
    (in_place / "later.yaml").write_text(text)
    with pytest.raises(DeckError, match=r"transient.initial.result: r.nc is no result of one case"):
        stack3d.load("later.yaml").run()


def without(tree: xr.DataTree, name: str) -> xr.DataTree:
    """A tree without a variable."""
    group, _, variable = name.rpartition("/")
    return xr.DataTree.from_dict(
        {
            node.path: node.to_dataset(inherit=False).drop_vars([variable] if node.path == f"/{group}" else [])
            for node in tree.subtree
        }
    )


def with_change(tree: xr.DataTree, name: str) -> xr.DataTree:
    if name == "no axis":
        return without(tree, "thermal/layer_temperature_max")
    if name == "no numbers":
        tree["thermal/layer_temperature_mean"][:] = np.nan
    else:
        tree.attrs |= {"no deck": {"resolved_scenario": "[1, 2"}, "no schema": {"schema": "new"}}[name]
    return tree


@pytest.mark.parametrize("name", ["no numbers", "no axis", "no deck", "no schema"])
@pytest.mark.parametrize("command", [["report", "r.nc"], ["plot", "r.nc", "-o", "f"], ["export", "r.nc", "-o", "t.csv"]])
def test_a_result_from_elsewhere_is_one_line(result: Path, command: list[str], name: str) -> None:
    with_change(read_tree(result), name).to_netcdf(result)
    done = CliRunner().invoke(cli.app, command)
    assert done.exception is None or isinstance(done.exception, ResultsError | DeckError), repr(done.exception)


@pytest.mark.parametrize("name", ["power", "steady/on_faces", "bow"])
def test_a_compact_model_that_lacks_a_part(made: Path, in_place: Path, name: str) -> None:
    """Its digest is right: it was made by a program that writes less."""
    tree, file = without(read_tree(made / "m.nc"), name), in_place / "m.nc"
    tree.attrs["sha256"] = _digest(tree)
    tree.to_netcdf(file)
    with pytest.raises(ResultsError, match=r"m.nc lacks what a compact model of this version has"):
        stack3d.open_compact(file)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_cut_file_is_told_in_words_with_what_to_do(made: Path, in_place: Path, share: float) -> None:
    """The words of the library alone, not the error as Python writes it."""
    content = (made / "m.nc").read_bytes()
    (in_place / "m.nc").write_bytes(content[: int(share * len(content))])
    for read, words in (
        (stack3d.open_compact, "make it again"),
        (stack3d.open_result, "take another copy, or run its case again"),
    ):
        with pytest.raises(ResultsError, match=rf"m.nc cannot be read.* of another kind: NetCDF: [A-Z][^()]*; {words}$"):
            read(in_place / "m.nc")
