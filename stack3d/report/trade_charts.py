"""What cannot be had together: the cases of a search over any two of their answers, with conditions and machines beside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stack3d.constants import YEAR, ZERO_CELSIUS
from stack3d.layout import Floats
from stack3d.report.chart import COLOURS, GREY, Axis, Dot, Figure, Line, Mark, Panel, Rule, linear
from stack3d.report.search_charts import designs
from stack3d.report.study_answers import ANSWERS, swept, values_of, varies
from stack3d.report.study_charts import front

if TYPE_CHECKING:
    import xarray as xr

AXES = ("worst", "energy", "latency", "peak", "cost", "pumping", "hold", "life", "accuracy", "power", "writes")
"""Answers that may stand on an axis, the most asked for first."""
MOST_AXES = 8
"""Of one page, those that differ between cases: 28 pairs."""
WITHIN = 1.0
"""Widths of the range of the cases beyond which a machine is told in words instead of drawn."""
MACHINES = ("sram", "dram")
OUTPUTS = {
    "accuracy": "accuracy",
    "accuracy_mean": "accuracy",
    "accuracy_worst": "worst",
    "peak_temperature": "peak",
    "layer_temperature_max": "peak",
    "temperature_max": "peak",
    "energy_per_inference": "energy",
    "latency": "latency",
    "cost": "cost",
    "pumping_power": "pumping",
    "hold_interval": "hold",
    "time_to_accuracy_loss": "life",
    "heat_in": "power",
}
"""Output variable of a condition → answer on whose axis its line stands."""
LABELS = {
    "worst": "worst accuracy at the end",
    "life": "time to the stated loss below float",
    "hold": "interval that holds accuracy",
}
"""Labels that are shorter than those of a table."""
SHOWN = (0.1, 0.9)
"""Quantiles of the cases between which all are drawn, with those that meet every condition; the rest lie far outside."""
BANDS = {"worst": "mvm/accuracy_worst", "accuracy": "mvm/accuracy_mean"}


@dataclass(frozen=True)
class Cases:
    """The cases of a search as they are drawn.

    Parameters
    ----------
    tree : xarray.DataTree
    names : list of str
        What each sets.
    feasible, chosen : ndarray of bool
    """

    tree: xr.DataTree
    names: list[str]
    feasible: NDArray[np.bool_]
    chosen: NDArray[np.bool_]

    def values(self, name: str) -> Floats:
        """An answer of every case."""
        return values_of(self.tree, name).values.astype(float).ravel()


def axes_of(tree: xr.DataTree) -> list[str]:
    """Answers in which the cases of a search differ, as many as a page has room for."""
    return [name for name in AXES if varies(tree, name)][:MOST_AXES] if "optimise" in tree.children else []


def trade_offs(tree: xr.DataTree) -> Figure:
    """A panel for every two answers in which the cases differ."""
    found = tree.children["optimise"].to_dataset()
    flags = (found[name].values.astype(bool) for name in ("feasible", "chosen"))
    cases = Cases(tree, designs(tree), *flags)
    pairs = [(x, y) for y, x in itertools.combinations(axes_of(tree), 2)]
    caption = (
        "Orange: meets every condition, and no other such case is as good in one and better in the other. Blue: meets every"
        " condition. Grey: misses one. Ring: the chosen design. Lines: conditions, and 5 to 95 % of the chips at orange points."
        f" {_machines(tree)}"
    )
    return Figure("trade_offs", "Any two answers", caption.strip(), tuple(_panel(cases, x, y) for x, y in pairs), choice=True)


def _panel(cases: Cases, x_name: str, y_name: str) -> Panel:
    x, y = cases.values(x_name), cases.values(y_name)
    ax, ay = ANSWERS[x_name], ANSWERS[y_name]
    known = np.isfinite(x) & np.isfinite(y)
    usable = known & cases.feasible
    near = known & _is_shown(x, known, usable) & _is_shown(y, known, usable)
    outside, known = int(known.sum() - near.sum()), near
    best = front(
        np.where(usable, x, np.nan), np.where(usable, y, np.nan), larger_x=ax.larger_is_better, larger_y=ay.larger_is_better
    )
    machines = list(_beside(cases.tree, x_name, y_name, x[known], y[known]))
    x_all, y_all = np.append(x[known], [m[1] for m in machines]), np.append(y[known], [m[2] for m in machines])
    x_axis, x_factor = _axis(x_name, x_all)
    y_axis, y_factor = _axis(y_name, y_all)
    marks: list[Mark] = [*_lines(cases.tree, x_name, "x", x_axis, x_factor), *_lines(cases.tree, y_name, "y", y_axis, y_factor)]
    order = np.flatnonzero(best)[np.argsort(x[best], kind="stable")]
    if order.size > 1:
        marks.append(Line("front", x[order] / x_factor, y[order] / y_factor, COLOURS[1]))
    if y_name in BANDS:
        marks += _bands(cases.tree, BANDS[y_name], x / x_factor, order)
    for i in np.flatnonzero(known):
        at = float(x[i]) / x_factor, float(y[i]) / y_factor
        tip = f"{cases.names[i]}: {ax.label} {ax.full(float(x[i]))}, {ay.label} {ay.full(float(y[i]))}"
        colour = COLOURS[1] if best[i] else COLOURS[0] if cases.feasible[i] else GREY
        marks += [Dot(*at, "", tip, colour)] + [Dot(*at, "", tip, ring=True)] * bool(cases.chosen[i])
    for name, across, up in machines:
        tip = f"a machine with {name.upper()}: {ax.label} {ax.full(across)}, {ay.label} {ay.full(up)}"
        marks.append(Dot(across / x_factor, up / y_factor, f"{name.upper()} machine", tip, "#000000"))
    title = f"{_label(y_name)} over {_label(x_name)}" + f" ({outside} case{'s' * (outside > 1)} outside)" * bool(outside)
    return Panel(title, x_axis, y_axis, tuple(marks))


def _label(name: str) -> str:
    return LABELS.get(name, ANSWERS[name].short_label)


def _is_shown(values: Floats, known: NDArray[np.bool_], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cases that lie near most others, or near those that meet every condition."""
    low, high = np.quantile(values[known], SHOWN) if known.any() else (0.0, 0.0)
    low, high = min(low, *values[usable], np.inf), max(high, *values[usable], -np.inf)
    room = 0.1 * (high - low)
    return np.asarray((values >= low - room) & (values <= high + room))


def _axis(name: str, values: Floats) -> tuple[Axis, float]:
    """Axis of an answer in the unit that fits, and what values are divided by."""
    factor, unit = ANSWERS[name].scaled(values)
    label = f"{_label(name)} [{unit}]" if unit else _label(name)
    return linear(label, float(values.min()) / factor, float(values.max()) / factor, unit=unit), factor


def _lines(tree: xr.DataTree, name: str, direction: str, axis: Axis, factor: float) -> Iterator[Mark]:
    """Conditions on an answer, where they lie on its axis."""
    found = tree.children["optimise"].to_dataset()
    if "condition_bound" not in found:
        return
    columns = (found[name].values for name in ("condition", "condition_output", "condition_bound"))
    for text, output, bound in zip(*columns):
        if OUTPUTS.get(str(output)) == name:
            value = _shown(name, float(bound)) / factor
            if axis.low <= value <= axis.high:
                yield Rule(direction, value, str(text))


def _shown(name: str, value: float) -> float:
    """A value in SI as an answer has it."""
    if name == "peak":
        return value - ZERO_CELSIUS
    return 100 * value if ANSWERS[name].unit == "%" else value / YEAR if ANSWERS[name].unit == "years" else value


def _bands(tree: xr.DataTree, path: str, x: Floats, order: NDArray[np.int64]) -> Iterator[Mark]:
    """From 5 to 95 % of the chips at the end, at the designs of the front."""
    group, _, name = path.partition("/")
    array = tree.children[group].dataset.get(name) if group in tree.children else None
    if array is None or "time" not in array.dims or array.sizes["sample"] < 2:
        return
    last = 100 * array.isel(time=-1).transpose(*swept(tree), "sample").values
    for i in order:
        if np.isfinite(last[i]).all():
            yield Line("", np.full(2, x[i]), np.quantile(last[i], (0.05, 0.95)), GREY)


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


def _beside(tree: xr.DataTree, x_name: str, y_name: str, x: Floats, y: Floats) -> Iterator[tuple[str, float, float]]:
    """Conventional machines that lie near enough to the cases to be drawn."""
    for machine in MACHINES:
        at = _machine(tree, x_name, machine), _machine(tree, y_name, machine)
        if all(_is_near(value, known) for value, known in zip(at, (x, y))):
            yield machine, *at


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
