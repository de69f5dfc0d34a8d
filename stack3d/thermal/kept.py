"""Factors of matrices kept by rate of change, the least used let go first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

KEPT = 40_000_000
"""Unknowns of all preconditioners kept, one per step size: some 2 GB."""


def forget(kept: OrderedDict[float, Any], unknowns: int) -> None:
    """Let go of the preconditioners used longest ago, beyond what `KEPT` allows; four stay."""
    while len(kept) > max(4, KEPT // unknowns):
        kept.popitem(last=False)


def alike(rate: float) -> float:
    """A rate to six digits: steps whose lengths differ by rounding share a preconditioner. [s⁻¹]"""
    return float(f"{rate:.6g}")
