"""One page of a fit: values with intervals, what the data tell, residuals, and laws compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stack3d import __version__
from stack3d.devices.fitting import Fit
from stack3d.report import page
from stack3d.report.chart import Figure, Line, Panel, Ribbon, Rule, decades, linear

BINS = 24
"""Groups of neighbouring points of a residual plot."""


def fit_page(fits: Sequence[Fit]) -> str:
    """HTML of the laws fitted, each mechanism's best first."""
    body = "".join(_section(fit, i) for i, fit in enumerate(fits))
    rows = [(f.mechanism, f.law, str(f.observations), str(len(f.best)), f"{f.criterion:.1f}") for f in fits]
    head = ("mechanism", "law", "rows", "parameters", "information criterion (less is better)")
    body += page.fold("laws", "Laws compared", page.table(rows, head))
    sources = "; ".join(dict.fromkeys(f"{f.source.path.name}, SHA-256 {f.source.digest}…" for f in fits))
    lead = f"<h1>Fit of {len(fits)} law{'s' if len(fits) > 1 else ''}</h1>"
    links = [(f"fit{i}", f"{f.mechanism}: {f.law}") for i, f in enumerate(fits)] + [("laws", "Laws compared")]
    return page.document("Fit", lead, body, f"<p>Made by stack3d {__version__} from {sources}.</p>", links)


def _section(fit: Fit, index: int) -> str:
    """Table, remarks and residuals of one law."""
    rows = []
    for f, value, told in zip((*fit.parameters.free, *fit.noise), fit.best, fit.told):
        low, high = fit.interval(f.key)
        rows.append((f.key, f.unit, f"{value:.5g}", f"{low:.5g} … {high:.5g}", f"{100 * (1 - told**2):.0f} %"))
    head = ("parameter", "unit", "most likely", "95 % interval", "of its variance assumed before, removed by the data")
    remarks = page.answer([("", remark) for remark in fit.remarks])
    held = ", ".join(f"{k} = {v}" for k, v in fit.parameters.held.items() if k != "table")
    figure = page.section(
        Figure("residuals", "Residuals", "Median and 5 to 95 % of the readings.", (_residuals(fit),)), f"residuals{index}"
    )
    text = f"<p>Held: {held}</p>" if held else ""
    return page.fold(f"fit{index}", f"{fit.mechanism}: {fit.law}", remarks + page.table(rows, head) + text) + figure


def _residuals(fit: Fit) -> Panel:
    """Residuals over time, temperature or level, in groups of neighbouring points."""
    x, residual, x_label, y_label = fit.points
    order = np.argsort(x, kind="stable")
    groups = np.array_split(order, min(BINS, np.unique(x).size))
    at = np.array([np.median(x[g]) for g in groups])
    low, middle, high = (np.array([np.quantile(residual[g], q) for g in groups]) for q in (0.05, 0.5, 0.95))
    wide = at[0] > 0 and at[-1] / at[0] > 50
    axis = decades(x_label, at[0], at[-1]) if wide else linear(x_label, float(at[0]), float(at[-1]))
    y = linear(y_label, float(min(low.min(), -1)), float(max(high.max(), 1)))
    marks = (
        Ribbon("5 to 95 %", at, low, high, "#9ecae1"),
        Line("median", at, middle, "#08519c", dots=True),
        Rule("y", 0.0, ""),
    )
    return Panel(f"{fit.law}: {y_label}", axis, y, marks)
