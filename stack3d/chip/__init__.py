"""What is built: a scenario's stack, network, crossbars and devices."""

from stack3d.chip.assemble import with_weights
from stack3d.chip.chip import Chip, ComputingChip, build_chip
from stack3d.chip.computer import Computer, forward_of, products_on
from stack3d.chip.crossbars import error_powers, with_warm_wires
from stack3d.chip.design import TODAY, Design
from stack3d.chip.loading import data_of
from stack3d.chip.phases import Phase, mean_activity

__all__ = [
    "Chip",
    "Computer",
    "ComputingChip",
    "Design",
    "Phase",
    "TODAY",
    "build_chip",
    "data_of",
    "error_powers",
    "forward_of",
    "products_on",
    "mean_activity",
    "with_warm_wires",
    "with_weights",
]
