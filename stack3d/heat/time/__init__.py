"""Heat over time: a transient, a period that repeats, step responses."""

from stack3d.heat.time.beginning import check_initial, coldest_at_start
from stack3d.heat.time.impedance import check_impedance, impedance_of
from stack3d.heat.time.swing import PeriodicHeat, Swing, climate_of, leaking_of
from stack3d.heat.time.transient import over_time, with_smaller_steps

__all__ = [
    "PeriodicHeat",
    "Swing",
    "check_impedance",
    "check_initial",
    "climate_of",
    "coldest_at_start",
    "impedance_of",
    "leaking_of",
    "over_time",
    "with_smaller_steps",
]
