"""Maps of power from files: each becomes heat sources of its layer, one for every rectangle of equal values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from stack3d import units, yamlfile
from stack3d.decks import map_files, region_tables
from stack3d.decks.region_tables import HeatedRegion
from stack3d.decks.wording import message_of
from stack3d.errors import DeckError, Problem, brief
from stack3d.floorplans import MOST_UNITS, in_deck
from stack3d.schema.base import names_of
from stack3d.schema.workload import SourceDeck
from stack3d.yamlfile import FileLine, Items, Mapping

ROUNDED = 5e-4
"""Share of a length that four digits leave unknown."""


def expand(tree: Mapping, folder_of: Callable[[FileLine], Path]) -> list[Problem]:
    """Replace every source that has a ``map`` by sources of its cells; equal neighbours become one rectangle.

    Rows of the map go from the lowest y on, columns from the lowest x on. `folder_of` is where a name written at a place counts
    from. The values share the ``power`` of the source, or have a ``map_unit``; a table of regions may have powers of its own.
    """
    power = tree.get("power")
    sources = power.get("sources") if isinstance(power, Mapping) else None
    if not isinstance(sources, Items):
        return []
    problems: list[Problem] = []
    found, places = list[Any](), list[FileLine]()
    for i, source in enumerate(sources):
        if not (isinstance(source, Mapping) and "map" in source):
            if isinstance(source, Mapping) and "map_unit" in source:
                problems += _of_unit(source, f"power.sources[{i}]", "belongs to a map; this source has none").problems
                if "power" not in source:
                    continue  # the map would have said it: one mistake is one line
            found.append(source)
            places.append(sources.places[i])
            continue
        place = source.places["map"]
        problems += _unknown(source, f"power.sources[{i}]")
        try:
            for cell in _cells(source, f"power.sources[{i}]", folder_of(place)):
                found.append(cell)
                places.append(place)
        except DeckError as error:
            problems += [p if p.line else in_deck(p, f"power.sources[{i}].map", place) for p in error.problems]
        except ValueError as error:
            problems.append(Problem(f"power.sources[{i}].map", str(error), *place))
    sources[:] = found
    sources.places = places
    return problems


def _unknown(source: Mapping, key: str) -> Iterator[Problem]:
    """Keys of a source that no source has: its cells, which the schema sees, have none of them."""
    for word in source:
        if word not in names_of(SourceDeck):
            said = message_of({"type": "extra_forbidden"}, (word,), SourceDeck, {})
            yield Problem(f"{key}.{word}", str(said), *source.places[word])


def _cells(source: Mapping, key: str, folder: Path) -> Iterator[Mapping]:
    """Sources of a map: names, x, y and powers."""
    file = source["map"]
    if not isinstance(file, str):
        raise ValueError(f"wants the name of a .csv or .npy file, got {brief(file)}")
    path = folder / file
    if path.suffix == ".csv" and region_tables.is_region_table(path):
        if "map_unit" in source:
            raise _of_unit(source, key, "is left out: a table of regions states its unit in its first line")
        yield from _heated(source, key, region_tables.read(path))
        return
    (x0, x1), (y0, y1) = (_span(source, axis, key) for axis in ("x", "y"))
    values = map_files.read(path, "power")
    if not values.any():
        raise DeckError(f"{yamlfile.shown(path)}: a map of power has values of 0 or more, some of them above")
    ny, nx = values.shape
    if "map_unit" in source:
        share = _watts_of_one(source, key, (x1 - x0) * (y1 - y0) / values.size)
    else:
        share = _power(source, key) / values.sum()
    rectangles = map_files.rectangles(values, without=0.0)
    if len(rectangles) > MOST_UNITS:
        wanted = f"{MOST_UNITS} are the most that is read; give it fewer cells or round its values"
        raise ValueError(f"has {len(rectangles)} rectangles of equal values; {wanted}")
    for j0, j1, i0, i1 in rectangles:
        x, y = ([a + (b - a) * i / n for i in ends] for a, b, n, ends in ((x0, x1, nx, (i0, i1)), (y0, y1, ny, (j0, j1))))
        yield _cell(source, f"{j0}_{i0}", (x, y), float(values[j0, i0] * share * (j1 - j0) * (i1 - i0)))


def _of_unit(source: Mapping, key: str, message: str) -> DeckError:
    return DeckError(Problem(f"{key}.map_unit", message, *source.places["map_unit"]))


def _watts_of_one(source: Mapping, key: str, area: float) -> float:
    """Power of a cell of which the map says 1, and whose area is given in m^2; raises DeckError. [W]"""
    unit = source["map_unit"]
    if "power" in source:
        raise _of_unit(source, key, "says the power in full; leave out power, or map_unit where the map holds shares of it")
    for dimension, size in (("heat_flux", area), ("power", 1.0)):
        with suppress(ValueError):
            return units.parse(f"1 {unit}", dimension) * size
    raise _of_unit(source, key, f"wants a power density as 'W/cm^2', or a power per cell as 'mW'; got {brief(unit)}")


def _power(source: Mapping, key: str) -> float:
    """That of a source; raises DeckError. [W]"""
    if "power" not in source:
        message = "is missing: the map holds shares of it; a map_unit as 'W/cm^2' says that the map holds densities"
        raise DeckError(Problem(f"{key}.power", message, *source.places["map"]))
    try:
        return units.parse(source.get("power"), "power")
    except ValueError as error:
        raise DeckError(Problem(f"{key}.power", str(error), *source.places["power"])) from None


def _cell(source: Mapping, name: str, where: tuple[list[float], list[float]], watts: float) -> Mapping:
    """A source of one rectangle of a map.

    Parameters
    ----------
    source : Mapping
        That has the map.
    name : str
        What follows its name.
    where : (list, list)
        Ends along x and along y. [m]
    watts : float
    """
    place = source.places["map"]
    cell = Mapping(place)
    entries = {"name": f"{source.get('name')}_{name}", "layer": source.get("layer")}
    entries |= {axis: [f"{end!r} m" for end in ends] for axis, ends in zip("xy", where)}
    entries |= {"power": f"{watts!r} W", **{key: source[key] for key in ("source", "assumed") if key in source}}
    for key, value in entries.items():
        cell.put(key, yamlfile.wrapped(value, place), place)
    return cell


def _heated(source: Mapping, key: str, regions: list[HeatedRegion]) -> Iterator[Mapping]:
    """Sources of a table of regions, which share the power of the source where it has one; raises DeckError.

    Parameters
    ----------
    source : Mapping
    key : str
        Of the source.
    regions : list of HeatedRegion
        From the origin of a layout, which lies at the lower ends of x and y of the source, else at the corner of the footprint.
    """
    spans = [_span(source, axis, key) if axis in source else (0.0, math.inf) for axis in ("x", "y")]
    share = _power(source, key) / sum(region.power for region in regions) if "power" in source else 1.0
    slack = ROUNDED * max(max(abs(end) for end in vars(region.extent).values()) for region in regions)
    for n, region in enumerate(regions):
        box = region.extent
        ends = [[low + end for end in of] for (low, _), of in zip(spans, ((box.x0, box.x1), (box.y0, box.y1)))]
        for axis, (low, high), of in zip("xy", spans, ends):
            if of[0] < low - slack or of[1] > high + slack:
                told = f"{1e6 * (of[0] - low):g} to {1e6 * (of[1] - low):g} um"
                message = f"region from {told} reaches outside the {axis} of the source"
                raise DeckError(Problem(f"{key}.map", message, *region.place))
        inside = [[max(of[0], low), min(of[1], high)] for (low, high), of in zip(spans, ends)]
        yield _cell(source, str(n), (inside[0], inside[1]), region.power * share)


def _span(source: Mapping, axis: str, key: str) -> tuple[float, float]:
    """Ends of a map along an axis. [m]"""
    if axis not in source:
        message = f"is missing: a map spans its source, {axis}: [lower, upper]"
        raise DeckError(Problem(f"{key}.{axis}", message, *source.places["map"]))
    ends = source[axis]
    if not isinstance(ends, Items) or len(ends) != 2:
        raise ValueError(f"wants the {axis} that it spans, [lower, upper], got {brief(ends)}")
    try:
        low, high = (units.parse(end, "length") for end in ends)
    except ValueError as error:
        raise DeckError(Problem(f"{key}.{axis}", str(error), *source.places[axis])) from None
    if not low < high:
        raise DeckError(Problem(f"{key}.{axis}", f"wants [lower, upper], got {brief(ends)}", *source.places[axis]))
    return low, high
