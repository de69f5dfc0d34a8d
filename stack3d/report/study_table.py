"""The cases of a study in a table: swept values, what each case came to with its error, and whether its limits are kept."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stack3d.layout import Floats
from stack3d.report import case_limits, study_errors
from stack3d.report.study_answers import ANSWERS, TIME, has, labels_of, swept, values_of, varies

if TYPE_CHECKING:
    import xarray as xr

ALWAYS = ("peak", "theta_ja", "theta_jc_top", "psi_jt", "psi_jb", "accuracy", "life")
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
    "yield": "good chips", "power": "power", "area": "floor of the tiles",
}  # fmt: skip
"""Short headings of answers."""
MOST_LETTERS = 400
"""Of a status and its message in the table of all cases; `stack3d.open_results` has all of it."""


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
    said = study_errors.meaning(n for n in _shown(tree) if _is_signed(tree, n))
    return [*lines, said] if said else lines


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
    texts = [text or "-" for text in _texts(tree, name, factor)]
    head = NAMES.get(name, answer.short_label)
    return head if answer.digits == TIME or not unit else f"{head} [{unit}]", texts


def _texts(tree: xr.DataTree, name: str, factor: float) -> list[str]:
    """An answer of each case with what stands behind ±, over the factor of its column; empty where a case has none."""
    answer, values = ANSWERS[name], values_of(tree, name).values.astype(float).ravel()
    cut = values_of(tree, name, cut=True).values.ravel() if answer.cut else np.zeros(values.size)
    errors = [f" ± {e:.2g}" * (not np.isnan(e)) for e in study_errors.beside(tree, name)]
    signs = study_errors.median_lives(tree) if name == "life" else errors
    return ["" if np.isnan(v) else f"{'≥ ' * bool(c)}{answer.brief(v, factor)}{sign}" for v, c, sign in zip(values, cut, signs)]


def _is_signed(tree: xr.DataTree, name: str) -> bool:
    """Whether something stands behind an answer of some case that says how sure it is."""
    return any(study_errors.median_lives(tree)) if name == "life" else bool(np.isfinite(study_errors.beside(tree, name)).any())


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, each as wide as its longest text."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]


def shared(tree: xr.DataTree) -> list[tuple[str, str]]:
    """Answers that are the same, to the digits shown, in every case that is done, of a study of several, as (label, text)."""
    found, done = [], tree.dataset["status"].transpose(*swept(tree)).values.ravel() == "done"
    for name in (n for n in ANSWERS if has(tree, n) and n not in swept(tree)):
        values = values_of(tree, name).values.astype(float).ravel()
        texts = {ANSWERS[name].full(v) for v in values if not np.isnan(v)}
        if len(texts) == 1 and values.size > 1 and not np.isnan(values[done]).any():
            errors = study_errors.beside(tree, name)
            known = errors[np.isfinite(errors)] if ANSWERS[name].error or name == "peak" else np.empty(0)
            found.append((ANSWERS[name].short_label, study_errors.with_sign(texts.pop(), known.max(initial=0.0) or np.nan)))
    return found


def _states(tree: xr.DataTree) -> list[str]:
    """What became of each case, with the beginning of its message."""
    said = [tree.dataset[n].transpose(*swept(tree)).values.ravel() for n in ("status", "message") if n in tree.dataset]
    return [textwrap.shorten(": ".join(filter(None, map(str, parts))), MOST_LETTERS, placeholder=" …") for parts in zip(*said)]


def _differing(tree: xr.DataTree) -> dict[str, Floats]:
    """Answers that differ between the cases, without those that no case has: name → values of all cases in a row."""
    alike = {label for label, _ in shared(tree)}
    names = [n for n in ANSWERS if n not in swept(tree) and has(tree, n) and ANSWERS[n].short_label not in alike]
    found = {n: values_of(tree, n).values.astype(float).ravel() for n in names}
    return {n: values for n, values in found.items() if not np.isnan(values).all()}


def table(tree: xr.DataTree) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: swept values, status and the answers in which the cases differ (`shared` has the others)."""
    dimensions, found = swept(tree), _differing(tree)
    rows = [list(labels) for labels in itertools.product(*(labels_of(tree, d) for d in dimensions))]
    heads = []
    for name, values in found.items():
        factor, unit = ANSWERS[name].scaled(values)
        heads.append(ANSWERS[name].titled("" if ANSWERS[name].digits == TIME else unit))
        _beside(rows, _texts(tree, name, factor))
    _beside(rows, _states(tree))
    return (*dimensions, *heads, "status"), [tuple(row) for row in rows]


def told_signs(tree: xr.DataTree) -> str:
    """What the sign ± says in the table of all cases, as a sentence; empty where it does not stand there."""
    said = study_errors.meaning(n for n in _differing(tree) if _is_signed(tree, n))
    return f"{said}." if said else ""
