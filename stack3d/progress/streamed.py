"""Words to a stream: a line at once, the facts of an event, and a line where an answer is waited for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from stack3d.yamltree import WATCHED


def in_words(facts: dict[str, Any]) -> str:
    """Facts of an event, each with its name."""
    return "".join(f"  {key}={value}" for key, value in facts.items())


def say(text: str, stream: TextIO | None) -> None:
    """Print a line at once; a stream that is full or closed costs the word, not the work."""
    with suppress(OSError, ValueError):
        print(text, file=stream or sys.stderr, flush=True)


class Waiting:
    """Tells who waits for an answer how far it is: nothing in the first seconds, then a line every few.

    Parameters
    ----------
    stream : text stream, optional
        Standard error by default.
    patience : float
        Time without a word. [s]
    """

    def __init__(self, stream: TextIO | None = None, patience: float = 2.0) -> None:
        self.stream, self.patience = stream, patience
        self._last = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Print how much of it is done when the last word is long ago."""
        now = time.monotonic()
        if now - self._last >= self.patience:
            self._last = now
            say(f"{what}: {100 * done / total:.0f} %", self.stream)


@contextmanager
def watched() -> Iterator[None]:
    """Whoever waits is told how far long files are read."""
    before = WATCHED.set(Waiting())
    try:
        yield
    finally:
        WATCHED.reset(before)
