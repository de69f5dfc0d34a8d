"""Layouts of chips, GDS, OASIS or DEF with LEF: densities of their metals, and the scenario made from them."""

from stack3d.geometry.importers.layouts.metal_stack import read

__all__ = ["read"]
