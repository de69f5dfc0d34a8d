"""Boxes in space cut into layers, and the deck made from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from stack3d import yamlfile
from stack3d.errors import few
from stack3d.geometry.importers.ecxml.objects import BoxSolid, ObjectModel, read_model, solids_through
from stack3d.geometry.importers.parts import bounds, box, deck_name, length, new_name, size
from stack3d.geometry.importers.scenario_text import Imported
from stack3d.geometry.importers.user_files import mistake, place_of
from stack3d.layout import Rectangle

ROUNDING = 1e-9
"""Heights and edges that differ by less are one. [m]"""
MOST_LAYERS = 512
MOST_BLOCKS = 20_000
AMBIENT = 300.0
"""Where the file says none. [K]"""
GAP = {"conductivity": "0.026 W/m/K", "heat_capacity": "1200 J/m^3/K", "assumed": "still air where the file has no solid"}


def read(path: Path, name: str) -> Imported:
    """Scenario of the solids of an ECXML file; raises DeckError."""
    model = read_model(path)
    return _Slices(path, model).finished(name)


class _Slices:
    """The deck as it is filled, from the lowest height up."""

    def __init__(self, path: Path, model: ObjectModel) -> None:
        self.path, self.model, self.notes = path, model, list(model.notes)
        bodies = [solid for solid in model.solids if solid.material]
        if not bodies:
            raise mistake(place_of(path), "geometry", "holds sources alone: no solid with a material")
        self.whole = bounds([solid.extent for solid in bodies])
        heights = _apart([z for solid in bodies for z in (solid.z0, solid.z1)])
        if len(heights) > MOST_LAYERS:
            raise mistake(place_of(path), "geometry", f"begins and ends at {len(heights)} heights, at most {MOST_LAYERS}")
        self.slabs = list(pairwise(heights))
        self.names: dict[tuple[float, float], str] = {}

    def finished(self, name: str) -> Imported:
        """The scenario, and what was assumed."""
        layers = self._layers()
        ambient, said = self.model.ambient, "ECXML holds no film coefficients"
        if ambient is None:
            ambient, said = AMBIENT, f"{said}; the file has no ambientConditions"
            self.notes.append(f"The file has no ambientConditions: {AMBIENT:g} K around (assumed); set cooling.ambient.")
        tree = {
            "scenario": deck_name(name),
            "title": f"{self.model.name}, imported from ECXML",
            "geometry": {"footprint": size(self.whole), "layers": layers, "source": f"ECXML, {self.path.name}"},
            "power": {"sources": self._sources()},
            "cooling": {"top": "cold_plate", "ambient": f"{ambient:.12g} K", "assumed": said},
            "probes": list(self._probes()),
            "solver": "standard",
        }
        self.notes.append("ECXML holds no film coefficients: cold_plate on the top face (assumed); set cooling.")
        return Imported(yamlfile.wrapped(tree, place_of(self.path)), tuple(dict.fromkeys(self.notes)))

    def _layers(self) -> list[Any]:
        out, taken, count = [], set[str](), 0
        for z0, z1 in self.slabs:
            solids = list(solids_through(self.model, z0, z1))
            if not solids:
                raise mistake(
                    place_of(self.path), "geometry", f"is empty between {z0 * 1e6:g} and {z1 * 1e6:g} um: no heat gets across"
                )
            outline = bounds([solid.extent for solid in solids])
            base = next((solid for solid in reversed(solids) if solid.extent.contains(outline, slack=ROUNDING)), None)
            if base is None:
                self.notes.append("Where solids leave gaps lies still air, 0.026 W/m/K (assumed).")
            upper = solids if base is None else solids[solids.index(base) + 1 :]
            named = base if base is not None else solids[0]
            entry: dict[str, Any] = {
                "name": new_name(named.name if base is not None else f"beside_{named.name}", taken),
                "thickness": length(z1 - z0),
                "material": GAP if base is None else self.model.materials[base.material],
            }
            if not outline.contains(self.whole, slack=ROUNDING):
                corner = [length(outline.x0 - self.whole.x0), length(outline.y0 - self.whole.y0)]
                entry |= {"size": size(outline), "offset": corner}
            blocks = self._blocks(upper)
            if (count := count + len(blocks)) > MOST_BLOCKS:
                raise mistake(named.place, "geometry", f"makes more than {MOST_BLOCKS} blocks")
            if blocks:
                entry["blocks"] = blocks
            self.names[z0, z1] = entry["name"]
            out.append(yamlfile.wrapped(entry, named.place))
        return out

    def _blocks(self, solids: Sequence[BoxSolid]) -> list[Any]:
        """Blocks that do not overlap: of what does, the later solid keeps its whole and the earlier the rest."""
        kept: list[tuple[BoxSolid, Rectangle]] = []
        for solid in solids:
            kept = [(other, piece) for other, whole in kept for piece in _without(whole, solid.extent)]
            kept.append((solid, solid.extent))
            if len(kept) > MOST_BLOCKS:
                raise mistake(solid.place, "geometry", f"makes more than {MOST_BLOCKS} blocks")
        out, taken = [], set[str]()
        for solid, piece in kept:
            entry = {
                "name": new_name(solid.name, taken),
                **box(piece, self.whole),
                "material": self.model.materials[solid.material],
            }
            out.append(yamlfile.wrapped(entry, solid.place))
        return out

    def _crossed(self, solid: BoxSolid) -> Iterator[tuple[str, float]]:
        """Layers that heat lies in, and its share in each; raises DeckError for heat beside all layers."""
        if solid.z1 - solid.z0 <= ROUNDING:
            found = [slab for slab in self.slabs if slab[0] - ROUNDING <= solid.z0 <= slab[1] + ROUNDING][:1]
            shares = [1.0] * len(found)
        else:
            parts = [(slab, min(slab[1], solid.z1) - max(slab[0], solid.z0)) for slab in self.slabs]
            found = [slab for slab, shared in parts if shared > ROUNDING]
            shares = [shared / (solid.z1 - solid.z0) for _, shared in parts if shared > ROUNDING]
        if abs(sum(shares) - 1.0) > 1e-3:
            raise mistake(solid.place, few(solid.name), "lies in part above or below all solids")
        yield from ((self.names[slab], share) for slab, share in zip(found, shares))

    def _sources(self) -> list[Any]:
        out, taken = [], set[str]()
        for solid in self.model.solids:
            if solid.power == 0 and solid.material:
                continue
            for layer, share in self._crossed(solid):
                entry = {"name": new_name(solid.name, taken), "layer": layer, **box(solid.extent, self.whole)}
                out.append(yamlfile.wrapped({**entry, "power": f"{share * solid.power:.12g} W"}, solid.place))
        if not out:
            self.notes.append("No object has a power: set power.sources.")
        return out

    def _probes(self) -> Iterator[Any]:
        taken = set[str]()
        bottom = self.slabs[0][0]
        for name, (x, y, z), place in self.model.monitors:
            slab = next((slab for slab in self.slabs if slab[0] - ROUNDING <= z <= slab[1] + ROUNDING), None)
            if slab is None or not self.whole.contains(Rectangle(x, x, y, y), slack=ROUNDING):
                self.notes.append(f"Monitor point {few(name)} lies outside all solids; it is left out.")
                continue
            at = {
                "x": length(x - self.whole.x0),
                "y": length(y - self.whole.y0),
                "z": length(min(max(z, slab[0]), slab[1]) - bottom),
            }
            yield yamlfile.wrapped({"name": new_name(name, taken), "layer": self.names[slab], **at}, place)


def _apart(heights: Sequence[float]) -> list[float]:
    """Heights in their order, one of those that differ by rounding. [m]"""
    out: list[float] = []
    for z in sorted(heights):
        if not out or z > out[-1] + ROUNDING:
            out.append(z)
    return out


def _without(whole: Rectangle, hole: Rectangle) -> Iterator[Rectangle]:
    """What is left of a rectangle beside another, as rectangles. [m]"""
    if not whole.overlaps(hole, slack=ROUNDING):
        yield whole
        return
    x0, x1 = max(whole.x0, hole.x0), min(whole.x1, hole.x1)
    pieces = [
        Rectangle(whole.x0, x0, whole.y0, whole.y1),
        Rectangle(x1, whole.x1, whole.y0, whole.y1),
        Rectangle(x0, x1, whole.y0, hole.y0),
        Rectangle(x0, x1, hole.y1, whole.y1),
    ]
    yield from (p for p in pieces if p.x1 - p.x0 > ROUNDING and p.y1 - p.y0 > ROUNDING)
