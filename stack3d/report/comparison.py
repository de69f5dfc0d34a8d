"""Results beside each other: what differs between them in words, numbers, settings, pictures and curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import fields
from stack3d.errors import ResultsError
from stack3d.report import page, stack_picture, study_errors
from stack3d.report.chart import COLOURS, Figure, Line, Panel, Ribbon, colour_scale, linear, times
from stack3d.report.differences import differences, is_even, is_within_errors, told_difference, values_among
from stack3d.report.facts import Facts
from stack3d.report.study_answers import ANSWERS, has, may_be_more, swept, values_of

if TYPE_CHECKING:
    import xarray as xr


MOST_KEYS = 80
"""Settings that differ and are listed."""
DECKS = ("geometry", "cooling.top", "cooling.bottom", "device", "workload.network", "workload.periphery", "solver.profile")
"""Keys that name a deck. Where the names differ, so do keys without number, which are folded."""
MOST_PICTURES = 4
MOST_LETTERS = 70
"""Of a setting."""
MOST_OF_A_NAME = 40
"""Letters of what was set of a result that is called by it."""
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
    shared = set.intersection(*map(set, overrides))  # what all were set to tells none apart
    own = [[text.rpartition(" -> ")[2] for text in one if text not in shared] for one in overrides]
    told = [page.typeset(", ".join(texts)) for texts in own]
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
    made = [differences(study, facts, names), _settings(facts, names), _pictures(facts, names)]
    for figure in (_accuracies(facts, names), _profiles(facts, names)):
        made.append(None if figure is None else (figure.name, figure.title, page.section(figure, figure.name)))
    return [one for one in (*made, _numbers(facts, names)) if one is not None]


def sentences(study: xr.DataTree, trees: Sequence[xr.DataTree]) -> list[str]:
    """How the second of two results differs from the first."""
    names, facts = _names(study), [Facts(tree) for tree in trees]
    said = []
    for name in LEAD:
        values = values_among(study, name)
        if values is None or not np.isfinite(values).all() or is_even(ANSWERS[name], values):
            continue
        more = values[1] > values[0]
        told = told_difference(ANSWERS[name], values[1], values[0]).lstrip("+−")
        chance = " (which may be chance)" if is_within_errors(name, values, facts) else ""
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
