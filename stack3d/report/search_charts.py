"""What a search has found: its front or its course, the designs worth building, and the chosen one as a deck to download."""

from __future__ import annotations

import base64
import itertools
import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from stack3d.layout import Floats
from stack3d.report import page
from stack3d.report.chart import COLOURS, GREY, Axis, Dot, Figure, Line, Mark, Panel, linear
from stack3d.unit_text import off_by, shared_prefix, value_told

if TYPE_CHECKING:
    import xarray as xr

MOST_PANELS = 3
"""Pairs of goals that are drawn."""
MOST_ROWS = 50
DRAWN = 0.8
"""Share of the cases that is drawn at least, however far from those that meet every condition. [-]"""


def _decided(tree: xr.DataTree) -> xr.Dataset:
    return tree.children["optimise"].to_dataset()


def is_search(tree: xr.DataTree) -> bool:
    """Whether a study is a search with some case that has a value."""
    return "optimise" in tree.children and bool(np.isfinite(_decided(tree)["value"].values).any())


def headline(tree: xr.DataTree) -> list[tuple[str, str]]:
    """What a search says first, as (label, text); nothing of another study."""
    return [("what to build", str(_decided(tree).attrs["verdict"]).partition("\n")[0])] if "optimise" in tree.children else []


def designs(tree: xr.DataTree) -> list[str]:
    """Each case of a search in words."""
    return [str(text) for text in _decided(tree)["design"].values]


def _told(value: float, unit: str, text: str = "") -> str:
    return value_told(value, unit, text) if math.isfinite(value) else ""


def _goals_told(found: xr.Dataset) -> list[list[str]]:
    """Values of the goals of every case in words."""
    goals = [(str(text), str(unit)) for text, unit in zip(found["goal"].values, found["goal_unit"].values)]
    cut = found["is_at_least"].values == 1 if "is_at_least" in found else np.zeros(found["value"].shape, dtype=bool)
    return [
        [f"{'at least ' * bool(c)}{_told(float(v), unit, text)}" for v, c, (text, unit) in zip(row, cuts, goals)]
        for row, cuts in zip(found["value"].values, cut)
    ]


def _axis(text: str, unit: str, values: Floats) -> tuple[Axis, float]:
    """An axis with an SI prefix, and the number that values are divided by."""
    factor, told = shared_prefix(values, unit) if unit not in ("", "K") else (1.0, unit)
    named = f"{text} [{told}]" if unit else text
    return linear(named, float(values.min()) / factor, float(values.max()) / factor, unit=told), factor


def front(tree: xr.DataTree) -> Figure:
    """Every case over two goals at a time, with the front; of a single goal over the order in which they were asked for."""
    found = _decided(tree)
    n = found.sizes["goal"]
    if n == 1:
        return Figure("front", "The course of the search", _caption(tree), (_course(tree),))
    pairs = list(itertools.combinations(range(n), 2))[:MOST_PANELS]
    return Figure("front", "What cannot be had together", _caption(tree), tuple(_pair(tree, i, j) for i, j in pairs))


def _caption(tree: xr.DataTree) -> str:
    found = _decided(tree)
    words = [
        f"{'less' if minimised else 'more'} {goal}"
        for goal, minimised in zip(found["goal"].values, found["goal_minimised"].values)
    ]
    better = f"{', '.join(words)} is better"
    left_out = int((np.isfinite(found["value"].values) & ~np.isfinite(_near(tree))).all(axis=1).sum())
    conditions = " Grey: misses a condition." if found.sizes["condition"] else ""
    conditions += f" {left_out} of these lie far outside." if left_out else ""
    if len(words) == 1:
        return f"Orange: the best so far ({better}).{conditions}"
    return f"Orange: no other case betters it in every goal ({better}). Ring: the chosen design.{conditions}"


def _dots(tree: xr.DataTree, x: Floats, y: Floats, tips: list[str]) -> list[Mark]:
    found = _decided(tree)
    feasible, best, chosen = (found[name].values.astype(bool) for name in ("feasible", "front", "chosen"))
    marks: list[Mark] = []
    for i in np.flatnonzero(np.isfinite(x) & np.isfinite(y)):
        colour = COLOURS[1] if best[i] else COLOURS[0] if feasible[i] else GREY
        marks.append(Dot(float(x[i]), float(y[i]), "", tips[i], colour))
        if chosen[i]:
            marks.append(Dot(float(x[i]), float(y[i]), "", tips[i], ring=True))
    return marks


def _tips(tree: xr.DataTree) -> list[str]:
    found = _decided(tree)
    return [
        f"{i}, {design}: " + ", ".join(f"{goal} {told}" for goal, told in zip(found["goal"].values, row))
        for i, (design, row) in enumerate(zip(designs(tree), _goals_told(found)))
    ]


def _near(tree: xr.DataTree) -> Floats:
    """Values of the goals, NaN for cases far outside the range of those that meet every condition."""
    found = _decided(tree)
    values = found["value"].values.astype(float)
    kept = values[found["feasible"].values.astype(bool)]
    if len(kept) < 2:
        return values
    low, high = kept.min(axis=0), kept.max(axis=0)
    beyond = np.maximum(np.maximum(low - values, values - high), 0.0)
    room = np.where(high > low, np.maximum(0.5 * (high - low), np.nanquantile(beyond, DRAWN, axis=0)), np.inf)
    return np.where(((values >= low - room) & (values <= high + room)).all(axis=1)[:, None], values, np.nan)


def _pair(tree: xr.DataTree, i: int, j: int) -> Panel:
    found = _decided(tree)
    values = _near(tree)
    finite = np.isfinite(values).all(axis=1)
    axes = [_axis(str(found["goal"].values[k]), str(found["goal_unit"].values[k]), values[finite, k]) for k in (i, j)]
    (x_axis, x_factor), (y_axis, y_factor) = axes
    x, y = values[:, i] / x_factor, values[:, j] / y_factor
    order = np.flatnonzero(found["front"].values)
    order = order[np.argsort(x[order], kind="stable")]
    lines: list[Mark] = [Line("front", x[order], y[order], COLOURS[1])] if order.size > 1 and found.sizes["goal"] == 2 else []
    return Panel("", x_axis, y_axis, (*lines, *_dots(tree, x, y, _tips(tree))))


def _course(tree: xr.DataTree) -> Panel:
    found = _decided(tree)
    values = _near(tree)[:, 0]
    y_axis, factor = _axis(str(found["goal"].values[0]), str(found["goal_unit"].values[0]), values[np.isfinite(values)])
    x, y = np.arange(values.size, dtype=float), values / factor
    sign = 1.0 if found["goal_minimised"].values[0] else -1.0
    kept = np.where(found["feasible"].values.astype(bool), sign * y, np.inf)
    best = sign * np.minimum.accumulate(kept)
    known = np.isfinite(best)
    lines: list[Mark] = [Line("best so far", x[known], best[known], COLOURS[1], steps=True)] if known.sum() > 1 else []
    x_axis = linear("case", 0.0, float(max(values.size - 1, 1)), whole=True)
    return Panel("", x_axis, y_axis, (*lines, *_dots(tree, x, y, _tips(tree))))


def section(tree: xr.DataTree) -> str:
    """HTML of the designs of the front, how far each is from the conditions, and the chosen one as a deck."""
    found = _decided(tree)
    chosen = np.flatnonzero(found["chosen"].values)
    rest = [i for i in np.flatnonzero(found["front"].values) if i not in chosen]
    names = designs(tree)
    limit_units, told = [str(u) for u in found["condition_unit"].values], _goals_told(found)
    limits = [str(text) for text in found["condition"].values]
    rows = []
    for i in [*chosen, *rest][:MOST_ROWS]:
        missed = [_stands(float(v), u, text) for v, u, text in zip(found["missed"].values[i], limit_units, limits)]
        rows.append((str(i), names[i], *told[i], *missed))
    head = ("case", "design, the chosen one first", *map(str, found["goal"].values), *limits)
    lines = "".join(f"<li>{escape(page.typeset(line))}</li>" for line in _lines(found))
    return page.fold("designs", "What to build", f"<ul>{lines}</ul>{page.table(rows, head, words=1)}<p>{_download(tree)}</p>")


def _lines(found: xr.Dataset) -> list[str]:
    """The verdict without the designs of the front and those beside it, and the levers, which have tables of their own."""
    told = ("front: ", "the chosen design, ", *["one change: "] * bool(found.get("change_rank", np.zeros(1)).any()))
    return [line for line in str(found.attrs["verdict"]).splitlines() if not line.startswith(told)]


def _stands(missed: float, unit: str, limit: str) -> str:
    if not math.isfinite(missed):
        return ""
    far = _told(abs(missed), unit) if unit == "K" else off_by(abs(missed), unit, limit)
    return f"{'missed' if missed > 0 else 'kept'} by {far}"


def _download(tree: xr.DataTree) -> str:
    text = str(_decided(tree).attrs["chosen_deck"])
    data = base64.b64encode(text.encode()).decode()
    name = escape(f"{tree.attrs.get('scenario', 'design')}_chosen.yaml", quote=True)
    return f'<a download="{name}" href="data:text/yaml;charset=utf-8;base64,{data}">The chosen design as a deck</a>'
