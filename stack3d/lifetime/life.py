"""Names of version 0.1, now of `stack3d.life`."""

from stack3d.life.life import Life
from stack3d.life.policy import Passive, policies

__all__ = ["Life", "Passive", "policies"]
