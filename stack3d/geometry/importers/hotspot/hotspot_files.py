"""HotSpot's files: materials, configuration, floorplans, layers and power traces, in SI.

Formats and defaults: HotSpot 6 and 7, their HOWTO, sources and example files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path

from stack3d.errors import DeckError, did_you_mean, few, repeated
from stack3d.floorplans import hotspot_units, number
from stack3d.geometry.importers.parts import Element, Solid
from stack3d.geometry.importers.user_files import find_file, mistake, place_of, read_lines, told, within
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine

DEFAULTS: dict[str, float] = {
    "t_chip": 0.15e-3, "k_chip": 100.0, "p_chip": 1.75e6,
    "t_interface": 20e-6, "k_interface": 4.0, "p_interface": 4.0e6,
    "s_spreader": 30e-3, "t_spreader": 1e-3, "k_spreader": 400.0, "p_spreader": 3.55e6,
    "s_sink": 60e-3, "t_sink": 6.9e-3, "k_sink": 400.0, "p_sink": 3.55e6,
    "r_convec": 0.1, "c_convec": 140.4, "ambient": 318.15, "init_temp": 333.15, "sampling_intvl": 3.333e-6,
    "model_secondary": 0.0, "r_convec_sec": 1.0, "c_convec_sec": 140.4, "t_metal": 10e-6, "t_c4": 0.1e-3,
    "s_sub": 21e-3, "t_sub": 1e-3, "s_solder": 21e-3, "t_solder": 0.94e-3, "s_pcb": 0.1, "t_pcb": 2e-3,
}  # fmt: skip
"""HotSpot's own, for keys that the configuration does not set. SI."""
BY_NUMBER = ("heat_capacity", "")
"""Dimensions of the two numbers that stand for a material: its capacity and its resistivity."""
MOST_DIGITS = 6
"""Of the number of a layer."""
PARTS = ("chip", "interface", "spreader", "sink")
Words = list[tuple[int, str]]


@dataclass(frozen=True)
class Config:
    """Numbers that the stack needs, defaults filled in; every key as text, and where it stands."""

    numbers: Mapping[str, float]
    texts: Mapping[str, str]
    places: Mapping[str, FileLine]

    def solid(self, part: str) -> Solid:
        """Material of a part of `PARTS`."""
        k = self.numbers[f"k_{part}"]
        return Solid((k, k, k), self.numbers[f"p_{part}"])


@dataclass(frozen=True)
class LayerEntry:
    """One layer of a layer file."""

    name: str
    place: FileLine
    is_lateral: bool
    has_power: bool
    material: Solid
    thickness: float
    floorplan: tuple[Element, ...]
    file: Path | None = None
    """That the floorplan was read from, where the layer names one."""


def read_materials(path: Path) -> dict[str, Solid]:
    """Solids by name: blocks of name, kind, conductivity, capacity and, for fluids, viscosity; raises DeckError."""
    words = _words(path)
    found: dict[str, Solid] = {}
    for line, name in words:
        count = {"solid": 3, "fluid": 4}.get(next(words, (0, ""))[1], 1)
        rest = list(islice(words, count - 1))
        if count == 1 or len(rest) < count - 1:
            raise mistake(place_of(path, line), name, "wants solid or fluid, then its numbers")
        k, capacity = (_positive(w, path, n, name, of) for (n, w), of in zip(rest, ("conductivity", "heat_capacity")))
        if name in found:
            raise mistake(place_of(path, line), name, "there are two materials of this name; HotSpot takes the first")
        found[name] = Solid((k, k, k), capacity)
    return found


def _words(path: Path) -> Iterator[tuple[int, str]]:
    return ((n, w) for n, line in read_lines(path) for w in line.split())


def _positive(text: str, path: Path, line: int, key: str, dimension: str = "") -> float:
    """A number above zero, and no larger than a quantity of its dimension may be; raises DeckError.

    Parameters
    ----------
    text : str
    path : Path
    line : int
    key : str
        For the message.
    dimension : str, optional
        As in `units.SI`; absent = of a resistivity, whose inverse counts.
    """
    value = number(text, path, line, key)
    return within(value, dimension or "areal_thermal_resistance", place_of(path, line), (key, "", few(text)))


def _dimension(key: str) -> str:
    """Of a setting, by its first letters; empty for a switch."""
    whole = {"ambient": "temperature", "init_temp": "temperature", "sampling_intvl": "time", "model_secondary": ""}
    first = {"t": "length", "s": "length", "k": "conductivity", "p": "heat_capacity", "r": "thermal_resistance",
             "c": "thermal_capacity"}  # fmt: skip
    return whole[key] if key in whole else first[key[0]]


def read_config(path: Path | None, solids: Mapping[str, Solid]) -> Config:
    """Settings of a configuration, HotSpot's own without one; raises DeckError."""
    numbers, texts, places = dict(DEFAULTS), dict[str, str](), dict[str, FileLine]()
    if path is None:
        return Config(numbers, texts, places)
    for line, text in read_lines(path):
        key, *values = text.split()
        if not key.startswith("-") or len(values) != 1:
            raise mistake(place_of(path, line), key, f"wants '-key value', got {few(text.strip())}")
        key = key.removeprefix("-").lower()  # as HotSpot compares them
        if key in places:
            message = f"is given twice, first on line {places[key][1]}; HotSpot takes the first"
            raise mistake(place_of(path, line), key, message)
        texts[key], places[key] = values[0], place_of(path, line)
        if key in DEFAULTS:
            of = _dimension(key)
            numbers[key] = _positive(values[0], path, line, key, of) if of else number(values[0], path, line, key)
    for part in PARTS:  # a material stands over single numbers
        key = f"material_{part}"
        if key in texts:
            solid = _named(texts[key], solids, places[key])
            numbers[f"k_{part}"], numbers[f"p_{part}"] = solid.conductivity[0], solid.heat_capacity
    return Config(numbers, texts, places)


def _named(name: str, solids: Mapping[str, Solid], place: FileLine) -> Solid:
    if name not in solids:
        known = ", ".join(solids) or "none; give the .materials file too"
        raise mistake(place, "", f"unknown material {few(name)}{did_you_mean(name, solids)}; known: {known}")
    return solids[name]


def read_floorplan(path: Path, solids: Mapping[str, Solid]) -> tuple[Element, ...]:
    """Units and, for layers of several materials, a material or its capacity and resistivity; raises DeckError."""
    found: list[Element] = []
    for place, name, (width, height, x, y), rest in told(list(hotspot_units(path)), place_of(path)[0]):
        material = None
        if len(rest) == 1:
            material = _named(rest[0], solids, place)
        elif len(rest) == 2:
            capacity, resistivity = (_positive(t, path, place[1] or 0, name, of) for t, of in zip(rest, BY_NUMBER))
            material = Solid((1 / resistivity,) * 3, capacity)
        elif rest:
            raise mistake(place, name, f"wants a material or two numbers after its place, got {few(' '.join(rest))}")
        found.append(Element(name, place, (Rectangle(x, x + width, y, y + height),), material=material))
    if not found:
        raise mistake(place_of(path), "", "holds no unit")
    names = set[str]()
    for element in found:
        if element.name in names:
            raise mistake(element.place, element.name, "is there twice")
        names.add(element.name)
    return tuple(found)


def read_layers(path: Path, solids: Mapping[str, Solid], given: Sequence[Path] = ()) -> list[LayerEntry]:
    """Layers by number: lateral Y/N, power Y/N, a material or capacity and resistivity, thickness, floorplan.

    Floorplans are looked for beside the file, in the working folder and among those that are `given`; raises DeckError.
    """
    words = _words(path)
    slabs, lines = dict[int, LayerEntry](), dict[int, int]()
    floorplan_of = cache(lambda file: read_floorplan(file, solids))
    for line, text in words:
        if not text.isdecimal() or len(text) > MOST_DIGITS or int(text) in slabs:
            raise mistake(place_of(path, line), "", f"wants the number of a layer, each once, got {few(text)}")
        layer = [(line, text), *islice(words, 3)]
        layer += islice(words, 2 if len(layer) > 3 and not _is_number(layer[3][1]) else 3)
        if len(layer) < (6 if len(layer) > 3 and not _is_number(layer[3][1]) else 7):
            raise mistake(place_of(path, line), f"layer {text}", "ends too early")
        entry = _layer(layer, path, solids)
        file = _floorplan_file(path, layer[-1], f"layer {text}", given)
        lines[int(text)] = line
        slabs[int(text)] = replace(entry, name=f"l{text}_{file.stem}", floorplan=floorplan_of(file), file=file)
    _refuse_gaps(path, lines)
    return [slabs[i] for i in sorted(slabs)]


def _refuse_gaps(path: Path, lines: Mapping[int, int]) -> None:
    """Raises DeckError unless layers, given with their lines, are numbered from 0 on without a gap."""
    beyond = [line for number, line in lines.items() if number >= len(lines)]
    if beyond or not lines:
        got = ", ".join(map(str, sorted(lines))) or "none"
        raise mistake(place_of(path, beyond[0] if beyond else 1), "", f"wants layers numbered from 0 on, got {got}")


def _layer(words: Words, path: Path, solids: Mapping[str, Solid]) -> LayerEntry:
    """A layer without its floorplan; raises DeckError."""
    (line, text), (_, lateral), (_, power), *material, (at, thickness), (end, _) = words
    key = f"layer {text}"
    if {lateral.upper(), power.upper()} - {"Y", "N"}:
        message = f"wants Y or N for lateral heat flow and power, got {few(lateral)} {few(power)}"
        raise mistake(place_of(path, line), key, message)
    if len(material) == 1:
        [(there, name)] = material
        solid = _named(name, solids, place_of(path, there))
    else:
        capacity, resistivity = (_positive(w, path, n, key, of) for (n, w), of in zip(material, BY_NUMBER))
        solid = Solid((1 / resistivity,) * 3, capacity)
    height = _positive(thickness, path, at, key, "length")
    return LayerEntry(key, place_of(path, end), lateral in "Yy", power in "Yy", solid, height, ())


def _floorplan_file(path: Path, word: tuple[int, str], key: str, given: Sequence[Path]) -> Path:
    """File that a layer names: the given one of this name, with folders in it the one that lies there; raises DeckError."""
    line, name = word
    if Path(name).suffix == ".csv":
        raise mistake(place_of(path, line), key, "cooling channels of HotSpot cannot be imported")
    same = [p for p in given if p.name == Path(name).name]
    if len(same) == 1 and Path(name).parent == Path():
        return same[0]
    try:
        return find_file(name, place_of(path, line), key)
    except DeckError:
        if len(same) == 1:
            return same[0]
        raise


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class PowerColumns:
    """Columns of a power trace, in the order of the file. [W]"""

    path: Path
    line: int
    names: tuple[str, ...]
    columns: tuple[tuple[float, ...], ...]

    def fail(self, name: str, message: str) -> Exception:
        """Error at the line of the names."""
        return mistake(place_of(self.path, self.line), name, message)

    def by_layer(self, units: Sequence[Sequence[str]]) -> list[dict[str, tuple[float, ...]]]:
        """Powers of the units of each powered layer.

        Columns go layer by layer, as HotSpot reads them; where no name repeats, in any order. Raises DeckError for columns
        without a unit and units without a column.
        """
        known = [name for layer in units for name in layer]
        for name in self.names:
            if name not in known:
                raise self.fail(name, f"no powered unit of this name{did_you_mean(name, known)}")
        if len(set(known)) == len(known):
            return self._by_name(units, known)
        if len(self.names) != len(known):
            raise self.fail("", f"has {len(self.names)} columns for {len(known)} units of {len(units)} layers")
        return self._in_order(units)

    def _by_name(self, units: Sequence[Sequence[str]], known: Sequence[str]) -> list[dict[str, tuple[float, ...]]]:
        if twice := repeated(self.names):
            raise self.fail(twice[0], "is named twice")
        found = dict(zip(self.names, self.columns))
        if missing := sorted(set(known) - set(found)):
            raise self.fail(missing[0], f"has no column of powers; without one: {', '.join(missing)}")
        return [{name: found[name] for name in layer} for layer in units]

    def _in_order(self, units: Sequence[Sequence[str]]) -> list[dict[str, tuple[float, ...]]]:
        out, start = [], 0
        for i, layer in enumerate(units):
            part = slice(start, start + len(layer))
            found = dict(zip(self.names[part], self.columns[part]))
            if odd := sorted(set(layer) ^ set(found)):
                message = (
                    f"columns {start + 1} to {start + len(layer)} are those of powered layer {i + 1}, each of its units once"
                )
                raise self.fail(odd[0], message)
            out.append(found)
            start += len(layer)
        return out


def read_trace(path: Path) -> PowerColumns:
    """Names in the first line, powers below; raises DeckError."""
    rows = read_lines(path)
    first, header = next(rows, (0, ""))
    if not first:
        raise mistake(place_of(path), "", "holds neither names nor powers")
    names = header.split()
    values: list[list[float]] = []
    for line, text in rows:
        words = text.split()
        if len(words) != len(names):
            raise mistake(place_of(path, line), "", f"has {len(words)} powers for {len(names)} units")
        values.append([number(word, path, line, "power") for word in words])
        if min(values[-1]) < 0:
            i = next(i for i, watts in enumerate(values[-1]) if watts < 0)
            raise mistake(place_of(path, line), names[i], f"has a negative power in column {i + 1}: {words[i]} W")
        place = place_of(path, line)
        for name, watts, word in zip(names, values[-1], words):
            within(watts, "power", place, (name, "", few(word)), least=0.0)
    if not values:
        raise mistake(place_of(path, first), "", "holds no power below its names")
    return PowerColumns(path, first, tuple(names), tuple(zip(*values)))
