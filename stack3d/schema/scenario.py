"""Scenario deck: what is built, computed, cooled, aged and asked."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from stack3d.errors import repeated
from stack3d.schema.base import (
    Count,
    DeckModel,
    Length,
    Temperature,
)
from stack3d.schema.cooling import CoolingDeck
from stack3d.schema.device import DeviceDeck
from stack3d.schema.fabrication import FabricationDeck
from stack3d.schema.geometry import GeometryDeck, LayerName, Name
from stack3d.schema.life import HybridTiersDeck, LifetimeDeck, MonteCarloDeck
from stack3d.schema.mission import Mission
from stack3d.schema.mvm import MvmDeck
from stack3d.schema.numerics import CompactDeck, ImpedanceDeck, SolverDeck, TransientDeck
from stack3d.schema.optimise import OptimiseDeck
from stack3d.schema.physics import PhysicsDeck
from stack3d.schema.sweep import SweepDeck
from stack3d.schema.train import TrainDeck
from stack3d.schema.uncertain import UncertainDeck
from stack3d.schema.workload import PowerMapDeck, WorkloadDeck
from stack3d.storage import is_reserved


class ProbeDeck(DeckModel):
    """A named point; at half the height of its layer unless z is given, which counts from the bottom of the stack.

    Figures of `jedec` want a z: the junction on the heated face, the top on the upper face of the stack.
    """

    name: Name
    layer: LayerName
    x: Length
    y: Length
    z: Length | None = None


class MapsDeck(DeckModel):
    """Volume means over nx by ny equal boxes of layers, and over the boxes of the heat sources."""

    layers: tuple[LayerName, ...] = ()
    grid: tuple[Annotated[Count, Field(ge=1, le=4096)], Annotated[Count, Field(ge=1, le=4096)]] | None = None
    sources: bool = False
    """Whether the mean of every heat source's box is kept: what goes back to a tool of leakage or timing."""

    @property
    def boxes(self) -> int:
        """Number of boxes of all maps."""
        return len(self.layers) * self.grid[0] * self.grid[1] if self.grid else 0

    @model_validator(mode="after")
    def _something_is_asked(self) -> Self:
        if bool(self.layers) != (self.grid is not None):
            raise ValueError("layers and grid go together: a map has boxes of layers")
        if not self.layers and not self.sources:
            raise ValueError("asks for nothing; give layers and grid, or sources: true")
        return self


class JedecDeck(DeckModel):
    """Probes at which the figures of a package are read: resistances and characterisation parameters of JESD51-12."""

    junction: Name
    """The middle of the die, or where its diode is."""
    top: Name | None = None
    """The middle of the package top, which is the top of the stack."""
    board: Name | None = None
    """On the board, within 1 mm of the middle of a side of the package (JESD51-8)."""


class Scenario(DeckModel):
    """One case, or a study when `sweep`, `optimise` or `uncertain` is given."""

    scenario: Name
    """Name of the case, and of its results folder."""
    title: str | None = None
    geometry: GeometryDeck
    cooling: CoolingDeck
    workload: WorkloadDeck | None = None
    power: PowerMapDeck | None = None
    device: DeviceDeck | None = None
    device_band: Literal["low", "default", "high"] = "default"
    """Which end of the bands of uncertain device parameters to take."""
    hybrid: tuple[HybridTiersDeck, ...] = ()
    """Tiers of other devices; the rest has `device`."""
    mvm: MvmDeck = MvmDeck()
    fabrication: FabricationDeck | None = None
    """Defects and bonds; absent = no yield is given."""
    lifetime: LifetimeDeck | None = None
    monte_carlo: MonteCarloDeck = MonteCarloDeck()
    solver: SolverDeck
    transient: TransientDeck | None = None
    """Temperature over time; absent = steady."""
    impedance: ImpedanceDeck | None = None
    """Step responses, resistances and networks of sources, beside the temperatures."""
    compact: CompactDeck = CompactDeck()
    """Ranges of the model that ``stack3d compact`` makes, and by which ``solver.backend: compact`` solves a run."""
    mission: Mission = None
    """Phases that repeat over the life, each with its own ambient, activity, power and cooling; absent = always the same."""
    physics: PhysicsDeck = PhysicsDeck()
    """Further fields on the same mesh, of other packages: name → what it wants."""
    probes: tuple[ProbeDeck, ...] = ()
    maps: MapsDeck | None = None
    jedec: JedecDeck | None = None
    """Figures of a package from its junction to ambient, top and board."""
    limits: dict[str, Temperature] = {}
    """Role or layer → highest temperature; a run above it warns."""
    tier_map: tuple[Annotated[Count, Field(ge=1, le=4096)], Annotated[Count, Field(ge=1, le=4096)]] = (16, 16)
    """Boxes [nx, ny] of the temperature map of each tier."""
    sweep: SweepDeck = SweepDeck()
    """Dotted key → values, every combination a case; and other ways to vary keys."""
    optimise: OptimiseDeck | None = None
    """A search for the best designs, in place of a sweep."""
    uncertain: UncertainDeck | None = None
    """A study of what is not known: bands of outputs, and which unknown matters most."""
    train: TrainDeck = TrainDeck()
    """How `stack3d train` trains the network for its chip."""
    expect: dict[str, str] = {}
    """Output variable → range it must lie in, as '[300, 400] K'."""

    @field_validator("scenario")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if is_reserved(name):
            raise ValueError(f"{name!r} is a name that some systems keep for themselves; choose another, as '{name}_1'")
        return name

    @field_validator("probes")
    @classmethod
    def _probes_differ(cls, probes: tuple[ProbeDeck, ...]) -> tuple[ProbeDeck, ...]:
        if twice := repeated(probe.name for probe in probes):
            raise ValueError(f"names are given twice: {', '.join(twice)}; results address probes by name")
        return probes

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.workload is None and self.power is None:
            raise ValueError("wants a workload (a network on crossbars), or power (explicit sources), or both")
        if not self.cooling.has_way_out and not any(layer.flow for layer in self.geometry.every_layer):
            raise ValueError("every face is adiabatic, so there is no steady temperature: cool the top, bottom or sides")
        if self.lifetime is not None and (self.workload is None or self.device is None):
            raise ValueError("lifetime needs a workload and a device")
        if self.transient is not None and self.lifetime is not None:
            raise ValueError("transient and lifetime do not go together: one counts seconds, the other years")
        if self.workload is not None and self.device is None:
            raise ValueError("workload needs a device: its conductances set the array power")
        return self

    @model_validator(mode="after")
    def _mission_says_all(self) -> Self:
        traces = {
            "workload.trace": self.workload is not None and self.workload.trace is not None,
            "power.trace": self.power is not None and self.power.trace is not None,
            "transient": self.transient is not None,
        }
        if self.mission is not None and (wrong := [key for key, is_given in traces.items() if is_given]):
            raise ValueError(f"mission does not go with {' and '.join(wrong)}: its phases say what goes on at any time")
        return self
