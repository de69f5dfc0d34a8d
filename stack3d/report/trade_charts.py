"""What cannot be had together: the cases of a study over any two of their answers, with conditions and machines beside."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stack3d.constants import YEAR, ZERO_CELSIUS
from stack3d.layout import Floats
from stack3d.report.chart import COLOURS, GREY, Axis, Dot, Figure, Line, Mark, Panel, Rule, linear
from stack3d.report.search_charts import designs
from stack3d.report.study_answers import ANSWERS, COUNTED, PREFIXED, Answer, labels_with_name, swept, values_of, varies
from stack3d.report.study_charts import front

if TYPE_CHECKING:
    import xarray as xr

AXES = (
    "worst", "energy", "latency", "peak", "area", "yield", "cost", "pumping", "hold", "life", "accuracy", "tiers", "power",
    "writes",
)  # fmt: skip
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
    "writes": "writes",
    "area": "area",
    "sum(area)": "area",
    "yield": "yield",
    "yield[all]": "yield",
}
"""Output variable of a goal or condition, or how it is written → answer that tells it, on whose axis its line stands."""
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
class Measure:
    """What may stand on an axis.

    Parameters
    ----------
    label : str
    answer : Answer
        How a value is told.
    values : ndarray
        Of every case, as the answer has them.
    lines : tuple of (str, float)
        Conditions on it, and where each stands.
    """

    label: str
    answer: Answer
    values: Floats
    lines: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Cases:
    """The cases of a study as they are drawn.

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

    @classmethod
    def of(cls, tree: xr.DataTree) -> Cases:
        """Those of a search; of a sweep, which has no conditions, all that it has."""
        if "optimise" in tree.children:
            found = tree.children["optimise"].to_dataset()
            return cls(tree, designs(tree), found["feasible"].values.astype(bool), found["chosen"].values.astype(bool))
        names = [", ".join(parts) for parts in itertools.product(*(labels_with_name(tree, d) for d in swept(tree)))]
        return cls(tree, names, np.ones(len(names), dtype=bool), np.zeros(len(names), dtype=bool))


def axes_of(tree: xr.DataTree) -> dict[str, Measure]:
    """What the cases of a study differ in, as much as a page has room for; what a search was asked for comes first."""
    asked = _asked(tree)
    answered = {n: Measure(_label(n), ANSWERS[n], _values(tree, n), _conditions(tree, n)) for n in AXES if varies(tree, n)}
    goals = [name for name in answered if name in _outputs(tree)]
    order = [*goals, *asked, *(name for name in answered if name not in goals)]
    return {name: {**answered, **asked}[name] for name in order[:MOST_AXES]}


def _values(tree: xr.DataTree, name: str) -> Floats:
    return values_of(tree, name).values.astype(float).ravel()


def _outputs(tree: xr.DataTree) -> list[str]:
    """Answers that goals and conditions name as a whole."""
    if "optimise" not in tree.children:
        return []
    found = tree.children["optimise"].to_dataset()
    parts = ("goal_output", "goal", "condition_output", "condition_side")
    return [OUTPUTS[name] for part in parts if part in found for v in found[part].values if (name := str(v)) in OUTPUTS]


def _answer_of(*texts: str) -> str | None:
    """Name of the answer that tells a goal or a condition, by its output or how it is written."""
    return next((OUTPUTS[text] for text in map(str, texts) if text in OUTPUTS), None)


def _asked(tree: xr.DataTree) -> dict[str, Measure]:
    """Goals and compared sides of conditions that no answer tells, where cases differ in them."""
    if "optimise" not in tree.children:
        return {}
    found = tree.children["optimise"].to_dataset()
    made = dict(_goals(tree, found)) if "goal_output" in found else {}
    for side, one in _sides(found) if "condition_side" in found else ():
        made[side] = replace(made[side], lines=(*made[side].lines, *one.lines)) if side in made else one
    return {name: one for name, one in made.items() if _differ(one.values)}


def _goals(tree: xr.DataTree, found: xr.Dataset) -> Iterator[tuple[str, Measure]]:
    """Goals by their text."""
    columns = (found[name].values for name in ("goal", "goal_unit", "goal_minimised", "goal_output"))
    for k, (text, unit, minimised, output) in enumerate(zip(*columns)):
        if (known := _answer_of(output, text)) is None or not varies(tree, known):
            yield str(text), _measure(str(text), str(unit), found["value"].values[:, k], larger=not minimised)


def _sides(found: xr.Dataset) -> Iterator[tuple[str, Measure]]:
    """What conditions compare with a constant, as written, each with its line."""
    names = ("condition", "condition_side", "condition_unit", "condition_output", "condition_bound", "condition_sign")
    for k, (text, side, unit, output, bound, sign) in enumerate(zip(*(found[name].values for name in names))):
        if not str(side) or _answer_of(output, side) is not None:
            continue
        zero = ZERO_CELSIUS if str(unit) == "K" and re.search("deg|°", str(text)) else 0.0
        values, line = bound + sign * found["missed"].values[:, k] - zero, (str(text), float(bound) - zero)
        yield str(side), _measure(str(side), "°C" if zero else str(unit), values, larger=sign < 0, lines=(line,))


def _measure(text: str, unit: str, values: Floats, *, larger: bool, lines: tuple[tuple[str, float], ...] = ()) -> Measure:
    digits = 2 if unit in ("K", "°C") else PREFIXED if unit else COUNTED
    return Measure(text, Answer(text, unit, (), lambda v: v, larger, digits), values.astype(float), lines)


def _differ(values: Floats) -> bool:
    finite = values[np.isfinite(values)]
    return finite.size > 1 and bool(np.ptp(finite) > 1e-9 * np.abs(finite).max())


def trade_offs(tree: xr.DataTree) -> Figure:
    """A panel for every two answers in which the cases differ."""
    cases, axes = Cases.of(tree), axes_of(tree)
    pairs = [(x, y) for y, x in itertools.combinations(axes, 2)]
    chips = "5 to 95 % of the chips that ran at orange points."
    caption = (
        "Orange: meets every condition, and no other such case is as good in one and better in the other. Blue: meets every"
        f" condition. Grey: misses one. Ring: the chosen design. Lines: conditions, and {chips}"
        if "optimise" in tree.children
        else f"Orange: no other case is as good in one and better in the other. Grey lines: {chips}"
    )
    panels = tuple(_panel(cases, (x, axes[x]), (y, axes[y])) for x, y in pairs)
    return Figure("trade_offs", "Any two answers", f"{caption} {_machines(tree)}".strip(), panels, choice=True)


def _panel(cases: Cases, across: tuple[str, Measure], up: tuple[str, Measure]) -> Panel:
    (x_name, x_measure), (y_name, y_measure) = across, up
    x, y, ax, ay = x_measure.values, y_measure.values, x_measure.answer, y_measure.answer
    known = np.isfinite(x) & np.isfinite(y)
    usable = known & cases.feasible
    near = known & _is_shown(x, known, usable) & _is_shown(y, known, usable)
    outside, known = int(known.sum() - near.sum()), near
    best = front(
        np.where(usable, x, np.nan), np.where(usable, y, np.nan), larger_x=ax.larger_is_better, larger_y=ay.larger_is_better
    )
    machines = list(_beside(cases.tree, x_name, y_name, x[known], y[known]))
    x_axis, x_factor = _axis(x_measure, np.append(x[known], [m[1] for m in machines]))
    y_axis, y_factor = _axis(y_measure, np.append(y[known], [m[2] for m in machines]))
    marks: list[Mark] = [*_lines(x_measure, "x", x_axis, x_factor), *_lines(y_measure, "y", y_axis, y_factor)]
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
    for name, at_x, at_y in machines:
        tip = f"a machine with {name.upper()}: {ax.label} {ax.full(at_x)}, {ay.label} {ay.full(at_y)}"
        marks.append(Dot(at_x / x_factor, at_y / y_factor, f"{name.upper()} machine", tip, "#000000"))
    title = f"{y_measure.label} over {x_measure.label}" + f" ({outside} case{'s' * (outside > 1)} outside)" * bool(outside)
    return Panel(title, x_axis, y_axis, tuple(marks))


def _label(name: str) -> str:
    return LABELS.get(name, ANSWERS[name].short_label)


def _is_shown(values: Floats, known: NDArray[np.bool_], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cases that lie near most others, or near those that meet every condition."""
    low, high = np.quantile(values[known], SHOWN) if known.any() else (0.0, 0.0)
    low, high = min(low, *values[usable], np.inf), max(high, *values[usable], -np.inf)
    room = 0.1 * (high - low)
    return np.asarray((values >= low - room) & (values <= high + room))


def _axis(measure: Measure, values: Floats) -> tuple[Axis, float]:
    """Axis in the unit that fits, and what values are divided by."""
    factor, unit = measure.answer.scaled(values)
    label = f"{measure.label} [{unit}]" if unit else measure.label
    return linear(label, float(values.min()) / factor, float(values.max()) / factor, unit=unit), factor


def _lines(measure: Measure, direction: str, axis: Axis, factor: float) -> Iterator[Mark]:
    """Conditions, where they lie on the axis."""
    for text, value in measure.lines:
        if axis.low <= value / factor <= axis.high:
            yield Rule(direction, value / factor, text)


def _conditions(tree: xr.DataTree, name: str) -> tuple[tuple[str, float], ...]:
    """Conditions on an answer, and where they stand."""
    found = tree.children["optimise"].to_dataset() if "optimise" in tree.children else {}
    if "condition_bound" not in found:
        return ()
    sides = found["condition_side"] if "condition_side" in found else found["condition_output"]
    columns = (part.values for part in (found["condition"], found["condition_output"], sides, found["condition_bound"]))
    return tuple((str(text), _shown(name, float(at))) for text, out, side, at in zip(*columns) if _answer_of(out, side) == name)


def _shown(name: str, value: float) -> float:
    """A value in SI as an answer has it."""
    if name in ("peak", "area"):
        return value - ZERO_CELSIUS if name == "peak" else 1e6 * value
    return 100 * value if ANSWERS[name].unit == "%" else value / YEAR if ANSWERS[name].unit == "years" else value


def _bands(tree: xr.DataTree, path: str, x: Floats, order: NDArray[np.int64]) -> Iterator[Mark]:
    """From 5 to 95 % of the chips at the end, at the designs of the front."""
    group, _, name = path.partition("/")
    array = tree.children[group].dataset.get(name) if group in tree.children else None
    if array is None or "time" not in array.dims or array.sizes["sample"] < 2:
        return
    last = 100 * array.isel(time=-1).transpose(*swept(tree), "sample").values.reshape(-1, array.sizes["sample"])
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
