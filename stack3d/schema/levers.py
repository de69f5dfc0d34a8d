"""Levers: single changes that may mend a chip, as a list that anybody may lengthen."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from stack3d.schema.geometry import Name
from stack3d.schema.sweep import Key, SweepModel

WAYS = ("add", "times", "to", "of", "next", "others")
"""How a key may be changed."""


class ChangeDeck(SweepModel):
    """How one key is changed."""

    add: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """What is added to a number."""
    times: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Factor on a number; its unit is kept."""
    to: Any = None
    """The value itself; a mapping only where there is nothing yet."""
    of: Key | None = None
    """What stands under another key of the scenario."""
    next: Annotated[list[Any], Field(min_length=2)] | None = None
    """The entry after the present one, which is among them."""
    others: Annotated[list[Any], Field(min_length=2)] | None = None
    """Every other entry of a list that holds the present one: each a lever of its own."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in WAYS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"wants one of {', '.join(WAYS)} (got {', '.join(given) or 'none'})")
        return self


class LeverDeck(SweepModel):
    """One change of a design, of one key or of several together."""

    title: str
    """What it is, in words."""
    wants: list[Key] = []
    """Keys that have to be there and not zero: without them the change would change nothing."""
    change: Annotated[dict[Key, ChangeDeck], Field(min_length=1, max_length=20)]
    """Dotted key → how."""


class LeverListDeck(SweepModel):
    """Levers by name."""

    title: str | None = None
    levers: Annotated[dict[Name, LeverDeck], Field(min_length=1, max_length=200)]
