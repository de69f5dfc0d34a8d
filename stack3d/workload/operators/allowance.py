"""What a network may take while it is read and tried: a file of some bytes that asks for gigabytes or minutes is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from stack3d.errors import ArrayError

LARGEST = 2**30
"""Most bytes of one array between two operators: a file that asks for more is refused instead of filling the memory."""
LEAST_MEMORY, MEMORY_A_BYTE = 48e6, 200.0
"""Bytes that the values between operators may take at one time: in any case, and for each byte of the network's files."""
LEAST_WORK, WORK_A_BYTE = 2e9, 2e4
"""Work of all runs of a trial: in any case, and for each byte of the network's files. [multiply-accumulate]"""
BYTE, TURN, STEP = 4.0, 1e4, 1e5
"""Work of a byte that an operator gives, of a turn of a loop inside it, and of a step of a recurrent one: about as much time.
[multiply-accumulate]"""
MORE = "; --memory says how much it may take"


@dataclass
class Allowance:
    """What is left of what a trial may take.

    Parameters
    ----------
    memory : float
        Of values that live at one time. [byte]
    work : float
        [multiply-accumulate]
    """

    memory: float
    work: float


_ALLOWED: ContextVar[Allowance | None] = ContextVar("_ALLOWED", default=None)


@contextmanager
def allowed(files: float, said: float | None) -> Iterator[None]:
    """Bound what networks take meanwhile, by the size of their files or by the memory that the user said. [byte]"""
    memory, work = max(LEAST_MEMORY, MEMORY_A_BYTE * files), max(LEAST_WORK, WORK_A_BYTE * files)
    token = _ALLOWED.set(Allowance(memory, work) if said is None else Allowance(said, math.inf))
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def afford(shape: Sequence[int], itemsize: int = 4) -> tuple[int, ...]:
    """Return a shape if an array of it may be made; raises ArrayError."""
    wanted = tuple(int(n) for n in shape)
    if any(n < 0 for n in wanted):
        raise ArrayError(f"an array of shape {wanted} cannot be")
    left = _ALLOWED.get()
    most, more = (LARGEST, "") if left is None or left.memory >= LARGEST else (left.memory, MORE)
    if math.prod(wanted) * itemsize > most:
        text = f"an array of shape {wanted} takes {math.prod(wanted) * itemsize:.3g} bytes; at most {most:.3g}"
        raise ArrayError(f"{text}{more}")
    return wanted


def charge(work: float) -> None:
    """Count work before it is done [multiply-accumulate]; raises ArrayError where a trial has taken all that it may."""
    left = _ALLOWED.get()
    if left is None:
        return
    left.work -= work
    if left.work < 0:
        raise ArrayError(f"the network takes more work than its files are worth, {-left.work:.2g} products beyond{MORE}")


def keep(n_bytes: float) -> None:
    """Refuse values that take more at one time than a trial may [byte]; raises ArrayError."""
    left = _ALLOWED.get()
    if left is not None and n_bytes > left.memory:
        raise ArrayError(f"values between operators take {n_bytes:.3g} bytes; at most {left.memory:.3g}{MORE}")
