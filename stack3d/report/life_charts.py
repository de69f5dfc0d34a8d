"""Figures of accuracy, its loss, the conductances and wear over the life."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stack3d import units
from stack3d.constants import YEAR
from stack3d.errors import ResultsError
from stack3d.layout import Floats
from stack3d.report.chart import (
    COLOURS,
    Axis,
    DrawnBox,
    Figure,
    Line,
    Mark,
    Panel,
    Ribbon,
    Rule,
    categories,
    decades,
    linear,
    si,
    times,
)
from stack3d.report.facts import Facts
from stack3d.unit_text import duration

ALIKE = 1.0
"""Difference of temperatures below which what tiers hold differs by more than what heat does to it. [K]"""


def _band_of(facts: Facts) -> str:
    """What the ends of a band of accuracy are."""
    if facts.has("mvm/accuracy_draws"):
        count = len(facts.values("mvm/accuracy_draws"))
        return f"the least and the most at each time of {count} draws of its fit and of its bands"
    return "its deck's low to high parameters"


def _time_axis(time: Floats) -> Axis:
    return times("time since programming", float(time[0]), float(max(time[-1], 10 * time[0])))


def accuracy(facts: Facts, *, threshold: float | None = None) -> Figure:
    """Accuracy over time: mean of the chips, their spread, the band of the device's parameters, float accuracy, threshold.

    Parameters
    ----------
    threshold : float, optional
        Accuracy that the user wants to keep; the scenario's `accuracy_loss` below float when absent. [-]
    """
    time = facts.get("mvm/accuracy")["time"].values
    values, worst = (100 * _as_shown(facts, which) for which in ("mean", "worst"))
    acts = not np.array_equal(values, worst)
    ideal = 100 * float(facts.values("mvm/accuracy_ideal"))
    loss = units.parse((facts.scenario.get("lifetime") or {}).get("accuracy_loss", 0.01), "fraction")
    limit = ideal - 100 * loss if threshold is None else 100 * threshold
    marks: list[Mark] = []
    known = facts.values("mvm/time_to_accuracy_loss") if threshold is None and facts.has("mvm/time_to_accuracy_loss") else None
    caption = f"{values.shape[1]} chips. {_lives(time, worst, limit, known)}"
    if acts:
        caption += (
            " Until the first periodic act as read; then means over the period that holds each time, and the worst of it."
        )
    if facts.has("mvm/accuracy_band"):
        means = 100 * facts.values("mvm/accuracy_band").mean(axis=-1)
        marks.append(Ribbon("mean over the device band", time, means.min(axis=0), means.max(axis=0), COLOURS[5]))
        caption += f" The band of that mean shows what is not known of the device: {_band_of(facts)}."
    low, high = np.quantile(values, [0.05, 0.95], axis=1)
    marks += [
        Ribbon(f"5 to 95 % of these {values.shape[1]} chips", time, low, high, COLOURS[4]),
        Line("mean of the chips", time, values.mean(axis=1), COLOURS[0], dots=True),
        *([Line("mean of the chips, worst of a period", time, worst.mean(axis=1), COLOURS[2])] if acts else []),
        Line("worst chip", time, worst.min(axis=1), COLOURS[1], dashed=True),
        Rule("y", ideal, f"float {ideal:.2f} %"),
        Rule("y", limit, f"threshold {limit:.2f} %", "#b91c1c", below=True),
    ]
    lowest = min(float(np.min(m.low if isinstance(m, Ribbon) else m.y)) for m in marks if isinstance(m, (Ribbon, Line)))
    y = linear("accuracy [%]", min(lowest, limit), max(float(values.max()), ideal), unit="%", margin=0.08)
    alive = 100 * (worst >= limit).mean(axis=1)
    survivors = Panel(
        "chips that keep the threshold",
        _time_axis(time),
        linear("chips [%]", 0.0, 100.0, unit="%"),
        (Line("chips at or above the threshold", time, alive, COLOURS[2], dots=True),),
    )
    panels = (Panel("accuracy of the chips", _time_axis(time), y, tuple(marks)), survivors)
    return Figure("accuracy", "Accuracy over the life", caption, panels)


def _as_shown(facts: Facts, which: str) -> Floats:
    """Mean or worst over the periods, but for the first, in which nothing was written: as read, shape (times, chips). [-]"""
    found, read = _over_periods(facts, which), facts.values("mvm/accuracy")
    first = (found == found[0]).all(axis=1, keepdims=True)
    return np.where(first, read, found)


def _over_periods(facts: Facts, which: str) -> Floats:
    """Mean or worst accuracy over the periods of periodic writes; the accuracy itself in files that know no periods. [-]"""
    name = f"mvm/accuracy_{which}"
    return facts.values(name if facts.has(name) else "mvm/accuracy")


def answers(facts: Facts) -> list[tuple[str, str]]:
    """What refreshes that hold the accuracy would take, as (label, text)."""
    return [("refresh to keep it", _hold(facts))] if facts.has("reliability/endurance_left") else []


def _lives(time: Floats, percent: Floats, limit: float, known: Floats | None) -> str:
    """How many chips fall below a limit, and when half of them have.

    Parameters
    ----------
    time : ndarray, shape (times,)
        [s]
    percent : ndarray, shape (times, chips)
        Accuracy. [%]
    limit : float
        [%]
    known : ndarray, shape (chips,), optional
        When each chip first lay below it, NaN of those that never did; by default by the instants. [s]
    """
    below, end = percent < limit, float(time[-1])
    first = np.where(below.any(axis=0), time[below.argmax(axis=0)], np.nan) if known is None else known
    first = np.where(first <= end, first, np.inf)
    failed = int(np.isfinite(first).sum())
    if failed == 0:
        return f"No chip falls below {limit:.2f} % within {duration(end)}."
    middle = float(np.quantile(first, 0.5, method="inverted_cdf"))
    when = "when first read" if middle <= time[0] else f"within {duration(middle)}"
    half = f", half of all chips {when}" if np.isfinite(middle) else ""
    return f"{failed} of them fall{'s' * (failed == 1)} below {limit:.2f} % at some time within {duration(end)}{half}."


def attribution(facts: Facts) -> Figure:
    """Points of accuracy that come back at the end of the run, and at its first read-out, when one thing is switched off."""
    ideal, first = float(facts.values("mvm/accuracy_ideal")), float(facts.values("mvm/accuracy")[0].mean())
    final = float(_over_periods(facts, "worst")[-1].mean())
    names = [str(name) for name in facts.tree["mvm"].data_vars if not str(name).endswith("_error")]
    panels = [_gains(facts, name, final, ideal, "") for name in names if name.startswith("accuracy_without")]
    panels += [_gains(facts, name, first, ideal, ", today") for name in names if name.startswith("first_accuracy_without")]
    if not panels:
        raise ResultsError(f"the result of {facts.name} attributes no loss; it needs mvm/accuracy_without")
    return Figure(
        "attribution",
        "What the loss comes from",
        "The same life again with one thing switched off at a time, at its end and today. Gains need not add up: mechanisms act"
        " on each other. Black: one standard error over the chips on both sides.",
        tuple(panels),
    )


NUMBER = 0.18
"""Room for the number of a bar, as a share of the axis."""


def _gains(facts: Facts, name: str, base: float, ideal: float, when: str) -> Panel:
    """Bars of what comes back without each entry of a variable, over the accuracy `base`."""
    array = facts.get(f"mvm/{name}")
    chance = 100 * facts.values(f"mvm/{name}_error") if facts.has(f"mvm/{name}_error") else np.full(array.size, np.nan)
    dimension = str(array.dims[0])
    gain = 100 * (array.values - base)
    order = np.argsort(-gain, kind="stable")
    names = [str(v).replace("_", " ") for v in array[dimension].values]
    labels = [f"{dimension} {names[i]}" if names[i].isdigit() else names[i] for i in order]
    low, high = gain - np.nan_to_num(chance), gain + np.nan_to_num(chance)
    left, right = min(0.0, float(low.min())), max(100 * (ideal - base), float(high.max()), 0.1)
    x = linear("points regained without it", left, right + 0.22 * (right - left), unit="points")  # room for the numbers
    lost = 100 * (ideal - base)
    bars: list[Mark] = []
    for k, (label, g, e) in enumerate(zip(labels, gain[order], chance[order])):
        text = f"{g:+.2f}".replace("-0.00", "+0.00")
        end = max(g, 0.0, g + e if e > 0 else 0.0)
        crossed = 0 < lost - end < NUMBER * (x.high - x.low)
        tip = f"without {label}: {text}{f' ± {e:.2f}' if e == e else ''} points"
        row, reach = len(order) - 1.0 - k, lost if crossed else end
        bars.append(
            DrawnBox(min(0.0, g), max(0.0, g), row - 0.3, row + 0.3, COLOURS[0 if g >= 0 else 1], tip, text, True, reach)
        )
    for k, (g, e) in enumerate(zip(gain[order], chance[order])):
        if e > 0:
            bars.append(Line("", np.array([g - e, g + e]), np.full(2, len(order) - 1.0 - k), "#000000"))
    y = categories(labels)
    if ideal > base:  # else there is nothing to regain; a row of its own keeps its label clear of the numbers
        bars.append(Rule("x", lost, f"lost: {lost:.2f}", behind=x.share(lost) < 0.5))
        y = replace(y, high=y.high + 0.8)
    title = f"by {dimension.replace('_', ' ')}{when}"
    return Panel(title, x, y, tuple(bars), height=max(0.3, 0.08 * len(order)))


def conductance(facts: Facts) -> Figure:
    """Histograms of the conductances of all cells at the first, a middle and the last read-out."""
    array = facts.get("reliability/conductance_histogram")
    time, centres = array["time"].values, 1e6 * array["conductance"].values
    share = 100 * array.values
    marks: list[Mark] = []
    for index, colour, dashed in ((0, COLOURS[0], False), (len(time) - 1, COLOURS[1], True)):
        label = "today" if index == 0 else f"after {duration(float(time[index]))}"
        marks.append(Line(label, centres, share[index], colour, dashed=dashed, steps=True))
        if len(time) == 1:
            break
    step = float(centres[1] - centres[0])
    x = linear("conductance [µS]", 0.0, float(centres[-1]) + step / 2, margin=0.0, unit="µS")
    floor = 100 * 10 ** np.floor(np.log10(max(float(array.values[array.values > 0].min()), 1e-5)))
    y = decades("cells per bin [%]", floor, float(share.max()), unit="%")
    caption = f"All cells of all chips in bins of {step:.3g} µS; the last bin holds what lies beyond it."
    panels = [Panel("histogram", x, y, tuple(marks))]
    if facts.has("reliability/conductance_error_mean", "reliability/conductance_error_std"):
        panels.append(_drift(facts))
        caption += f" Drift in the coolest and the hottest tier that hold cells{_apart(facts)}."
    return Figure("conductance", "Conductances now and at the end", caption, tuple(panels))


def _extreme_tiers(facts: Facts) -> dict[int, str]:
    """The coolest and the hottest of the tiers that hold cells, with what to call them."""
    filled = np.flatnonzero(np.isfinite(facts.values("reliability/conductance_error_mean")).all(axis=0))
    if filled.size == 0:
        raise ResultsError(f"no tier of {facts.name} holds cells")
    heat = facts.last("thermal/temperature_mean")[filled]
    low, high = int(filled[heat.argmin()]), int(filled[heat.argmax()])
    return {low: f"tier {low}"} if low == high else {low: f"tier {low} (coolest)", high: f"tier {high} (hottest)"}


def _apart(facts: Facts) -> str:
    """How far apart these are, where that explains nothing: tiers hold other matrices, too."""
    heat = facts.last("thermal/temperature_mean")[list(_extreme_tiers(facts))]
    return f", {np.ptp(heat):.2g} K apart: they differ by what they hold" if 0 < np.ptp(heat) < ALIKE else ""


def _drift(facts: Facts) -> Panel:
    """Conductance minus target in the coolest and the hottest tier."""
    mean = 1e6 * facts.values("reliability/conductance_error_mean")
    spread = 1e6 * facts.values("reliability/conductance_error_std")
    time = facts.get("reliability/conductance_error_mean")["time"].values
    tiers = _extreme_tiers(facts)
    marks: list[Mark] = []
    for (tier, label), colour in zip(tiers.items(), COLOURS):
        marks.append(Line(f"{label}, sd", time, spread[:, tier], colour, dots=True))
        marks.append(Line(f"{label}, mean", time, mean[:, tier], colour, dashed=True))
    both = np.concatenate([mean[:, list(tiers)].ravel(), spread[:, list(tiers)].ravel()])
    y = linear("conductance minus target [µS]", both.min(), both.max(), unit="µS")
    return Panel("drift", _time_axis(time), y, tuple(marks))


def efficiency(facts: Facts) -> Figure:
    """Power of the arrays, that of the chip and inferences per joule over time, each over its first value."""
    time = facts.get("power/relative_efficiency")["time"].values
    gain = 100 * (facts.values("power/relative_efficiency") - 1)
    marks: list[Mark] = []
    for (name, label), colour in zip((("array_power", "crossbar cells"), ("total_power", "whole chip")), COLOURS):
        watts = facts.values(f"power/{name}")
        if watts[0] > 0:
            marks.append(Line(f"{label}, {si(float(watts[0]), 'W')} today", time, 100 * watts / watts[0], colour, dots=True))
    shown = np.concatenate([m.y for m in marks if isinstance(m, Line)])
    panels = (
        Panel("power", _time_axis(time), linear("of today's [%]", shown.min(), shown.max(), unit="%"), tuple(marks)),
        Panel(
            "inferences per joule",
            _time_axis(time),
            linear("more than today [%]", min(0.0, float(gain.min())), max(0.1, float(gain.max())), unit="%"),
            (Line("inferences per joule", time, gain, COLOURS[2], dots=True), Rule("y", 0.0, "today")),
        ),
    )
    energy = np.nansum(np.atleast_2d(facts.values("power/energy_per_inference")), axis=1)
    caption = (
        f"{si(float(energy[0]), 'J')} per inference today, {si(float(energy[-1]), 'J')} at the end, leakage and upkeep"
        " included: reads of cells that conduct less cost less, converters and links stay."
    )
    return Figure("efficiency", "Power as the cells age", caption, panels)


def wear(facts: Facts) -> Figure:
    """Writes, endurance used and stuck cells over time."""
    time = facts.get("reliability/writes")["time"].values
    x = _time_axis(time)
    writes, used = facts.values("reliability/writes"), 100 * facts.values("reliability/endurance_used")
    stuck = 100 * facts.values("reliability/stuck_fraction")

    def panel(title: str, values: Floats, label: str, colour: str, unit: str) -> Panel:
        y = linear(label, 0.0, float(values.max()), unit=unit)
        return Panel(title, x, y, (Line(title, time, values, colour, dots=True),), height=0.5)

    years = facts.values("reliability/equivalent_time") / YEAR
    lines = tuple(
        Line(label, time, years[:, tier], colour, dots=True, dashed=k > 0)
        for k, ((tier, label), colour) in enumerate(zip(_extreme_tiers(facts).items(), COLOURS))
    )
    ages = np.concatenate([line.y for line in lines])
    panels = [
        panel("writes per cell", writes, "mean writes", COLOURS[0], ""),
        panel("endurance used", used, "of Miner's sum [%]", COLOURS[1], "%"),
        panel("stuck cells", stuck, "cells [%]", COLOURS[2], "%"),
    ]
    if ages.min() > 0:
        y = decades("equivalent time [years]", float(ages.min()), float(ages.max()), unit="years")
        panels.append(Panel("time at 25 °C that ages as much", x, y, lines, height=0.5))
    return Figure(
        "wear", "Refresh, wear and ageing", f"Means over all cells of all chips. {_hold(facts)}".strip(), tuple(panels)
    )


def _hold(facts: Facts) -> str:
    """What refreshing would take to hold the accuracy, in a sentence."""
    if not facts.has("reliability/hold_interval", "reliability/hold_endurance"):
        return ""
    interval, endurance = (float(facts.values(f"reliability/hold_{n}")) for n in ("interval", "endurance"))
    if not np.isfinite(interval):
        return "No refresh is needed to hold the accuracy."
    deck = facts.scenario.get("lifetime") or {}
    points = 100 * units.parse(deck.get("accuracy_loss", 0.01), "fraction")
    within = f"{points:g} point{'' if points == 1 else 's'} of freshly written chips"
    told = f"A refresh every {duration(interval)} holds the mean accuracy within {within}{_hold_band(facts)}, wear apart"
    if not np.isfinite(endurance):
        return f"{told}: the device states no endurance."
    years = duration(endurance) if endurance < 100 * YEAR else "more than a hundred years"
    left = float(facts.values("reliability/endurance_left")) if facts.has("reliability/endurance_left") else np.inf
    after = f", {duration(left)} after what this run has worn" if left < 100 * YEAR else ""
    rest = after if left else ", and this run has worn them by more"
    return f"{told}: at that rate one in a thousand of the hottest cells is worn out after {years}{rest}."


def _hold_band(facts: Facts) -> str:
    """The same interval at the ends of what is not known of the device."""
    if not facts.has("reliability/hold_interval_band"):
        return ""
    ends = facts.values("reliability/hold_interval_band")
    low, high = (duration(float(end)) if np.isfinite(end) else "never" for end in (np.min(ends), np.max(ends)))
    return f" ({low} to {high} over what is not known of the device)"
