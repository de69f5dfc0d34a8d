"""A scenario from the files of a HotSpot run.

HotSpot's layers are listed from the side away from the heat sink; spreader and sink of its configuration follow on top, and
the secondary path through package and board lies below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stack3d import yamlfile
from stack3d.errors import DeckError
from stack3d.geometry.importers.hotspot.hotspot_files import (
    DEFAULTS,
    PARTS,
    Config,
    LayerEntry,
    read_config,
    read_floorplan,
    read_layers,
    read_materials,
    read_trace,
)
from stack3d.geometry.importers.parts import Solid, bounds, length
from stack3d.geometry.importers.scenario_text import Imported, ScenarioDraft
from stack3d.geometry.importers.user_files import mistake, place_of
from stack3d.layout import Rectangle

ACTIVE = 1e-6
"""Thickness of the sheet that stands for HotSpot's nodes, at most a tenth of the layer. [m]"""
SAME_SIZE = 1e-6
"""By which HotSpot lets the sizes of layers differ. [m]"""
SWITCHES = {
    "leakage_used": "leakage that follows temperature is left out: powers are those of the trace",
    "package_model_used": "the fan and fin model of the package is left out: r_convec is used",
    "dtm_used": "dynamic thermal management is left out",
    "block_omit_lateral": "lateral heat flow is kept",
}
"""Switch → what is done when it is on."""
DETAILED = "detailed_3D"
"""Switch of the mode that reads materials of units; HotSpot takes every word but ``on`` for off."""
REFUSED = ("use_microfluidic_cooling", "use_microchannels")
OF_BOARD = ("s_sub", "t_sub", "s_solder", "t_solder", "s_pcb", "t_pcb")
"""Keys of the secondary path of every run."""
SECONDARY = {
    "pcb": (1 / 0.333, 1.32e6),
    "solder": (1 / 0.06, 2.1e6),
    "sub": (1 / 0.5, 1.6e6),
    "c4": (1 / 0.8, 1.65e6),
    "metal": (1 / 0.0025, 3.55e6),
}
"""Conductivity [W m⁻¹ K⁻¹] and heat capacity [J m⁻³ K⁻¹] of the secondary path from the board up: HotSpot's temperature.h."""


def read(paths: Sequence[Path], name: str, transient: bool = False) -> Imported:
    """Scenario of one HotSpot run, over time when asked for and a trace is given; raises DeckError."""
    one, floorplans = _sorted(paths)
    solids = read_materials(one[".materials"]) if ".materials" in one else {}
    config = read_config(one.get(".config"), solids)
    for key in REFUSED:
        if config.texts.get(key, "0") != "0":
            raise mistake(config.places[key], f"-{key}", "cooling channels of HotSpot cannot be imported")
    if ".lcf" in one:
        main, slabs = one[".lcf"], read_layers(one[".lcf"], solids, floorplans)
        _refuse_unnamed(floorplans, slabs, main)
    else:
        main, slabs = one[".flp"], _single_chip(one[".flp"], config, solids)
    samples = 0
    if ".ptrace" in one:
        slabs, samples = _powered(slabs, one[".ptrace"])
    elif transient:
        raise DeckError("a transient wants a .ptrace with the powers over time")
    draft = ScenarioDraft("Imported from HotSpot", main, _footprint(slabs))
    _tell_detailed(draft, slabs, config, is_single=".lcf" not in one)
    _explain(draft, slabs, config, samples, transient=transient)
    _fill(draft, slabs, config)
    timing = None
    if transient:
        interval = config.numbers["sampling_intvl"]
        timing = (interval, config.numbers["init_temp"], [i * interval for i in range(1, samples + 1)])
    geometry, surroundings = _defaults(config, is_single=".lcf" not in one, transient=transient)
    if surroundings:
        draft.more["cooling"]["assumed"] = surroundings
    if said := " ".join(filter(None, (geometry, surroundings))):
        draft.note(f"{said} Give a .config that states them, or change the deck.")
    return draft.finished(name, "HotSpot files", timing, assumed=geometry)


def _defaults(config: Config, *, is_single: bool, transient: bool) -> tuple[str, str]:
    """What the files leave to HotSpot's own defaults, of solids and of surroundings, in words; empty for nothing."""
    parts = PARTS if is_single else PARTS[2:]
    solids = [f"{letter}_{part}" for part in parts for letter in "kp" if f"material_{part}" not in config.texts]
    solids += [f"t_{part}" for part in parts] + ["s_spreader", "s_sink"]
    around = ["r_convec", "ambient", *(("c_convec", "init_temp", "sampling_intvl") if transient else ())]
    if config.numbers["model_secondary"]:
        solids += [*(("t_c4", "t_metal") if is_single else ()), *OF_BOARD]
        around += ["r_convec_sec", *(("c_convec_sec",) if transient else ())]
    left = [[f"{k} {config.numbers[k]:g}" for k in keys if k not in config.texts] for keys in (solids, around)]
    geometry, surroundings = (f"HotSpot's defaults, not in its files (SI): {', '.join(of)}." if of else "" for of in left)
    return geometry, surroundings


def _sorted(paths: Sequence[Path]) -> tuple[dict[str, Path], list[Path]]:
    """The first file of each ending, and all floorplans; raises DeckError for what makes no run."""
    by_kind: dict[str, list[Path]] = {}
    for path in paths:
        by_kind.setdefault(path.suffix, []).append(path)
    for kind, found in by_kind.items():
        if kind != ".flp" and len(found) > 1:
            raise DeckError(f"HotSpot takes one {kind}, got {', '.join(map(str, found))}")
    floorplans = by_kind.get(".flp", [])
    if ".lcf" not in by_kind and len(floorplans) != 1:
        raise DeckError("a HotSpot run has an .lcf for its layers, or exactly one .flp for a single chip")
    return {kind: found[0] for kind, found in by_kind.items()}, floorplans


def _refuse_unnamed(floorplans: Sequence[Path], slabs: Sequence[LayerEntry], main: Path) -> None:
    """Raises DeckError for floorplans that no layer is of: they would be dropped."""
    taken = {slab.file.resolve() for slab in slabs if slab.file is not None}
    if unread := [str(path) for path in floorplans if path.resolve() not in taken]:
        raise mistake(place_of(main), "", f"no layer has the floorplan {', '.join(unread)}; name it there, or leave it out")


def _powered(slabs: Sequence[LayerEntry], path: Path) -> tuple[list[LayerEntry], int]:
    """Layers with the powers of a trace, and how many samples it has."""
    trace = read_trace(path)
    of_layer = iter(trace.by_layer([[e.name for e in slab.floorplan] for slab in slabs if slab.has_power]))
    return [_with_powers(slab, next(of_layer)) if slab.has_power else slab for slab in slabs], len(trace.columns[0])


def _single_chip(path: Path, config: Config, solids: dict[str, Solid]) -> list[LayerEntry]:
    """Chip and interface of a run without a layer file."""
    place, n = place_of(path), config.numbers
    return [
        LayerEntry("chip", place, True, True, config.solid("chip"), n["t_chip"], read_floorplan(path, solids)),
        LayerEntry("interface", place, True, False, config.solid("interface"), n["t_interface"], ()),
    ]


def _with_powers(slab: LayerEntry, powers: dict[str, tuple[float, ...]]) -> LayerEntry:
    return replace(slab, floorplan=tuple(replace(e, powers=powers[e.name]) for e in slab.floorplan))


def _footprint(slabs: Sequence[LayerEntry]) -> Rectangle:
    """The rectangle around every floorplan; raises DeckError where layers differ in size, as HotSpot does. [m]"""
    planned = [(slab, bounds([e.boxes[0] for e in slab.floorplan])) for slab in slabs if slab.floorplan]
    whole = bounds([extent for _, extent in planned])
    for slab, extent in planned:
        off = max(abs(getattr(extent, side) - getattr(whole, side)) for side in ("x0", "x1", "y0", "y1"))
        if off > SAME_SIZE:
            message = f"its floorplan ends {off * 1e6:g} um from the edge of the others; HotSpot wants layers of one size"
            raise mistake(slab.place, slab.name, message)
    return whole


def _explain(draft: ScenarioDraft, slabs: Sequence[LayerEntry], config: Config, samples: int, *, transient: bool) -> None:
    """Tell what differs from HotSpot, and what was not taken over."""
    draft.note(
        "HotSpot multiplies every heat capacity by 0.333; here they are as the files state them, so a transient takes three"
        " times as long as HotSpot's."
    )
    draft.note(
        "HotSpot's nodes lie at the bottom face of a layer: its power enters and its temperature is read there. Powered layers"
        f" start with a sheet of at most {ACTIVE * 1e6:g} um that carries the power and the probes."
    )
    draft.note("HotSpot lumps spreader and sink beyond the chip into a few nodes; here they are solids, centred on the chip.")
    draft.note("c_convec, the capacity of the air side, is spread over the top face; steady temperatures do not depend on it.")
    if samples > 1 and not transient:
        draft.note(
            f"The trace of {samples} samples is averaged, as HotSpot does for its steady state; --transient keeps its course."
        )
    if samples == 0:
        draft.note("No .ptrace: every power is zero, set power.sources.")
    known = {*DEFAULTS, *SWITCHES, *REFUSED, DETAILED.lower(), "init_file", *(f"material_{part}" for part in PARTS)}
    if unused := sorted(config.texts.keys() - known):
        draft.note(f"Settings that were not used: {', '.join(unused)}.")
    for key, meaning in SWITCHES.items():
        if config.texts.get(key, "0") != "0":
            draft.note(f"-{key} has no equivalent: {meaning}.")
    if config.texts.get("init_file", "(null)") != "(null)":
        draft.note("-init_file has no equivalent: a transient starts at one temperature, init_temp.")


def _tell_detailed(draft: ScenarioDraft, slabs: Sequence[LayerEntry], config: Config, *, is_single: bool) -> None:
    """Tell what HotSpot's detailed mode, on or off, makes different: its hotspot.c, temperature_grid.c."""
    is_on = config.texts.get(DETAILED.lower()) == "on"
    n, chip = config.numbers, draft.footprint
    twice = 0.5 * n["r_convec"] * n["s_sink"] ** 2 / ((chip.x1 - chip.x0) * (chip.y1 - chip.y0))
    counted = (
        "HotSpot counts half of the convection of the sink above the chip once more, between spreader and sink:"
        f" {twice:.3g} K/W over the chip; here r_convec counts once, so HotSpot's temperatures are higher."
    )
    if is_on and is_single:
        draft.note(f"-{DETAILED} on is left out: HotSpot takes it with an .lcf alone.")
    elif is_on:
        draft.note(f"-{DETAILED} is on: {counted}")
    if any(e.material for slab in slabs for e in slab.floorplan) and (is_single or not is_on):
        wanted = f"with an .lcf and -{DETAILED} on" if is_single else f"with -{DETAILED} on, which no .config here says"
        draft.note(f"HotSpot reads the materials of units only {wanted}; here they count. With it {counted}")


def _fill(draft: ScenarioDraft, slabs: Sequence[LayerEntry], config: Config) -> None:
    """Layers from the bottom up, sources, probes and cooling."""
    n = config.numbers
    bottom = _secondary_path(draft, config, is_single=slabs[0].name == "chip") if n["model_secondary"] else {}
    units = [e.name for slab in slabs if slab.has_power for e in slab.floorplan]
    repeats = len(set(units)) < len(units)
    for slab in slabs:
        k = slab.material.conductivity
        if not slab.is_lateral:
            k = (1e-6 * k[0], 1e-6 * k[1], k[2])
            kept = (
                "; units of a material of their own keep theirs, as in HotSpot"
                if any(e.material for e in slab.floorplan)
                else ""
            )
            draft.note(f"{slab.name}: no lateral heat flow, so its lateral conductivity is a millionth{kept}.")
        material, thickness = replace(slab.material, conductivity=k).deck(), slab.thickness
        if slab.has_power:
            sheet = min(ACTIVE, 0.1 * thickness)
            layer = draft.add_layer(f"{slab.name}_active", sheet, material, slab.place, blocks=slab.floorplan)
            thickness -= sheet
            prefix = f"{slab.name}_" if repeats else ""
            draft.add_sources(layer, prefix, slab.floorplan, averaged=True)
            draft.add_probes(layer, prefix, slab.floorplan)
        draft.add_layer(slab.name, thickness, material, slab.place, blocks=slab.floorplan)
    _refuse_small(config, draft)
    for part in ("spreader", "sink"):
        place = config.places.get(f"t_{part}", draft.place)
        edge = yamlfile.wrapped([length(n[f"s_{part}"])] * 2, config.places.get(f"s_{part}", draft.place))
        draft.add_layer(part, n[f"t_{part}"], config.solid(part).deck(), place, more={"size": edge})
    top = {"resistance": f"{n['r_convec']:.12g} K/W", "heat_capacity": f"{n['c_convec']:.12g} J/K"}
    draft.more["cooling"] = {"top": top, **bottom, "ambient": f"{n['ambient']:.12g} K"}
    draft.more["maps"] = {"sources": True}  # HotSpot writes one temperature a unit


def _refuse_small(config: Config, draft: ScenarioDraft) -> None:
    """Raises DeckError for a spreader smaller than the chip, as HotSpot does, and for a sink smaller than either."""
    chip = max(draft.footprint.x1 - draft.footprint.x0, draft.footprint.y1 - draft.footprint.y0)
    wanted = [
        ("s_spreader", chip, "the chip"),
        ("s_sink", chip, "the chip"),
        ("s_sink", config.numbers["s_spreader"], "the spreader"),
    ]
    for key, least, what in wanted:
        if config.numbers[key] < least - SAME_SIZE:
            said = "" if key in config.texts else ", HotSpot's default"
            message = f"is {length(config.numbers[key])}{said}, smaller than {what}, {length(least)}"
            raise mistake(config.places.get(key, draft.place), key, message)


def _secondary_path(draft: ScenarioDraft, config: Config, *, is_single: bool) -> dict[str, Any]:
    """Board, solder, substrate and, of a single chip, bumps and metal; returns the condition of the bottom face."""
    n = config.numbers
    draft.note("The secondary path is made of solids of HotSpot's sizes and materials, centred on the chip.")
    for part, (k, capacity) in SECONDARY.items():
        if part in ("c4", "metal") and not is_single:
            continue
        outline: dict[str, Any] = {} if part in ("c4", "metal") else {"size": [length(n[f"s_{part}"])] * 2}
        place = config.places.get(f"t_{part}", draft.place)
        draft.add_layer(part, n[f"t_{part}"], Solid((k, k, k), capacity).deck(), place, more=outline)
    bottom = {"resistance": f"{n['r_convec_sec']:.12g} K/W", "heat_capacity": f"{n['c_convec_sec']:.12g} J/K"}
    return {"bottom": bottom}
