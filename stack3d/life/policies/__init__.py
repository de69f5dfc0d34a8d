"""Packaged policies; importing this package registers them."""

from stack3d.life.policies import compensation, fine_tuning, refresh
from stack3d.life.policies import in_hardware as limits
from stack3d.life.policies import in_hardware as spares

__all__ = ["compensation", "fine_tuning", "limits", "refresh", "spares"]
