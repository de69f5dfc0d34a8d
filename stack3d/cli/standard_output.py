"""Standard output that is full or closed: told once, or ended quietly as programs end whose reader has gone."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from contextlib import suppress

from stack3d.cli.arguments import fail

EXIT_PIPE = 141
"""Of a program whose reader has gone: 128 and SIGPIPE, as shells give it."""


def is_of_output(error: BaseException) -> bool:
    """Whether an error is of what a command says, and not of a file that it writes."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, OSError) and any(f.name == "echo" and "click" in f.filename for f in frames)


def ended(code: int, unwritten: int, error: BaseException | None = None) -> int:
    """The exit code of a command once its output is written, said where it cannot be.

    Parameters
    ----------
    code : int
        Of the command itself.
    unwritten : int
        Of one that did its work and cannot say so.
    error : BaseException, optional
        What the command met when it said something.
    """
    broken = error if isinstance(error, OSError) else _flushed()
    if broken is None:
        return code
    with suppress(OSError, ValueError):  # what is left goes nowhere, so that Python does not try it again
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    if broken.errno == errno.EPIPE:
        return EXIT_PIPE
    fail(f"standard output cannot be written ({broken.strerror}); free some space, or write it elsewhere")
    return code or unwritten


def _flushed() -> OSError | None:
    """Write what is left of standard output; what stands against it."""
    try:
        stream = getattr(sys.stdout, "wrapped", sys.stdout)  # typer hides a reader that has gone
        if stream is not None:
            stream.flush()
    except OSError as error:
        return error
    except ValueError:  # closed by a library
        return None
    return None
