"""3D-ICE: its language, what a stack description says, and the scenario made from it."""

from stack3d.geometry.importers.ice.translation import read

__all__ = ["read"]
