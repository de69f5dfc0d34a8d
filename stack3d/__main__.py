"""``stack3d`` and ``python -m stack3d``: heeds requests to end from the first moment to the last, and loads the program."""

import os
import signal
from types import FrameType

REQUESTS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Entry point."""
    for number in REQUESTS:
        signal.signal(number, _end)
    _open_streams()
    from stack3d.guests import NONE_COME
    from stack3d.memory import loading

    NONE_COME.set(True)
    with loading():
        from stack3d.cli import main as run

    try:
        run()
    finally:  # what was to do is done: libraries close, and the code that was found stays
        for number in REQUESTS:
            signal.signal(number, signal.SIG_IGN)


def _end(number: int, frame: FrameType | None) -> None:
    """Leave before anything was begun: the program heeds requests itself as soon as it is loaded."""
    asked = "asked to end" if number == signal.SIGTERM else "interrupted"
    try:
        os.write(2, f"error: {asked} before the work began; run the same command again\n".encode())
    finally:
        os._exit(128 + number)


def _open_streams() -> None:
    """Give standard streams that are closed a place, so that no file of a run takes theirs."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


if __name__ == "__main__":
    main()
