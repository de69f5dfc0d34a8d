"""How hot it is: meshes, conditions, the fixed point with power, placing, time, error estimates."""

from stack3d.heat.climate import RATE_TOLERANCE, Climate, RateLaw, grouped, mean_rates, quadrature
from stack3d.heat.limits import check_limits, warn_of_limits
from stack3d.heat.loads.boundaries import film_laws, outer_faces, surroundings
from stack3d.heat.loads.energy import (
    add_energy,
    add_power,
    calibration,
    energy_per_inference,
    least_time,
    total_power,
    upkeep_energy,
    verify_energies,
)
from stack3d.heat.loads.flows import channel_runs
from stack3d.heat.loads.sources import heat_sources, power_schedule, sources_as_programmed, upkeep_power
from stack3d.heat.loads.thermal_state import Heat, Limits, Upkeep, tile_boxes
from stack3d.heat.meshing import AnyKind, Bricks, kind_of, meshed
from stack3d.heat.meshing.judged_steps import gains_of_errors, step_errors
from stack3d.heat.meshing.judging import HOW, OF_LAYERS, Answers, Judged, compared, hottest, means_in
from stack3d.heat.meshing.one_by_one import with_homogenised
from stack3d.heat.outputs import HeatOutput, compared_values, means_of, temperatures, thermal_values
from stack3d.heat.settling import settle, settle_again
from stack3d.heat.solvers import Backends, make_backend
from stack3d.heat.too_hot import Runaway, in_epoch, located, without_field

__all__ = [
    "Answers",
    "AnyKind",
    "Backends",
    "Bricks",
    "Climate",
    "HOW",
    "OF_LAYERS",
    "Heat",
    "HeatOutput",
    "Judged",
    "Limits",
    "RATE_TOLERANCE",
    "RateLaw",
    "Runaway",
    "Upkeep",
    "add_energy",
    "add_power",
    "calibration",
    "channel_runs",
    "check_limits",
    "compared",
    "compared_values",
    "energy_per_inference",
    "film_laws",
    "grouped",
    "heat_sources",
    "gains_of_errors",
    "hottest",
    "kind_of",
    "least_time",
    "in_epoch",
    "located",
    "make_backend",
    "mean_rates",
    "means_in",
    "means_of",
    "meshed",
    "outer_faces",
    "power_schedule",
    "quadrature",
    "settle",
    "settle_again",
    "sources_as_programmed",
    "step_errors",
    "surroundings",
    "temperatures",
    "thermal_values",
    "tile_boxes",
    "total_power",
    "upkeep_energy",
    "upkeep_power",
    "verify_energies",
    "warn_of_limits",
    "with_homogenised",
    "without_field",
]
