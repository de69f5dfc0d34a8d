"""What every fuzzer asks: an answer in time, by file and key, of a known kind, within memory, and no file outside."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from stack3d import study
from stack3d.errors import DeckError, Problem

LIMIT = 20
"""An answer that takes longer hangs; a hundred times what it takes. [s]"""
SLOW = 2.0
"""Time of the processor that a long run grants an answer; that of other programs does not count. [s]"""
MOST = 3e9
"""Memory above what the process has that an answer can get at all. [byte]"""
LARGE = 300e6
"""Memory that a long run grants an answer, above what the process has. [byte]"""
SHARE = float(os.environ.get("STACK3D_FUZZ_SHARE", "1"))
"""Of the examples of a long run."""
FOUND = os.environ.get("STACK3D_FUZZ_FOUND", "")
"""Folder for the figures of a long run and the inputs that failed."""

SHORT_RUN = settings(max_examples=75, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
LONG_RUN = settings(SHORT_RUN, derandomize=False, phases=[Phase.generate])


class Hangs(BaseException):
    """No answer in time."""


@contextmanager
def in_time() -> Iterator[None]:
    """Interrupt what takes more than `LIMIT` of the processor's time, and refuse it more memory than `MOST`."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(_memory("VmSize") + MOST), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def problems_of(path: Path) -> list[Problem]:
    """Every mistake that `validate` tells of a deck."""
    with in_time():
        errors = [found.error for found in study.checked(path) if found.error is not None]
    assert all(isinstance(error, DeckError) for error in errors)
    return [problem for error in errors for problem in error.problems]


def assert_answered(path: Path) -> None:
    """Each mistake has its file and line, and fits a screen."""
    for problem in problems_of(path):
        assert problem.file, problem
        assert problem.line or "larger than" in problem.message, problem
        assert len(str(problem)) < 2000 and str(problem).replace("\n", "").isprintable(), problem


class _Writes:
    """Every path that Python opens for writing, makes, renames or removes while it watches; audit hooks stay for ever."""

    def __init__(self) -> None:
        self.paths: list[str] | None = None
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.paths is None:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            named = arguments[:1]
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate") and arguments[-1] in (-1, None):
            named = arguments[:1]  # those below an open folder, as rmtree removes them, are in that folder
        elif event in ("os.rename", "os.link", "os.symlink") and arguments[-1] in (-1, None):
            named = arguments[:2] if event == "os.rename" else arguments[1:2]
        else:
            return
        self.paths += [os.fspath(a) for a in named if isinstance(a, (str, bytes, os.PathLike))]

    def outside(self, folder: Path) -> list[str]:
        """What lies neither in the folder nor in the cache."""
        homes = [folder.resolve(), Path(os.environ.get("STACK3D_CACHE", os.devnull)).resolve(), Path("/dev"), Path("/proc")]
        paths = [Path(os.fsdecode(p)) for p in self.paths or []]
        return [str(p) for p in paths if not any(p.absolute().is_relative_to(home) for home in homes)]


def _memory(key: str) -> float:
    """Of this process: ``VmRSS`` now, ``VmHWM`` at its highest. [byte]"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return 1024.0 * int(line.split()[1])
    raise KeyError(key)


@dataclass
class Count:
    """What a long run has seen.

    Parameters
    ----------
    name : str
    folder : Path
        Where examples may write.
    slow : float
        Time of the processor that an example may take. [s]
    large : float
        Memory that it may take above what the process has. [byte]
    """

    name: str
    folder: Path
    slow: float = SLOW
    large: float = LARGE
    examples: int = 0
    slowest: float = 0.0
    largest: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)
    _writes = _Writes()

    def ask(self, answer: Callable[[Any], None], example: Any) -> None:
        """Answer one example, and measure it."""
        Path("/proc/self/clear_refs").write_text("5")  # the highest memory begins anew
        before, began = _memory("VmRSS"), time.process_time()
        self._writes.paths = []
        wrong = ""
        try:
            answer(example)
        except (Exception, Hangs) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            wrong = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {str(error)[:300]}"
        finally:
            outside, self._writes.paths = self._writes.outside(self.folder), None
        spent, grown = time.process_time() - began, _memory("VmHWM") - before
        self.examples, self.slowest, self.largest = self.examples + 1, max(self.slowest, spent), max(self.largest, grown)
        if spent > self.slow:
            wrong += f" takes {spent:.1f} s"
        if grown > self.large:
            wrong += f" takes {grown / 1e6:.0f} MB"
        if outside:
            wrong += f" writes outside: {outside[:3]}"
        if wrong:
            self.failures.setdefault(wrong, repr(example))
            if FOUND:
                self._keep(wrong, example)

    def _keep(self, wrong: str, example: Any) -> None:
        """Write what failed, and every file that it was made into, to `FOUND`."""
        place = Path(FOUND) / f"{self.name}-{hashlib.sha256(repr(example).encode()).hexdigest()[:10]}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "why.txt").write_text(f"{wrong}\n\n{example!r}\n", encoding="utf-8", errors="backslashreplace")
        for file in self.folder.rglob("*"):
            if file.is_file() and file.stat().st_size < 1e6:
                (place / file.name).write_bytes(file.read_bytes())

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.examples} examples, {len(self.failures)} kinds of failure, slowest {self.slowest:.2f} s, "
            f"largest {self.largest / 1e6:.0f} MB"
        )


def count(
    name: str,
    number: int,
    folder: Path,
    examples: int,
    strategy: SearchStrategy[Any],
    answer: Callable[[Any], None],
    slow: float = SLOW,
    large: float = LARGE,
) -> None:
    """Answer so many examples of a seed; every failure is counted, none is made smaller, and all are told at the end."""
    answer_first = settings(LONG_RUN, max_examples=3)
    seed(0)(answer_first(given(example=strategy)(lambda example: _quietly(answer, example))))()  # what is read once is read now
    seen = Count(f"{name}-{number}", folder, slow, large)
    run = settings(LONG_RUN, max_examples=max(1, round(SHARE * examples)))
    seed(number)(run(given(example=strategy)(lambda example: seen.ask(answer, example))))()
    print(seen)
    if FOUND:
        Path(FOUND).mkdir(parents=True, exist_ok=True)
        with (Path(FOUND) / "figures.txt").open("a", encoding="utf-8") as file:
            file.write(f"{seen}\n")
    assert not seen.failures, "\n".join([str(seen), *(f"{wrong}\n    {what[:400]}" for wrong, what in seen.failures.items())])


def _quietly(answer: Callable[[Any], None], example: Any) -> None:
    try:
        answer(example)
    except (Exception, Hangs):
        return
