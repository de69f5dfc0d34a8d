"""Files that outlive a process: where they may lie, that they reach the disk, and whether they are still what was written."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, BinaryIO
from uuid import uuid4

from stack3d.errors import DeckError, DiskFullError, ResultsError, brief

MOST_LETTERS = 120
"""Of a name that becomes a file or folder."""
MOST_BYTES_OF_NAME = 220
"""Of a name that a user gives a file: disks take 255, and what is written first stands beside it under a longer name."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_MARKED = re.compile(r"\..+\.(?P<pid>[0-9]{1,10})-(?P<host>[0-9a-f]{6})\.[0-9a-z_]+\.tmp.*", re.DOTALL)
"""Name of what is written beside a file, or for a while: by which process of which machine."""
_SEAL = b"stack3d-sha256:"
_TAIL = len(_SEAL) + 32
DIGEST = "sha256"
"""Key of a sealed mapping under which the digest of the others stands."""

SPARED, MOST_UNPACKED = 100_000_000, 200
"""What unpacks to more than so many bytes unpacks to at most so many times its size; zeros take a thousandth."""
SMALL = 65_536
"""Of a file of results. [byte]"""

_FULL = (errno.ENOSPC, errno.EDQUOT)
REMEDIES = {
    errno.ENOSPC: "free some space and run again, or choose another folder",
    errno.EDQUOT: "your quota is used up: free some space, or choose another folder",
    errno.EROFS: "it lies on a read-only disk; choose another folder",
    errno.EACCES: "you may not write there; choose another folder",
    errno.EPERM: "you may not write there; choose another folder",
    errno.ENOENT: "its folder has gone; run again",
    errno.EEXIST: "something else stands where a folder is wanted; choose another folder",
    errno.ELOOP: "a link leads to itself; remove it, or choose another folder",
    errno.ENOTDIR: "a file stands where a folder is wanted; choose another folder",
    errno.EISDIR: "name a file in it",
    errno.EINVAL: "remove it, or name an ordinary file",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What to do where a file cannot be written."""


def cannot_write(path: Path, error: OSError) -> ResultsError:
    """The error of a file that cannot be written: where, why, and what to do.

    Libraries below may say "Permission denied" of a full disk; whether it is full is looked up.
    """
    number, reason = error.errno or 0, error.strerror or str(error)
    if number not in _FULL and os.access(path.parent, os.W_OK) and is_full(path.parent):
        number, reason = errno.ENOSPC, os.strerror(errno.ENOSPC)
    kind = DiskFullError if number in _FULL else ResultsError
    return kind(f"{path} cannot be written ({reason}); {REMEDIES.get(number, 'choose another folder')}")


def is_full(folder: Path) -> bool:
    """Whether a disk has no room for another small file."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < SMALL or (disk.f_files > 0 and disk.f_favail == 0)


def is_reserved(name: str) -> bool:
    """Whether a system keeps a name for itself, as ``con`` or ``COM1``: results of that name could not be copied there."""
    return _RESERVED.fullmatch(name) is not None


def inside(folder: Path, name: str) -> Path:
    """Path of a file or folder of a name directly below a folder: what a deck or a result calls itself goes through here.

    Raises
    ------
    DeckError
        For a name with other than letters, digits, ``_ . -``, a name that a system reserves, one that is too long, and for a
        link that leads out of the folder.
    """
    if not _NAME.fullmatch(name) or len(name) > MOST_LETTERS or is_reserved(name):
        raise DeckError(
            f"{brief(name)} cannot name a file: letters, digits, '_', '.' and '-', at most {MOST_LETTERS}, and no name that "
            "a system reserves"
        )
    path = folder / name
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise DeckError(f"{path} is a link that leads out of {folder}; nothing is written through it")
    return path


def sync(path: Path) -> None:
    """Wait until a file, or a folder with all that is below it, has reached the disk."""
    for each in [*path.rglob("*"), path] if path.is_dir() else [path]:
        _sync_one(each)


def _sync_one(path: Path) -> None:
    """Of a folder: the names in it, not the files."""
    with suppress(PermissionError):  # a folder on some systems
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_free(path: Path, *, is_folder: bool = False) -> None:
    """Refuse to write where a folder, a pipe or a device is, or a name that no disk takes; raises ResultsError.

    Parameters
    ----------
    path : Path
    is_folder : bool
        What is to be written, which may then take the place of a folder.
    """
    try:
        if path.is_dir() and not path.is_symlink() and not is_folder:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise OSError(errno.EINVAL, "no ordinary file")
        if len(os.fsencode(path.name)) > MOST_BYTES_OF_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    except OSError as error:
        raise cannot_write(path, error) from None


@contextmanager
def beside(path: Path, ending: str = "", *, is_folder: bool = False) -> Iterator[Path]:
    """Yield a scratch path next to `path` that takes its place at the end, and is gone after an error.

    What a killed process left for the same path goes first. File and folder have reached the disk when it takes its place.
    Raises ResultsError where it cannot be written.

    Parameters
    ----------
    path : Path
    ending : str
        Of the scratch path, for libraries that choose a format by it.
    is_folder : bool
        What is written; only that takes the place of a folder.
    """
    check_free(path, is_folder=is_folder)
    with _scratch(path, ending) as scratch:
        yield scratch
        sync(scratch)
        if is_folder and path.is_dir():  # a directory cannot be replaced in one step
            shutil.rmtree(path)
        scratch.replace(path)
        _sync_one(path.parent)


@contextmanager
def together(path: Path) -> Iterator[Path]:
    """Yield a path of the same name in a scratch folder; all files written there move beside `path` at the end, it last.

    For formats whose files name each other. Raises ResultsError where they cannot be written.
    """
    check_free(path)
    with _scratch(path) as folder:
        folder.mkdir()
        yield folder / path.name
        sync(folder)
        for file in sorted(folder.iterdir(), key=lambda file: file.name == path.name):
            check_free(path.with_name(file.name))
            file.replace(path.with_name(file.name))
        _sync_one(path.parent)


@contextmanager
def _scratch(path: Path, ending: str = "") -> Iterator[Path]:
    """Yield a scratch path next to `path` that is gone afterwards; tells of what cannot be written."""
    scratch = path.with_name(f".{path.name}.{_mark()}.{uuid4().hex[:6]}.tmp{ending}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_abandoned(path.parent, path.name)
        yield scratch
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        with suppress(OSError):
            remove(scratch)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _mark() -> str:
    """Process and machine, for the name of what is written."""
    return f"{os.getpid()}-{hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]}"


def clear_abandoned(folder: Path, name: str) -> None:
    """Remove what processes of this machine that have ended left in a folder as scratch of a file.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file; empty for any.
    """
    host, beginning = _mark().partition("-")[2], f".{name}."
    with suppress(OSError):
        for entry in os.scandir(folder):
            mark = _MARKED.fullmatch(entry.name)
            is_ours = mark is not None and (not name or entry.name.startswith(beginning)) and mark["host"] == host
            if mark is not None and is_ours and not _runs(int(mark["pid"])):
                with suppress(OSError):
                    remove(Path(entry.path))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def passing_folder(kind: str) -> TemporaryDirectory[str]:
    """A folder in that of the system for what is temporary; those of processes that were killed are removed."""
    clear_abandoned(Path(gettempdir()), f"stack3d-{kind}")
    return TemporaryDirectory(prefix=f".stack3d-{kind}.{_mark()}.", suffix=".tmp")


def clear_scratch(folder: Path) -> None:
    """Remove scratch files and folders that a killed process left in a folder; nobody else writes there now."""
    for pattern in (".*.tmp", ".*.tmp.*", ".checkpoint.*.npz"):
        for scratch in folder.glob(pattern):
            with suppress(OSError):
                remove(scratch)


def put_aside(path: Path, word: str = "damaged") -> Path | None:
    """Rename a file to ``damaged-<name>``, or another word, numbered where one is there; None where it cannot be renamed."""
    for n in ("", *(f"-{i}" for i in range(2, 100))):
        target = path.with_name(f"{word}-{path.stem}{n}{path.suffix}")
        if not target.exists():
            with suppress(OSError):
                return path.rename(target)
            return None
    return None


def put_last_aside(path: Path) -> None:
    """Put a file of a cache aside in place of the one before it; what cannot be renamed is removed. Raises OSError."""
    for earlier in path.parent.glob("damaged-*"):
        remove(earlier)
    if put_aside(path) is None:
        remove(path)


def check_ordinary(path: Path) -> None:
    """Refuse a folder, a pipe, a device, where a file of the program's own is wanted; raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no ordinary file")


def digest_of(path: Path) -> str:
    """SHA-256 of an ordinary file; raises OSError."""
    check_ordinary(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _body_digest(file: BinaryIO, size: int) -> bytes:
    found, left = hashlib.sha256(), size
    while left > 0 and (part := file.read(min(left, 1 << 20))):
        found.update(part)
        left -= len(part)
    return found.digest()


def seal(path: Path) -> None:
    """Append the digest of a file to it; zip archives may end so."""
    with path.open("rb") as file:
        digest = _body_digest(file, path.stat().st_size)
    with path.open("ab") as file:
        file.write(_SEAL + digest)


def is_whole(path: Path) -> bool | None:
    """Whether a sealed file is as it was written; None for one without a seal. Raises OSError for what is no file."""
    check_ordinary(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        if not tail.startswith(_SEAL) or len(tail) != _TAIL:
            return None
        file.seek(0)
        return _body_digest(file, size - _TAIL) == tail[len(_SEAL) :]


def arrays_of(path: Path) -> dict[str, Any]:
    """Arrays of a sealed `.npz` archive as the program writes it: no objects, nothing packed.

    Raises OSError, ValueError, and whatever a broken archive raises, for a file that is not as it was written.
    """
    import numpy as np

    if not is_whole(path):
        raise ValueError("its digest is another")
    with np.load(path, allow_pickle=False) as archive:
        if sum(part.file_size for part in archive.zip.infolist()) > path.stat().st_size:
            raise ValueError("it unpacks to more than it is")
        return {name: archive[name] for name in archive.files}


def check_claims(file: Any, size: int) -> None:
    """Refuse a netCDF file that claims many more values than its bytes can hold; raises ValueError.

    Parameters
    ----------
    file : netCDF4.Dataset
        Or a group of one.
    size : int
        Of the file. [byte]
    """
    waiting, claimed = [file], 0
    while waiting:
        group = waiting.pop()
        waiting += group.groups.values()
        claimed += sum(math.prod(v.shape) * getattr(v.dtype, "itemsize", 8) for v in group.variables.values())
    if claimed > max(SPARED, MOST_UNPACKED * size):
        raise ValueError(f"its dimensions claim {claimed:.3g} bytes in a file of {size}")


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping of plain values with the digest of them all."""
    return {**facts, DIGEST: _digest_of_facts(facts)}


def is_intact(facts: Mapping[str, Any]) -> bool:
    """Whether a mapping is as it was sealed; one without a digest is not."""
    return facts.get(DIGEST) == _digest_of_facts(facts)


def _digest_of_facts(facts: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in facts.items() if k != DIGEST}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def locked(folder: Path, *, file: str | None = None, work: str = "running the same scenario") -> Iterator[None]:
    """Hold a folder, or a file that is made in it; the system lets go of it however the process ends.

    Parameters
    ----------
    folder : Path
    file : str, optional
        Name of the file that is held instead; what holds it is gone at the end.
    work : str
        What a process that holds it does, for the message to another.

    Raises
    ------
    ResultsError
        When another process holds it, with its number, host and start; when it cannot be written, or knows no locks.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock, held = (folder / ".lock", folder) if file is None else (folder / f".{file}.lock", folder / file)
        if lock.is_symlink() or (lock.exists() and not lock.is_file()):
            what = "link" if lock.is_symlink() else "folder" if lock.is_dir() else "pipe or a device"
            raise ResultsError(f"{lock} is a {what}, not the file that a run holds; remove it")
        opened = lock.open("ab+", buffering=0)  # what cannot be written is not tried again when it is closed
    except OSError as error:
        raise cannot_write(folder, error) from None
    with opened as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(handle.fileno()).st_nlink:  # whoever held it has removed it since it was opened
                raise BlockingIOError
        except BlockingIOError:
            handle.seek(0)
            holder = _holder(handle.read().decode(errors="replace"), work)
            raise ResultsError(f"{held} is in use: {holder}; wait for it, or choose another -o") from None
        except OSError as error:
            raise ResultsError(f"{held} cannot be locked ({error.strerror}); choose another -o") from None
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
        try:
            handle.truncate(0)
            handle.write(json.dumps(facts).encode())
        except OSError as error:
            raise cannot_write(folder, error) from None
        try:
            yield
        finally:
            if file is not None:
                with suppress(OSError):
                    lock.unlink()


def _holder(text: str, work: str) -> str:
    try:
        facts = json.loads(text)
        return f"process {facts['pid']} on {facts['host']} has been {work} since {facts['since']}"
    except (ValueError, KeyError):
        return f"another process is {work}"
