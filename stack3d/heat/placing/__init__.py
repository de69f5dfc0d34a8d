"""Where tiles go, by how hot sites get."""

from stack3d.heat.placing.placed import compare_placements, placed_chip
from stack3d.heat.placing.superposition import site_heat

__all__ = [
    "compare_placements",
    "placed_chip",
    "site_heat",
]
