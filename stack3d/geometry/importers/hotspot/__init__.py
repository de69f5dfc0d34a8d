"""HotSpot: its files, and the scenario made from them."""

from stack3d.geometry.importers.hotspot.scenario import read

__all__ = ["read"]
