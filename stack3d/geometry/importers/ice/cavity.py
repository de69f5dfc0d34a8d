"""3D-ICE's cavities: microchannels of the 4rm and the 2rm model become channels, pin fins become pins of the measured laws."""

from __future__ import annotations

from typing import Any

from stack3d.errors import few
from stack3d.geometry.importers.ice.words import MICRO, Statement
from stack3d.geometry.importers.parts import length

KEYS = (
    "height", "channel length", "first wall length", "last wall length", "wall length", "wall material", "coolant flow rate",
    "coolant heat transfer coefficient", "coolant volumetric heat capacity", "coolant incoming temperature",
)  # fmt: skip
PIN_KEYS = (
    "height", "pin diameter", "pin pitch", "pin distribution", "pin material", "darcy velocity",
    "coolant volumetric heat capacity", "coolant incoming temperature",
)  # fmt: skip
COUNTED = {
    **dict.fromkeys(("height", "length", "diameter", "pitch"), ("length", MICRO)),
    "rate": ("flow_rate", 1 / 6e7),
    "velocity": ("velocity", MICRO),
    "capacity": ("heat_capacity", 1 / MICRO**3),
    "temperature": ("temperature", 1.0),
}
"""Last word of a key → its dimension, and the size of what the file counts in, in SI."""
SIDES = ("side", "top", "bottom")
ARRANGEMENTS = {"inline": "in_line", "staggered": "staggered"}


class Cavity:
    """What the section ``microchannel`` or ``pinfin`` says.

    Parameters
    ----------
    head : Statement
        The first of the section.
    """

    def __init__(self, head: Statement) -> None:
        self.head = head
        self.model = head.heading[1] if len(head.heading) > 1 else ""
        self.given: dict[str, Statement] = {}

    def take(self, s: Statement) -> None:
        """Keep what a statement says; raises DeckError for unknown words."""
        known: tuple[str, ...] = PIN_KEYS if self.has_pins else KEYS
        if self.model == "2rm":
            known = tuple(key for key in known if key not in ("first wall length", "last wall length"))
        key = next((k for k in known if s.words[: len(k.split())] == tuple(k.split())), None)
        if key is None:
            raise s.fail(f"unknown words {few(' '.join(s.words))}; known: {', '.join(known)}")
        if key in self.given:
            raise s.fail(f"there are two of {few(key)}")
        if key.split()[-1] in COUNTED:
            s.values(len(key.split()), (1,))
        elif key != "coolant heat transfer coefficient":
            s.ends_after(len(key.split()) + 1)
        self.given[key] = s

    @property
    def has_pins(self) -> bool:
        """Whether pins stand in it, in the place of walls."""
        return self.head.heading[0] == "pinfin"

    def refuse_what_has_no_equivalent(self) -> None:
        """Raises DeckError for a model that 3D-ICE does not have."""
        if not self.has_pins and self.model not in ("4rm", "2rm"):
            raise self.head.fail_at_heading(f"wants 'microchannel 4rm:' or 'microchannel 2rm:', got {few(self.model)}")

    @property
    def material(self) -> Statement:
        """The statement that names what walls or pins are of; raises DeckError."""
        return self.statement("pin material" if self.has_pins else "wall material")

    def statement(self, key: str) -> Statement:
        """The statement of a key; raises DeckError when there is none."""
        if key not in self.given:
            raise self.head.fail_at_heading(f"the {self.head.heading[0]} has no {key}")
        return self.given[key]

    def number(self, key: str) -> float:
        """Value of a key in SI, above zero; raises DeckError."""
        s, at = self.statement(key), len(key.split())
        return s.amount(at, *COUNTED[key.split()[-1]])

    def films(self) -> dict[str, float]:
        """Film coefficients as written, by side, "" for one for all. [W m⁻² K⁻¹]"""
        s = self.statement("coolant heat transfer coefficient")
        if len(s.words) == 5:
            if len(s.words) > 4 and s.words[4] in SIDES:
                raise s.fail(f"wants a number after {few(s.words[4])}")
            return {"": s.amount(4, "film_coefficient", 1 / MICRO**2)}
        found = {}
        for i in range(4, len(s.words), 2):
            if s.words[i] not in SIDES:
                raise s.fail(f"wants {', '.join(SIDES)}, got {few(s.words[i])}")
            if s.words[i] in found:
                raise s.fail(f"there are two of {few(s.words[i])}")
            found[s.words[i]] = s.amount(i + 1, "film_coefficient", 1 / MICRO**2)
        wanted = SIDES if self.model == "4rm" else SIDES[1:]
        if set(found) != set(wanted):
            raise s.fail(f"wants one number, or {', '.join(wanted)}, got {', '.join(found) or 'none'}")
        return found

    def walls(self) -> tuple[float, float, float, float]:
        """Width of a channel, of a wall, of the first and of the last wall. [m]"""
        channel, wall = (self.number(f"{part} length") for part in ("channel", "wall"))
        if self.model == "2rm":  # a pitch is a channel and half a wall to both sides of it
            return channel, wall, 0.5 * wall, 0.5 * wall
        edges = [self.number(k) if k in self.given else wall for k in ("first wall length", "last wall length")]
        return channel, wall, edges[0], edges[1]

    def coefficients(self) -> tuple[float, float, float]:
        """Film coefficients of sides, ceiling and floor of a channel. [W m⁻² K⁻¹]

        Those of the 2rm model are effective ones on the area of a pitch, eff = (film width + side height) / pitch. They are
        taken apart by that rule, the sides being the mean of ceiling and floor.
        """
        given = self.films()
        side, top, bottom = (given.get(part, given.get("", 0.0)) for part in SIDES)
        if self.model == "4rm":
            return side, top, bottom
        width, wall, *_ = self.walls()
        height, pitch = self.number("height"), width + wall
        side = 0.5 * (top + bottom) * pitch / (width + height)
        ceiling, floor = (side + sign * 0.5 * (top - bottom) * pitch / width for sign in (1.0, -1.0))
        if min(ceiling, floor) <= 0:
            s = self.statement("coolant heat transfer coefficient")
            raise s.fail("top and bottom of the 2rm model differ by more than floor and ceiling of a channel can")
        return side, ceiling, floor

    def flow(self, chip_length: float) -> dict[str, Any]:
        """Channels or pins as a layer of a deck has them; raises DeckError.

        3D-ICE's coolant flows towards larger y.
        """
        return {"pins": self._pins(chip_length)} if self.has_pins else {"channels": self._channels(chip_length)}

    @property
    def _coolant(self) -> dict[str, Any]:
        return {
            "direction": "y",
            "coolant": {"heat_capacity": f"{self.number('coolant volumetric heat capacity'):.12g} J/m^3/K"},
            "inlet_temperature": f"{self.number('coolant incoming temperature'):.12g} K",
        }

    def _pins(self, chip_length: float) -> dict[str, Any]:
        """Pins whose films 3D-ICE has from two measured cavities."""
        s = self.statement("pin distribution")
        if s.word(2) not in ARRANGEMENTS:
            raise s.fail(f"wants {' or '.join(ARRANGEMENTS)}, got {few(s.word(2))}")
        arrangement = ARRANGEMENTS[s.word(2)]
        section = self.number("height") * chip_length
        diameter, pitch = self.number("pin diameter"), self.number("pin pitch")
        if diameter >= pitch:
            message = f"pins wider than their pitch of {pitch / MICRO:g} um leave no way for the coolant"
            raise self.statement("pin diameter").fail(message)
        return {
            "arrangement": arrangement,
            "diameter": length(diameter),
            "pitch": length(pitch),
            **self._coolant,
            "flow_rate": f"{self.number('darcy velocity') * section * 6e7:.12g} ml/min",
            "law": f"measured_{arrangement}",
        }

    def _channels(self, chip_length: float) -> dict[str, Any]:
        width, wall, first, last = self.walls()
        count = (chip_length - first - last + wall) / (width + wall) if width + wall > 0 else 0.0
        whole = round(count)
        if whole < 1 or abs(count - whole) > 1e-6:
            walls = f"{first * 1e6:g} and {last * 1e6:g} um"
            raise self.statement("channel length").fail(
                f"walls and channels do not fill the chip evenly: {count:g} channels between walls of {walls}"
            )
        side, ceiling, floor = self.coefficients()
        channels: dict[str, Any] = {
            "count": whole,
            "width": length(width),
            "wall_width": length(wall),
            "edge_wall_width": length(first) if first == last else [length(first), length(last)],
            **self._coolant,
            "flow_rate": f"{self.number('coolant flow rate') * 6e7:.12g} ml/min",
            "wall_film_coefficient": f"{side:.12g} W/m^2/K",
        }
        if ceiling != side or floor != side:
            channels["ceiling_film_coefficient"] = f"{ceiling:.12g} W/m^2/K"
            channels["floor_film_coefficient"] = f"{floor:.12g} W/m^2/K"
        return channels
