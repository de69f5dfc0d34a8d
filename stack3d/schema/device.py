"""Device deck: a conductance range and one named law per mechanism; the laws check their own parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, ConfigDict, Field, ModelWrapValidatorHandler, WithJsonSchema, model_validator

from stack3d import units
from stack3d.schema.base import (
    Area,
    Conductance,
    CostDeck,
    Count,
    DeckModel,
    Duration,
    Energy,
    Number,
    Temperature,
    Thickness,
    Voltage,
    bare,
)

Band = Literal["low", "default", "high"]
BANDS: tuple[Band, ...] = get_args(Band)


class BandedDeck(DeckModel):
    """A quantity known only as a band: written ``{low: …, value: …, high: …}`` in place of the quantity."""

    low: str | float
    value: str | float
    high: str | float

    def at(self, band: Band) -> str | float:
        """Return the end of the band that a scenario asked for."""
        return {"low": self.low, "default": self.value, "high": self.high}[band]


def _is_banded(value: Any) -> bool:
    return isinstance(value, Mapping) and {"low", "value", "high"} <= set(value) <= {*BandedDeck.model_fields}


def choose_band(value: Any, band: Band | Mapping[str, Band], key: str = "") -> Any:
    """Replace every banded quantity below `value` by one end of its band.

    Parameters
    ----------
    value : Any
        Plain deck content.
    band : {"low", "default", "high"} or mapping
        One choice for all banded quantities, or ``{"retention.activation_energy": "low"}``; keys left out keep
        their default.
    key : str
        Dotted key of `value`.
    """
    if _is_banded(value):
        choice = band if isinstance(band, str) else band.get(key, "default")
        return BandedDeck.model_validate(value).at(choice)
    if isinstance(value, Mapping):
        return {k: choose_band(v, band, f"{key}.{k}".lstrip(".")) for k, v in value.items()}
    return value


def banded_keys(value: Any, key: str = "") -> Iterator[str]:
    """Yield the dotted keys of all banded quantities below `value`."""
    if _is_banded(value):
        yield key
    elif isinstance(value, Mapping):
        for k, v in value.items():
            yield from banded_keys(v, f"{key}.{k}".lstrip("."))


def _range(dimension: str) -> tuple[BeforeValidator, WithJsonSchema]:
    def convert(value: Any) -> Any:
        return units.parse_range(bare(value, dimension), dimension)

    example = f"[1, 2] {units.SI[dimension]}"
    return BeforeValidator(convert), WithJsonSchema({"type": "string", "description": f"a range such as {example!r}"})


TemperatureRange = Annotated[tuple[float, float], *_range("temperature")]
TimeRange = Annotated[tuple[float, float], *_range("time")]
ConductanceRange = Annotated[tuple[float, float], *_range("conductance")]


def _exposure(value: Any) -> Any:
    if isinstance(value, str):
        time, at, temperature = value.partition(" at ")
        if not at:
            raise ValueError(f"got {value!r}; allowed: a time at a temperature, such as '1000 s at 25 degC'")
        return units.parse(time, "time"), units.parse(temperature, "temperature")
    return value


Exposure = Annotated[
    tuple[float, float],
    BeforeValidator(_exposure),
    WithJsonSchema({"type": "string", "description": "a time at a temperature, such as '1000 s at 25 degC'"}),
]
"""A measurement that took a time [s] at a temperature [K]."""


class ValidityDeck(DeckModel):
    """Where a law holds: outside `fitted` it warns, outside `allowed` it refuses."""

    temperature_fitted: TemperatureRange | None = None
    """Temperatures of the measurement."""
    temperature_allowed: TemperatureRange | None = None
    time_fitted: TimeRange | None = None
    """Times since programming of the measurement."""
    time_allowed: TimeRange | None = None
    exposures_fitted: tuple[Exposure, ...] | None = None
    """Times at temperatures of the measurements; an age at a temperature is covered by one that was as hot and as long."""
    coldest_fitted: Temperature | None = None
    """Lowest temperature of these measurements; absent = none is too low."""
    youngest_fitted: Duration | None = None
    """Shortest age that was measured; absent = they begin with the write."""
    conductance_fitted: ConductanceRange | None = None
    """Target conductances of the measurement."""
    conductance_allowed: ConductanceRange | None = None


class PosteriorDeck(DeckModel):
    """What a fit knows of the free parameters of a law."""

    parameters: tuple[str, ...]
    """Dotted keys below the law, with the SI unit of their values in brackets."""
    covariance: tuple[tuple[float, ...], ...]
    """Covariance of these values."""
    draws: tuple[tuple[float, ...], ...]
    """Equally likely values, one row each."""
    noise: Mapping[str, float] = Field(default_factory=dict)
    """Most likely values of what is not the law's: noise of the readings, scatter of the statistics."""


class MechanismDeck(DeckModel):
    """One registered law and its parameters; the law's own model validates them when the device is built."""

    model_config = ConfigDict(extra="allow")

    law: str
    """Name of a registered law of this mechanism."""
    posterior: PosteriorDeck | None = None
    """Written by `stack3d fit`; absent = the numbers are taken as they are."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything but `law`, `source` and `assumed`, as written."""
        return self.model_extra or {}


class ReadDeck(DeckModel):
    """How a cell is read."""

    voltage: Voltage
    """Amplitude of a full-scale read pulse."""
    pulse: Duration
    """Time of one analog product."""
    nonlinearity_voltage: Voltage | None = None
    """V_nl of I = G V sinh(V/V_nl)/(V/V_nl); absent = ohmic."""


class WriteDeck(DeckModel):
    """How a cell is written."""

    voltage: Voltage
    """Amplitude of a write pulse; drives endurance and, where a law couples them, retention."""
    pulse: Duration
    energy: Energy
    """Energy of one pulse."""
    pulses: Number
    """Mean pulses of one write-verify; a write-verify law counts its own instead."""


class DeviceDeck(DeckModel):
    """A resistive cell: range, access and mechanisms."""

    name: str = "inline"
    title: str | None = None
    g_max: Conductance
    """Largest programmed conductance."""
    g_min: Conductance
    """Smallest programmed conductance."""
    levels: Count | None = None
    """Distinguishable levels; absent = continuous."""
    cell_size: Thickness | None = None
    """Edge of a square cell."""
    cell_area: Area | None = None
    """Area that a cell takes with its access device; absent = the square of `cell_size`, for cells without one."""
    measured_size: Thickness | None = None
    """Cell size at which `g_max` and `g_min` hold, for cells that conduct over their whole area; absent = any size."""
    read: ReadDeck
    write: WriteDeck | None = None
    valid: ValidityDeck | None = None
    """Ranges for the device as a whole; a mechanism may have its own."""
    mechanisms: Mapping[str, MechanismDeck] = Field(default_factory=dict)
    """Mechanism name → law."""
    begun_from: str | None = None
    """Written by `stack3d fit`: the deck whose mechanisms are kept, those without a `posterior`; absent = none are."""
    cost: CostDeck | None = None
    """Cost of the cells of a chip; `power/cost` adds up what is stated."""

    @property
    def not_fitted(self) -> dict[str, str]:
        """Mechanisms of a fitted deck that are those of another → that deck."""
        if self.begun_from is None:
            return {}
        return {name: self.begun_from for name, one in self.mechanisms.items() if one.posterior is None}

    @model_validator(mode="wrap")
    @classmethod
    def _scaled_with_area(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        device = handler(value)
        if device.cell_size is None or device.measured_size is None or device.cell_size == device.measured_size:
            return device
        area = (device.cell_size / device.measured_size) ** 2
        scaled = {"g_max": device.g_max * area, "g_min": device.g_min * area, "measured_size": device.cell_size}
        return device.model_copy(update=scaled)
