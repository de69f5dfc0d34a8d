"""How far temperatures are off: by mesh and steps, from an accuracy asked for, against an exact series."""

from stack3d.heat.trust.accuracy import Tried, closer, distance
from stack3d.heat.trust.against_series import verify
from stack3d.heat.trust.error_bars import Estimates

__all__ = [
    "Estimates",
    "Tried",
    "closer",
    "distance",
    "verify",
]
