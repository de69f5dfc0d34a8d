"""3D-ICE's stack description and floorplans.

3D-ICE counts in micrometres: conductivities in W/µm/K, capacities in J/µm³/K, film coefficients in W/µm²/K. It lists a
stack, and the layers of a die, from the top down. Formats: example and test files of 3D-ICE 2 and 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.floorplans import number, read_text
from stack3d.geometry.importers.common import (
    MOST_PROBES,
    Element,
    Imported,
    Solid,
    box,
    deck_name,
    length,
    over_time,
    probes,
)
from stack3d.layout import Rectangle

MICRO = 1e-6
CHANNEL_KEYS = (
    "height", "channel length", "first wall length", "last wall length", "wall length", "wall material", "coolant flow rate",
    "coolant heat transfer coefficient", "coolant volumetric heat capacity", "coolant incoming temperature",
)  # fmt: skip
COMMENTS = re.compile(r"/\*.*?\*/|//[^\n]*|#[^\n]*", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """Words up to a semicolon, below the heading they stand under."""

    heading: tuple[str, ...]
    words: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Slab:
    """A layer of a die or of the stack, in SI."""

    thickness: float
    material: Solid
    label: str
    is_source: bool = False
    floorplan: tuple[Element, ...] = ()
    channels: Mapping[str, Any] | None = None


@dataclass
class Description:
    """What a stack description says."""

    path: Path
    solids: dict[str, Solid] = field(default_factory=dict)
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    dies: dict[str, list[Slab]] = field(default_factory=dict)
    channel: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sinks: dict[str, dict[str, float]] = field(default_factory=dict)
    plates: list[dict[str, Any]] = field(default_factory=list)
    dimensions: dict[str, float] = field(default_factory=dict)
    stack: list[tuple[str, list[Slab]]] = field(default_factory=list)
    transient: bool = False
    slot: float | None = None
    initial: float | None = None
    outputs: list[Statement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fail(self, statement: Statement, message: str) -> DeckError:
        """Error at a statement."""
        return DeckError(Problem(" ".join(statement.heading), message, str(self.path), statement.line))

    def solid(self, name: str, statement: Statement) -> Solid:
        """A material by name."""
        if name not in self.solids:
            known = ", ".join(self.solids) or "none"
            raise self.fail(statement, f"unknown material {name!r}{did_you_mean(name, self.solids)}; known: {known}")
        return self.solids[name]

    def value(self, text: str, statement: Statement) -> float:
        """A number."""
        return number(text, self.path, statement.line, " ".join(statement.heading))


def statements(path: Path) -> Iterator[Statement]:
    """Statements of a file, words and quoted names apart, commas and brackets gone."""
    text = COMMENTS.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), read_text(path))
    heading: tuple[str, ...] = ()
    words: list[str] = []
    start = line = 1
    for token in re.finditer(r'\n|"[^"\n]*"|[:;]|[^\s:;,()"]+', text):
        word = token[0]
        if word == "\n":
            line += 1
        elif word == ":":
            heading, words = tuple(words), []
        elif word == ";":
            yield Statement(heading, tuple(words), start)
            words = []
        else:
            start = line if not words else start
            words.append(word)
    if words:
        raise DeckError(Problem(" ".join(heading), f"{' '.join(words)!r} wants a semicolon", str(path), start))


def _floorplan(path: Path, about: Description) -> tuple[Element, ...]:
    """Elements with position, dimension (or rectangle), powers and perhaps a material."""
    found: dict[str, dict[str, Any]] = {}
    for statement in statements(path):
        key, *values = statement.words or ("",)
        name = " ".join(statement.heading)
        entry = found.setdefault(name, {})
        if key in ("position", "dimension", "rectangle"):
            entry[key] = [MICRO * number(v, path, statement.line, name) for v in values]
        elif key == "power" and values[:1] == ["values"]:
            entry["powers"] = tuple(number(v, path, statement.line, name) for v in values[1:])
        elif key == "material":
            entry["material"] = about.solid(values[0], statement)
        elif key != "discretization":
            message = f"unknown word {key!r}{did_you_mean(key, ('position', 'dimension', 'rectangle', 'power', 'material'))}"
            raise DeckError(Problem(name, message, str(path), statement.line))
    elements = []
    for name, entry in found.items():
        corner = [*entry.get("position", []), *entry.get("dimension", [])] or entry.get("rectangle", [])
        if len(corner) != 4:
            raise DeckError(
                Problem(name, "wants position and dimension of two numbers each, or a rectangle of four", str(path))
            )
        x, y, width, depth = corner
        extent = Rectangle(x, x + width, y, y + depth)
        elements.append(Element(name, extent, entry.get("powers", ()), entry.get("material")))
    return tuple(elements)


def _material(about: Description, s: Statement) -> None:
    name = s.heading[1]
    known = about.solids.get(name, Solid((0.0, 0.0, 0.0), 0.0))
    if s.words[:2] == ("thermal", "conductivity"):
        k = [about.value(w, s) / MICRO for w in s.words[2:]]
        about.solids[name] = replace(known, conductivity=(k[0], k[0], k[0]) if len(k) == 1 else (k[0], k[1], k[2]))
    elif s.words[:3] == ("volumetric", "heat", "capacity"):
        about.solids[name] = replace(known, heat_capacity=about.value(s.words[3], s) / MICRO**3)
    else:
        raise about.fail(s, f"unknown property {' '.join(s.words)!r}")


def _sink(about: Description, s: Statement) -> None:
    if "pluggable" in s.heading:
        raise about.fail(s, "a pluggable heat sink runs code of its own and cannot be imported")
    side = about.sinks.setdefault("bottom" if s.heading[0] == "bottom" else "top", {})
    words = list(s.words)
    if words[:3] == ["heat", "transfer", "coefficient"]:
        side["film"] = about.value(words[3], s) / MICRO**2
    elif "temperature" in words:
        side["ambient"] = about.value(words[-1], s)
    elif words and words[0] in ("sink", "spreader") and {"height", "area", "material"} <= set(words):
        given = {key: words[words.index(key) + 1] for key in ("height", "area", "material")}
        edge = (about.value(given["area"], s) * MICRO**2) ** 0.5
        about.plates.append(
            {
                "name": words[0],
                "height": MICRO * about.value(given["height"], s),
                "edge": edge,
                "material": about.solid(given["material"], s),
            }
        )
    else:
        raise about.fail(s, f"unknown words {' '.join(words)!r}")


def _slab(about: Description, s: Statement, words: tuple[str, ...]) -> Slab:
    """``layer 50 SILICON``, ``source 2 SILICON``, or the name of a layer defined before."""
    kind, *rest = words
    elements: tuple[Element, ...] = ()
    if "floorplan" in rest:
        at = rest.index("floorplan")
        elements = _floorplan(about.path.parent / rest[at + 1].strip('"'), about)
        rest = rest[:at]
    if len(rest) == 1:
        if rest[0] not in about.layers:
            raise about.fail(s, f"unknown layer {rest[0]!r}{did_you_mean(rest[0], about.layers)}")
        known = about.layers[rest[0]]
        return Slab(known["height"], about.solid(known["material"], s), rest[0], kind == "source", elements)
    if len(rest) != 2:
        raise about.fail(s, f"wants a thickness and a material, got {' '.join(words)!r}")
    return Slab(MICRO * about.value(rest[0], s), about.solid(rest[1], s), rest[1].lower(), kind == "source", elements)


def _stack(about: Description, s: Statement) -> None:
    kind, name, *rest = s.words
    if kind == "layer":
        about.stack.append((name, [_slab(about, s, (kind, *rest))]))
    elif kind == "die":
        if not rest or rest[0] not in about.dies:
            raise about.fail(s, f"unknown die {rest[0] if rest else ''!r}{did_you_mean(rest[0] if rest else '', about.dies)}")
        slabs = list(about.dies[rest[0]])
        if "floorplan" in rest:
            file = about.path.parent / rest[rest.index("floorplan") + 1].strip('"')
            elements = _floorplan(file, about)
            at = [i for i, slab in enumerate(slabs) if slab.is_source]
            if len(at) != 1:
                raise about.fail(s, f"die {rest[0]!r} has {len(at)} source layers, its floorplan wants one")
            slabs[at[0]] = replace(slabs[at[0]], floorplan=elements)
        about.stack.append((name, slabs))
    elif kind == "channel" and about.channel.get("kind") == ("4rm",):
        about.stack.append((name, [_cavity(about, s)]))
    else:
        raise about.fail(s, f"{kind!r} cannot be imported: only channels of the 4rm model have an equivalent")


def _cavity(about: Description, s: Statement) -> Slab:
    """A layer of channels; 3D-ICE's coolant flows towards larger y."""

    def given(key: str) -> float:
        if key not in about.channel:
            raise about.fail(s, f"the microchannel has no {key}")
        return about.value(about.channel[key][-1], s)

    width, wall = MICRO * given("channel length"), MICRO * given("wall length")
    edges = [MICRO * given(key) if key in about.channel else wall for key in ("first wall length", "last wall length")]
    count = (about.dimensions["chip_length"] - sum(edges) + wall) / (width + wall)
    if edges[0] != edges[1] or abs(count - round(count)) > 1e-6:
        raise about.fail(s, f"walls and channels do not fill the chip evenly: {count:g} channels between walls of {edges} m")
    words = about.channel["coolant heat transfer coefficient"]
    films = [about.value(w, s) / MICRO**2 for w in words if w not in ("side", "top", "bottom")]
    if max(films) > min(films):
        about.notes.append("Film coefficients of the sides, top and bottom of a channel differ; their mean stands for all.")
    channels = {
        "direction": "y",
        "count": round(count),
        "width": length(width),
        "wall_width": length(wall),
        "edge_wall_width": length(edges[0]),
        "coolant": {"heat_capacity": f"{given('coolant volumetric heat capacity') / MICRO**3:.12g} J/m^3/K"},
        "flow_rate": f"{given('coolant flow rate'):.12g} ml/min",
        "inlet_temperature": f"{given('coolant incoming temperature'):.12g} K",
        "wall_film_coefficient": f"{sum(films) / len(films):.12g} W/m^2/K",
    }
    walls = about.solid(about.channel["wall material"][-1], s)
    return Slab(MICRO * given("height"), walls, "channel", channels=channels)


def _solver(about: Description, s: Statement) -> None:
    if s.words[:1] == ("transient",):
        about.transient = True
        if "slot" in s.words[:-1]:
            about.slot = about.value(s.words[s.words.index("slot") + 1], s)
    elif s.words[:2] == ("initial", "temperature") and len(s.words) > 2:
        about.initial = about.value(s.words[2], s)


def _take(about: Description, s: Statement) -> None:
    """What one statement says."""
    head = s.heading[:1]
    if head == ("material",):
        _material(about, s)
    elif "sink" in s.heading:
        _sink(about, s)
    elif head == ("dimensions",):
        if s.words[0] in ("chip", "cell"):
            pairs = zip(s.words[1::2], s.words[2::2])
            about.dimensions |= {f"{s.words[0]}_{key}": MICRO * about.value(v, s) for key, v in pairs}
    elif head == ("layer",):
        entry = about.layers.setdefault(s.heading[1], {})
        entry[s.words[0]] = MICRO * about.value(s.words[1], s) if s.words[0] == "height" else s.words[1]
    elif head == ("die",):
        about.dies.setdefault(s.heading[1], []).append(_slab(about, s, s.words))
    elif head == ("stack",):
        _stack(about, s)
    elif head == ("solver",):
        _solver(about, s)
    elif head == ("output",):
        about.outputs.append(s)
    elif head == ("microchannel",):
        about.channel["kind"] = s.heading[1:]
        key = next((k for k in CHANNEL_KEYS if s.words[: len(k.split())] == tuple(k.split())), None)
        if key is None:
            raise about.fail(s, f"unknown words {' '.join(s.words)!r}")
        about.channel[key] = s.words[len(key.split()) :]
    else:
        raise about.fail(s, f"unknown heading {' '.join(s.heading)!r}")


def _describe(path: Path) -> Description:
    about = Description(path)
    for s in statements(path):
        try:
            _take(about, s)
        except DeckError:
            raise
        except (IndexError, KeyError, ValueError):
            raise about.fail(s, f"is incomplete: {' '.join(s.words)!r}") from None
    if {"chip_length", "chip_width"} - set(about.dimensions):
        raise DeckError(Problem("dimensions", "wants chip length and width", str(path)))
    if not about.stack:
        raise DeckError(Problem("stack", "is missing", str(path)))
    return about


def read(path: Path, name: str, transient: bool | None = None) -> Imported:
    """Scenario of one 3D-ICE stack description, by default steady or not as its solver; raises DeckError."""
    about = _describe(path)
    if transient is not None:
        about.transient = transient
    powers: dict[str, tuple[float, ...]] = {}
    chip = Rectangle(0.0, about.dimensions["chip_length"], 0.0, about.dimensions["chip_width"])
    layers: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    points: list[dict[str, str]] = []
    names: set[str] = set()
    powered: dict[str, str] = {}
    marked: set[str] = set()
    for instance, slabs in reversed(about.stack):
        for slab in reversed(slabs):
            tail = "source" if slab.is_source else slab.label
            layer = deck_name(instance if len(slabs) == 1 and not slab.is_source else f"{instance}_{tail}", names)
            names.add(layer)
            if slab.is_source or len(slabs) == 1:
                powered[instance] = layer
            entry: dict[str, Any] = {"name": layer, "thickness": length(slab.thickness), "material": slab.material.deck()}
            blocks = [
                {"name": deck_name(e.name), **box(e.extent, chip), "material": e.material.deck()}
                for e in slab.floorplan
                if e.material
            ]
            if blocks:
                entry["blocks"] = blocks
            if slab.channels:
                entry["channels"] = dict(slab.channels)
            layers.append(entry)
            if slab.is_source:
                for element in slab.floorplan:
                    sources.append(_source(element, layer, instance, chip, about))
                    powers[sources[-1]["name"]] = element.powers or (0.0,)
                if len(slab.floorplan) <= MOST_PROBES:
                    points += probes(layer, f"{instance}_", slab.floorplan, chip, marked)
    for plate in sorted(about.plates, key=lambda p: p["name"] == "sink"):
        edge = [length(plate["edge"])] * 2
        layers.append(
            {"name": plate["name"], "thickness": length(plate["height"]), "material": plate["material"].deck(), "size": edge}
        )
    points += _asked_probes(about, powered, marked)
    power: dict[str, Any] = {"sources": sources}
    timed: dict[str, Any] = {}
    tables: dict[str, str] = {}
    if about.transient and powers:
        if about.slot is None:
            raise DeckError(Problem("solver", "wants 'transient step …, slot …': how long each power value holds", str(path)))
        initial = about.initial if about.initial is not None else _ambient(about)
        power["trace"], timed["transient"], tables = over_time(deck_name(name), powers, about.slot, initial)
        if len(set(map(len, powers.values()))) > 1:
            about.notes.append("Elements have different numbers of power values; time ends with the shortest, as in 3D-ICE.")
        about.notes.append("Time steps follow an error control; 3D-ICE's fixed step of first order is not taken over.")
    scenario = {
        "scenario": deck_name(name),
        "title": "Imported from 3D-ICE",
        "geometry": {"footprint": [length(chip.x1), length(chip.y1)], "layers": layers, "source": f"3D-ICE, {path.name}"},
        "power": power,
        **timed,
        "cooling": _cooling(about),
        "probes": points,
        **_asked_maps(about, powered),
        "solver": "standard",
    }
    notes = [
        "3D-ICE counts in micrometres; lengths, conductivities, capacities and film coefficients are converted to SI.",
        "3D-ICE lists layers from the top down, decks from the bottom up.",
        *about.notes,
    ]
    return Imported(scenario, tuple(dict.fromkeys(notes)), tables)


def _source(element: Element, layer: str, instance: str, chip: Rectangle, about: Description) -> dict[str, Any]:
    powers = element.powers or (0.0,)
    if len(powers) > 1 and not about.transient:
        about.notes.append("Of several power values the first counts, as in 3D-ICE's steady state.")
    watts = sum(powers) / len(powers) if about.transient else powers[0]
    return {
        "name": deck_name(f"{instance}_{element.name}"),
        "layer": layer,
        **box(element.extent, chip),
        "power": f"{watts:.12g} W",
    }


def _ambient(about: Description) -> float:
    """Temperature of every heat sink. [K]"""
    ambients = {side["ambient"] for side in about.sinks.values() if "ambient" in side}
    if len(ambients) != 1:
        given = ", ".join(f"{a:g} K" for a in sorted(ambients)) or "none"
        raise DeckError(Problem("heat sink", f"wants one temperature for all heat sinks, got {given}", str(about.path)))
    return ambients.pop()


def _cooling(about: Description) -> Mapping[str, Any]:
    faces = {
        side: {"film_coefficient": f"{given['film']:.12g} W/m^2/K"} for side, given in about.sinks.items() if "film" in given
    }
    return {**faces, "ambient": f"{_ambient(about):.12g} K"}


def _asked_probes(about: Description, powered: Mapping[str, str], marked: set[str]) -> list[dict[str, str]]:
    """``T ( die, x, y, … )`` as probes; other outputs are named in the notes."""
    points = []
    for s in about.outputs:
        kind, *rest = s.words
        if kind == "T" and rest and rest[0] in powered:
            x, y = (MICRO * float(w) for w in rest[1:] if re.fullmatch(r"[-+.\deE]+", w))
            name = deck_name(f"T_{rest[0]}", marked)
            marked.add(name)
            points.append({"name": name, "layer": powered[rest[0]], "x": length(x), "y": length(y)})
        elif kind not in ("Tmap", "Tflp", "Tflpel"):
            about.notes.append(f"Output {kind} has no equivalent; the dataset holds layer means, maps and probes.")
    return points


def _asked_maps(about: Description, powered: Mapping[str, str]) -> dict[str, Any]:
    """``Tmap`` as maps on the cells of 3D-ICE."""
    layers = [powered[s.words[1]] for s in about.outputs if s.words[0] == "Tmap" and s.words[1] in powered]
    if not layers or {"cell_length", "cell_width"} - set(about.dimensions):
        return {}
    d = about.dimensions
    grid = [max(1, round(d[f"chip_{way}"] / d[f"cell_{way}"])) for way in ("length", "width")]
    return {"maps": {"layers": list(dict.fromkeys(layers)), "grid": grid}}
