"""Names of version 0.1, now of `stack3d.life`."""

from stack3d.life.chips.policy import Passive, policies
from stack3d.life.chips.population import Life

__all__ = ["Life", "Passive", "policies"]
