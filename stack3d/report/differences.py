"""The answers of results beside each other, how each differs from that of the first, and which is better."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from stack3d.constants import YEAR
from stack3d.layout import Floats
from stack3d.report import case_limits, page, study_errors
from stack3d.report.facts import Facts
from stack3d.report.study_answers import ANSWERS, PREFIXED, TIME, Answer, values_of
from stack3d.unit_text import duration, short

if TYPE_CHECKING:
    import xarray as xr

EVEN = 5e-4
"""Share of a value below which a difference is told as none."""
MULTIPLE = 10.0
"""From so many times the first on a value is told as a multiple of it."""
UNITS = {"°C": "K", "%": "points"}
"""Unit of a value → that of a difference."""


def values_among(study: xr.DataTree, name: str) -> Floats | None:
    """An answer of every result, None where none has it."""
    found = study.dataset.get(f"answer_{name}")
    return None if found is None else np.asarray(found.values, dtype=float)


def _known(study: xr.DataTree) -> dict[str, Floats]:
    """Every answer that some result has."""
    found = {key: values_among(study, key) for key in ANSWERS}
    return {key: values for key, values in found.items() if values is not None and not np.isnan(values).all()}


def is_even(answer: Answer, values: Floats) -> bool:
    """Whether values differ by less than is printed of them."""
    if np.isinf(values).any():
        return bool((values == values[0]).all())
    spread = float(np.ptp(values))
    if isinstance(answer.digits, int):
        return spread < 0.5 * 10.0**-answer.digits
    return spread <= EVEN * float(np.abs(values).max())


def told_difference(answer: Answer, value: float, first: float, error: float = np.nan) -> str:
    """Text of a difference with its sign and stated error, and its share of the first value where a ratio means something.

    Parameters
    ----------
    answer : Answer
    value, first : float
        [unit of the answer]
    error : float
        Of both together; NaN where none is stated. [unit of the answer]
    """
    delta = value - first
    if not np.isfinite(delta):
        return ""
    sign = "+" if delta > 0 else "−"
    if answer.digits == TIME:
        told = duration(abs(delta) * YEAR)
    elif answer.digits == PREFIXED:
        told = short(abs(delta), answer.unit)
    else:
        digits = answer.digits and max(2, answer.digits) if isinstance(answer.digits, int) else None
        number = answer.brief(abs(delta)) if digits is None else f"{abs(delta):.{digits}f}"
        told = f"{number} {UNITS.get(answer.unit, answer.unit)}".rstrip()
    share = f" ({_share(value, first)})" if answer.digits == PREFIXED and first else ""
    return f"{sign}{study_errors.with_sign(told, error)}{share}"


def _share(value: float, first: float) -> str:
    """How much more or less a value is than the first, in per cent; from ten times on as a multiple."""
    if value / first >= MULTIPLE:
        return f"{value / first:.3g} times"
    return f"{100 * (value - first) / abs(first):+.3g} %".replace("-", "−")


def _may_last_as_long(facts: Sequence[Facts]) -> bool:
    """Whether median lives may be the same: between what they lie overlaps, or is not known."""
    ends = [one for one in map(study_errors.life_ends, facts) if one is not None]
    return len(ends) < len(facts) or max(low for low, _ in ends) <= min(high for _, high in ends)


def is_within_errors(name: str, values: Floats, facts: Sequence[Facts]) -> bool:
    """Whether two answers differ by less than their stated errors together, two accuracies by less than the chips scatter."""
    delta = abs(float(values[1] - values[0]))
    if name == "peak" or ANSWERS[name].error:
        return delta < sum(float(np.nan_to_num(study_errors.of_case(one, name))) for one in facts)
    if name == "life":
        return _may_last_as_long(facts)
    if name == "accuracy" and all(one.has("mvm/accuracy_mean") for one in facts):
        chips = [100 * one.values("mvm/accuracy_mean")[-1] for one in facts]
        return delta < 2 * float(np.sqrt(sum(one.var(ddof=1) / one.size for one in chips if one.size > 1)))
    return False


def differences(study: xr.DataTree, facts: Sequence[Facts], names: Sequence[str]) -> tuple[str, str, str] | None:
    """Table of every answer of the results and of their limits, and how they differ from the first."""
    rows, alike = [], []
    for key, values in _known(study).items():
        cut = values_of(study, key, cut=True).values.astype(bool)
        plain = _texts(ANSWERS[key], values, cut)
        texts = [study_errors.with_sign(text, error) for text, error in zip(plain, study_errors.beside(study, key))]
        if key == "life":
            texts = [text + study_errors.told_ends(study_errors.life_ends(one)) for text, one in zip(texts, facts)]
        if len(set(plain)) == 1:
            alike.append(f"{ANSWERS[key].short_label}: {texts[0]}")
        else:
            apart = _of_differences(key, study_errors.beside(study, key), facts)
            beside = _beside_first(ANSWERS[key], values, cut, texts, apart)
            judged = (_judged(key, ANSWERS[key], values, facts, names),) if len(names) == 2 else ()
            rows.append((ANSWERS[key].label, texts[0], *beside, *judged))
    kept = [note or "none" for note in case_limits.notes(study)]
    if len(set(kept)) == 1:
        alike.append(f"{case_limits.HEAD}: {kept[0]}")
    elif kept:
        rows.append((case_limits.HEAD, *kept, *("", "") * (len(names) == 2)))
    captions = _captions(study, alike)
    if not rows:
        return ("differences", "What differs", captions or '<p class="caption">Nothing of what is compared.</p>')
    more = (f"{names[1]} minus {names[0]}", "better") if len(names) == 2 else ()
    return ("differences", "What differs", page.table(rows, ("quantity", *names, *more), stacked=True) + captions)


def _captions(study: xr.DataTree, alike: Sequence[str]) -> str:
    """What the sign ± says, and what is the same in all results."""
    signed = [n for n in _known(study) if np.isfinite(study_errors.beside(study, n)).any()]
    ways = ["both errors together"] * any(name != "accuracy" for name in signed)
    ways += ["of mean accuracies twice the standard error"] * ("accuracy" in signed)
    both = f"; ± of a difference: {', '.join(ways)}" if ways else ""
    signs = study_errors.meaning([*signed, *["life"] * ("life" in _known(study))]) + both
    said = [f"{signs}."] * bool(signs) + [f"The same in all: {page.typeset('; '.join(alike))}."] * bool(alike)
    return "".join(f'<p class="caption">{escape(one)}</p>' for one in said)


def _texts(answer: Answer, values: Floats, cut: Floats) -> list[str]:
    """An answer of every result in words."""
    return ["none" if np.isnan(v) else "at least " * bool(c) + answer.full(float(v)) for v, c in zip(values, cut)]


def _of_differences(key: str, errors: Floats, facts: Sequence[Facts]) -> Floats:
    """What stands behind ± of the differences from the first result.

    Parameters
    ----------
    key : str
        Of the answer.
    errors : ndarray, shape (results,)
        What stands behind ± of each.
    facts : sequence of Facts

    Returns
    -------
    ndarray, shape (results - 1,)
        Stated errors add up; of mean accuracies twice the standard error.
    """
    if key != "accuracy":
        return np.asarray(errors[1:] + errors[0])
    of_mean = 2 * errors / np.sqrt([one.values("mvm/accuracy").shape[-1] if one.has("mvm/accuracy") else 1 for one in facts])
    return np.asarray(np.hypot(of_mean[1:], of_mean[0]))


def _beside_first(answer: Answer, values: Floats, cut: Floats, texts: Sequence[str], errors: Floats) -> tuple[str, ...]:
    """Cells after that of the first result: of two results the second and the difference, else each with its difference.

    Parameters
    ----------
    answer : Answer
    values, cut : ndarray, shape (results,)
        Of the answer, and whether each may be more.
    texts : sequence of str
        Of the values.
    errors : ndarray, shape (results - 1,)
        Of the differences.
    """
    told = [told_difference(answer, v, values[0], e) for v, e in zip(values[1:], errors)]
    if len(values) == 2:
        return (texts[1], f"{told[0]} or more" if told[0] and cut.any() else told[0])
    return tuple(f"{text} ({one})" if one else text for text, one in zip(texts[1:], told))


def _judged(key: str, answer: Answer, values: Floats, facts: Sequence[Facts], names: Sequence[str]) -> str:
    """Which of two results is better, or why that cannot be said.

    Parameters
    ----------
    key : str
        Of the answer.
    answer : Answer
    values : ndarray, shape (2,)
    facts : sequence of Facts
    names : sequence of str
    """
    if np.isnan(values).any() or key in ("tiers", "conventional_memory", "conventional_technology"):
        return ""
    if is_within_errors(key, values, facts):
        return "within chance" if key in ("accuracy", "life") else "within the stated errors"
    return names[int(values[1] > values[0]) if answer.larger_is_better else int(values[1] < values[0])]
