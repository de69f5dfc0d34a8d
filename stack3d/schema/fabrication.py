"""Schema of how good the making of a chip is: defects of a layer, bonds between layers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stack3d.schema.base import ArealDensity, DeckModel, Fraction, Positive


class FabricationDeck(DeckModel):
    """What share of chips comes out of the fab whole; `yield` in the results."""

    defects: ArealDensity = 0.0
    """Defects that make a chip useless, per area of each tier, periphery and logic layer."""
    clustering: Positive | None = None
    """Clustering of the defects, α of the negative binomial law; absent = they fall independently (Poisson)."""
    bond: Annotated[Fraction, Field(gt=0)] = 1.0
    """Share of the bonds between two such layers that hold."""
