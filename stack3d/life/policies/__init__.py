"""Packaged policies; importing this package registers them."""

from stack3d.life.policies import compensation, fine_tuning, limits, refresh, spares

__all__ = ["compensation", "fine_tuning", "limits", "refresh", "spares"]
