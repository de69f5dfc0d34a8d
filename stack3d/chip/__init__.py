"""What is built: a scenario's stack, network, crossbars and devices."""

from stack3d.chip.chip import Chip
from stack3d.chip.computer import Computer, forward_of

__all__ = ["Chip", "Computer", "forward_of"]
