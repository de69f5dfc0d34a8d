"""One run at a time per results folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stack3d.errors import ResultsError
from stack3d.storage import cannot_write


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder while a study runs in it; the system lets go of it however the process ends.

    Raises
    ------
    ResultsError
        When another process holds it, with its number, host and start; when it cannot be written, or knows no locks.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / ".lock"
        if lock.is_symlink() or (lock.exists() and not lock.is_file()):
            what = "link" if lock.is_symlink() else "folder" if lock.is_dir() else "pipe or a device"
            raise ResultsError(f"{lock} is a {what}, not the file that a run holds; remove it")
        opened = lock.open("ab+", buffering=0)  # what cannot be written is not tried again when it is closed
    except OSError as error:
        raise cannot_write(folder, error) from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ResultsError(
                f"{folder} is in use: {_holder(file.read().decode(errors='replace'))}; wait for it, or choose another -o"
            ) from None
        except OSError as error:
            raise ResultsError(f"{folder} cannot be locked ({error.strerror}); choose another -o") from None
        held = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
        try:
            file.truncate(0)
            file.write(json.dumps(held).encode())
        except OSError as error:
            raise cannot_write(folder, error) from None
        yield


def _holder(text: str) -> str:
    try:
        facts = json.loads(text)
        return f"process {facts['pid']} on {facts['host']} has been running the same scenario since {facts['since']}"
    except (ValueError, KeyError):
        return "another process is running the same scenario"
