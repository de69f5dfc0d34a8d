"""Figures of a study: the answers over the swept axes, and what cannot be bettered in one without losing in another."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d.case.summary import duration
from stack3d.constants import YEAR, ZERO_CELSIUS
from stack3d.errors import ResultsError, unknown_name
from stack3d.layout import Floats
from stack3d.report.chart import (
    COLOURS,
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
from stack3d.report.facts import Facts

if TYPE_CHECKING:
    import xarray as xr

MISSING = "#e5e7eb"


@dataclass(frozen=True)
class Answer:
    """A number per case.

    Parameters
    ----------
    label, unit : str
    needs : tuple of str
        Output variables it is made of.
    reduce : callable
        From the variables, swept dimensions in front, to an array over the swept dimensions.
    larger_is_better : bool
    digits : int
        Decimals that are printed; -1 for a time in the unit that a person would choose.
    more : tuple of str
        Variables that follow the needed ones where the study has them.
    """

    label: str
    unit: str
    needs: tuple[str, ...]
    reduce: Callable[..., xr.DataArray]
    larger_is_better: bool
    digits: int
    more: tuple[str, ...] = ()
    unlike: str = ""
    """Answer that this one is left out beside where both are the same in every case."""

    @property
    def title(self) -> str:
        """Label with unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    @property
    def heading(self) -> str:
        """Label as a heading."""
        return self.label[:1].upper() + self.label[1:]

    def brief(self, value: float) -> str:
        """The value as short as it can be said; times carry their unit."""
        if self.digits >= 0:
            return f"{value:.{self.digits}f}"
        seconds = value * YEAR
        sizes = (("y", YEAR), ("d", 86400.0), ("h", 3600.0), ("s", 0.0))
        name, size = next((n, v) for n, v in sizes if seconds >= 0.999 * v)
        count = seconds / (size or 1.0)
        return f"{count:.0f} {name}" if count >= 9.95 or abs(count - round(count)) < 0.05 else f"{count:.1f} {name}"

    def full(self, value: float) -> str:
        """The value with its unit."""
        return f"{self.brief(value)} {self.unit}".rstrip() if self.digits >= 0 else duration(value * YEAR)


def _last(array: xr.DataArray) -> xr.DataArray:
    """The last value along time that each case has; the only one where there is no time."""
    import xarray as xr

    if "time" not in array.dims:
        return array
    place = xr.DataArray(np.arange(array.sizes["time"]), dims="time")
    return array.isel(time=(array.notnull() * place).max("time"))


def _accuracy(*readings: xr.DataArray) -> xr.DataArray:
    """Mean over chips at the end: over the period of periodic writes where that is known. [%]"""
    return 100 * _last(readings[-1]).mean("sample")


def _life(loss: xr.DataArray, accuracy: xr.DataArray) -> xr.DataArray:
    """Median over the chips, the end of the run for chips that last longer; NaN where a case has no accuracy."""
    known = accuracy.notnull().any("sample")
    end = accuracy["time"].where(known).max("time")
    return (loss.fillna(end).median("sample") / YEAR).where(known.any("time"))


def _tiers(temperature: xr.DataArray) -> xr.DataArray:
    """How many tiers a case has; NaN where it has no temperature."""
    known = temperature.notnull()
    present = known.any("time") if "time" in known.dims else known
    return present.sum("tier").where(present.any("tier"))


def _peak(*temperatures: xr.DataArray) -> xr.DataArray:
    """Hottest place at the hottest time of what is known. [°C]"""
    import xarray as xr

    peaks = [t.max([d for d in t.dims if d in ("layer", "time")]) for t in temperatures]
    return xr.concat(peaks, "known").max("known") - ZERO_CELSIUS


def _sram(array: xr.DataArray) -> xr.DataArray:
    """Of the conventional machine whose weights lie in SRAM."""
    return array.sel(machine="sram", drop=True)


ANSWERS: Mapping[str, Answer] = {
    "accuracy": Answer("accuracy at the end", "%", ("mvm/accuracy",), _accuracy, True, 1, ("mvm/accuracy_mean",)),
    "worst": Answer(
        "accuracy at the end before the next write", "%", ("mvm/accuracy_worst",), _accuracy, True, 1, unlike="accuracy"
    ),
    "life": Answer("median time to the stated loss", "years", ("mvm/time_to_accuracy_loss", "mvm/accuracy"), _life, True, -1),
    "error": Answer(
        "error of the logits", "% of their rms", ("mvm/logit_error",), lambda e: 100 * _last(e).mean("sample"), False, 1
    ),
    "peak": Answer(
        "peak temperature",
        "°C",
        ("thermal/layer_temperature_max",),
        _peak,
        False,
        1,
        ("thermal/layer_temperature_high", "thermal/layer_temperature_peak"),
    ),
    "tiers": Answer("tiers", "", ("thermal/temperature_mean",), _tiers, True, 0),
    "energy": Answer(
        "energy per inference",
        "nJ",
        ("power/energy_per_inference",),
        lambda e: 1e9 * _last(e).sum("component", min_count=1),
        False,
        3,
    ),
    "conventional": Answer(
        "energy of a conventional machine with SRAM",
        "nJ",
        ("power/conventional_energy",),
        lambda e: 1e9 * _sram(e),
        False,
        3,
    ),
    "even": Answer(
        "rate above which a machine with SRAM draws more (negative: below it)",
        "1/s",
        ("power/break_even_rate",),
        lambda r: _sram(_last(r)),
        False,
        0,
    ),
    "latency": Answer("latency of an inference", "us", ("power/latency",), lambda t: 1e6 * t, False, 3),
    "conventional_latency": Answer(
        "latency of a machine with SRAM", "us", ("power/conventional_latency",), lambda t: 1e6 * _sram(t), False, 3
    ),
    "conventional_leakage": Answer(
        "leakage of a machine with SRAM", "mW", ("power/conventional_leakage",), lambda p: 1e3 * _sram(p), False, 2
    ),
    "conventional_memory": Answer(
        "memory of a machine with SRAM", "kB", ("power/conventional_memory",), lambda b: 1e-3 * b, False, 2
    ),
    "conventional_technology": Answer(
        "technology of a machine with SRAM", "nm", ("power/conventional_technology",), lambda m: 1e9 * m, False, 0
    ),
    "hold": Answer(
        "refresh interval that holds the accuracy", "days", ("reliability/hold_interval",), lambda t: t / 86400.0, True, 1
    ),
    "writes": Answer("write pulses per cell", "", ("reliability/writes",), _last, False, 0),
    "power": Answer("total power", "W", ("thermal/heat_in",), _last, False, 3),
}


def swept(tree: xr.DataTree) -> list[str]:
    """Dimensions of a study; empty for the result of one case."""
    status = tree.dataset.get("status")
    return [] if status is None else [str(d) for d in status.dims]


def has(tree: xr.DataTree, name: str) -> bool:
    """Whether the study holds the variables of an answer."""
    if f"answer_{name}" in tree.dataset:
        return True
    other = ANSWERS[name].unlike
    is_there = Facts(tree).has(*ANSWERS[name].needs)
    return is_there and not (other and np.array_equal(values_of(tree, other), _reduced(tree, name), equal_nan=True))


def values_of(tree: xr.DataTree, name: str) -> xr.DataArray:
    """An answer over the swept dimensions, NaN for cases without it; raises UnknownNameError, ResultsError."""
    if name not in ANSWERS:
        raise unknown_name("answer of a study", name, ANSWERS)
    if not has(tree, name):
        raise ResultsError(f"the study {tree.attrs.get('scenario')} has no {' and no '.join(ANSWERS[name].needs)}")
    return _reduced(tree, name)


def _reduced(tree: xr.DataTree, name: str) -> xr.DataArray:
    """An answer that the study holds, over the swept dimensions."""
    stored: xr.DataArray | None = tree.dataset.get(f"answer_{name}")
    answer = ANSWERS[name]
    used = (*answer.needs, *(p for p in answer.more if Facts(tree).has(p)))
    array = stored if stored is not None else answer.reduce(*(tree[p] for p in used))
    return array.transpose(*swept(tree))


def beside(trees: Sequence[xr.DataTree]) -> xr.DataTree:
    """A study along ``case`` of results that were run one by one; raises ResultsError when one is a study itself."""
    import xarray as xr

    if any(swept(tree) for tree in trees):
        raise ResultsError("studies are reported one at a time; several results on one page are single cases")
    names = [Facts(tree).name for tree in trees]
    labels = [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]
    root = xr.Dataset({"status": ("case", np.full(len(trees), "done"))}, coords={"case": labels})
    for name in ANSWERS:
        values = [float(values_of(tree, name)) if has(tree, name) else np.nan for tree in trees]
        if np.isfinite(values).any():
            root[f"answer_{name}"] = ("case", np.array(values))
    history = "\n".join(str(tree.attrs.get("history", "")) for tree in trees)
    root.attrs = {"title": "Cases side by side", "scenario": ", ".join(names), "history": history}
    root.attrs |= {key: trees[0].attrs[key] for key in ("versions",) if key in trees[0].attrs}
    return xr.DataTree(root)


def _labels(tree: xr.DataTree, dimension: str) -> list[str]:
    return [str(v) for v in tree.dataset[dimension].values]


def _fill(value: float, scale: ColourScale) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if not np.isfinite(value):
        return MISSING
    return str(to_hex(colormaps[scale.name]((value - scale.low) / (scale.high - scale.low))))


def answer_map(tree: xr.DataTree, name: str) -> Figure:
    """An answer over two swept axes, one panel per combination of the others; over one axis as bars."""
    array, dimensions = values_of(tree, name), swept(tree)
    answer = ANSWERS[name]
    title = answer.title
    if len(dimensions) == 1:
        return Figure(f"map_{name}", answer.heading, "", (_bars(tree, dimensions[0], array.values, answer, title),))
    # the two longest axes span the map; the one with the longer names stands on the left
    longest = sorted(dimensions, key=lambda d: -array.sizes[d])[:2]
    first, second = sorted(longest, key=lambda d: -max(len(v) for v in _labels(tree, d)))
    others = [d for d in dimensions if d not in (first, second)]
    scale = colour_scale(title, np.asarray(array.values, dtype=float), "cividis", whole=answer.digits == 0)
    panels = []
    for chosen in itertools.product(*(range(array.sizes[d]) for d in others)):
        part = array.isel(dict(zip(others, chosen))).transpose(first, second)
        status = tree.dataset["status"].isel(dict(zip(others, chosen))).transpose(first, second)
        where = ", ".join(f"{d} {_labels(tree, d)[i]}" for d, i in zip(others, chosen))
        panels.append(
            _grid(tree, ", ".join(v for v in (title, where) if v), first, second, part.values, status.values, scale, answer)
        )
    caption = "One box per case. Grey: no value."
    return Figure(f"map_{name}", answer.heading, caption, tuple(panels))


def _grid(
    tree: xr.DataTree, title: str, first: str, second: str, values: Floats, status: Any, scale: ColourScale, answer: Answer
) -> Panel:
    rows, across = _labels(tree, first), _labels(tree, second)
    boxes: list[Mark] = []
    for (j, row), (i, column) in itertools.product(enumerate(rows), enumerate(across)):
        value = float(values[j, i])
        text, full = (answer.brief(value), answer.full(value)) if np.isfinite(value) else (str(status[j, i]),) * 2
        tip = f"{first} {row}, {second} {column}: {answer.label} {full}"
        y = len(rows) - 1 - j
        boxes.append(DrawnBox(i - 0.48, i + 0.48, y - 0.48, y + 0.48, _fill(value, scale), tip, text))
    height = min(1.2, max(0.3, 0.12 * len(rows)))
    return Panel(
        title,
        columns(across, second.replace("_", " ")),
        categories(rows, first.replace("_", " ")),
        tuple(boxes),
        height=height,
        colours=scale,
    )


def _bars(tree: xr.DataTree, dimension: str, values: Floats, answer: Answer, title: str) -> Panel:
    names = _labels(tree, dimension)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ResultsError(f"no case of the study has a value for {answer.label}")
    x = linear(title, float(finite.min()), float(finite.max()), unit=answer.unit, margin=0.2, whole=answer.digits == 0)
    rows = len(names) - 1 - np.arange(len(names))
    marks: list[Mark] = [
        Dot(float(v), float(y), "", f"{dimension} {n}: {answer.full(v)}", COLOURS[0])
        for v, y, n in zip(values, rows, names)
        if np.isfinite(v)
    ]
    return Panel(f"by {dimension.replace('_', ' ')}", x, categories(names), tuple(marks), height=max(0.3, 0.07 * len(names)))


def varies(tree: xr.DataTree, name: str) -> bool:
    """Whether the cases of a study differ in an answer by more than one per cent."""
    values = values_of(tree, name).values.astype(float) if has(tree, name) else np.empty(0)
    finite = values[np.isfinite(values)]
    return finite.size > 1 and bool(np.ptp(finite) > 0.01 * abs(finite).max())


def pareto_pair(tree: xr.DataTree) -> tuple[str, str] | None:
    """Two answers that differ between cases and that pull apart; None when there are none."""
    goals = [n for n in ("accuracy", "peak") if varies(tree, n)]
    costs = [n for n in ("tiers", "writes", "energy", "power", "peak") if varies(tree, n)]
    return next(((cost, goal) for goal in goals for cost in costs if cost != goal), None)


def front(x: Floats, y: Floats, *, larger_x: bool, larger_y: bool) -> Any:
    """Which points no other one betters: as good in both and better in one. Shape and order of `x`; NaN never is.

    Parameters
    ----------
    x, y : ndarray
        Of one shape.
    larger_x, larger_y : bool
        Whether more is better.
    """
    a, b = (x if larger_x else -x), (y if larger_y else -y)
    better = (a[None] >= a[:, None]) & (b[None] >= b[:, None]) & ((a[None] > a[:, None]) | (b[None] > b[:, None]))
    return ~better.any(axis=1) & np.isfinite(x) & np.isfinite(y)


def pareto(tree: xr.DataTree, x_name: str, y_name: str) -> Figure:
    """All cases over two answers, with the front of those that none betters in both."""
    x, y = (values_of(tree, n).values.astype(float).ravel() for n in (x_name, y_name))
    ax, ay = ANSWERS[x_name], ANSWERS[y_name]
    best = front(x, y, larger_x=ax.larger_is_better, larger_y=ay.larger_is_better)
    names = [", ".join(parts) for parts in itertools.product(*(_labels_with_name(tree, d) for d in swept(tree)))]
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        raise ResultsError(f"no case of the study has both {ax.label} and {ay.label}")
    marks: list[Mark] = []
    order = np.flatnonzero(best)[np.argsort(x[best], kind="stable")]
    if order.size > 1:
        marks.append(Line("front", x[order], y[order], COLOURS[1]))
    for i in np.flatnonzero(finite):
        tip = f"{names[i]}: {ax.label} {ax.full(x[i])}, {ay.label} {ay.full(y[i])}"
        marks.append(Dot(float(x[i]), float(y[i]), "", tip, COLOURS[1 if best[i] else 0]))
    axes = [
        linear(a.title, float(v[finite].min()), float(v[finite].max()), unit=a.unit, whole=a.digits == 0)
        for a, v in ((ax, x), (ay, y))
    ]
    directions = ", ".join(f"{'more' if a.larger_is_better else 'less'} {a.label}" for a in (ax, ay))
    caption = f"Orange: no other case is as good in one and better in the other ({directions} is better)."
    return Figure("pareto", "What cannot be had together", caption, (Panel("", axes[0], axes[1], tuple(marks)),))


def _labels_with_name(tree: xr.DataTree, dimension: str) -> list[str]:
    return [f"{dimension} {label}" for label in _labels(tree, dimension)]


def extremes(tree: xr.DataTree) -> list[tuple[str, str]]:
    """For every answer that differs between cases: which case has the best, and which the worst."""
    names = [", ".join(parts) for parts in itertools.product(*(_labels_with_name(tree, d) for d in swept(tree)))]
    lines = []
    for name in (n for n in ("accuracy", "life", "error", "peak", "energy") if varies(tree, n)):
        answer, values = ANSWERS[name], values_of(tree, name).values.astype(float).ravel()
        high, low = int(np.nanargmax(values)), int(np.nanargmin(values))
        best, worst = (high, low) if answer.larger_is_better else (low, high)
        said = [f"{answer.full(values[i])} ({names[i]})" for i in (best, worst)]
        lines.append((answer.label, f"from {said[0]} to {said[1]}"))
    return lines


def shared(tree: xr.DataTree) -> list[tuple[str, str]]:
    """Answers that are the same in every case of a study of several, as (label, text)."""
    found = []
    for name in (n for n in ANSWERS if has(tree, n) and n not in swept(tree)):
        values = values_of(tree, name).values.astype(float).ravel()
        texts = {ANSWERS[name].full(v) for v in values if np.isfinite(v)}
        if len(texts) == 1 and values.size > 1:
            found.append((ANSWERS[name].label, texts.pop()))
    return found


def table(tree: xr.DataTree) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: swept values, status and the answers in which the cases differ (`shared` has the others)."""
    dimensions, alike = swept(tree), {label for label, _ in shared(tree)}
    names = [n for n in ANSWERS if has(tree, n) and n not in dimensions and ANSWERS[n].label not in alike]
    columns_ = [values_of(tree, n).values.ravel() for n in names]
    status = tree.dataset["status"].values.ravel()
    message = tree.dataset["message"].values.ravel() if "message" in tree.dataset else np.full(status.shape, "")
    rows = []
    for i, labels in enumerate(itertools.product(*(_labels(tree, d) for d in dimensions))):
        found = (ANSWERS[n].brief(c[i]) if np.isfinite(c[i]) else "" for n, c in zip(names, columns_))
        rows.append((*labels, *found, f"{status[i]} {message[i]}".strip()))
    heads = (ANSWERS[n].title if ANSWERS[n].digits >= 0 else ANSWERS[n].label for n in names)
    return (*dimensions, *heads, "status"), rows
