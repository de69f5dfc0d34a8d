"""Sizes of measurements, from which the searches of a fit begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stack3d.devices.fitting.measurements import Table
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck

ROWS = 4
"""Most levels, and most times, of a table that a fit makes."""
ROOM = 298.15
"""Temperature of measurements that state none. [K]"""


@dataclass(frozen=True)
class Scales:
    """Sizes of the data, from which searches begin."""

    temperature: float = ROOM
    """Hottest. [K]"""
    time: float = 1.0
    """[s]"""
    conductance: float = 1e-6
    """Largest. [S]"""
    cycles: float = 1e6
    """Or reads."""
    levels: tuple[float, ...] = ()
    """Of the data, in order; rows of a table. [S]"""
    times: tuple[float, ...] = ()
    """Of the data, in order. [s]"""
    temperatures: int = 3
    """How many the data have."""
    path: str = ""
    """File of the data."""


def scales_of(table: Table, device: DeviceDeck) -> Scales:
    """Sizes of the measurements in a table, and of the device."""
    c = table.columns
    time = c.get("time", np.ones(1))
    return Scales(
        float(np.max(c.get("temperature", np.array([ROOM])))),
        float(np.max(time)) or 1.0,
        device.g_max,
        float(np.median(c.get("cycles", c.get("reads", np.array([1e6]))))),
        _rows(c, "level" if "level" in c else "target"),
        _rows(c, "time"),
        np.unique(c.get("temperature", np.zeros(1))).size,
        str(table.path),
    )


def _rows(columns: Mapping[str, Floats], name: str) -> tuple[float, ...]:
    """At most `ROWS` values that a column holds, in order and evenly chosen."""
    values = np.unique(columns.get(name, np.zeros(0)))
    if not values.size:
        return ()
    return tuple(values[np.unique(np.linspace(0, values.size - 1, ROWS).round().astype(int))].tolist())
