"""Requests to end (SIGTERM, Ctrl-C) reach the main line of the program wherever they fall."""

from __future__ import annotations

import signal
import sys
from typing import Any

from stack3d.errors import Terminated

AGAIN = 0.01
"""Time after which a request that was swallowed is made again [s]."""


def listen() -> None:
    """Turn SIGTERM into `Terminated` in the main thread; a second one ends at once.

    Python drops an exception that is raised inside a destructor or a callback from C. A request
    that falls into one of them is made again a moment later, until the program hears it.
    """
    signal.signal(signal.SIGTERM, _terminated)
    shown = sys.unraisablehook

    def made_again(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, Terminated | KeyboardInterrupt):
            signal.signal(signal.SIGALRM, _raising(dropped.exc_type))
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        else:
            shown(dropped)

    sys.unraisablehook = made_again


def _terminated(signum: int, frame: Any) -> None:
    signal.signal(signum, signal.SIG_DFL)
    raise Terminated


def _raising(kind: type[BaseException]) -> Any:
    def handler(signum: int, frame: Any) -> None:
        raise kind

    return handler
