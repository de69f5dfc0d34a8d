"""What a result says, in sentences: the first thing on its page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from stack3d import units
from stack3d.chances import median_held
from stack3d.constants import ZERO_CELSIUS
from stack3d.layout import Floats, hottest_layer
from stack3d.report import case_limits
from stack3d.report.chart import si
from stack3d.report.facts import Facts
from stack3d.report.page import typeset
from stack3d.report.study_answers import ANSWERS, extremes, settled
from stack3d.unit_text import duration

if TYPE_CHECKING:
    import xarray as xr

TOLD = 0.05
"""Stated error of the hottest place from which on it is told. [K]"""
PEAKS = ("layer_temperature_peak", "layer_temperature_high", "layer_temperature_max")
"""The hottest of all instants, of the life, of the mean."""


def sentences(facts: Facts) -> list[str]:
    """How hot, how accurate, for how long, what limits, what an inference costs."""
    found = [_hottest(facts), _accuracy(facts), _lasts(facts), _limit(facts), _cost(facts)]
    return [one for one in found if one]


def html(told: list[str]) -> str:
    """Sentences as the paragraph that opens a page."""
    return f'<p class="words">{escape(typeset(" ".join(told)))}</p>' if told else ""


def peak(facts: Facts) -> tuple[float, str, float]:
    """Highest temperature [degC], the layer it is in, and its stated error [K], not a number where there is none."""
    name = next(n for n in PEAKS if facts.has(f"thermal/{n}"))
    values = np.atleast_2d(facts.values(f"thermal/{name}"))
    row = int(np.nanargmax(values)) // values.shape[1]
    hottest = hottest_layer(values[row], facts.heated)
    layer = str(facts.get(f"thermal/{name}")["layer"].values[hottest])
    stated = np.atleast_2d(facts.values(f"thermal/{name}_error")) if facts.has(f"thermal/{name}_error") else np.empty(0)
    error = float(stated[min(row, len(stated) - 1), hottest]) if stated.size else np.nan
    return float(values[row, hottest]) - ZERO_CELSIUS, layer, error


def _hottest(facts: Facts) -> str:
    if not any(facts.has(f"thermal/{n}") for n in PEAKS):
        return ""
    high, layer, error = peak(facts)
    ambient = (facts.scenario.get("cooling") or {}).get("ambient", "25 degC")
    rise = high - (units.parse(ambient, "temperature") - ZERO_CELSIUS)
    sure = f" (± {error:.2g} K)" if error >= TOLD else ""
    heat = f", with {si(float(facts.last('thermal/heat_in')), 'W')} of heat" if facts.has("thermal/heat_in") else ""
    when = f" after {si(float(facts.values('thermal/peak_time')), 's')}" if facts.has("thermal/peak_time") else ""
    return f"The hottest place reaches {high:.1f} °C{sure} in {layer}{when}: {rise:.1f} K above ambient{heat}."


def _accuracy(facts: Facts) -> str:
    if not facts.has("mvm/accuracy", "mvm/accuracy_ideal"):
        return ""
    today = facts.values("mvm/accuracy")[0]
    later = facts.values("mvm/accuracy_mean" if facts.has("mvm/accuracy_mean") else "mvm/accuracy")
    times = facts.get("mvm/accuracy")["time"].values
    told = f"Accuracy is {_percent(today)} today"
    if len(times) > 1:
        told += f" and {_percent(later[-1])} after {duration(float(times[-1]))}"
    return f"{told}; float arithmetic gives {100 * float(facts.values('mvm/accuracy_ideal')):.1f} %."


def _percent(chips: Floats) -> str:
    spread = f" ± {100 * chips.std(ddof=1):.1f}" if chips.size > 1 else ""
    return f"{100 * chips.mean():.1f}{spread} %"


def _lasts(facts: Facts) -> str:
    """How long half of the chips keep the accuracy that the scenario asks for."""
    if not facts.has("mvm/time_to_accuracy_loss") or not facts.scenario.get("lifetime"):
        return ""
    times = facts.values("mvm/time_to_accuracy_loss")
    points = 100 * units.parse(facts.scenario["lifetime"].get("accuracy_loss", 0.01), "fraction")
    within = f"within {points:g} point{'' if points == 1 else 's'} of that"
    half = float(np.quantile(np.where(np.isnan(times), np.inf, times), 0.5, method="inverted_cdf"))
    if not np.isfinite(half):
        return f"At least half of the chips stay {within} to the end."
    if facts.has("mvm/accuracy") and half <= float(facts.get("mvm/accuracy")["time"].values[0]):
        return f"Half of the chips or more are not {within} when they are first read."
    return f"Half of the chips stay {within} for {duration(half)}{_sure(times)}."


def _sure(times: Floats) -> str:
    """Between which times the median lies with a confidence of 95 %."""
    places = median_held(times.size)
    if places is None:
        return " (of so few chips nobody can say how sure)" if times.size > 1 else ""
    low, high = np.sort(np.where(np.isnan(times), np.inf, times))[list(places)]
    return f" (95 % sure: {duration(float(low))} to {duration(float(high)) if np.isfinite(high) else 'beyond the end'})"


def _limit(facts: Facts) -> str:
    """What costs most accuracy, as the run found it."""
    said = dict(facts.summary).get("limited by", "")
    if not said:
        return ""
    if said.startswith("nothing: "):
        return f"Nothing limits it: {said.removeprefix('nothing: ')}."
    what, colon, more = said.partition(": ")
    return f"What limits it most is {what}: {more}." if colon else f"{said[:1].upper()}{said[1:]}."


def _cost(facts: Facts) -> str:
    if not facts.has("power/energy_per_inference", "power/latency"):
        return ""
    energy = np.atleast_2d(facts.values("power/energy_per_inference"))[0].sum()
    if not np.isfinite(energy):
        return ""
    return f"An inference takes {si(float(energy), 'J')} and {si(float(facts.values('power/latency')), 's')}."


def of_study(tree: xr.DataTree) -> list[str]:
    """What a search, a study of levers or of unknowns came to; of a sweep its best accuracy and lowest peak."""
    for group, lead in (("optimise", "What to build: "), ("levers", ""), ("uncertain", "How sure it is: ")):
        if group in tree.children and (verdict := str(tree[group].attrs.get("verdict", ""))):
            first, *more = verdict.splitlines()
            best = [f"First: {line[3:]}." for line in more[:1] if line.startswith("1. ")]
            text = f"{lead}{first}" if lead else f"{first[:1].upper()}{first[1:]}"
            return [f"{text.rstrip('.')}.", *best]
    said = [*_ended(tree), *_answers(tree)]
    if kept := case_limits.told(tree):
        said.append(f"Limits are {kept}.")
    if tree.dataset["status"].size == 1 and "case_hash" in tree.dataset:
        folder = str(tree.dataset["case_hash"].values.item())[:12]
        said.append(f"The page of the case has its figures: stack3d report …/cases/{folder}")
    return said


def _answers(tree: xr.DataTree) -> list[str]:
    """How accuracy and peak differ between the cases of a sweep, or that they do not."""
    status = tree.dataset["status"].values
    done = int((status == "done").sum())
    shown = (ANSWERS["accuracy"].label, ANSWERS["peak"].label)
    where = "" if done == 1 else " in every case" if done == status.size else " in every case that is done"
    said = [f"{label} goes {text}." for label, text in extremes(tree) if label in shown]
    for label, text in settled(tree):
        if label in shown:
            said.append(f"{label} hardly differs: {text}." if " to " in text else f"{label} is {text}{where}.")
    return [f"{text[:1].upper()}{text[1:]}" for text in said]


def counted(tree: xr.DataTree) -> str:
    """How many cases of a study are done, and how many failed."""
    status = tree.dataset["status"].values.ravel()
    failed = int((status == "failed").sum())
    return f"{int((status == 'done').sum())} of {status.size} done" + (f", {failed} failed" if failed else "")


def _ended(tree: xr.DataTree) -> list[str]:
    """How many cases are done; where none is, what the first that failed says."""
    status = tree.dataset["status"].values.ravel()
    done, failed = (int((status == word).sum()) for word in ("done", "failed"))
    if done == 1 == status.size:
        return ["The one case is done."]
    if done:
        return [f"{done} of {status.size} cases are done{f', {failed} failed' if failed else ''}."]
    none = "The one case is not done." if status.size == 1 else f"None of the {status.size} cases is done."
    if not failed:
        return [none]
    which = "It" if status.size == 1 else "The first of them" if failed > 1 else "One"
    why = " ".join(str(tree.dataset["message"].values.ravel()[status == "failed"][0]).split()).rstrip(".")
    return [f"{none} {which} failed: {why}."]
