"""Requests to end (SIGTERM, Ctrl-C) reach the main line of the program wherever they fall, and never leave it hanging."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stack3d.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, Terminated

AGAIN = 0.01
"""Time after which a request that was swallowed is made again [s]."""
PATIENCE = 30.0
"""Time after a request at which the process ends without cleaning up; what is done is safe, as after a kill [s]."""

RECORD = 1024
"""Room for what the system notes of a signal, more than any needs. [byte]"""
PETSC_OPTIONS = "PETSC_OPTIONS"
"""Where PETSc looks for options when it starts."""


class _Requests:
    """What was asked for, and what of it while it could not be heard."""

    def __init__(self) -> None:
        self.depth = 0
        self.pending: type[BaseException] | None = None
        self.made: type[BaseException] | None = None


_requests = _Requests()


def listen() -> None:
    """Turn SIGTERM into `Terminated` and Ctrl-C into KeyboardInterrupt in the main thread; a second one ends at once.

    Python drops an exception that is raised inside a destructor or a callback from C: such a request is made again a moment
    later. One that falls between two steps of a lock can leave it locked, so that cleaning up waits for ever: after `PATIENCE`
    the process ends without.
    """
    _requests.made = None
    signal.signal(signal.SIGTERM, _asked)
    signal.signal(signal.SIGINT, _asked)
    shown = sys.unraisablehook

    def made_again(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, Terminated | KeyboardInterrupt):
            signal.signal(signal.SIGALRM, _raising(dropped.exc_type))
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        else:
            shown(dropped)

    sys.unraisablehook = made_again


def heed() -> None:
    """Raise the request, if there was one: a library may have told it as an error of its own, and the program gone on."""
    if _requests.made is not None and threading.current_thread() is threading.main_thread():
        raise _requests.made


def answered() -> bool:
    """Let no request be made again, for the process ends now; whether there was one."""
    if _requests.made is not None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    return _requests.made is not None


@contextmanager
def unheard() -> Iterator[None]:
    """Keep a request back until the block is left: for writing files, where libraries hold locks."""
    _requests.depth += 1
    try:
        yield
    finally:
        _requests.depth -= 1
    if not _requests.depth and _requests.pending and threading.current_thread() is threading.main_thread():
        kind, _requests.pending = _requests.pending, None
        raise kind


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Leave to signals what they do while libraries start: each is put back as it was, whoever asked for it.

    Python does not know of what libraries written in other languages change, so the system's own records are kept. PETSc,
    which Gmsh brings too, is told to change none, so that no request falls between.
    """
    libc = ctypes.CDLL(None)
    before = {number: ctypes.create_string_buffer(RECORD) for number in signal.valid_signals()}
    known = [number for number, record in before.items() if libc.sigaction(number, None, record) == 0]
    options = os.environ.get(PETSC_OPTIONS)
    os.environ[PETSC_OPTIONS] = f"{options or ''} -no_signal_handler".strip()
    try:
        yield
    finally:
        os.environ.pop(PETSC_OPTIONS)
        if options is not None:
            os.environ[PETSC_OPTIONS] = options
        for number in known:
            libc.sigaction(number, before[number], None)


def _asked(signum: int, frame: Any) -> None:
    kind: type[BaseException] = Terminated if signum == signal.SIGTERM else KeyboardInterrupt
    signal.signal(signum, signal.SIG_DFL if signum == signal.SIGTERM else signal.default_int_handler)
    _end_late(kind)
    _requests.made = kind
    if _requests.depth:
        _requests.pending = kind
    else:
        raise kind


def _end_late(kind: type[BaseException]) -> None:
    """End the process in `PATIENCE`, whatever it then waits for."""

    def end(signum: int, frame: Any) -> None:
        os._exit(EXIT_TERMINATED if issubclass(kind, Terminated) else EXIT_INTERRUPTED)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)


def _raising(kind: type[BaseException]) -> Any:
    def handler(signum: int, frame: Any) -> None:
        _end_late(kind)
        raise kind

    return handler
