"""Values that a deck may hold but hardly means: told before a run, which goes on with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from stack3d.case.odd_layers import odd_layers
from stack3d.chip import Chip
from stack3d.decks import dotted
from stack3d.errors import Problem
from stack3d.geometry.stack import told
from stack3d.layout import Layer, Rectangle
from stack3d.schema import celsius
from stack3d.schema.base import dimensions_below

COLDEST, HOTTEST = 173.15, 573.15
"""Between which surroundings, coolants, first temperatures and limits of chips lie. [K]"""
MOST_FILM = 1e6
"""Order of the kinetic limit of evaporating water, which no cooling has reached (ASME HT2012, p. 103). [W m⁻² K⁻¹]"""
TOUCHES = 1e-6
"""Distance of two edges that are one, as a share of the width of the layer."""
NOT_OF_CHIPS = ("material", "materials", "coolant", "device", "hybrid", "fill", "uncertain", "sweep", "optimise")
"""Keys below which temperatures are those of a law, or are not of this case."""
MAY_BE_HOT = ("limits", "largest_temperature")
"""Keys whose temperatures may lie above `HOTTEST`: a metal is baked at 400 degC."""


def odd_values(chip: Chip) -> list[Problem]:
    """Temperatures, films and layers of a scenario that are hardly meant, by their keys."""
    scenario = chip.scenario
    phases = {"cooling.ambient"} if scenario.mission is not None else set()  # there stands the mean of the phases
    found = [
        said
        for key, dimension, value in _quantities(scenario, ())
        if key not in phases and (said := _odd(key, dimension, value)) is not None
    ]
    return found + _odd_resistances(chip) + _counted_from_layers(chip) + odd_layers(chip)


def _odd(key: str, dimension: str, value: float) -> Problem | None:
    """What is told of a value, None where there is nothing to tell."""
    if dimension == "temperature":
        told = f"{value:.6g} K is {celsius(value)}"
        ways = f"surroundings and limits of chips lie from {celsius(COLDEST)} to {celsius(HOTTEST)}"
        if value < COLDEST:
            return Problem(key, f"{told}: are degrees Celsius meant? {ways}")
        if value > HOTTEST and not any(name in key for name in MAY_BE_HOT):
            return Problem(key, f"{told}: are kelvin meant? {ways}")
    if dimension == "film_coefficient" and value > MOST_FILM and key.endswith("film_coefficient"):
        return Problem(key, _beyond(value))
    if dimension == "areal_thermal_resistance" and 0 < value < 1 / MOST_FILM and key.endswith("areal_resistance"):
        return Problem(key, f"is a film of {_beyond(1 / value)}")
    return None


def _beyond(film: float) -> str:
    held = "a face that is held says `temperature`"
    return f"{film:.4g} W/m2/K; no cooling of chips reaches {MOST_FILM:g} W/m2/K, water in pipes 1e5; {held}"


def _odd_resistances(chip: Chip) -> list[Problem]:
    """Resistances of whole faces that are films beyond any."""
    layers = chip.stack.layers
    areas = {"bottom": layers[0].extent.area, "top": layers[-1].extent.area}
    faces = {name: face for name, face in chip.scenario.cooling.conditions.items() if name in areas}
    return [
        Problem(f"{chip.scenario.cooling.keys[name]}.resistance", f"is a film of {_beyond(film)}")
        for name, face in faces.items()
        if face.resistance and (film := 1 / (face.resistance * areas[name])) > MOST_FILM
    ]


def _counted_from_layers(chip: Chip) -> list[Problem]:
    """Sources of smaller layers that end at an edge of theirs if x and y count from its corner, and at none as they stand.

    Places count from the corner of the footprint. A floorplan of a die counts from that of the die; part of one may fit in
    either way, and then heats another place.
    """
    return [said for layer in chip.stack.named if (said := _counted_from(layer, chip)) is not None]


def _counted_from(layer: Layer, chip: Chip) -> Problem | None:
    """What is told of the sources of one layer, None where there is nothing to tell."""
    whole, corner = layer.extent, chip.stack.footprint
    dx, dy = whole.x0 - corner.x0, whole.y0 - corner.y0
    decks = chip.scenario.power.sources if chip.scenario.power else ()
    ends = [(*deck.x, *deck.y) for deck in decks if deck.layer == layer.name and deck.x and deck.y]
    if not ends or max(dx, dy) <= 0:
        return None
    x0, x1, y0, y1 = zip(*ends)
    box = Rectangle(min(x0), max(x1), min(y0), max(y1))
    moved = Rectangle(box.x0 + dx, box.x1 + dx, box.y0 + dy, box.y1 + dy)
    if not whole.contains(moved) or not _touches(moved, whole) or _touches(box, whole):
        return None
    text = (
        f"those of layer {layer.name!r} lie at {told(box)}, counted from the corner of the footprint, and end at no edge of the"
        f" layer ({told(whole)}); counted from the corner of the layer they would. If they do, add {1e3 * dx:.6g} mm to x and"
        f" {1e3 * dy:.6g} mm to y, or write floorplan_from: layer beside a floorplan"
    )
    return Problem("power.sources", text)


def _touches(box: Rectangle, whole: Rectangle) -> bool:
    """Whether a box within another has a part of its rim."""
    pairs = zip((box.x0, box.x1, box.y0, box.y1), (whole.x0, whole.x1, whole.y0, whole.y1))
    return any(abs(a - b) < TOUCHES * (whole.x1 - whole.x0) for a, b in pairs)


def _quantities(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, str, float]]:
    """Dotted key, dimension and value of every quantity below a deck; each of a list."""
    for name, field in type(node).model_fields.items():
        key, value = field.alias or name, getattr(node, name)
        if key in NOT_OF_CHIPS:
            continue
        dimension = next(iter(dimensions_below(type(node).annotation_of(key))), "")
        yield from _below(value, (*path, key), dimension)


def _below(value: Any, path: tuple[str | int, ...], dimension: str) -> Iterator[tuple[str, str, float]]:
    if isinstance(value, BaseModel):
        yield from _quantities(value, path)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _below(one, (*path, key), dimension)
    elif isinstance(value, tuple):
        for i, one in enumerate(value):
            yield from _below(one, (*path, i), dimension)
    elif isinstance(value, float) and dimension:
        yield dotted(path), dimension, value
