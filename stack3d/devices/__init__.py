"""What temperature and time do to every cell: published laws by mechanism, bound to devices by their decks."""

from stack3d.devices import (
    crystallisation,
    directions,
    endurance,
    equilibrium,
    faults,
    heating,
    noise,
    programming,
    relaxation,
    retention,
    reversible,
    tables,
    truncation,
)
from stack3d.devices.build import bands, build_device, check_device, drawn, load_device, posterior_draws
from stack3d.devices.laws import MECHANISMS
from stack3d.devices.model import DeviceModel, WriteBill
from stack3d.devices.state import HEALTHY, STUCK_HIGH, STUCK_LOW, CellState

__all__ = [
    "HEALTHY",
    "MECHANISMS",
    "STUCK_HIGH",
    "STUCK_LOW",
    "CellState",
    "DeviceModel",
    "WriteBill",
    "bands",
    "build_device",
    "check_device",
    "crystallisation",
    "directions",
    "drawn",
    "endurance",
    "equilibrium",
    "faults",
    "heating",
    "load_device",
    "noise",
    "posterior_draws",
    "programming",
    "relaxation",
    "retention",
    "reversible",
    "tables",
    "truncation",
]
