"""The command line in the process of a test."""

import sys

from stack3d.cli import main


def exit_code(*arguments: str) -> int:
    """Run a command in this process; its exit code."""
    before, sys.argv = sys.argv, ["stack3d", *arguments]
    try:
        main()
    except SystemExit as leave:
        return int(leave.code or 0)
    finally:
        sys.argv = before
    return 0
