"""Where tiles go, by how hot sites get."""

from stack3d.heat.placing.placed import Trials, compare_placements, placed_chip, with_places
from stack3d.heat.placing.superposition import site_heat

__all__ = [
    "Trials",
    "compare_placements",
    "placed_chip",
    "site_heat",
    "with_places",
]
