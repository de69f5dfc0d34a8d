"""What coolant flows through within a layer: channels, fins and pins, and where it comes in; SI units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from stack3d.rectangles import Rectangle

ChannelPart = Literal["floor", "ceiling", "walls"]
CHANNEL_PARTS: tuple[ChannelPart, ...] = ("floor", "ceiling", "walls")


@dataclass(frozen=True)
class Pins:
    """Round pins from floor to ceiling of a cavity, in rows across the flow.

    Parameters
    ----------
    diameter : float
        [m]
    across, along : float
        From pin to pin within a row, and from row to row. [m]
    staggered : bool
        Whether every second row is shifted by half a pitch.
    """

    diameter: float
    across: float
    along: float
    staggered: bool = False

    @property
    def share(self) -> float:
        """Of the area that they take. [-]"""
        return float(0.25 * np.pi * self.diameter**2 / (self.across * self.along))

    @property
    def surface(self) -> float:
        """Of their sides, per volume of the cavity. [m⁻¹]"""
        return float(np.pi * self.diameter / (self.across * self.along))

    @property
    def narrowest(self) -> float:
        """Least share of the width that is open: between the pins of a row, or from row to row where that is less. [-]"""
        gap = self.across - self.diameter
        if self.staggered:
            gap = min(gap, 2.0 * (float(np.hypot(self.along, 0.5 * self.across)) - self.diameter))
        return gap / self.across


@dataclass(frozen=True)
class Fins:
    """Walls between straight channels side by side, each between half a wall and half a wall, as one porous body.

    Parameters
    ----------
    count : int
        Of channels.
    width, wall : float
        Of a channel, and of a wall. [m]
    """

    count: int
    width: float
    wall: float

    @property
    def share(self) -> float:
        """Of the area that they take. [-]"""
        return self.wall / (self.width + self.wall)

    @property
    def surface(self) -> float:
        """Of their sides, per volume of the cavity. [m⁻¹]"""
        return 2.0 / (self.width + self.wall)


@dataclass(frozen=True)
class Inlet:
    """Where the coolant of neighbouring channels comes in.

    Parameters
    ----------
    name : str
    count : int
        Of channels.
    flow_rate : float
        Of all of them; NaN until a pump gives it. [m³ s⁻¹]
    inlet_temperature : float
        [K]
    is_reversed : bool
        Whether it flows against the others.
    """

    name: str
    count: int
    flow_rate: float
    inlet_temperature: float
    is_reversed: bool = False


@dataclass(frozen=True)
class Channels:
    """Coolant channels through the full thickness of a layer, fed side by side; or one cavity with pins.

    Parameters
    ----------
    outlines : tuple of Rectangle
    direction : {"x", "y"}
        The coolant flows towards larger x or y.
    width, height, length : float
        Of one channel. [m]
    flow_rate : float
        Of all channels together; NaN until a pump gives it. [m³ s⁻¹]
    inlet_temperature : float
        [K]
    heat_capacity : float
        Of the coolant, volumetric. [J m⁻³ K⁻¹]
    conductivity, viscosity, density, boiling_point : float or None
        Of the coolant. [W m⁻¹ K⁻¹], [Pa s], [kg m⁻³], [K]
    film_coefficient, floor_film_coefficient, ceiling_film_coefficient : float or None
        On walls (or pins), floors and ceilings; None leaves it to the law, or is as on the walls. [W m⁻² K⁻¹]
    law : str
        Of films and pressure drop, by its registered name.
    pins : Pins or Fins or None
        In the cavity, whose one outline is then no void.
    is_reversed : bool
        Whether the coolant flows towards smaller x or y.
    passes : int
        How often the coolant goes along the layer, to and fro; neighbouring channels stand for its passes.
    inlets : tuple of Inlet
        Of groups of channels from the lowest on; none where all have one inlet.
    """

    outlines: tuple[Rectangle, ...]
    direction: Literal["x", "y"]
    width: float
    height: float
    length: float
    flow_rate: float
    inlet_temperature: float
    heat_capacity: float
    conductivity: float | None = None
    viscosity: float | None = None
    film_coefficient: float | None = None
    density: float | None = None
    boiling_point: float | None = None
    floor_film_coefficient: float | None = None
    ceiling_film_coefficient: float | None = None
    law: str = "straight"
    pins: Pins | Fins | None = None
    is_reversed: bool = False
    passes: int = 1
    inlets: tuple[Inlet, ...] = ()

    @property
    def ways(self) -> int:
        """How many ways the coolant takes side by side."""
        return len(self.outlines) // self.passes

    @property
    def ducts(self) -> Channels:
        """As laws of flow see it: the channels between fins one by one, with void inside."""
        if not isinstance(fins := self.pins, Fins):
            return self
        [whole], pitch, along_y = self.outlines, fins.width + fins.wall, self.direction == "y"
        starts = [(whole.x0 if along_y else whole.y0) + 0.5 * fins.wall + i * pitch for i in range(fins.count)]
        outlines = tuple(
            replace(whole, x0=a, x1=a + fins.width) if along_y else replace(whole, y0=a, y1=a + fins.width) for a in starts
        )
        return replace(self, outlines=outlines, width=fins.width, pins=None)

    @property
    def fed(self) -> tuple[tuple[str, Channels], ...]:
        """Channels of each inlet with its name, "" where there is one for all."""
        if not self.inlets:
            return (("", self),)
        out, first = [], 0
        for inlet in self.inlets:
            part = self.outlines[first : first + inlet.count]
            flow, temperature, turned = inlet.flow_rate, inlet.inlet_temperature, inlet.is_reversed != self.is_reversed
            own = replace(self, outlines=part, flow_rate=flow, inlet_temperature=temperature, is_reversed=turned, inlets=())
            out.append((inlet.name, own))
            first += inlet.count
        return tuple(out)
