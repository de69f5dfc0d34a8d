"""What a panel shows as rows of a table, for those who want the numbers: what the pointer's data do not hold already."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from stack3d.report.chart import Axis, Dot, DrawnBox, Line, Panel

ToldRow = tuple[str, float | None, float | None, float | None, str]
"""Series, x, y, value, and what is said of it."""


def rows_of(panel: Panel, *, lines_too: bool) -> list[ToldRow]:
    """Rows of the boxes and dots of a panel, and of its lines where these share no x.

    Parameters
    ----------
    panel : Panel
    lines_too : bool
        Whether its lines are told point by point.
    """
    rows: list[ToldRow] = []
    for mark in panel.marks:
        if isinstance(mark, DrawnBox):
            rows.append(_of_box(mark, panel))
        elif isinstance(mark, Dot):
            rows.append((mark.label, _short(mark.x), _short(mark.y), None, _plain(mark.tip)))
        elif isinstance(mark, Line) and lines_too:
            rows += _of_line(mark)
    return rows


def _of_box(box: DrawnBox, panel: Panel) -> ToldRow:
    """A bar by the name beside it and its length; another box by its middle."""
    x, y = 0.5 * (box.x0 + box.x1), 0.5 * (box.y0 + box.y1)
    if panel.y.named and not panel.x.named:
        value = box.x0 if box.x0 < 0.0 >= box.x1 else box.x1
        return (_nearest(panel.y, y), None, None, _short(value), _plain(box.tip))
    names = ", ".join(_nearest(axis, at) for axis, at in ((panel.x, x), (panel.y, y)) if axis.named)
    return (names or box.text, _short(x), _short(y), _first_number(box.text), _plain(box.tip))


def _of_line(line: Line) -> Iterator[ToldRow]:
    for x, y in zip(line.x, line.y):
        yield (line.label, _short(x), _short(y), None, "")


def _nearest(axis: Axis, at: float) -> str:
    """Name of the row or column that a position belongs to."""
    return min(axis.ticks, key=lambda tick: abs(tick[0] - at))[1] if axis.ticks else ""


def _first_number(text: str) -> float | None:
    found = re.fullmatch(r"[^\d-]*(-?\d+(?:\.\d+)?(?:e-?\d+)?).*", text)
    return float(found[1]) if found else None


def _plain(text: str) -> str:
    return " ".join(text.split())


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
