"""Forms as DOLFINx compiles and keeps them on disk; what a killed run or a damaged disk left there is compiled again."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from stack3d import storage
from stack3d.fe.library import import_dolfinx, import_mpi

log = logging.getLogger(__name__)
LOCK = "stack3d.lock"
PATIENCE = 10
"""For another program that compiles the same form without a lock. [s]"""
PARTS = (".c", ".c.cached", ".o", ".sha256")
"""Files of a compiled form beside its library: text, mark that it is done, object, and digest and name of the library."""


def compiled(form: Any) -> Any:
    """A form of UFL ready to assemble.

    One process compiles at a time, so that a text without a library is what a killed process left; the processes of an MPI
    run share one compilation by DOLFINx's own means. A library that is not as it was written is never loaded.

    Parameters
    ----------
    form : ufl.Form

    Returns
    -------
    dolfinx.fem.Form
    """
    make = import_dolfinx().fem.form
    if import_mpi().COMM_WORLD.size > 1:
        return make(form)
    folder = _folder()
    with _alone(folder):
        _remove_damaged(folder)
        try:
            made = make(form, jit_options=_options(folder))
        except (TimeoutError, ImportError) as error:
            log.warning("%s holds half a compiled form (%s); compiled again", folder, str(error).splitlines()[0])
            _remove_unfinished(folder, str(error))
            made = make(form, jit_options=_options(folder))
        _note_digest(Path(made.module.__file__))
    return made


def _options(folder: Path) -> dict[str, Any]:
    return {"cache_dir": folder, "timeout": PATIENCE}


@cache
def _folder() -> Path:
    """Where DOLFINx keeps forms; one of this process alone where nothing can be written there."""
    from dolfinx.jit import get_options

    folder = Path(get_options()["cache_dir"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        storage.check_ordinary(folder / LOCK)
        (folder / LOCK).touch()
    except OSError as error:
        log.warning("%s; compiled forms are not kept", storage.cannot_write(folder, error))
        _ONLY_HERE.enter_context(scratch := storage.passing_folder("forms"))
        return Path(scratch.name)
    return folder


_ONLY_HERE = ExitStack()
"""Folders that go with the process."""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes."""
    with (folder / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@cache
def _remove_damaged(folder: Path) -> None:
    """Put aside, once in a process, the libraries that are not what was written; the last one is kept."""
    for library in folder.glob("libffcx_*.*so"):
        stem = library.name.partition(".")[0]
        noted = folder / f"{stem}.sha256"
        if not (_is_as_noted(library, noted) if os.path.lexists(noted) else library.is_file()):
            log.warning("%s is damaged; compiled again", library)
            storage.put_last_aside(library)
            _remove(folder, stem)


def _is_as_noted(library: Path, noted: Path) -> bool:
    """Whether a library is what was written, and under this name; a note of an older version has no name."""
    try:
        storage.check_ordinary(noted)
        digest, _, name = noted.read_text().partition(" ")
        return storage.digest_of(library) == digest and name in ("", noted.stem)
    except (OSError, ValueError):
        return False


def _remove_unfinished(folder: Path, complaint: str) -> None:
    """Remove the form that a message of DOLFINx names, and those that are marked as done and have no library."""
    for text in folder.glob("libffcx_*.c"):
        is_lost = (folder / f"{text.name}.cached").exists() and not any(folder.glob(f"{text.stem}.*so"))
        if is_lost or text.stem in complaint:
            _remove(folder, text.stem)


def _remove(folder: Path, stem: str) -> None:
    for path in [*folder.glob(f"{stem}.*so"), *(folder / f"{stem}{part}" for part in PARTS)]:
        storage.remove(path)


def _note_digest(library: Path) -> None:
    """Write the digest of a library beside it, where there is none."""
    noted = library.with_name(f"{library.name.partition('.')[0]}.sha256")
    if not noted.exists():
        with suppress(OSError), storage.beside(noted) as scratch:
            scratch.write_text(f"{storage.digest_of(library)} {noted.stem}")
