"""Power or activity over time as steps: bursts, day profiles and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stack3d.constants import DAY
from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema.workload import TraceDeck
from stack3d.workload.columns import read_columns

WANTED = "wants a first column 'time [s]', a column per block and two rows or more"


@dataclass(frozen=True, eq=False)
class PowerTrace:
    """Values that change at given times and stay constant between them, over and over.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Start of each interval, ascending from 0. [s]
    values : ndarray, shape (n, blocks)
        [W], or shares of the full activity [-]
    blocks : tuple of str
    period : float
        After this time the trace begins again. [s]
    """

    times: Floats
    values: Floats
    blocks: tuple[str, ...]
    period: float

    @property
    def mean(self) -> Floats:
        """Mean over a period, shape (blocks,)."""
        return np.asarray(np.diff([*self.times, self.period]) @ self.values / self.period)

    @classmethod
    def bursts(cls, on: float, off: float) -> PowerTrace:
        """Activity 1 for `on`, then 0 for `off`. [s]"""
        return cls(np.array([0.0, on]), np.array([[1.0], [0.0]]), ("activity",), on + off)

    @classmethod
    def day(cls, levels: Sequence[float]) -> PowerTrace:
        """Activity in equal parts of a day."""
        starts = DAY * np.arange(len(levels)) / len(levels)
        return cls(starts, np.array(levels, dtype=float)[:, None], ("activity",), DAY)

    @classmethod
    def from_table(cls, path: Path, key: str, *, dimension: str = "power") -> PowerTrace:
        """Read a `.csv` or `.parquet` with a column ``time [s]`` and one per block; the last row closes the period.

        Raises
        ------
        DeckError
            As `read_columns` has it.
        """
        found = read_columns(path, key, lambda name: dimension, WANTED, 2)
        return cls(found.times[:-1], found.values[:-1], found.names, float(found.times[-1]))


def read_trace(deck: TraceDeck, key: str, *, dimension: str = "power") -> PowerTrace:
    """The trace of a deck, a table in units of `dimension`; raises DeckError."""
    if deck.pattern == "bursts" and deck.on is not None and deck.off is not None:
        return PowerTrace.bursts(deck.on, deck.off)
    if deck.pattern == "day":
        return PowerTrace.day(deck.levels)
    return PowerTrace.from_table(Path(deck.file or ""), f"{key}.file", dimension=dimension)


def read_activity(deck: TraceDeck | None, key: str = "workload.trace") -> PowerTrace:
    """Activity of a workload, one block between 0 and 1; always 1 without a deck. Raises DeckError."""
    if deck is None:
        return PowerTrace(np.zeros(1), np.ones((1, 1)), ("activity",), DAY)
    trace = read_trace(deck, key, dimension="fraction")
    if trace.blocks != ("activity",):
        message = f"wants one column 'activity' beside the time, got {', '.join(trace.blocks)}"
        raise DeckError(Problem(f"{key}.file", message))
    low, high = trace.values.min(), trace.values.max()
    if low < 0 or high > 1:
        raise DeckError(Problem(f"{key}.file", f"activity runs from {low:g} to {high:g}; wants 0 to 1"))
    return trace


def joined(parts: Sequence[tuple[PowerTrace, Floats, Floats]]) -> tuple[Floats, Floats, float | None]:
    """One schedule of several traces.

    Parameters
    ----------
    parts : sequence of (trace, gain, offset)
        Each contributes ``trace.values @ gain + offset`` to the powers: gain of shape (blocks, sources), offset (sources,). [W]

    Returns
    -------
    times, powers, period
        Shapes (n,), (n, sources); None as period when nothing changes. [s], [W], [s]

    Raises
    ------
    DeckError
        When traces that change have different periods.
    """
    changing = [trace for trace, _, _ in parts if trace.times.size > 1]
    periods = {trace.period for trace in changing}
    if len(periods) > 1:
        listed = ", ".join(f"{p:g} s" for p in sorted(periods))
        raise DeckError(Problem("power.trace", f"the traces of workload and power repeat after different times: {listed}"))
    times = np.unique(np.concatenate([np.zeros(1), *(trace.times for trace in changing)]))
    total: Floats = np.zeros((times.size, parts[0][2].size))
    for trace, gain, offset in parts:
        total = total + trace.values[np.searchsorted(trace.times, times, side="right") - 1] @ gain + offset
    return times, total, periods.pop() if periods else None
