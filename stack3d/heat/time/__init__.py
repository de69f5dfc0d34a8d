"""Heat over time: a transient, a period that repeats, step responses."""

from stack3d.heat.time.beginning import check_initial, coldest_at_start
from stack3d.heat.time.impedance import check_impedance, impedance_of
from stack3d.heat.time.settled_phases import MissionHeat, backends_of, in_phase
from stack3d.heat.time.spells import coolings_of
from stack3d.heat.time.swing import PeriodicHeat, Swing, climate_of, leaking_of
from stack3d.heat.time.transient import over_time, with_smaller_steps

__all__ = [
    "MissionHeat",
    "PeriodicHeat",
    "Swing",
    "backends_of",
    "check_impedance",
    "check_initial",
    "climate_of",
    "coldest_at_start",
    "coolings_of",
    "impedance_of",
    "in_phase",
    "leaking_of",
    "over_time",
    "with_smaller_steps",
]
