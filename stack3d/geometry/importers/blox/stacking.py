"""How chiplets stand on each other, and the deck made from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stack3d import yamlfile
from stack3d.errors import few
from stack3d.geometry.importers.blox.chiplets import PlacedChiplet
from stack3d.geometry.importers.blox.nesting import ChipletAssembly, read_assembly
from stack3d.geometry.importers.blox.power_table import ToldOfChiplet, read_powers
from stack3d.geometry.importers.parts import bounds, box, deck_name, length, new_name, size
from stack3d.geometry.importers.scenario_text import MOST_PROBES, Imported
from stack3d.geometry.importers.user_files import mistake, place_of
from stack3d.layout import Rectangle

ROUNDING = 1e-9
"""By which heights and edges may differ. [m]"""
ACTIVE = 10e-6
"""Thickness of the layer at the front that heats, at most half of the chiplet. [m]"""
THIN_BOND = 5e-6
"""Thickest joint that is taken for a hybrid bond. [m]"""
MATERIALS = {"die": "silicon", "ip": "silicon", "rdl": "fan_out_traces", "substrate": "organic_substrate"}
"""Of chiplets by type, where the table names none."""
HEATING = ("die", "ip")
"""Types that get a layer of their own for the heat at their front."""


def read(path: Path, powers: Path | None, name: str) -> Imported:
    """Scenario of one 3Dblox stack with the powers of a table; raises DeckError."""
    about = read_assembly(path)
    told = read_powers(powers, about.placed) if powers else {chip.name: ToldOfChiplet(()) for chip in about.placed}
    return _Stacking(path, about, told).finished(name)


class _Stacking:
    """The deck as it is filled, from the lowest chiplet up."""

    def __init__(self, path: Path, about: ChipletAssembly, told: dict[str, ToldOfChiplet]) -> None:
        self.path, self.about, self.told = path, about, told
        self.notes = list(about.notes)
        self.whole = bounds([chip.extent for chip in about.placed])
        taken: set[str] = set()
        self.names = {chip.name: new_name(chip.name, taken) for chip in about.placed}
        self.order = sorted(about.placed, key=lambda chip: chip.pose.z)
        lowest = self.order[0]
        alone = len(self.order) == 1 or self.order[1].pose.z > lowest.pose.z + ROUNDING
        self.base = lowest if alone and _contains(lowest.extent, self.whole) else None

    def finished(self, name: str) -> Imported:
        """The scenario, and what was assumed."""
        place = place_of(self.path)
        below, parts = self._base(), []
        for i, chip in enumerate(self.order):
            if chip is not self.base:
                parts.append(self._part(chip, self.order[:i]))
        geometry: dict[str, Any] = {"footprint": size(self.whole), "source": f"3Dblox, {self.path.name}"}
        if parts:
            fill = "mold_compound"
            geometry |= {"below": below, "parts": parts, "fill": fill}
            self.notes.append(f"Between and beside the chiplets lies {fill} (assumed: geometry.fill).")
        else:
            geometry["layers"] = below
        tree = {
            "scenario": deck_name(name),
            "title": f"{self.about.design}, imported from 3Dblox",
            "geometry": geometry,
            "power": {"sources": self._sources()},
            "cooling": {"top": "cold_plate", "ambient": "300 K", "assumed": "3Dblox holds no cooling"},
            "probes": self._probes(),
            "solver": "standard",
        }
        self._tell()
        return Imported(yamlfile.wrapped(tree, place), tuple(dict.fromkeys(self.notes)))

    def _base(self) -> list[Any]:
        """Layers that all chiplets stand on: the lowest chiplet, or a substrate where several are lowest."""
        if self.base is not None:
            return self._layers(self.base, f"{self.names[self.base.name]}_")
        self.notes.append("No chiplet lies under all others; a substrate of 1 mm under them is assumed: geometry.below.")
        slab = {"name": "substrate", "thickness": length(1e-3), "material": "organic_substrate"}
        return [yamlfile.wrapped(slab | {"assumed": "3Dblox names nothing under the chiplets"}, place_of(self.path))]

    def _material(self, chip: PlacedChiplet) -> str:
        return self.told[chip.name].material or MATERIALS[chip.chiplet.kind]

    def _layers(self, chip: PlacedChiplet, prefix: str = "") -> list[Any]:
        """Layers of a chiplet from below: its bulk, and at its front, up or down, the one that heats."""
        kind, thickness, material = chip.chiplet.kind, chip.chiplet.thickness, self._material(chip)
        said = {} if self.told[chip.name].material else {"assumed": f"{material} for a chiplet of type {kind}"}
        if kind not in HEATING:
            return [
                yamlfile.wrapped(
                    {"name": f"{prefix}body", "thickness": length(thickness), "material": material, **said}, chip.pose.place
                )
            ]
        active = min(ACTIVE, thickness / 2)
        front = {"name": f"{prefix}active", "thickness": length(active), "material": material}
        front["assumed"] = "heat arises in the uppermost 10 um under the front, at most half of the chiplet"
        bulk = {"name": f"{prefix}bulk", "thickness": length(thickness - active), "material": material, **said}
        layers = [front, bulk] if chip.pose.face_down else [bulk, front]
        return [yamlfile.wrapped(layer, chip.pose.place) for layer in layers]

    def _heated(self, chip: PlacedChiplet) -> str:
        """Full name of the layer that heats."""
        layer = "active" if chip.chiplet.kind in HEATING else "body"
        return f"{self.names[chip.name]}{'_' if chip is self.base else '.'}{layer}"

    def _part(self, chip: PlacedChiplet, lower: Sequence[PlacedChiplet]) -> Any:
        """A chiplet as a part on what is under it, with the joint between; raises DeckError."""
        under = self._under(chip, lower)
        corner = under.extent if under is not None else self.whole
        layers = self._layers(chip)
        bottom = min(c.pose.z for c in self.order) if under is None else under.top
        gap = chip.pose.z - bottom
        if gap > ROUNDING:
            layers = [self._joint(chip, under, gap), *layers]
        entry: dict[str, Any] = {"name": self.names[chip.name]}
        if under is not None and under is not self.base:
            entry["on"] = self.names[under.name]
        entry["at"] = [length(chip.extent.x0 - corner.x0), length(chip.extent.y0 - corner.y0)]
        return yamlfile.wrapped({**entry, "size": size(chip.extent), "layers": layers}, chip.pose.place)

    def _under(self, chip: PlacedChiplet, lower: Sequence[PlacedChiplet]) -> PlacedChiplet | None:
        """The chiplet that another stands on, None for the assumed substrate; raises DeckError for one in or on several."""
        met = [other for other in lower if other.extent.overlaps(chip.extent)]
        if not met:
            return None
        highest = max(other.top for other in met)
        under = [other for other in met if other.top > highest - ROUNDING]
        key = f"Stack.{few(chip.name)}"
        if highest > chip.pose.z + ROUNDING:
            there = f"{few(under[0].name)}, whose upper face is at {highest * 1e6:g} um"
            raise mistake(chip.pose.place, f"{key}.z", f"stands in {there}, got {chip.pose.z * 1e6:g}")
        if len(under) > 1:
            several = " and ".join(few(other.name) for other in under)
            raise mistake(chip.pose.place, key, f"stands on {several}; a bridge is not imported")
        if not _contains(under[0].extent, chip.extent):
            raise mistake(chip.pose.place, key, f"overhangs {few(under[0].name)} under it, which is not imported")
        return under[0]

    def _joint(self, chip: PlacedChiplet, under: PlacedChiplet | None, gap: float) -> Any:
        """The layer between two chiplets; raises DeckError where nothing connects them."""
        pair = {chip.name, under.name if under is not None else ""}
        joints = [
            c for c in self.about.connections if {c.top, c.bottom} == pair or (under is None and chip.name in (c.top, c.bottom))
        ]
        if not joints:
            lower = few(under.name) if under is not None else "what is under it"
            message = f"floats {gap * 1e6:g} um over {lower}, and no Connection joins them"
            raise mistake(chip.pose.place, f"Stack.{few(chip.name)}.z", message)
        for joint in joints:
            if abs(joint.thickness - gap) > ROUNDING:
                said, left = f"{joint.thickness * 1e6:g} um", f"{gap * 1e6:g} um"
                self.notes.append(f"Connection {few(joint.name)} says {said} where Stack leaves {left}; Stack counts.")
        material = "hybrid_bond" if gap <= THIN_BOND else "microbump_underfill"
        self.notes.append("Joints up to 5 um are taken for hybrid_bond, thicker ones for microbump_underfill (assumed).")
        entry = {"name": "joint", "thickness": length(gap), "material": material}
        return yamlfile.wrapped({**entry, "assumed": "3Dblox names no material"}, joints[0].place)

    def _sources(self) -> list[Any]:
        """Heat of every chiplet that can heat; zero where nothing is told."""
        out, taken, silent = [], set[str](), []
        for chip in self.about.placed:
            heats = self.told[chip.name].heats
            if not heats and chip.chiplet.kind in HEATING:
                silent.append(few(chip.name))
                none = {"name": new_name(chip.name, taken), "layer": self._heated(chip), "power": "0 W"}
                out.append(yamlfile.wrapped(none, chip.pose.place))
            for heat in heats:
                entry: dict[str, Any] = {"name": new_name(heat.name, taken), "layer": self._heated(chip)}
                where = heat.box if heat.box is not None else self._core(chip)
                entry |= box(chip.in_stack(where), self.whole)
                out.append(yamlfile.wrapped({**entry, "power": f"{heat.power:.12g} W"}, heat.place))
        if silent:
            self.notes.append(
                f"No power is given for {', '.join(silent)}: 0 W; give a table of powers (.csv), or set power.sources."
            )
        return out

    @staticmethod
    def _core(chip: PlacedChiplet) -> Rectangle:
        core = chip.chiplet.core
        return Rectangle(0.0, core.x1 - core.x0, 0.0, core.y1 - core.y0)

    def _probes(self) -> list[Any]:
        """A probe in the middle of every chiplet that can heat."""
        chips = [chip for chip in self.about.placed if chip.chiplet.kind in HEATING]
        if len(chips) > MOST_PROBES:
            self.notes.append(f"{len(chips)} chiplets are too many for a probe in each.")
            return []
        out = []
        for chip in chips:
            x, y = chip.extent.centre
            at = {"x": length(x - self.whole.x0), "y": length(y - self.whole.y0)}
            out.append(yamlfile.wrapped({"name": self.names[chip.name], "layer": self._heated(chip), **at}, chip.pose.place))
        return out

    def _tell(self) -> None:
        kinds = {chip.chiplet.kind for chip in self.about.placed if not self.told[chip.name].material}
        assumed = ", ".join(f"{MATERIALS[kind]} for {kind}" for kind in MATERIALS if kind in kinds)
        if assumed:
            self.notes.append(
                f"3Dblox holds no materials: {assumed} (assumed); a column material of the table of powers says others."
            )
        self.notes.append("3Dblox holds no cooling: cold_plate on the top face, 300 K around (assumed); set cooling.")
        self.notes.append(
            "Heat arises in the 10 um under the front of a die (assumed); bumps and vias are those of its materials."
        )


def _contains(outer: Rectangle, inner: Rectangle) -> bool:
    """Whether one rectangle lies in another, but for rounding."""
    return (
        inner.x0 >= outer.x0 - ROUNDING
        and inner.x1 <= outer.x1 + ROUNDING
        and inner.y0 >= outer.y0 - ROUNDING
        and inner.y1 <= outer.y1 + ROUNDING
    )
