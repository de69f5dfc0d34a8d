"""What a 3D-ICE stack description says, in SI and in its own order: from the top down.

Formats: the grammar, the user guide and the example and test files of 3D-ICE 2 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

from stack3d.errors import did_you_mean, few
from stack3d.geometry.importers.ice.cavity import Cavity
from stack3d.geometry.importers.ice.floorplan import read_floorplan, read_layout, refuse_outside, refuse_overlaps, set_property
from stack3d.geometry.importers.ice.words import MICRO, Statement, is_number, statements
from stack3d.geometry.importers.parts import Element, Solid
from stack3d.geometry.importers.user_files import find_file, mistake, place_of
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine


@dataclass(frozen=True)
class Slab:
    """A layer of a die or of the stack, in SI."""

    thickness: float
    material: Solid
    label: str
    place: FileLine
    is_source: bool = False
    layout: tuple[Element, ...] = ()
    flow: dict[str, Any] | None = None


@dataclass(frozen=True)
class Instance:
    """A die, a layer or a cavity in the stack; its slabs from the top down."""

    kind: str
    name: str
    place: FileLine
    slabs: tuple[Slab, ...]
    floorplan: tuple[Element, ...] = ()

    @property
    def own_layer(self) -> int:
        """Index of the slab that 3D-ICE reads temperatures of it in."""
        return next((i for i, slab in enumerate(self.slabs) if slab.is_source), 0)


@dataclass(frozen=True)
class Sink:
    """A heat sink on the top or bottom face: film coefficient [W m⁻² K⁻¹] and temperature beyond it [K]."""

    place: FileLine
    film: float | None = None
    temperature: float | None = None


@dataclass
class _Layer:
    """A section ``layer NAME:`` as it is read."""

    head: Statement
    height: float | None = None
    material: Solid | None = None
    layout: tuple[Element, ...] = ()


@dataclass
class Description:
    """What a stack description says."""

    path: Path
    solids: dict[str, Solid] = field(default_factory=dict)
    layers: dict[str, _Layer] = field(default_factory=dict)
    dies: dict[str, list[Slab]] = field(default_factory=dict)
    cavity: Cavity | None = None
    sinks: dict[str, Sink] = field(default_factory=dict)
    plates: list[tuple[str, float, float, Solid, FileLine]] = field(default_factory=list)
    """Spreader and sink: name, height and edge [m], material, place."""
    dimensions: dict[str, float] = field(default_factory=dict)
    """chip_length, chip_width, cell_length, cell_width. [m]"""
    is_nonuniform: bool = False
    stack: list[Instance] = field(default_factory=list)
    is_transient: bool = False
    step: float | None = None
    slot: float | None = None
    initial: float | None = None
    outputs: list[Statement] = field(default_factory=list)
    sections: dict[str, int] = field(default_factory=dict)
    """Title → number of the section."""
    said: dict[tuple[str, str], int] = field(default_factory=dict)
    """Section and what may stand there once → line; "" for the section itself."""
    floorplans: dict[Path, tuple[Element, ...]] = field(default_factory=dict)

    @cached_property
    def chip(self) -> Rectangle:
        """The footprint. [m]"""
        return Rectangle(0.0, self.dimensions["chip_length"], 0.0, self.dimensions["chip_width"])

    def once(self, s: Statement, key: str) -> None:
        """Raises DeckError for a second statement of a key in a section."""
        if (s.title, key) in self.said:
            raise s.fail(f"there are two of {few(key)}, the first on line {self.said[s.title, key]}")
        self.said[s.title, key] = s.line

    def solid(self, name: str, s: Statement) -> Solid:
        """A material by name; raises DeckError."""
        if name not in self.solids:
            known = ", ".join(self.solids) or "none"
            raise s.fail(f"unknown material {few(name)}{did_you_mean(name, self.solids)}; known: {known}")
        found = self.solids[name]
        if not (min(found.conductivity) > 0 and found.heat_capacity > 0):
            raise s.fail(f"material {few(name)} is incomplete: it wants a positive conductivity and heat capacity")
        return found

    def floorplan(self, file: str, s: Statement) -> tuple[Element, ...]:
        """Elements of a floorplan that a statement names; raises DeckError."""
        path = find_file(file.strip('"'), s.place, s.title)
        if path not in self.floorplans:
            self.floorplans[path] = read_floorplan(path, self.solid)
        return self.floorplans[path]


def read_description(path: Path) -> Description:
    """Everything that a stack description and the files it names say; raises DeckError."""
    about = Description(path)
    for s in statements(path):
        head = s.heading[0] if s.heading else ""
        if about.sections.setdefault(s.title, s.section) != s.section:
            raise s.fail_at_heading(f"there are two such sections, the first on line {about.said[s.title, '']}")
        about.said.setdefault((s.title, ""), s.head)
        if "sink" in s.heading:
            _sink(about, s)
        elif head in SECTIONS:
            SECTIONS[head](about, s)
        else:
            raise s.fail_at_heading(
                f"unknown heading {few(s.title)}{did_you_mean(s.title, SECTIONS)}; known: {', '.join(SECTIONS)}"
            )
    if {"chip_length", "chip_width"} - set(about.dimensions):
        is_there = ("dimensions", "") in about.said
        place = place_of(path, about.said["dimensions", ""] if is_there else 1)
        raise mistake(place, "dimensions", "lacks chip length and width" if is_there else "is missing")
    if not about.stack:
        raise mistake(place_of(path), "stack", "is missing")
    _check_places(about)
    if (last := about.stack[-1]).kind == "channel":
        raise mistake(
            last.place, "stack", f"channel {few(last.name)} lies at the bottom; there has to be a die or a layer below it"
        )
    return about


def _check_places(about: Description) -> None:
    """Raises DeckError for elements outside the chip, or over each other."""
    for elements in (*about.floorplans.values(), *(layer.layout for layer in about.layers.values())):
        refuse_outside(elements, about.chip)
    for elements in about.floorplans.values():
        refuse_overlaps(elements)


def _material(about: Description, s: Statement) -> None:
    set_property(s, about.solids)


def _last(s: Statement, index: int) -> int:
    """The index, of the one number that ends a statement; raises DeckError."""
    s.values(index, (1,))
    return index


SINKS = {("top", "heat", "sink"): "top", ("conventional", "heat", "sink"): "top", ("bottom", "heat", "sink"): "bottom"}
"""Heading → face; the second is that of 3D-ICE 2."""


def _sink(about: Description, s: Statement) -> None:
    if "pluggable" in s.heading:
        raise s.fail("a pluggable heat sink runs code of its own and cannot be imported")
    if s.heading not in SINKS:
        raise s.fail_at_heading(f"unknown heading {few(s.title)}; known: {', '.join(map(' '.join, SINKS))}")
    side = SINKS[s.heading]
    sink = about.sinks.setdefault(side, Sink(s.place))
    about.once(s, " ".join(takewhile(str.isalpha, s.words)))
    if s.words[:3] == ("heat", "transfer", "coefficient"):
        about.sinks[side] = replace(sink, film=s.amount(_last(s, 3), "film_coefficient", 1 / MICRO**2, least=0.0))
    elif "temperature" in s.words[:2]:
        about.sinks[side] = replace(sink, temperature=s.amount(_last(s, s.words.index("temperature") + 1), "temperature", 1.0))
    elif s.words[0] in ("sink", "spreader") and {"height", "area", "material"} <= set(s.words):
        s.ends_after(7)
        at = {key: s.words.index(key) + 1 for key in ("height", "area", "material")}
        height, area = s.amount(at["height"], "length", MICRO), s.amount(at["area"], "area", MICRO**2)
        about.plates.append((s.words[0], height, area**0.5, about.solid(s.word(at["material"]), s), s.place))
    else:
        raise s.fail(f"unknown words {few(' '.join(s.words))}; known: heat transfer coefficient, temperature")


def _dimensions(about: Description, s: Statement) -> None:
    about.once(s, s.words[0])
    if s.words[0] == "non-uniform":
        about.is_nonuniform = s.word(1) == "true"
    elif s.words[0] in ("chip", "cell"):
        s.ends_after(5)
        for i in range(1, len(s.words), 2):
            if s.words[i] not in ("length", "width"):
                raise s.fail(f"wants length and width, got {few(s.words[i])}")
            if f"{s.words[0]}_{s.words[i]}" in about.dimensions:
                raise s.fail(f"there are two of {few(s.words[i])}")
            value = s.amount(i + 1, "length", MICRO, least=None)
            if value <= 0:
                raise s.fail(f"wants a {s.words[i]} above zero, got {s.words[i + 1]}")
            about.dimensions[f"{s.words[0]}_{s.words[i]}"] = value
    else:
        raise s.fail(f"unknown words {few(' '.join(s.words))}; known: chip, cell, non-uniform")


def _layer(about: Description, s: Statement) -> None:
    layer = about.layers.setdefault(s.named("layer"), _Layer(s))
    if (s.words[0] == "height" and layer.height is not None) or (s.words[0] == "material" and layer.material is not None):
        raise s.fail(f"there are two of {few(s.words[0])}")
    if s.words[0] == "height":
        layer.height = s.amount(_last(s, 1), "length", MICRO)
    elif s.words[0] == "material":
        s.ends_after(2)
        layer.material = about.solid(s.word(1), s)
    elif s.words[0] == "layout":
        about.once(s, "layout")
        s.ends_after(2)
        layer.layout = read_layout(find_file(s.word(1).strip('"'), s.place, s.title), about.solids, about.solid)
    else:
        raise s.fail(f"unknown words {few(' '.join(s.words))}; known: height, material, layout")


def _slab(about: Description, s: Statement, rest: tuple[str, ...], is_source: bool = False) -> Slab:
    """``50 SILICON``, or the name of a layer defined before; raises DeckError."""
    if len(rest) == 1:
        name = rest[0]
        if name not in about.layers:
            known = ", ".join(about.layers) or "none"
            raise s.fail(f"unknown layer {few(name)}{did_you_mean(name, about.layers)}; known: {known}")
        layer = about.layers[name]
        if layer.height is None or layer.material is None:
            raise layer.head.fail_at_heading("wants height and material")
        return Slab(layer.height, layer.material, name, layer.head.place, is_source, layer.layout)
    if len(rest) != 2:
        raise s.fail(f"wants a thickness and a material, or a layer, got {few(' '.join(rest))}")
    return Slab(s.amount(s.words.index(rest[0]), "length", MICRO), about.solid(rest[1], s), rest[1].lower(), s.place, is_source)


def _die(about: Description, s: Statement) -> None:
    slabs = about.dies.setdefault(s.named("die"), [])
    if s.words[0] not in ("layer", "source"):
        raise s.fail(f"wants layer or source, got {few(s.words[0])}")
    if s.words[0] == "source" and any(slab.is_source for slab in slabs):
        raise s.fail(f"die {few(s.heading[1])} has a source already")
    slabs.append(_slab(about, s, s.words[1:], s.words[0] == "source"))


def _without_cells(s: Statement) -> tuple[str, ...]:
    """Words of a statement of the stack without ``discretization 2 2``, which only says 3D-ICE's cells; raises DeckError."""
    if "discretization" not in s.words:
        return s.words
    at = s.words.index("discretization")
    s.values(at + 1, (2,))
    return s.words[:at]


def _stack(about: Description, s: Statement) -> None:
    words = _without_cells(s)
    if len(words) < 2:
        raise s.fail(f"is incomplete: {few(' '.join(s.words))}")
    kind, name, *rest = words
    if any(name == other.name for other in about.stack):
        raise s.fail(f"there are two parts {few(name)}")
    if kind == "layer":
        about.stack.append(Instance(kind, name, s.place, (_slab(about, s, tuple(rest)),)))
    elif kind == "channel":
        s.ends_after(2)
        about.stack.append(Instance(kind, name, s.place, (_channels(about, s, name),)))
    elif kind == "die":
        about.stack.append(_placed_die(about, s, name, rest))
    else:
        raise s.fail(f"wants die, layer or channel, got {few(kind)}")


def _placed_die(about: Description, s: Statement, name: str, rest: list[str]) -> Instance:
    die = rest[0] if rest else ""
    if die not in about.dies:
        raise s.fail(f"unknown die {few(die)}{did_you_mean(die, about.dies)}; known: {', '.join(about.dies) or 'none'}")
    slabs = tuple(about.dies[die])
    if not any(slab.is_source for slab in slabs):
        raise s.fail(f"die {few(die)} has no source layer, its floorplan wants one")
    if rest[1:2] != ["floorplan"] or len(rest) != 3:
        raise s.fail(f"wants 'die NAME DIE floorplan \"FILE\"', got {few(' '.join(s.words))}")
    return Instance("die", name, s.place, slabs, about.floorplan(rest[2], s))


def _channels(about: Description, s: Statement, name: str) -> Slab:
    cavity = about.cavity
    if cavity is None:
        raise s.fail("there is neither a microchannel nor a pinfin section before it")
    cavity.refuse_what_has_no_equivalent()
    if "chip_length" not in about.dimensions:
        raise s.fail("wants dimensions before it")
    if not about.stack or about.stack[-1].kind == "channel":
        where = "right under another" if about.stack else "on top"
        raise s.fail(f"channel {few(name)} lies {where}; there has to be a die or a layer above it")
    walls, flow = cavity.material, cavity.flow(about.dimensions["chip_length"])
    return Slab(cavity.number("height"), about.solid(walls.word(2), walls), "channel", s.place, flow=flow)


def _solver(about: Description, s: Statement) -> None:
    about.once(s, "steady or transient" if s.words[0] in ("steady", "transient") else s.words[0])
    if s.words[0] == "transient":
        about.is_transient = True
        s.ends_after(5)
        for key in ("step", "slot"):
            if key not in s.words:
                raise s.fail("wants 'transient step TIME, slot TIME'")
            value = s.amount(s.words.index(key) + 1, "time", 1.0, least=None)
            if value <= 0:
                raise s.fail(f"wants a {key} above zero, got {value:g}")
            setattr(about, key, value)
        if (about.slot or 0.0) < (about.step or 0.0):
            raise s.fail(f"wants a slot of at least one step, got {about.slot:g} and {about.step:g}")
    elif s.words[:2] == ("initial", "temperature"):
        about.initial = s.amount(_last(s, 2), "temperature", 1.0)
    elif s.words[0] == "steady":
        s.ends_after(1)
    elif s.words[0] != "numofcores":
        raise s.fail(f"unknown words {few(' '.join(s.words))}; known: steady, transient, initial temperature, numofcores")


AFTER_FILE = ("average", "maximum", "minimum", "final", "slot", "step")
"""Words that may follow the name of an output's file."""


def _output(about: Description, s: Statement) -> None:
    files = [i for i, word in enumerate(s.words) if word[0] == '"']
    rest = s.words[files[0] + 1 :] if files else ()
    if strange := [word for word in rest if word not in AFTER_FILE and not (s.words[0] == "T" and is_number(word))]:
        known = ", ".join(AFTER_FILE)
        raise s.fail(f"got {few(' '.join(strange))} after the name of its file; known: {known}, then a semicolon")
    about.outputs.append(s)


def _cavity(about: Description, s: Statement) -> None:
    if about.cavity is not None and about.cavity.head.section != s.section:
        first = about.cavity.head
        raise s.fail_at_heading(f"there are two kinds of cavity, the first, {few(first.title)}, on line {first.head}")
    about.cavity = about.cavity or Cavity(s)
    about.cavity.take(s)


SECTIONS = {
    "material": _material,
    "microchannel": _cavity,
    "pinfin": _cavity,
    "dimensions": _dimensions,
    "layer": _layer,
    "die": _die,
    "stack": _stack,
    "solver": _solver,
    "output": _output,
}
"""What takes the statements of a section."""
