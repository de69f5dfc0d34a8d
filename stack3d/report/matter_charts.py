"""Which choices of a search, and which axes of a sweep, matter for what it gives: shares of the variance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from stack3d.chances import total_shares
from stack3d.layout import Floats
from stack3d.report.chart import COLOURS, DrawnBox, Figure, Line, Mark, Panel, categories, linear
from stack3d.report.study_answers import ANSWERS, swept, values_of, varies

if TYPE_CHECKING:
    import xarray as xr

MOST_PANELS = 6
"""Goals, conditions and answers that are drawn."""


def _found(tree: xr.DataTree) -> xr.Dataset:
    return tree.children["optimise"].to_dataset()


def has_shares(tree: xr.DataTree) -> bool:
    """Whether a search can say something of what its choices matter."""
    return "optimise" in tree.children and "goal_share" in _found(tree) and bool(np.isfinite(_shares(tree)[1]).any())


def _shares(tree: xr.DataTree) -> tuple[list[str], Floats, Floats]:
    """Goals and conditions, the share of their variance by choice, shape (choice, both), and how good the model is."""
    found = _found(tree)
    texts = [str(v) for name in ("goal", "condition") for v in found[name].values]
    both = [np.concatenate([found[f"{n}_{k}"].values for n in ("goal", "condition")], axis=-1) for k in ("share", "explained")]
    return texts, both[0], both[1]


def _ends(tree: xr.DataTree) -> Floats:
    """Ends of the 90 % intervals of the shares, shape (end, choice, both)."""
    found = _found(tree)
    ends = ([found[f"{n}_share_{end}"].values for n in ("goal", "condition")] for end in ("low", "high"))
    return np.stack([np.concatenate(end, axis=-1) for end in ends])


def matters(tree: xr.DataTree) -> Figure:
    """Bars of the share of the variance over all designs that each choice takes part in, the largest on top."""
    texts, shares, explained = _shares(tree)
    ends = _ends(tree)
    names = [str(name) for name in _found(tree)["choice"].values]
    known = [k for k in range(len(texts)) if np.isfinite(shares[:, k]).all()][:MOST_PANELS]
    panels = tuple(
        _ranked(f"{texts[k]} ({100 * explained[k]:.0f} % explained)", names, 100 * shares[:, k], 100 * ends[..., k])
        for k in known
    )
    caption = (
        "Share of the variance of the order of all designs (their ranks) that a choice takes part in, by a model of those that"
        " ran. In brackets: what it explains of designs left out. Black: 90 % interval, wide where few designs ran."
    )
    return Figure("matters", "Which choices matter", caption, panels)


def _swept_shares(tree: xr.DataTree) -> Iterator[tuple[str, Floats]]:
    """Answers in which the cases of a sweep differ, and that each case has, with the share of every axis."""
    for name in (n for n in ANSWERS if n not in swept(tree) and varies(tree, n)):
        values = values_of(tree, name).values.astype(float)
        if np.isfinite(values).all():
            yield ANSWERS[name].heading, total_shares(values)


def has_axes(tree: xr.DataTree) -> bool:
    """Whether a sweep over several axes has answers in every case."""
    return len(swept(tree)) > 1 and any(True for _ in _swept_shares(tree))


def axes_matter(tree: xr.DataTree) -> Figure:
    """Bars of the share of the variance over all cases that each axis of a sweep takes part in."""
    names = [name.replace("_", " ") for name in swept(tree)]
    panels = tuple(_ranked(text, names, 100 * shares) for text, shares in list(_swept_shares(tree))[:MOST_PANELS])
    caption = "Share of the variance over all cases that an axis takes part in. Shares need not add up: axes act together."
    return Figure("matters", "Which axes matter", caption, panels)


def _ranked(title: str, names: list[str], shares: Floats, ends: Floats | None = None) -> Panel:
    """Bars, the largest on top; with intervals of shape (end, name) where shares have some."""
    order, marks = np.argsort(-shares, kind="stable"), list[Mark]()
    for row, i in enumerate(order):
        share, y = float(shares[i]), len(order) - 1.0 - row
        tip, reach = f"{names[i]}: {share:.1f} %", share
        if ends is not None:
            low, reach = (float(end) for end in ends[:, i])
            tip += f", {low:.0f} to {reach:.0f} % with a confidence of 90 %"
        marks.append(DrawnBox(0.0, share, y - 0.3, y + 0.3, COLOURS[4], tip, f"{share:.0f}", bar=True, reach=reach))
        if ends is not None:
            marks.append(Line("", ends[:, i], np.full(2, y), "#000000"))
    x = linear("share of the variance [%]", 0.0, 115.0, unit="%", margin=0.0)
    return Panel(title, x, categories([names[i] for i in order]), tuple(marks), height=max(0.25, 0.08 * len(order)))
