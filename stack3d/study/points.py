"""From a sweep to its points: dimensions with the values as the user wrote them, and the overrides of each point."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stack3d import fields
from stack3d.errors import DeckError, Problem
from stack3d.schema.sweep import Interval, Sample, Sweep
from stack3d.study.conditions import Condition

SHORT = {"geometry.tiers.repeat": "tiers", "cooling.top": "cooling"}
"""Names of dimensions that say more than the last part of their key."""
LISTS = ("layers", "below", "above", "blocks", "sources", "probes")
"""Keys of lists, whose items are named: below them a dimension is called after the item too."""
WORDS = ("variant", "case", "draw")
"""Dimensions of listed sets of keys; `names` may call them otherwise."""

Label = str | int | float | bool
Override = tuple[str, Any]


@dataclass(frozen=True)
class Axis:
    """One dimension of a study.

    Parameters
    ----------
    name : str
        Of the dimension in the joined dataset.
    key : str
        Whose values the labels are: a dotted key, or one of `WORDS`.
    labels : tuple
        Coordinate, as written.
    overrides : tuple of tuple of (key, value)
        What each position sets.
    beside : mapping of str to tuple
        Further coordinates along the dimension, for keys that have none of their own; None where a key is not set.
    """

    name: str
    key: str
    labels: tuple[Label, ...]
    overrides: tuple[tuple[Override, ...], ...]
    beside: Mapping[str, tuple[Label | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One combination: where it lies in the study, what it sets, and why it is left out if it is."""

    index: tuple[int, ...]
    overrides: tuple[Override, ...]
    text: str
    dropped: str | None = None


def label_of(value: Any) -> Label:
    """How a swept value reads: itself, the name of a mapping, or its JSON."""
    if isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return str(value["name"])
    return json.dumps(value, default=str)


def dimension_names(keys: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Short, distinct names for swept keys and words that no output variable or dimension has already."""
    taken = {d for f in fields.FIELDS.values() for d in f.dims} | {f.name for f in fields.FIELDS.values()}
    taken |= {*fields.COORDINATES, *fields.STUDY, *WORDS} - {*keys}

    def candidates(key: str) -> Iterator[str]:
        parts = key.replace("-", "_").split(".")
        if key in chosen:
            yield chosen[key]
        elif key in WORDS:
            yield key
        elif key in SHORT:
            yield SHORT[key]
        elif len(parts) < 3 or parts[-3] not in LISTS:
            yield parts[-1]
        for depth in range(2, len(parts) + 1):
            yield "_".join(parts[-depth:])

    options = {key: list(candidates(key)) for key in keys}
    depth = dict.fromkeys(keys, 0)
    while True:
        names = {key: options[key][min(depth[key], len(options[key]) - 1)] for key in keys}
        clash = [k for k in keys if names[k] in taken or list(names.values()).count(names[k]) > 1]
        deeper = [k for k in clash if depth[k] + 1 < len(options[k])]
        if not clash:
            return names
        if not deeper:
            raise DeckError(
                Problem("sweep.names", f"{names[clash[0]]!r} cannot name the dimension of {clash[0]}: it is in use")
            )
        for key in deeper:
            depth[key] += 1


def _distinct(labels: Sequence[Label], key: str) -> tuple[Label, ...]:
    """Labels of one type, each once."""
    if any(isinstance(v, (bool, str)) for v in labels):
        labels = [v if isinstance(v, str) else json.dumps(v) for v in labels]
    for i, label in enumerate(labels):
        if label in labels[:i]:
            raise DeckError(Problem(f"sweep.{key}", f"{label!r} is listed twice"))
    return tuple(labels)


def _columns(sets: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, tuple[Label | None, ...]]:
    keys = dict.fromkeys(key for chosen in sets for key in chosen)
    return {names[k]: tuple(label_of(s[k]) if k in s else None for s in sets) for k in keys}


def _names(sweep: Sweep) -> dict[str, str]:
    return dimension_names([*dict.fromkeys(sweep.keys()), *sweep.words()], sweep.names)


def axes_of(sweep: Sweep) -> tuple[Axis, ...]:
    """Dimensions of a study in the order written: product, zip, variants, cases, sample."""
    names = _names(sweep)
    axes = [
        Axis(names[key], key, _distinct([label_of(v) for v in values], key), tuple(((key, v),) for v in values))
        for key, values in sweep.product.items()
    ]
    for group in sweep.zip:
        first, *others = group
        labels = _distinct([label_of(v) for v in group[first]], first)
        sets = [dict(zip(group, values)) for values in zip(*group.values())]
        beside = {names[k]: tuple(label_of(v) for v in group[k]) for k in others}
        axes.append(Axis(names[first], first, labels, tuple(tuple(s.items()) for s in sets), beside))
    listed = {
        "variant": list(sweep.variants.values()),
        "case": sweep.cases,
        "draw": draws(sweep.sample) if sweep.sample else [],
    }
    for word, sets in listed.items():
        if sets:
            labels = tuple(sweep.variants) if word == "variant" else tuple(range(len(sets)))
            axes.append(Axis(names[word], word, labels, tuple(tuple(s.items()) for s in sets), _columns(sets, names)))
    return tuple(axes)


def draws(sample: Sample) -> list[dict[str, Any]]:
    """Points of a design, as values written the way the interval's ends are.

    The designs are those of `scipy.stats.qmc`, scrambled with the sample's seed.
    """
    from scipy.stats import qmc

    rng = np.random.default_rng(sample.seed)
    designs = {"latin_hypercube": qmc.LatinHypercube, "sobol": qmc.Sobol}
    unit = designs[sample.method](len(sample.keys), rng=rng).random(sample.count)
    return [{key: _at(of, float(u)) for (key, of), u in zip(sample.keys.items(), row)} for row in unit]


def _at(values: Interval | list[Any], share: float) -> Any:
    """Value at a share of 0 to 1 of an interval or a list."""
    if isinstance(values, list):
        return values[min(int(share * len(values)), len(values) - 1)]
    low, high, unit = values.ends
    if values.integer:
        number: float = min(int(low + share * (high - low + 1)), int(high))
    elif values.scale == "log":
        number = float(f"{low * (high / low) ** share:.9g}")
    else:
        number = float(f"{low + share * (high - low):.9g}")
    return f"{number!r} {unit}" if unit else number


def _said(axis: Axis, position: int) -> str:
    """What a position of an axis sets, or the name of the variant."""
    if axis.key == "variant":
        return f"{axis.name}={axis.labels[position]}"
    labels = {key: label_of(value) for key, value in axis.overrides[position]}
    return ", ".join(f"{key}={label if isinstance(label, str) else json.dumps(label)}" for key, label in labels.items())


def points_of(sweep: Sweep, axes: Sequence[Axis]) -> Iterator[Point]:
    """Every combination, in C order; conditions that are not met mark it as dropped.

    A key is set before those below it, so that one axis may name a deck and another change a value in it.
    """
    names = _names(sweep)
    conditions = [Condition.parse(text, names) for text in sweep.where]
    for index in itertools.product(*(range(len(a.labels)) for a in axes)):
        at = list(zip(axes, index))
        chosen = [o for axis, i in at for o in axis.overrides[i]]
        overrides = tuple(sorted(chosen, key=lambda o: sum(o[0].startswith(f"{key}.") for key, _ in chosen)))
        text = ", ".join(said for axis, i in at if (said := _said(axis, i)))
        values = {axis.key: axis.labels[i] for axis, i in at} | dict(overrides)
        dropped = next((c.text for c in conditions if not c.holds(values)), None)
        yield Point(index, overrides, text, dropped)
