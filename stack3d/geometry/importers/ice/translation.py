"""A scenario from what a 3D-ICE stack description says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from stack3d.errors import did_you_mean, few
from stack3d.geometry.importers.ice.description import Description, Instance, Sink, Slab, read_description
from stack3d.geometry.importers.ice.floorplan import told_size
from stack3d.geometry.importers.ice.words import MICRO, Statement
from stack3d.geometry.importers.parts import length
from stack3d.geometry.importers.scenario_text import Imported, ScenarioDraft, filled
from stack3d.geometry.importers.user_files import mistake
from stack3d.layout import Rectangle

INSTANTS = ("final", "slot", "step")
MOST_BOXES = 4096
"""Along one side of a map."""
WITHOUT_EQUIVALENT = {
    "T3d": "`stack3d view SCENARIO -o field.vtu` writes the whole field.",
    "Pmap": "powers are those of the deck.",
    "Tcoolant": "the dataset holds the mean outlet temperature of each cavity and the mean of its layer.",
}
"""Outputs that are neither probes nor maps, and where to find what they say."""
OF_ELEMENTS = {
    "average": "block_temperature, of every rectangle its own (`stack3d export RESULT --of blocks -o blocks.csv`)",
    "maximum": "the largest of map_temperature within it; layer_temperature_max is that of the whole layer",
    "minimum": "the smallest of map_temperature within it",
}
"""What of an element ``Tflp`` and ``Tflpel`` ask for, and where it is in a result."""


def read(path: Path, name: str, transient: bool | None = None) -> Imported:
    """Scenario of one 3D-ICE stack description, by default steady or not as its solver; raises DeckError."""
    about = read_description(path)
    draft = ScenarioDraft("Imported from 3D-ICE", path, about.chip)
    draft.note("3D-ICE counts in micrometres; lengths, conductivities, capacities and film coefficients are converted to SI.")
    draft.note("3D-ICE lists layers from the top down, decks from the bottom up.")
    if ("solver", "") not in about.said:
        draft.note("There is no solver section: steady (assumed).")
    over_time = _is_over_time(about, draft, about.is_transient if transient is None else transient)
    layer_of = _put_layers(about, draft, over_time)
    for label, height, edge, material, place in sorted(about.plates, key=lambda p: p[0] == "sink"):
        draft.add_layer(label, height, material.deck(), place, more={"size": [length(edge)] * 2})
    draft.more["cooling"] = _cooling(about)
    draft.more |= _outputs(about, draft, layer_of)
    trace = None
    if over_time:
        initial = about.initial if about.initial is not None else _ambient(about)
        trace = (about.slot or 0.0, initial, _times(about, draft))
        draft.note("Time steps follow an error control; 3D-ICE's fixed step of first order is not taken over.")
    return draft.finished(name, f"3D-ICE, {path.name}", trace)


def _is_over_time(about: Description, draft: ScenarioDraft, wanted: bool) -> bool:
    """Whether the powers of the slots are kept; says which ones count."""
    courses = [len(e.powers) for part in about.stack for e in part.floorplan]
    if not any(courses):
        draft.note("No element has power values: every power is zero, set power.sources.")
        return False
    if not all(courses):
        draft.note("Elements without power values have none; 3D-ICE ends its run at the first of them.")
    if not wanted:
        if max(courses) > 1:
            draft.note("Of several power values the first counts, as in 3D-ICE's steady state.")
        return False
    if about.slot is None:
        place = (draft.place[0], about.said.get(("solver", ""), draft.place[1]))
        raise mistake(place, "solver", "wants 'transient step TIME, slot TIME': how long each power value holds")
    if len(set(courses) - {0}) > 1:
        draft.note("Elements have different numbers of power values; time ends with the shortest, as in 3D-ICE.")
    return True


def _put_layers(about: Description, draft: ScenarioDraft, over_time: bool) -> dict[str, str]:
    """Fill the draft from the bottom up; returns the layer that 3D-ICE reads each part of the stack in."""
    layer_of = {}
    lasts = min((len(e.powers) for part in about.stack for e in part.floorplan if e.powers), default=0)
    for part in reversed(about.stack):
        heated = [replace(e, powers=e.powers[:lasts]) for e in part.floorplan] if over_time else part.floorplan
        outline = _outline(about, draft, part)
        for i, slab in reversed(list(enumerate(part.slabs))):
            layer = _put_slab(about, draft, part, slab, outline)
            if i == part.own_layer:
                layer_of[part.name] = layer
            if slab.is_source:
                draft.add_sources(layer, f"{part.name}_", heated, averaged=over_time)
                draft.add_probes(layer, f"{part.name}_", part.floorplan)
        if not about.is_nonuniform and any(e.material for e in part.floorplan):
            draft.note(
                "Materials of elements count in 3D-ICE's non-uniform mode only; this file is uniform, they are left out."
            )
    if about.is_nonuniform:
        draft.note("Cells are the solver profile's: discretization is not taken over.")
    return layer_of


def _outline(about: Description, draft: ScenarioDraft, part: Instance) -> Rectangle:
    """Outline of a part: of the chip, or in the non-uniform mode what the elements of a die fill."""
    if not about.is_nonuniform or part.kind != "die":
        return about.chip
    found = filled(part.floorplan)
    if found is None:
        draft.note(
            f"{part.name}: its elements leave gaps, which 3D-ICE's non-uniform mode takes for empty space; here the die"
            " is whole."
        )
    return found or about.chip


def _put_slab(about: Description, draft: ScenarioDraft, part: Instance, slab: Slab, outline: Rectangle) -> str:
    """Add one layer of a part; returns its name."""
    label = part.name if len(part.slabs) == 1 else f"{part.name}_{slab.label}"
    return draft.add_layer(
        f"{part.name}_source" if slab.is_source else label,
        slab.thickness,
        slab.material.deck(),
        slab.place,
        blocks=part.floorplan if slab.is_source and about.is_nonuniform else slab.layout,
        more=draft.add_outline(outline) | (slab.flow or {}),
    )


def _temperatures(about: Description) -> dict[str, Sink]:
    """Heat sinks by side; raises DeckError for one that lacks a number."""
    for sink in about.sinks.values():
        if sink.film is None or sink.temperature is None:
            raise mistake(sink.place, "heat sink", "wants a heat transfer coefficient and a temperature")
    return about.sinks


def _ambient(about: Description) -> float:
    """Temperature of the heat sinks, else of the coolant as it comes in; raises DeckError. [K]"""
    sinks = _temperatures(about)
    for sink in sinks.values():
        if sink.temperature is not None:
            return sink.temperature
    cavities = [flow for part in about.stack for slab in part.slabs for flow in (slab.flow or {}).values()]
    if not cavities:
        raise mistake(about.stack[0].place, "stack", "there is neither a heat sink nor coolant: heat has no way out")
    return float(cavities[0]["inlet_temperature"].removesuffix(" K"))


def _cooling(about: Description) -> Mapping[str, Any]:
    """Films of the heat sinks; without one the faces are adiabatic."""
    ambient = _ambient(about)
    faces, sinks = dict[str, Any](), _temperatures(about)
    for side, sink in sinks.items():
        faces[side] = {"film_coefficient": f"{sink.film:.12g} W/m^2/K"}
        if sink.temperature != ambient:
            raise mistake(sink.place, "heat sink", f"wants one temperature for all heat sinks, got {sink.temperature:g} K too")
    if (
        sinks
        and not any(sink.film for sink in sinks.values())
        and not any(slab.flow for part in about.stack for slab in part.slabs)
    ):
        message = "is 0 and there is no coolant: heat has no way out"
        raise mistake(next(iter(sinks.values())).place, "heat transfer coefficient", message)
    return {**faces, "ambient": f"{ambient:.12g} K"}


def _part(about: Description, s: Statement, name: str) -> Instance:
    """Part of the stack that an output names; raises DeckError."""
    known = {part.name: part for part in about.stack}
    if name not in known:
        raise s.fail(f"unknown part of the stack {few(name)}{did_you_mean(name, known)}; known: {', '.join(known)}")
    return known[name]


def _point(about: Description, s: Statement) -> tuple[float, float]:
    """Coordinates of an output, before or after the name of its file; raises DeckError. [m]"""
    at = [i for i, word in enumerate(s.words) if i > 1 and word[0] != '"' and word not in INSTANTS]
    if len(at) != 2:
        raise s.fail("wants 'T (PART, X, Y, \"FILE\", WHEN)'")
    x, y = (MICRO * s.value(i) for i in at)
    if not (0.0 <= x <= about.chip.x1 and 0.0 <= y <= about.chip.y1):
        raise s.fail(f"{few(s.word(1))}: the point lies outside the chip, {told_size(about.chip)}")
    return x, y


def _outputs(about: Description, draft: ScenarioDraft, layer_of: Mapping[str, str]) -> dict[str, Any]:
    """``T`` becomes a probe, ``Tmap`` a map on 3D-ICE's cells, ``Tflp`` and ``Tflpel`` means of sources too.

    Of others the notes tell.
    """
    mapped: list[str] = []
    sources = False
    for s in about.outputs:
        kind = s.word(0)
        if kind in WITHOUT_EQUIVALENT:
            if kind != "T3d" and _part(about, s, s.word(1)).kind != "channel" and kind == "Tcoolant":
                raise s.fail(f"{few(s.word(1))} is no channel: only those have coolant")
            draft.note(f"Output {kind}: {WITHOUT_EQUIVALENT[kind]}")
            continue
        whole = "".join(takewhile(lambda word: word[:1] != '"', s.words[1:])) if kind == "Tflpel" else s.word(1)
        name, _, element = whole.partition(".")
        part = _part(about, s, name)
        if kind == "T":
            x, y = _point(about, s)
            draft.add_probe(f"T_{name}", layer_of[name], x, y, s.place)
        elif kind in ("Tmap", "Tflp", "Tflpel"):
            mapped.append(layer_of[name])
            if kind != "Tmap":
                sources = True
                _explain_elements(draft, s, part, element if kind == "Tflpel" else None)
        else:
            known = ("T", "Tmap", "Tflp", "Tflpel", *WITHOUT_EQUIVALENT)
            raise s.fail(f"unknown output {few(kind)}{did_you_mean(kind, known)}; known: {', '.join(known)}")
    if not mapped:
        return {}
    if {"cell_length", "cell_width"} - set(about.dimensions):
        raise mistake(draft.place, "dimensions", "wants cell length and width, on which maps lie")
    d = about.dimensions
    grid = [min(MOST_BOXES, max(1, round(d[f"chip_{way}"] / d[f"cell_{way}"]))) for way in ("length", "width")]
    return {"maps": {"layers": list(dict.fromkeys(mapped)), "grid": grid, **({"sources": True} if sources else {})}}


def _explain_elements(draft: ScenarioDraft, s: Statement, part: Instance, element: str | None) -> None:
    """Tell where the result has what an output asks of elements; raises DeckError for one that is not there."""
    known = [e.name for e in part.floorplan]
    if element is not None and element not in known:
        raise s.fail(f"unknown element {few(element)}{did_you_mean(element, known)} of {few(part.name)}")
    if not set(OF_ELEMENTS) & set(s.words):
        raise s.fail(f"wants one of {', '.join(OF_ELEMENTS)} after the name of the file")
    for word in s.words:
        if word in OF_ELEMENTS:
            draft.note(f"Output {s.word(0)}, {word} of an element: {OF_ELEMENTS[word]}.")


def _times(about: Description, draft: ScenarioDraft) -> list[float]:
    """Ends of the slots, or of the steps where an output asks for them. [s]"""
    slot = about.slot or 0.0
    count = min(len(powers) for powers in draft.powers.values() if powers)
    if not about.step:
        return [i * slot for i in range(1, count + 1)]
    whole = int(slot / about.step * (1.0 + 1e-9))
    is_even = math.isclose(whole * about.step, slot, rel_tol=1e-9)
    if not is_even:
        lasts = f"in 3D-ICE it lasts {whole * about.step:g} s, whole steps; here as stated"
        draft.note(f"A slot of {slot:g} s is no multiple of the step of {about.step:g} s: {lasts}.")
    inner = range(1, whole + (not is_even)) if any(s.words[-1] == "step" for s in about.outputs) else range(0)
    return [t for n in range(count) for t in (*(n * slot + i * about.step for i in inner), (n + 1) * slot)]
