"""What both importers share: names and quantities as decks write them, floorplans, the scenario with its notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack3d.floorplans import read_text
from stack3d.layout import Rectangle

MOST_PROBES = 64
"""Floorplans with more elements get no probe at each."""


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
    """A rectangle of a floorplan with its powers over time [W] and, where it has one, its own material."""

    name: str
    extent: Rectangle
    powers: tuple[float, ...] = ()
    material: Solid | None = None


@dataclass(frozen=True)
class Imported:
    """A scenario and what had no equivalent.

    Parameters
    ----------
    scenario : mapping
        As a deck writes it.
    notes : tuple of str
        One sentence per thing that was changed or left out.
    tables : mapping of str to str
        Files to write beside the deck, by name.
    """

    scenario: Mapping[str, Any]
    notes: tuple[str, ...]
    tables: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The deck as YAML, the notes as comments on top."""
        from io import StringIO

        from ruamel.yaml import YAML

        writer: Any = YAML(typ="safe", pure=True)
        writer.default_flow_style = None  # leaves in one line
        writer.width = 120
        writer.sort_base_mapping_type_on_output = False
        out = StringIO()
        writer.dump(dict(self.scenario), out)
        return "".join(f"# {note}\n" for note in self.notes) + out.getvalue()


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
    used, count, name = set(taken), 2, plain
    while name in used:
        name, count = f"{plain}_{count}", count + 1
    return name


def over_time(
    name: str, powers: Mapping[str, Sequence[float]], slot: float, initial: float
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The trace of a deck's ``power``, its ``transient``, and the table they read.

    Parameters
    ----------
    name : str
        Of the scenario; the table is called after it.
    powers : mapping of str to sequence of float
        By source; time ends with the shortest course. [W]
    slot : float
        Time that each value holds. [s]
    initial : float
        Temperature at the start. [K]
    """
    count = min(len(values) for values in powers.values())
    file = f"{name}_trace.csv"
    rows = [["time [s]", *(f"{source} [W]" for source in powers)]]
    for i in range(count + 1):  # the last row closes the table
        rows.append([f"{i * slot:.12g}", *(f"{values[min(i, count - 1)]:.12g}" for values in powers.values())])
    transient = {
        "until": f"{count * slot:.12g} s",
        "initial": f"{initial:.12g} K",
        "outputs": [f"{i * slot:.12g} s" for i in range(1, count + 1)],
    }
    return {"pattern": "table", "file": file}, transient, {file: "".join(",".join(row) + "\n" for row in rows)}


def read_lines(path: Path, comments: str) -> list[tuple[int, str]]:
    """Numbered lines without comments (a regular expression to the end of the line) and without empty ones."""
    return [(n, line) for n, line in enumerate(re.sub(comments, "", read_text(path)).splitlines(), 1) if line.strip()]


def bounds(elements: Sequence[Element]) -> Rectangle:
    """Smallest rectangle around a floorplan."""
    boxes = [e.extent for e in elements]
    return Rectangle(min(b.x0 for b in boxes), max(b.x1 for b in boxes), min(b.y0 for b in boxes), max(b.y1 for b in boxes))


def box(extent: Rectangle, origin: Rectangle) -> dict[str, list[str]]:
    """X and y of a rectangle from the lower left corner of `origin`, as a deck writes them."""
    return {
        "x": [length(extent.x0 - origin.x0), length(extent.x1 - origin.x0)],
        "y": [length(extent.y0 - origin.y0), length(extent.y1 - origin.y0)],
    }


def probes(layer: str, prefix: str, elements: Sequence[Element], origin: Rectangle, taken: set[str]) -> list[dict[str, str]]:
    """A probe at the centre of each element."""
    out = []
    for element in elements:
        x, y = element.extent.centre
        name = deck_name(f"{prefix}{element.name}", taken)
        taken.add(name)
        out.append({"name": name, "layer": layer, "x": length(x - origin.x0), "y": length(y - origin.y0)})
    return out
