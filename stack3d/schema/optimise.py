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
    """Keys that may change: each with a list, or an interval; with ``zip``, ``variants`` and ``where`` as in a sweep."""

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
    """A cheaper form of every case, that designs pass before they are run in full."""

    sets: Annotated[dict[Key, Any], Field(alias="set")] = {}
    """Dotted key → what it is in this form: fewer chips, epochs or inputs, a coarser solver, no ``lifetime``."""
    until: Literal["thermal"] | None = None
    """``thermal``: only temperatures are found."""
    keep: Annotated[Share, Field(gt=0, le=1)] = 1.0
    """Share of the designs screened so far that goes on, the best ones first."""
    margin: Annotated[Share, Field(ge=0)] | None = None
    """A condition rules a design out when it is missed by more than this share of its limit, of 50 K for temperatures.

    Absent = 2 % with ``until: thermal``, else no condition rules out."""

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
    """What is not known of every design: a condition may have to hold for a share of the draws, the same for all designs."""

    keys: UnknownKeys
    """Dotted key → distribution; or every number that the decks mark ``assumed:`` or give a ``low`` and a ``high``."""
    count: Annotated[int, Field(ge=2, le=MOST_DRAWS)] = 20
    """Largest number of draws of each design."""
    spread: DrawnAround = 0.2
    """Of ``all-assumed`` numbers without a ``low`` and a ``high``: as likely anywhere within this share of the value."""
    correlated: Annotated[list[CorrelationDeck], Field(max_length=100)] = []
    """Unknowns that go together."""
    sets: Annotated[dict[Key, Any], Field(alias="set")] = {}
    """Dotted key → what it is in a draw: fewer chips or inputs, a coarser solver."""
    until: Literal["thermal"] | None = None
    """``thermal``: only temperatures are found in a draw."""
    seed: Annotated[int, Field(ge=0)] = 1


class OptimiseDeck(SweepModel):
    """A search for the best designs among many, on the engine of studies."""

    vary: VaryDeck
    """Dotted key → list of values, or ``{from, to, scale: log, integer: true}``."""
    minimise: Texts = []
    """Output variables, or expressions of some, that should be small; the worst of times and places counts."""
    maximise: Texts = []
    """Output variables, or expressions of some, that should be large."""
    subject_to: Annotated[Texts, Field(alias="subject to")] = []
    """Conditions on outputs, as ``"accuracy@end >= 95 % for 90 % of the chips"``."""
    budget: Annotated[int | float, BeforeValidator(_budget, json_schema_input_type=int | str)]
    """Cases, or the time that they take together, as ``"2 h"``."""
    screens: Annotated[dict[Name, ScreenDeck], Field(max_length=MOST_SCREENS)] = {}
    """Name → cheaper form of the cases, in the order in which designs pass them."""
    uncertain: DrawsDeck | None = None
    """What is not known, for conditions that end with ``for 95 % of the draws``."""
    gradients: bool | None = None
    """Whether gradients of the peak temperature join the models that lead onto conditions, where intervals are films, powers…

    Absent = where the only goal is the peak, or the heat of a stack without a workload: its slope is known too."""
    levers: bool = False
    """Whether the packaged levers are tried on the chosen design at the end, beside the budget."""
    seed: Annotated[int, Field(ge=0)] = 1
    batch: Annotated[int, Field(ge=1, le=256)] = 4
    """Cases asked for at once, which may run side by side; the search depends on it, and not on the workers."""

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
