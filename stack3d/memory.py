"""How much memory there is for a case, how sizes are written, and what stays in memory while a process lives."""

from __future__ import annotations

import gc
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from stack3d.errors import DeckError, Problem, brief
from stack3d.guests import NONE_COME

VARIABLE = "STACK3D_MEMORY"
"""Environment variable that says how much memory a case may take, as ``8 GB``; ``--memory`` sets it for workers too."""
ANY = "any case"
"""The term that no key of a scenario makes smaller."""
BESIDE = 35e6
"""What any case takes beyond what goes with its size: what libraries load at their first use, files on their way. [byte]"""
LEAST_SHARE = 0.01
"""Of a term, below which making it smaller is no advice. [-]"""
_SIZES = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_SPARING: ContextVar[bool] = ContextVar("_SPARING", default=False)


def parse(text: str, key: str = VARIABLE) -> float:
    """Turn ``"8 GB"`` into bytes; raises DeckError under the name of what said so."""
    match = re.fullmatch(r"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(kB|MB|GB|TB)\s*", text)
    if match is None or float(match[1]) == 0:
        raise DeckError(f"{key}: wants a size such as '8 GB', got {brief(text)}")
    return float(match[1]) * _SIZES[match[2]]


def said() -> float | None:
    """Memory that the user said a case may take; None where nobody did. [byte]"""
    chosen = os.environ.get(VARIABLE)
    return parse(chosen) if chosen else None


def available() -> float:
    """Memory that a case may take: what the user said, else what the machine, or its container, has. [byte]"""
    if (chosen := said()) is not None:
        return chosen
    there = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            there = min(there, float(Path(limit).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return there


@contextmanager
def loading() -> Iterator[None]:
    """Load modules without a search for garbage: what they make stays, and later searches leave it out too.

    For processes of the program alone (`NONE_COME`): in a user's process nothing changes.
    """
    if not (NONE_COME.get() and gc.isenabled()):
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def sparing() -> Iterator[None]:
    """Look at decks alone meanwhile: what is tried takes little memory and time, whatever the machine has."""
    token = _SPARING.set(True)
    try:
        yield
    finally:
        _SPARING.reset(token)


def is_sparing() -> bool:
    """Whether decks are only looked at."""
    return _SPARING.get()


def check_terms(found: Mapping[str, float]) -> None:
    """Refuse what wants more memory than there is, by what asks for it [byte]; raises DeckError with the terms."""
    there = available()
    total = sum(found.values())
    if total <= there:
        return
    parts = {key: n for key, n in sorted(found.items(), key=lambda item: -item[1]) if n > 0.02 * total}
    listed = ", ".join(f"{key} {size(n)}" for key, n in parts.items())
    largest = next(iter(parts))
    text = f"than there is: {listed}; there is {size(there)}; {_fitting(largest, found, there)}"
    if largest == ANY:  # no key makes that smaller
        raise DeckError(f"--memory: a case wants more {text}")
    raise DeckError(Problem(largest, f"wants more memory {text}"))


def _fitting(key: str, found: Mapping[str, float], there: float) -> str:
    """What would fit: less of the largest term, or more memory."""
    total = sum(found.values())
    enough = "" if said() is None else f"--memory '{math.ceil(total / 1e6)} MB' would fit"
    left = max(there - (total - found[key]), 0.0) / found[key]
    if key == ANY or left < LEAST_SHARE:
        return enough or "the case would not fit without it either"
    coarser = f"a mesh {math.ceil(10 * left ** (-1 / 3)) / 10:.3g} times coarser in every direction"
    less = f"{coarser if key == 'solver.mesh' else f'{100 * left:.2g} % of it'} would fit"
    return f"{less}, or {enough}" if enough else less


def size(n_bytes: float) -> str:
    """Text of a size: ``size(8e9)`` is ``"8 GB"``."""
    for unit, of in reversed(_SIZES.items()):
        if n_bytes >= of:
            return f"{n_bytes / of:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"
