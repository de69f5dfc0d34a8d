"""How long the chips are followed, and how many."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from stack3d import units
from stack3d.schema.base import (
    Count,
    DeckModel,
    Duration,
    Temperature,
)


class Lifetime(DeckModel):
    """How long and in how many epochs the chip is followed."""

    until: Duration = units.parse("10 year", "time")
    first: Duration = units.parse("1 hour", "time")
    """End of the first epoch; the others follow at equal ratios."""
    epochs: Annotated[Count, Field(ge=1, le=1000)] = 16
    programming_temperature: Temperature = units.parse("25 degC", "temperature")
    """Of the chip while it is programmed."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.epochs > 1 and self.first >= self.until:
            raise ValueError("first must come before until")
        return self


class MonteCarlo(DeckModel):
    """Independent chips."""

    samples: Annotated[Count, Field(ge=1, le=100_000)] = 32
    seed: Annotated[Count, Field(ge=0)] = 1
