"""Rainflow counts of a temperature that comes in parts; SI units."""

from __future__ import annotations

import numpy as np

from stack3d.errors import RangeError
from stack3d.layout import Floats

MOST_RANGES = 1_000_000
"""Ranges of one width that the largest cycle may lie in."""


class Cycles:
    """Counts cycles of ASTM E1049-85 as temperatures come, in ranges of one width.

    A cycle inside two larger swings is closed whatever comes before and after: all such are taken out at once, again and again.
    What is left at the end, swings that grow and then fall, is counted by the package `rainflow`.

    Parameters
    ----------
    width : float
        Of a range; RangeError is raised where the largest cycle is more than `MOST_RANGES` of them. [K]
    """

    def __init__(self, width: float) -> None:
        self.width = width
        self._open = np.empty(0)
        self._counts: dict[int, tuple[float, float]] = {}

    def see(self, temperature: Floats) -> None:
        """Take the next temperatures, in order. [K]"""
        points = _turns(np.concatenate([self._open, temperature]))
        while points.size >= 4:
            swings = np.abs(np.diff(points))
            inner = swings[1:-1]
            closed = _alternate((inner <= swings[:-2]) & (inner <= swings[2:]))
            at = np.flatnonzero(closed) + 1
            if not at.size:
                break
            self._add(inner[at - 1], 0.5 * (points[at] + points[at + 1]), np.ones(at.size))
            points = _turns(np.delete(points, np.concatenate([at, at + 1])))
        self._open = points

    def _add(self, ranges: Floats, means: Floats, counts: Floats) -> None:
        if ranges.max(initial=0.0) > MOST_RANGES * self.width:
            raise RangeError(f"a cycle of {ranges.max():g} K has more than {MOST_RANGES} ranges of {self.width:g} K")
        bins, where = np.unique((ranges / self.width).astype(int), return_inverse=True)
        number, total = np.bincount(where, counts), np.bincount(where, counts * means)
        for i, key in enumerate(bins.tolist()):
            known = self._counts.get(key, (0.0, 0.0))
            self._counts[key] = known[0] + float(number[i]), known[1] + float(total[i])

    def table(self) -> Floats:
        """Middle of each range [K], cycles in it, their mean temperature [K], shape (ranges, 3); halves count as such."""
        import rainflow

        rest = Cycles(self.width)
        rest._counts = dict(self._counts)
        padded = self._open[[0, 0, *range(1, self._open.size)]] if self._open.size else self._open  # it wants three or more
        left = np.array([(size, mean, count) for size, mean, count, _, _ in rainflow.extract_cycles(padded.tolist())])
        if left.size:
            rest._add(left[:, 0], left[:, 1], left[:, 2])
        rows = [((key + 0.5) * self.width, n, total / n) for key, (n, total) in sorted(rest._counts.items())]
        return np.array(rows).reshape(-1, 3)


def _turns(values: Floats) -> Floats:
    """Ends, and the values at which the direction changes."""
    moves = np.diff(values)
    if not moves.all():
        values = values[np.append(True, moves != 0)]
        moves = np.diff(values)
    if values.size < 3:
        return values
    rises = moves > 0
    return np.asarray(values[np.concatenate([[True], rises[1:] != rises[:-1], [True]])])


def _alternate(flags: np.ndarray) -> np.ndarray:
    """Every second one of each run of true flags, its first among them."""
    index = np.arange(flags.size)
    start = np.maximum.accumulate(np.where(flags, -1, index))
    return np.asarray(flags & ((index - start) % 2 == 1))
