"""The door: ``stack3d run | validate | show | mesh | view | compact | trace | import | fit | report | plot | list``, …"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from stack3d import signals
from stack3d.cli import standard_output
from stack3d.cli.arguments import app, aside, ask_at_the_first_tab, fail
from stack3d.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_MACHINE,
    EXIT_OTHER,
    EXIT_TERMINATED,
    Stack3dError,
    Terminated,
    ValidityWarning,
)
from stack3d.registry import kept_trace, told_failure

__all__ = ["app", "main"]

for _file in pkgutil.iter_modules(__path__):  # a file of commands registers them when it is imported
    importlib.import_module(f"{__name__}.{_file.name}")


def main() -> None:
    """Run a command: one plain line per error, documented exit codes."""
    python_shows, shown = warnings.showwarning, set[str]()

    def show_plainly(message: Warning | str, category: type[Warning], *more: Any) -> None:
        if issubclass(category, ValidityWarning):
            if str(message) not in shown:  # a deck that is read twice tells it once
                aside(f"warning: {message}")
            shown.add(str(message))
        else:
            python_shows(message, category, *more)

    warnings.showwarning = show_plainly  # type: ignore[assignment]
    signals.listen()
    ask_at_the_first_tab()
    command: Callable[..., Any] = app
    sys.exit(_code_of(command, debug="--debug" in sys.argv))


def _code_of(command: Callable[..., Any], *, debug: bool) -> int:
    """Run the command; the exit code, what went wrong told."""
    try:
        code = _heeding(command)
        return standard_output.ended(code if isinstance(code, int) else 0, EXIT_MACHINE)
    except typer.Exit as leave:
        return standard_output.ended(leave.exit_code, EXIT_MACHINE)
    except SystemExit as leave:  # so typer ends where the reader of standard output has gone, and where a shell was answered
        return standard_output.ended(EXIT_OTHER if leave.code else 0, EXIT_MACHINE, leave.__context__)
    except (KeyboardInterrupt, typer.Abort):
        _leave(f"interrupted; {_what_is_left()}", EXIT_INTERRUPTED)
    except Terminated:
        _leave(f"asked to end; {_what_is_left()}", EXIT_TERMINATED)
    except Exception as error:
        if standard_output.is_of_output(error):
            return standard_output.ended(EXIT_MACHINE, EXIT_MACHINE, error)
        if debug:
            raise
        return standard_output.ended(_told(error), EXIT_MACHINE)


def _told(error: Exception) -> int:
    """Say what went wrong; its code."""
    usage = None if isinstance(error, Stack3dError) else getattr(error, "format_message", None)
    if usage is not None:  # a mistake in the command line itself
        asked = getattr(getattr(error, "ctx", None), "command_path", "")
        fail(f"{usage().rstrip('. ')}{f'; see `{asked} --help`' * bool(asked)}")
        return EXIT_BAD_INPUT
    text, code = told_failure(error, lambda: kept_trace(error))
    fail(text)
    return code


def _what_is_left() -> str:
    """What a command that was asked to end leaves behind."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if command == "run" or (command == "train" and "--calibrate-only" not in sys.argv):
        return "what is done is kept, and the same command goes on"
    return "no file is half written, and the same command begins again"


def _heeding(command: Callable[..., Any]) -> Any:
    """What a command answers; an error, or the code that typer makes of Ctrl-C, for a request to end is that request."""
    try:
        code = command(standalone_mode=False)
    except Exception:
        signals.heed()
        raise
    if code == EXIT_INTERRUPTED:
        signals.heed()
    return code


def _leave(line: str, code: int) -> NoReturn:
    """End at once: nothing that other threads still say is of use, and workers end with this process.

    A plain exit is not enough: Python gives the code of SIGINT where Ctrl-C has once fallen into an `exec` of some import.
    """
    asked = signals.answered()
    with contextlib.suppress(OSError, ValueError):
        fail(line)
        sys.stdout.flush()
        sys.stderr.flush()
    if "distributed" not in sys.modules:
        if not asked:
            sys.exit(code)
        atexit._run_exitfuncs()
    os._exit(code)
