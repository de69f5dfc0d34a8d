"""Meshes that a generator makes slowly, kept on disk by what they are made from.

The folder is ``$STACK3D_CACHE``, else ``$XDG_CACHE_HOME/stack3d``, else ``~/.cache/stack3d``; ``STACK3D_CACHE=off`` stands for
none. Entries used least recently are removed beyond `MOST_BYTES`; the whole folder may be deleted at any time. Hexahedra on the
lines of a grid are not kept: a million takes 0.1 s to make.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import __version__, storage
from stack3d.errors import ResultsError

FORMAT = 2
"""Raised when arrays of the same name come to mean something else, or the file is written another way."""
KEY = "made_from"
"""Name under which an entry holds its own fingerprint: a file that was copied to another name is none of that name."""
MOST_BYTES = 2_000_000_000
"""Of all entries together."""

Arrays = Mapping[str, NDArray[Any]]


def folder() -> Path | None:
    """Where meshes are kept; None when they are not."""
    chosen = os.environ.get("STACK3D_CACHE", "")
    if chosen.lower() in ("off", "0"):
        return None
    if chosen:
        return Path(chosen).expanduser()
    above = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(above) if above else Path("~/.cache").expanduser()) / "stack3d"
    except RuntimeError:  # a user without a home
        return None


def fingerprint(*parts: object) -> str:
    """Hash of numbers, texts, arrays, and tuples, mappings and dataclasses of these; equal parts, equal hash.

    Raises
    ------
    TypeError
        For anything whose text need not say all that it is.
    """
    digest = hashlib.sha256()
    _feed(digest, (FORMAT, __version__, parts))
    return digest.hexdigest()


def _feed(digest: Any, part: object) -> None:
    if isinstance(part, np.ndarray):
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    elif part is None or isinstance(part, bool | int | float | str):
        digest.update(f"{type(part).__name__}:{part!r};".encode())
    elif isinstance(part, tuple | list):
        digest.update(f"({len(part)}:".encode())
        for each in part:
            _feed(digest, each)
    elif isinstance(part, Mapping):
        _feed(digest, sorted(part.items()))
    elif is_dataclass(part) and not isinstance(part, type):
        digest.update(type(part).__name__.encode())
        _feed(digest, [(field.name, getattr(part, field.name)) for field in fields(part)])
    else:
        raise TypeError(f"a fingerprint of {type(part).__name__} is not defined")


def cached(key: str, build: Callable[[], Arrays]) -> dict[str, NDArray[Any]]:
    """The arrays kept under a `fingerprint`; else those that `build` makes, kept from now on.

    An entry is written beside and renamed, so that readers see all of it or nothing; one that cannot be read in full is put
    aside, the last one of all, and made again. Two processes that miss at the same time both build, and the later one's arrays
    stay. Where nothing can be written, nothing is kept.

    Parameters
    ----------
    key : str
        `fingerprint` of everything that the arrays depend on, version of the generator included.
    build : callable
        Makes arrays by name; no arrays of objects.
    """
    place = folder()
    if place is None:
        return dict(build())
    path = place / f"{key}.npz"
    found = _read(path)
    if found is None:
        found = dict(build())
        with contextlib.suppress(ResultsError):
            _write(path, found)
            _forget(place)
    return found


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    try:
        found = storage.arrays_of(path)
        if str(found.pop(KEY)) != path.stem:
            raise ValueError("it is of another mesh")
    except FileNotFoundError:
        return None
    except Exception:  # a broken archive raises what it likes
        with contextlib.suppress(OSError):
            storage.put_last_aside(path)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used now
    return found


def _write(path: Path, arrays: Arrays) -> None:
    with storage.beside(path) as scratch:
        with scratch.open("wb") as file:
            np.savez(file, allow_pickle=False, **{KEY: np.array(path.stem)}, **dict(arrays))
        storage.seal(scratch)


def _forget(place: Path) -> None:
    """Remove the entries used least recently until all fit; those of writers that died, too."""
    storage.clear_abandoned(place, "")
    entries = []
    for path in place.glob("*.npz"):
        with contextlib.suppress(OSError):
            entries.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= MOST_BYTES:
            return
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        total -= size
