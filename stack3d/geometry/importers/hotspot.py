"""HotSpot's floorplan, power trace, layer, configuration and material files.

HotSpot's layers are listed from the side away from the heat sink; spreader and sink of its configuration follow on top.
Formats and defaults: HotSpot 6 and 7, their HOWTO and example files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.floorplans import hotspot_units, number
from stack3d.geometry.importers.common import (
    MOST_PROBES,
    Element,
    Imported,
    Solid,
    bounds,
    box,
    deck_name,
    length,
    over_time,
    probes,
    read_lines,
    size,
)
from stack3d.layout import Rectangle

ACTIVE = 1e-6
"""Thickness of the sheet that stands for HotSpot's nodes, at most a tenth of the layer. [m]"""
DEFAULTS: dict[str, float] = {
    "t_chip": 0.15e-3, "k_chip": 130.0, "p_chip": 1630300.0,
    "t_interface": 20e-6, "k_interface": 4.0, "p_interface": 4.0e6,
    "s_spreader": 30e-3, "t_spreader": 1e-3, "k_spreader": 400.0, "p_spreader": 3.55e6,
    "s_sink": 60e-3, "t_sink": 6.9e-3, "k_sink": 400.0, "p_sink": 3.55e6,
    "r_convec": 0.1, "c_convec": 140.4, "ambient": 318.15, "init_temp": 333.15, "sampling_intvl": 3.333e-6,
}  # fmt: skip
"""HotSpot's own, for keys that the configuration does not set. SI."""
SWITCHES = {
    "model_secondary": "the secondary heat path through package and board: the bottom is adiabatic",
    "leakage_used": "leakage that follows temperature: powers are those of the trace",
    "package_model_used": "the fan and fin model of the package: r_convec is used",
    "use_microfluidic_cooling": None,
}
"""Switch → what is left out when it is on; None is refused."""


@dataclass(frozen=True)
class Slab:
    """One layer of a layer file."""

    name: str
    is_lateral: bool
    has_power: bool
    material: Solid
    thickness: float
    floorplan: tuple[Element, ...]


def read(paths: Sequence[Path], name: str, transient: bool = False) -> Imported:
    """Scenario of one HotSpot run, over time when asked for and a trace is given; raises DeckError."""
    by_kind = {suffix: [p for p in paths if p.suffix == suffix] for suffix in {p.suffix for p in paths}}
    for kind, found in by_kind.items():
        if kind != ".flp" and len(found) > 1:
            raise DeckError(f"HotSpot takes one {kind}, got {', '.join(map(str, found))}")
    if ".lcf" not in by_kind and len(by_kind.get(".flp", [])) != 1:
        raise DeckError("a HotSpot run has an .lcf for its layers, or exactly one .flp for a single chip")
    solids = _materials(by_kind[".materials"][0]) if ".materials" in by_kind else {}
    settings, texts = _config(by_kind[".config"][0], solids) if ".config" in by_kind else (dict(DEFAULTS), {})
    notes = _switched(texts)
    if ".lcf" in by_kind:
        slabs = _layers(by_kind[".lcf"][0], solids)
    else:
        chip = _floorplan(by_kind[".flp"][0], solids)
        slabs = [
            Slab("chip", True, True, _solid(settings, "chip"), settings["t_chip"], chip),
            Slab("interface", True, False, _solid(settings, "interface"), settings["t_interface"], ()),
        ]
    traces = _trace(by_kind[".ptrace"][0]) if ".ptrace" in by_kind else {}
    slabs = _powered(slabs, traces, by_kind.get(".ptrace", [None])[0])
    if transient and not traces:
        raise DeckError("a transient wants a .ptrace with the powers over time")
    if texts.get("init_file", "(null)") != "(null)":
        notes.append("-init_file has no equivalent: a transient starts at one temperature, init_temp.")
    return _scenario(name, slabs, settings, notes, traces, transient)


def _solid(settings: Mapping[str, float], part: str) -> Solid:
    k = settings[f"k_{part}"]
    return Solid((k, k, k), settings[f"p_{part}"])


def _materials(path: Path) -> dict[str, Solid]:
    """Solids by name: blocks of name, kind, conductivity, capacity and, for fluids, viscosity."""
    words = [(n, w) for n, line in read_lines(path, r"#.*") for w in line.split()]
    found: dict[str, Solid] = {}
    while words:
        (line, name), *rest = words
        kind = rest[0][1] if rest else ""
        if kind not in ("solid", "fluid") or len(rest) < (3 if kind == "solid" else 4):
            raise DeckError(Problem(name, "wants solid or fluid, then its numbers", str(path), line))
        k, capacity = (number(w, path, n, name) for n, w in rest[1:3])
        found[name] = Solid((k, k, k), capacity)
        words = rest[3 if kind == "solid" else 4 :]
    return found


def _config(path: Path, solids: Mapping[str, Solid]) -> tuple[dict[str, float], dict[str, str]]:
    """Numbers that the stack needs, defaults filled in, and every key as text."""
    texts: dict[str, str] = {}
    settings = dict(DEFAULTS)
    for line, text in read_lines(path, r"#.*"):
        key, *values = text.split()
        if not key.startswith("-") or len(values) != 1:
            raise DeckError(Problem(key, f"wants '-key value', got {text.strip()!r}", str(path), line))
        key = key.removeprefix("-")
        texts[key] = values[0]
        if key in DEFAULTS:
            settings[key] = number(values[0], path, line, key)
    for part in ("chip", "interface", "spreader", "sink"):  # a material stands over single numbers
        chosen = texts.get(f"material_{part}")
        if chosen is not None:
            solid = _named(chosen, solids, path, None)
            settings[f"k_{part}"], settings[f"p_{part}"] = solid.conductivity[0], solid.heat_capacity
    return settings, texts


def _named(name: str, solids: Mapping[str, Solid], path: Path, line: int | None) -> Solid:
    if name not in solids:
        known = ", ".join(solids) or "none; give the .materials file too"
        raise DeckError(Problem("", f"unknown material {name!r}{did_you_mean(name, solids)}; known: {known}", str(path), line))
    return solids[name]


def _switched(texts: Mapping[str, str]) -> list[str]:
    notes = []
    materials = {f"material_{part}" for part in ("chip", "interface", "spreader", "sink")}
    if unused := sorted(texts.keys() - DEFAULTS.keys() - SWITCHES.keys() - materials - {"init_file"}):
        notes.append(f"Settings that were not used: {', '.join(unused)}.")
    for key, meaning in SWITCHES.items():
        if texts.get(key, "0") != "0":
            if meaning is None:
                raise DeckError(f"-{key} {texts[key]}: cooling channels of HotSpot cannot be imported")
            notes.append(f"-{key} has no equivalent: {meaning}.")
    return notes


def _floorplan(path: Path, solids: Mapping[str, Solid]) -> tuple[Element, ...]:
    """Units and, for layers of several materials, a material or its capacity and resistivity."""
    found: list[Element] = []
    for (_, line), name, (width, height, x, y), rest in hotspot_units(path):
        material = None
        if len(rest) == 1:
            material = _named(rest[0], solids, path, line)
        elif len(rest) == 2:
            capacity, resistivity = (number(t, path, line, name) for t in rest)
            material = Solid((1 / resistivity,) * 3, capacity)
        elif rest:
            raise DeckError(
                Problem(name, f"wants a material or two numbers after its place, got {' '.join(rest)!r}", str(path), line)
            )
        found.append(Element(name, Rectangle(x, x + width, y, y + height), material=material))
    if not found:
        raise DeckError(Problem("", "holds no unit", str(path)))
    return tuple(found)


def _layers(path: Path, solids: Mapping[str, Solid]) -> list[Slab]:
    """Layers: number, lateral Y/N, power Y/N, a material or capacity and resistivity, thickness, floorplan."""
    words = [(n, w) for n, line in read_lines(path, r"#.*") for w in line.split()]
    slabs: list[Slab] = []
    while words:
        line, index = words[0]
        if index != str(len(slabs)):
            raise DeckError(Problem("", f"wants layer number {len(slabs)}, got {index!r}", str(path), line))
        by_name = len(words) > 3 and not _is_number(words[3][1])
        count = 6 if by_name else 7
        if len(words) < count:
            raise DeckError(Problem(f"layer {index}", "ends too early", str(path), line))
        _, lateral, power, *rest = (w for _, w in words[:count])
        if {lateral, power} - {"Y", "N"}:
            message = f"wants Y or N for lateral heat flow and power, got {lateral!r} {power!r}"
            raise DeckError(Problem(f"layer {index}", message, str(path), line))
        if by_name:
            solid = _named(rest[0], solids, path, words[3][0])
        else:
            capacity, resistivity = (number(t, path, words[3][0], f"layer {index}") for t in rest[:2])
            solid = Solid((1 / resistivity,) * 3, capacity)
        floorplan = path.parent / rest[-1]
        if floorplan.suffix == ".csv":
            raise DeckError(Problem(f"layer {index}", "cooling channels of HotSpot cannot be imported", str(path), line))
        thickness = number(rest[-2], path, words[count - 2][0], f"layer {index}")
        elements = _floorplan(floorplan, solids)
        name = deck_name(f"l{index}_{floorplan.stem}")
        slabs.append(Slab(name, lateral == "Y", power == "Y", solid, thickness, elements))
        words = words[count:]
    if not slabs:
        raise DeckError(Problem("", "holds no layer", str(path)))
    return slabs


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _trace(path: Path) -> dict[str, tuple[float, ...]]:
    """Powers over time by unit."""
    lines = read_lines(path, r"#.*")
    if not lines:
        raise DeckError(Problem("", "holds neither names nor powers", str(path)))
    (first, header), *rows = lines
    names = header.split()
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DeckError(Problem(twice[0], "is named twice", str(path), first))
    columns: list[list[float]] = [[] for _ in names]
    for line, text in rows:
        values = text.split()
        if len(values) != len(names):
            raise DeckError(Problem("", f"has {len(values)} powers for {len(names)} units", str(path), line))
        for i, (name, value) in enumerate(zip(names, values), 1):
            watts = number(value, path, line, "power")
            if watts < 0:
                raise DeckError(Problem(name, f"has a negative power in column {i}: {value} W", str(path), line))
            columns[i - 1].append(watts)
    if not rows:
        raise DeckError(Problem("", "holds no power below its names", str(path), first))
    return {name: tuple(column) for name, column in zip(names, columns)}


def _powered(slabs: Sequence[Slab], traces: Mapping[str, tuple[float, ...]], path: Path | None) -> list[Slab]:
    """The layers with the powers of the trace on their units; every column must find its unit."""
    units = {e.name for slab in slabs if slab.has_power for e in slab.floorplan}
    for name in traces:
        if name not in units:
            raise DeckError(Problem(name, f"no powered unit of this name{did_you_mean(name, units)}", str(path), 1))
    if traces and (missing := sorted(units - set(traces))):
        raise DeckError(Problem(missing[0], f"has no column of powers; without one: {', '.join(missing)}", str(path), 1))
    return [
        replace(s, floorplan=tuple(replace(e, powers=traces.get(e.name, ())) for e in s.floorplan)) if s.has_power else s
        for s in slabs
    ]


def _scenario(
    name: str,
    slabs: Sequence[Slab],
    settings: Mapping[str, float],
    notes: list[str],
    traces: Mapping[str, tuple[float, ...]],
    transient: bool,
) -> Imported:
    chip = bounds(slabs[0].floorplan)
    layers: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    points: list[dict[str, str]] = []
    taken: set[str] = set()
    for slab in slabs:
        k = slab.material.conductivity
        if not slab.is_lateral:
            k = (1e-6 * k[0], 1e-6 * k[1], k[2])
            notes.append(f"{slab.name}: no lateral heat flow, so its lateral conductivity is a millionth.")
        material = replace(slab.material, conductivity=k).deck()
        blocks = [
            {"name": deck_name(e.name), **box(e.extent, chip), "material": e.material.deck()}
            for e in slab.floorplan
            if e.material
        ]
        extra = {"blocks": blocks} if blocks else {}
        thickness = slab.thickness
        if slab.has_power:
            sheet = min(ACTIVE, 0.1 * thickness)
            layer = f"{slab.name}_active"
            layers.append({"name": layer, "thickness": length(sheet), "material": material, **extra})
            thickness -= sheet
            for element in slab.floorplan:
                watts = sum(element.powers) / len(element.powers) if element.powers else 0.0
                where = {"name": deck_name(element.name), "layer": layer, **box(element.extent, chip)}
                sources.append({**where, "power": f"{watts:.12g} W"})
            if len(slab.floorplan) <= MOST_PROBES:
                points += probes(layer, "", slab.floorplan, chip, taken)
            else:
                notes.append(f"{slab.name}: {len(slab.floorplan)} units are too many for a probe in each.")
        layers.append({"name": slab.name, "thickness": length(thickness), "material": material, **extra})
    for part in ("spreader", "sink"):
        edge = [length(settings[f"s_{part}"])] * 2
        plate = {
            "name": part,
            "thickness": length(settings[f"t_{part}"]),
            "material": _solid(settings, part).deck(),
            "size": edge,
        }
        layers.append(plate)
    samples = max((len(t) for t in traces.values()), default=0)
    notes = [
        "HotSpot multiplies every heat capacity by 0.333; here they are as the files state them, so a transient takes three"
        " times as long as HotSpot's.",
        "HotSpot's nodes lie at the bottom face of a layer: its power enters and its temperature is read there. Powered layers"
        f" start with a sheet of at most {ACTIVE * 1e6:g} um that carries the power and the probes.",
        "HotSpot lumps spreader and sink beyond the chip into a few nodes; here they are solids, centred on the chip.",
        "c_convec, the capacity of the air side, is spread over the top face; steady temperatures do not depend on it.",
        *(
            [f"The trace of {samples} samples is averaged, as HotSpot does for its steady state; --transient keeps its course."]
            if samples > 1 and not transient
            else []
        ),
        *([] if traces else ["No .ptrace: every power is zero, set power.sources."]),
        *notes,
    ]
    power: dict[str, Any] = {"sources": sources}
    timed: dict[str, Any] = {}
    tables: dict[str, str] = {}
    if transient:
        powers = {deck_name(unit): course for unit, course in traces.items()}
        interval, initial = settings["sampling_intvl"], settings["init_temp"]
        power["trace"], timed["transient"], tables = over_time(deck_name(name), powers, interval, initial)
    scenario = {
        "scenario": deck_name(name),
        "title": "Imported from HotSpot",
        "geometry": {"footprint": size(chip), "layers": layers, "source": "HotSpot files"},
        "power": power,
        **timed,
        "cooling": {
            "top": {"resistance": f"{settings['r_convec']:.12g} K/W", "heat_capacity": f"{settings['c_convec']:.12g} J/K"},
            "ambient": f"{settings['ambient']:.12g} K",
        },
        "probes": points,
        "solver": "standard",
    }
    return Imported(scenario, tuple(notes), tables)
