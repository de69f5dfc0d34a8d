"""HotSpot: its files, and the scenario made from them."""

from stack3d.geometry.importers.hotspot.conversion import read

__all__ = ["read"]
