"""Wall time by name, and how long what is at work will still take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


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


def time_left(seconds: float) -> str:
    """Text such as ``3 days``, ``1 h 05 min``, ``2 min 10 s`` or ``8 s``."""
    whole = round(seconds)
    if whole >= 2 * 86_400:
        return f"{whole / 86_400:.3g} days"
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
