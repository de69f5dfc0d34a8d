"""What a run tells whoever watches it: events of a case and of a study, and who does nothing with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Observer(Protocol):
    """Receiver of progress events."""

    def stage(self, name: str, **facts: Any) -> None:
        """A named stage of a case begins.

        Parameters
        ----------
        name : str
        **facts
            To be told beside it. Of these `expected` is the time from here to the end of the case [s], and `ahead` what of
            that belongs to later stages, by their names, see `Pace.stage`.
        """

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


_PRESENT: ContextVar[Observer | None] = ContextVar("_PRESENT", default=None)


def present() -> Observer:
    """Who watches the case that is at work: for loops far below, which nobody hands an observer."""
    return _PRESENT.get() or Silent()


@contextmanager
def watching(observer: Observer) -> Iterator[None]:
    """Work inside is watched by an observer, see `present`."""
    before = _PRESENT.set(observer)
    try:
        yield
    finally:
        _PRESENT.reset(before)


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
