"""What the chip computes and what heats it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stack3d.schema.base import (
    Count,
    DeckModel,
    Energy,
    Fraction,
    Number,
    Power,
    Rate,
)
from stack3d.schema.geometry import Interval, Name


class Data(DeckModel):
    """Labelled inputs for the accuracy."""

    file: str
    """`.npz` with `inputs` and `labels`, and optionally `train`, `test` (indices)."""
    scale: Number = 1.0
    """Factor on the stored inputs."""
    sha256: str | None = None


class Network(DeckModel):
    """A trained network and the data it is judged by."""

    name: str = "inline"
    title: str | None = None
    file: str
    """ONNX file, relative to the deck."""
    sha256: str | None = None
    data: Data
    float_accuracy: Fraction | None = None
    """On the test part, in float arithmetic."""
    licence: str | None = None


class Converter(DeckModel):
    """Energy and rate of one converter at its stated resolution."""

    bits: Annotated[Count, Field(ge=1, le=16)]
    energy: Energy
    """Per conversion at `bits`; scales with 2^bits."""


class Periphery(DeckModel):
    """Energies of what surrounds an array."""

    name: str = "inline"
    title: str | None = None
    adc: Converter
    dac: Converter
    adc_rate: Rate
    """Conversions per second of one converter."""
    columns_per_adc: Annotated[Count, Field(ge=1)] = 8
    """Columns that share one converter, one after the other."""
    digital: Energy
    """Shift, add and buffer, per converted column."""
    leakage: Power = 0.0
    """Static power of one tile's periphery at 300 K."""


class Workload(DeckModel):
    """A network on crossbars."""

    network: Network
    rate: Rate
    """Inferences per second."""
    tile: tuple[Annotated[Count, Field(ge=1, le=8192)], Annotated[Count, Field(ge=1, le=8192)]] = (128, 128)
    """Rows and columns of one crossbar."""
    placement: Name = "spread"
    """How tiles are put on sites."""
    periphery: Periphery
    test_samples: Annotated[Count, Field(ge=1)] | None = None
    """How many of the test inputs to use; absent = all."""


class Source(DeckModel):
    """Power spread uniformly over a rectangle times the full thickness of a layer."""

    name: Name
    layer: Name
    x: Interval | None = None
    """Absent = the whole layer."""
    y: Interval | None = None
    power: Power


class PowerMap(DeckModel):
    """Explicit powers; with a workload they come on top of it (a host on the logic die, say)."""

    sources: tuple[Source, ...] = ()
