"""What every fuzzer asks: an answer in time, by file and key, of a known kind, and no file outside."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, settings

from stack3d import study
from stack3d.errors import DeckError, Problem

LIMIT = 20
"""An answer that takes longer hangs; a hundred times what it takes. [s]"""
LONG = int(os.environ.get("STACK3D_FUZZ_EXAMPLES", "3000"))
"""Examples of each seed of a long run."""

SHORT_RUN = settings(max_examples=120, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
LONG_RUN = settings(max_examples=LONG, database=None, deadline=None, suppress_health_check=list(HealthCheck))


class Hangs(BaseException):
    """No answer in time."""


@contextmanager
def in_time() -> Iterator[None]:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


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
