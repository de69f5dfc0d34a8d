"""Laws of coolant in channels and between pins: films and pressure drop by what a cavity is; SI units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from stack3d.cavities import CHANNEL_PARTS, ChannelPart, Channels, Pins
from stack3d.errors import RangeError
from stack3d.registry import Registry, numbers
from stack3d.thermal.cooling import ducts, pin_banks

FilmsByPart = dict[ChannelPart, float]
"""Film coefficient of floors, ceilings and walls (of pins their sides). [W m⁻² K⁻¹]"""
FEWEST_ROWS = 20
"""Of pins, from which on the film does not depend on their number (Žukauskas 1972)."""
SHORT_PINS = 50.0
"""Reynolds number below which short pins were measured to take less than long tubes (Koşar and Peles 2006). [-]"""
RIGHT_ANGLE = 1.2
"""Pressure that a sharp right angle takes, over stagnation. Assumed: as Phillips 1987 is quoted, which was not read. [-]"""
NOT_KNOWN = float("nan")


class FlowLaw(ABC):
    """How coolant takes heat from a cavity, and what pressure that wants."""

    reference: ClassVar[str] = ""
    """Where the law comes from."""
    valid: ClassVar[str] = ""
    """Where it holds."""
    of_pins: ClassVar[bool] = False
    """Whether it is one of pins, else of channels."""

    @abstractmethod
    def films(self, channels: Channels) -> FilmsByPart:
        """Films by the law; NaN where the coolant is not known well enough. [W m⁻² K⁻¹]"""

    @abstractmethod
    def pressure_drop(self, channels: Channels) -> float:
        """From inlet to outlet at the flow rate of the channels; NaN where that is not known. [Pa]"""

    def reynolds(self, channels: Channels) -> float:
        """Reynolds number; NaN where density or viscosity is not known. [-]"""
        return NOT_KNOWN

    def entrance(self, channels: Channels) -> float:
        """Length of the thermal entrance; NaN where it is not known or none is meant. [m]"""
        return NOT_KNOWN

    def beyond(self, channels: Channels) -> list[str]:
        """What lies outside the range of the law, in words."""
        return []


def _films_wrong(given: tuple[Any, ...], films: Any) -> str | None:
    """What keeps films of another package from being three numbers."""
    if not isinstance(films, Mapping) or set(films) != set(CHANNEL_PARTS):
        return f"{films!r}; wanted films of {', '.join(CHANNEL_PARTS)} [W/m2/K]"
    return numbers(list(films.values()), "finite numbers [W/m2/K]")


flow_laws: Registry[type[FlowLaw]] = Registry(
    "flow law", FlowLaw, {"films": _films_wrong, "pressure_drop": lambda given, drop: numbers(drop, "one number [Pa]")}
)
"""By the name that a deck gives as ``law``; other packages announce theirs in the entry-point group ``stack3d.flow_law``."""


def velocity(channels: Channels) -> float:
    """Mean in each channel, or over the whole section of a cavity with pins. [m s⁻¹]"""
    return channels.flow_rate / channels.ways / (channels.width * channels.height)


@flow_laws.register("straight")
class Straight(FlowLaw):
    """Parallel straight channels."""

    reference = "R. K. Shah, A. L. London, Laminar Flow Forced Convection in Ducts, 1978; doi:10.1016/C2013-0-06152-X"
    valid = "laminar, fully developed flow: Reynolds number up to 2300, channels long beside their thermal entrance"

    def films(self, channels: Channels) -> FilmsByPart:
        """One for all four walls. [W m⁻² K⁻¹]"""
        conductivity = NOT_KNOWN if channels.conductivity is None else channels.conductivity
        return dict.fromkeys(CHANNEL_PARTS, ducts.film_coefficient(channels.width, channels.height, conductivity))

    def pressure_drop(self, channels: Channels) -> float:
        """Friction along the channels. [Pa]"""
        c = channels
        if c.viscosity is None:
            return NOT_KNOWN
        return ducts.pressure_drop(velocity(c), c.width, c.height, c.length, viscosity=c.viscosity)

    def reynolds(self, channels: Channels) -> float:
        """With the hydraulic diameter. [-]"""
        c = channels
        if c.density is None or c.viscosity is None:
            return NOT_KNOWN
        return ducts.reynolds_number(velocity(c), c.width, c.height, density=c.density, viscosity=c.viscosity)

    def entrance(self, channels: Channels) -> float:
        """0.05 Re Pr D = 0.05 V D² rho c / k. [m]"""
        if channels.conductivity is None:
            return NOT_KNOWN
        diameter = ducts.hydraulic_diameter(channels.width, channels.height)
        return 0.05 * velocity(channels) * diameter**2 * channels.heat_capacity / channels.conductivity

    def beyond(self, channels: Channels) -> list[str]:
        """Flow that is not laminar."""
        number = self.reynolds(channels)
        if not number > ducts.LAMINAR:
            return []
        laws = "the pressure drop is" if channels.film_coefficient is not None else "film and pressure drop are"
        return [f"Reynolds number {number:.0f}; {laws} of laminar flow, up to {ducts.LAMINAR:.0f}"]


@flow_laws.register("serpentine")
class Serpentine(Straight):
    """Channels that turn round at their ends, several passes one after the other."""

    reference = "as straight; assumed: turns of two right angles, as R. J. Phillips 1987 is quoted"
    valid = "as straight; what the turns themselves take of the heat, and the mixing behind them, are left out"

    def pressure_drop(self, channels: Channels) -> float:
        """Friction along all passes, and what the turns between them take. [Pa]"""
        c = channels
        if c.density is None:
            return NOT_KNOWN
        turn = 2 * RIGHT_ANGLE * 0.5 * c.density * velocity(c) ** 2
        return c.passes * super().pressure_drop(c) + (c.passes - 1) * turn


class PinLaw(FlowLaw):
    """A law of pins."""

    of_pins = True
    staggered: ClassVar[bool] = False

    def _pins(self, channels: Channels) -> Pins:
        if not isinstance(channels.pins, Pins):
            raise RangeError(f"the flow law {type(self).__name__} is one of pins")
        return channels.pins

    def reynolds(self, channels: Channels) -> float:
        """By the diameter and the velocity at the narrowest place. [-]"""
        c, pins = channels, self._pins(channels)
        if c.density is None or c.viscosity is None:
            return NOT_KNOWN
        return c.density * velocity(c) / pins.narrowest * pins.diameter / c.viscosity

    def pressure_drop(self, channels: Channels) -> float:
        """Of all rows; floor and ceiling are not counted. [Pa]"""
        c, pins, number = channels, self._pins(channels), self.reynolds(channels)
        if c.density is None or not np.isfinite(number):
            return NOT_KNOWN
        one = pin_banks.resistance(
            number, across=pins.across / pins.diameter, along=pins.along / pins.diameter, staggered=pins.staggered
        )
        return one * c.length / pins.along * 0.5 * c.density * (velocity(c) / pins.narrowest) ** 2

    def beyond(self, channels: Channels) -> list[str]:
        """Few rows, pitches that were not measured."""
        pins, out = self._pins(channels), list[str]()
        a, b = pins.across / pins.diameter, pins.along / pins.diameter
        if not (1.25 <= a <= 3.0 and 0.6 <= b <= 3.0):
            holds = "the pressure drop holds for 1.25 to 3 across, 0.6 to 3 along"
            out.append(f"pitches of {a:.3g} and {b:.3g} diameters; {holds}")
        return out


class Bank(PinLaw):
    """Pins as a bank of tubes; floor and ceiling take the film of the pins."""

    valid = "Reynolds number 50 to 2e4 at the narrowest place, twenty rows or more; shorter pins take less below 50"

    def films(self, channels: Channels) -> FilmsByPart:
        """One for pins, floor and ceiling; raises RangeError for flow that was not measured. [W m⁻² K⁻¹]"""
        c, pins, number = channels, self._pins(channels), self.reynolds(channels)
        if c.conductivity is None or c.viscosity is None or c.density is None:
            return dict.fromkeys(CHANNEL_PARTS, NOT_KNOWN)
        prandtl = c.viscosity * c.heat_capacity / c.density / c.conductivity
        nusselt = pin_banks.nusselt_number(
            number, prandtl, across=pins.across / pins.diameter, along=pins.along / pins.diameter, staggered=self.staggered
        )
        return dict.fromkeys(CHANNEL_PARTS, nusselt * c.conductivity / pins.diameter)

    def beyond(self, channels: Channels) -> list[str]:
        """Slow flow around short pins, few rows, pitches that were not measured."""
        out, rows = super().beyond(channels), channels.length / self._pins(channels).along
        if channels.film_coefficient is not None:
            return out
        if (number := self.reynolds(channels)) < SHORT_PINS:
            out.append(f"Reynolds number {number:.3g}; the film is that of long tubes, and short pins take less below 50")
        if rows < FEWEST_ROWS:
            out.append(f"{rows:.3g} rows of pins; the film is that of {FEWEST_ROWS} or more, and the first rows take less")
        return out


@flow_laws.register("pins_in_line")
class PinsInLine(Bank):
    """Pins one behind the other."""

    reference = "A. Žukauskas, Advances in Heat Transfer 8 (1972) 93; E. S. Gaddis, V. Gnielinski, Int. Chem. Eng. 25 (1985) 1"


@flow_laws.register("pins_staggered")
class PinsStaggered(Bank):
    """Pins of which every second row is shifted by half a pitch."""

    reference = "A. Žukauskas, Advances in Heat Transfer 8 (1972) 93; E. S. Gaddis, V. Gnielinski, Int. Chem. Eng. 25 (1985) 1"
    staggered = True


class MeasuredPins(PinLaw):
    """Two measured cavities: an effective film of floor and ceiling, pins included, as 3D-ICE has it."""

    valid = "the two measured cavities with water; 3D-ICE's decks have pins of 50 um at a pitch of 100 um, 100 um tall"

    def films(self, channels: Channels) -> FilmsByPart:
        """Of floor and ceiling, on what the pins leave bare of them. [W m⁻² K⁻¹]"""
        film = pin_banks.measured_film(velocity(channels), staggered=self.staggered) / (1.0 - self._pins(channels).share)
        return {"floor": film, "ceiling": film, "walls": 0.0}


@flow_laws.register("measured_in_line")
class MeasuredInLine(MeasuredPins):
    """The measured cavity with pins one behind the other."""

    reference = "T. Brunschwiler et al., ITherm 2010, as 3D-ICE has it (user guide, Pinfins)"


@flow_laws.register("measured_staggered")
class MeasuredStaggered(MeasuredPins):
    """The measured cavity with staggered pins."""

    reference = "T. Brunschwiler et al., ITherm 2010, as 3D-ICE has it (user guide, Pinfins)"
    staggered = True
