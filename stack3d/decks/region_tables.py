"""Tables of regions with a value each, as OpenROAD writes its heat maps (``gui::dump_heatmap``): powers by region."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from stack3d import units, yamlfile
from stack3d.errors import DeckError, Problem, few
from stack3d.floorplans import MOST_UNITS, number, rows_of
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine

CORNERS = ("x0", "y0", "x1", "y1")
"""First titles of such a table; all in micrometres from the origin of the layout. The fifth is ``value (unit)``."""


class HeatedRegion(NamedTuple):
    """A rectangle [m] of a layout, its power [W], and the file and line that say so."""

    extent: Rectangle
    power: float
    place: FileLine


def is_region_table(path: Path) -> bool:
    """Whether a CSV file begins as such a table does; raises DeckError when it cannot be read."""
    return tuple(title.strip() for title in next(rows_of(path), (1, []))[1][:4]) == CORNERS


def read(path: Path) -> list[HeatedRegion]:
    """Regions with a power above zero.

    Raises
    ------
    DeckError
        With file and line; for tables of voltages and shares too.
    """
    rows = rows_of(path)
    line, head = next(rows, (1, []))
    watts = _unit(head, (yamlfile.shown(path), line))
    found = list(islice(_regions(path, rows, watts), MOST_UNITS + 1))
    if len(found) > MOST_UNITS:
        wanted = "write the heat map on a coarser grid (GridX, GridY)"
        raise DeckError(Problem("", f"has more than {MOST_UNITS} regions, the most that is read; {wanted}", *found[-1].place))
    if not found:
        raise DeckError(Problem("", "holds no region with a power above 0", yamlfile.shown(path), line))
    return found


def _unit(head: list[str], place: FileLine) -> float:
    """What a value of one stands for; raises DeckError. [W]"""
    titles = [title.strip() for title in head]
    told = re.fullmatch(r"value(?: \((.*)\))?", titles[4]) if len(titles) == 5 else None
    if tuple(titles[:4]) != CORNERS or told is None:
        raise DeckError(Problem("", f"wants the titles {', '.join(CORNERS)}, value (W), got {few(', '.join(titles))}", *place))
    if told[1] is None:
        raise DeckError(Problem("value", "says no unit, as OpenROAD did before December 2025; write it as value (mW)", *place))
    try:
        return units.parse(f"1 {told[1]}", "power")
    except ValueError:
        raise DeckError(Problem("value", f"wants a power, as value (mW), got value ({few(told[1])})", *place)) from None


def _regions(path: Path, rows: Iterator[tuple[int, list[str]]], watts: float) -> Iterator[HeatedRegion]:
    """Regions one after the other, those without power left out; raises DeckError.

    Parameters
    ----------
    path : Path
    rows : iterator of (line, cells)
        Below the titles.
    watts : float
        What a value of one stands for. [W]
    """
    file = yamlfile.shown(path)
    for line, row in rows:
        place = (file, line)
        if len(row) != 5:
            raise DeckError(Problem("", f"wants 5 values, got {len(row)}{yamlfile.decimal_comma(row, 5)}", *place))
        x0, y0, x1, y1, value = (number(text, path, line, key) for text, key in zip(row, (*CORNERS, "value")))
        if value < 0:
            raise DeckError(Problem("value", f"wants 0 or more, got {value:g}", *place))
        if value == 0:
            continue
        if not (x1 > x0 and y1 > y0):
            wanted = "OpenROAD writes four digits: use a coarser grid (GridX, GridY)"
            raise DeckError(Problem("", f"region has no area, x {x0:g} to {x1:g}, y {y0:g} to {y1:g} um; {wanted}", *place))
        yield HeatedRegion(Rectangle(1e-6 * x0, 1e-6 * x1, 1e-6 * y0, 1e-6 * y1), value * watts, place)
