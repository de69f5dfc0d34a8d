"""What stands behind the sign ± of the answers of a study: stated errors, and deviations over chips."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from stack3d.layout import Floats
from stack3d.report.facts import Facts
from stack3d.report.lives import median_ends, ordered_lives
from stack3d.report.study_answers import ANSWERS, has, last, swept
from stack3d.report.told_first import peak

if TYPE_CHECKING:
    import xarray as xr

OF_CHIPS = "of an accuracy: its standard deviation over the chips"


def beside(tree: xr.DataTree, name: str) -> Floats:
    """What stands behind the sign ± of an answer of each case, in its unit; NaN where nothing does."""
    nothing = np.full(int(tree.dataset["status"].size), np.nan)
    if f"error_{name}" in tree.dataset:
        return np.asarray(tree.dataset[f"error_{name}"].values, float)
    if f"answer_{name}" in tree.dataset or not has(tree, name):
        return nothing
    if name == "peak":
        return _of_peaks(tree)
    if name == "accuracy":
        return _spreads(tree)
    error = ANSWERS[name].error
    if not error or not Facts(tree).has(error):
        return nothing
    found = last(Facts(tree).get(error)).transpose(*swept(tree))
    return np.asarray(found.values, np.float64).ravel()


def of_case(facts: Facts, name: str) -> float:
    """The same of the result of one case."""
    error = ANSWERS[name].error
    if name == "peak":
        return peak(facts)[2]
    if name == "accuracy":
        chips = facts.last(next(p for p in ("mvm/accuracy_mean", "mvm/accuracy") if facts.has(p)))
        return float(100 * chips.std(ddof=1)) if chips.size > 1 else np.nan
    return float(facts.last(error)) if error and facts.has(error) else np.nan


def median_lives(tree: xr.DataTree) -> list[str]:
    """Between which times the median life of each case lies with a confidence of 95 %; empty where nobody can say."""
    answer = ANSWERS["life"]
    if not Facts(tree).has(*answer.needs):
        return [""] * int(tree.dataset["status"].size)
    lives, count = ordered_lives(*(Facts(tree).get(path) for path in answer.needs))
    rows = lives.transpose(*swept(tree), "sample").values.reshape(-1, lives.sizes["sample"])
    return [told_ends(median_ends(row, int(n))) for row, n in zip(rows, count.transpose(*swept(tree)).values.ravel())]


def told_ends(ends: tuple[float, float] | None) -> str:
    """Text of the ends of a median life, in brackets; empty where there are none."""
    told = [ANSWERS["life"].brief(end) if end else "0" for end in ends or ()]
    return f" ({' to '.join(dict.fromkeys(told))})" if told else ""


def life_ends(facts: Facts) -> tuple[float, float] | None:
    """Between what the median life of one case lies; None where nobody can say. [years]"""
    needs = ANSWERS["life"].needs
    if not facts.has(*needs):
        return None
    lives, count = ordered_lives(*(facts.get(path) for path in needs))
    return median_ends(lives.values, int(count))


def with_sign(text: str, error: float) -> str:
    """Text of an answer with what stands behind the sign ±, before the unit; as it is where nothing does."""
    value, _, unit = text.rpartition(" ")
    return text if np.isnan(error) else f"{value} ± {error:.2g} {unit}"


def meaning(names: Iterable[str]) -> str:
    """What the sign says where these answers have it; empty where none has."""
    names = list(names)
    figures = [ANSWERS[n].label for n in names if ANSWERS[n].error]
    parts = (
        [f"of {' and '.join(['a peak'] * ('peak' in names) + figures)}: the stated error"] if figures or "peak" in names else []
    )
    parts += [OF_CHIPS] if "accuracy" in names else []
    lives = "of a life: the median chip, in brackets between what it lies with a confidence of 95 %"
    return "; ".join([f"± {', '.join(parts)}"] * bool(parts) + [lives] * ("life" in names))


def _of_peaks(tree: xr.DataTree) -> Floats:
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


def _spreads(tree: xr.DataTree) -> Floats:
    """Standard deviation over the chips of each case of the accuracy at the end. [points]"""
    names = [p for p in (*ANSWERS["accuracy"].more, *ANSWERS["accuracy"].needs) if p.split("/")[1] in tree["mvm"].dataset]
    group, name = names[0].split("/")
    spread = 100 * last(tree.children[group].dataset[name]).std("sample", ddof=1)
    return np.asarray(spread.transpose(*swept(tree)).values, float).ravel()
