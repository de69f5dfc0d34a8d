"""How warm each part of a chip is when a transient begins: by layer and block, or as an earlier run ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.chip import Chip
from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.layout import FILL, Block, Floats, Layer, Material, Rectangle
from stack3d.schema import EarlierDeck
from stack3d.thermal import Portion, TransientSystem

KEY = "transient.initial"


def start_of(chip: Chip, system: TransientSystem) -> Floats:
    """State of a system as the scenario says that it begins.

    Raises
    ------
    DeckError
        As `check_initial` finds it.
    """
    deck, ambient = chip.scenario.transient, chip.scenario.cooling.ambient
    initial = ambient if deck is None or deck.initial is None else deck.initial
    return system.start(initial) if isinstance(initial, float) else system.begun(_portions(chip, initial))


def coldest_at_start(chip: Chip) -> float:
    """Lowest temperature of any part. [K]"""
    deck, ambient = chip.scenario.transient, chip.scenario.cooling.ambient
    initial = ambient if deck is None or deck.initial is None else deck.initial
    return initial if isinstance(initial, float) else min(portion.temperature for portion in _portions(chip, initial))


def check_initial(chip: Chip) -> list[Problem]:
    """What is wrong with how a transient begins: layers that are not there, a result that does not tell of every layer."""
    deck = chip.scenario.transient
    if deck is None or deck.initial is None or isinstance(deck.initial, float):
        return []
    if chip.scenario.geometry.mesh is not None:
        return [Problem(KEY, "wants layers; a mesh of your own begins at one temperature")]
    if isinstance(deck.initial, EarlierDeck):
        return _check_earlier(chip, deck.initial)
    if not deck.initial:
        return [Problem(KEY, "names no layer; leave it out to begin at ambient")]
    parts = [n for layer in chip.stack.named for n in (layer.name, *map(layer.name_of, layer.blocks))]
    parts += [FILL] if chip.stack.parts else []
    wrong = [name for name in deck.initial if name not in parts]
    return [
        Problem(f"{KEY}.{name}", f"no layer or block {name!r}{did_you_mean(name, parts)}; known: {', '.join(parts)}")
        for name in wrong
    ]


def _check_earlier(chip: Chip, initial: EarlierDeck) -> list[Problem]:
    if chip.stack.parts:
        text = "a result says nothing of the fill between parts; give temperatures by part.layer, and of fill"
        return [Problem(f"{KEY}.result", text)]
    try:
        _portions(chip, initial)
    except DeckError as error:
        return list(error.problems)
    return []


def _portions(chip: Chip, initial: Mapping[str, float] | EarlierDeck) -> list[Portion]:
    """Portions of one material at one temperature each, void left out."""
    earlier = _ended(Path(initial.result), chip) if isinstance(initial, EarlierDeck) else {}
    found = []
    for layer in chip.stack.layers:
        for box, material, name in _solid_parts(layer):
            if isinstance(initial, EarlierDeck):
                cut = _cut(layer.extent, box, earlier[layer.name])
            else:
                rest = initial.get(name.rsplit(".", 1)[0], chip.scenario.cooling.ambient)
                cut = iter([(box, initial.get(name, rest))])
            found += [Portion(layer.name, part, part.area * layer.thickness, material, kelvin) for part, kelvin in cut]
    return found


def _solid_parts(layer: Layer) -> Iterator[tuple[Rectangle, Material, str]]:
    """Rectangles of one material that fill a layer where it is solid, and the name of the block or layer that each is of."""
    around = [layer.extent, *(block.extent for block in layer.blocks)]
    xs = sorted({x for e in around for x in (e.x0, e.x1)})
    ys = sorted({y for e in around for y in (e.y0, e.y1)})
    for y0, y1 in pairwise(ys):
        row = [(x0, x1, _block_at(layer, 0.5 * (x0 + x1), 0.5 * (y0 + y1))) for x0, x1 in pairwise(xs)]
        for own, run in groupby(row, key=lambda cell: cell[2]):
            cells = list(run)
            material = layer.material if own is None else own.material
            if any(material.conductivity):
                yield Rectangle(cells[0][0], cells[-1][1], y0, y1), material, layer.name_of(own)


def _block_at(layer: Layer, x: float, y: float) -> Block | None:
    """The block of a layer at a point, the last of those that lie in each other. [m]"""
    return next((b for b in layer.blocks[::-1] if b.extent.x0 < x < b.extent.x1 and b.extent.y0 < y < b.extent.y1), None)


def _cut(extent: Rectangle, box: Rectangle, boxes: Floats) -> Iterator[tuple[Rectangle, float]]:
    """Parts of a box that lie in the equal boxes of a map of a layer, shape (ny, nx), and the temperature of each. [K]"""
    ny, nx = boxes.shape
    xs, ys = np.linspace(extent.x0, extent.x1, nx + 1), np.linspace(extent.y0, extent.y1, ny + 1)
    for j in range(ny):
        for i in range(nx):
            part = Rectangle(max(xs[i], box.x0), min(xs[i + 1], box.x1), max(ys[j], box.y0), min(ys[j + 1], box.y1))
            if part.x1 > part.x0 and part.y1 > part.y0:
                yield part, float(boxes[j, i])


def _ended(path: Path, chip: Chip) -> dict[str, Floats]:
    """Temperature of each layer at the last time of a result, on the boxes of its map, or one; shape (ny, nx). [K]"""
    import netCDF4

    try:
        with netCDF4.Dataset(path.name, memory=path.read_bytes()) as file:
            thermal = file.groups["thermal"].variables
            if max(v.size for v in thermal.values()) > path.stat().st_size:
                raise LookupError("it claims more values than it has bytes")
            found = _last(thermal["layer_temperature_mean"], thermal["layer"], 0)
            if "map_temperature" in thermal:
                maps = _last(thermal["map_temperature"], thermal["map_layer"], 2)
                found |= {name: boxes for name, boxes in maps.items() if np.isfinite(boxes).all()}
    except (OSError, LookupError, ValueError) as error:
        text = f"{path.name} is no result of one case with temperatures of layers; name the result.nc of a case"
        raise DeckError(Problem(f"{KEY}.result", text)) from error
    if lost := [layer.name for layer in chip.stack.layers if layer.name not in found]:
        text = f"{path.name} tells of no layer {', '.join(lost)}; its layers: {', '.join(found)}"
        raise DeckError(Problem(f"{KEY}.result", text))
    return found


def _last(variable: Any, names: Any, inner: int) -> dict[str, Floats]:
    """Boxes of each layer at the last time; raises LookupError where the variable has more dimensions than a case gives it."""
    if len(variable.dimensions) != 1 + inner + (variable.dimensions[0] == "time"):
        raise LookupError("of several cases")
    values = np.ma.filled(variable[:], np.nan)
    values = values[-1] if variable.dimensions[0] == "time" else values
    return {str(name): np.atleast_2d(boxes) for name, boxes in zip(names[:], values)}
