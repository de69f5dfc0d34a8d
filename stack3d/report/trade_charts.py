"""What cannot be had together: the cases of a study over any two numbers of them, with conditions and machines beside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.report import page
from stack3d.report.chart import COLOURS, GREY, Chooser, Column, Dot, Figure, Line, Mark, Panel, Rule, linear
from stack3d.report.search_charts import designs
from stack3d.report.study_answers import ANSWERS, labels_with_name, swept, values_of
from stack3d.report.study_charts import front
from stack3d.report.trade_axes import ANSWERED, ASKED, Measure, axes_of

if TYPE_CHECKING:
    import xarray as xr

DRAWN = 4
"""Axes of which all pairs are drawn where nothing can be chosen, on paper and by matplotlib; the first two alone of `MANY`."""
MANY = 150
"""Cases."""
WITHIN = 1.0
"""Widths of the range of the cases beyond which a machine is told in words instead of drawn."""
MACHINES = ("sram", "dram")
SHOWN = (0.1, 0.9)
"""Quantiles of the cases between which all are drawn, with those that meet every condition; the rest lie far outside."""
BANDS = {"worst": "mvm/accuracy_worst", "accuracy": "mvm/accuracy_mean"}
SEARCHED = (
    "Orange: meets every condition, and no other such case is as good in one and better in the other. Blue: meets every"
    " condition. Grey: misses one. Ring: the chosen design. Lines: conditions, and {chips}"
)
SWEPT = "A point per case. "
BETTER = "Orange, where both axes have a better end: no other case is as good in one and better in the other. "
OF_CHIPS = "Grey lines: {chips}"
CHIPS = "5 to 95 % of the chips that ran at orange points."
DREW = (
    "A point per draw. Blue: independent draws of all unknowns, which the bands are of. Grey: draws that change some"
    " unknowns at a time."
)


@dataclass(frozen=True)
class Cases:
    """The cases of a study as they are drawn.

    Parameters
    ----------
    tree : xarray.DataTree
    names : list of str
        What each sets.
    kept, chosen : ndarray of bool
        Those that meet every condition, or are independent draws; and the design to build.
    caption : str
    has_front : bool
    """

    tree: xr.DataTree
    names: list[str]
    kept: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    caption: str
    has_front: bool = True

    @classmethod
    def of(cls, tree: xr.DataTree) -> Cases:
        """Those of a search, of a study of unknowns, of levers; of a sweep, which has no conditions, all that it has."""
        n = tree.dataset["status"].size
        judged = sum(one.is_judged for one in axes_of(tree).values()) > 1
        swept_caption = SWEPT + BETTER * judged + (OF_CHIPS.format(chips=CHIPS) if judged and "mvm" in tree.children else "")
        all_of_them, none = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
        if "optimise" in tree.children:
            met, chosen = (tree.children["optimise"].to_dataset()[name].values.astype(bool) for name in ("feasible", "chosen"))
            return cls(tree, designs(tree), met, chosen, SEARCHED.format(chips=CHIPS))
        if "uncertain" in tree.children:
            kept = tree.children["uncertain"].to_dataset()["independent"].values == 1
            return cls(tree, [f"draw {i}" for i in range(n)], kept, none, DREW, has_front=False)
        if "levers" in tree.children:
            names = [str(name) for name in tree.children["levers"].to_dataset()["lever"].values]
            return cls(tree, names, all_of_them, none, swept_caption)
        names = [", ".join(parts) for parts in itertools.product(*(labels_with_name(tree, d) for d in swept(tree)))]
        return cls(tree, names, all_of_them, none, swept_caption)


def trade_offs(tree: xr.DataTree) -> Figure:
    """Any two axes, chosen on a page; a panel for every two of the first ones elsewhere."""
    cases = Cases.of(tree)
    columns = [_column(cases, name, measure) for name, measure in axes_of(tree).items()]
    chooser = Chooser(tuple(columns), tuple(cases.names), cases.kept, cases.chosen)
    most = DRAWN if len(cases.names) <= MANY else 2
    first = [column for column in columns if column.kind in (ASKED, ANSWERED)]
    pairs = [(x, y) for y, x in itertools.combinations((first if len(first) > 1 else columns)[:most], 2)]
    panels = tuple(_panel(chooser, x, y) for x, y in pairs)
    caption = f"{cases.caption} {_machines(tree)}".strip()
    return Figure("trade_offs", "Any two outputs", caption, panels, chooser=chooser)


def _column(cases: Cases, name: str, measure: Measure) -> Column:
    """An axis with all that stands on it, in the unit that fits."""
    values = measure.values
    known = np.isfinite(values)
    shown = known & _is_shown(values, known, known & cases.kept if cases.has_front else known)
    machines = {m: v for m in MACHINES if _is_near(v := _machine(cases.tree, name, m), values[shown])}
    factor, unit = measure.answer.scaled(np.append(values[shown], list(machines.values())))
    ends = np.append(values[shown], list(machines.values())) / factor
    label = f"{measure.label} [{page.over(unit)}]" if unit else measure.label
    axis = linear(label, float(ends.min()), float(ends.max()), unit=unit)
    better = 0
    if measure.is_judged and cases.has_front:
        better = 1 if measure.answer.larger_is_better else -1
    return Column(
        measure.label,
        measure.kind,
        axis,
        np.where(known, values, np.nan) / factor,
        better,
        tuple((text, at / factor) for text, at in measure.lines if axis.low <= at / factor <= axis.high),
        tuple((f"{machine.upper()} machine", at / factor) for machine, at in machines.items()),
        _bands(cases.tree, BANDS[name]) if name in BANDS else None,
        measure.cut,
    )


def _panel(chooser: Chooser, across: Column, up: Column) -> Panel:
    x, y = across.values, up.values
    shown = across.is_inside & up.is_inside
    outside = int((np.isfinite(x) & np.isfinite(y) & ~shown).sum())
    best = _front(across, up, shown & chooser.kept)
    marks: list[Mark] = [Rule("x", at, text) for text, at in across.lines]
    marks += [Rule("y", at, text) for text, at in up.lines]
    order = np.flatnonzero(best)[np.argsort(x[best], kind="stable")]
    if order.size > 1:
        marks.append(Line("front", x[order], y[order], COLOURS[1]))
    if up.bands is not None:
        marks += [Line("", np.full(2, x[i]), up.bands[i], GREY) for i in order if np.isfinite(up.bands[i]).all()]
    marks += _dots(chooser, across, up, shown, best)
    for name, at_x in across.machines:
        marks += [Dot(at_x, at_y, name, f"a conventional machine: {name}") for other, at_y in up.machines if other == name]
    title = f"{up.name} over {across.name}" + f" ({outside} case{'s' * (outside > 1)} outside)" * bool(outside)
    return Panel(title, across.axis, up.axis, tuple(marks))


def _front(across: Column, up: Column, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cases that no other usable one betters in both; none where it is not known what is better."""
    if not across.better or not up.better:
        return np.zeros(usable.size, dtype=bool)
    x, y = (np.where(usable, column.values, np.nan) for column in (across, up))
    return np.asarray(front(x, y, larger_x=across.better > 0, larger_y=up.better > 0))


def _dots(chooser: Chooser, across: Column, up: Column, shown: NDArray[np.bool_], best: NDArray[np.bool_]) -> Iterator[Dot]:
    """The cases.

    Parameters
    ----------
    chooser : Chooser
    across, up : Column
    shown, best : ndarray of bool, shape (case,)
        Those that lie on both axes, and those of the front.
    """
    for i in map(int, np.flatnonzero(shown)):
        at = float(across.values[i]), float(up.values[i])
        tip = page.typeset(f"{chooser.names[i]}: {across.told(i)}, {up.told(i)}")
        yield Dot(*at, "", tip, COLOURS[1] if best[i] else COLOURS[0] if chooser.kept[i] else GREY)
        if chooser.chosen[i]:
            yield Dot(*at, "", tip, ring=True)


def _is_shown(values: Floats, known: NDArray[np.bool_], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cases that lie near most others, or near those that meet every condition."""
    low, high = np.quantile(values[known], SHOWN) if known.any() else (0.0, 0.0)
    low, high = min(low, *values[usable], np.inf), max(high, *values[usable], -np.inf)
    room = 0.1 * (high - low)
    with np.errstate(invalid="ignore"):
        return np.asarray((values >= low - room) & (values <= high + room))


def _bands(tree: xr.DataTree, path: str) -> Floats | None:
    """From 5 to 95 % of the chips at the end, shape (case, end); None where there are no chips. [%]"""
    group, _, name = path.partition("/")
    array = tree.children[group].dataset.get(name) if group in tree.children else None
    if array is None or "time" not in array.dims or array.sizes["sample"] < 2:
        return None
    last = 100 * array.isel(time=-1).transpose(*swept(tree), "sample").values.reshape(-1, array.sizes["sample"])
    return np.asarray(np.quantile(last, (0.05, 0.95), axis=1).T)


def _machine(tree: xr.DataTree, answer: str, machine: str) -> float:
    """What a conventional machine has for an answer, NaN where it has none; of the first case that knows it."""
    end = "" if machine == "sram" else f"_{machine}"
    if answer in ("energy", "latency"):
        name = f"conventional{end}" if answer == "energy" else f"conventional_latency{end}"
        values = values_of(tree, name).values.astype(float).ravel() if _has(tree, name) else np.empty(0)
    elif answer in BANDS:
        array = tree.children["mvm"].dataset.get("accuracy_ideal") if "mvm" in tree.children else None
        values = np.empty(0) if array is None else 100 * array.values.astype(float).ravel()
    else:
        return float("nan")
    known = values[np.isfinite(values)]
    return float(known[0]) if known.size else float("nan")


def _has(tree: xr.DataTree, name: str) -> bool:
    group, _, variable = ANSWERS[name].needs[0].partition("/")
    return group in tree.children and variable in tree.children[group].dataset


def _is_near(value: float, known: Floats) -> bool:
    room = WITHIN * float(np.ptp(known))
    return bool(np.isfinite(value) and known.min() - room <= value <= known.max() + room)


def _machines(tree: xr.DataTree) -> str:
    """The conventional machines in words."""
    said = []
    for machine in MACHINES:
        parts = [ANSWERS[n].full(v) for n in ("energy", "latency") if np.isfinite(v := _machine(tree, n, machine))]
        said += [f"{machine.upper()} {' and '.join(parts)}"] if parts else []
    far = "drawn where it lies near"
    return f"A conventional machine, its leakage apart, takes {'; '.join(said)} per inference; {far}." if said else ""
