"""What the chip computes and what heats it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, Tag, field_validator, model_validator

from stack3d.errors import repeated
from stack3d.schema.base import (
    Area,
    Count,
    DeckModel,
    Duration,
    Energy,
    Fraction,
    Frequency,
    Number,
    Power,
    Rate,
    TemperatureDifference,
    Thickness,
    given_as,
)
from stack3d.schema.geometry import Interval, LayerName, Name
from stack3d.unit_text import short


class DataDeck(DeckModel):
    """Labelled inputs for the accuracy."""

    name: str = "inline"
    title: str | None = None
    file: str | None = None
    """`.npz` with `inputs` (or windows of `length` of a `series` at `starts`; or, for several inputs, an array with the name of
    each), `labels`, perhaps `train`, `test` indices, and `groups` of inputs that belong together."""
    inputs: str | None = None
    """`.npy` with the inputs, instead of `file`."""
    labels: str | None = None
    """`.npy` with the labels."""
    scale: Number = 1.0
    """Factor on the stored inputs."""
    sha256: str | None = None
    licence: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.file is None) == (self.inputs is None) or (self.inputs is None) != (self.labels is None):
            raise ValueError("wants file (.npz), or inputs and labels (.npy)")
        return self


class NetworkDeck(DeckModel):
    """A trained network and the data it is judged by."""

    name: str = "inline"
    title: str | None = None
    file: str
    """ONNX file, relative to the deck."""
    held: dict[str, Number] = {}
    """Inputs that are held at a number (a sampling rate, a first state); lengths that they leave open count as one."""
    sha256: str | None = None
    data: DataDeck | None = None
    float_accuracy: Fraction | None = None
    """Accuracy of the network on the test part, in float arithmetic."""
    licence: str | None = None


class ConverterDeck(DeckModel):
    """Energy of one conversion, driven line or integration, and how it goes with resolution."""

    bits: Annotated[Count, Field(ge=1, le=16)]
    energy: Energy
    """Energy of one conversion at `bits`."""
    fixed: Energy = 0.0
    """Energy that is added at any resolution."""
    scaling: Literal["doubling", "serial", "cycles", "search", "constant"] = "doubling"
    """What it goes with. doubling: levels, 2^bits; serial: pulses, one per magnitude bit; cycles: 2^k of them for the magnitude
    bit worth 2^k; search: comparisons, one per bit, the sign's included; constant: nothing."""


class LinkDeck(DeckModel):
    """Energy of moving bits between a tile and the logic that sums and buffers."""

    bit: Energy
    """Energy of a bit that is moved, whatever the distance (router, bus)."""
    tier: Energy = 0.0
    """Energy of a bit at each boundary between tiers that it crosses (through-silicon via or hybrid bond)."""


class AreaDeck(DeckModel):
    """Floor that the periphery of a tile takes."""

    adc: Area
    """Area of one output converter at the `bits` of the deck's `adc`."""
    dac: Area
    """Area of an input converter, per row, at the `bits` of the deck's `dac`."""
    digital: Area
    """Area of the digital part of a tile: shift-and-add, registers, buffers, bus."""
    via_pitch: Thickness | None = None
    """Pitch of the vias that bring rows and columns of a tile to the next tier; absent = unknown."""


class PeripheryDeck(DeckModel):
    """Energies of what surrounds an array."""

    name: str = "inline"
    title: str | None = None
    adc: ConverterDeck
    """Output converter, per converted column; its resolution is `mvm.adc_bits`."""
    dac: ConverterDeck
    """Input converter, per driven row; its resolution is `mvm.dac_bits`, or `mvm.input_slice_bits` at each of several
    reads."""
    driver: ConverterDeck | None = None
    """Driver of a word line, per driven row; it has the resolution of the inputs."""
    integrator: ConverterDeck | None = None
    """Sampling and integration, per converted column; it has the resolution of the inputs."""
    adc_rate: Rate
    """Conversions per second of one converter."""
    columns_per_adc: Annotated[Count, Field(ge=1)] = 8
    """Columns that share one converter, one after the other."""
    two_phases_above: Annotated[Count, Field(ge=2)] | None = None
    """Inputs of more bits are fed as an upper and a lower half of their magnitude bits, each converted; absent = at once."""
    digital: Energy
    """Energy of shift, add and buffer, per converted column."""
    digital_mac: Energy = 0.0
    """Energy of a multiply-accumulate of layers that stay digital, and of products of two activations."""
    digital_mac_rate: Rate | None = None
    """Multiply-accumulates per second for products of two activations; absent = they keep up."""
    link: LinkDeck | None = None
    """Energy of moving bits; absent = it costs nothing."""
    array_included: bool = False
    """Whether the current through the cells is part of the energies above; then it is not added again."""
    leakage: Power = 0.0
    """Static power of one tile's periphery at 300 K."""
    leakage_doubling: Annotated[TemperatureDifference, Field(gt=0)] = 12.0
    """Temperature step that doubles leakage; assumed, typical of CMOS of 28 to 65 nm."""
    area: AreaDeck | None = None
    """Area of the periphery of a tile; absent = unknown."""
    places: dict[Literal["dac", "driver", "adc", "digital", "link", "leakage"], Literal["array", "periphery", "logic"]] = {}
    """Where a component heats: the tile's own box, its tier's periphery layer, the logic die; absent = the tier's periphery
    layer where there is one, else the logic die, else the tile's own box."""


class MemoryDeck(DeckModel):
    """An on-chip memory of a conventional machine."""

    size: Annotated[Count, Field(ge=1)]
    """Size of the memory. [byte]"""
    bit: Annotated[Energy, Field(gt=0)]
    """Energy of reading a bit."""


NODE = 45e-9
"""Technology of the numbers that `ConventionalDeck` begins with. [m]"""
CONVENTIONAL_SOURCE = (
    "energies of arithmetic and memories in 45 nm: M. Horowitz, ISSCC 2014, doi:10.1109/ISSCC.2014.6757323;"
    " rates, bandwidths and leakage are assumed"
)
"""Of the numbers that `ConventionalDeck` begins with."""


class ConventionalDeck(DeckModel):
    """A machine that fetches its weights for every inference: what the crossbars are compared with."""

    weight_bits: Annotated[Count, Field(ge=1, le=64)] = 8
    mac: Energy = 0.23e-12
    """8-bit multiply and add in 45 nm, 0.2 + 0.03 pJ: M. Horowitz, ISSCC 2014, doi:10.1109/ISSCC.2014.6757323."""
    technology: Thickness = NODE
    """Node that the energies are of; another than 45 nm wants `mac` and `sram` of its own."""
    sram: Annotated[tuple[MemoryDeck, ...], Field(min_length=1)] = (
        MemoryDeck.model_construct(size=8192, bit=10e-12 / 64),
        MemoryDeck.model_construct(size=32768, bit=20e-12 / 64),
        MemoryDeck.model_construct(size=1048576, bit=100e-12 / 64),
    )
    """On-chip memories; that of the model lies between or beyond them along a power of the size. Caches of 8 kB, 32 kB and
    1 MB, 10, 20 and 100 pJ per 64 bit, 45 nm: Horowitz 2014."""
    dram_bit: Energy = 20.3e-12
    """DRAM, 1.3 nJ per 64 bit (lower end of 1.3 to 2.6 nJ): Horowitz 2014."""
    mac_rate: Frequency = 6.4e10
    """Multiply-accumulates per second; assumed, 64 at 1 GHz."""
    sram_bandwidth: Frequency = 5.12e11
    """Bits per second; assumed, eight for each multiply-accumulate."""
    dram_bandwidth: Frequency = 1.024e11
    """Bits per second; assumed, 32 lines at 3.2 Gbit/s."""
    logic_leakage: Annotated[Power, Field(ge=0)] = 1e-3
    """Static power of the arithmetic and its control; assumed, 45 nm at room temperature."""
    sram_leakage: Annotated[Power, Field(ge=0)] = 1e-11
    """Static power per bit; assumed, low-leakage cells at room temperature."""
    dram_leakage: Annotated[Power, Field(ge=0)] = 2e-13
    """Self-refresh per bit; assumed, about 1 mW for 4 Gbit."""

    @field_validator("sram")
    @classmethod
    def _sizes_differ(cls, memories: tuple[MemoryDeck, ...]) -> tuple[MemoryDeck, ...]:
        sizes = [memory.size for memory in memories]
        if twice := repeated(sizes):
            raise ValueError(f"{twice[0]} byte are given {sizes.count(twice[0])} times; every size has one energy of its own")
        return memories

    @model_validator(mode="after")
    def _figures_of_the_node(self) -> Self:
        kept = [key for key in ("mac", "sram") if key in self.kept]
        if self.technology != NODE and kept:
            raise ValueError(
                f"technology {short(self.technology, 'm')}: {' and '.join(kept)} would still be figures of {short(NODE, 'm')};"
                " give those of the node, or leave technology out"
            )
        return self

    @property
    def kept(self) -> tuple[str, ...]:
        """Keys of figures of arithmetic and memory that stand as this deck begins."""
        figures = ("mac", "sram", "dram_bit", "logic_leakage", "sram_leakage", "dram_leakage")
        return tuple(key for key in figures if key not in self.model_fields_set)

    @property
    def node(self) -> str:
        """Technology in words, with what is not of it."""
        is_told = self.technology != NODE and {"logic_leakage", "sram_leakage"} & {*self.kept}
        return f"{short(self.technology, 'm')}{f' (leakage as assumed for {short(NODE, "m")})' if is_told else ''}"


class TraceDeck(DeckModel):
    """Activity over time as a share of `rate`; a run without `transient` sees its mean."""

    pattern: Literal["bursts", "day", "table"]
    on: Duration | None = None
    """bursts: working time."""
    off: Duration | None = None
    """bursts: idle time."""
    levels: tuple[Fraction, ...] = ()
    """day: activity in equal parts of 24 hours, from midnight."""
    file: str | None = None
    """table: `.csv` or `.parquet` with columns `time [s]` and one per block, in W (`power.trace`), or `activity`
    (`workload.trace`); titles may have other units of time, power and share in square brackets."""

    @model_validator(mode="after")
    def _pattern_is_complete(self) -> Self:
        wanted = {"bursts": ("on", "off"), "day": ("levels",), "table": ("file",)}[self.pattern]
        for key in ("on", "off", "levels", "file"):
            given = getattr(self, key) not in (None, ())
            if given != (key in wanted):
                raise ValueError(f"pattern {self.pattern} wants {' and '.join(wanted)}" + ("" if not given else f", not {key}"))
        return self


SiteIndex = tuple[Annotated[Count, Field(ge=0)], Annotated[Count, Field(ge=0)], Annotated[Count, Field(ge=0)]]
"""[tier, column, row] of a tile site, each from zero, bottom and lower left first."""


class WorkloadDeck(DeckModel):
    """A network on crossbars."""

    network: NetworkDeck
    """Packaged name, `.onnx` file, or mapping."""
    data: DataDeck | None = None
    """Packaged name, `.npz` file, or mapping; absent = that of the network."""
    output: str | None = None
    """Output of the model that tells the classes; absent = its only one."""
    task: Name = "classification"
    """What the outputs are judged as: classification, sequence (a class for each step), segmentation (mean intersection over
    union), multi_label (yes or no for each output), regression (one less the relative error), agreement (with the network in
    float arithmetic; data need no labels)."""
    threshold: Number = 0.0
    """multi_label: outputs above it say yes (0 for logits, 0.5 for probabilities)."""
    digital: tuple[str, ...] = ()
    """Layers that stay digital."""
    rate: Rate
    """Inferences per second."""
    trace: TraceDeck | None = None
    """Activity over time; absent = always at `rate`."""
    tile: tuple[Annotated[Count, Field(ge=1, le=8192)], Annotated[Count, Field(ge=1, le=8192)]] = (128, 128)
    """Rows and columns of one crossbar."""
    replicate: Annotated[
        Annotated[Literal["rate"], Tag("word[]")] | Annotated[dict[str, Annotated[Count, Field(ge=1)]], Tag("mapping[]")],
        given_as("mapping[]", "word[]"),
    ] = {}
    """Copies of layers that share their products; rate: as many as `rate` needs."""
    placement: Annotated[
        Annotated[Name, Tag("word[]")]
        | Annotated[tuple[SiteIndex, ...], Tag("list[]")]
        | Annotated[dict[str, SiteIndex], Tag("mapping[]")],
        given_as("mapping[]", "list[]", "word[]"),
    ] = "spread"
    """How tiles are put on sites: a strategy, or [tier, column, row] per tile, in order or by name."""
    periphery: PeripheryDeck
    conventional: ConventionalDeck = ConventionalDeck()
    test_samples: Annotated[Count, Field(ge=1)] | None = None
    """How many of the test inputs to use; absent = all."""
    array: Literal["numpy", "torch", "array_api_strict"] = "numpy"
    """Library of the products on chips; torch: on its first GPU, or without one on the processor; array_api_strict: the
    array standard's own, slow, for checks."""


class SourceDeck(DeckModel):
    """Power spread uniformly over a rectangle times the full thickness of a layer."""

    name: Name
    layer: LayerName
    x: Interval | None = None
    """[from, to] along x; absent = the whole layer."""
    y: Interval | None = None
    unit: Name | None = None
    """Unit of the layer's floorplan whose x and y it has."""
    map: str | None = None
    """`.npy` or `.csv` of bare numbers that share the power over x and y, rows from the lowest y on: it becomes a source for
    each rectangle of equal values."""
    map_unit: str | None = None
    """Unit of the numbers of a `map`, in place of `power`: a density as 'W/cm^2', or a power per cell as 'mW'."""
    power: Power


class PowerMapDeck(DeckModel):
    """Explicit powers; with a workload they come on top of it (a host on the logic die, say)."""

    sources: tuple[SourceDeck, ...] = ()
    trace: TraceDeck | None = None
    """Power of sources by name over time, pattern table; a run without `transient` sees the mean."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if twice := repeated(source.name for source in self.sources):
            raise ValueError(
                f"sources: names are given twice: {', '.join(twice)}; traces and overrides address sources by name, and"
                " units of a floorplan with power are sources too"
            )
        return self
