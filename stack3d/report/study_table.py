"""A study as a small table of text: swept values, what each case came to with its error, and whether its limits are kept."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stack3d.layout import Floats
from stack3d.report import case_limits
from stack3d.report.study_answers import ANSWERS, TIME, has, labels_of, last, swept, values_of, varies

if TYPE_CHECKING:
    import xarray as xr

ALWAYS = ("peak", "accuracy", "life")
"""Answers that have a column in every study that has them."""
ALSO = ("error", "energy", "latency", "pumping", "cost", "area", "yield", "power", "tiers")
"""Those that have one where the cases differ in them."""
MOST_COLUMNS = 6
"""Of answers."""
MOST_ROWS = 40
"""Cases that are shown."""
NAMES = {
    "peak": "peak", "accuracy": "accuracy at the end", "life": "lasts", "error": "error of logits",
    "energy": "energy per inference", "latency": "latency", "pumping": "pumping",
    "yield": "good chips", "power": "power", "area": "floor",
}  # fmt: skip
"""Short headings of answers."""
NOTES = {"peak": "of a peak: its stated error", "accuracy": "of an accuracy: its deviation over the chips"}
"""What stands behind the sign ±."""


def study_lines(tree: xr.DataTree) -> list[str]:
    """Lines of the table of a study, as ``stack3d.open_results`` reads it, the head first; none for the result of one case."""
    dimensions = swept(tree)
    if not dimensions:
        return []
    heads, rows = list(dimensions), [list(row) for row in itertools.product(*(labels_of(tree, d) for d in dimensions))]
    for name in _shown(tree):
        head, texts = _column(tree, name)
        heads.append(head)
        _beside(rows, texts)
    states = [str(s) for s in tree.dataset["status"].transpose(*dimensions).values.ravel()]
    if notes := case_limits.notes(tree):
        heads.append(case_limits.HEAD)
        _beside(rows, notes)
    if set(states) != {"done"}:
        heads.append("status")
        _beside(rows, states)
    lines = _aligned([heads, *rows[:MOST_ROWS]])
    if len(rows) > MOST_ROWS:
        lines.append(f"… and {len(rows) - MOST_ROWS} cases more: `stack3d report` has all")
    beside = [NOTES[name] for name in NOTES if any(NAMES[name] in head for head in heads)]
    return [*lines, f"± {', '.join(beside)}"] if any("±" in line for line in lines) else lines


def _beside(rows: list[list[str]], texts: Sequence[str]) -> None:
    """Add a column to rows."""
    for row, text in zip(rows, texts):
        row.append(text)


def _shown(tree: xr.DataTree) -> list[str]:
    """Answers that get a column."""
    names = [n for n in ALWAYS if has(tree, n) and not np.isnan(values_of(tree, n).values.astype(float)).all()]
    names += [n for n in ALSO if n not in swept(tree) and varies(tree, n) and (n != "error" or "accuracy" not in names)]
    return names[:MOST_COLUMNS]


def _column(tree: xr.DataTree, name: str) -> tuple[str, list[str]]:
    """Heading with unit, and the text of each case."""
    answer, values = ANSWERS[name], values_of(tree, name).values.astype(float).ravel()
    factor, unit = answer.scaled(values)
    doubts = {"peak": peak_errors, "accuracy": _spreads}.get(name)
    beside = np.full(values.size, np.nan) if doubts is None else doubts(tree)
    cut = values_of(tree, name, cut=True).values.ravel() if answer.cut else np.zeros(values.size)
    texts = [
        "-" if np.isnan(v) else f"{'≥ ' * bool(c)}{answer.brief(v, factor)}{'' if np.isnan(e) else f' ± {e:.2g}'}"
        for v, c, e in zip(values, cut, beside)
    ]
    head = NAMES.get(name, answer.short_label)
    return head if answer.digits == TIME or not unit else f"{head} [{unit}]", texts


def peak_errors(tree: xr.DataTree) -> Floats:
    """Stated error of the hottest temperature of each case; NaN where none is stated. [K]"""
    size = int(tree.dataset["status"].size)
    best, errors = np.full(size, -np.inf), np.full(size, np.nan)
    for path in (ANSWERS["peak"].needs[0], *ANSWERS["peak"].more):
        group, name = path.split("/")
        found = tree.children[group].dataset if group in tree.children else {}
        if name not in found or f"{name}_error" not in found:
            continue
        values, error = (
            found[n].broadcast_like(found[name]).transpose(*swept(tree), ...).values.reshape(size, -1)
            for n in (name, f"{name}_error")
        )
        at = np.nanargmax(np.where(np.isnan(values), -np.inf, values), axis=1)
        peak, beside = values[np.arange(size), at], error[np.arange(size), at]
        best, errors = np.where(peak > best, peak, best), np.where(peak > best, beside, errors)
    return errors


def told_errors(tree: xr.DataTree) -> str:
    """What the stated errors of the peaks of a study are, as a sentence; empty where it has none."""
    errors = peak_errors(tree) if has(tree, "peak") and "answer_peak" not in tree.dataset else np.empty(0)
    known = errors[np.isfinite(errors)]
    if not known.size:
        return ""
    low, high = (f"{value:.2g}" for value in (known.min(), known.max()))
    return f"Stated error of the peak temperature: {low if low == high else f'{low} to {high}'} K."


def _spreads(tree: xr.DataTree) -> Floats:
    """Standard deviation over the chips of each case of the accuracy at the end. [points]"""
    names = [p for p in (*ANSWERS["accuracy"].more, *ANSWERS["accuracy"].needs) if p.split("/")[1] in tree["mvm"].dataset]
    group, name = names[0].split("/")
    spread = 100 * last(tree.children[group].dataset[name]).std("sample", ddof=1)
    return np.asarray(spread.transpose(*swept(tree)).values, float).ravel()


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, each as wide as its longest text."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
