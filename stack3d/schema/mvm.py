"""How products are computed on the arrays."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stack3d.schema.base import Count, DeckModel, Fraction, InverseTemperature, Number, Resistance

Bits = Annotated[Count, Field(ge=1, le=16)]
Ends = Annotated[Count, Field(ge=1, le=2)]


class MvmDeck(DeckModel):
    """Mapping, converters, wires and noise of the crossbars."""

    scheme: Literal["pair", "pair_two_sided", "offset"] = "pair"
    """pair: difference of two cells, the idle one at g_min; pair_two_sided: both move; offset: one cell, one column."""
    slices: Annotated[Count, Field(ge=1, le=16)] = 1
    """Cells that hold the digits of one number, base `levels`."""
    levels: Annotated[Count, Field(ge=2)] | None = None
    """Levels used of each cell; absent = those of the device."""
    weight_scaling: Literal["layer", "column"] = "layer"
    """What is scaled to the full conductance window: the whole layer, or every output. It is undone digitally."""
    dac_bits: Bits | None = 8
    """Bits of the converters of inputs; null = exact inputs."""
    adc_bits: Annotated[Count, Field(ge=2, le=16)] | None = 8
    """Bits of the converters of outputs; null = exact outputs."""
    input_slice_bits: Bits | None = None
    """Feed inputs as digits of so many bits, one read per digit; absent = whole."""
    converter_range: Literal["layer", "tile", "column"] = "layer"
    """What shares one calibrated ADC range."""
    percentile: Annotated[Number, Field(gt=50, le=100)] = 99.9
    """Converter ranges cover this percentile of the profiled values."""
    adc_gain_sd: Fraction = 0.0
    """Standard deviation of the gain of ADCs, one per chip, row block and column."""
    adc_offset_sd: Fraction = 0.0
    """Standard deviation of their offset, as a part of the range."""
    wire_resistance: Resistance = 0.0
    """Resistance of one word- or bit-line segment between neighbouring cells, at 293.15 K."""
    wire_temperature_coefficient: InverseTemperature = 0.00393
    """Temperature coefficient of the wire resistance; bulk copper by default."""
    word_line_ends: Ends = 1
    """Ends from which word lines are driven."""
    bit_line_ends: Ends = 1
    """Ends at which bit lines are read."""
    wires: Literal["exact", "shared"] = "exact"
    """exact: nodal solution of every array of every chip; shared: the line losses of the mean chip, with their error."""
    nonlinear_cells: bool = True
    """Cells follow I = G V0 sinh(V / V0) where the device deck gives its nonlinearity_voltage; false = ohmic."""
    read_noise: bool = True
