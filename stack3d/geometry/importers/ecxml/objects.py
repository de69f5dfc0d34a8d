"""What an ECXML file says: solids, sources, monitor points and materials, each with its line."""

from __future__ import annotations

import math
import xml.parsers.expat as expat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack3d import yamlfile
from stack3d.errors import did_you_mean, few
from stack3d.floorplans import read_text
from stack3d.geometry.importers.user_files import mistake
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine

MOST_DEEP = 100
"""Elements inside each other."""
MOST_ELEMENTS = 400_000
GROUPS = ("assembly", "heatsink")
SOLIDS = ("solid3dBlock", "solid2dBlock", "printedCircuitBoard")
SOURCES = ("sourceBlock", "source2dBlock")
REFUSED = {
    "solidCylinder": "a cylinder",
    "grille": "a flow of air",
    "flowResistance": "a flow of air",
    "enclosure": "a flow of air",
    "twoResistorModel": "a compact model",
    "rectangular2dFan": "a flow of air",
    "axial3dFan": "a flow of air",
    "externalMcadFile": "a shape of another file",
}
"""Objects that are no part of a stack of layers, by what they are."""
OBJECTS = (*GROUPS, *SOLIDS, *SOURCES, *REFUSED, "monitorPoint")
OF_FILE = ("name", "producer", "solutionDomain", "materials", "geometry")
OF_OBJECTS = ("name", "active", "location", "size", "plane", "material", "powerDissipation", "geometry", "parts")
"""What is read of an object; its plane is that of its size."""
BODILY = ("active", "location", "size", "material", "powerDissipation", "x", "y", "z")
"""What objects say of themselves: every one is active or not, and descriptions and data of a user are neither."""


USUAL = (
    "block",
    "board",
    "component",
    "cuboid",
    "cylinder",
    "duct",
    "fan",
    "heatpipe",
    "pcb",
    "pipe",
    "plate",
    "source",
    "vent",
)
"""What other tools call their objects, also where these say nothing of themselves."""


@dataclass
class XmlNode:
    """An element: its tag without a namespace, its line, what is in it."""

    tag: str
    place: FileLine
    inner: list[XmlNode] = field(default_factory=list)
    text: str = ""

    def only(self, tag: str) -> XmlNode | None:
        """The element of a tag in it, None where there is none; raises DeckError for a second one."""
        found = [node for node in self.inner if node.tag == tag]
        if len(found) > 1:
            raise mistake(found[1].place, tag, f"is the second in <{few(self.tag)}>, the first is in line {found[0].place[1]}")
        return found[0] if found else None

    def wanted(self, tag: str) -> XmlNode:
        """The element of a tag in it; raises DeckError where it is missing."""
        found = self.only(tag)
        if found is None:
            raise mistake(self.place, self.tag, f"wants an element <{tag}>")
        return found

    def said(self, tag: str) -> str:
        """Text of an element in it; raises DeckError where it is missing."""
        return self.wanted(tag).text.strip()

    def number(self, tag: str, least: float | None = None) -> float:
        """Number of an element in it, at least `least`; raises DeckError."""
        node = self.wanted(tag)
        try:
            value = float(node.text)
        except ValueError:
            value = math.nan
        if not abs(value) < 1e15 or (least is not None and value < least):
            wants = "a number" if least is None else f"a number of {least:g} or more"
            raise mistake(node.place, tag, f"wants {wants}, got {few(node.text.strip())}")
        return value

    def xyz(self, tag: str, least: float | None = None) -> tuple[float, float, float]:
        """Three numbers of an element in it; raises DeckError. [m]"""
        node = self.wanted(tag)
        x, y, z = (node.number(axis, least) for axis in "xyz")
        return x, y, z


@dataclass(frozen=True)
class BoxSolid:
    """A box of one material, or of heat alone (no material). [m], [W]"""

    name: str
    extent: Rectangle
    z0: float
    z1: float
    material: str
    power: float
    place: FileLine


@dataclass
class ObjectModel:
    """What a file says, solids in its order: of those that overlap the later counts."""

    name: str
    solids: list[BoxSolid] = field(default_factory=list)
    monitors: list[tuple[str, tuple[float, float, float], FileLine]] = field(default_factory=list)
    materials: dict[str, dict[str, Any]] = field(default_factory=dict)
    ambient: float | None = None
    notes: list[str] = field(default_factory=list)


def read_model(path: Path) -> ObjectModel:
    """Objects and materials of an ECXML file; raises DeckError with file and line."""
    root = _tree(path)
    if root.tag != "neutralXML":
        raise mistake(root.place, "", f"wants <neutralXML> at the top, got <{few(root.tag)}>")
    name = root.only("name")
    model = ObjectModel(name.text.strip() if name is not None else path.stem)
    model.materials = _materials(root)
    domain = root.only("solutionDomain")
    around = domain.only("ambientConditions") if domain is not None else None
    model.ambient = around.number("temperature", 1.0) if around is not None else None
    if not any(listed.tag == "geometry" for listed in root.inner):
        root.wanted("geometry")
    for listed in root.inner:
        if listed.tag == "geometry":
            _add(listed, model)
        elif listed.tag not in OF_FILE:
            _pass_over(listed, model)
    model.notes = list(dict.fromkeys(model.notes))
    _refuse_incomplete(model, root)
    return model


def _refuse_incomplete(model: ObjectModel, root: XmlNode) -> None:
    """Raises DeckError for a file without solids, and for a solid of a material that is not there."""
    if not model.solids:
        raise mistake(root.place, "geometry", f"holds no solid; solids are {', '.join(SOLIDS)}")
    for solid in model.solids:
        if solid.material and solid.material not in model.materials:
            near = did_you_mean(solid.material, model.materials)
            raise mistake(solid.place, few(solid.name), f"no material {few(solid.material)}{near} in <materials>")


def _tree(path: Path) -> XmlNode:
    """The elements of a file; a document type, entities and what is nested without end are refused. Raises DeckError."""
    file = yamlfile.shown(path)
    parser = expat.ParserCreate(namespace_separator=" ")
    open_: list[XmlNode] = []
    found: list[XmlNode] = []
    count = 0

    def start(tag: str, _: object) -> None:
        nonlocal count
        count += 1
        place = (file, parser.CurrentLineNumber)
        if count > MOST_ELEMENTS or len(open_) >= MOST_DEEP:
            raise mistake(place, "", f"has more than {MOST_ELEMENTS} elements, or more than {MOST_DEEP} in each other")
        node = XmlNode(tag.rpartition(" ")[2], place)
        (open_[-1].inner if open_ else found).append(node)
        open_.append(node)

    def text(piece: str) -> None:
        if len(open_[-1].text) < 1000:
            open_[-1].text += piece

    def refused(*_: object) -> None:
        raise mistake((file, parser.CurrentLineNumber), "", "has a document type, which ECXML has not; it is not read")

    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda _: open_.pop()
    parser.StartDoctypeDeclHandler = refused
    try:
        parser.Parse(read_text(path), True)
    except expat.ExpatError as error:
        raise mistake((file, error.lineno), "", f"not valid XML: {expat.ErrorString(error.code)}") from None
    return found[0]


def _materials(root: XmlNode) -> dict[str, dict[str, Any]]:
    """Materials by their names, as a deck writes them; raises DeckError."""
    out: dict[str, dict[str, Any]] = {}
    for node in (n for listed in root.inner if listed.tag == "materials" for n in listed.inner):
        if node.tag == "material":
            name_of, made = node.said("name"), _material(node)
            if out.setdefault(name_of, made) != made:
                raise mistake(node.place, few(name_of), "is the second material of this name, with other values")
    return out


def _material(node: XmlNode) -> dict[str, Any]:
    """A material as a deck writes it; raises DeckError."""
    capacity = node.number("density", 0.0) * node.number("specific_heat", 0.0)
    law = node.wanted("thermalConductivity")
    if len(law.inner) > 1:
        raise mistake(
            law.inner[1].place, "thermalConductivity", f"is <{law.inner[0].tag}> already, got <{few(law.inner[1].tag)}> too"
        )
    kind = law.inner[0] if law.inner else law
    out: dict[str, Any]
    if kind.tag == "isotropic":
        out = {"conductivity": f"{_positive(kind, 'conductivity'):.12g} W/m/K"}
    elif kind.tag == "orthotropic":
        out = {"conductivity": [f"{_positive(kind, axis):.12g} W/m/K" for axis in "xyz"]}
    elif kind.tag == "linearTemperatureDependant":
        k, slope, at = _positive(kind, "conductivity"), kind.number("coeff"), kind.number("tref", 0.0)
        out = _table([(t, k + slope * (t - at)) for t in (250.0, 350.0, 450.0)], kind)
    elif kind.tag == "nonLinearTemperatureDependant":
        out = _table([(p.number("temperature", 1.0), _positive(p, "conductivity")) for p in kind.inner], kind)
    else:
        known = "isotropic, orthotropic, linearTemperatureDependant, nonLinearTemperatureDependant"
        raise mistake(kind.place, "thermalConductivity", f"wants {known}, got {few(kind.tag)}")
    if not 0 < capacity < 1e15:
        raise mistake(node.place, few(node.said("name")), f"wants density and specific heat above 0, got {capacity:g} J/m^3/K")
    return {**out, "heat_capacity": f"{capacity:.12g} J/m^3/K"}


def _positive(node: XmlNode, tag: str) -> float:
    value = node.number(tag, 0.0)
    if not value > 0:
        raise mistake(node.place, tag, f"wants more than 0, got {value:g}")
    return value


def _table(points: list[tuple[float, float]], node: XmlNode) -> dict[str, Any]:
    """A conductivity over the temperature as a deck writes it; raises DeckError."""
    if len(points) < 2 or any(a[0] >= b[0] for a, b in zip(points, points[1:])) or min(k for _, k in points) <= 0:
        raise mistake(node.place, node.tag, "wants two points or more of rising temperature, each with a conductivity above 0")
    temperatures, values = [f"{t:.12g} K" for t, _ in points], [f"{k:.12g} W/m/K" for _, k in points]
    return {"conductivity": {"law": "table", "temperatures": temperatures, "values": values}}


def _add(listed: XmlNode, model: ObjectModel) -> None:
    """Add the objects of a list, groups opened; raises DeckError for those that no stack of layers has, and unknown ones."""
    for node in listed.inner:
        if node.tag in OBJECTS:
            _add_object(node, model)
        else:
            _pass_over(node, model)


def _pass_over(node: XmlNode, model: ObjectModel) -> None:
    """Tell of an element that is not known; raises DeckError for one that is an object: without it heat flows elsewhere."""
    if (active := node.only("active")) is not None and _is_off(active.text):
        model.notes.append(f"<{few(node.tag)}> is not active in the file; it is left out.")
        return
    if _is_object(node):
        near = did_you_mean(node.tag, OBJECTS)
        raise mistake(
            node.place, few(node.tag), f"is no object that is read{near}; leave it out, or write it as a solid or source"
        )
    model.notes.append(f"<{few(node.tag)}> is not read.")


def _is_object(node: XmlNode) -> bool:
    """Whether an element is called as objects are, has a name of its own, or has a body."""
    if node.tag.lower() in (*(tag.lower() for tag in OBJECTS), *USUAL) or any(inner.tag == "name" for inner in node.inner):
        return True
    return any(inner.tag in BODILY for inner in _all_in(node))


def _is_off(said: str) -> bool:
    return said.strip().lower() in ("false", "0")


def _all_in(node: XmlNode) -> Iterator[XmlNode]:
    """Elements in an element, and in those."""
    for inner in node.inner:
        yield inner
        yield from _all_in(inner)


def _add_object(node: XmlNode, model: ObjectModel) -> None:
    name = node.said("name")
    if node.tag not in REFUSED:
        model.notes += [
            f"<{few(inner.tag)}> of <{node.tag}> is not read." for inner in node.inner if inner.tag not in OF_OBJECTS
        ]
    if _is_off(node.said("active")):
        model.notes.append(f"{few(name)} is not active in the file; it is left out.")
    elif node.tag in GROUPS:
        _add_group(node, model)
    elif node.tag in REFUSED:
        raise mistake(node.place, few(name), f"<{node.tag}> is {REFUSED[node.tag]}, which no stack of layers has; leave it out")
    elif node.tag == "monitorPoint":
        model.monitors.append((name, node.xyz("location"), node.place))
    else:
        model.solids.append(_box(node, name))


def _add_group(node: XmlNode, model: ObjectModel) -> None:
    """Add the objects of a group; raises DeckError also for those beside its list, which would be lost."""
    for inner in node.inner:
        if inner.tag in OBJECTS:
            said = f"stands in <{node.tag}> itself; objects stand in <geometry> or <parts>"
            raise mistake(inner.place, few(inner.tag), said)
        if inner.tag not in OF_OBJECTS and _is_object(inner):
            _pass_over(inner, model)
    _add(node.wanted("geometry" if node.tag == "assembly" else "parts"), model)


def _box(node: XmlNode, name: str) -> BoxSolid:
    (x, y, z), (width, depth, height) = node.xyz("location"), node.xyz("size", 0.0)
    is_flat = node.tag == "source2dBlock"
    if not (width > 0 and depth > 0 and (height > 0 or is_flat)):
        raise mistake(node.wanted("size").place, few(name), f"wants a size above 0, got {width:g}, {depth:g}, {height:g} m")
    material = node.said("material") if node.tag in SOLIDS else ""
    is_bare = node.tag == "printedCircuitBoard" and node.only("powerDissipation") is None
    power = 0.0 if is_bare else node.number("powerDissipation", 0.0)
    return BoxSolid(name, Rectangle(x, x + width, y, y + depth), z, z + height, material, power, node.place)


def solids_through(model: ObjectModel, z0: float, z1: float) -> Iterator[BoxSolid]:
    """Solids of a material between two heights, in the order of the file. [m]"""
    middle = 0.5 * (z0 + z1)
    return (solid for solid in model.solids if solid.material and solid.z0 < middle < solid.z1)
