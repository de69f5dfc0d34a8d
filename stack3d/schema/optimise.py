"""The inverse question: which keys may change, what is wanted, what has to hold, and how much may be spent on it."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from stack3d import units
from stack3d.errors import brief
from stack3d.schema.geometry import Name
from stack3d.schema.sweep import IntervalDeck, Key, SweepDeck, SweepModel, Texts, Values
from stack3d.schema.uncertain import CorrelationDeck, DrawnAround, UnknownKeys

MOST_CASES = 10_000
"""Of one search."""
MOST_GOALS = 6
MOST_KEYS = 50
MOST_CONDITIONS = 50
MOST_SCREENS = 5
MOST_DRAWS = 1000


def _budget(value: Any) -> Any:
    """Cases as they are, a time in seconds."""
    if isinstance(value, str):
        seconds = units.parse(value, "time")
        if not 0 < seconds < float("inf"):
            raise ValueError(f"wants a time above zero, got {brief(value)}")
        return seconds
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_CASES:
        raise ValueError(f"wants 1 to {MOST_CASES} cases, or a time such as '2 h', got {brief(value)}")
    return value


def _way(value: Any) -> str:
    return "[interval]" if isinstance(value, (dict, IntervalDeck)) else "[list]"


KeyChoice = Annotated[Annotated[IntervalDeck, Tag("[interval]")] | Annotated[Values, Tag("[list]")], Discriminator(_way)]
"""What a key may become."""


class VaryDeck(SweepDeck):
    """Keys that the search may change, each with a list of values or an interval. ``zip``, ``variants`` and ``where`` work as
    in a sweep.
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    __pydantic_extra__: dict[str, KeyChoice] = Field(init=False)  # type: ignore[assignment]

    @model_validator(mode="after")
    def _chosen_from(self) -> Self:
        if self.cases or self.sample is not None or self.names:
            raise ValueError("knows zip, variants, where and dotted keys; cases, sample and names belong to a sweep")
        n = len(self.product) + len(self.zip) + bool(self.variants)
        if not 1 <= n <= MOST_KEYS:
            raise ValueError(f"wants 1 to {MOST_KEYS} keys, each with a list or an interval (got {n})")
        return self

    @property
    def intervals(self) -> dict[str, IntervalDeck]:
        """Dotted key → interval."""
        ways: dict[str, Any] = self.product
        return {key: values for key, values in ways.items() if isinstance(values, IntervalDeck)}

    @property
    def lists(self) -> SweepDeck:
        """What is chosen from lists, as a sweep."""
        product = {key: values for key, values in self.product.items() if not isinstance(values, IntervalDeck)}
        return SweepDeck.model_validate({**product, "zip": self.zip, "variants": self.variants})


def _share(value: Any) -> float:
    return units.parse(value, "fraction")


Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=str | float)]


class ScreenDeck(SweepModel):
    """A cheaper run of every design. Only designs that pass it are run in full."""

    sets: Annotated[dict[Key, Any], Field(alias="set")] = {}
    """Dotted keys and what they are in this cheaper run: fewer chips, epochs or inputs, a coarser solver, no ``lifetime``."""
    until: Literal["thermal"] | None = None
    """``thermal``: only temperatures are computed."""
    keep: Annotated[Share, Field(gt=0, le=1)] = 1.0
    """Share of the designs screened so far that goes on; the best ones do."""
    margin: Annotated[Share, Field(ge=0)] | None = None
    """A design that misses a condition by more than this share of its limit is ruled out. For temperatures it is this share of
    50 K.

    Absent = 2 % with ``until: thermal``; else no design is ruled out by a condition."""

    @property
    def most_missed(self) -> float:
        """How much a condition may be missed by, as a share of its limit, before the design is ruled out. [-]

        What few chips say has noise: unless the deck gives a margin it ranks designs, and only cases that fail are ruled out.
        """
        if self.margin is not None:
            return self.margin
        return 0.02 if self.until == "thermal" else sys.float_info.max

    @model_validator(mode="after")
    def _is_cheaper(self) -> Self:
        if not self.sets and self.until is None:
            raise ValueError("sets nothing and has no until: it would be the case in full")
        return self


class DrawsDeck(SweepModel):
    """Numbers that are not known. They are drawn at random, the same for all designs. A condition may have to hold for a share
    of the draws.
    """

    keys: UnknownKeys
    """Dotted keys and how they are distributed; or ``all-assumed``: every number that a deck marks ``assumed:``, or gives a
    ``low`` and a ``high``."""
    count: Annotated[int, Field(ge=2, le=MOST_DRAWS)] = 20
    """Most draws of one design."""
    spread: DrawnAround = 0.2
    """Where ``all-assumed`` numbers have no ``low`` and ``high``: they lie anywhere within this share of their value, equally
    likely."""
    correlated: Annotated[list[CorrelationDeck], Field(max_length=100)] = []
    """Unknowns that rise and fall together."""
    sets: Annotated[dict[Key, Any], Field(alias="set")] = {}
    """Dotted keys and what they are in a draw: fewer chips or inputs, a coarser solver."""
    until: Literal["thermal"] | None = None
    """``thermal``: only temperatures are computed in a draw."""
    seed: Annotated[int, Field(ge=0)] = 1


class OptimiseDeck(SweepModel):
    """A search for the best designs among many: what may change, what is wanted, what has to hold, and how long to search."""

    vary: VaryDeck
    """Dotted keys and what each may become: a list of values, or ``{from, to, scale: log, integer: true}``."""
    minimise: Texts = []
    """Outputs that should be small, or expressions of outputs. The worst time and place counts."""
    maximise: Texts = []
    """Outputs that should be large, or expressions of outputs. The worst time and place counts."""
    subject_to: Annotated[Texts, Field(alias="subject to")] = []
    """Conditions on outputs, such as ``"accuracy@end >= 95 % for 90 % of the chips"``."""
    budget: Annotated[int | float, BeforeValidator(_budget, json_schema_input_type=int | str)]
    """How much to spend: a number of cases, or a time for all of them, such as ``"2 h"``."""
    screens: Annotated[dict[Name, ScreenDeck], Field(max_length=MOST_SCREENS)] = {}
    """Cheaper runs by name, in the order in which designs have to pass them."""
    uncertain: DrawsDeck | None = None
    """Numbers that are not known, for conditions that end with ``for 95 % of the draws``."""
    gradients: bool | None = None
    """Whether the search uses how fast the peak temperature changes with films, powers and other intervals.

    Absent = yes where the peak is the only goal, or where a stack has no workload."""
    levers: bool = False
    """Whether the packaged levers are tried on the chosen design at the end. They do not count towards the budget."""
    seed: Annotated[int, Field(ge=0)] = 1
    batch: Annotated[int, Field(ge=1, le=256)] = 4
    """Cases that are asked for at once and may run side by side. The search depends on this number, but not on the number of
    workers."""

    @model_validator(mode="after")
    def _wants_something(self) -> Self:
        goals = [*self.minimise, *self.maximise]
        if not 1 <= len(goals) <= MOST_GOALS:
            raise ValueError(f"wants 1 to {MOST_GOALS} goals under minimise and maximise (got {len(goals)})")
        twice = next((text for i, text in enumerate(goals) if text in goals[:i]), None)
        if twice is not None:
            raise ValueError(f"{brief(twice)} is a goal twice")
        if len(self.subject_to) > MOST_CONDITIONS:
            raise ValueError(f"knows at most {MOST_CONDITIONS} conditions (got {len(self.subject_to)})")
        return self

    @property
    def counts_cases(self) -> bool:
        """Whether the budget is a number of cases."""
        return isinstance(self.budget, int)
