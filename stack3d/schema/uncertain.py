"""What is not known of a scenario: which numbers, by how much, and which outputs are asked about."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from stack3d import units
from stack3d.errors import brief
from stack3d.schema.sweep import NUMBER, Key, SweepModel, Texts

MOST_CASES = 100_000
"""Of one study of unknowns."""
MOST_UNKNOWNS = 1000
MOST_TABLE = 10_000
"""Values of one table."""
SHAPES = {
    "uniform": ("from", "to"),
    "normal": ("mean", "standard deviation"),
    "lognormal": ("median", "factor of one standard deviation"),
    "triangular": ("from", "most likely", "to"),
    "table": ("values",),
}
"""Distribution → its numbers."""


def _number(value: Any) -> tuple[float, str]:
    match = NUMBER.match(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    if match is None:
        raise ValueError(f"wants numbers, with a unit where the key has one, got {brief(value)}")
    return float(match[1]), match[2]


WIDEST = 1e6
"""Factor of one standard deviation of a log-normal, at most: its tails stay finite."""


class DistributionDeck(SweepModel):
    """How a number is spread: one of the shapes, with its numbers in one unit."""

    uniform: tuple[Any, Any] | None = None
    """[from, to]."""
    normal: tuple[Any, Any] | None = None
    """[mean, standard deviation]."""
    lognormal: tuple[Any, Any] | None = None
    """[median, factor]: the factor (above 1, no unit) of one standard deviation."""
    triangular: tuple[Any, Any, Any] | None = None
    """[from, most likely, to]."""
    table: Annotated[list[Any], Field(min_length=2, max_length=MOST_TABLE)] | None = None
    """Measured values, or draws of a posterior, all as likely; nothing between them is drawn."""

    @property
    def shape(self) -> str:
        """Which of the shapes is given."""
        return next(name for name in SHAPES if getattr(self, name) is not None)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Of the shape, in the order of `SHAPES`."""
        return tuple(_number(value)[0] for value in getattr(self, self.shape))

    @property
    def unit(self) -> str:
        """As written, of the first number."""
        return _number(getattr(self, self.shape)[0])[1]

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        given = [name for name in SHAPES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"wants one of {', '.join(SHAPES)} (got {', '.join(given) or 'none'})")
        written = [_number(value)[1] for value in getattr(self, given[0])]
        if given[0] == "lognormal":
            written = [written[0]] if not written[1] else written
        if len(set(written)) > 1:
            raise ValueError(f"{given[0]} wants its numbers in one unit, got {', '.join(map(brief, written))}")
        self._check_numbers(given[0], *self.numbers)
        return self

    def _check_numbers(self, shape: str, low: float, *others: float) -> None:
        if shape == "table" and len({low, *others}) == 1:
            raise ValueError(f"table wants values that differ, got {low:g} alone")
        if shape == "normal" and others[0] <= 0:
            raise ValueError(f"normal wants a standard deviation above zero, got {others[0]:g}")
        if shape == "lognormal" and (low <= 0 or others[0] <= 1):
            raise ValueError(f"lognormal wants a median above zero and a factor above 1, got {low:g} and {others[0]:g}")
        if shape == "lognormal" and others[0] > WIDEST:
            raise ValueError(f"lognormal wants a factor of at most {WIDEST:g}, got {others[0]:g}")
        if shape in ("uniform", "triangular") and (low >= others[-1] or not low <= others[0] <= others[-1]):
            raise ValueError(f"{shape} wants its numbers to rise, got {', '.join(f'{v:g}' for v in (low, *others))}")


class CorrelationDeck(SweepModel):
    """Unknowns that go together."""

    keys: Annotated[list[Key], Field(min_length=2, max_length=100)]
    """Dotted keys, each with every other."""
    coefficient: Annotated[float, Field(gt=-1, lt=1)]
    """Coefficient of correlation of their normal scores; of normal unknowns that of their values."""

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        if len(set(self.keys)) < len(self.keys):
            raise ValueError("names a key twice")
        return self


def _kind(value: Any) -> str:
    return "[word]" if isinstance(value, str) else "[keys]"


UnknownKeys = Annotated[
    Annotated[Literal["all-assumed"], Tag("[word]")]
    | Annotated[dict[Key, DistributionDeck], Field(min_length=1, max_length=MOST_UNKNOWNS), Tag("[keys]")],
    Discriminator(_kind),
]


def _share(value: Any) -> float:
    share = units.parse(value, "fraction")
    if not 0 < share < 1:
        raise ValueError(f"wants a share above 0 and below 1, got {brief(value)}")
    return share


DrawnAround = Annotated[float, BeforeValidator(_share, json_schema_input_type=str | float)]
"""Share of a value within which it is as likely anywhere."""


class UncertainDeck(SweepModel):
    """A study of what is not known: bands of outputs, and which unknown matters most."""

    keys: UnknownKeys
    """Dotted key → distribution; or every number that the decks mark ``assumed:`` or give a ``low`` and a ``high``."""
    outputs: Annotated[Texts, Field(min_length=1, max_length=20)] | None = None
    """Output variables, or expressions of some, as goals of a search are; the largest of times and places counts.

    Absent = the peak temperature; of a workload also accuracy, energy and latency of an inference; of a life also how long the
    accuracy holds; of a ``fabrication`` also the share of good chips."""
    spread: DrawnAround = 0.2
    """Of ``all-assumed`` numbers without a ``low`` and a ``high``: as likely anywhere within this share of the value."""
    count: Annotated[int, Field(ge=4, le=65_536)] = 64
    """Base points of the indices, a power of two; each costs two cases and one per unknown with indices of its own."""
    most: Annotated[int, Field(ge=2, le=100)] = 8
    """Unknowns with indices of their own; where there are more, all are screened first and the weak ones are taken
    together."""
    trajectories: Annotated[int, Field(ge=4, le=1000)] = 10
    """Trajectories of the screening; each costs one case per unknown and one more."""
    correlated: Annotated[list[CorrelationDeck], Field(max_length=100)] = []
    """Unknowns that go together; Shapley effects take the place of Sobol indices then."""
    seed: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _power_of_two(self) -> Self:
        if self.count & (self.count - 1):
            raise ValueError(f"count wants a power of two, so that points balance (got {self.count})")
        if (n := self.count * (self.most + 2)) > MOST_CASES:
            raise ValueError(f"makes {n} cases, at most {MOST_CASES}")
        return self
