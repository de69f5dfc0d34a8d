"""What would mend a chip: points of accuracy of every lever with what is chance, and what they cost."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stack3d.report import page
from stack3d.report.chart import COLOURS, GREY, DrawnBox, Figure, Line, Mark, Panel, categories, linear
from stack3d.unit_text import shared_prefix, short

if TYPE_CHECKING:
    import xarray as xr


NO_COST = 1e-6
"""Share of the dearest lever's energy below which one costs nothing that can be told."""


def has_trials(tree: xr.DataTree) -> bool:
    """Whether a study of levers has come to the end of some."""
    return "levers" in tree.children and bool((_found(tree)["rank"].values > 0).any())


def _found(tree: xr.DataTree) -> xr.Dataset:
    return tree.children["levers"].to_dataset()


def names(tree: xr.DataTree) -> list[str]:
    """Lever of each case, the first as it is."""
    return [str(name) for name in _found(tree)["lever"].values]


def _order(found: xr.Dataset) -> NDArray[np.int64]:
    """Cases of levers that ran, the first to pull first."""
    ranks = found["rank"].values
    return np.array(sorted(np.flatnonzero(ranks > 0), key=lambda i: ranks[i]), dtype=np.int64)


def levers(tree: xr.DataTree) -> Figure:
    """Bars of what each lever gains or loses, the first to pull on top."""
    found = _found(tree)
    order, said = _order(found), names(tree)
    gain, chance = (100 * found[name].values for name in ("gain", "chance"))
    marks: list[Mark] = []
    for row, i in enumerate(order):
        y, low, high = len(order) - 1.0 - row, float(gain[i] - chance[i]), float(gain[i] + chance[i])
        tip = f"{said[i]}: {gain[i]:+.2f} ± {chance[i]:.2f} points"
        colour = COLOURS[2] if found["is_lever"].values[i] else COLOURS[1] if high < 0 else GREY
        left, right = min(0.0, float(gain[i])), max(0.0, float(gain[i]))
        marks.append(DrawnBox(left, right, y - 0.3, y + 0.3, colour, tip))
        marks.append(Line("", np.array([low, high]), np.full(2, y), "#000000"))
    ends = [float((gain - chance)[order].min()), float((gain + chance)[order].max()), 0.0]
    x = linear("change of accuracy [points]", min(ends), max(ends), unit="points")
    brief = [said[i].partition(" (")[2].removesuffix(")") or said[i] for i in order]
    panel = Panel("", x, categories(brief), tuple(marks), height=max(0.3, 0.06 * len(order)))
    caption = (
        "Change of the accuracy at the end, before the next periodic act. Green: more than chance."
        " Orange: loses more than chance. Grey: within it. Black: interval over chips and test inputs that holds for all levers"
        " together, 95 %."
    )
    return Figure("levers", "What each lever gives", caption, (panel,))


def _has_price(found: xr.Dataset) -> NDArray[np.bool_]:
    """Levers that gain more than chance for more energy."""
    return np.asarray(np.isfinite(found["gain_per_energy"].values) & (found["is_lever"].values == 1))


def section(tree: xr.DataTree) -> str:
    """HTML of the sentences and the ranks."""
    found = _found(tree)
    lines = "".join(f"<li>{escape(page.typeset(line))}</li>" for line in str(found.attrs["verdict"]).splitlines())
    rows, dearest = [], float(np.nanmax(np.abs(found["cost"].values), initial=0.0))
    size, unit = shared_prefix(found["cost"].values[_has_price(found)], "J")
    for i in _order(found):
        cost, each = float(found["cost"].values[i]), 100 * float(found["gain_per_energy"].values[i])
        points = f"{100 * found['gain'].values[i]:+.2f} ± {100 * found['chance'].values[i]:.2f}"
        is_lever, is_loss = bool(found["is_lever"].values[i]), found["gain"].values[i] + found["chance"].values[i] < 0
        judged = "gains" if is_lever else "loses" if is_loss else "within chance"
        per = f"{size * each:.3g}" if _has_price(found)[i] else ""
        more = "" if not np.isfinite(cost) else "none" if abs(cost) < NO_COST * dearest else short(cost, "J")
        rows.append((names(tree)[i], points, more, per, judged))
    head = ("lever", "points", "more energy per inference", f"points per {unit}", "verdict")
    return page.fold("ranks", "What would mend it", f"<ul>{lines}</ul>{page.table(rows, head)}")
