"""Scenario deck: what is built, computed, cooled, aged and asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from stack3d import units
from stack3d.schema.base import (
    ArealResistance,
    Count,
    DeckModel,
    Duration,
    Energy,
    FilmCoefficient,
    Fraction,
    HeatFlux,
    Length,
    Number,
    Power,
    Rate,
    Resistance,
    Temperature,
    ThermalResistance,
)
from stack3d.schema.device import Device
from stack3d.schema.geometry import Geometry, Interval, Name


class Face(DeckModel):
    """Condition on an outer face; give exactly one of the first four, or none for an adiabatic face."""

    name: str = "inline"
    title: str | None = None
    film_coefficient: FilmCoefficient | None = None
    """h of the area of the face."""
    resistance: ThermalResistance | None = None
    """Whole-face resistance to ambient; h = 1 / (R A)."""
    areal_resistance: ArealResistance | None = None
    """Resistance times area; h = 1 / R''."""
    temperature: Temperature | None = None
    """Fixed temperature."""
    flux: HeatFlux | None = None
    """Heat pushed into the face, on top of the above."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = ("film_coefficient", "resistance", "areal_resistance", "temperature")
        given = [k for k in kinds if getattr(self, k) is not None]
        if len(given) > 1:
            raise ValueError(f"wants one of {', '.join(kinds)} (got {' and '.join(given)})")
        return self


def _adiabatic(value: Any) -> Any:
    return {"name": "adiabatic"} if value == "adiabatic" else value


CooledFace = Annotated[Face, BeforeValidator(_adiabatic)]


class Cooling(DeckModel):
    """Conditions on the outer faces; every face that is not named is adiabatic."""

    top: CooledFace = Face(name="adiabatic")
    bottom: CooledFace = Face(name="adiabatic")
    sides: CooledFace = Face(name="adiabatic")
    ambient: Temperature
    """Temperature of the surroundings."""

    @model_validator(mode="after")
    def _some_way_out(self) -> Self:
        ways = ("film_coefficient", "resistance", "areal_resistance", "temperature")
        faces = (self.top, self.bottom, self.sides)
        if not any(getattr(face, way) for face in faces for way in ways):
            raise ValueError("every face is adiabatic, so there is no steady temperature: cool the top, bottom or sides")
        return self


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


class Mvm(DeckModel):
    """How products are computed on the arrays."""

    scheme: Literal["pair", "pair_two_sided", "offset"] = "pair"
    """pair: difference of two cells, the idle one at g_min; pair_two_sided: both move; offset: one cell, one column."""
    dac_bits: Annotated[Count, Field(ge=1, le=16)] | None = 8
    """Absent (null) = exact inputs."""
    adc_bits: Annotated[Count, Field(ge=1, le=16)] | None = 8
    """Absent (null) = exact outputs."""
    wire_resistance: Resistance = 0.0
    """Of one word- or bit-line segment between neighbouring cells."""
    read_noise: bool = True
    percentile: Annotated[Number, Field(gt=50, le=100)] = 99.9
    """Converter ranges cover this percentile of the profiled values."""


class Lifetime(DeckModel):
    """How long and in how many epochs the chip is followed."""

    until: Duration = units.parse("10 year", "time")
    first: Duration = units.parse("1 hour", "time")
    """End of the first epoch; the others follow at equal ratios."""
    epochs: Annotated[Count, Field(ge=1, le=1000)] = 16
    programming_temperature: Temperature = units.parse("25 degC", "temperature")
    """Of the chip while it is programmed."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.epochs > 1 and self.first >= self.until:
            raise ValueError("first must come before until")
        return self


class MonteCarlo(DeckModel):
    """Independent chips."""

    samples: Annotated[Count, Field(ge=1, le=100_000)] = 32
    seed: Annotated[Count, Field(ge=0)] = 1


class Mesh(DeckModel):
    """Element sizes of the tensor grid."""

    lateral: Annotated[Count, Field(ge=1, le=2048)]
    """Elements across the longer side, at least."""
    refinement: Annotated[Number, Field(ge=1, le=64)] = 1.0
    """Largest lateral element over the smallest, which lies at the edges of sources."""
    growth: Annotated[Number, Field(gt=0, le=2)] = 0.3
    """Growth of the element size per distance from an edge of a source."""
    per_layer: Annotated[Count, Field(ge=1, le=64)] = 1
    """Elements through a layer, at least."""
    aspect: Annotated[Number, Field(gt=0)] = 4.0
    """Element height over the lateral element size at the same distance from a source, at most."""


class Linear(DeckModel):
    """Linear solver of the fem backend."""

    method: Literal["cg", "direct"] = "cg"
    preconditioner: Literal["auto", "grid", "icc", "gamg", "jacobi"] = "auto"
    """grid: the tensor solve on the same grid; auto: grid in one process, gamg in several."""
    tolerance: Annotated[Number, Field(gt=0, lt=1)] = 1e-10
    """Relative residual."""
    max_iterations: Annotated[Count, Field(ge=1)] = 500


class Solver(DeckModel):
    """Numerics profile."""

    name: str = "inline"
    title: str | None = None
    backend: Literal["auto", "fem", "tensor"] = "auto"
    """fem: DOLFINx on a Gmsh mesh; tensor: the same elements by fast diagonalisation, without a mesh; auto: tensor."""
    mesh: Mesh
    order: Literal[1] = 1
    linear: Linear = Linear()
    error_promise: Fraction
    """Largest error of tile and layer means over the peak rise that a test holds the profile to."""


class Probe(DeckModel):
    """A named point; the mid-plane of its layer unless z is given."""

    name: Name
    layer: Name
    x: Length
    y: Length
    z: Length | None = None


class Maps(DeckModel):
    """Volume means over nx by ny equal boxes of layers."""

    layers: tuple[Name, ...]
    grid: tuple[Annotated[Count, Field(ge=1, le=4096)], Annotated[Count, Field(ge=1, le=4096)]]


class Scenario(DeckModel):
    """One case, or a study when `sweep` is given."""

    scenario: Name
    """Name of the case, and of its results folder."""
    title: str | None = None
    geometry: Geometry
    cooling: Cooling
    workload: Workload | None = None
    power: PowerMap | None = None
    device: Device | None = None
    device_band: Literal["low", "default", "high"] = "default"
    """Which end of the bands of uncertain device parameters to take."""
    mvm: Mvm = Mvm()
    lifetime: Lifetime | None = None
    monte_carlo: MonteCarlo = MonteCarlo()
    solver: Solver
    probes: tuple[Probe, ...] = ()
    maps: Maps | None = None
    tier_map: tuple[Count, Count] = (16, 16)
    """Boxes [nx, ny] of the temperature map of each tier."""
    sweep: dict[str, list[Any]] = {}
    """Dotted key → values; every combination is a case."""
    expect: dict[str, str] = {}
    """Output variable → range it must lie in, as '[300, 400] K'."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.workload is None and self.power is None:
            raise ValueError("wants a workload (a network on crossbars), or power (explicit sources), or both")
        if self.lifetime is not None and (self.workload is None or self.device is None):
            raise ValueError("lifetime needs a workload and a device")
        if self.workload is not None and self.device is None:
            raise ValueError("workload needs a device: its conductances set the array power")
        return self
