"""How long the chips are followed, how many, and what keeps them accurate."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from stack3d.constants import YEAR
from stack3d.schema.base import Count, DeckModel, Duration, Fraction, Number, Temperature, TemperatureDifference, too_many
from stack3d.schema.device import DeviceDeck


class CouplingDeck(DeckModel):
    """Fixed point of temperature, leakage and conductance within an epoch."""

    enabled: bool = True
    """False: the temperature of the chip as programmed stays (one way): writes and calibrations are billed but heat
    nothing."""
    tolerance: TemperatureDifference = 1e-3
    """Largest change of any cell's temperature in the last iteration."""
    iterations: Annotated[Count, Field(ge=1, le=1000)] = 60


class RefineDeck(DeckModel):
    """Epochs in which more changes than this are divided, at the middle of ln t, until none is left."""

    accuracy: Annotated[Fraction, Field(gt=0)] = 0.02
    """Largest change of mean accuracy; below the chance of a read-out it divides in vain."""
    temperature: Annotated[TemperatureDifference, Field(gt=0)] = 1.0
    """Largest change of a tile's mean temperature."""
    most: Annotated[Count, Field(ge=2, le=1000)] = 64
    """Largest number of epochs, those asked for included."""


class CoarseDeck(DeckModel):
    """Cells whose error costs least at the outputs, refreshed with less care."""

    share: Fraction
    """Share of all cells: those in rows that are driven little, of less significant slices, in states that are written
    well."""
    pulses: Annotated[Number, Field(ge=0)] = 1.0
    """Mean pulses of their write-verify, whose window is widened to get there; 0 = they are left alone."""

    @model_validator(mode="after")
    def _a_pulse_or_none(self) -> Self:
        if 0 < self.pulses < 1:
            raise ValueError(f"pulses wants 0 or at least 1, got {self.pulses:g}")
        if self.share == 1 and self.pulses == 0:
            raise ValueError("share 1 with pulses 0 writes no cell at all")
        return self


class RefreshDeck(DeckModel):
    """Program cells again; give a period, or an accuracy loss that triggers it."""

    period: Duration | None = None
    accuracy_loss: Annotated[Fraction, Field(gt=0)] | None = None
    """Loss of accuracy below that of the fresh chips, mean over chips, that makes the chip write again."""
    worst: Annotated[Fraction, Field(gt=0)] = 1.0
    """Share of the cells that is written: those farthest from their target."""
    coarse: CoarseDeck | None = None
    """Write-stress reduction: of the cells that are written, take less care of those that matter least."""

    @model_validator(mode="after")
    def _one_reason(self) -> Self:
        if (self.period is None) == (self.accuracy_loss is None):
            raise ValueError("wants either period or accuracy_loss")
        if self.coarse is not None and self.worst < 1:
            raise ValueError("coarse does not go with worst, which leaves cells out by another measure")
        return self


class CompensationDeck(DeckModel):
    """Corrections at read-out, measured through the chip's own converters."""

    drift: Literal["none", "layer", "tile"] = "none"
    """layer: one digital factor per layer from one-hot reads; tile: one per array from its reference columns."""
    temperature_gain: bool = False
    """Divide by the mean reversible G(T) factor that a tile's thermometer predicts."""
    columns: bool = False
    """Gain and offset of every output that give it back the mean and spread over calibration inputs that it had when the chip
    was programmed, at that temperature."""
    input_sums: bool = False
    """With columns: also what goes with the sum of the inputs, which a digital adder or a column of equal cells gives; it mends
    cells of different states that change by different factors."""
    recalibrate: bool = False
    """Set the converter ranges anew at every calibration."""
    period: Duration = 86400.0
    """Time between calibrations; once a day is assumed. Chips are calibrated when programmed and after every write too. A
    read-out sees the corrections that were measured last, and not those of its own instant."""

    @model_validator(mode="after")
    def _sums_of_columns(self) -> Self:
        if self.input_sums and not self.columns:
            raise ValueError("input_sums wants columns: true")
        return self


class ThrottlingDeck(DeckModel):
    """Lower the inference rate until the hottest cell keeps below a limit."""

    limit: Temperature


class PowerGatingDeck(DeckModel):
    """Switch idle periphery off."""

    residual: Fraction
    """Share of the leakage that stays while a tile is idle."""


class SparesDeck(DeckModel):
    """Spare columns per array that replace the worst ones found at test."""

    columns: Annotated[Count, Field(ge=1)]


class FineTuningDeck(DeckModel):
    """Train the last layer on the chip's own features and write the changed cells."""

    period: Duration
    steps: Annotated[Count, Field(ge=1)] = 50
    """Gradient steps on the profiling data."""
    learning_rate: Annotated[Number, Field(gt=0)] = 0.5
    threshold: Annotated[Fraction, Field(gt=0)] = 0.02
    """Cells whose target moves by less than this share of the window are left alone."""


MOST_TRAININGS = 1000
"""Of one life; every one is computed."""


class LifetimeDeck(DeckModel):
    """How long and in how many epochs the chip is followed."""

    until: Duration = 10 * YEAR
    first: Duration = 3600.0
    """End of the first epoch; the others follow at equal ratios."""
    epochs: Annotated[Count, Field(ge=1, le=1000)] = 16
    programming_temperature: Temperature = 298.15
    """Temperature of the chip while it is programmed."""
    subgrid: tuple[Annotated[Count, Field(ge=1, le=32)], Annotated[Count, Field(ge=1, le=32)]] = (2, 2)
    """Temperatures within a tile [nx, ny]: columns along x, rows along y."""
    coupling: CouplingDeck = CouplingDeck()
    refine: RefineDeck | None = None
    """Division of epochs in which much changes; absent = the epochs stay as they are."""
    accuracy_loss: Annotated[Fraction, Field(gt=0)] = 0.01
    """Loss below float accuracy whose time is reported."""
    band: bool = False
    """Follow the chips at both ends of the device's parameter bands too, and for eight draws of a fitted device's
    posterior."""
    attribution: bool = True
    """Switch mechanisms, tiers and layers off one at a time at the end."""
    refresh: RefreshDeck | None = None
    compensation: CompensationDeck | None = None
    throttling: ThrottlingDeck | None = None
    power_gating: PowerGatingDeck | None = None
    spares: SparesDeck | None = None
    fine_tuning: FineTuningDeck | None = None
    policies: dict[str, dict[str, Any]] = {}
    """Policies that another package registers: name → parameters."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.epochs > 1 and self.first >= self.until:
            raise ValueError(f"first must come before until, got {self.first:g} s and {self.until:g} s")
        if self.fine_tuning is not None and self.until / self.fine_tuning.period > MOST_TRAININGS:
            raise too_many(self, "trainings", self.fine_tuning.period, MOST_TRAININGS, ("fine_tuning", "period"))
        return self


class HybridTiersDeck(DeckModel):
    """Tiers of another device, and the layers of the network that live there."""

    tiers: Annotated[tuple[Annotated[Count, Field(ge=0)], ...], Field(min_length=1)]
    """Tiers, counted from the bottom, from 0."""
    device: DeviceDeck
    layers: Annotated[tuple[str, ...], Field(min_length=1)]


class MonteCarloDeck(DeckModel):
    """Independent chips."""

    samples: Annotated[Count, Field(ge=1, le=100_000)] = 32
    seed: Annotated[Count, Field(ge=0)] = 1
