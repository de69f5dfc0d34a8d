"""What 3Dblox files say: chiplets (``.3dbv``), and their places and connections (``.3dbx``)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack3d import yamlfile
from stack3d.errors import brief, did_you_mean, few
from stack3d.geometry.importers.user_files import find_file, mistake
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine, Items

UNITS = {"micron": 1e-6}
"""Of lengths. [m]"""
KINDS = ("die", "ip", "rdl", "substrate")
"""Of chiplets that become layers."""
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
class PlacedChiplet:
    """A chiplet in its place: corner and lower face [m], how it is turned, whether its front is down."""

    name: str
    chiplet: Chiplet
    x: float
    y: float
    z: float
    mirror: str
    turns: int
    face_down: bool
    place: FileLine

    @property
    def extent(self) -> Rectangle:
        """What it covers. [m]"""
        width, depth = self.chiplet.width, self.chiplet.depth
        return Rectangle(
            self.x, self.x + (depth if self.turns % 2 else width), self.y, self.y + (width if self.turns % 2 else depth)
        )

    @property
    def top(self) -> float:
        """Height of its upper face. [m]"""
        return self.z + self.chiplet.thickness

    def in_stack(self, box: Rectangle) -> Rectangle:
        """A rectangle of its design area where it lies in the stack: mirrored first, then turned. [m]"""
        core, width, depth = self.chiplet.core, self.chiplet.width, self.chiplet.depth
        x0, x1, y0, y1 = box.x0 + core.x0, box.x1 + core.x0, box.y0 + core.y0, box.y1 + core.y0
        if self.mirror == "MX":
            y0, y1 = depth - y1, depth - y0
        if self.mirror == "MY":
            x0, x1 = width - x1, width - x0
        for _ in range(self.turns):  # a quarter against the clock
            x0, x1, y0, y1, width, depth = depth - y1, depth - y0, x0, x1, depth, width
        return Rectangle(self.x + x0, self.x + x1, self.y + y0, self.y + y1)


@dataclass(frozen=True)
class Connection:
    """What joins two chiplets: their names, upper and lower, its thickness [m] and its place in the file."""

    name: str
    top: str
    bottom: str
    thickness: float
    place: FileLine


@dataclass
class ChipletAssembly:
    """Everything that the files of a stack say."""

    design: str
    placed: list[PlacedChiplet] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)


def read_assembly(path: Path) -> ChipletAssembly:
    """An assembly from a ``.3dbx`` and the files it includes; raises DeckError with file, line, key and what is allowed."""
    trees = list(_with_included(path))
    chiplets: dict[str, Chiplet] = {}
    for tree, scale in trees:
        for name, entry, place in _entries(tree, "ChipletDef"):
            if name in chiplets:
                raise mistake(
                    place, f"ChipletDef.{few(name)}", f"is there already, at {':'.join(map(str, chiplets[name].place))}"
                )
            chiplets[name] = _chiplet(name, entry, place, scale)
    tree, scale = trees[0]
    for key in ("ChipletInst", "Stack"):
        if not isinstance(tree.get(key), yamlfile.Mapping) or not tree[key]:
            raise mistake(tree.places.get(key, tree.here), key, "wants at least one chiplet by name")
    found = ChipletAssembly(str(_mapping(tree, "Design").get("name") or path.stem))
    stack = {name: (entry, place) for name, entry, place in _entries(tree, "Stack")}
    instances = list(_entries(tree, "ChipletInst"))
    for name, entry, place in instances:
        if name not in stack:
            raise mistake(place, f"ChipletInst.{few(name)}", "has no place: Stack does not name it")
        found.placed.append(_placed(name, entry, chiplets, *stack.pop(name), scale))
    for name, (_, place) in stack.items():
        raise mistake(place, f"Stack.{few(name)}", f"no such ChipletInst{did_you_mean(name, [n for n, *_ in instances])}")
    found.connections += [_connection(*entry, found, scale) for entry in _entries(tree, "Connection")]
    return found


def _with_included(path: Path) -> Iterator[tuple[yamlfile.Mapping, float]]:
    """Trees of a file and of those it includes, each once, with the length of its unit; raises DeckError. [m]"""
    waiting, seen = [path], set[Path]()
    while waiting:
        file = waiting.pop(0)
        if file.resolve() in seen:
            continue
        seen.add(file.resolve())
        tree = yamlfile.read(file)
        header = _mapping(tree, "Header")
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


def _mapping(tree: yamlfile.Mapping, key: str) -> yamlfile.Mapping:
    """The mapping under a key, an empty one where there is none; raises DeckError for anything else."""
    found = tree.get(key)
    if found is None:
        return yamlfile.Mapping(tree.places.get(key, tree.here))
    if not isinstance(found, yamlfile.Mapping):
        raise mistake(tree.places[key], key, f"wants a mapping of keys, got {brief(found)}")
    return found


def _entries(tree: yamlfile.Mapping, key: str) -> Iterator[tuple[str, yamlfile.Mapping, FileLine]]:
    """Name, keys and place of everything under a key; raises DeckError."""
    listed = _mapping(tree, key)
    for name in listed:
        if not isinstance(listed[name], yamlfile.Mapping):
            message = f"wants a mapping of keys, got {brief(listed[name])}"
            raise mistake(listed.places[name], f"{key}.{few(str(name))}", message)
        yield str(name), listed[name], listed.places[name]


def _numbers(entry: yamlfile.Mapping, key: str, count: int, of: str, default: Any = None) -> list[float]:
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


def _chiplet(name: str, entry: yamlfile.Mapping, place: FileLine, scale: float) -> Chiplet:
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
        inner = "; a chiplet of chiplets is not imported" if kind == "hier" else ""
        raise mistake(entry.places.get("type", place), f"{of}.type", f"wants {', '.join(KINDS)}, got {brief(kind)}{inner}")
    if _numbers(entry, "shrink", 1, of, [1.0]) != [1.0]:
        message = "wants 1: write the sizes as they are made"
        raise mistake(entry.places["shrink"], f"{of}.shrink", message)
    if any(_numbers(entry, "offset", 2, of, [0.0, 0.0])):
        raise mistake(entry.places["offset"], f"{of}.offset", "wants [0, 0]: move the chiplet by loc under Stack")
    width, depth = _numbers(entry, "design_area", 2, of)
    (thickness,) = _numbers(entry, "thickness", 1, of)
    rims = [_numbers(entry, key, 4, of, [0.0] * 4) for key in ("seal_ring_width", "scribe_line_remaining_width")]
    west, south, east, north = (sum(sides) for sides in zip(*rims))
    for key, values in (("design_area", (width, depth)), ("thickness", (thickness,))):
        if min(values) <= 0:
            raise mistake(entry.places[key], f"{of}.{key}", f"wants more than 0, got {min(values):g}")
    if min(west, south, east, north) < 0:
        raise mistake(place, of, "wants widths of seal ring and scribe line of 0 or more")
    core = Rectangle(west * scale, (west + width) * scale, south * scale, (south + depth) * scale)
    whole = ((west + width + east) * scale, (south + depth + north) * scale)
    return Chiplet(name, kind, *whole, thickness * scale, core, tuple(map(str, _mapping(entry, "regions"))), place)


def _placed(
    name: str, entry: yamlfile.Mapping, chiplets: Mapping[str, Chiplet], at: yamlfile.Mapping, place: FileLine, scale: float
) -> PlacedChiplet:
    """A chiplet in its place; raises DeckError.

    Parameters
    ----------
    name : str
    entry : Mapping
        Keys of ``ChipletInst``.
    chiplets : mapping
        Those known.
    at : Mapping
        Keys of ``Stack``.
    place : FileLine
        Of `at`.
    scale : float
        Length of the unit. [m]
    """
    reference = str(entry.get("reference"))
    if reference not in chiplets:
        known = ", ".join(map(few, chiplets)) or "none"
        message = f"unknown chiplet {few(reference)}{did_you_mean(reference, chiplets)}; known: {known}"
        raise mistake(entry.places.get("reference", entry.here), f"ChipletInst.{few(name)}.reference", message)
    of = f"Stack.{few(name)}"
    x, y = _numbers(at, "loc", 2, of, [0.0, 0.0])
    (z,) = _numbers(at, "z", 1, of)
    orient = str(at.get("orient", "R0"))
    turned = ORIENTATION.fullmatch(orient)
    if turned is None or not orient:
        message = f"wants R0, R90, R180 or R270, perhaps after MX_ or MY_, and MZ_ before all, got {few(orient)}"
        raise mistake(at.places.get("orient", place), f"{of}.orient", message)
    quarters = int((turned[3] or "R0")[1:]) // 90
    where = (x * scale, y * scale, z * scale)
    return PlacedChiplet(name, chiplets[reference], *where, turned[2] or "", quarters, bool(turned[1]), place)


def _connection(name: str, entry: yamlfile.Mapping, place: FileLine, found: ChipletAssembly, scale: float) -> Connection:
    """What joins two chiplets, empty names where one is ``~``; raises DeckError for names that are not there.

    Parameters
    ----------
    name : str
    entry : Mapping
    place : FileLine
    found : ChipletAssembly
        So far.
    scale : float
        Length of the unit. [m]
    """
    known = {chip.name: chip.chiplet for chip in found.placed}
    ends = []
    for key in ("top", "bot"):
        text = entry.get(key)
        at, of = entry.places.get(key, place), f"Connection.{few(name)}.{key}"
        if text is None:
            ends.append("")
            continue
        chip, dot, region = str(text).partition(".regions.")
        if not dot:
            raise mistake(at, of, f"wants CHIPLET.regions.REGION, got {few(str(text))}")
        if chip not in known:
            raise mistake(
                at, of, f"no such ChipletInst {few(chip)}{did_you_mean(chip, known)}; there are {', '.join(map(few, known))}"
            )
        if region not in known[chip].regions:
            regions = known[chip].regions
            raise mistake(
                at, of, f"no region {few(region)}{did_you_mean(region, regions)}; there are {', '.join(regions) or 'none'}"
            )
        ends.append(chip)
    (thickness,) = _numbers(entry, "thickness", 1, f"Connection.{few(name)}", [0.0])
    return Connection(name, ends[0], ends[1], thickness * scale, place)
