"""Answers of a study: a number per case, what differs between the cases, and the table of all."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stack3d import fields, unit_text
from stack3d.constants import YEAR, ZERO_CELSIUS
from stack3d.errors import ResultsError, unknown_name
from stack3d.layout import Floats
from stack3d.report.facts import Facts
from stack3d.report.lives import median_life, outlives
from stack3d.unit_text import duration

if TYPE_CHECKING:
    import xarray as xr


TIME, PREFIXED, COUNTED = "time", "prefixed", "counted"
WHOLE = 0
TIMES = (("years", YEAR), ("days", 86400.0), ("hours", 3600.0), ("s", 1.0))
DIFFERENCE = 5
"""Steps of the last decimal by which the cases of a study differ where an answer has fixed ones."""


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
    digits : int or str
        Decimals that are printed, ``counted`` or, of a value in SI, ``prefixed`` for three significant ones; ``time`` of years
        in the unit that a person would choose.
    more : tuple of str
        Variables that follow the needed ones where the study has them.
    """

    label: str
    unit: str
    needs: tuple[str, ...]
    reduce: Callable[..., xr.DataArray]
    larger_is_better: bool
    digits: int | str
    more: tuple[str, ...] = ()
    unlike: str = ""
    """Answer that this one is left out beside where both are the same in every case."""
    words: Callable[[float], str] | None = None
    """Text of a value that a number says badly."""
    at_zero: str = ""
    """Text of nothing at all."""
    at_zero_in_box: str = ""
    """That in a box of a map, which has room for a word."""
    cut: Callable[..., xr.DataArray] | None = None
    """As `reduce`: whether a case may have more, since its run has ended before."""
    error: str = ""
    """Output variable of its stated error."""

    @property
    def heading(self) -> str:
        """Label as a heading, without what it says in brackets."""
        first = self.short_label[:1]
        return (first.upper() if first.isascii() else first) + self.short_label[1:]

    @property
    def short_label(self) -> str:
        """Label without what it says in brackets."""
        return self.label.partition(" (")[0]

    def scaled(self, values: Floats) -> tuple[float, str]:
        """What to divide values by for a figure or a column, and the unit that they then have."""
        if self.digits == PREFIXED:
            factor, unit = unit_text.shared_prefix(values.ravel(), self.unit)
            return factor, unit.replace("u", "µ") if factor == 1e-6 else unit
        if self.digits == TIME:
            longest = float(np.max(values, initial=0.0, where=np.isfinite(values)))
            return next((size / YEAR, name) for name, size in TIMES if longest * YEAR >= size or not size > 1.0)
        return 1.0, self.unit

    def titled(self, unit: str) -> str:
        """Label with a unit."""
        return f"{self.label} [{unit}]" if unit else self.label

    def brief(self, value: float, factor: float = 1.0) -> str:
        """The value, over the factor of `scaled`, as short as it can be said; times carry their unit."""
        if self.at_zero and value == 0.0:
            return self.at_zero
        if self.words is not None and value in (0.0, np.inf):
            return "none" if value else "any"
        if isinstance(self.digits, int):
            return f"{value:.{self.digits}f}"
        if self.digits == COUNTED and value == round(value):
            return f"{value:.0f}"
        if self.digits != TIME:
            return unit_text.significant(value / factor)
        seconds = value * YEAR
        sizes = (("y", YEAR), ("d", 86400.0), ("h", 3600.0), ("s", 0.0))
        name, size = next((n, v) for n, v in sizes if seconds >= 0.999 * v)
        count = seconds / (size or 1.0)
        return f"{count:.0f} {name}" if count >= 9.95 or abs(count - round(count)) < 0.05 else f"{count:.1f} {name}"

    def in_box(self, value: float, factor: float) -> str:
        """The value as a box of a map has room for."""
        return self.at_zero_in_box if self.at_zero_in_box and value == 0.0 else self.brief(value, factor)

    def full(self, value: float) -> str:
        """The value with its unit."""
        if self.at_zero and value == 0.0:
            return self.at_zero
        if self.words is not None:
            return self.words(value)
        if self.digits == PREFIXED:
            return unit_text.short(value, self.unit)
        return duration(value * YEAR) if self.digits == TIME else f"{self.brief(value)} {self.unit}".rstrip()


def last(array: xr.DataArray) -> xr.DataArray:
    """The last value along time that each case has; the only one where there is no time."""
    import xarray as xr

    if "time" not in array.dims:
        return array
    place = xr.DataArray(np.arange(array.sizes["time"]), dims="time")
    return array.isel(time=(array.notnull() * place).max("time"))


def _accuracy(*readings: xr.DataArray) -> xr.DataArray:
    """Mean over chips at the end: over the period of periodic writes where that is known. [%]"""
    return 100 * last(readings[-1]).mean("sample")


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


def _good(shares: xr.DataArray) -> xr.DataArray:
    """Of chips whose layers, bonds and cells are all good. [%]"""
    return 100 * shares.sel(yield_part="all", drop=True)


def _of(machine: str) -> Callable[[xr.DataArray], xr.DataArray]:
    """Picks the conventional machine whose weights lie in a memory; NaN where a study has none."""

    def picked(array: xr.DataArray) -> xr.DataArray:
        return array.reindex(machine=[machine]).isel(machine=0, drop=True)

    return picked


def _conventional(machine: str) -> dict[str, Answer]:
    """Answers of the conventional machine with its weights in a memory."""
    pick, name = _of(machine), f"a machine with {machine.upper()}"
    end = "" if machine == "sram" else f"_{machine}"

    def one(label: str, unit: str, variable: str) -> Answer:
        return Answer(label, unit, (f"power/{variable}",), lambda v: pick(last(v)), False, PREFIXED)

    def rate(value: float) -> str:
        return fields.told_rate(value, "1/s")

    def even(rates: xr.DataArray, *highest: xr.DataArray) -> xr.DataArray:
        """Within what the chip reaches: beyond it the machine draws less at every rate, or at none."""
        found = pick(last(rates))
        for most in highest:
            found = found.where(~((found > most) & (found > 0)), np.inf).where(~(found < -most), 0.0)
        return found

    return {
        f"conventional{end}": one(f"energy per inference of {name}, its leakage apart", "J", "conventional_energy"),
        f"even{end}": Answer(
            f"rate above which {name} draws more (negative: below it)",
            "1/s",
            ("power/break_even_rate",),
            even,
            False,
            PREFIXED,
            ("power/highest_rate",),
            words=rate,
        ),
        f"conventional_latency{end}": one(f"latency of {name}", "s", "conventional_latency"),
        f"conventional_leakage{end}": one(f"leakage of {name}", "W", "conventional_leakage"),
    }


def _of_a_data_sheet(label: str, name: str) -> Answer:
    """A thermal figure of a package, which `jedec` asks for."""
    return Answer(label, "K/W", (f"thermal/{name}",), last, False, 3, error=f"thermal/{name}_error")


ANSWERS: Mapping[str, Answer] = {
    "accuracy": Answer("accuracy at the end", "%", ("mvm/accuracy",), _accuracy, True, 1, ("mvm/accuracy_mean",)),
    "worst": Answer(
        "accuracy at the end, worst of the last period", "%", ("mvm/accuracy_worst",), _accuracy, True, 1, unlike="accuracy"
    ),
    "life": Answer(
        "median time to the stated loss below float",
        "years",
        ("mvm/time_to_accuracy_loss", "mvm/accuracy"),
        median_life,
        True,
        TIME,
        at_zero="lost when first read",
        at_zero_in_box="lost",
        cut=outlives,
    ),
    "error": Answer(
        "error of the logits", "% of their rms", ("mvm/logit_error",), lambda e: 100 * last(e).mean("sample"), False, 1
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
    "theta_ja": _of_a_data_sheet("θJA", "theta_ja"),
    "theta_jc_top": _of_a_data_sheet("θJC(top)", "theta_jc_top"),
    "psi_jt": _of_a_data_sheet("ΨJT", "psi_jt"),
    "psi_jb": _of_a_data_sheet("ΨJB", "psi_jb"),
    "tiers": Answer("tiers", "", ("thermal/temperature_mean",), _tiers, True, WHOLE),
    "energy": Answer(
        "energy per inference",
        "J",
        ("power/energy_per_inference",),
        lambda e: last(e).sum("component", min_count=1),
        False,
        PREFIXED,
    ),
    "latency": Answer("latency of an inference", "s", ("power/latency",), lambda t: t, False, PREFIXED),
    **_conventional("sram"),
    **_conventional("dram"),
    "conventional_memory": Answer(
        "memory of a conventional machine", "B", ("power/conventional_memory",), lambda b: b, False, PREFIXED
    ),
    "conventional_technology": Answer(
        "technology of a conventional machine", "m", ("power/conventional_technology",), lambda m: m, False, PREFIXED
    ),
    "hold": Answer(
        "refresh interval that holds the accuracy", "years", ("reliability/hold_interval",), lambda t: t / YEAR, True, TIME
    ),
    "pumping": Answer(
        "pumping power of the coolant", "W", ("thermal/pumping_power",), lambda w: w.sum("cavity", min_count=1), False, PREFIXED
    ),
    "cost": Answer("cost of the parts that state one", "", ("power/cost",), lambda c: c, False, COUNTED),
    "area": Answer(
        "floor that the tiles take", "mm²", ("power/area",), lambda a: 1e6 * a.sum("area_part", skipna=False), False, COUNTED
    ),
    "yield": Answer("share of good chips", "%", ("reliability/yield",), _good, True, 1),
    "writes": Answer("write pulses per cell", "", ("reliability/writes",), last, False, COUNTED),
    "power": Answer("total power", "W", ("thermal/heat_in",), last, False, PREFIXED),
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


def values_of(tree: xr.DataTree, name: str, *, cut: bool = False) -> xr.DataArray:
    """An answer over the swept dimensions, NaN for cases without it; raises UnknownNameError, ResultsError.

    Parameters
    ----------
    tree : xarray.DataTree
    name : str
        One of `ANSWERS`.
    cut : bool
        Whether each may be more, see `Answer.cut`; 0 and 1.
    """
    if name not in ANSWERS:
        raise unknown_name("answer of a study", name, ANSWERS)
    if not has(tree, name):
        raise ResultsError(f"the study {tree.attrs.get('scenario')} has no {' and no '.join(ANSWERS[name].needs)}")
    return _cut(tree, name) if cut else _reduced(tree, name)


def _cut(tree: xr.DataTree, name: str) -> xr.DataArray:
    """Whether each case may have more of an answer."""
    answer = ANSWERS[name]
    if f"cut_{name}" in tree.dataset:
        return tree.dataset[f"cut_{name}"].transpose(*swept(tree))
    if answer.cut is None or f"answer_{name}" in tree.dataset:
        return (tree.dataset["status"] != tree.dataset["status"]).astype(int)
    return answer.cut(*(tree[p] for p in answer.needs)).astype(int).transpose(*swept(tree))


def may_be_more(tree: xr.DataTree, name: str) -> bool:
    """Whether a single case that has an answer may have more of it."""
    cut = ANSWERS[name].cut
    return cut is not None and bool(cut(*(tree[p] for p in ANSWERS[name].needs)))


def _reduced(tree: xr.DataTree, name: str) -> xr.DataArray:
    """An answer that the study holds, over the swept dimensions."""
    stored: xr.DataArray | None = tree.dataset.get(f"answer_{name}")
    answer = ANSWERS[name]
    used = (*answer.needs, *(p for p in answer.more if Facts(tree).has(p)))
    array = stored if stored is not None else answer.reduce(*(tree[p] for p in used))
    return array.transpose(*swept(tree))


def varies(tree: xr.DataTree, name: str) -> bool:
    """Whether the cases of a study differ in an answer: by some last decimals where they are fixed, else by one per cent."""
    values = values_of(tree, name).values.astype(float) if has(tree, name) else np.empty(0)
    finite, digits = values[np.isfinite(values)], ANSWERS[name].digits
    least = DIFFERENCE * 10.0**-digits if isinstance(digits, int) and digits else 0.01 * abs(finite).max(initial=0.0)
    return finite.size > 1 and bool(np.ptp(finite) > least)


def labels_of(tree: xr.DataTree, dimension: str) -> list[str]:
    """Values of a swept dimension as texts."""
    return [str(v) for v in tree.dataset[dimension].values]


def labels_with_name(tree: xr.DataTree, dimension: str) -> list[str]:
    """Values of a swept dimension behind its name."""
    return [f"{dimension} {label}" for label in labels_of(tree, dimension)]


def extremes(tree: xr.DataTree) -> list[tuple[str, str]]:
    """For every answer that differs between cases: which case has the best, and which the worst."""
    names = [", ".join(parts) for parts in itertools.product(*(labels_with_name(tree, d) for d in swept(tree)))]
    lines = []
    for name in (n for n in ("accuracy", "life", "error", "peak", "energy") if varies(tree, n)):
        answer, values = ANSWERS[name], values_of(tree, name).values.astype(float).ravel()
        high, low = int(np.nanargmax(values)), int(np.nanargmin(values))
        best, worst = (high, low) if answer.larger_is_better else (low, high)
        cut = values_of(tree, name, cut=True).values.ravel() if answer.cut else np.zeros(values.size)
        said = [f"{'at least ' * bool(cut[i])}{answer.full(values[i])} ({names[i]})" for i in (best, worst)]
        lines.append((answer.label, f"from {said[0]} to {said[1]}"))
    return lines


def settled(tree: xr.DataTree) -> list[tuple[str, str]]:
    """First answers of a study in which its cases do not differ, or differ by hardly more than what is shown.

    A study of one case has all of them here.
    """
    lines = []
    for name in (n for n in ("accuracy", "life", "peak", "energy") if has(tree, n) and not varies(tree, n)):
        answer, values = ANSWERS[name], values_of(tree, name).values.astype(float).ravel()
        cut = values_of(tree, name, cut=True).values.ravel() if answer.cut else np.zeros(values.size)
        known = sorted((v, bool(c)) for v, c in zip(values, cut) if np.isfinite(v))
        texts = list(dict.fromkeys(f"{'at least ' * c}{answer.full(v)}" for v, c in known[:1] + known[-1:]))
        if texts:
            lines.append((answer.label, " to ".join(texts)))
    return lines
