"""Results beside each other: what differs between them in words, numbers, settings, pictures and curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import fields
from stack3d.constants import YEAR
from stack3d.errors import ResultsError
from stack3d.report import case_limits, page, stack_picture, study_errors
from stack3d.report.chart import COLOURS, Figure, Line, Panel, Ribbon, colour_scale, linear, times
from stack3d.report.facts import Facts
from stack3d.report.study_answers import ANSWERS, PREFIXED, TIME, Answer, has, may_be_more, swept, values_of
from stack3d.unit_text import duration, short

if TYPE_CHECKING:
    import xarray as xr

    from stack3d.layout import Floats

MOST_KEYS = 80
"""Settings that differ and are listed."""
DECKS = ("geometry", "cooling.top", "cooling.bottom", "device", "workload.network", "workload.periphery", "solver.profile")
"""Keys that name a deck. Where the names differ, so do keys without number, which are folded."""
MOST_PICTURES = 4
MOST_LETTERS = 70
"""Of a setting."""
MOST_OF_A_NAME = 40
"""Letters of what was set of a result that is called by it."""
EVEN = 5e-4
"""Share of a value below which a difference is told as none."""
MULTIPLE = 10.0
"""From so many times the first on a value is told as a multiple of it."""
UNITS = {"°C": "K", "%": "points"}
"""Unit of a value → that of a difference."""
LEAD = ("peak", "accuracy", "energy")
"""What the sentence that opens the page tells."""


def _refuse_studies(names: Sequence[str], trees: Sequence[xr.DataTree]) -> None:
    """Raise ResultsError where results that shall stand beside each other are studies."""
    studies = [f"{name} (of {tree.dataset['status'].size} cases)" for name, tree in zip(names, trees) if swept(tree)]
    if studies:
        is_one = len(studies) == 1
        text = f"{' and '.join(studies)} {'is a study' if is_one else 'are studies'}, and a page compares single cases"
        raise ResultsError(f"{text}; report {'it' if is_one else 'each'} alone, or name folders of cases: RESULTS/cases/HASH")


def _labels(names: Sequence[str], overrides: Sequence[Sequence[str]]) -> list[str]:
    """What results are called: names, behind those of one name what was set of each, or its place where that is the same."""
    told = [", ".join(text.rpartition(" -> ")[2] for text in one) for one in overrides]
    known = [
        f"{name}: {text if len(text) <= MOST_OF_A_NAME else text[: MOST_OF_A_NAME - 1] + '…'}"
        for name, text in zip(names, told)
    ]
    return [
        name if names.count(name) == 1 else known[i] if told[i] and known.count(known[i]) == 1 else f"{name} ({i + 1})"
        for i, name in enumerate(names)
    ]


def beside(trees: Sequence[xr.DataTree]) -> xr.DataTree:
    """A study along ``case`` of results that were run one by one; raises ResultsError when one is a study itself."""
    import xarray as xr

    names = [Facts(tree).name for tree in trees]
    _refuse_studies(names, trees)
    labels = _labels(names, [Facts(tree).json("overrides") or [] for tree in trees])
    root = xr.Dataset({"status": ("case", np.full(len(trees), "done"))}, coords={"case": labels})
    root["summary"] = ("case", np.array([str(tree.attrs.get("summary", "")) for tree in trees]))
    for name in ANSWERS:
        if np.isfinite([_value(tree, name) for tree in trees]).any():
            for part, told in {"answer": _value, "error": _error, "cut": _cut}.items():
                root[f"{part}_{name}"] = ("case", np.array([told(tree, name) for tree in trees]))
    history = "\n".join(str(tree.attrs.get("history", "")) for tree in trees)
    root.attrs = {"title": "Cases side by side", "scenario": ", ".join(names), "history": history}
    root.attrs |= {key: trees[0].attrs[key] for key in ("versions",) if key in trees[0].attrs}
    return xr.DataTree(root)


def _value(tree: xr.DataTree, name: str) -> float:
    """An answer of one result; NaN where it has none."""
    return float(values_of(tree, name)) if has(tree, name) else np.nan


def _error(tree: xr.DataTree, name: str) -> float:
    """What stands behind the sign ± of it; NaN where nothing does."""
    return study_errors.of_case(Facts(tree), name) if has(tree, name) else np.nan


def _cut(tree: xr.DataTree, name: str) -> int:
    """Whether it may be more."""
    return int(has(tree, name) and may_be_more(tree, name))


def sections(study: xr.DataTree, trees: Sequence[xr.DataTree]) -> list[tuple[str, str, str]]:
    """Anchor, heading and HTML of the sections of a comparison; those with nothing to show are left out.

    Parameters
    ----------
    study : xarray.DataTree
        The results as cases of a study along ``case``.
    trees : sequence of xarray.DataTree
        The same results.
    """
    names, facts = _names(study), [Facts(tree) for tree in trees]
    made = [_differences(study, facts, names), _settings(facts, names), _pictures(facts, names)]
    for figure in (_accuracies(facts, names), _profiles(facts, names)):
        made.append(None if figure is None else (figure.name, figure.title, page.section(figure, figure.name)))
    return [one for one in (*made, _numbers(facts, names)) if one is not None]


def sentences(study: xr.DataTree, trees: Sequence[xr.DataTree]) -> list[str]:
    """How the second of two results differs from the first."""
    names, facts = _names(study), [Facts(tree) for tree in trees]
    said = []
    for name in LEAD:
        values = _values(study, name)
        if values is None or not np.isfinite(values).all() or _is_even(ANSWERS[name], values):
            continue
        more = values[1] > values[0]
        told = _difference(ANSWERS[name], values[1], values[0]).lstrip("+−")
        chance = " (which may be chance)" if _is_within_errors(name, values, facts) else ""
        said.append(
            {
                "peak": f"{told} {'hotter' if more else 'cooler'} at its hottest place",
                "accuracy": f"{told} {'more' if more else 'less'} accurate at the end",
                "energy": f"{'dearer' if more else 'cheaper'} by {told} an inference",
            }[name]
            + chance
        )
    unlike = _unlike(names, facts)
    if not said:
        what = "do not differ in peak temperature" if unlike else "differ in neither peak temperature nor accuracy nor energy"
        return [f"The two {what}.", *unlike]
    joined = f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]
    return [f"{names[1]} is {joined}, against {names[0]}.", *unlike]


def _unlike(names: Sequence[str], facts: Sequence[Facts]) -> list[str]:
    """That only one of two results has a network, where that is so."""
    having = [one.has("power/energy_per_inference") or one.has("mvm/accuracy") for one in facts]
    if all(having) or not any(having):
        return []
    having_it = names[having.index(True)]
    return [f"Only {having_it} has a network, so accuracy, energy and latency cannot be compared; heat can."]


def _names(study: xr.DataTree) -> list[str]:
    return [str(name) for name in study.dataset["case"].values]


def _values(study: xr.DataTree, name: str) -> Floats | None:
    """An answer of every result, None where none has it."""
    found = study.dataset.get(f"answer_{name}")
    return None if found is None else np.asarray(found.values, dtype=float)


def _known(study: xr.DataTree) -> dict[str, Floats]:
    """Every answer that some result has."""
    found = {key: _values(study, key) for key in ANSWERS}
    return {key: values for key, values in found.items() if values is not None and not np.isnan(values).all()}


def _is_even(answer: Answer, values: Floats) -> bool:
    """Whether values differ by less than is printed of them."""
    if np.isinf(values).any():
        return bool((values == values[0]).all())
    spread = float(np.ptp(values))
    if isinstance(answer.digits, int):
        return spread < 0.5 * 10.0**-answer.digits
    return spread <= EVEN * float(np.abs(values).max())


def _difference(answer: Answer, value: float, first: float) -> str:
    """Text of a difference with its sign, and its share of the first value where a ratio means something."""
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
    return f"{sign}{told}{share}"


def _share(value: float, first: float) -> str:
    """How much more or less a value is than the first, in per cent; from ten times on as a multiple."""
    if value / first >= MULTIPLE:
        return f"{value / first:.3g} times"
    return f"{100 * (value - first) / abs(first):+.3g} %".replace("-", "−")


def _is_within_errors(name: str, values: Floats, facts: Sequence[Facts]) -> bool:
    """Whether two answers differ by less than their stated errors together, two accuracies by less than the chips scatter."""
    delta = abs(float(values[1] - values[0]))
    if name == "peak" or ANSWERS[name].error:
        return delta < sum(float(np.nan_to_num(study_errors.of_case(one, name))) for one in facts)
    if name == "accuracy" and all(one.has("mvm/accuracy_mean") for one in facts):
        ends = [100 * one.values("mvm/accuracy_mean")[-1] for one in facts]
        return delta < 2 * float(np.sqrt(sum(end.var(ddof=1) / end.size for end in ends if end.size > 1)))
    return False


def _differences(study: xr.DataTree, facts: Sequence[Facts], names: Sequence[str]) -> tuple[str, str, str] | None:
    """Table of every answer of the results and of their limits, and how they differ from the first."""
    rows, alike = [], []
    for key, values in _known(study).items():
        cut = values_of(study, key, cut=True).values.astype(bool)
        plain = _texts(ANSWERS[key], values, cut)
        texts = [study_errors.with_sign(text, error) for text, error in zip(plain, study_errors.beside(study, key))]
        if len(set(plain)) == 1:
            alike.append(f"{ANSWERS[key].short_label}: {texts[0]}")
        else:
            beside = _beside_first(ANSWERS[key], values, cut, texts)
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
    signs = study_errors.meaning(n for n in _known(study) if np.isfinite(study_errors.beside(study, n)).any())
    said = [f"{signs}."] * bool(signs) + [f"The same in all: {page.typeset('; '.join(alike))}."] * bool(alike)
    return "".join(f'<p class="caption">{escape(one)}</p>' for one in said)


def _texts(answer: Answer, values: Floats, cut: Floats) -> list[str]:
    """An answer of every result in words."""
    return ["none" if np.isnan(v) else "at least " * bool(c) + answer.full(float(v)) for v, c in zip(values, cut)]


def _beside_first(answer: Answer, values: Floats, cut: Floats, texts: Sequence[str]) -> tuple[str, ...]:
    """Cells after that of the first result: of two results the second and the difference, else each with its difference.

    Parameters
    ----------
    answer : Answer
    values, cut : ndarray, shape (results,)
        Of the answer, and whether each may be more.
    texts : sequence of str
        Of the values.
    """
    told = [_difference(answer, v, values[0]) for v in values[1:]]
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
    if _is_within_errors(key, values, facts):
        return "within chance" if key == "accuracy" else "within the stated errors"
    return names[int(values[1] > values[0]) if answer.larger_is_better else int(values[1] < values[0])]


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys of a scenario with their values as texts; items of lists by their name where they have one."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, (list, tuple)) and any(isinstance(item, Mapping) for item in tree):
        for i, item in enumerate(tree):
            name = item.get("name", i) if isinstance(item, Mapping) else i
            yield from _flat(item, f"{path}.{name}")
    else:
        yield path.removesuffix(".value"), ", ".join(map(str, tree)) if isinstance(tree, (list, tuple)) else str(tree)


def _settings(facts: Sequence[Facts], names: Sequence[str]) -> tuple[str, str, str] | None:
    """Table of the keys of the scenarios that differ."""
    flat = [dict(_flat(one.scenario)) for one in facts]
    differ = _differ(flat)
    if not differ:
        return ("settings", "What was set differently", '<p class="caption">The scenarios are the same, but for names.</p>')
    others = [deck for deck in DECKS if f"{deck}.name" in differ]
    inside = [key for key in differ if key.startswith(tuple(f"{deck}." for deck in others))]
    shown = [f"{deck}.name" for deck in others] + [key for key in differ if key not in inside]
    rest = [key for key in inside if key not in shown]
    folded = ""
    if rest:
        said = f"{len(rest)} keys that differ with the deck of {' and '.join(others)}"
        folded = f"<details><summary>{escape(said)}</summary>{_rows(rest, flat, names)}</details>"
    return ("settings", "What was set differently", _rows(shown, flat, names) + folded)


def _differ(flat: Sequence[Mapping[str, str]]) -> list[str]:
    """Keys that scenarios have different values of, or that not all have; without names and provenance."""
    keys = [key for key in dict.fromkeys(key for one in flat for key in one) if key not in ("scenario", "title")]
    return [key for key in keys if len({one.get(key) for one in flat}) > 1 and not key.endswith((".source", ".assumed"))]


def _rows(keys: Sequence[str], flat: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    """Table of keys with what each scenario says; names of decks go by the key that chooses them."""
    rows = []
    for key in keys[:MOST_KEYS]:
        deck = key.removesuffix(".name")
        rows.append((deck if deck in DECKS else key, *(_brief(one.get(key)) for one in flat)))
    more = f'<p class="caption">{len(keys) - MOST_KEYS} further keys differ.</p>' if len(keys) > MOST_KEYS else ""
    return page.table(rows, ("key", *names), stacked=True) + more


def _brief(text: str | None) -> str:
    if text is None:
        return "not set"
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def _pictures(facts: Sequence[Facts], names: Sequence[str]) -> tuple[str, str, str] | None:
    """The stacks on one scale of temperature."""
    shown = [(one, name) for one, name in zip(facts, names) if stack_picture.can_draw(one)][:MOST_PICTURES]
    if len(shown) < 2:
        return None
    scale = colour_scale("temperature [°C]", np.concatenate([stack_picture.temperatures(one) for one, _ in shown]))
    drawn = "".join(
        f"<div><h3>{escape(name)}</h3>{stack_picture.picture(one, f'picture{i}', scale)}</div>"
        for i, (one, name) in enumerate(shown)
    )
    return ("pictures", "The stacks on one scale", f'<div class="pictures">{drawn}</div>')


def _accuracies(facts: Sequence[Facts], names: Sequence[str]) -> Figure | None:
    """Accuracy over the life of each result."""
    shown = [(one, name) for one, name in zip(facts, names) if one.has("mvm/accuracy_mean")][: len(COLOURS)]
    if len(shown) < 2:
        return None
    marks: list[Line | Ribbon] = []
    for i, (one, name) in enumerate(shown):
        time, values = one.get("mvm/accuracy")["time"].values, 100 * one.values("mvm/accuracy_mean")
        low, high = np.quantile(values, [0.05, 0.95], axis=1)
        if len(shown) == 2:
            marks.append(Ribbon(f"5 to 95 % of the chips of {name}", time, low, high, COLOURS[i]))
        marks.append(Line(name, time, values.mean(axis=1), COLOURS[i], dots=True, dashed=bool(i % 2)))
    ends = [v for m in marks for v in ((m.low, m.high) if isinstance(m, Ribbon) else (m.y, m.y))]
    instants = np.concatenate([m.x for m in marks])
    y = linear("accuracy [%]", float(min(v.min() for v in ends)), float(max(v.max() for v in ends)), unit="%")
    x = times("time since programming", float(instants.min()), float(max(instants.max(), 10 * instants.min())))
    caption = "Mean of the chips of each." + (" Bands: 5 to 95 % of them." if len(shown) == 2 else "")
    return Figure("accuracies", "Accuracy over the life", caption, (Panel("", x, y, tuple(marks)),))


def _profiles(facts: Sequence[Facts], names: Sequence[str]) -> Figure | None:
    """Mean temperature of the layers of each result over the height."""
    shown = [(one, name) for one, name in zip(facts, names) if stack_picture.can_draw(one)][: len(COLOURS)]
    if len(shown) < 2:
        return None
    marks = []
    for i, (one, name) in enumerate(shown):
        middle = np.array([0.5e3 * (layer.z0 + layer.z1) for layer in one.stack.named])
        order = np.argsort(middle, kind="stable")
        mean = one.celsius("thermal/layer_temperature_mean")
        marks.append(Line(name, mean[order], middle[order], COLOURS[i], dots=True, dashed=bool(i % 2)))
    across, up = (np.concatenate([getattr(m, axis) for m in marks]) for axis in ("x", "y"))
    x = linear("temperature [°C]", float(across.min()), float(across.max()), unit="°C")
    y = linear("z [mm]", float(up.min()), float(up.max()), unit="mm")
    caption = "Mean of every layer at its mid-height."
    return Figure("profiles", "Temperature through the height", caption, (Panel("", x, y, tuple(marks), height=0.75),))


def _numbers(facts: Sequence[Facts], names: Sequence[str]) -> tuple[str, str, str] | None:
    """Every scalar of the datasets."""
    rows = []
    for path, entry in fields.FIELDS.items():
        if entry.dims not in ((), ("time",)):
            continue
        values = [float(one.get(path)) if one.has(path) and np.ndim(one.get(path)) == 0 else np.nan for one in facts]
        if np.isfinite(values).any():
            unit = entry.units if entry.units != "1" else ""
            rows.append((path, *("none" if np.isnan(v) else page.told(v, unit) for v in values), entry.long_name))
    return ("values", "Numbers", page.table(rows, ("variable", *names, "meaning"), stacked=True)) if rows else None
