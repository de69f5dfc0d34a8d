"""What a study of unknowns has found: which unknown makes how much of the variance, and the bands of the outputs."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from stack3d.chances import range_held
from stack3d.layout import Floats
from stack3d.report import page
from stack3d.report.chart import COLOURS, DrawnBox, Figure, Line, Mark, Panel, categories, linear
from stack3d.report.study_answers import ANSWERS, values_of, varies
from stack3d.unit_text import value_told
from stack3d.variables import WIDEST_SHARE

if TYPE_CHECKING:
    import xarray as xr

PALE = "#e5e7eb"
"""Of a share whose interval is too wide to say anything."""
MOST_PANELS = 6
"""Outputs that are drawn."""
INDEPENDENT = (
    "Share of the variance that an unknown takes part in (wide) and makes by itself (narrow). Black: 95 % interval of the"
    " first, within 0 to 100 %; pale, with a question mark, where it says nothing. Shares need not add up: unknowns act"
    " together."
)
CORRELATED = (
    "Fair share of the variance of each unknown (Shapley), where unknowns are correlated. Black: its 95 % interval; pale, with"
    " a question mark, where it says nothing. Shares add up to 100 %."
)


def has_ranks(tree: xr.DataTree) -> bool:
    """Whether a study of unknowns has come to indices of some output."""
    return "uncertain" in tree.children and "total" in _found(tree) and bool(np.isfinite(_share(_found(tree))).any())


def _is_correlated(found: xr.Dataset) -> bool:
    return "shapley" in found and bool(np.isfinite(found["shapley"].values).any())


def _share(found: xr.Dataset) -> Floats:
    """Of the variance, shape (part, output). [-]"""
    return np.asarray(found["shapley" if _is_correlated(found) else "total"].values)


def _found(tree: xr.DataTree) -> xr.Dataset:
    return tree.children["uncertain"].to_dataset()


def unknowns(tree: xr.DataTree) -> Figure:
    """Bars of the share of the variance that each unknown takes part in, the largest on top, a panel per output."""
    found = _found(tree)
    known = [k for k in range(found.sizes["output"]) if np.isfinite(_share(found)[:, k]).any()]
    return Figure(
        "unknowns",
        "What matters most",
        CORRELATED if _is_correlated(found) else INDEPENDENT,
        tuple(_ranked(found, k) for k in known[:MOST_PANELS]),
    )


def _ranked(found: xr.Dataset, k: int) -> Panel:
    names = ("shapley", "shapley_error", "first") if _is_correlated(found) else ("total", "total_error", "first")
    total, error, first = (100 * found[name].values[:, k] for name in names)
    order = np.argsort(-total, kind="stable")
    labels = [".".join(str(found["part"].values[i]).removesuffix(".value").split(".")[-3:]) for i in order]
    low, high = np.clip(total - error, 0.0, 100.0), np.clip(total + error, 0.0, 100.0)
    right = max(float(np.nanmax(high)), 1.0)
    marks: list[Mark] = []
    for row, i in enumerate(order):
        y, reach = len(order) - 1.0 - row, float(high[i])
        alone = f", by itself {first[i]:.1f} %" if np.isfinite(first[i]) else ""
        is_told = high[i] - low[i] <= 200 * WIDEST_SHARE and low[i] < 100.0
        tip = f"{labels[row]}: {total[i]:.1f} ± {error[i]:.1f} %{alone}" if is_told else f"{labels[row]}: not told apart"
        share = float(np.clip(total[i], 0.0, 100.0))
        text, colour = (f"{share:.0f}", COLOURS[4]) if is_told else ("?", PALE)
        marks.append(DrawnBox(0.0, share, y - 0.3, y + 0.3, colour, tip, text, bar=True, reach=reach))
        if alone and is_told:
            marks.append(DrawnBox(0.0, float(np.clip(first[i], 0.0, 100.0)), y - 0.12, y + 0.12, COLOURS[0], tip))
        marks.append(Line("", np.array([float(low[i]), reach]), np.full(2, y), "#000000"))
    x = linear("share of the variance [%]", 0.0, 1.15 * right, unit="%", margin=0.0)
    return Panel(str(found["output"].values[k]), x, categories(labels), tuple(marks), height=max(0.3, 0.08 * len(order)))


def section(tree: xr.DataTree) -> str:
    """HTML of the sentences and the bands."""
    found = _found(tree)
    lines = "".join(f"<li>{escape(page.typeset(line))}</li>" for line in str(found.attrs["verdict"]).splitlines())
    columns = (found[name].values for name in ("output", "output_unit", "drawn", "held"))
    rows, cut = [], np.where(found["is_at_least"] == 1, found["value"], np.inf) if "is_at_least" in found else np.inf
    least = np.broadcast_to(np.min(cut, axis=0), found.sizes["output"])
    for text, unit, drawn, held, band, beyond in zip(*columns, found["band"].values.T, least):
        ends = (f"{'at least ' * bool(v >= beyond)}{value_told(float(v), str(unit), str(text))}" for v in band)
        rows.append((str(text), *ends, f"{drawn:.0f}", f"{100 * held:.0f} %"))
    rows += _others(tree)
    head = ("output", "from", "median", "to", "draws", "of what the unknowns allow, at least (95 % sure)")
    return page.fold("bands", "How sure it is", f"<ul>{lines}</ul>{page.table(rows, head)}")


def _others(tree: xr.DataTree) -> list[tuple[str, ...]]:
    """Bands of all answers of the cases that the unknowns change, asked for or not."""
    found, rows = _found(tree), []
    if "independent" not in found:
        return []
    for name in (n for n in ANSWERS if varies(tree, n)):
        values = values_of(tree, name).values.astype(float)[found["independent"].values == 1]
        known, answer = values[np.isfinite(values)], ANSWERS[name]
        if known.size:
            low, high, held = range_held(known)
            ends = (answer.full(float(v)) for v in (low, np.median(known), high))
            rows.append((answer.label, *ends, f"{known.size}", f"{100 * held:.0f} %"))
    return rows
