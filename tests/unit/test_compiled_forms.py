"""Compiled forms on disk: what a killed run or a damaged disk left is compiled again, and never loaded."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stack3d.fe import forms, library


@pytest.fixture(scope="module")
def mass() -> Any:
    """Of linear elements on an interval: its entries are those of a hat function, 2h/3 and h/6."""
    dolfinx = library.import_dolfinx()
    import ufl
    from mpi4py import MPI

    space = dolfinx.fem.functionspace(dolfinx.mesh.create_interval(MPI.COMM_WORLD, 2, (0.0, 1.0)), ("Lagrange", 1))
    return ufl.TrialFunction(space) * ufl.TestFunction(space) * ufl.dx


def total(form: Any) -> float:
    """Sum of the entries of a mass matrix: the length of the interval."""
    return float(library.import_dolfinx().fem.assemble_matrix(forms.compiled(form)).to_scipy().sum())


def killed_while_compiling(folder: Path, kept: Path) -> None:
    for path in folder.glob(f"{kept.stem}.*"):
        path.unlink()
    kept.touch()


def library_lost(folder: Path, kept: Path) -> None:
    for path in folder.glob(f"{kept.stem}.*so"):
        path.unlink()


def library_cut(folder: Path, kept: Path) -> None:
    for path in folder.glob(f"{kept.stem}.*so"):
        path.write_bytes(path.read_bytes()[:3000])


def library_of_nobody(folder: Path, kept: Path) -> None:
    (folder / f"{kept.stem}.sha256").unlink()
    for path in folder.glob(f"{kept.stem}.*so"):
        path.write_bytes(b"no library")


def library_a_folder(folder: Path, kept: Path) -> None:
    for path in folder.glob(f"{kept.stem}.*so"):
        path.unlink()
        path.mkdir()
        (path / "inside").touch()


def digest_unreadable(folder: Path, kept: Path) -> None:
    """A link to itself, which not even the administrator can read."""
    noted = folder / f"{kept.stem}.sha256"
    noted.unlink()
    noted.symlink_to(noted.name)


def library_of_another_form(folder: Path, kept: Path) -> None:
    """With its digest, so that only its content can tell."""
    name, *others = {path.stem for path in folder.glob("libffcx_*.c")} - {kept.stem}
    assert not others
    for path in (*folder.glob(f"{name}.*so"), folder / f"{name}.sha256"):
        path.replace(folder / path.name.replace(name, kept.stem))


CHEAP = [killed_while_compiling, library_lost, library_cut, library_of_nobody]
DEAR = [library_a_folder, digest_unreadable, library_of_another_form]


KEPT_ASIDE = (library_cut, library_a_folder, digest_unreadable, library_of_another_form)
"""Of these a library is there."""


@pytest.mark.parametrize("damage", [*CHEAP, *(pytest.param(damage, marks=pytest.mark.slow) for damage in DEAR)])
def test_a_damaged_form_is_compiled_again(
    mass: Any,
    tmp_path: Path,
    damage: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    written, folder = tmp_path / "written", tmp_path / "found"  # what has been loaded from a path is not loaded again
    written.mkdir()
    monkeypatch.setattr(forms, "_folder", lambda: written)
    monkeypatch.setattr(forms, "PATIENCE", 1)
    expected = total(mass)
    (first,) = written.glob("libffcx_*.c")
    if damage is library_of_another_form:
        assert total(2 * mass) == 2 * expected
    shutil.copytree(written, folder)
    damage(folder, folder / first.name)
    monkeypatch.setattr(forms, "_folder", lambda: folder)
    assert total(mass) == expected == pytest.approx(1.0)
    assert "compiled again" in caplog.text
    assert (folder / f"{first.stem}.sha256").read_text()
    assert len(list(folder.glob("damaged-*"))) == (damage in KEPT_ASIDE)


def test_a_folder_that_cannot_be_written_keeps_nothing(
    mass: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import dolfinx.jit

    (tmp_path / "file").touch()
    monkeypatch.setattr(dolfinx.jit, "get_options", lambda *a: {"cache_dir": tmp_path / "file" / "forms"})
    found = forms._folder.__wrapped__()
    assert found.is_dir() and "compiled forms are not kept" in caplog.text
