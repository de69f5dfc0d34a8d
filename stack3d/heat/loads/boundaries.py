"""Conditions on cooled faces, patches of them, and walls of channels."""

from __future__ import annotations

from functools import partial

import numpy as np

from stack3d.heat.loads.flows import channel_runs
from stack3d.layout import Rectangle, Stack, Surface
from stack3d.schema import CoolingDeck, FaceDeck
from stack3d.thermal import Face, FilmLaw, HeatProblem

FIRST_RISE = 20.0
"""Rise of a face over ambient at which a film that follows its temperature begins. [K]"""


def face_of(deck: FaceDeck, area: float, ambient: float, where: str = "cooling") -> Face:
    """Condition of a cooled face; where the film follows the temperature, that of a first guess.

    Parameters
    ----------
    deck : FaceDeck
    area : float
        [m²]
    ambient : float
        [K]
    where : str
        Key of the deck, for messages.
    """
    flux, capacity = deck.flux or 0.0, deck.heat_capacity / area if deck.heat_capacity is not None else 0.0
    reference = surroundings(deck, ambient)
    if deck.temperature is not None:
        return Face(np.inf, reference, flux)
    if (cooler := deck.thermoelectric) is not None:
        return Face(cooler.peltier + cooler.conductance, reference, flux, capacity)
    return Face(deck.film(ambient + FIRST_RISE, ambient, area, where), reference, flux, capacity)


def surroundings(deck: FaceDeck, ambient: float) -> float:
    """Temperature that a face would take without heat: its own, that of its cooler at zero power, or ambient. [K]"""
    if deck.temperature is not None:
        return deck.temperature
    if (cooler := deck.thermoelectric) is not None:
        return (cooler.conductance * cooler.hot_side + cooler.joule) / (cooler.peltier + cooler.conductance)
    return ambient


def film_laws(cooling: CoolingDeck, problem: HeatProblem) -> dict[str, FilmLaw]:
    """Laws of the faces whose film follows their temperature."""
    follow = {n: deck for n, deck in cooling.conditions.items() if deck.follows_surface}
    where, ambient = cooling.keys, cooling.ambient
    return {n: partial(d.film, ambient=ambient, area=problem.area(n), where=where[n]) for n, d in follow.items()}


def surfaces_of(cooling: CoolingDeck, stack: Stack) -> list[Surface]:
    """Patches of a cooling deck; raises UnknownNameError for a layer that is not there."""
    out = []
    for patch in cooling.patches:
        extent = stack.layer(patch.layer).extent
        box = Rectangle(*(patch.x or (extent.x0, extent.x1)), *(patch.y or (extent.y0, extent.y1)))
        out.append(Surface(patch.name, patch.layer, patch.face, (box,)))
    return out


def exposed_area(stack: Stack, surface: Surface) -> float:
    """Area of a top or bottom that no solid of the layer over or under it covers. [m²]"""
    own, slabs = stack.layer(surface.layer).extent, stack.slabs[surface.layer]
    at = slabs.stop if surface.side == "top" else slabs.start - 1
    found = sum(_shared(box, own) for box in surface.extents)
    if not 0 <= at < len(stack.layers):
        return found
    other = stack.layers[at]
    voids = [block.extent for block in other.blocks if not any(block.material.conductivity)]
    found -= sum(_shared(box, own, other.extent) for box in surface.extents)
    return found + sum(_shared(box, own, void) for box in surface.extents for void in voids)


def _shared(*boxes: Rectangle) -> float:
    """Area that rectangles share. [m²]"""
    width = min(box.x1 for box in boxes) - max(box.x0 for box in boxes)
    depth = min(box.y1 for box in boxes) - max(box.y0 for box in boxes)
    return max(width, 0.0) * max(depth, 0.0)


def side_area(stack: Stack) -> float:
    """Area of the lateral faces on the outermost lateral bounds. [m²]"""
    extents = [layer.extent for layer in stack.layers]
    x0, x1 = min(e.x0 for e in extents), max(e.x1 for e in extents)
    y0, y1 = min(e.y0 for e in extents), max(e.y1 for e in extents)
    total = 0.0
    for layer in stack.layers:
        e = layer.extent
        total += layer.thickness * (e.y1 - e.y0) * ((e.x0 == x0) + (e.x1 == x1))
        total += layer.thickness * (e.x1 - e.x0) * ((e.y0 == y0) + (e.y1 == y1))
    return total


def patches_of(stack: Stack, cooling: CoolingDeck) -> list[tuple[Surface, Face]]:
    """Patches of a cooling deck, then the films of channels, with their conditions."""
    patches: list[tuple[Surface, Face]] = []
    for surface, deck in zip(surfaces_of(cooling, stack), cooling.patches):
        area = exposed_area(stack, surface) or sum(box.area for box in surface.extents)
        patches.append((surface, face_of(deck.condition, area, cooling.ambient, cooling.keys[deck.name])))
    for run in channel_runs(stack):
        for name, surface in run.patches.items():
            patches.append((surface, Face(run.film(name), run.channels.inlet_temperature)))
    return patches


def outer_areas(stack: Stack) -> dict[str, float]:
    """Areas of ``top``, ``bottom`` and ``sides``. [m²]"""
    return {"top": stack.layers[-1].extent.area, "bottom": stack.layers[0].extent.area, "sides": side_area(stack)}


def outer_faces(stack: Stack, cooling: CoolingDeck) -> dict[str, Face]:
    """Conditions of ``top``, ``bottom`` and ``sides``."""
    areas = outer_areas(stack)
    decks = {"top": cooling.top, "bottom": cooling.bottom, "sides": cooling.sides}
    return {name: face_of(deck, areas[name], cooling.ambient, f"cooling.{name}") for name, deck in decks.items()}
