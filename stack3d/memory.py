"""How much memory there is for a case, and how sizes are written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from stack3d.errors import DeckError, brief

VARIABLE = "STACK3D_MEMORY"
"""Environment variable that says how much memory a case may take, as ``8 GB``; ``--memory`` sets it for workers too."""
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


def size(n_bytes: float) -> str:
    """Text of a size: ``size(8e9)`` is ``"8 GB"``."""
    for unit, of in reversed(_SIZES.items()):
        if n_bytes >= of:
            return f"{n_bytes / of:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"
