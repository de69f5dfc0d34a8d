"""Crossbar matrix-vector products: mapping, converters, wires, and inference on many chips at once."""

from stack3d.mvm.array_library import library
from stack3d.mvm.array_state import ArrayState, Compensation, Profile
from stack3d.mvm.arrays import read_power
from stack3d.mvm.calibration import (
    calibrated,
    calibration_memory,
    column_corrections,
    column_moments,
    layer_scale,
    product_memory,
    profile_matrix,
    read_magnitude,
    read_references,
    read_weights,
    share_wires,
    tile_gain,
)
from stack3d.mvm.cells import SinhCell
from stack3d.mvm.circuit import CrossbarSolution, ohmic_error, solve_crossbar
from stack3d.mvm.converters import Converter
from stack3d.mvm.crossbar_network import CrossbarNetwork, LayerStatistics, blocks_of, infer
from stack3d.mvm.engine import AnalogMatrix
from stack3d.mvm.mapping import WeightMapping
from stack3d.mvm.metrics import accuracy, confusion_matrix, logit_error, signal_to_noise
from stack3d.mvm.wires import Wires, effective_conductance

__all__ = [
    "AnalogMatrix",
    "ArrayState",
    "Compensation",
    "Converter",
    "CrossbarNetwork",
    "CrossbarSolution",
    "LayerStatistics",
    "Profile",
    "SinhCell",
    "WeightMapping",
    "Wires",
    "accuracy",
    "blocks_of",
    "calibrated",
    "calibration_memory",
    "column_corrections",
    "column_moments",
    "confusion_matrix",
    "effective_conductance",
    "infer",
    "layer_scale",
    "library",
    "logit_error",
    "ohmic_error",
    "product_memory",
    "profile_matrix",
    "read_magnitude",
    "read_power",
    "read_references",
    "read_weights",
    "share_wires",
    "signal_to_noise",
    "solve_crossbar",
    "tile_gain",
]
