"""Figures of a study: the answers over the swept axes, and what cannot be bettered in one without losing in another."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d.errors import ResultsError
from stack3d.fronts import unbettered
from stack3d.layout import Floats
from stack3d.report.chart import (
    COLOURS,
    Axis,
    ColourScale,
    Dot,
    DrawnBox,
    Figure,
    Line,
    Mark,
    Panel,
    categories,
    colour_scale,
    columns,
    linear,
)
from stack3d.report.page import typeset
from stack3d.report.study_answers import ANSWERS, WHOLE, Answer, labels_of, labels_with_name, swept, values_of, varies

if TYPE_CHECKING:
    import xarray as xr

MISSING = "#e5e7eb"


def _fill(value: float, scale: ColourScale) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if not np.isfinite(value):
        return MISSING
    return str(to_hex(colormaps[scale.name]((value - scale.low) / (scale.high - scale.low))))


def named(labels: Sequence[str], dimension: str) -> tuple[Sequence[str], str]:
    """Texts of the values of a dimension and what to call it; a unit that all of them have is told once, beside the name."""
    name = dimension.replace("_", " ")
    parts = [re.fullmatch(r"([-+]?[0-9][0-9.eE+-]*) (\S+)", label) for label in labels]
    units = {part[2] for part in parts if part}
    if len(labels) < 2 or len(units) != 1 or not all(parts):
        return [typeset(label) for label in labels], name
    unit = typeset(f"1 {units.pop()}").removeprefix("1 ")
    return [part[1] for part in parts if part], f"{name} [{unit}]"


def answer_map(tree: xr.DataTree, name: str) -> Figure:
    """An answer over two swept axes, one panel per combination of the others; over one axis as points."""
    array, dimensions = values_of(tree, name), swept(tree)
    answer = ANSWERS[name]
    if len(dimensions) == 1:
        return Figure(f"map_{name}", answer.heading, "", (_points(tree, dimensions[0], array.values, answer),))
    # the two longest axes span the map; the one with the longer names stands on the left
    longest = sorted(dimensions, key=lambda d: -array.sizes[d])[:2]
    first, second = sorted(longest, key=lambda d: -max(len(v) for v in labels_of(tree, d)))
    others = [d for d in dimensions if d not in (first, second)]
    values = np.asarray(array.values, dtype=float)
    factor, unit = answer.scaled(values)
    scale = colour_scale(answer.titled(unit), values / factor, "cividis", whole=answer.digits == WHOLE)
    states, panels = tree.dataset[["status"]].assign(cut=values_of(tree, name, cut=True)), []
    for chosen in itertools.product(*(range(array.sizes[d]) for d in others)):
        part = array.isel(dict(zip(others, chosen))).transpose(first, second)
        states_there = states.isel(dict(zip(others, chosen))).transpose(first, second)
        where = ", ".join(f"{d} {labels_of(tree, d)[i]}" for d, i in zip(others, chosen))
        title = ", ".join(v for v in (scale.label, typeset(where)) if v)
        panels.append(_grid(tree, title, part, states_there, scale, name, factor))
    return Figure(f"map_{name}", answer.heading, "One box per case. Grey: no value.", tuple(panels))


def _grid(
    tree: xr.DataTree, title: str, part: xr.DataArray, states: xr.Dataset, scale: ColourScale, name: str, factor: float
) -> Panel:
    """One map of an answer.

    Parameters
    ----------
    tree : xarray.DataTree
    title : str
    part : DataArray
        Over two dimensions, the one on the left first.
    states : Dataset
        Of the same shape: ``status``, told where a case has no value, and ``cut``, whether it may be more.
    scale : ColourScale
    name : str
        Of the answer.
    factor : float
        What the values are divided by on the scale.
    """
    first, second = map(str, part.dims)
    rows, across = labels_of(tree, first), labels_of(tree, second)
    answer, boxes, status, cut = ANSWERS[name], [], states["status"].values, states["cut"].values
    for (j, row), (i, column) in itertools.product(enumerate(rows), enumerate(across)):
        value = float(part.values[j, i])
        missing = "–" if status[j, i] == "done" else str(status[j, i]).replace("_", " ")
        text, full = (missing,) * 2 if np.isnan(value) else (answer.in_box(value, factor), answer.full(value))
        if cut[j, i] and not np.isnan(value):
            text, full = f"≥ {text}", f"at least {full}"
        tip = typeset(f"{first} {row}, {second} {column}: {answer.label} {full}")
        y = len(rows) - 1 - j
        boxes.append(DrawnBox(i - 0.48, i + 0.48, y - 0.48, y + 0.48, _fill(value / factor, scale), tip, text))
    height = min(1.2, max(0.3, 0.12 * len(rows)))
    x, y_axis = columns(*named(across, second)), categories(*named(rows, first))
    return Panel(title, x, y_axis, tuple(boxes), height=height, colours=scale)


def _points(tree: xr.DataTree, dimension: str, values: Floats, answer: Answer) -> Panel:
    names = labels_of(tree, dimension)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ResultsError(f"no case of the study has a value for {answer.label}")
    rows = len(names) - 1 - np.arange(len(names))
    factor, _ = answer.scaled(finite)
    marks: list[Mark] = [
        Dot(float(v) / factor, float(y), "", typeset(f"{dimension} {n}: {answer.full(v)}"), COLOURS[0])
        for v, y, n in zip(values, rows, names)
        if np.isfinite(v)
    ]
    texts, label = named(names, dimension)
    return Panel("", _axis(answer, finite, 0.2), categories(texts, label), tuple(marks), height=max(0.3, 0.07 * len(names)))


def _axis(answer: Answer, finite: Floats, margin: float = 0.05) -> Axis:
    """Axis of an answer over finite values, in the unit that fits them."""
    factor, unit = answer.scaled(finite)
    low, high = float(finite.min()) / factor, float(finite.max()) / factor
    return linear(answer.titled(unit), low, high, unit=unit, margin=margin, whole=answer.digits == WHOLE)


def pareto_pair(tree: xr.DataTree) -> tuple[str, str] | None:
    """Two answers that differ between cases and that pull apart; None when there are none."""
    goals = [n for n in ("accuracy", "peak") if varies(tree, n)]
    costs = [n for n in ("tiers", "writes", "energy", "power", "peak") if varies(tree, n)]
    return next(((cost, goal) for goal in goals for cost in costs if cost != goal), None)


def front(x: Floats, y: Floats, *, larger_x: bool, larger_y: bool) -> Any:
    """Which points no other one betters, see `unbettered`. Shape and order of `x`; NaN never is.

    Parameters
    ----------
    x, y : ndarray
        Of one shape.
    larger_x, larger_y : bool
        Whether more is better.
    """
    known = np.isfinite(x) & np.isfinite(y)
    both = np.column_stack((-x if larger_x else x, -y if larger_y else y))[known]
    found = np.zeros(x.size, dtype=bool)
    found[known] = unbettered(both)
    return found


def pareto(tree: xr.DataTree, x_name: str, y_name: str) -> Figure:
    """All cases over two answers, with the front of those that none betters in both."""
    x, y = (values_of(tree, n).values.astype(float).ravel() for n in (x_name, y_name))
    ax, ay = ANSWERS[x_name], ANSWERS[y_name]
    best = front(x, y, larger_x=ax.larger_is_better, larger_y=ay.larger_is_better)
    names = [", ".join(parts) for parts in itertools.product(*(labels_with_name(tree, d) for d in swept(tree)))]
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        raise ResultsError(f"no case of the study has both {ax.label} and {ay.label}")
    axes = [_axis(a, v[finite]) for a, v in ((ax, x), (ay, y))]
    across, up = x / ax.scaled(x[finite])[0], y / ay.scaled(y[finite])[0]
    marks: list[Mark] = []
    order = np.flatnonzero(best)[np.argsort(x[best], kind="stable")]
    if order.size > 1:
        marks.append(Line("front", across[order], up[order], COLOURS[1]))
    for i in np.flatnonzero(finite):
        tip = typeset(f"{names[i]}: {ax.label} {ax.full(x[i])}, {ay.label} {ay.full(y[i])}")
        marks.append(Dot(float(across[i]), float(up[i]), "", tip, COLOURS[1 if best[i] else 0]))
    directions = ", ".join(f"{'more' if a.larger_is_better else 'less'} {a.label}" for a in (ax, ay))
    caption = f"Orange: no other case is as good in one and better in the other ({directions} is better)."
    return Figure("pareto", "What cannot be had together", caption, (Panel("", axes[0], axes[1], tuple(marks)),))
