"""ECXML: its objects, and the scenario made from them."""

from stack3d.geometry.importers.ecxml.slicing import read

__all__ = ["read"]
