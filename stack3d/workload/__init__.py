"""What the chip computes: the network, its tiles, where they sit and the heat they make."""

from stack3d.workload.columns import Driven, read_driven, read_surroundings
from stack3d.workload.counts import priced, verify_energy
from stack3d.workload.data import LabelledData, load_data
from stack3d.workload.network import Counted, Inputs, Network, WeightMatrix, each
from stack3d.workload.network_file import load_network
from stack3d.workload.onnx_file import files_of
from stack3d.workload.operators import Array
from stack3d.workload.operators.allowance import allowed, keep
from stack3d.workload.placement import Site, SiteHeat, place, placements
from stack3d.workload.placement_by_accuracy import BY_ACCURACY
from stack3d.workload.power import (
    COMPONENTS,
    DYNAMIC,
    Machine,
    TileActivity,
    conventional,
    copies_for_rate,
    heated_place,
    layer_latencies,
    leakage,
    pipeline,
    tier_boundaries,
    tile_energies,
    tile_sources,
)
from stack3d.workload.program import Program, Step, perform
from stack3d.workload.tasks import Classification, Task, task_kind
from stack3d.workload.trace import PowerTrace, joined, read_activity, read_trace
from stack3d.workload.training_data import TrainingShare, training_share

__all__ = [
    "Array",
    "BY_ACCURACY",
    "COMPONENTS",
    "Classification",
    "Counted",
    "DYNAMIC",
    "Driven",
    "Inputs",
    "LabelledData",
    "Machine",
    "Network",
    "PowerTrace",
    "Program",
    "Site",
    "SiteHeat",
    "Step",
    "Task",
    "TileActivity",
    "TrainingShare",
    "WeightMatrix",
    "allowed",
    "conventional",
    "copies_for_rate",
    "each",
    "files_of",
    "heated_place",
    "joined",
    "keep",
    "layer_latencies",
    "leakage",
    "load_data",
    "load_network",
    "perform",
    "pipeline",
    "place",
    "placements",
    "priced",
    "read_activity",
    "read_driven",
    "read_surroundings",
    "read_trace",
    "task_kind",
    "tier_boundaries",
    "tile_energies",
    "tile_sources",
    "training_share",
    "verify_energy",
]
