"""What a study varies: keys by product, together, as named variants, as listed cases or as samples, and what is dropped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, Tag, ValidationInfo, model_validator

from stack3d.errors import brief, did_you_mean, told
from stack3d.schema.base import Described, given_as

KEY = re.compile(r"[^.\s\x00-\x1f]+(\.[^.\x00-\x1f]+)*")
"""What may be the dotted key of a scenario; whether there is one shows later."""
Key = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[\w\-]+)*$")]
Values = Annotated[list[Any], Field(min_length=1)]


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(_several, json_schema_input_type=str | list[str])]

NUMBER = re.compile(r"^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(.*?)\s*$")
MOST_LETTERS = 200
"""Of an end of an interval."""
MOST_TOGETHER = 10
"""Numbers of a key that move together."""
MOST_NUMBERS = 5_000_000
"""Points times keys of a sample."""
MOST_KEYS = 1000
"""Keys that a sweep sets."""


STUDIES = ("sweep", "optimise", "uncertain")
"""Sections of a scenario that say which cases there are."""


class SweepModel(Described):
    """Frozen, unknown keys refused; unlike other decks it holds no physical numbers of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, populate_by_name=True)


def _end(value: Any) -> Any:
    if isinstance(value, list) and 2 <= len(value) <= MOST_TOGETHER:
        return tuple(_end(one) for one in value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"wants a number, with a unit where the key has one, or a list of some, got {told(value)}")
    return value


End = Annotated[
    str | float | tuple[str | float, ...], BeforeValidator(_end, json_schema_input_type=str | float | list[str | float])
]


def _read_end(text: str, got: str) -> tuple[float, str]:
    """Number and unit of an end of an interval; raises ValueError, with what was `got`."""
    match = NUMBER.match(text) if len(text) <= MOST_LETTERS else None
    if match is None:
        raise ValueError(f"from and to want numbers, with a unit where the key has one {got}")
    if not math.isfinite(float(match[1])):
        raise ValueError(f"from and to want finite numbers {got}")
    return float(match[1]), match[2]


class IntervalDeck(SweepModel):
    """Values between two ends that are written with the same unit; of a key with several numbers, as a place, all together."""

    low: Annotated[End, Field(alias="from")]
    """Lower end, as ``"1e4 1/s"``; of several numbers that move together a list, as ``["1 mm", "2 mm"]``."""
    high: Annotated[End, Field(alias="to")]
    """Upper end, in the same unit."""
    scale: Literal["linear", "log"] = "linear"
    """Equal shares of the difference, or of the ratio."""
    integer: bool = False
    """Whether values are rounded to whole numbers, both ends included."""

    @property
    def together(self) -> bool:
        """Whether several numbers move together."""
        return isinstance(self.low, tuple)

    @property
    def ends(self) -> tuple[tuple[float, ...], tuple[float, ...], str]:
        """The numbers of both ends and their unit."""
        low, high = (end if isinstance(end, tuple) else (end,) for end in (self.low, self.high))
        got = f"(got {brief(self.low)}, {brief(self.high)})"
        if len(low) != len(high) or isinstance(self.low, tuple) != isinstance(self.high, tuple):
            raise ValueError(f"from and to want equally many numbers {got}")
        found = [_read_end(str(end), got) for end in (*low, *high)]
        if len({unit for _, unit in found}) > 1:
            raise ValueError(f"from and to want the same unit {got}")
        numbers = tuple(number for number, _ in found)
        return numbers[: len(low)], numbers[len(low) :], found[0][1]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high, _ = self.ends
        if any(a >= b for a, b in zip(low, high)):
            raise ValueError(f"from must lie below to (got {self.low!r}, {self.high!r})")
        if self.scale == "log" and min(low) <= 0:
            raise ValueError(f"scale: log wants from above zero (got {self.low!r})")
        if self.together and self.integer:
            raise ValueError("integer wants a single number")
        if self.integer and any(end != round(end) for end in (*low, *high)):
            raise ValueError(f"integer wants whole numbers from and to (got {self.low!r}, {self.high!r})")
        return self


Chosen = Annotated[
    Annotated[IntervalDeck, Tag("mapping[]")] | Annotated[Values, Tag("list[]")], given_as("mapping[]", "list[]")
]


class SampleDeck(SweepModel):
    """Points of a space-filling design over several keys."""

    method: Literal["latin_hypercube", "sobol"] = "latin_hypercube"
    count: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of points; of Sobol points a power of two."""
    seed: Annotated[int, Field(ge=0)] = 1
    keys: Annotated[dict[Key, Chosen], Field(min_length=1)]
    """Key → interval, or a list to choose from with equal shares."""

    @model_validator(mode="after")
    def _power_of_two(self) -> Self:
        if self.count * len(self.keys) > MOST_NUMBERS:
            raise ValueError(f"count times keys makes {self.count * len(self.keys)} numbers, at most {MOST_NUMBERS}")
        if self.method == "sobol" and self.count & (self.count - 1):
            raise ValueError(f"sobol points balance only when their count is a power of two (got {self.count})")
        return self


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _check_key(key: str) -> None:
    """Raise ValueError for what no case can set."""
    if not KEY.fullmatch(key):
        raise ValueError(f"sets {brief(key)}, which is no dotted key of a scenario, as 'cooling.ambient'")
    if key.partition(".")[0] in STUDIES:
        raise ValueError(f"sets {key!r}: which cases there are is no part of a case; combine the keys here")


class SweepDeck(SweepModel):
    """Every key that is no word below is a dotted key of the scenario with a list of values; all combine to a product."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    __pydantic_extra__: dict[str, Values] = Field(init=False)

    zip: Annotated[
        list[dict[Key, Values]], BeforeValidator(_listed, json_schema_input_type=dict[Key, Values] | list[dict[Key, Values]])
    ] = []
    """Keys whose lists advance together; several groups as a list."""
    variants: dict[str, dict[Key, Any]] = {}
    """Name → keys to set; one dimension ``variant``, unless `names` calls it otherwise."""
    cases: list[dict[Key, Any]] = []
    """Keys to set, case by case; one dimension ``case``."""
    sample: SampleDeck | None = None
    """One dimension ``draw``."""
    where: Annotated[
        list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v, json_schema_input_type=str | list[str])
    ] = []
    """Conditions on swept keys that a case must meet, as ``"tiers <= 8 or cooling != 'natural_convection'"``."""
    names: dict[Key, Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]] = {}
    """Swept key, or ``variant``, ``case``, ``draw`` → name of its dimension in the joined dataset."""

    @model_validator(mode="before")
    @classmethod
    def _no_sources(cls, value: Any, info: ValidationInfo) -> Any:
        return {k: v for k, v in value.items() if k not in ("source", "assumed")} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if {} in self.zip:
            raise ValueError("zip wants keys with lists of values, got none")
        if strange := [name for name in self.variants if not name.isprintable()]:
            raise ValueError(f"variants wants names of letters that can be shown, got {brief(strange[0])}")
        for group in self.zip:
            lengths = {key: len(values) for key, values in group.items()}
            if len(set(lengths.values())) > 1:
                raise ValueError(f"zip wants lists of equal length (got {', '.join(f'{k}: {n}' for k, n in lengths.items())})")
        seen: set[str] = set()
        for key in self.keys():
            if len(seen) == MOST_KEYS:
                raise ValueError(f"sets more than {MOST_KEYS} keys")
            if key in seen:
                raise ValueError(f"{brief(key)} is swept twice")
            _check_key(key)
            seen.add(key)
        for key in self.names:
            if key not in (known := [*seen, *self.words()]):
                raise ValueError(f"names {key!r}, which is not swept{did_you_mean(key, known)}")
        return self

    @property
    def product(self) -> dict[str, list[Any]]:
        """Dotted key → values."""
        return self.__pydantic_extra__

    def keys(self) -> Iterator[str]:
        """Every swept key, once per way it is swept."""
        yield from self.product
        for group in self.zip:
            yield from group
        for listed in (list(self.variants.values()), self.cases):
            yield from dict.fromkeys(key for chosen in listed for key in chosen)
        if self.sample:
            yield from self.sample.keys

    def words(self) -> list[str]:
        """Dimensions that are made of listed sets of keys."""
        listed = {"variant": self.variants, "case": self.cases, "draw": self.sample}
        return [word for word, sets in listed.items() if sets]

    def __bool__(self) -> bool:
        return any(True for _ in self.keys())
