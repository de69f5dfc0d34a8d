"""Observers of a study: lines, JSON or a bar."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from typing import Any, TextIO

from stack3d.errors import unknown_name
from stack3d.progress.observers import Silent, StudyObserver
from stack3d.progress.streamed import say
from stack3d.progress.timing import time_left


class Tally:
    """Counts of a study and the time it still needs.

    Parameters
    ----------
    stream : text stream, optional
        Where its heirs write; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.total = self.pending = 0
        self.counts: Counter[str] = Counter()
        self.running = 0
        self._start = time.monotonic()
        self._ends: float | None = None

    def begin(self, total: int, pending: int) -> None:
        """Start the clock."""
        self.total, self.pending, self._start = total, pending, time.monotonic()

    def grown(self, total: int, pending: int) -> None:
        """Count more cases."""
        self.total, self.pending = self.total + total, self.pending + pending

    def expected(self, seconds: float) -> None:
        """Keep what is expected until a case has told the pace."""
        self._ends = time.monotonic() + seconds

    def started(self, label: str) -> None:
        """Count a case as running."""
        self.running += 1

    def ended(self, label: str, status: str, lines: tuple[str, ...]) -> None:
        """Count a case by how it ended."""
        self.counts[status] += 1
        self.running = max(0, self.running - 1)

    def finish(self) -> None:
        """Count no more."""

    @property
    def elapsed(self) -> float:
        """Since the beginning. [s]"""
        return time.monotonic() - self._start

    @property
    def left(self) -> float | None:
        """Expected until the end at the pace so far; None before the first case has run. [s]"""
        waiting = self.total - sum(self.counts.values())
        ran = self.pending - waiting
        return self.elapsed / ran * waiting if ran > 0 else None

    def text(self) -> str:
        """Done, failed, running and time left."""
        done = self.counts["done"] + self.counts["skipped"]
        left = f", {told}" if (told := self._left_told()) else ""
        return f"{done} done, {self.counts['failed']} failed, {self.running} running of {self.total}{left}"

    def _left_told(self) -> str:
        """Time left in words, by the pace so far, else by what was expected; empty where nothing is known or left."""
        if (left := self.left) is not None:
            return f"about {time_left(left)} left" if left else ""
        if self._ends is None:
            return ""
        rest = self._ends - time.monotonic()
        return f"very roughly {time_left(max(rest, 1.0))} left" if rest > 0 else "longer than estimated"


class StudyLines(Tally):
    """Prints a plain line when a case ends, at most one per second, and one when long nothing was said."""

    patience = 10.0
    """Time without a word. [s]"""
    _last = -1.0
    _over: threading.Event | None = None

    def _print(self) -> None:
        self._last = self.elapsed
        say(f"[{self._last:6.1f} s] {self.text()}", self.stream)

    def expected(self, seconds: float) -> None:
        """Print how long the study will take, before the first of its cases."""
        super().expected(seconds)
        if self._over is None and self.total > 1:
            self._print()
            self._over = threading.Event()
            threading.Thread(target=self._wait, args=(self._over,), daemon=True).start()

    def _wait(self, over: threading.Event) -> None:
        """Say where the study is whenever nothing was said for a while."""
        while not over.wait(min(1.0, self.patience)):
            if self.elapsed - self._last >= self.patience:
                self._print()

    def ended(self, label: str, status: str, lines: tuple[str, ...]) -> None:
        """Print where the study is; failures at once."""
        super().ended(label, status, lines)
        at_end = sum(self.counts.values()) == self.total
        if self.total > 1 and self.pending and (at_end or self.elapsed - self._last >= 1.0):
            self._print()

    def finish(self) -> None:
        """Print nothing more."""
        if self._over is not None:
            self._over.set()
            self._over = None


class StudyJson(Tally):
    """Prints one JSON object per event and line."""

    def _print(self, event: str, **facts: Any) -> None:
        say(json.dumps({"event": event, "seconds": round(self.elapsed, 3), **facts}), self.stream)

    def begin(self, total: int, pending: int) -> None:
        """Print the size of the study."""
        super().begin(total, pending)
        self._print("begin", total=total, pending=pending)

    def grown(self, total: int, pending: int) -> None:
        """Print that the study has grown."""
        super().grown(total, pending)
        self._print("grown", total=total, pending=pending)

    def expected(self, seconds: float) -> None:
        """Print how long the study will very roughly take."""
        super().expected(seconds)
        self._print("expected", left=round(seconds, 1))

    def started(self, label: str) -> None:
        """Print which case is handed out."""
        super().started(label)
        self._print("started", case=label)

    def ended(self, label: str, status: str, lines: tuple[str, ...]) -> None:
        """Print how a case ended, and where the study is."""
        super().ended(label, status, lines)
        left = None if self.left is None else round(self.left, 1)
        counts = {name: self.counts[name] for name in ("done", "failed", "skipped")}
        self._print("ended", case=label, status=status, lines=lines, **counts, running=self.running, left=left)

    def finish(self) -> None:
        """Print the counts."""
        self._print("finish", total=self.total, **self.counts)


class StudyBar(Tally):
    """Draws one live bar for the study on a terminal."""

    def begin(self, total: int, pending: int) -> None:
        """Draw the bar when there is more than one case to run."""
        super().begin(total, pending)
        self._progress: Any = None
        if pending > 1:
            from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
            from rich.text import Text

            tally = self

            class Counts(ProgressColumn):
                """Counts and time left, anew each time that the line is drawn."""

                def render(self, task: Task) -> Text:
                    return Text(tally.text())

            self._progress = Progress(BarColumn(), Counts(), TimeElapsedColumn(), transient=True)
            self._task = self._progress.add_task("", total=total)
            self._progress.start()

    def ended(self, label: str, status: str, lines: tuple[str, ...]) -> None:
        """Move the bar."""
        super().ended(label, status, lines)
        if self._progress is not None:
            self._progress.update(self._task, completed=sum(self.counts.values()))

    def finish(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()


def study_observer(kind: str) -> StudyObserver:
    """Observer by name: ``bar``, ``plain``, ``json``, ``none``; ``auto`` is bar on a terminal and plain in a pipe."""
    if kind == "auto":
        kind = "bar" if sys.stderr.isatty() else "plain"
    kinds: dict[str, type[Any]] = {"bar": StudyBar, "plain": StudyLines, "json": StudyJson, "none": Silent}
    if kind not in kinds:
        raise unknown_name("progress", kind, ["auto", *kinds])
    made: StudyObserver = kinds[kind]()
    return made
