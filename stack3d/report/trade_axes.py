"""What may stand on an axis beside another: goals and conditions, answers, what cases set, and every number of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stack3d import fields
from stack3d.constants import YEAR, ZERO_CELSIUS
from stack3d.fronts import ALIKE
from stack3d.layout import Floats
from stack3d.report.page import typeset
from stack3d.report.study_answers import ANSWERS, COUNTED, PREFIXED, Answer, has, last, swept, values_of
from stack3d.unit_text import in_points

if TYPE_CHECKING:
    import xarray as xr

ASKED, ANSWERED, SET, OTHERS = "asked for", "answers", "set by the case", "every other number"
"""Kinds of axes, in the order of a list."""
FIRST = (
    "worst", "energy", "latency", "peak", "area", "yield", "cost", "pumping", "hold", "life", "accuracy", "error", "tiers",
    "power", "writes",
)  # fmt: skip
"""Answers, the most asked for first; the others follow."""
OUTPUTS = {
    "accuracy": "accuracy",
    "accuracy_mean": "accuracy",
    "accuracy_worst": "worst",
    "logit_error": "error",
    "peak_temperature": "peak",
    "layer_temperature_max": "peak",
    "temperature_max": "peak",
    "energy_per_inference": "energy",
    "latency": "latency",
    "cost": "cost",
    "pumping_power": "pumping",
    "hold_interval": "hold",
    "time_to_accuracy_loss": "life",
    "heat_in": "power",
    "writes": "writes",
    "area": "area",
    "sum(area)": "area",
    "yield": "yield",
    "yield[all]": "yield",
}
"""Output variable of a goal or condition, or how it is written → answer that tells it, on whose axis its line stands."""
LABELS = {
    "worst": "worst accuracy at the end",
    "life": "time to the stated loss below float",
    "hold": "interval that holds accuracy",
}
"""Labels that are shorter than those of a table."""
MOST_PLACES = 16
"""Layers, tiers, components or faces of which each has an axis."""
MOST_NUMBERS = 40_000
"""Every other number of the cases that a page has room for: about 300 kB."""
CHECKED = ("heat_balance", "discretisation")
"""What variables tell the error of, beside those that have a variable: checks of a run, no numbers to choose by."""
INSIDE = "layer_between_"
"""Beginning of the variables that the error of a hottest place is made of."""
ASIDE = ("optimise", "uncertain", "levers")
"""Groups that hold what a study has decided, not what its cases are."""


@dataclass(frozen=True)
class Measure:
    """What may stand on an axis.

    Parameters
    ----------
    label : str
    answer : Answer
        How a value is told.
    values : ndarray
        Of every case, as the answer has them.
    lines : tuple of (str, float)
        Conditions on it, and where each stands.
    kind : str
        `ASKED`, `ANSWERED`, `SET` or `OTHERS`.
    is_judged : bool
        Whether more of it is known to be better, or worse.
    cut : ndarray of bool, optional
        Cases whose value may be more, see `Answer.cut`.
    """

    label: str
    answer: Answer
    values: Floats
    lines: tuple[tuple[str, float], ...] = ()
    kind: str = ANSWERED
    is_judged: bool = True
    cut: NDArray[np.bool_] | None = None


def axes_of(tree: xr.DataTree) -> dict[str, Measure]:
    """All in which the cases of a study differ, what was asked for first."""
    told = _told(tree)
    leading, others = told | dict(_set(tree)), _others(tree, _doubles(told))
    if len(leading) == 1:  # two axes are shown at first: the second is no other reading of the first, nor an error
        [first] = leading.values()
        second = next((name for name, one in others.items() if _is_unlike(first, one)), None)
        leading |= {second: others[second]} if second is not None else {}
    return leading | others


def _is_unlike(first: Measure, other: Measure) -> bool:
    """Whether a number is of another kind than an answer, and says something of the chip."""
    return len({one.answer.unit.replace("°C", "K") for one in (first, other)}) == 2


def _told(tree: xr.DataTree) -> dict[str, Measure]:
    """What was asked for, and answers."""
    asked = _asked(tree)
    names = [*FIRST, *(name for name in ANSWERS if name not in FIRST)]
    answered = {name: _answer(tree, name) for name in names if name not in swept(tree) and _is_told_apart(tree, name)}
    goals = [name for name in answered if name in _outputs(tree)]
    order = [*goals, *asked, *(name for name in answered if name not in goals)]
    found = {name: {**answered, **asked}[name] for name in order}
    return {name: replace(one, kind=ASKED) if name in goals else one for name, one in found.items()}


def has_axes(tree: xr.DataTree) -> bool:
    """Whether there are two."""
    return len(_told(tree)) > 1 or len(axes_of(tree)) > 1


def _answer(tree: xr.DataTree, name: str) -> Measure:
    array = values_of(tree, name, cut=True) if ANSWERS[name].cut else None
    cut = None if array is None else array.values.astype(bool).ravel()
    label = LABELS.get(name, ANSWERS[name].short_label)
    return Measure(label, ANSWERS[name], values_of(tree, name).values.astype(float).ravel(), _conditions(tree, name), cut=cut)


def _is_told_apart(tree: xr.DataTree, name: str) -> bool:
    """Whether some cases of a study have an answer in different words: those alike in all are told once for all cases."""
    if not has(tree, name):
        return False
    values = values_of(tree, name).values.astype(float).ravel()
    return len({ANSWERS[name].full(value) for value in values[~np.isnan(values)]}) > 1


def _outputs(tree: xr.DataTree) -> list[str]:
    """Answers that goals and conditions name as a whole."""
    if "optimise" not in tree.children:
        return []
    found = tree.children["optimise"].to_dataset()
    parts = ("goal_output", "goal", "condition_output", "condition_side")
    return [OUTPUTS[name] for part in parts if part in found for v in found[part].values if (name := str(v)) in OUTPUTS]


def _answer_of(*texts: str) -> str | None:
    """Name of the answer that tells a goal or a condition, by its output or how it is written."""
    return next((OUTPUTS[text] for text in map(str, texts) if text in OUTPUTS), None)


def _asked(tree: xr.DataTree) -> dict[str, Measure]:
    """Goals, outputs and compared sides of conditions that no answer tells, where cases differ in them."""
    made = dict(_unknown(tree)) if "uncertain" in tree.children else {}
    found = tree.children["optimise"].to_dataset() if "optimise" in tree.children else None
    if found is not None and "goal_output" in found:
        made |= dict(_goals(tree, found))
    for side, one in _sides(found) if found is not None and "condition_side" in found else ():
        made[side] = replace(made[side], lines=(*made[side].lines, *one.lines)) if side in made else one
    return {name: one for name, one in made.items() if _differ(one.values)}


def _unknown(tree: xr.DataTree) -> Iterator[tuple[str, Measure]]:
    """Outputs of a study of unknowns."""
    found = tree.children["uncertain"].to_dataset()
    for k, (text, unit) in enumerate(zip(found["output"].values, found["output_unit"].values)):
        cut = found["is_at_least"].values[:, k] == 1 if "is_at_least" in found else None
        yield str(text), replace(_measure(str(text), str(unit), found["value"].values[:, k], is_judged=False), cut=cut)


def _goals(tree: xr.DataTree, found: xr.Dataset) -> Iterator[tuple[str, Measure]]:
    """Goals by their text."""
    columns = (found[name].values for name in ("goal", "goal_unit", "goal_minimised", "goal_output"))
    for k, (text, unit, minimised, output) in enumerate(zip(*columns)):
        if (known := _answer_of(output, text)) is None or not _is_told_apart(tree, known):
            yield str(text), _measure(str(text), str(unit), found["value"].values[:, k], larger=not minimised)


def _sides(found: xr.Dataset) -> Iterator[tuple[str, Measure]]:
    """What conditions compare with a constant, as written, each with its line."""
    names = ("condition", "condition_side", "condition_unit", "condition_output", "condition_bound", "condition_sign")
    for k, (text, side, unit, output, bound, sign) in enumerate(zip(*(found[name].values for name in names))):
        if not str(side) or _answer_of(output, side) is not None:
            continue
        is_celsius = str(unit) == "K" and bool(re.search("deg|°", str(text)))
        one = _measure(str(side), str(unit), bound + sign * found["missed"].values[:, k], larger=sign < 0, celsius=is_celsius)
        yield str(side), replace(one, lines=((typeset(str(text)), float(_shift(str(side), str(unit), is_celsius)(bound))),))


def _shift(text: str, unit: str, is_celsius: bool) -> Callable[[Floats], Floats]:
    """From a value in SI to one as it is drawn."""
    factor = 100.0 if in_points(unit, text) else 1.0
    return lambda value: factor * value - (ZERO_CELSIUS if is_celsius else 0.0)


def _measure(
    text: str, unit: str, values: Floats, *, larger: bool = False, celsius: bool = False, is_judged: bool = True
) -> Measure:
    """An axis of what has no answer.

    Parameters
    ----------
    text, unit : str
    values : ndarray
        [SI]
    larger : bool
        More is better.
    celsius : bool
        Kelvin are drawn from the freezing point of water.
    is_judged : bool
        Whether more of it is known to be better, or worse.
    """
    drawn = "°C" if celsius else "%" if in_points(unit, text) else unit
    digits = 2 if drawn in ("K", "°C", "%") else PREFIXED if unit else COUNTED
    answer = Answer(text, drawn, (), lambda v: v, larger, digits)
    return Measure(text, answer, _shift(text, unit, celsius)(np.asarray(values, dtype=float)), (), ASKED, is_judged)


def _differ(values: Floats) -> bool:
    finite = values[np.isfinite(values)]
    return finite.size > 1 and bool(np.ptp(finite) > ALIKE * np.abs(finite).max())


def _set(tree: xr.DataTree) -> Iterator[tuple[str, Measure]]:
    """Numbers that the cases set: choices of a search, unknowns that are drawn, axes of a sweep."""
    root = tree.dataset
    for name in map(str, root.coords):
        array, text = root.coords[name], name.removesuffix("_value")
        is_number = array.dtype.kind in "if" and (text != name or f"{name}_value" not in root.coords)
        if not is_number or not array.dims or (name in root.dims and name == "case"):
            continue
        whole = array if set(array.dims) == set(swept(tree)) else array.broadcast_like(root["status"])
        values = whole.transpose(*swept(tree)).values.astype(float).ravel()
        if _differ(values):
            one = _measure(text.replace("_", " "), _unit_of(array), values, is_judged=False)
            yield text, replace(one, kind=SET)


def _doubles(told: Collection[str]) -> set[str]:
    """Output variables that answers tell as they are."""
    answers = [ANSWERS[name] for name in told if name in ANSWERS]
    alone = {answer.needs[0] for answer in answers if len(answer.needs) == 1}
    return alone | {path for path in fields.FIELDS if OUTPUTS.get(path.partition("/")[2]) in told}


def _others(tree: xr.DataTree, doubles: set[str]) -> dict[str, Measure]:
    """Every number of the cases that differs between them, of all places where these are few, as far as a page has room.

    Without `doubles`, which are told already.
    """
    found, room = dict[str, Measure](), MOST_NUMBERS
    for number in sorted(_numbers(tree), key=lambda one: len(one[1])):
        for name, values, unit in number[1]:
            if room < values.size:
                return found
            if _differ(values) and name not in doubles:
                room -= values.size
                found[name] = replace(_measure(name, unit, values, is_judged=False), kind=OTHERS)
    return found


def _numbers(tree: xr.DataTree) -> Iterator[tuple[str, Sequence[tuple[str, Floats, str]]]]:
    """Output variables and their columns: chips by their mean, times by the last, places one by one."""
    for group, node in tree.children.items():
        numbers = node.dataset.data_vars
        for name, array in numbers.items() if group not in ASIDE else ():
            if str(name).removesuffix("_error") in {*numbers, *CHECKED} - {name} or str(name).startswith(INSIDE):
                continue
            places = [str(d) for d in array.dims if d not in (*swept(tree), "time", "sample")]
            few = len(places) <= 1 and all(array.sizes[d] <= MOST_PLACES for d in places)
            if array.dtype.kind in "if" and few and set(swept(tree)) <= set(array.dims):
                parts = _parts(f"{group}/{name}", array, places)
                flat = [(key, part.transpose(*swept(tree)).values.astype(float).ravel()) for key, part in parts]
                yield f"{group}/{name}", [(key, values, _unit_of(array)) for key, values in flat]


def _parts(name: str, array: xr.DataArray, places: Sequence[str]) -> Iterator[tuple[str, xr.DataArray]]:
    """A number per case: the mean of the chips, the last time, of places each by itself."""
    alone = last(array).mean("sample") if "sample" in array.dims else last(array)
    if not places:
        yield name, alone
    for dim in places:
        labels = array[dim].values if dim in array.coords else range(array.sizes[dim])
        yield from ((f"{name}[{label}]", alone.isel({dim: i})) for i, label in enumerate(labels))


def _unit_of(array: xr.DataArray) -> str:
    unit = str(array.attrs.get("units", ""))
    return "" if unit == "1" else unit


def _conditions(tree: xr.DataTree, name: str) -> tuple[tuple[str, float], ...]:
    """Conditions on an answer, and where they stand."""
    found = tree.children["optimise"].to_dataset() if "optimise" in tree.children else {}
    if "condition_bound" not in found:
        return ()
    sides = found["condition_side"] if "condition_side" in found else found["condition_output"]
    columns = (part.values for part in (found["condition"], found["condition_output"], sides, found["condition_bound"]))
    return tuple(
        (typeset(str(text)), _drawn(name, float(at))) for text, out, side, at in zip(*columns) if _answer_of(out, side) == name
    )


def _drawn(name: str, value: float) -> float:
    """A value in SI as an answer has it."""
    if name in ("peak", "area"):
        return value - ZERO_CELSIUS if name == "peak" else 1e6 * value
    return 100 * value if ANSWERS[name].unit.startswith("%") else value / YEAR if ANSWERS[name].unit == "years" else value
