"""What designs of 3Dblox (``.3dbx``) say: chiplets in their places, connections, and designs that stand for a chiplet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from stack3d import yamlfile
from stack3d.errors import did_you_mean, few
from stack3d.geometry.importers.blox.chiplets import (
    HIERARCHICAL,
    ORIENTATION,
    Chiplet,
    PlacedChiplet,
    Pose,
    chiplet_of,
    entries,
    files_of,
    mapping_of,
    numbers,
    turned,
)
from stack3d.geometry.importers.blox.known_keys import unknown_keys
from stack3d.geometry.importers.parts import bounds
from stack3d.geometry.importers.user_files import mistake
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine

MOST_CHIPLETS = 2000
"""Of a stack, those of designs within it counted as often as they are placed."""
WITHIN = "/"
"""Between the name of a design in its place and that of a chiplet in it, as in paths of 3Dblox."""


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
    notes: list[str] = field(default_factory=list)


def read_assembly(path: Path) -> ChipletAssembly:
    """An assembly from a ``.3dbx`` and the files it includes; raises DeckError with file, line, key and what is allowed."""
    trees = list(files_of(path))
    designs = _Designs(trees[1:])
    name = str(mapping_of(trees[0][0], "Design").get("name") or path.stem)
    notes = unknown_keys([tree for tree, _ in trees])
    return replace(designs.assembly(name, *trees[0], ()), notes=notes)


class _Designs:
    """Chiplets and designs by the names that a design may place; what a design holds is read once.

    Parameters
    ----------
    trees : list of (Mapping, float)
        Of included files, with the length of their units. [m]
    """

    def __init__(self, trees: list[tuple[yamlfile.Mapping, float]]) -> None:
        self.trees: dict[str, tuple[yamlfile.Mapping, float]] = {}
        self.made: dict[str, ChipletAssembly] = {}
        for tree, scale in trees:
            if "ChipletInst" in tree:
                design = mapping_of(tree, "Design")
                name = str(design.get("name"))
                if not design.get("name") or name in self.trees:
                    said = "is there already" if design.get("name") else "wants a name by which this design is placed"
                    raise mistake(design.places.get("name", design.here), "Design.name", said)
                self.trees[name] = tree, scale
        self.chiplets: dict[str, Chiplet] = {}
        self.definitions = trees

    def _define(self, trees: list[tuple[yamlfile.Mapping, float]]) -> None:
        """Chiplets of some files; raises DeckError for names used twice, and designs that no file holds."""
        for tree, scale in trees:
            for name, entry, place in entries(tree, "ChipletDef"):
                if entry.get("type") == HIERARCHICAL:
                    if name not in self.trees:
                        said = f"is a chiplet of chiplets: include the .3dbx whose Design.name is {few(name)}"
                        raise mistake(place, f"ChipletDef.{few(name)}", said)
                    continue
                if name in self.chiplets:
                    there = ":".join(map(str, self.chiplets[name].place))
                    raise mistake(place, f"ChipletDef.{few(name)}", f"is there already, at {there}")
                self.chiplets[name] = chiplet_of(name, entry, place, scale)

    def assembly(self, name: str, tree: yamlfile.Mapping, scale: float, inside: tuple[str, ...]) -> ChipletAssembly:
        """What a design holds, with all that is in its designs; raises DeckError.

        Parameters
        ----------
        name : str
        tree : Mapping
        scale : float
            Length of its unit. [m]
        inside : tuple of str
            Names of the designs that it is in.
        """
        if not inside:
            self._define([(tree, scale), *self.definitions])
        for key in ("ChipletInst", "Stack"):
            if not isinstance(tree.get(key), yamlfile.Mapping) or not tree[key]:
                raise mistake(tree.places.get(key, tree.here), key, "wants at least one chiplet by name")
        found = ChipletAssembly(name)
        stack = {called: (entry, place) for called, entry, place in entries(tree, "Stack")}
        instances = list(entries(tree, "ChipletInst"))
        for called, entry, place in instances:
            if called not in stack:
                raise mistake(place, f"ChipletInst.{few(called)}", "has no place: Stack does not name it")
            pose = _pose(called, *stack.pop(called), scale)
            self._place(found, called, entry, pose, (*inside, name))
        for called, (_, place) in stack.items():
            near = did_you_mean(called, [n for n, *_ in instances])
            raise mistake(place, f"Stack.{few(called)}", f"no such ChipletInst{near}")
        found.connections += [_connection(*entry, found, scale) for entry in entries(tree, "Connection")]
        return found

    def _place(self, found: ChipletAssembly, name: str, entry: yamlfile.Mapping, pose: Pose, inside: tuple[str, ...]) -> None:
        """Add a chiplet, or all that a design holds; raises DeckError for unknown names, too many, and what holds itself.

        Parameters
        ----------
        found : ChipletAssembly
        name : str
        entry : Mapping
            Keys of ``ChipletInst``.
        pose : Pose
        inside : tuple of str
            Names of the designs that it is in.
        """
        reference, key = str(entry.get("reference")), f"ChipletInst.{few(name)}.reference"
        place = entry.places.get("reference", entry.here)
        if reference in inside:
            raise mistake(place, key, f"{few(reference)} would hold itself")
        if reference in self.chiplets:
            found.placed.append(PlacedChiplet(name, self.chiplets[reference], pose))
            return
        if reference not in self.trees:
            names = [*self.chiplets, *self.trees]
            known = ", ".join(map(few, names)) or "none"
            said = f"unknown chiplet {few(reference)}{did_you_mean(reference, names)}; known: {known}"
            raise mistake(place, key, said)
        if reference not in self.made:
            self.made[reference] = self.assembly(reference, *self.trees[reference], inside)
        inner = self.made[reference]
        if len(found.placed) + len(inner.placed) > MOST_CHIPLETS:
            raise mistake(place, key, f"makes more than {MOST_CHIPLETS} chiplets in all")
        whole = bounds([chip.extent for chip in inner.placed])
        heights = min(chip.pose.z for chip in inner.placed), max(chip.top for chip in inner.placed)
        found.placed += [_moved(chip, name, whole, heights, pose) for chip in inner.placed]
        for joint in inner.connections:
            top, bottom = (f"{name}{WITHIN}{end}" if end else "" for end in (joint.top, joint.bottom))
            found.connections.append(replace(joint, name=f"{name}{WITHIN}{joint.name}", top=top, bottom=bottom))


def _moved(chip: PlacedChiplet, design: str, whole: Rectangle, heights: tuple[float, float], pose: Pose) -> PlacedChiplet:
    """A chiplet of a design where the design stands.

    Parameters
    ----------
    chip : PlacedChiplet
        In the coordinates of the design.
    design : str
        Name of the design in its place.
    whole : Rectangle
        What the design covers. [m]
    heights : (float, float)
        Of its lowest and highest face. [m]
    pose : Pose
    """
    e, own, mirror = chip.extent, chip.pose, pose.mirror
    box = Rectangle(e.x0 - whole.x0, e.x1 - whole.x0, e.y0 - whole.y0, e.y1 - whole.y0)
    box = turned(box, (whole.x1 - whole.x0, whole.y1 - whole.y0), mirror, pose.turns)
    turns = pose.turns + (-own.turns if mirror else own.turns)  # a mirror turns what is turned the other way
    if own.mirror and mirror:
        turns += 0 if own.mirror == mirror else 2
        mirror = ""
    z = heights[1] - chip.top if pose.face_down else own.z - heights[0]
    stands = replace(
        own,
        x=pose.x + box.x0,
        y=pose.y + box.y0,
        z=pose.z + z,
        mirror=own.mirror if not pose.mirror else mirror,
        turns=turns % 4,
        face_down=own.face_down != pose.face_down,
    )
    return replace(chip, name=f"{design}{WITHIN}{chip.name}", pose=stands)


def _pose(name: str, at: yamlfile.Mapping, place: FileLine, scale: float) -> Pose:
    """Where something stands; raises DeckError.

    Parameters
    ----------
    name : str
    at : Mapping
        Keys of ``Stack``.
    place : FileLine
        Of `at`.
    scale : float
        Length of the unit. [m]
    """
    of = f"Stack.{few(name)}"
    x, y = numbers(at, "loc", 2, of, [0.0, 0.0])
    (z,) = numbers(at, "z", 1, of)
    orient = str(at.get("orient", "R0"))
    said = ORIENTATION.fullmatch(orient)
    if said is None or not orient:
        message = f"wants R0, R90, R180 or R270, perhaps after MX_ or MY_, and MZ_ before all, got {few(orient)}"
        raise mistake(at.places.get("orient", place), f"{of}.orient", message)
    quarters = int((said[3] or "R0")[1:]) // 90
    return Pose(x * scale, y * scale, z * scale, said[2] or "", quarters, bool(said[1]), place)


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
    (thickness,) = numbers(entry, "thickness", 1, f"Connection.{few(name)}", [0.0])
    return Connection(name, ends[0], ends[1], thickness * scale, place)
