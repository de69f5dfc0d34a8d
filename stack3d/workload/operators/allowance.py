"""What a network may take while it is read and tried: what one asks for is counted before it is made.

Where a deck is only looked at, a network may take what its files are worth: a file of some bytes that asks for gigabytes or
minutes is left untried, and the user told. Where it runs, it may take what the machine has; with
``--memory``, what the user says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from stack3d import memory
from stack3d.errors import ArrayError, UntriedError

LARGEST = 2**30
"""Most bytes of one array between two operators: a file that asks for more is refused instead of filling the memory."""
LEAST_MEMORY, MEMORY_A_BYTE = 100e6, 20.0
"""Bytes that arrays may take at one time where a deck is looked at: in any case, and more for each byte of its files."""
LEAST_WORK, WORK_A_BYTE = 2e9, 2e4
"""Work of all runs of a trial there: in any case, and for each byte of the network's files. [multiply-accumulate]"""
WORK_OF_RUN = 1e12
"""The same before a run, of which a trial is the least part: minutes. [multiply-accumulate]"""
BYTE, TURN, STEP = 4.0, 1e4, 1e5
"""Work of a byte that an operator gives, of a turn of a loop inside it, and of a step of a recurrent one: about as much time.
[multiply-accumulate]"""
MORE = "; --memory says how much it may take"


@dataclass
class Allowance:
    """What a trial may take, and what of it is taken.

    Parameters
    ----------
    memory : float
        Of arrays that live at one time. [byte]
    work : float
        That is left. [multiply-accumulate]
    is_sparing : bool
        Whether more than this is no mistake where the machine has it.
    live : float
        Of values that wait for an operator. [byte]
    made : float
        Asked for by the operator that runs, all its steps together. [byte]
    most : float
        That lived at one time. [byte]
    """

    memory: float
    work: float
    is_sparing: bool = False
    live: float = 0.0
    made: float = 0.0
    most: float = 0.0

    def take(self, n_bytes: float, text: str, *, stays: bool = True) -> None:
        """Count memory, for as long as the operator runs if it `stays`; raises ArrayError and UntriedError. [byte]"""
        taken = self.live + self.made
        self.made += n_bytes if stays else 0.0
        self.most = max(self.most, taken + n_bytes)
        if taken + n_bytes > self.memory:
            self.refuse(f"{text} beside {taken:.3g}; at most {self.memory:.3g} together", taken + n_bytes)

    def refuse(self, text: str, wanted: float) -> None:
        """Raise ArrayError, or UntriedError where it is only more than looking may take. [byte]"""
        if self.is_sparing and wanted <= memory.available():
            raise UntriedError(f"{text}; a run tries it, and --memory says how much this may take")
        raise ArrayError(f"{text}{MORE}")


_ALLOWED: ContextVar[Allowance | None] = ContextVar("_ALLOWED", default=None)


@contextmanager
def allowed(files: float) -> Iterator[None]:
    """Bound what networks take meanwhile: by what the user said, the size of their files [byte], or the machine."""
    said, is_sparing = memory.said(), memory.is_sparing()
    if said is None and is_sparing:
        there = LEAST_MEMORY + MEMORY_A_BYTE * files
        bound = Allowance(there, max(LEAST_WORK, WORK_A_BYTE * files), there <= memory.available())
    else:
        bound = Allowance(memory.available(), max(WORK_OF_RUN, WORK_A_BYTE * files) if said is None else math.inf)
    token = _ALLOWED.set(bound)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


@contextmanager
def apart(live: float) -> Iterator[None]:
    """Count what one operator asks for, beside the values that live before it. [byte]"""
    left = _ALLOWED.get()
    if left is None:
        yield
        return
    before = left.live, left.made
    left.live, left.made = live, 0.0
    try:
        yield
    finally:
        left.live, left.made = before


@contextmanager
def tallied() -> Iterator[Allowance]:
    """Tell how much lives at most meanwhile, bounded or not."""
    left = _ALLOWED.get() or Allowance(math.inf, math.inf)
    before, left.most = left.most, 0.0
    token = _ALLOWED.set(left)
    try:
        yield left
    finally:
        _ALLOWED.reset(token)
        left.most = max(left.most, before)


def afford(shape: Sequence[int], itemsize: int = 4) -> tuple[int, ...]:
    """Return a shape if an array of it may be made beside all that is there; raises ArrayError and UntriedError."""
    wanted = tuple(int(n) for n in shape)
    if any(n < 0 for n in wanted):
        raise ArrayError(f"an array of shape {wanted} cannot be")
    n_bytes, left = math.prod(wanted) * itemsize, _ALLOWED.get()
    text = f"an array of shape {wanted} takes {n_bytes:.3g} bytes"
    if n_bytes > LARGEST:
        raise ArrayError(f"{text}; at most {LARGEST:.3g}")
    if left is not None:
        left.take(n_bytes, text)
    return wanted


def reserve(n_bytes: float, *, stays: bool = True) -> None:
    """Count memory that an operator takes by the way, given back at once unless it `stays` [byte].

    Raises ArrayError and UntriedError.
    """
    left = _ALLOWED.get()
    if left is not None and n_bytes:
        left.take(n_bytes, f"steps take {n_bytes:.3g} bytes", stays=stays)


def charge(work: float) -> None:
    """Count work before it is done [multiply-accumulate]; raises UntriedError where a trial has taken all that it may."""
    left = _ALLOWED.get()
    if left is None:
        return
    left.work -= work
    if left.work < 0:
        left.refuse(f"the network takes more work than its files are worth, {-left.work:.2g} products beyond", 0.0)


def keep(n_bytes: float) -> None:
    """Refuse values that take more at one time than a trial may [byte]; raises ArrayError and UntriedError."""
    left = _ALLOWED.get()
    if left is not None:
        left.most = max(left.most, n_bytes)
        if n_bytes > left.memory:
            left.refuse(f"values between operators take {n_bytes:.3g} bytes; at most {left.memory:.3g}", n_bytes)
