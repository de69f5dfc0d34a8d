"""What a chip's stack carries: power of tiles and sources, conditions on faces and in channels, its thermal state."""

from stack3d.heat.loads.boundaries import (
    exposed_area,
    face_of,
    film_laws,
    outer_areas,
    outer_faces,
    patches_of,
    surfaces_of,
    surroundings,
)
from stack3d.heat.loads.energy import component_powers, digital_energies, total_power
from stack3d.heat.loads.flows import channel_runs, check_flows, hydraulics
from stack3d.heat.loads.sources import (
    dynamic_powers,
    heat_sources,
    leakage_power,
    power_schedule,
    since_change,
    standing_out,
    upkeep_power,
)
from stack3d.heat.loads.thermal_state import (
    LEAKAGE_ITERATIONS,
    LEAKAGE_TOLERANCE,
    Heat,
    Limits,
    Upkeep,
    periphery_means,
    tile_field,
)

__all__ = [
    "Heat",
    "LEAKAGE_ITERATIONS",
    "LEAKAGE_TOLERANCE",
    "Limits",
    "Upkeep",
    "channel_runs",
    "check_flows",
    "component_powers",
    "digital_energies",
    "dynamic_powers",
    "exposed_area",
    "face_of",
    "film_laws",
    "heat_sources",
    "hydraulics",
    "leakage_power",
    "outer_areas",
    "outer_faces",
    "patches_of",
    "periphery_means",
    "power_schedule",
    "since_change",
    "standing_out",
    "surfaces_of",
    "surroundings",
    "tile_field",
    "total_power",
    "upkeep_power",
]
