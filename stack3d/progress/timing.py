"""Wall time by name, and how long what is at work will still take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
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


SLACK = 1.0
"""Time beyond an estimate that is no news. [s]"""
WRONG = 4.0
"""Factor that an estimate before the work may be off by; what comes later is taken to be off as what was done."""


class Pace:
    """How long what is at work will still take: by steps that are done, else by what was expected of the case."""

    def __init__(self) -> None:
        self.name = ""
        self._ends: float | None = None
        self._since = self._begun = time.monotonic()
        self._own = 0.0
        self._ahead: dict[str, float] = {}
        self._loop: tuple[str, float, int] | None = None
        self._steps_left: float | None = None

    def stage(self, name: str, expected: float | None = None, ahead: Mapping[str, float] | None = None) -> None:
        """A stage begins.

        Parameters
        ----------
        name : str
        expected : float, optional
            Time from here to the end of the case; unknown where only parts `ahead` are told. [s]
        ahead : mapping of str to float, optional
            Those parts of it that begin with later stages, by their names, in their order. [s]
        """
        now = time.monotonic()
        self.name, self._since, self._loop, self._steps_left = name, now, None, None
        if expected is not None or ahead is not None:
            self._begun, self._ahead = now, dict(ahead or {})
            self._ends = None if expected is None else now + expected
            self._own = max((expected or 0.0) - sum(self._ahead.values()), 0.0)
        elif name in self._ahead:
            later = [*self._ahead].index(name)
            off = self._off(now - self._begun, sum([self._own, *self._ahead.values()][: later + 1]))
            parts = {key: off * seconds for key, seconds in [*self._ahead.items()][later:]}
            self.stage(name, sum(parts.values()), {key: seconds for key, seconds in parts.items() if key != name})

    @staticmethod
    def _off(took: float, wanted: float) -> float:
        """What to multiply estimates by where so much time was `wanted` for what took another one [s]; at most `WRONG`."""
        return min(max(took / wanted, 1 / WRONG), WRONG) if wanted > 0 else 1.0

    def step(self, name: str, done: int, total: int) -> None:
        """Steps of a loop are done; the first tells no pace, since what was before it may count in it."""
        now = time.monotonic()
        if self._loop is None or self._loop[0] != name or done <= self._loop[2]:
            self.name, self._since, self._loop, self._steps_left = name, now, (name, now, done), None
            return
        _, begun, first = self._loop
        own = (now - begun) / (done - first) * (total - done)
        later = self._off(now - self._begun + own, self._own) * sum(self._ahead.values()) if self._ahead else 0.0
        self._steps_left = own + later
        self._ends = max(self._ends or 0.0, now + self._steps_left)

    @property
    def spent(self) -> float:
        """Since the stage or its loop began. [s]"""
        return time.monotonic() - self._since

    @property
    def left(self) -> str:
        """In words: empty where nothing is known or nothing is left."""
        if self._steps_left is not None:
            how = "roughly" if self._ahead else "about"
            return f"{how} {time_left(max(self._steps_left, 1.0))} left" if self._steps_left > 0 else ""
        if self._ends is None:
            return ""
        rest = self._ends - time.monotonic()
        return f"roughly {time_left(max(rest, 1.0))} left" if rest > -SLACK else "longer than estimated"


def time_left(seconds: float) -> str:
    """Text such as ``3 days``, ``1 h 05 min``, ``2 min 10 s`` or ``8 s``."""
    whole = round(seconds)
    if whole >= 2 * 86_400:
        return f"{whole / 86_400:.3g} days"
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
