"""3Dblox: its chiplets, how they stand on each other, powers from a table, and the scenario made from them."""

from stack3d.geometry.importers.blox.stacking import read

__all__ = ["read"]
