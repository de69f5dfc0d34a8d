"""Parts that stand side by side on a common base: placed, checked against each other, and cut into layers with blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, pairwise

import numpy as np

from stack3d.errors import MOST_MISTAKES, Problem, did_you_mean, repeated
from stack3d.geometry.edges import ROUNDING, groups
from stack3d.geometry.mixing import material_of
from stack3d.geometry.stack import HALVED, apart, over_tiers, placed, told, up_to_tiers
from stack3d.layout import FILL, Block, Layer, Material, Rectangle, Stack, overlapping
from stack3d.schema.geometry import GeometryDeck, PartDeck
from stack3d.schema.solids import MaterialDeck


def with_parts(geometry: GeometryDeck, footprint: Rectangle, problems: list[Problem]) -> Stack:
    """The stack of a deck with parts; what is wrong with it is added to the `problems`.

    The height of the parts is cut wherever a layer of one of them begins or ends. Each piece becomes a layer of fill over the
    whole footprint with a block for every layer of a part that passes through it.

    Parameters
    ----------
    geometry : GeometryDeck
    footprint : Rectangle
        [m]
    problems : list of Problem
    """
    below = placed(up_to_tiers(geometry), footprint, 0.0, problems)
    problems += [
        Problem("geometry.parts", f"the name of part {name!r} is used twice")
        for name in repeated(part.name for part in geometry.parts)
    ]
    stacks = _stacks(geometry.parts, below[-1], footprint, problems)
    problems += islice(_overlapping(geometry.parts, stacks), MOST_MISTAKES + 1)
    parts = _level(list(chain(*stacks.values())), below[-1].z1, problems)
    fill = list(_cut(parts, geometry.fill, footprint)) if parts and geometry.fill else []
    above = placed(over_tiers(geometry), footprint, (fill or below)[-1].z1, problems)
    common = [layer.name for layer in (*below, *fill, *above)]
    problems += [Problem("geometry", f"the name {name!r} is used twice") for name in repeated(common)]
    return Stack((*below, *fill, *above), footprint, tuple(parts))


def _stacks(
    decks: Sequence[PartDeck], base: Layer, footprint: Rectangle, problems: list[Problem]
) -> dict[int, tuple[Layer, ...]]:
    """Layers of each part by its position, bottom first; those that stand nowhere are left out and told.

    Parameters
    ----------
    decks : sequence of PartDeck
    base : Layer
        That parts stand on.
    footprint : Rectangle
        [m]
    problems : list of Problem
    """
    place = {deck.name: i for i, deck in enumerate(decks)}
    out: dict[int, tuple[Layer, ...]] = {}
    corners: dict[int, tuple[float, float]] = {}
    waiting = list(range(len(decks)))
    while ready := [i for i in waiting if decks[i].on is None or place.get(decks[i].on or "") in out]:
        for i in ready:
            on = decks[i].on
            under, (x, y) = (base, (0.0, 0.0)) if on is None else (out[place[on]][-1], corners[place[on]])
            corners[i] = x + decks[i].at[0], y + decks[i].at[1]
            out[i] = tuple(_standing(decks[i], f"geometry.parts[{i}]", under, corners[i], problems))
            problems += _beyond(decks[i], f"geometry.parts[{i}].at", out[i], under, footprint)
        waiting = [i for i in waiting if i not in ready]
    problems += _nowhere(decks, waiting)
    return {i: out[i] for i in sorted(out)}


def _nowhere(decks: Sequence[PartDeck], waiting: Sequence[int]) -> Iterator[Problem]:
    """Parts on what is not there; or the first of those that stand on each other in a ring."""
    names = [deck.name for deck in decks]
    lost = [i for i in waiting if decks[i].on not in names]
    for i in lost or waiting[:1]:
        on = decks[i].on or ""
        text = f"is not there{did_you_mean(on, names)}; parts: {', '.join(names)}" if i in lost else "stands on it in turn"
        yield Problem(f"geometry.parts[{i}].on", f"part {decks[i].name!r} stands on part {on!r}, which {text}")


def _standing(deck: PartDeck, key: str, under: Layer, corner: tuple[float, float], problems: list[Problem]) -> list[Layer]:
    """Layers of a part on another layer.

    Parameters
    ----------
    deck : PartDeck
    key : str
        Of the part.
    under : Layer
    corner : (float, float)
        Its lower left one. [m]
    problems : list of Problem
    """
    (width, depth), (x, y) = deck.stack.footprint or (0.0, 0.0), corner
    inner = f"{key}.deck" if deck.deck is not None else key
    layers = chain(up_to_tiers(deck.stack, inner), over_tiers(deck.stack, inner))
    made = placed(layers, Rectangle(x, x + width, y, y + depth), under.z1, problems, deck.name)
    problems += [replace(problem, key=key) for problem in apart(made)]
    problems += [Problem(key, text) for text in map(_unfit, made) if text]
    return made


def _unfit(layer: Layer) -> str:
    """Why the contact of a layer of a part cannot lie in its conductivity; empty where it can."""
    text = f"layer {layer.name!r} has a contact_resistance and"
    if not layer.contact_resistance:
        return ""
    if any(material.conducts for material in (layer.material, *(block.material for block in layer.blocks))):
        return f"{text} a conductivity that follows the temperature; put a thin layer of constant conductivity under it"
    return f"{text} heat of its own as {layer.role}: {HALVED}" if layer.role else ""


def _outline(layers: Sequence[Layer]) -> Rectangle:
    """Around layers. [m]"""
    boxes = [layer.extent for layer in layers]
    return Rectangle(min(b.x0 for b in boxes), max(b.x1 for b in boxes), min(b.y0 for b in boxes), max(b.y1 for b in boxes))


def _beyond(deck: PartDeck, key: str, layers: Sequence[Layer], under: Layer, footprint: Rectangle) -> Iterator[Problem]:
    """What of a part reaches over the edge of what it stands on, or beyond the footprint.

    Parameters
    ----------
    deck : PartDeck
    key : str
        Of its place.
    layers : sequence of Layer
        Of the part.
    under : Layer
        That it stands on.
    footprint : Rectangle
        [m]
    """
    low, whole = layers[0].extent, _outline(layers)
    if not under.extent.contains(low):
        what = f"layer {under.name!r}" if deck.on is None else f"part {deck.on!r}"
        yield Problem(key, f"part {deck.name!r} ({told(low)}) overhangs {what} under it ({told(under.extent)})")
    elif not footprint.contains(whole):
        yield Problem(key, f"part {deck.name!r} ({told(whole)}) reaches outside the footprint ({told(footprint)})")


def _overlapping(decks: Sequence[PartDeck], stacks: Mapping[int, tuple[Layer, ...]]) -> Iterator[Problem]:
    """Parts that take the same place."""
    parts = list(stacks)
    outlines = [_outline(stacks[i]) for i in parts]
    pairs = overlapping(np.array([(b.x0, b.y0, b.x1, b.y1) for b in outlines]).reshape(-1, 4))
    for j, i in ((parts[later], parts[earlier]) for later, earlier in pairs):
        met = next(((a, b) for a in stacks[i] for b in stacks[j] if _meet(a, b)), None)
        if met is not None:
            (a, b), (one, other) = met, (decks[i].name, decks[j].name)
            where = f"layer {b.name!r}, {told(b.extent)}, in layer {a.name!r}, {told(a.extent)}"
            yield Problem(f"geometry.parts[{j}].at", f"part {other!r} overlaps part {one!r}: {where}")


def _meet(a: Layer, b: Layer) -> bool:
    shared = min(a.z1, b.z1) - max(a.z0, b.z0)
    return shared > 1e-6 * min(a.thickness, b.thickness) and a.extent.overlaps(b.extent)


def _joined(layer: Layer) -> Layer:
    """The layer of a part with its contact in its own conductivity through the height, exact for heat from elsewhere.

    k_z becomes t / (t / k_z + R).
    """
    if not layer.contact_resistance:
        return layer

    def with_contact(material: Material) -> Material:
        kx, ky, kz = material.conductivity
        return replace(material, conductivity=(kx, ky, layer.thickness / (layer.thickness / kz + layer.contact_resistance)))

    blocks = tuple(replace(block, material=with_contact(block.material)) for block in layer.blocks)
    cylinders = tuple(replace(field, material=with_contact(field.material)) for field in layer.cylinders)
    return replace(layer, material=with_contact(layer.material), blocks=blocks, cylinders=cylinders)


def _level(layers: Sequence[Layer], base: float, problems: list[Problem]) -> list[Layer]:
    """Layers whose heights are one where they differ by rounding alone; the lowest is the base.

    Parameters
    ----------
    layers : sequence of Layer
        Of parts.
    base : float
        [m]
    problems : list of Problem
        Is told of layers that are lost in the rounding.
    """
    heights = [base, *(z for layer in layers for z in (layer.z0, layer.z1))]
    level = {z: group[0] for group in groups(heights, ROUNDING * max(heights)) for z in group}
    for layer in layers:
        if level[layer.z0] == level[layer.z1]:
            text = f"layer {layer.name!r} of {layer.thickness:.3g} m vanishes at a height of {layer.z0:g} m"
            problems.append(Problem("geometry.parts", text))
    return [replace(layer, z0=level[layer.z0], z1=level[layer.z1]) for layer in layers]


def _cut(parts: Sequence[Layer], fill: MaterialDeck, footprint: Rectangle) -> Iterator[Layer]:
    """Layers of fill between the heights at which layers of parts begin or end, with those layers as blocks."""
    heights = sorted({z for part in parts for z in (part.z0, part.z1)})
    material = material_of(fill, heights[-1] - heights[0])
    place = {z: i for i, z in enumerate(heights)}
    passing: list[list[Layer]] = [[] for _ in heights[1:]]
    for part in map(_joined, parts):
        for i in range(place[part.z0], place[part.z1]):
            passing[i].append(part)
    for i, ((low, high), here) in enumerate(zip(pairwise(heights), passing)):
        blocks = [
            block
            for part in here
            for block in (
                Block(part.name, part.extent, part.material),
                *(replace(b, name=f"{part.name}.{b.name}") for b in part.blocks),
            )
        ]
        cylinders = tuple(field for part in here for field in part.cylinders)
        yield Layer(f"{FILL}{i}", low, high, footprint, material, blocks=tuple(blocks), cylinders=cylinders, part=FILL)
