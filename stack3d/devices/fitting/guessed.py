"""The device of a fit without a deck to begin with: the range of the data, and what is assumed of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from stack3d.devices.fitting.measurements import Table
from stack3d.schema.device import DeviceDeck

UNKNOWN = 1e-6
"""Largest conductance where no data tell one (assumed). [S]"""


class GuessedDevice(DeviceDeck):
    """A device of which the data tell the range alone."""

    told: ClassVar[Mapping[str, Any]] = {
        "read": {"voltage": "0.2 V", "pulse": "100 ns", "assumed": "small-signal read; not among the data"},
        "write": {"voltage": "1 V", "pulse": "1 us", "energy": "1 pJ", "pulses": 1, "assumed": "not among the data"},
    }
    """Read and write, as a deck holds them."""
    g_max_told: Mapping[str, str]
    """Where `g_max` comes from: source or assumption."""
    g_min_told: Mapping[str, str]


def fitted_device(tables: Sequence[Table]) -> GuessedDevice:
    """Device with the range of the data, for a fit without a deck to begin with.

    The largest conductance is the largest that was written, where the data tell it: the largest reading has its noise on top.
    """
    highest, told = _highest(tables)
    ends = [t.columns["low"] for t in tables if "low" in t.columns and {"cycles", "damage"} & set(t.columns)]
    lowest = min((float(np.min(v)) for v in ends), default=0.0)
    content = {
        "g_max": f"{highest:.9g} S",
        "g_min": f"{lowest:.6g} S",
        **{name: {k: v for k, v in part.items() if k != "assumed"} for name, part in GuessedDevice.told.items()},
        "g_max_told": told,
        "g_min_told": {"source": "lowest end of the data"} if ends else {"assumed": "none stated"},
    }
    return GuessedDevice.model_validate(content)


def _highest(tables: Sequence[Table]) -> tuple[float, dict[str, str]]:
    """The largest conductance, just above what the data hold, and where it comes from."""
    for name in ("level", "target", "high", "conductance"):
        found = [float(np.max(t.columns[name])) for t in tables if name in t.columns]
        if found:
            return max(found) * 1.0000001, {"source": f"largest {name} of the data"}
    return UNKNOWN, {"assumed": "no conductance among the data"}
