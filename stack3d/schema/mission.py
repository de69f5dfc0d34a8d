"""Phases that repeat over a life: day and night, summer and winter, parked and driving."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, Tag

from stack3d.errors import repeated
from stack3d.schema.base import DeckModel, Duration, Fraction, Number, Power, Temperature, given_as
from stack3d.schema.cooling import CooledFace
from stack3d.schema.geometry import Name
from stack3d.schema.workload import TraceDeck

WHOLE = 1e-6
"""By how much the shares of all phases may miss one. [-]"""


class PhaseCoolingDeck(DeckModel):
    """Faces that are cooled in another way during this phase. All others stay as `cooling` says."""

    top: CooledFace | None = None
    bottom: CooledFace | None = None
    sides: CooledFace | None = None


class PhaseDeck(DeckModel):
    """A part of a mission, such as day or night. It has to be long enough for the heat to settle."""

    name: Name
    share: Annotated[Fraction, Field(gt=0, le=1)] | None = None
    """Share of the time. The shares of all phases add up to one."""
    duration: Duration | None = None
    """Length of the phase, in place of a share. After the last phase the first begins again."""
    ambient: Temperature | None = None
    """Temperature of the surroundings in this phase; absent = `cooling.ambient`."""
    activity: Annotated[Fraction, Field(ge=0, le=1)] = 1.0
    """Rate of inferences in this phase, as a share of `workload.rate`."""
    trace: TraceDeck | None = None
    """How the activity goes within the phase, over and over: bursts, a day, or a table, as a share of `activity`. Needs a
    workload."""
    power: Annotated[
        Annotated[Number, Field(ge=0), Tag("number[]")] | Annotated[dict[str, Power], Tag("mapping[]")],
        given_as("mapping[]", "number[]"),
    ] = 1.0
    """Power of the sources in `power.sources`: one factor for all, or a power for each that is named."""
    cooling: PhaseCoolingDeck = PhaseCoolingDeck()
    """Faces that are cooled in another way in this phase."""


def _add_up(phases: tuple[PhaseDeck, ...] | None) -> tuple[PhaseDeck, ...] | None:
    if phases is None:
        return None
    if twice := repeated(phase.name for phase in phases):
        raise ValueError(f"names are given twice: {', '.join(twice)}")
    lacking = [p.name for p in phases if (p.share is None) == (p.duration is None)]
    if lacking:
        raise ValueError(f"every phase wants either a share or a duration: see {', '.join(lacking)}")
    if len({phase.share is None for phase in phases}) > 1:
        raise ValueError("give all phases a share, or all a duration")
    total = sum(phase.share or 0.0 for phase in phases)
    if phases[0].share is not None and abs(total - 1) > WHOLE:
        listed = " + ".join(f"{phase.share:g}" for phase in phases)
        raise ValueError(f"shares add up to {total:.6g} ({listed}), not to 1")
    return phases


Mission = Annotated[
    Annotated[tuple[PhaseDeck, ...], Field(min_length=1, max_length=100)] | None,
    AfterValidator(_add_up),
]
