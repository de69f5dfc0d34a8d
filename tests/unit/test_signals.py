"""A request to end that falls into a destructor is heard all the same."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from stack3d.errors import Terminated
from stack3d.signals import listen


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    hook, handlers = sys.unraisablehook, {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    yield
    sys.unraisablehook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Dropped:
    """An object whose destructor is where the signal falls."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_request_inside_a_destructor_is_heard(number: int, kind: type[BaseException]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    listen()
    with pytest.raises(kind):
        Dropped(number)
        time.sleep(30)
