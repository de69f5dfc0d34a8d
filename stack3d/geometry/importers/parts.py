"""What every importer speaks: materials, elements of floorplans, names and quantities as decks write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stack3d.errors import DeckError, Problem
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine


@dataclass(frozen=True)
class Solid:
    """A material as the other tool states it, in SI: conductivity (x, y, z) and volumetric heat capacity."""

    conductivity: tuple[float, float, float]
    heat_capacity: float

    def deck(self) -> dict[str, Any]:
        """The material as a deck writes it."""
        k = [f"{v:.12g} W/m/K" for v in self.conductivity]
        return {"conductivity": k[0] if len(set(k)) == 1 else k, "heat_capacity": f"{self.heat_capacity:.12g} J/m^3/K"}


@dataclass(frozen=True)
class Element:
    """Rectangles of a floorplan that share their power by area.

    Parameters
    ----------
    name : str
    place : FileLine
        File and line that say so.
    boxes : tuple of Rectangle
        [m]
    powers : tuple of float
        One per step of time. [W]
    material : Solid or None
        Its own, in place of that of the layer.
    """

    name: str
    place: FileLine
    boxes: tuple[Rectangle, ...]
    powers: tuple[float, ...] = ()
    material: Solid | None = None

    def shares(self) -> list[float]:
        """Part of the power of each rectangle. [-]"""
        whole = sum(box.area for box in self.boxes)
        if not whole > 0:
            raise DeckError(Problem(self.name, "has no area", *self.place))
        return [box.area / whole for box in self.boxes]

    @property
    def largest(self) -> Rectangle:
        """The first of its largest rectangles."""
        return max(self.boxes, key=lambda box: box.area)


def length(metres: float) -> str:
    """A length as a deck writes it."""
    return f"{metres * 1e6:.12g} um"


def size(extent: Rectangle) -> list[str]:
    """Width and depth as a deck writes them."""
    return [length(extent.x1 - extent.x0), length(extent.y1 - extent.y0)]


def deck_name(text: str, taken: Iterable[str] = ()) -> str:
    """A name that decks allow and that is not `taken`."""
    plain = re.sub(r"[^A-Za-z0-9_\-]", "_", text)
    plain = plain if plain[:1].isalpha() else f"n{plain}"
    used = taken if isinstance(taken, (set, dict)) else set(taken)
    count, name = 2, plain
    while name in used:
        name, count = f"{plain}_{count}", count + 1
    return name


def new_name(text: str, taken: set[str]) -> str:
    """As `deck_name`; from then on it is taken."""
    name = deck_name(text, taken)
    taken.add(name)
    return name


def bounds(boxes: Sequence[Rectangle]) -> Rectangle:
    """Smallest rectangle around others."""
    return Rectangle(min(b.x0 for b in boxes), max(b.x1 for b in boxes), min(b.y0 for b in boxes), max(b.y1 for b in boxes))


def box(extent: Rectangle, origin: Rectangle) -> dict[str, list[str]]:
    """X and y of a rectangle from the lower left corner of `origin`, as a deck writes them."""
    return {
        "x": [length(extent.x0 - origin.x0), length(extent.x1 - origin.x0)],
        "y": [length(extent.y0 - origin.y0), length(extent.y1 - origin.y0)],
    }
