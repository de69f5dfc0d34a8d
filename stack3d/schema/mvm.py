"""How products are computed on the arrays."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stack3d.schema.base import Count, DeckModel, Fraction, InverseTemperature, Number, Resistance

Bits = Annotated[Count, Field(ge=1, le=16)]
Ends = Annotated[Count, Field(ge=1, le=2)]


class MvmDeck(DeckModel):
    """How a network is computed on crossbars: weights on cells, converters, wires and noise."""

    scheme: Literal["pair", "pair_two_sided", "offset"] = "pair"
    """How cells hold a weight. pair: the difference of two cells, of which one stays at g_min. pair_two_sided: both
    cells move. offset: one cell, less a column that all share."""
    slices: Annotated[Count, Field(ge=1, le=16)] = 1
    """Cells that together hold one number, each a digit of it in base `levels`."""
    levels: Annotated[Count, Field(ge=2)] | None = None
    """Levels of each cell that are used. Absent = all levels of the device."""
    weight_scaling: Literal["layer", "column"] = "layer"
    """What is scaled to the full range of conductances: the weights of a layer together, or those of each output alone. Digital
    logic scales the results back."""
    dac_bits: Bits | None = 8
    """Bits of the converters at the inputs. null = exact inputs."""
    adc_bits: Annotated[Count, Field(ge=2, le=16)] | None = 8
    """Bits of the converters at the outputs. null = exact outputs."""
    input_slice_bits: Bits | None = None
    """Inputs are fed in pieces of so many bits, with one read for each piece. Absent = inputs are fed whole."""
    converter_range: Literal["layer", "tile", "column"] = "layer"
    """Which output converters share one range: those of a layer, those of a tile, or none; then each column has its own."""
    percentile: Annotated[Number, Field(gt=50, le=100)] = 99.9
    """Ranges of converters hold this percentage of the values that occur with the profiled inputs."""
    adc_gain_sd: Fraction = 0.0
    """Standard deviation of the gain of the output converters. Each chip, row block and column has its own gain."""
    adc_offset_sd: Fraction = 0.0
    """Standard deviation of their offset, as a share of their range."""
    wire_resistance: Resistance = 0.0
    """Resistance of a word or bit line from one cell to the next, at 293.15 K. 0 = ideal wires."""
    wire_temperature_coefficient: InverseTemperature = 0.00393
    """Temperature coefficient of the resistance of wires. The default is that of bulk copper."""
    word_line_ends: Ends = 1
    """How many ends of a word line are driven."""
    bit_line_ends: Ends = 1
    """How many ends of a bit line are read."""
    wires: Literal["exact", "shared"] = "exact"
    """exact: the circuit of every array of every chip is solved. shared: all chips take the losses of the mean chip; the result
    says by how much that may be off."""
    nonlinear_cells: bool = True
    """Whether cells follow I = G V0 sinh(V / V0), where the deck of the device gives `nonlinearity_voltage`. false = ohmic."""
    read_noise: bool = True
