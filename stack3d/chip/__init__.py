"""What is built: a scenario's stack, network, crossbars and devices."""

from stack3d.chip.chip import Chip, ComputingChip, build_chip
from stack3d.chip.computer import READ_MEMORY, Computer, forward_of
from stack3d.chip.crossbars import error_powers, with_warm_wires
from stack3d.chip.design import TODAY, Design
from stack3d.chip.phases import Phase, mean_activity

__all__ = [
    "Chip",
    "Computer",
    "ComputingChip",
    "Design",
    "Phase",
    "READ_MEMORY",
    "TODAY",
    "build_chip",
    "error_powers",
    "forward_of",
    "mean_activity",
    "with_warm_wires",
]
