"""What 3Dblox files say of chiplets (``.3dbv``), how a chiplet lies in its place, and the files that a file includes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack3d import yamlfile
from stack3d.errors import brief, few
from stack3d.geometry.importers.user_files import find_file, mistake
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine, Items

UNITS = {"micron": 1e-6}
"""Of lengths. [m]"""
KINDS = ("die", "ip", "rdl", "substrate")
"""Of chiplets that become layers."""
HIERARCHICAL = "hier"
"""Type of a chiplet that a design of its own describes."""
ORIENTATION = re.compile(r"(MZ_?)?(MX|MY)?_?(R0|R90|R180|R270)?")
MOST_FILES = 64
"""That are read by ``include``."""


@dataclass(frozen=True)
class Chiplet:
    """A chiplet as it is made, front up.

    Parameters
    ----------
    name, kind : str
    width, depth : float
        With seal ring and what is left of the scribe line. [m]
    thickness : float
        [m]
    core : Rectangle
        Its design area, from the corner of the whole. [m]
    regions : tuple of str
        Names of its places of contact.
    place : FileLine
    """

    name: str
    kind: str
    width: float
    depth: float
    thickness: float
    core: Rectangle
    regions: tuple[str, ...]
    place: FileLine


@dataclass(frozen=True)
class Pose:
    """Where and how something stands: corner and lower face after the turn [m], mirror, turns, whether upside down."""

    x: float
    y: float
    z: float
    mirror: str
    turns: int
    face_down: bool
    place: FileLine


@dataclass(frozen=True)
class PlacedChiplet:
    """A chiplet by its own name, and how it stands in the stack."""

    name: str
    chiplet: Chiplet
    pose: Pose

    @property
    def extent(self) -> Rectangle:
        """What it covers. [m]"""
        width, depth = self.chiplet.width, self.chiplet.depth
        if self.pose.turns % 2:
            width, depth = depth, width
        return Rectangle(self.pose.x, self.pose.x + width, self.pose.y, self.pose.y + depth)

    @property
    def top(self) -> float:
        """Height of its upper face. [m]"""
        return self.pose.z + self.chiplet.thickness

    def in_stack(self, box: Rectangle) -> Rectangle:
        """A rectangle of its design area where it lies in the stack: mirrored first, then turned. [m]"""
        core = self.chiplet.core
        inner = Rectangle(box.x0 + core.x0, box.x1 + core.x0, box.y0 + core.y0, box.y1 + core.y0)
        lies = turned(inner, (self.chiplet.width, self.chiplet.depth), self.pose.mirror, self.pose.turns)
        x, y = self.pose.x, self.pose.y
        return Rectangle(x + lies.x0, x + lies.x1, y + lies.y0, y + lies.y1)


def turned(box: Rectangle, size: tuple[float, float], mirror: str, turns: int) -> Rectangle:
    """A rectangle in something of a size that is mirrored first, then turned, from the corner of what comes of it.

    Parameters
    ----------
    box : Rectangle
        [m]
    size : (float, float)
        Width and depth. [m]
    mirror : str
        ``MX``, ``MY`` or empty.
    turns : int
        Quarters against the clock.
    """
    x0, x1, y0, y1, width, depth = box.x0, box.x1, box.y0, box.y1, *size
    if mirror == "MX":
        y0, y1 = depth - y1, depth - y0
    if mirror == "MY":
        x0, x1 = width - x1, width - x0
    for _ in range(turns):
        x0, x1, y0, y1, width, depth = depth - y1, depth - y0, x0, x1, depth, width
    return Rectangle(x0, x1, y0, y1)


def files_of(path: Path) -> Iterator[tuple[yamlfile.Mapping, float]]:
    """Trees of a file and of those it includes, each once, with the length of its unit; raises DeckError. [m]"""
    waiting, seen = [path], set[Path]()
    while waiting:
        file = waiting.pop(0)
        if file.resolve() in seen:
            continue
        seen.add(file.resolve())
        tree = yamlfile.read(file)
        header = mapping_of(tree, "Header")
        unit = header.get("unit", "micron")
        if unit not in UNITS:
            raise mistake(header.places["unit"], "Header.unit", f"wants {', '.join(UNITS)}, got {brief(unit)}")
        yield tree, UNITS[unit]
        words: dict[str, str] = dict(re.findall(r"^#!define[ \t]+(\w+)[ \t]+(\S+)", yamlfile.read_text(file), re.MULTILINE))
        for name, place in _named_files(header):
            if len(seen) + len(waiting) >= MOST_FILES:
                raise mistake(place, "Header.include", f"wants at most {MOST_FILES} files in all")
            whole = "".join(words.get(str(word), str(word)) for word in re.split(r"\b", name))
            waiting.append(find_file(whole, place, "Header.include"))


def _named_files(header: yamlfile.Mapping) -> Iterator[tuple[str, FileLine]]:
    """Files of ``include`` and where each is named; raises DeckError."""
    listed = header.get("include", [])
    if isinstance(listed, str):
        yield listed, header.places["include"]
        return
    if not isinstance(listed, Items) and listed:
        raise mistake(header.places["include"], "Header.include", f"wants a list of files, got {brief(listed)}")
    for name, place in zip(listed, getattr(listed, "places", ())):
        if not isinstance(name, str) or not name:
            raise mistake(place, "Header.include", f"wants the name of a file, got {brief(name)}")
        yield name, place


def mapping_of(tree: yamlfile.Mapping, key: str) -> yamlfile.Mapping:
    """The mapping under a key, an empty one where there is none; raises DeckError for anything else."""
    found = tree.get(key)
    if found is None:
        return yamlfile.Mapping(tree.places.get(key, tree.here))
    if not isinstance(found, yamlfile.Mapping):
        raise mistake(tree.places[key], key, f"wants a mapping of keys, got {brief(found)}")
    return found


def entries(tree: yamlfile.Mapping, key: str) -> Iterator[tuple[str, yamlfile.Mapping, FileLine]]:
    """Name, keys and place of everything under a key; raises DeckError."""
    listed = mapping_of(tree, key)
    for name in listed:
        if not isinstance(listed[name], yamlfile.Mapping):
            message = f"wants a mapping of keys, got {brief(listed[name])}"
            raise mistake(listed.places[name], f"{key}.{few(str(name))}", message)
        yield str(name), listed[name], listed.places[name]


def numbers(entry: yamlfile.Mapping, key: str, count: int, of: str, default: Any = None) -> list[float]:
    """So many numbers of a key, or what holds where it is absent; raises DeckError.

    Parameters
    ----------
    entry : Mapping
    key : str
    count : int
    of : str
        The mapping, for messages.
    default : list of float, optional
        None where the key must be there.
    """
    if key not in entry and default is not None:
        return list(default)
    found, place = entry.get(key), entry.places.get(key, entry.here)
    values = list(found) if isinstance(found, Items) else [found]
    sound = all(isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < 1e12 and math.isfinite(v) for v in values)
    if len(values) != count or not sound:
        came = "nothing" if found is None else brief(found)
        raise mistake(place, f"{of}.{key}", f"wants {'a number' if count == 1 else f'{count} numbers'}, got {came}")
    return [float(str(v)) for v in values]


def chiplet_of(name: str, entry: yamlfile.Mapping, place: FileLine, scale: float) -> Chiplet:
    """A chiplet; raises DeckError for what is missing, and for what would change its size or what it holds.

    Parameters
    ----------
    name : str
    entry : Mapping
        Its keys.
    place : FileLine
    scale : float
        Length of the unit. [m]
    """
    of = f"ChipletDef.{few(name)}"
    kind = entry.get("type")
    if kind not in KINDS:
        allowed = ", ".join((*KINDS, HIERARCHICAL))
        raise mistake(entry.places.get("type", place), f"{of}.type", f"wants {allowed}, got {brief(kind)}")
    if numbers(entry, "shrink", 1, of, [1.0]) != [1.0]:
        message = "wants 1: write the sizes as they are made"
        raise mistake(entry.places["shrink"], f"{of}.shrink", message)
    if any(numbers(entry, "offset", 2, of, [0.0, 0.0])):
        raise mistake(entry.places["offset"], f"{of}.offset", "wants [0, 0]: move the chiplet by loc under Stack")
    width, depth = numbers(entry, "design_area", 2, of)
    (thickness,) = numbers(entry, "thickness", 1, of)
    rims = [numbers(entry, key, 4, of, [0.0] * 4) for key in ("seal_ring_width", "scribe_line_remaining_width")]
    west, south, east, north = (sum(sides) for sides in zip(*rims))
    for key, values in (("design_area", (width, depth)), ("thickness", (thickness,))):
        if min(values) <= 0:
            raise mistake(entry.places[key], f"{of}.{key}", f"wants more than 0, got {min(values):g}")
    if min(west, south, east, north) < 0:
        raise mistake(place, of, "wants widths of seal ring and scribe line of 0 or more")
    core = Rectangle(west * scale, (west + width) * scale, south * scale, (south + depth) * scale)
    whole = ((west + width + east) * scale, (south + depth + north) * scale)
    return Chiplet(name, kind, *whole, thickness * scale, core, tuple(map(str, mapping_of(entry, "regions"))), place)
