"""Device deck: a conductance range and one named law per mechanism; the laws check their own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict

from stack3d.schema.base import (
    Conductance,
    Count,
    DeckModel,
    Duration,
    Energy,
    Number,
    Thickness,
    Voltage,
)


class Mechanism(DeckModel):
    """One registered law and its parameters; the law's own model validates them when the device is built."""

    model_config = ConfigDict(extra="allow")

    law: str
    """Name of a registered law of this mechanism."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything but `law`, `source` and `assumed`, as written."""
        return self.model_extra or {}


class Read(DeckModel):
    """How a cell is read."""

    voltage: Voltage
    """Amplitude of a full-scale read pulse."""
    pulse: Duration
    """Time of one analog product."""
    nonlinearity_voltage: Voltage | None = None
    """V_nl of I = G V sinh(V/V_nl)/(V/V_nl); absent = ohmic."""


class Write(DeckModel):
    """How a cell is written."""

    voltage: Voltage
    pulse: Duration
    energy: Energy
    """Energy of one pulse."""
    pulses: Number
    """Mean pulses of one write-verify."""


class Device(DeckModel):
    """A resistive cell: range, access and mechanisms."""

    device: str
    """Name of the deck."""
    g_max: Conductance
    """Largest programmed conductance."""
    g_min: Conductance
    """Smallest programmed conductance."""
    levels: Count | None = None
    """Distinguishable levels; absent = continuous."""
    cell_size: Thickness | None = None
    """Edge of a square cell."""
    read: Read
    write: Write | None = None
    mechanisms: dict[str, Mechanism] = {}
    """Mechanism name → law."""
