"""From a sweep to its points: dimensions with the values as the user wrote them, and the overrides of each point."""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, overload

import numpy as np

from stack3d import fields
from stack3d.errors import DeckError, Label, Problem, brief, label_of, text_of
from stack3d.schema.sweep import IntervalDeck, SampleDeck, SweepDeck
from stack3d.study.conditions import Condition

SHORT = {"geometry.tiers.repeat": "tiers", "cooling.top": "cooling"}
"""Names of dimensions that say more than the last part of their key."""
LISTS = ("layers", "below", "above", "blocks", "sources", "probes")
"""Keys of lists, whose items are named: below them a dimension is called after the item too."""
WORDS = ("variant", "case", "draw")
"""Dimensions of listed sets of keys; `names` may call them otherwise."""

MOST_CASES = 1_000_000
"""Combinations of a sweep, those that a condition drops included."""
MOST_AXES = 24
"""Lists of values that combine; the dimensions of an array are counted."""

KeyValue = tuple[str, Any]


@dataclass(frozen=True)
class Dimension:
    """One dimension of a study.

    Parameters
    ----------
    name : str
        Of the dimension in the joined dataset.
    key : str
        Whose values the labels are: a dotted key, or one of `WORDS`.
    labels : sequence
        Coordinate, as written.
    sets : sequence of mapping
        What each position sets: dotted key → value.
    columns : callable
        Makes `beside`.
    """

    name: str
    key: str
    labels: Sequence[Label]
    sets: Sequence[Mapping[str, Any]]
    columns: Callable[[], Mapping[str, tuple[Label | None, ...]]] = dict

    @property
    def beside(self) -> Mapping[str, tuple[Label | None, ...]]:
        """Further coordinates along the dimension, for keys that have none of their own; None where a key is not set."""
        return self.columns()

    @property
    def keys(self) -> list[str]:
        """Every key that a position sets."""
        if isinstance(self.sets, Draws):
            return list(self.sets.sample.keys)
        return list(dict.fromkeys(key for chosen in self.sets for key in chosen))


@dataclass(frozen=True)
class Point:
    """One combination: where it lies in the study, what it sets, and why it is left out if it is."""

    index: tuple[int, ...]
    overrides: tuple[KeyValue, ...]
    text: str
    dropped: str | None = None


def dimension_names(keys: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Short, distinct names for swept keys and words that no output variable or dimension has already."""
    taken = {name for f in fields.FIELDS.values() for name in (f.name, *f.dims)}
    taken |= {*fields.COORDINATES, *fields.STUDY, *WORDS} - {*keys}
    options = {key: list(_candidates(key, chosen)) for key in keys}
    depth = dict.fromkeys(keys, 0)
    while True:
        names = {key: options[key][min(depth[key], len(options[key]) - 1)] for key in keys}
        count = Counter(names.values())
        clash = [k for k in keys if names[k] in taken or count[names[k]] > 1]
        deeper = [k for k in clash if depth[k] + 1 < len(options[k])]
        if not clash:
            return names
        if not deeper:
            raise DeckError(_in_use(clash[0], names[clash[0]], is_chosen=clash[0] in chosen, is_ours=names[clash[0]] in taken))
        for key in deeper:
            depth[key] += 1


def _in_use(key: str, name: str, *, is_chosen: bool, is_ours: bool) -> Problem:
    """The mistake of a name for a dimension that something else has."""
    used = "an output variable, a dimension or a word of studies" if is_ours else "another dimension"
    text = f"{name!r} cannot name the dimension of {key}: it is the name of {used}"
    return Problem(f"sweep.names.{key}" if is_chosen else f"sweep.{key}", text)


def _candidates(key: str, chosen: Mapping[str, str]) -> Iterator[str]:
    """Names that a dimension of a key may have, the shortest first."""
    parts = key.replace("-", "_").split(".")
    if key in chosen:  # taken as it is, or told
        yield chosen[key]
        return
    if key in WORDS:
        yield key
    elif key in SHORT:
        yield SHORT[key]
    elif len(parts) < 3 or parts[-3] not in LISTS:
        yield parts[-1]
    for depth in range(2, len(parts) + 1):
        if not parts[-depth].isdigit() or depth == len(parts):  # a place in a list says nothing without the list
            yield "_".join(parts[-depth:])


def _distinct(labels: Sequence[Label], key: str) -> tuple[Label, ...]:
    """Labels of one type, each once."""
    if any(isinstance(v, (bool, str)) for v in labels):
        labels = [text_of(v) for v in labels]
    seen: set[Label] = set()
    for label in labels:
        if label in seen:
            raise DeckError(Problem(f"sweep.{key}", f"{brief(label)} is listed twice"))
        seen.add(label)
    return tuple(labels)


def columns_of(sets: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, tuple[Label | None, ...]]:
    """What each position sets, by the name of the key; None where it does not."""
    keys = dict.fromkeys(key for chosen in sets for key in chosen if key in names)
    return {names[k]: tuple(label_of(s[k]) if k in s else None for s in sets) for k in keys}


def _names(sweep: SweepDeck) -> dict[str, str]:
    return dimension_names([*dict.fromkeys(sweep.keys()), *sweep.words()], sweep.names)


def axes_of(sweep: SweepDeck) -> tuple[Dimension, ...]:
    """Dimensions of a study in the order written: product, zip, variants, cases, sample.

    Raises
    ------
    DeckError
        For more than `MOST_CASES` combinations, before any is made, and for values listed twice.
    """
    names = _names(sweep)
    _refuse_too_many(sweep)
    axes = [
        Dimension(names[key], key, _distinct([label_of(v) for v in values], key), [{key: v} for v in values])
        for key, values in sweep.product.items()
    ]
    for group in sweep.zip:
        first, *others = group
        labels = _distinct([label_of(v) for v in group[first]], first)
        sets = [dict(zip(group, values)) for values in zip(*group.values())]
        axes.append(Dimension(names[first], first, labels, sets, partial(columns_of, sets, {k: names[k] for k in others})))
    return (*axes, *_listed(sweep, names))


def _refuse_too_many(sweep: SweepDeck) -> None:
    sizes = [len(values) for values in sweep.product.values()]
    sizes += [len(next(iter(group.values()))) for group in sweep.zip if group]
    if len(sizes) > MOST_AXES:
        raise DeckError(Problem("sweep", f"has {len(sizes)} lists that combine, at most {MOST_AXES}; zip some"))
    sizes += [len(sweep.variants) or 1, len(sweep.cases) or 1, sweep.sample.count if sweep.sample else 1]
    if (n := math.prod(sizes)) > MOST_CASES:
        written = str(n) if n < 100 * MOST_CASES else f"{Decimal(n):.3g}"
        raise DeckError(Problem("sweep", f"makes {written} cases, at most {MOST_CASES}"))


def _listed(sweep: SweepDeck, names: Mapping[str, str]) -> Iterator[Dimension]:
    """Dimensions whose positions set several keys each: variants, cases, draws."""
    listed: dict[str, Sequence[Mapping[str, Any]]] = {
        "variant": list(sweep.variants.values()),
        "case": sweep.cases,
        "draw": Draws(sweep.sample) if sweep.sample else [],
    }
    for word, chosen in listed.items():
        if chosen:
            labels = tuple(sweep.variants) if word == "variant" else tuple(range(len(chosen)))
            yield Dimension(names[word], word, labels, chosen, partial(columns_of, chosen, names))


class Draws(Sequence[Mapping[str, Any]]):
    """Points of a design, as values written the way the interval's ends are; each is made when it is asked for.

    The designs are those of `scipy.stats.qmc`, scrambled with the sample's seed.

    Parameters
    ----------
    sample : SampleDeck
    """

    def __init__(self, sample: SampleDeck) -> None:
        from scipy.stats import qmc

        rng = np.random.default_rng(sample.seed)
        designs = {"latin_hypercube": qmc.LatinHypercube, "sobol": qmc.Sobol}
        self.sample = sample
        self.unit = designs[sample.method](len(sample.keys), rng=rng).random(sample.count)

    def __len__(self) -> int:
        return int(self.sample.count)

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> list[Mapping[str, Any]]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        return {key: value_at(of, float(u)) for (key, of), u in zip(self.sample.keys.items(), self.unit[at])}


def value_at(values: IntervalDeck | list[Any], share: float) -> Any:
    """Value at a share of 0 to 1 of an interval or a list."""
    if isinstance(values, list):
        return values[min(int(share * len(values)), len(values) - 1)]
    lows, highs, unit = values.ends
    found: list[Any] = []
    for low, high in zip(lows, highs):
        if values.integer:
            number: float = min(int(low + share * (high - low + 1)), int(high))
        elif values.scale == "log":
            number = float(f"{low * (high / low) ** share:.9g}")
        else:
            number = float(f"{low + share * (high - low):.9g}")
        found.append(f"{number!r} {unit}" if unit else number)
    return found if values.together else found[0]


def in_order(chosen: Sequence[KeyValue]) -> tuple[KeyValue, ...]:
    """What a point sets, each key before those below it."""
    keys = {key for key, _ in chosen}

    def above(override: KeyValue) -> int:
        """How many of the keys it lies below; a key of many parts lies below few of few."""
        key, found = override[0], 0
        while (dot := key.rfind(".")) >= 0:
            key = key[:dot]
            found += key in keys
        return found

    return tuple(sorted(chosen, key=above))


def _said(axis: Dimension, position: int) -> str:
    """What a position of an axis sets, or the name of the variant."""
    if axis.key == "variant":
        return f"{axis.name}={axis.labels[position]}"
    labels = {key: label_of(value) for key, value in axis.sets[position].items()}
    return ", ".join(f"{key}={text_of(label)}" for key, label in labels.items())


class Points:
    """Every combination of a study, each made when it is asked for.

    Parameters
    ----------
    sweep : SweepDeck
    axes : sequence of Dimension
    """

    def __init__(self, sweep: SweepDeck, axes: Sequence[Dimension]) -> None:
        self.axes = axes
        self.shape = tuple(len(axis.labels) for axis in axes)
        names = _names(sweep)
        self.conditions = [Condition.parse(text, names) for text in sweep.where]

    def __len__(self) -> int:
        return math.prod(self.shape)

    def at(self, index: tuple[int, ...]) -> Point:
        """One combination; conditions that are not met mark it as dropped.

        One axis may name a deck and another change a value in it.
        """
        at = list(zip(self.axes, index))
        overrides = in_order([o for axis, i in at for o in axis.sets[i].items()])
        text = ", ".join(words for axis, i in at if (words := _said(axis, i)))
        values = {axis.key: axis.labels[i] for axis, i in at} | dict(overrides)
        dropped = next((c.text for c in self.conditions if not c.holds(values)), None)
        return Point(index, overrides, text, dropped)


def points_of(sweep: SweepDeck, axes: Sequence[Dimension]) -> Iterator[Point]:
    """Every combination, in C order."""
    points = Points(sweep, axes)
    return map(points.at, itertools.product(*map(range, points.shape)))


def ends_first(n: int) -> Iterator[int]:
    """Every position once: both ends, then the middle of what lies between, and so on."""
    yield from (0, n - 1)[: min(n, 2)]
    gaps = deque([(0, n - 1)])
    while gaps:
        low, high = gaps.popleft()
        middle = (low + high) // 2
        if low < middle:
            yield middle
            gaps += [(low, middle), (middle, high)]
