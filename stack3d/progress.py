"""What a run tells whoever watches it: solvers emit events, observers decide how to show them."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol, TextIO


class Observer(Protocol):
    """Receiver of progress events."""

    def stage(self, name: str, **facts: Any) -> None:
        """A named stage of a case begins."""

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """`done` of `total` steps of the stage `name` are finished."""

    def finish(self) -> None:
        """The case has ended."""


class Silent:
    """Observer that shows nothing."""

    def stage(self, name: str, **facts: Any) -> None:
        """Ignore the event."""

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Ignore the event."""

    def finish(self) -> None:
        """Ignore the event."""


def _facts(facts: dict[str, Any]) -> str:
    return "".join(f"  {key}={value}" for key, value in facts.items())


class PlainLines:
    """Observer that prints one plain line per stage and at most one per second per step loop."""

    def __init__(self, prefix: str = "", stream: TextIO | None = None) -> None:
        self.prefix = f"{prefix}: " if prefix else ""
        self.stream = stream or sys.stderr
        self._start = time.monotonic()
        self._last = 0.0

    def _print(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.1f} s] {self.prefix}{text}", file=self.stream, flush=True)

    def stage(self, name: str, **facts: Any) -> None:
        """Print the stage and its facts."""
        self._print(name + _facts(facts))

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Print the step when a second has passed or the loop ends."""
        now = time.monotonic()
        if done == total or now - self._last >= 1.0:
            self._last = now
            self._print(f"{name} {done}/{total}" + _facts(facts))

    def finish(self) -> None:
        """Print nothing more."""


class Bars:
    """Observer that draws a live line and a bar on a terminal."""

    def __init__(self, prefix: str = "") -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            transient=True,
        )
        self._prefix = f"{prefix}: " if prefix else ""
        self._task = self._progress.add_task(self._prefix, total=None, facts="")
        self._progress.start()

    def stage(self, name: str, **facts: Any) -> None:
        """Show the stage with a pulsing bar."""
        self._progress.reset(self._task, total=None, description=self._prefix + name, facts=_facts(facts).strip())

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Move the bar."""
        self._progress.update(
            self._task, description=self._prefix + name, completed=done, total=total, facts=_facts(facts).strip()
        )

    def finish(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def observer_for_terminal(prefix: str = "") -> Observer:
    """Return bars on a terminal and plain lines in a pipe."""
    return Bars(prefix) if sys.stderr.isatty() else PlainLines(prefix)
