"""What is built: a scenario's stack, network, crossbars and devices."""

from stack3d.chip.chip import Chip, ComputingChip
from stack3d.chip.computer import Computer, forward_of
from stack3d.chip.design import Design

__all__ = ["Chip", "Computer", "ComputingChip", "Design", "forward_of"]
