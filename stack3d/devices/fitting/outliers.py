"""Readings that lie far outside of what the rest says, named by file and line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.devices.fitting.measurements import Table
from stack3d.errors import Problem
from stack3d.layout import Floats

FAR = 8.0
"""Robust deviations from which on a reading is named: normal ones reach that once in 10^15."""
SCALE = 1.4826
"""Standard deviation of normal numbers over the median of their sizes."""
FEWEST = 8
"""Readings of a file without which none is named."""
MOST = 0.05
"""Share of the readings that may be named: where more lie far off it is the law that misses."""
ABSURD = 0.5
"""Noise of a read from which on it is as large as the readings. [-]"""
HIDES = 2.0
"""Times that the fitted noise is that of the other readings, where those named make it."""
TOLD = 5
"""Readings that are named one by one."""


class Apart(NamedTuple):
    """Readings beside what the rest of their series leave."""

    rows: NDArray[np.intp]
    """Of the table."""
    off: Floats
    """What lies between, as the noise counts it. [-]"""
    rest: Floats
    """What the rest of the series leave. [S]"""


def median_by_series(raw: Floats, mask: Floats) -> Floats:
    """Median of the readings of every series, shape (series, 1); nan where fewer than three cannot tell which is off."""
    held = np.where(mask > 0, raw, np.nan)
    found = np.full((len(raw), 1), np.nan)
    many = mask.sum(1) >= 3
    if many.any():
        found[many, 0] = np.nanmedian(held[many], axis=1)
    return found


def far_off(apart: Apart | None) -> tuple[NDArray[np.intp], float]:
    """Places among `apart` of those far outside, the farthest first, and the robust scatter of all; none where many are."""
    if apart is None or apart.off.size < FEWEST:
        return np.zeros(0, np.intp), 0.0
    size = np.abs(apart.off)
    scatter = SCALE * float(np.median(size))
    places = np.flatnonzero(size > FAR * scatter)
    if scatter <= 0 or places.size > max(1.0, MOST * size.size):
        return np.zeros(0, np.intp), scatter
    return places[np.argsort(-size[places], kind="stable")], scatter


def alone(found: Callable[[Collection[int]], Apart | None]) -> Apart | None:
    """Readings beside what the rest leave, once those far outside bend the fit no more.

    Parameters
    ----------
    found : callable
        Readings beside a fit from which these rows of the table are left out.
    """
    out: list[int] = []
    apart = found(out)
    while apart is not None and apart.off.size >= FEWEST and len(out) < TOLD:
        size = np.abs(apart.off)
        far = (size > FAR * SCALE * float(np.median(size))) & ~np.isin(apart.rows, out)
        if not far.any() or (len(out) > 1 and far.sum() > MOST * size.size):
            break
        out.append(int(apart.rows[np.argmax(size * far)]))
        apart = found(out)
    return apart


def named(table: Table, apart: Apart | None) -> tuple[list[str], float]:
    """What is told of readings far outside, each with its line, and the scatter of the others [-]."""
    places, scatter = far_off(apart)
    if apart is None or not places.size:
        return [], scatter
    lines = table.lines()
    found = []
    for place in places[:TOLD].tolist():
        row, title = int(apart.rows[place]), table.titles["conductance"]
        values = float(table.columns["conductance"][row]), float(apart.rest[place])
        seen, rest = (title.told("conductance", value) for value in values)
        times = abs(float(apart.off[place])) / scatter
        said = f"{title.written} {seen} lies far outside: the rest of its series leave {rest} there"
        told = f"{said} ({times:.3g} times the scatter of the others)"
        found.append(f"warning: {Problem('', told, table.path.name, lines[row])}")
    if places.size > TOLD:
        found.append(f"warning: {places.size - TOLD} more readings lie far outside")
    return found, scatter


def doubted(told: Sequence[str], scatter: float, noise: float | None) -> str:
    """Why it cannot be told whether a law follows, empty where it can.

    Parameters
    ----------
    told : sequence of str
        Readings that were named.
    scatter : float
        Of the other readings. [-]
    noise : float or None
        Of a read, as fitted; None for measurements that have none. [-]
    """
    if noise is None:
        return ""
    begin = "it cannot be told whether the law follows: the fitted read_noise"
    if told and noise > HIDES * scatter:
        much = f"{noise / scatter:.2g} times the scatter of the other readings ({scatter:.2g})"
        then = "mend or leave out what is named and fit again, for it bends the fit"
        return f"{begin} of {noise:.2g} is {much} and hides every miss: {then}"
    if noise > ABSURD:
        return f"{begin} of {noise:.2g} is as large as the readings, and hides every miss"
    return ""
