"""Floorplans of layers from files: YAML, CSV, or HotSpot's .flp; their units become blocks and heat sources of the deck."""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import yamlfile
from stack3d.errors import FEW, DeckError, Problem, ValidityWarning, brief, did_you_mean, few
from stack3d.rectangles import overlapping
from stack3d.units import parse
from stack3d.yamlfile import FileLine, Items, Mapping

COLUMNS = ("name", "x", "y", "width", "height", "power", "material")
"""Of a CSV file; a length column carries its unit, as ``x [mm]``. The last two may be missing, or empty for a unit."""
NEEDED = COLUMNS[:5]
MOST_TIERS = 256
"""Repetitions of the layers of `tiers`."""
UNIT_KEYS = ("name", "x", "y", "power", "material", "source", "assumed")
"""Of a unit in a YAML file."""

OVERLAP = 1e-3
"""Share of the smaller side of a unit by which it may reach into another: files round their numbers."""

MOST_BYTES = 64_000_000
"""Of a floorplan that is no YAML, or of an importer's file."""

MOST_UNITS = 20_000
"""Of a floorplan."""
MOST_SIZE = 0.5
"""Of a unit, and of its place, in a HotSpot floorplan: beyond any wafer. [m]"""
MOST_PAIRS = 1000
"""Overlapping units that are counted."""
MOST_TOLD = 6
"""Wrong titles that are told."""

COUNTS = ("footprint", "layer")
"""What x and y of a floorplan may count from the corner of."""

HEADER = "name,x [mm],y [mm],width [mm],height [mm],power [W]"
"""First line of a floorplan as CSV, for messages."""

Unit = Mapping
"""Name, x and y as [lower, upper] with units, and perhaps power and material; knows file and line of each."""


def read(path: Path) -> list[Unit]:
    """Units of a floorplan; the ending of the file chooses the form.

    Raises
    ------
    DeckError
        With file and line, for every mistake that the form shows.
    """
    readers: dict[str, Callable[[Path], Iterable[Unit]]]
    readers = {".yaml": _from_yaml, ".yml": _from_yaml, ".csv": _from_csv, ".flp": _from_hotspot}
    if path.suffix not in readers:
        raise DeckError(f"a floorplan ends in {', '.join(readers)}, not {path.suffix or 'nothing'}")
    units = list(islice(readers[path.suffix](path), MOST_UNITS + 1))
    if len(units) > MOST_UNITS:
        raise DeckError(Problem("", f"has more than {MOST_UNITS} units, the most that is read", *units[-1].here))
    seen: set[str] = set()
    twice = []
    for unit in units:
        twice += [unit] if (name := str(unit.get("name"))) in seen else []
        seen.add(name)
    if twice:
        raise DeckError([Problem("name", f"unit {u.get('name')!r} is there twice", *u.here) for u in twice])
    if not units:
        raise DeckError(Problem("", "holds no unit", yamlfile.shown(path)))
    return units


def _unit(place: FileLine, **entries: Any) -> Unit:
    unit = Mapping(place)
    for key, value in entries.items():
        unit.put(key, yamlfile.wrapped(value, place), place)
    return unit


def _from_yaml(path: Path) -> list[Unit]:
    """``units:`` with name, x and y as blocks have them, and perhaps power and material."""
    tree = yamlfile.read(path)
    units = tree.get("units")
    if not isinstance(units, Items):
        raise DeckError(Problem("units", "is missing: a list of units with name, x and y", *tree.here))
    problems = []
    for i, unit in enumerate(units):
        if not isinstance(unit, Mapping):
            problems.append(Problem(f"units[{i}]", f"wants name, x and y, got {brief(unit)}", *units.places[i]))
            continue
        for key in unit:
            if key not in UNIT_KEYS:
                message = f"unknown key {key!r}{did_you_mean(key, UNIT_KEYS)}; allowed: {', '.join(UNIT_KEYS)}"
                problems.append(Problem(f"units[{i}]", message, *unit.places[key]))
    if problems:
        raise DeckError(problems)
    return list(units)


def read_text(path: Path) -> str:
    """Text of a file; raises DeckError when it cannot be read."""
    return yamlfile.read_text(path, MOST_BYTES)


def number(text: str, path: Path, line: int | None, what: str) -> float:
    """A number; raises DeckError with file and line.

    Parameters
    ----------
    text : str
    path : Path
        File that holds it.
    line : int or None
    what : str
        Key, for the message.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DeckError(Problem(what, f"wants a number, got {few(text)}", yamlfile.shown(path), line))
    return value


def hotspot_units(path: Path) -> Iterator[tuple[FileLine, str, list[float], list[str]]]:
    """Units of a HotSpot ``.flp``: file and line, name, [width, height, left x, bottom y] in metres, and what follows.

    Lines of connectivity, of two names, are left out. Raises DeckError with file and line, for overlaps too.
    """
    units = list(islice(_hotspot_lines(path), MOST_UNITS + 1))
    size = np.array([size for _, _, size, _ in units]).reshape(-1, 4)
    for i, j in overlapping(np.hstack([size[:, 2:], size[:, 2:] + size[:, :2]]), slack=0.0, share=OVERLAP):
        (place, name, *_), (other, earlier, *_) = units[i], units[j]
        raise DeckError(Problem(name, f"unit {name!r} overlaps unit {earlier!r} of line {other[1]}", *place))
    yield from units


def _hotspot_lines(path: Path) -> Iterator[tuple[FileLine, str, list[float], list[str]]]:
    file = yamlfile.shown(path)
    for line, text in enumerate(yamlfile.lines_of(path, MOST_BYTES), 1):
        words = text.partition("#")[0].split()
        if len(words) in (0, 3):
            continue
        place, key = (file, line), words[0][:FEW]
        if len(words) < 5:
            message = f"wants name, width, height, left x, bottom y and perhaps a material, got {few(text.strip())}"
            raise DeckError(Problem(key, message, *place))
        size = [number(word, path, line, key) for word in words[1:5]]
        if min(size[:2]) <= 0:
            message = f"wants a positive width and height, got {size[0]:g} and {size[1]:g}"
            raise DeckError(Problem(key, message, *place))
        if max(map(abs, size)) > MOST_SIZE:
            message = f"lengths of a .flp are metres, and this unit has {max(size, key=abs):g}: are mm or um meant?"
            raise DeckError(Problem(key, message, *place))
        yield place, words[0], size, words[5:]


def _from_csv(path: Path) -> Iterator[Unit]:
    """Columns ``name``, ``x``, ``y`` (lower left corner), ``width``, ``height``, perhaps ``power`` and ``material``."""
    rows, file = rows_of(path), yamlfile.shown(path)
    line, head = next(rows, (1, []))
    units_of = _columns(head, (file, line))
    for at, row in rows:
        if len(row) != len(units_of):
            hint = yamlfile.decimal_comma(row, len(units_of))
            raise DeckError(Problem("", f"wants {len(units_of)} values, got {len(row)}{hint}", file, at))
        cells = dict(zip(units_of, (cell.strip() for cell in row)))
        start = {key: number(cells[key], path, at, key) for key in NEEDED[1:]}
        entries: dict[str, Any] = {"name": cells["name"]}
        for axis, size in (("x", "width"), ("y", "height")):
            if units_of[axis] != units_of[size]:
                raise DeckError(Problem("", f"columns {axis} and {size} want one unit", file, line))
            entries[axis] = [f"{v:.12g} {units_of[axis]}" for v in (start[axis], start[axis] + start[size])]
        if cells.get("power"):
            entries["power"] = f"{_watts(cells, path, at)!r} {units_of['power']}"
        if cells.get("material"):
            entries["material"] = cells["material"]
        yield _unit((file, at), **entries)


def rows_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows of a CSV file, one after the other, without comments and empty ones; raises DeckError."""
    reader = csv.reader(yamlfile.lines_of(path, MOST_BYTES))
    try:
        yield from ((reader.line_num, row) for row in reader if any(row) and row[0][:1] != "#")
    except csv.Error as error:
        raise DeckError(Problem("", f"cannot be read as .csv: {error}", yamlfile.shown(path), reader.line_num)) from None


def _columns(head: list[str], place: FileLine) -> dict[str, str]:
    """Columns of a CSV file and the unit of each."""
    units_of: dict[str, str] = {}
    if said := yamlfile.other_separator(head):
        raise DeckError(Problem("", said, *place))
    for title in head:
        key, _, unit = title.strip().removesuffix("]").partition("[")
        units_of[key.strip()] = unit.strip()
    wrong = [k for k in units_of if k not in COLUMNS] + [k for k in NEEDED if k not in units_of]
    if wrong:
        listed = ", ".join(k if len(k) <= FEW else few(k) for k in wrong[:MOST_TOLD])
        message = f"columns are {', '.join(NEEDED)} and perhaps power and material; wrong or missing: {listed}"
        message += f"; a header is, say, {HEADER!r}"
        raise DeckError(Problem("", message, *place))
    if bare := [k for k in (*NEEDED[1:], "power") if units_of.get(k) == ""]:
        raise DeckError(Problem("", f"column {bare[0]} wants its unit, as '{bare[0]} [mm]' or 'power [W]'", *place))
    return units_of


def _watts(cells: dict[str, str], path: Path, line: int) -> float:
    watts = number(cells["power"], path, line, "power")
    if watts < 0:
        message = f"wants 0 or more, got {watts:g} for unit {cells['name']!r}"
        raise DeckError(Problem("power", message, yamlfile.shown(path), line))
    return watts


def _from_hotspot(path: Path) -> Iterator[Unit]:
    """Units without what follows their place."""
    for place, name, (width, height, x, y), _ in hotspot_units(path):
        yield _unit(place, name=name, x=[f"{x:.12g} m", f"{x + width:.12g} m"], y=[f"{y:.12g} m", f"{y + height:.12g} m"])


def expand(tree: Mapping, folder_of: Callable[[FileLine], Path]) -> list[Problem]:
    """Replace every ``floorplan`` of a layer by what its units say; `folder_of` is where a name written at a place counts from.

    Units with a material become blocks of the layer, units with a power become heat sources, and ``unit: name`` of a source in
    that layer becomes the unit's x and y. Warns of units with a power that overlap.
    """
    problems: list[Problem] = []
    plans: dict[str, dict[str, Unit]] = {}
    for layer, names in _layers(tree.get("geometry")):
        file = layer.get("floorplan")
        if not isinstance(file, str):
            continue
        place = layer.places["floorplan"]
        del layer["floorplan"]
        is_moved = layer.get("floorplan_from") in COUNTS and layer.pop("floorplan_from") == "layer"
        try:
            units = read(folder_of(place) / file)
        except DeckError as error:
            problems += [p if p.line else in_deck(p, "floorplan", place) for p in error.problems]
            continue
        if is_moved and (corner := _corner(tree["geometry"], layer)):
            units = [_moved(unit, corner) for unit in units]
        for name in names:
            plans[name] = {str(unit.get("name")): unit for unit in units}
        _add_blocks(layer, units, place)
        _tell_overlaps(units)
        for unit in units:
            for name in names if "power" in unit else ():
                _add_source(tree, unit, name, alone=len(names) == 1)
    problems += _placed_by_unit(tree, plans)
    return problems


def _tell_overlaps(units: list[Unit]) -> None:
    """Warn of units that heat one place twice: the first of them, and how many pairs there are."""
    heated = [unit for unit in units if "power" in unit]
    try:
        sides = [[parse(value, "length") for key in "xy" for value in unit[key]] for unit in heated]
    except (KeyError, TypeError, ValueError):
        return  # told where units are checked
    if any(len(box) != 4 for box in sides):
        return
    boxes = np.array(sides).reshape(-1, 4)[:, [0, 2, 1, 3]]
    pairs = list(islice(overlapping(boxes, share=OVERLAP), MOST_PAIRS + 1))
    if not pairs:
        return
    later, earlier = min(pairs)
    width, height = 1e3 * (np.minimum(*boxes[[later, earlier], 2:]) - np.maximum(*boxes[[later, earlier], :2]))
    file, line = heated[later].here
    others = f"{'more than ' * (len(pairs) > MOST_PAIRS)}{min(len(pairs), MOST_PAIRS) - 1}"
    more = f"; other pairs that overlap: {others}" if pairs[1:] else ""
    told = f"units {heated[later].get('name')!r} and {heated[earlier].get('name')!r} overlap in {width:.4g} x {height:.4g} mm"
    warnings.warn(ValidityWarning(f"{file}:{line}: {told}; their powers add up{more}"), stacklevel=2)


def _corner(geometry: Mapping, layer: Mapping) -> tuple[float, float] | None:
    """Corner of a layer from that of the footprint [m]; None where a mistake, which is told elsewhere, hides it."""
    try:
        if "offset" in layer:
            x, y = (parse(value, "length") for value in layer["offset"])
        elif "size" in layer:
            x, y = (0.5 * (parse(a, "length") - parse(b, "length")) for a, b in zip(geometry["footprint"], layer["size"]))
        else:
            return None
    except (KeyError, TypeError, ValueError):
        return None
    return x, y


def _moved(unit: Unit, corner: tuple[float, float]) -> Unit:
    """A unit whose x and y counted from a corner [m], counted from that of the footprint."""
    other: Mapping = yamlfile.copy_of(unit)
    for key, start in zip("xy", corner):
        try:
            ends = [f"{parse(value, 'length') + start:.12g} m" for value in unit[key]]
        except (KeyError, TypeError, ValueError):
            continue  # told where units are checked
        other.put(key, yamlfile.wrapped(ends, unit.places[key]), unit.places[key])
    return other


def in_deck(problem: Problem, key: str, place: FileLine) -> Problem:
    """A mistake of a whole file, of a key, at the line that names it."""
    file = f"{problem.file}: " if problem.file else ""
    return Problem(key, f"{file}{problem.message}", *place)


def _listed(holder: Mapping, key: str) -> list[Any]:
    """Items of a list, none where something else stands."""
    found = holder.get(key)
    return found if isinstance(found, Items) else []


def _layers(geometry: Any) -> Iterator[tuple[Mapping, list[str]]]:
    """Layers as decks list them, each with its names in the stack."""
    if not isinstance(geometry, Mapping):
        return
    for part in ("layers", "below", "above"):
        for layer in _listed(geometry, part):
            if isinstance(layer, Mapping):
                yield layer, [str(layer.get("name"))]
    tiers = geometry.get("tiers")
    if isinstance(tiers, Mapping) and isinstance(tiers.get("repeat"), int) and tiers["repeat"] <= MOST_TIERS:
        for layer in _listed(tiers, "layers"):
            if isinstance(layer, Mapping):
                yield layer, [f"t{i}_{layer.get('name')}" for i in range(tiers["repeat"])]


def _add_blocks(layer: Mapping, units: list[Unit], place: FileLine) -> None:
    solid = [unit for unit in units if "material" in unit]
    if not solid:
        return
    if not isinstance(layer.get("blocks"), Items):
        layer.put("blocks", Items(place), place)
    for unit in solid:
        block = Mapping(unit.here)
        for key, value in unit.items():
            if key != "power":
                block.put(key, yamlfile.copy_of(value), unit.places[key])
        layer["blocks"].append(block)
        layer["blocks"].places.append(unit.here)


def _add_source(tree: Mapping, unit: Unit, layer: str, *, alone: bool) -> None:
    if not isinstance(tree.get("power"), Mapping):
        tree.put("power", Mapping(unit.here), unit.here)
    power = tree["power"]
    if not isinstance(power.get("sources"), Items):
        power.put("sources", Items(unit.here), unit.here)
    source = _unit(unit.here, name=unit["name"] if alone else f"{layer}_{unit['name']}", layer=layer)
    for key in ("x", "y", "power"):
        if key in unit:
            source.put(key, yamlfile.copy_of(unit[key]), unit.places[key])
    power["sources"].append(source)
    power["sources"].places.append(unit.here)


def _placed_by_unit(tree: Mapping, plans: dict[str, dict[str, Unit]]) -> list[Problem]:
    """Give sources that name a unit its x and y."""
    problems = []
    power = tree.get("power")
    sources = power.get("sources") if isinstance(power, Mapping) else None
    for i, source in enumerate(sources if isinstance(sources, Items) else ()):
        if not isinstance(source, Mapping) or "unit" not in source:
            continue
        place, name, layer = source.places["unit"], source["unit"], source.get("layer")
        del source["unit"]
        plan = plans.get(str(layer), {})
        if name not in plan:
            known = f"units: {', '.join(plan)}" if plan else f"layer {layer!r} has no floorplan"
            problems.append(
                Problem(f"power.sources[{i}].unit", f"no unit {name!r}{did_you_mean(str(name), plan)}; {known}", *place)
            )
            continue
        for key in ("x", "y"):
            source.put(key, yamlfile.copy_of(plan[name][key]), place)
    return problems
