"""Observers of one case: lines or a bar."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, TextIO

from stack3d.progress.observers import Observer, Silent
from stack3d.progress.streamed import in_words, say
from stack3d.progress.timing import Pace, time_left

BAR, BESIDE_FACTS = 16, 62
"""Letters of a bar, and of all that stands beside the facts of a stage."""


class PlainLines:
    """Observer that prints a line per stage, at most one per second per loop of steps, and one when long nothing was said."""

    def __init__(self, prefix: str = "", stream: TextIO | None = None, patience: float = 5.0) -> None:
        self.prefix = f"{prefix}: " if prefix else ""
        self.stream = stream or sys.stderr
        self.patience = patience
        self.pace = Pace()
        self._start = self._said = time.monotonic()
        self._last = 0.0
        self._ended: threading.Event | None = None

    def _print(self, text: str) -> None:
        self._said = time.monotonic()
        say(f"[{self._said - self._start:6.1f} s] {self.prefix}{text}", self.stream)

    def _left(self) -> str:
        return f"  {self.pace.left}" if self.pace.left else ""

    def _wait(self, ended: threading.Event) -> None:
        """Say that the work goes on, and how long it will, whenever nothing was said for a while."""
        while not ended.wait(min(1.0, self.patience)):
            if time.monotonic() - self._said >= self.patience:
                self._print(f"{self.pace.name}  {time_left(self.pace.spent)} so far{self._left()}")

    def stage(self, name: str, **facts: Any) -> None:
        """Print the stage and its facts, and how long the case will still take where that is known already."""
        self.pace.stage(name, facts.pop("expected", None), facts.pop("ahead", None))
        self._print(name + in_words(facts) + ("" if "takes" in facts else self._left()))
        if self._ended is None:
            self._ended = threading.Event()
            threading.Thread(target=self._wait, args=(self._ended,), daemon=True).start()

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Print the step when a second has passed or the loop ends."""
        now = time.monotonic()
        self.pace.step(name, done, total)
        if done == total or now - self._last >= 1.0:
            self._last = now
            self._print(f"{name} {done}/{total}" + in_words(facts) + self._left())

    def finish(self) -> None:
        """Print nothing more until the next stage."""
        if self._ended is not None:
            self._ended.set()
            self._ended = None


class Bars:
    """Observer that draws a live line and a bar on a terminal, with the time that it will still take."""

    def __init__(self, prefix: str = "") -> None:
        from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
        from rich.text import Text

        self.pace = pace = Pace()

        class Left(ProgressColumn):
            """Time left, anew each time that the line is drawn."""

            def render(self, task: Task) -> Text:
                return Text(pace.left)

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=BAR),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            Left(),
            transient=True,
        )
        self._prefix = f"{prefix}: " if prefix else ""
        self._task = self._progress.add_task(self._prefix, total=None, facts="")
        self._progress.start()

    def stage(self, name: str, **facts: Any) -> None:
        """Show the stage with a pulsing bar; what it takes in its facts, only where the time left does not say so."""
        self.pace.stage(name, facts.pop("expected", None), facts.pop("ahead", None))
        if self.pace.left:
            facts.pop("takes", None)
        self._progress.reset(self._task, total=None, description=self._prefix + name, facts=self._fitting(facts))

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Move the bar."""
        self.pace.step(name, done, total)
        self._progress.update(
            self._task, description=self._prefix + name, completed=done, total=total, facts=self._fitting(facts)
        )

    def _fitting(self, facts: dict[str, Any]) -> str:
        """Facts in words, cut where a narrow terminal would break the line."""
        text, room = in_words(facts).strip(), max(self._progress.console.width - BESIDE_FACTS, 1)
        return text if len(text) <= room else f"{text[: room - 1]}…"

    def finish(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def observer_for(kind: str, prefix: str = "") -> Observer:
    """Observer of one case by name: ``bar``, ``plain``, or nothing; ``auto`` is bar on a terminal and plain in a pipe."""
    if kind == "auto":
        kind = "bar" if sys.stderr.isatty() else "plain"
    return Bars(prefix) if kind == "bar" else PlainLines(prefix) if kind == "plain" else Silent()
