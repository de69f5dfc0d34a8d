"""What each single change of the best design of a search would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.report import page
from stack3d.report.chart import COLOURS, GREY, DrawnBox, Figure, Panel, categories, linear
from stack3d.unit_text import in_points, off_by, shared_prefix, short

if TYPE_CHECKING:
    import xarray as xr

MOST_ROWS = 20
"""Changes that are drawn and listed."""
MOST_PANELS = 6
"""Goals and conditions that are drawn."""
LEAST = 1e-12
"""Of a gain that is drawn: what is less is none."""
ROOM = 0.3
"""Share of a panel that words behind its zero take. [-]"""
UNSEEN = 1e-3
"""Share of the largest gain in a goal or a condition below which one is told as none. [-]"""
LEAST_SHARE = 0.05
"""Change of a goal, as a share of its value, below which it is told, and drawn, as none. [%]"""
LEAST_POINTS = 0.005
"""The same of an accuracy. [points]"""
LEAST_KELVIN = 0.005
"""The same of temperatures. [K]"""


class Gains(NamedTuple):
    """What changes of the chosen design gain in one goal or condition.

    Parameters
    ----------
    title : str
    values : ndarray, shape (change,)
        Above zero where it is better.
    unit : str
    told : list of str
        In words.
    """

    title: str
    values: Floats
    unit: str
    told: list[str]


def _found(tree: xr.DataTree) -> xr.Dataset:
    return tree.children["optimise"].to_dataset()


def has_changes(tree: xr.DataTree) -> bool:
    """Whether designs one change away from the chosen one have run."""
    return "optimise" in tree.children and "change_rank" in _found(tree) and bool(_found(tree)["change_rank"].values.any())


def _order(found: xr.Dataset) -> NDArray[np.int64]:
    """Cases one change away, the next-best first."""
    ranks = found["change_rank"].values
    return np.flatnonzero(ranks)[np.argsort(ranks[ranks > 0], kind="stable")][:MOST_ROWS]


def _gains(found: xr.Dataset) -> list[Gains]:
    """Of the goals, as shares of the chosen design's value or in kelvin; of the conditions, the room to being missed."""
    order, own = _order(found), int(np.argmax(found["chosen"].values))
    columns = (found[name].values for name in ("goal", "goal_unit", "goal_minimised"))
    made = []
    for k, (text, unit, minimised) in enumerate(zip(*columns)):
        values = found["value"].values[:, k]
        gain = (values[own] - values[order]) * (1.0 if minimised else -1.0)
        made.append(_of_goal(str(text), str(unit), gain, float(values[own])))
    for k, (text, unit) in enumerate(zip(found["condition"].values, found["condition_unit"].values)):
        missed = found["missed"].values[:, k]
        gain = missed[own] - missed[order]
        scale, named = _points(str(text), str(unit))
        least = max(LEAST_KELVIN if unit == "K" else LEAST, UNSEEN * float(np.nanmax(np.abs(gain), initial=0.0)))
        seen = _seen(gain, least)
        told = [_signed(float(g), str(unit), str(text)) for g in seen]
        made.append(Gains(f"{page.typeset(str(text))}: more room by", scale * seen, named, told))
    return made


def _of_goal(text: str, unit: str, gain: Floats, own: float) -> Gains:
    """Gains in a goal: points of an accuracy, kelvin, else shares of the chosen design's value.

    Parameters
    ----------
    text, unit : str
    gain : ndarray, shape (change,)
        [SI]
    own : float
        Value of the chosen design. [SI]
    """
    title = f"{text}: better by"
    if in_points(unit, text):
        points = _seen(100 * gain, LEAST_POINTS)
        return Gains(title, points, "points", [f"{p:+.2f} points" if p else "the same" for p in points])
    if unit == "K" or not own:
        seen = _seen(gain, LEAST_KELVIN if unit == "K" else LEAST)
        return Gains(title, seen, unit, [_signed(float(g), unit) for g in seen])
    share = _seen(100 * gain / abs(own), LEAST_SHARE)
    return Gains(title, share, "%", [f"{s:+.3g} %" if s else "the same" for s in share])


def _seen(gain: Floats, least: float) -> Floats:
    """Gains of at least so much; smaller ones are none."""
    return np.where(np.abs(gain) < least, 0.0, gain)


def _points(text: str, unit: str) -> tuple[float, str]:
    """Factor and unit in which room to a condition is drawn."""
    return (100.0, "points") if in_points(unit, text) else (1.0, unit)


def _signed(value: float, unit: str, text: str = "") -> str:
    """A gain in words, with its sign; what cannot be seen is none."""
    if not np.isfinite(value):
        return ""
    if abs(value) < (LEAST_KELVIN if unit == "K" else LEAST):
        return "the same"
    size = f"{abs(value):.2f} K" if unit == "K" else off_by(abs(value), unit, text) if text else short(abs(value), unit)
    return f"{'+' if value > 0 else '-'}{size}"


def changes(tree: xr.DataTree) -> Figure:
    """Bars of what each change gains in every goal and condition, the next-best on top."""
    found = _found(tree)
    order = _order(found)
    names = [str(found["change"].values[i]) for i in order]
    drawn = [one for one in _gains(found) if (np.abs(one.values[np.isfinite(one.values)]) > LEAST).any()][:MOST_PANELS]
    feasible = found["feasible"].values.astype(bool)[order]
    caption = (
        "Designs that differ from the chosen one in one choice and have run in full, the next-best first. Green: meets every"
        " condition and is better in what is drawn. Orange: meets every condition and is worse in it. Grey: misses a condition."
    )
    panels = tuple(_bars(one, names, feasible) for one in drawn)
    return Figure("changes", "What one change would give", caption, panels)


def _bars(one: Gains, names: list[str], feasible: NDArray[np.bool_]) -> Panel:
    known = np.where(np.isfinite(one.values), one.values, 0.0)
    factor, unit = 1.0, one.unit
    if unit not in ("%", "points", "K", ""):
        factor, unit = shared_prefix(known, unit)
    marks = []
    for row, (name, value, told, is_met) in enumerate(zip(names, known / factor, one.told, feasible)):
        y = len(names) - 1.0 - row
        tip = f"{name}: {one.title.removesuffix(' by')} {told}"
        box = (min(0.0, float(value)), max(0.0, float(value)), y - 0.3, y + 0.3)
        colour = GREY if not is_met else COLOURS[1] if value < 0 else COLOURS[2]
        marks.append(DrawnBox(*box, colour, tip, "" if value else "no change", bar=not value))
    low, high = min(0.0, *(known / factor)), max(0.0, *(known / factor))
    if (known == 0.0).any():
        high = max(high, ROOM * (high - low))  # of the words where there is no bar
    x = linear(f"[{unit}]" if unit else "", low, high, unit=unit)
    return Panel(one.title, x, categories(names), tuple(marks), height=max(0.3, 0.07 * len(names)))


def section(tree: xr.DataTree) -> str:
    """HTML of the changes, what each gains, and whether it meets every condition."""
    found = _found(tree)
    gains = _gains(found)
    rows = [
        (str(found["change"].values[i]), *(one.told[row] for one in gains), "yes" if found["feasible"].values[i] else "no")
        for row, i in enumerate(_order(found))
    ]
    head = ("one change", *(one.title for one in gains), "meets every condition")
    lines = (
        line for line in str(found.attrs["verdict"]).splitlines() if line.startswith("one change: ") and "differ in" in line
    )
    said = "".join(f'<p class="caption">{line.removeprefix("one change: ")}</p>' for line in lines)
    return page.fold("beside", "The next-best designs", said + page.table(rows, head))
