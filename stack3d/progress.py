"""What a run tells whoever watches it: solvers emit events, observers decide how to show them."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TextIO

from stack3d.errors import unknown_name


class Observer(Protocol):
    """Receiver of progress events."""

    def stage(self, name: str, **facts: Any) -> None:
        """A named stage of a case begins."""

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Some steps of a stage are finished.

        Parameters
        ----------
        name : str
            Of the stage.
        done, total : int
            Steps.
        **facts
            To be told beside them.
        """

    def finish(self) -> None:
        """The case has ended."""


class StudyObserver(Protocol):
    """Receiver of what happens to the cases of a study."""

    def begin(self, total: int, pending: int) -> None:
        """`pending` of `total` cases have to run."""

    def grown(self, total: int, pending: int) -> None:
        """So many more cases have come up, of which `pending` have to run."""

    def expected(self, seconds: float) -> None:
        """What waits will very roughly take, by what its largest case computes. [s]"""

    def started(self, label: str) -> None:
        """A case is handed out."""

    def ended(self, label: str, status: str, lines: tuple[str, ...]) -> None:
        """A case is ``done``, ``failed`` or ``skipped``, with its summary or its error."""

    def finish(self) -> None:
        """The study has ended, or was stopped."""


class Stopwatch:
    """Adds up wall time by name, ``with clock("heat"): …``; what is timed inside counts there and not outside."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[float] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        self._inside.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            own = spent - self._inside.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + own
            if self._inside:
                self._inside[-1] += spent


class Silent:
    """Observer that shows nothing, of a case and of a study."""

    def begin(self, total: int, pending: int) -> None:
        """Ignore the event."""

    def grown(self, total: int, pending: int) -> None:
        """Ignore the event."""

    def expected(self, seconds: float) -> None:
        """Ignore the event."""

    def started(self, label: str) -> None:
        """Ignore the event."""

    def ended(self, label: str, status: str, lines: tuple[str, ...]) -> None:
        """Ignore the event."""

    def stage(self, name: str, **facts: Any) -> None:
        """Ignore the event."""

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Ignore the event."""

    def finish(self) -> None:
        """Ignore the event."""


def _facts(facts: dict[str, Any]) -> str:
    return "".join(f"  {key}={value}" for key, value in facts.items())


def _say(text: str, stream: TextIO | None) -> None:
    """Print a line at once; a stream that is full or closed costs the word, not the work."""
    with suppress(OSError, ValueError):
        print(text, file=stream or sys.stderr, flush=True)


class Pace:
    """How long what is at work will still take: by steps that are done, else by what was expected of the case."""

    def __init__(self) -> None:
        self.name = ""
        self._ends: float | None = None
        self._since = time.monotonic()
        self._loop: tuple[str, float, int] | None = None
        self._steps_left: float | None = None

    def stage(self, name: str, expected: float | None = None) -> None:
        """A stage begins; from here on the case is `expected` to take so long. [s]"""
        now = time.monotonic()
        self.name, self._since, self._loop, self._steps_left = name, now, None, None
        if expected is not None:
            self._ends = now + expected

    def step(self, name: str, done: int, total: int) -> None:
        """Steps of a loop are done; the first tells no pace, since what was before it may count in it."""
        now = time.monotonic()
        if self._loop is None or self._loop[0] != name or done <= self._loop[2]:
            self.name, self._since, self._loop, self._steps_left = name, now, (name, now, done), None
            return
        _, begun, first = self._loop
        self._steps_left = (now - begun) / (done - first) * (total - done)
        self._ends = max(self._ends or 0.0, now + self._steps_left)

    @property
    def spent(self) -> float:
        """Since the stage or its loop began. [s]"""
        return time.monotonic() - self._since

    @property
    def left(self) -> str:
        """In words: empty where nothing is known or nothing is left."""
        if self._steps_left is not None:
            return f"about {time_left(max(self._steps_left, 1.0))} left" if self._steps_left > 0 else ""
        if self._ends is None:
            return ""
        rest = self._ends - time.monotonic()
        return f"roughly {time_left(max(rest, 1.0))} left" if rest > 0 else "longer than estimated"


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
        _say(f"[{self._said - self._start:6.1f} s] {self.prefix}{text}", self.stream)

    def _left(self) -> str:
        return f"  {self.pace.left}" if self.pace.left else ""

    def _wait(self, ended: threading.Event) -> None:
        """Say that the work goes on, and how long it will, whenever nothing was said for a while."""
        while not ended.wait(min(1.0, self.patience)):
            if time.monotonic() - self._said >= self.patience:
                self._print(f"{self.pace.name}  {time_left(self.pace.spent)} so far{self._left()}")

    def stage(self, name: str, expected: float | None = None, **facts: Any) -> None:
        """Print the stage and its facts, and how long the case will still take where that is known already."""
        self.pace.stage(name, expected)
        self._print(name + _facts(facts) + (self._left() if expected is None else ""))
        if self._ended is None:
            self._ended = threading.Event()
            threading.Thread(target=self._wait, args=(self._ended,), daemon=True).start()

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Print the step when a second has passed or the loop ends."""
        now = time.monotonic()
        self.pace.step(name, done, total)
        if done == total or now - self._last >= 1.0:
            self._last = now
            self._print(f"{name} {done}/{total}" + _facts(facts) + self._left())

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
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            Left(),
            transient=True,
        )
        self._prefix = f"{prefix}: " if prefix else ""
        self._task = self._progress.add_task(self._prefix, total=None, facts="")
        self._progress.start()

    def stage(self, name: str, expected: float | None = None, **facts: Any) -> None:
        """Show the stage with a pulsing bar."""
        self.pace.stage(name, expected)
        self._progress.reset(self._task, total=None, description=self._prefix + name, facts=_facts(facts).strip())

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        """Move the bar."""
        self.pace.step(name, done, total)
        self._progress.update(
            self._task, description=self._prefix + name, completed=done, total=total, facts=_facts(facts).strip()
        )

    def finish(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def observer_for(kind: str, prefix: str = "") -> Observer:
    """Observer of one case by name: ``bar``, ``plain``, or nothing; ``auto`` is bar on a terminal and plain in a pipe."""
    if kind == "auto":
        kind = "bar" if sys.stderr.isatty() else "plain"
    return Bars(prefix) if kind == "bar" else PlainLines(prefix) if kind == "plain" else Silent()


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
            _say(f"{what}: {100 * done / total:.0f} %", self.stream)


def time_left(seconds: float) -> str:
    """Text such as ``3 days``, ``1 h 05 min``, ``2 min 10 s`` or ``8 s``."""
    whole = round(seconds)
    if whole >= 2 * 86_400:
        return f"{whole / 86_400:.3g} days"
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


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
        _say(f"[{self._last:6.1f} s] {self.text()}", self.stream)

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
        _say(json.dumps({"event": event, "seconds": round(self.elapsed, 3), **facts}), self.stream)

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
