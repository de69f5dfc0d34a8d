"""Geometry deck → `layout.Stack`: tiers repeated, z placed, every geometric mistake found before meshing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, pairwise
from typing import NamedTuple

import numpy as np

from stack3d import schema
from stack3d.errors import MOST_MISTAKES, DeckError, Problem, did_you_mean
from stack3d.geometry.edges import with_joined_edges
from stack3d.geometry.homogenised import VOID, homogenised, porous
from stack3d.geometry.mixing import material_of, resolved_fill
from stack3d.geometry.share_maps import by_share
from stack3d.layout import Block, Channels, Cylinders, HeatSource, Inlet, Layer, Material, Pins, Rectangle, Stack, overlapping
from stack3d.schema.geometry import GeometryDeck, LayerDeck
from stack3d.schema.scenario import Scenario

HALVED = "that heat would pass but half of the contact; give it to a thin layer without heat under this one"
"""Why a heated layer of a part has no contact: it lies in the conductivity through the layer."""
SAME_HEIGHT = 1e-12
"""Distance within which a probe lies in a plane that ends a layer. [m]"""
MOST_CYLINDERS = 2500
"""In one field that is meshed cylinder by cylinder."""


def _resolved(deck: schema.solids.MaterialDeck, name: str, extent: Rectangle, thickness: float) -> tuple[Cylinders, ...]:
    """Cylinders of a material that asks for meshed ones; raises DeckError when none fits or there are too many."""
    parts = deck.cylinders
    if parts is None or not parts.resolved:
        return ()
    fill = resolved_fill(
        material_of(parts.fill, thickness),
        thickness=thickness,
        insulated=parts.insulated,
        end_resistance=parts.end_resistance,
    )
    found = Cylinders(name, extent, parts.diameter, parts.pitch, fill)
    nx, ny = found.counts
    if nx * ny == 0:
        raise DeckError(f"no cell of pitch {parts.pitch * 1e6:g} um fits into {told(extent)}")
    if nx * ny > MOST_CYLINDERS:
        raise DeckError(f"{nx} x {ny} cylinders are too many to be resolved, at most {MOST_CYLINDERS}; leave out resolved")
    return (found,)


class Listed(NamedTuple):
    """A layer of a deck: its dotted key, its name in the stack, the deck and the tier."""

    key: str
    name: str
    deck: LayerDeck
    tier: int | None = None


def _group(geometry: GeometryDeck, key: str) -> Iterator[Listed]:
    for i, layer in enumerate(getattr(geometry, key.rpartition(".")[2])):
        yield Listed(f"{key}[{i}]", layer.name, layer)


def up_to_tiers(geometry: GeometryDeck, key: str = "geometry") -> Iterator[Listed]:
    """Each layer of a deck at a key from the bottom up, those of `above` and of parts left out."""
    yield from _group(geometry, f"{key}.layers")
    yield from _group(geometry, f"{key}.below")
    if geometry.tiers is not None:
        for tier in range(geometry.tiers.repeat):
            for i, layer in enumerate(geometry.tiers.layers):
                yield Listed(f"{key}.tiers.layers[{i}]", f"t{tier}_{layer.name}", layer, tier)


def over_tiers(geometry: GeometryDeck, key: str = "geometry") -> Iterator[Listed]:
    """Each layer of `above`, as `up_to_tiers`."""
    return _group(geometry, f"{key}.above")


def build_stack(geometry: GeometryDeck) -> Stack:
    """Place the layers of a geometry deck; of a mesh of the user's own, a layer per region.

    Raises
    ------
    DeckError
        Names used twice, blocks outside their layer or overlapping, layers that do not touch; all of them at once.
    """
    if geometry.footprint is None:
        from stack3d.geometry.user_mesh import read_mesh, region_stack

        return region_stack(read_mesh(geometry))
    footprint = Rectangle(0.0, geometry.footprint[0], 0.0, geometry.footprint[1])
    problems: list[Problem] = []
    if not geometry.parts:
        stack = Stack(tuple(placed(chain(up_to_tiers(geometry), over_tiers(geometry)), footprint, 0.0, problems)), footprint)
    else:
        from stack3d.geometry.side_by_side import with_parts

        stack = with_parts(geometry, footprint, problems)
    problems += _misplaced(stack.layers)
    if problems:
        raise DeckError(list({(p.key, p.message): p for p in problems}.values()))
    return with_joined_edges(stack)


def placed(layers: Iterable[Listed], box: Rectangle, z: float, problems: list[Problem], part: str = "") -> list[Layer]:
    """Layers one over the other; what is wrong with them is added to the `problems`.

    Parameters
    ----------
    layers : iterable of Listed
    box : Rectangle
        Size of every layer without its own; x and y of their decks count from its lower left corner. [m]
    z : float
        Height of the bottom of the first. [m]
    problems : list of Problem
    part : str
        That they belong to, which stands before their names.
    """
    out: list[Layer] = []
    known: dict[str, tuple[Material, tuple[Block, ...]]] = {}
    names = set[str]()
    width, depth = box.x1 - box.x0, box.y1 - box.y0
    for key, own, deck, tier in layers:
        if own in names:
            problems.append(Problem(f"{key}.name", f"the name {own!r} is used twice"))
        names.add(own)
        name = f"{part}.{own}" if part else own
        size = deck.size or (width, depth)
        x, y = deck.offset or (0.5 * (width - size[0]), 0.5 * (depth - size[1]))
        extent = Rectangle(box.x0 + x, box.x0 + x + size[0], box.y0 + y, box.y0 + y + size[1])
        if key not in known:  # those of repeated tiers are the same
            material, mapped = _material(key, deck, extent, problems)
            known[key] = material, mapped or _blocks(key, name, deck, extent, problems, (box.x0, box.y0))
        if z + deck.thickness == z:
            text = f"layer {name!r} of {deck.thickness:g} m vanishes at a height of {z:g} m"
            problems.append(Problem(f"{key}.thickness", text))
        material, blocks = known[key]
        made = _filled(key, name, deck, extent, blocks, problems)
        sites = deck.tile_sites or (1, 1)
        if made[1] is not None and isinstance(made[1].pins, Pins):
            material = porous(material, made[1])
        elif made[1] is not None and made[1].pins is not None:
            made = ((Block("channels", made[1].outlines[0], porous(material, made[1])),), *made[1:])
        top, contact = z + deck.thickness, deck.contact_resistance
        out.append(Layer(name, z, top, extent, material, contact, tier, deck.role, *made, sites, part))
        z = top
    return out


def _material(key: str, deck: LayerDeck, extent: Rectangle, problems: list[Problem]) -> tuple[Material, tuple[Block, ...]]:
    """What a layer is made of, and blocks of a map of shares; mistakes of the map are added to the `problems`.

    Parameters
    ----------
    key : str
        Of the layer.
    deck : LayerDeck
    extent : Rectangle
        [m]
    problems : list of Problem
    """
    try:
        return by_share(deck.material, extent, deck.thickness)
    except DeckError as error:
        problems += [p if p.line else Problem(f"{key}.material.pattern.map", p.message) for p in error.problems]
        return VOID, ()


def _filled(
    key: str, name: str, deck: LayerDeck, extent: Rectangle, blocks: tuple[Block, ...], problems: list[Problem]
) -> tuple[tuple[Block, ...], Channels | None, tuple[Cylinders, ...]]:
    """Blocks, channels and cylinders of a layer; what does not go together is added to the `problems`."""
    fields = [(f"{key}.material", deck.material, name, extent)]
    fields += [
        (f"{key}.blocks[{j}].material", block.material, f"{name}.{block.name}", made.extent)
        for j, (block, made) in enumerate(zip(deck.blocks, blocks))
        if block.material.cylinders is not None
    ]
    cylinders: list[Cylinders] = []
    for where, material, of, box in fields:
        try:
            cylinders += _resolved(material, of, box, deck.thickness)
        except DeckError as error:
            problems.append(Problem(f"{where}.cylinders", str(error)))
    if cylinders and cylinders[0].name == name and (blocks or deck.flow):
        problems.append(Problem(key, f"resolved cylinders all over layer {name!r} leave no room for blocks or channels"))
    try:
        if deck.pins is not None:
            return blocks, _with_pins(deck.pins, extent, deck.thickness), tuple(cylinders)
        if deck.channels is None:
            return blocks, None, tuple(cylinders)
        channels = _channels(deck.channels, extent, deck.thickness)
        if deck.channels.homogenised:
            return blocks, homogenised(channels, deck.channels.wall_width, extent), tuple(cylinders)
    except DeckError as error:
        problems.append(Problem(f"{key}.{'pins' if deck.channels is None else 'channels'}", f"layer {name!r}: {error}"))
        return blocks, None, tuple(cylinders)
    return tuple(Block(f"channel{j}", box, VOID) for j, box in enumerate(channels.outlines)), channels, tuple(cylinders)


def _misplaced(layers: Sequence[Layer]) -> list[Problem]:
    """Channels and pins without a solid layer on either side, and layers that do not touch."""
    problems = []
    for lower, middle, upper in zip([None, *layers[:-1]], layers, [*layers[1:], None]):
        if middle.channels is None:
            continue
        what = "pins" if isinstance(middle.channels.pins, Pins) else "channels"
        if lower is None or upper is None or lower.channels or upper.channels:
            problems.append(Problem("geometry", f"{what} of layer {middle.name!r} want a solid layer below and above"))
        elif not all(side.extent.contains(box) for side in (lower, upper) for box in middle.channels.outlines):
            problems.append(Problem("geometry", f"{what} of layer {middle.name!r} reach beyond the layer below or above"))
        elif upper.contact_resistance:
            problems.append(Problem("geometry", f"layer {upper.name!r} lies on {what}: it cannot have a contact_resistance"))
    return problems + apart(layers)


def apart(layers: Sequence[Layer]) -> list[Problem]:
    """Layers that do not touch the one below."""
    return [
        Problem("geometry", f"layer {above.name!r} does not touch layer {below.name!r} below it")
        for below, above in pairwise(layers)
        if not below.extent.overlaps(above.extent)
    ]


def _blocks(
    key: str, name: str, deck: LayerDeck, extent: Rectangle, problems: list[Problem], origin: tuple[float, float]
) -> tuple[Block, ...]:
    """Blocks of a layer; those outside it, and of each pair that overlaps, are added to the `problems`.

    Parameters
    ----------
    key, name : str
    deck : LayerDeck
    extent : Rectangle
        Of the layer. [m]
    problems : list of Problem
    origin : (float, float)
        Where x and y of the blocks count from. [m]
    """
    x, y = origin
    boxes = [Rectangle(x + b.x[0], x + b.x[1], y + b.y[0], y + b.y[1]) for b in deck.blocks]
    for j, (block, box) in enumerate(zip(deck.blocks, boxes)):
        if box.x0 >= box.x1 or box.y0 >= box.y1:
            problems.append(Problem(f"{key}.blocks[{j}]", f"block {block.name!r} has no area: x and y want [lower, upper]"))
        elif not extent.contains(box):
            text = (
                f"block {block.name!r} reaches outside layer {name!r}: {told(box)} in {told(extent)}{_from_corner(box, extent)}"
            )
            problems.append(Problem(f"{key}.blocks[{j}]", text))
    pairs = overlapping(np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes]).reshape(-1, 4))
    for later, earlier in sorted(islice(pairs, MOST_MISTAKES + 1)):
        text = f"block {deck.blocks[later].name!r} overlaps block {deck.blocks[earlier].name!r}"
        problems.append(Problem(f"{key}.blocks[{later}]", text))
    return tuple(Block(b.name, box, material_of(b.material, deck.thickness)) for b, box in zip(deck.blocks, boxes))


def _channels(deck: schema.geometry.ChannelsDeck, extent: Rectangle, thickness: float) -> Channels:
    """Outlines of the channels of a layer; raises DeckError when they do not fill it."""
    along_y = deck.direction.endswith("y")
    low, high = (extent.x0, extent.x1) if along_y else (extent.y0, extent.y1)
    inner = deck.count * deck.width + (deck.count - 1) * deck.wall_width
    first, last = deck.edge_wall_width or (0.5 * (high - low - inner),) * 2
    if min(first, last) <= 0 or abs(inner + first + last - (high - low)) > 1e-6 * (high - low):
        raise DeckError(
            f"{deck.count} channels of {deck.width * 1e6:g} um with walls of {deck.wall_width * 1e6:g} um and edge walls of"
            f" {first * 1e6:g} and {last * 1e6:g} um take {(inner + first + last) * 1e3:g} mm; the layer is"
            f" {(high - low) * 1e3:g} mm wide there"
        )
    starts = [low + first + i * (deck.width + deck.wall_width) for i in range(deck.count)]
    outlines = tuple(
        Rectangle(a, a + deck.width, extent.y0, extent.y1) if along_y else Rectangle(extent.x0, extent.x1, a, a + deck.width)
        for a in starts
    )
    law = deck.law or ("straight" if deck.passes == 1 else "serpentine")
    found = _flow(deck, outlines, thickness, deck.wall_film_coefficient, law)
    each = found.flow_rate / deck.count
    inlets = tuple(
        Inlet(x.name, x.count, x.flow_rate or each * x.count, x.inlet_temperature or deck.inlet_temperature, x.reverse)
        for x in deck.inlets
    )
    return replace(found, passes=deck.passes, inlets=inlets)


def _flow(
    deck: schema.geometry.FlowDeck,
    outlines: tuple[Rectangle, ...],
    height: float,
    film: float | None,
    law: str,
    pins: Pins | None = None,
) -> Channels:
    """Coolant in outlines of one size.

    Parameters
    ----------
    deck : FlowDeck
    outlines : tuple of Rectangle
        [m]
    height : float
        [m]
    film : float, optional
        On walls or pins. [W m⁻² K⁻¹]
    law : str
    pins : Pins, optional
    """
    along_x, along_y = outlines[0].x1 - outlines[0].x0, outlines[0].y1 - outlines[0].y0
    width, length = (along_x, along_y) if deck.direction.endswith("y") else (along_y, along_x)
    return Channels(
        outlines,
        "y" if deck.direction.endswith("y") else "x",
        width,
        height,
        length,
        float("nan") if deck.flow_rate is None else deck.flow_rate,
        deck.inlet_temperature,
        deck.coolant.heat_capacity,
        deck.coolant.conductivity,
        deck.coolant.viscosity,
        film,
        deck.coolant.density,
        deck.coolant.boiling_point,
        deck.floor_film_coefficient,
        deck.ceiling_film_coefficient,
        law,
        pins,
        deck.direction.startswith("-"),
    )


def _with_pins(deck: schema.geometry.PinsDeck, extent: Rectangle, thickness: float) -> Channels:
    """A cavity with pins all over a layer; raises DeckError where not one fits."""
    pins = Pins(deck.diameter, *deck.pitch, deck.arrangement == "staggered")
    found = _flow(deck, (extent,), thickness, deck.film_coefficient, deck.law or f"pins_{deck.arrangement}", pins)
    if found.width < pins.across or found.length < pins.along:
        size = f"{found.width * 1e3:g} mm across the flow and {found.length * 1e3:g} mm along"
        raise DeckError(f"pins at a pitch of {pins.across * 1e6:g} and {pins.along * 1e6:g} um do not fit into {size}")
    return found


def channel_keys(geometry: GeometryDeck) -> dict[str, str]:
    """Key of the channels or pins of each layer that has them, by the name of the layer."""
    listed = chain(up_to_tiers(geometry), over_tiers(geometry))
    return {x.name: f"{x.key}.{'pins' if x.deck.channels is None else 'channels'}" for x in listed if x.deck.flow is not None}


def told(box: Rectangle) -> str:
    """A rectangle in words."""
    return f"x {box.x0 * 1e3:g} to {box.x1 * 1e3:g} mm, y {box.y0 * 1e3:g} to {box.y1 * 1e3:g} mm"


def tile_sites(stack: Stack) -> list[tuple[str, Rectangle]]:
    """(layer, box) of every tile site: bottom tier first, of parts one after the other, then rows along y, then x."""
    sites = []
    for layer in stack.with_role("rram"):
        nx, ny = layer.sites
        box = layer.extent
        dx, dy = (box.x1 - box.x0) / nx, (box.y1 - box.y0) / ny
        for j in range(ny):
            for i in range(nx):
                x0, y0 = box.x0 + i * dx, box.y0 + j * dy
                sites.append((layer.name, Rectangle(x0, x0 + dx, y0, y0 + dy)))
    return sites


def _from_corner(box: Rectangle, extent: Rectangle) -> str:
    """What is said of a box that would lie inside a layer if it counted from the corner of that; empty for others."""
    x, y = extent.x0, extent.y0
    if (x, y) == (0.0, 0.0) or not extent.contains(Rectangle(box.x0 + x, box.x1 + x, box.y0 + y, box.y1 + y)):
        return ""
    counted = "; x and y count from the corner of the footprint. If yours count from the corner of the layer, add"
    return f"{counted} {1e3 * x:.6g} mm to x and {1e3 * y:.6g} mm to y, or write floorplan_from: layer beside a floorplan"


def explicit_sources(scenario: Scenario, stack: Stack) -> tuple[HeatSource, ...]:
    """Heat sources of ``power.sources``; raises DeckError for unknown layers and boxes outside them."""
    problems: list[Problem] = []
    sources = []
    for i, deck in enumerate(scenario.power.sources if scenario.power else ()):
        key = f"power.sources[{i}]"
        if deck.layer not in stack.index:
            near = did_you_mean(deck.layer, stack.index)
            problems.append(Problem(f"{key}.layer", f"no layer {deck.layer!r}{near}; layers: {', '.join(stack.index)}"))
            continue
        layer = stack.layer(deck.layer)
        extent = layer.extent
        box = Rectangle(*(deck.x or (extent.x0, extent.x1)), *(deck.y or (extent.y0, extent.y1)))
        if box.x0 >= box.x1 or box.y0 >= box.y1:
            problems.append(Problem(key, f"source {deck.name!r} has no area: x and y want [lower, upper]"))
        elif not extent.contains(box):
            problems.append(
                Problem(
                    key,
                    f"source {deck.name!r} reaches outside layer {deck.layer!r}: {told(box)} in {told(extent)}"
                    f"{_from_corner(box, extent)}",
                )
            )
        elif any(block.material is VOID and block.extent.contains(box) for block in layer.blocks):
            problems.append(Problem(key, f"source {deck.name!r} lies in a channel of layer {deck.layer!r}: {told(box)}"))
        elif layer.part and layer.contact_resistance:
            text = f"source {deck.name!r} heats layer {deck.layer!r}, which has a contact_resistance: {HALVED}"
            problems.append(Problem(f"{key}.layer", text))
        sources.append(HeatSource(deck.name, deck.layer, box, deck.power))
    if problems:
        raise DeckError(problems)
    return tuple(sources)


def check_places(scenario: Scenario, stack: Stack) -> list[Problem]:
    """Mistakes in probes and maps: unknown layers, points outside them."""
    problems = []
    for i, probe in enumerate(scenario.probes):
        if probe.layer not in stack.index:
            near = did_you_mean(probe.layer, stack.index)
            problems.append(Problem(f"probes[{i}].layer", f"no layer {probe.layer!r}{near}; layers: {', '.join(stack.index)}"))
            continue
        layer = stack.layer(probe.layer)
        if not layer.extent.contains(Rectangle(probe.x, probe.x, probe.y, probe.y)):
            problems.append(
                Problem(f"probes[{i}]", f"probe {probe.name!r} lies outside layer {probe.layer!r} ({told(layer.extent)})")
            )
        if probe.z is not None and not layer.z0 - SAME_HEIGHT <= probe.z <= layer.z1 + SAME_HEIGHT:
            span = f"{layer.z0 * 1e6:g} to {layer.z1 * 1e6:g} um"
            problems.append(Problem(f"probes[{i}].z", f"probe {probe.name!r} lies outside layer {probe.layer!r} (z {span})"))
    for i, name in enumerate(scenario.maps.layers if scenario.maps else ()):
        if name not in stack.index:
            problems.append(Problem(f"maps.layers[{i}]", f"no layer {name!r}{did_you_mean(name, stack.index)}"))
    return problems
