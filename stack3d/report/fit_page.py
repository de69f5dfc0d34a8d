"""One page of a fit: values with intervals, what the data tell, residuals, and laws compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stack3d import __version__
from stack3d.constants import ZERO_CELSIUS
from stack3d.devices.fitting import Fit, FittedSeries, chosen
from stack3d.layout import Floats
from stack3d.report import page
from stack3d.report.chart import Axis, Figure, Line, Panel, Ribbon, Rule, decades, linear

BINS = 24
"""Groups of neighbouring points of a residual plot."""
MOST_SHOWN = 6
"""Temperatures of which readings and law are drawn."""


def fit_page(fits: Sequence[Fit], others: str = "") -> str:
    """HTML of the laws fitted, each mechanism's best first, and what is told of the `others` of the deck."""
    body = "".join(_section(fit, i) for i, fit in enumerate(fits))
    best = chosen(fits)
    rows = [(f.mechanism, f.law, str(f.observations), str(len(f.best)), f"{f.criterion:.1f}", *_verdict(f, best)) for f in fits]
    head = (
        "mechanism", "law", "rows", "parameters", "information criterion (AIC; less is better)", "follows the data",
        "in the deck",
    )  # fmt: skip
    body += page.fold("laws", "Laws compared", page.table(rows, head))
    sources = "; ".join(dict.fromkeys(f"{f.source.path.name}, SHA-256 {f.source.digest}…" for f in fits))
    lead = f"<h1>Fit of {len(fits)} law{'s' if len(fits) > 1 else ''}</h1>"
    lead += page.answer([("", f"In the deck {others}")]) if others else ""
    links = [(f"fit{i}", f"{f.mechanism}: {f.law}") for i, f in enumerate(fits)] + [("laws", "Laws compared")]
    return page.document("Fit", lead, body, f"<p>Made by stack3d {__version__} from {sources}.</p>", links)


def _verdict(fit: Fit, best: Sequence[Fit]) -> tuple[str, str]:
    """Whether a law follows its data, and whether the deck has it."""
    follows = "cannot be told" if fit.quality is None else "yes" if fit.quality.follows else "no"
    return follows, "yes" if fit in best else "no"


def _section(fit: Fit, index: int) -> str:
    """Table, remarks and residuals of one law."""
    rows = []
    for f, value, told in zip((*fit.parameters.free, *fit.noise), fit.best, fit.told):
        low, high = fit.interval(f.key)
        rows.append((f.key, f.unit, f"{value:.5g}", f"{low:.5g} … {high:.5g}", f"{100 * (1 - told**2):.0f} %"))
    head = ("parameter", "unit", "most likely", "95 % interval", "of its variance assumed before, removed by the data")
    remarks = page.answer([("", remark) for remark in fit.remarks])
    why = fit.parameters.reasons
    held = ", ".join(f"{k} = {v}" for k, v in fit.parameters.held.items() if not k.startswith("table") and k not in why)
    figure = page.section(
        Figure("residuals", "Residuals", "Median and 5 to 95 % of the readings.", (_residuals(fit),)), f"residuals{index}"
    )
    text = f"<p>Also held: {held}</p>" if held else ""
    lines = ""
    if shown := _chosen(fit.series):
        caption = "Conductance over that of the write: median and 5 to 95 % of the readings, and the law, at each temperature."
        lines = page.section(Figure("fit_lines", "Readings and law", caption, tuple(map(_line, shown))), f"lines{index}")
        caption = "Residuals at each temperature: a law that fits one and not another leans to one side here."
        apart = tuple(_grouped(s.time, s.residual, "time [s]", f"{_celsius(s)}: residual / read noise") for s in shown)
        figure += page.section(Figure("residuals_apart", "Residuals by temperature", caption, apart), f"apart{index}")
    body = remarks + page.table(rows, head) + text
    return page.fold(f"fit{index}", f"{fit.mechanism}: {fit.law}", body) + lines + figure


def _chosen(series: Sequence[FittedSeries]) -> list[FittedSeries]:
    """At most `MOST_SHOWN`, evenly over the temperatures."""
    at = np.unique(np.linspace(0, len(series) - 1, min(len(series), MOST_SHOWN)).round().astype(int)) if series else ()
    return [series[i] for i in at]


def _celsius(series: FittedSeries) -> str:
    return f"{series.temperature - ZERO_CELSIUS:.4g} °C"


def _line(series: FittedSeries) -> Panel:
    """Readings and law over time at one temperature."""
    at, low, middle, high = _quantiles(series.time, series.measured)
    when, _, law, _ = _quantiles(series.time, series.fitted)
    ends = np.concatenate([low, high, law])
    y = linear("conductance / written", float(min(ends.min(), 0.9)), float(max(ends.max(), 1.0)))
    marks = (
        Ribbon("readings, 5 to 95 %", at, low, high, "#9ecae1"),
        Line("readings, median", at, middle, "#08519c", dots=True),
        Line("law, median", when, law, "#d94801"),
    )
    return Panel(_celsius(series), _across(at, "time [s]"), y, marks)


def _quantiles(x: Floats, values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Middles of groups of neighbouring points, and 5 %, 50 % and 95 % of the values in each."""
    order = np.argsort(x, kind="stable")
    places, counts = np.unique(x, return_counts=True)
    whole = np.split(order, np.cumsum(counts)[:-1])  # readings of one time stay together
    groups = [np.concatenate(part) for part in np.array_split(np.array(whole, dtype=object), min(BINS, places.size))]
    groups = [g.astype(int) for g in groups]
    at = np.array([np.median(x[g]) for g in groups])
    low, middle, high = (np.array([np.quantile(values[g], q) for g in groups]) for q in (0.05, 0.5, 0.95))
    return at, low, middle, high


def _across(at: Floats, label: str) -> Axis:
    """Axis of ascending places, logarithmic where they lie far apart."""
    wide = at[0] > 0 and at[-1] / at[0] > 50
    return decades(label, at[0], at[-1]) if wide else linear(label, float(at[0]), float(at[-1]))


def _residuals(fit: Fit) -> Panel:
    """Residuals over time, temperature or level, in groups of neighbouring points."""
    x, residual, x_label, y_label = fit.points
    return _grouped(x, residual, x_label, y_label, f"{fit.law}: {y_label}")


def _grouped(x: Floats, residual: Floats, x_label: str, y_label: str, title: str = "") -> Panel:
    """Residuals in groups of neighbouring points.

    Parameters
    ----------
    x, residual : ndarray, shape (readings,)
    x_label, y_label : str
    title : str, optional
        The label of the residuals by default.
    """
    at, low, middle, high = _quantiles(x, residual)
    y = linear(y_label.rpartition(": ")[2], float(min(low.min(), -1)), float(max(high.max(), 1)))
    marks = (
        Ribbon("5 to 95 %", at, low, high, "#9ecae1"),
        Line("median", at, middle, "#08519c", dots=True),
        Rule("y", 0.0, ""),
    )
    return Panel(title or y_label, _across(at, x_label), y, marks)
